"""One layer over a sequence: shapes, state from window to window, and buffers that are used again."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_numpy.lstm import LSTMState, LSTMTrace, RecurrentMasks, lstm_backward, lstm_forward
from lstm_numpy.speed.buffers import Buffers

pytestmark = pytest.mark.math

T, B, H = 5, 2, 3


def layer(dtype=np.float64, seed: int = 0):
    """xWx, Wh, b, a state, masks that do nothing, and dy."""
    rng = np.random.default_rng(seed)
    xWx, dy = rng.normal(size=(T, B, 4 * H)).astype(dtype), rng.normal(size=(T, B, H)).astype(dtype)
    Wh, b = rng.normal(size=(H, 4 * H)).astype(dtype), rng.normal(size=4 * H).astype(dtype)
    ones = np.ones((B, H), dtype)
    return xWx, Wh, b, LSTMState(*rng.normal(size=(2, B, H)).astype(dtype)), RecurrentMasks(ones, ones, ones), dy


def test_shapes_and_dtypes_are_those_that_the_trace_promises() -> None:
    for dtype in (np.float32, np.float64):
        xWx, Wh, b, state, masks, dy = layer(dtype)
        trace, dWh, db = lstm_backward(dy, Wh, masks, lstm_forward(xWx, Wh, b, state, masks, Buffers()), Buffers())
        rows = dict.fromkeys(LSTMTrace._fields, T) | dict.fromkeys(("c", "h", "rh", "dh", "dc"), T + 1)
        for name, array in trace._asdict().items():
            assert array.shape == (rows[name], B, 4 * H if name in ("gates", "dz") else H), name
            assert array.dtype == dtype, name
        assert (dWh.shape, db.shape, dWh.dtype, db.dtype) == (Wh.shape, b.shape, dtype, dtype)


def test_two_windows_with_the_state_carried_are_one_long_sequence_bit_for_bit() -> None:
    xWx, Wh, b, state, masks, _ = layer()
    whole = lstm_forward(xWx.copy(), Wh, b, state, masks, Buffers())
    first = lstm_forward(xWx[:2].copy(), Wh, b, state, masks, Buffers())
    second = lstm_forward(xWx[2:].copy(), Wh, b, LSTMState(first.h[2], first.c[2]), masks, Buffers())
    for name in ("h", "c"):
        pieces = np.concatenate([getattr(first, name), getattr(second, name)[1:]])
        np.testing.assert_array_equal(getattr(whole, name), pieces)


def test_gradients_of_two_windows_meet_in_the_state_between_them() -> None:
    """Backward through both windows is backward through the second, and its dh[0] and dc[0] handed to the first."""
    xWx, Wh, b, state, masks, dy = layer()
    whole, dWh, db = lstm_backward(dy, Wh, masks, lstm_forward(xWx.copy(), Wh, b, state, masks, Buffers()), Buffers())
    first = lstm_forward(xWx[:2].copy(), Wh, b, state, masks, Buffers())
    between = LSTMState(first.h[2], first.c[2])
    second = lstm_forward(xWx[2:].copy(), Wh, b, between, masks, Buffers())
    second, dWh_2, db_2 = lstm_backward(dy[2:], Wh, masks, second, Buffers())
    np.testing.assert_allclose(whole.dz[2:], second.dz, rtol=1e-13)
    np.testing.assert_allclose(whole.dh[2], dy[1] + second.dh[0], rtol=1e-13)
    # Truncated: without what comes back from the second window, the first is given dy alone.
    truncated, dWh_1, db_1 = lstm_backward(dy[:2], Wh, masks, first, Buffers())
    assert np.abs(dWh - dWh_1 - dWh_2).max() > 0.01
    assert np.abs(db - db_1 - db_2).max() > 0.01
    assert np.abs(whole.dz[1] - truncated.dz[1]).max() > 0.01


def test_each_step_follows_from_the_one_before() -> None:
    """A sequence run step by step, as when music is generated, is the sequence run at once."""
    xWx, Wh, b, state, masks, _ = layer()
    whole = lstm_forward(xWx.copy(), Wh, b, state, masks, Buffers())
    for t in range(T):
        step = lstm_forward(xWx[t : t + 1].copy(), Wh, b, state, masks, Buffers())
        state = LSTMState(step.h[1], step.c[1])
        np.testing.assert_array_equal(whole.h[t + 1], state.h)


def test_used_buffers_give_the_same_bits_as_fresh_ones() -> None:
    buffers = Buffers()
    for seed in (0, 1, 0):
        xWx, Wh, b, state, masks, dy = layer(seed=seed)
        used = lstm_backward(dy, Wh, masks, lstm_forward(xWx.copy(), Wh, b, state, masks, buffers), buffers)
        fresh = lstm_backward(dy, Wh, masks, lstm_forward(xWx.copy(), Wh, b, state, masks, Buffers()), Buffers())
        for a, b_ in zip((*used[0], *used[1:]), (*fresh[0], *fresh[1:]), strict=True):
            np.testing.assert_array_equal(a, b_)


def test_an_open_forget_gate_keeps_the_cell_and_a_closed_one_empties_it() -> None:
    xWx, Wh, b, state, masks, _ = layer()
    xWx[:], Wh[:], b[:] = 0, 0, 0
    for forget, kept in ((50.0, 1), (-50.0, 0)):
        b[H : 2 * H] = forget  # g is tanh(0) = 0, so nothing is written
        trace = lstm_forward(xWx.copy() * 0, Wh, b, state, masks, Buffers())
        np.testing.assert_allclose(trace.c[T], kept * state.c, rtol=1e-15, atol=1e-15)
