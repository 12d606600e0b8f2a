"""One layer over a sequence: shapes, state from window to window, and buffers that are used again."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_numpy.lstm import LSTMState, LSTMTrace, LSTMWeights, RecurrentMasks, lstm_backward, lstm_forward
from lstm_numpy.speed.buffers import Buffers

pytestmark = pytest.mark.math

T, B, H = 5, 2, 3


def layer(dtype=np.float64, seed: int = 0):
    """xWx, weights, a state, masks that do nothing, and dy."""
    rng = np.random.default_rng(seed)
    xWx, dy = rng.normal(size=(T, B, 4 * H)).astype(dtype), rng.normal(size=(T, B, H)).astype(dtype)
    weights = LSTMWeights(rng.normal(size=(H, 4 * H)).astype(dtype), rng.normal(size=4 * H).astype(dtype))
    ones = np.ones((B, H), dtype)
    return xWx, weights, LSTMState(*rng.normal(size=(2, B, H)).astype(dtype)), RecurrentMasks(ones, ones, ones), dy


def test_shapes_and_dtypes_are_those_that_the_trace_promises() -> None:
    for dtype in (np.float32, np.float64):
        xWx, weights, state, masks, dy = layer(dtype)
        trace, grads = lstm_backward(dy, weights, masks, lstm_forward(xWx, weights, state, masks, Buffers()), Buffers())
        rows = dict.fromkeys(LSTMTrace._fields, T) | dict.fromkeys(("c", "h", "rh", "dh", "dc"), T + 1)
        for name, array in trace._asdict().items():
            assert array.shape == (rows[name], B, 4 * H if name in ("gates", "dz") else H), name
            assert array.dtype == dtype, name
        assert [(d.shape, d.dtype) for d in grads] == [(w.shape, dtype) for w in weights]


def test_two_windows_with_the_state_carried_are_one_long_sequence_bit_for_bit() -> None:
    xWx, weights, state, masks, _ = layer()
    whole = lstm_forward(xWx.copy(), weights, state, masks, Buffers())
    first = lstm_forward(xWx[:2].copy(), weights, state, masks, Buffers())
    second = lstm_forward(xWx[2:].copy(), weights, LSTMState(first.h[2], first.c[2]), masks, Buffers())
    for name in ("h", "c"):
        pieces = np.concatenate([getattr(first, name), getattr(second, name)[1:]])
        np.testing.assert_array_equal(getattr(whole, name), pieces)


def test_gradients_of_two_windows_meet_in_the_state_between_them() -> None:
    """Backward through both windows is backward through the second, and its dh[0] and dc[0] handed to the first."""
    xWx, weights, state, masks, dy = layer()
    whole, grads = lstm_backward(
        dy, weights, masks, lstm_forward(xWx.copy(), weights, state, masks, Buffers()), Buffers()
    )
    first = lstm_forward(xWx[:2].copy(), weights, state, masks, Buffers())
    between = LSTMState(first.h[2], first.c[2])
    second = lstm_forward(xWx[2:].copy(), weights, between, masks, Buffers())
    second, grads_2 = lstm_backward(dy[2:], weights, masks, second, Buffers())
    np.testing.assert_allclose(whole.dz[2:], second.dz, rtol=1e-13)
    np.testing.assert_allclose(whole.dh[2], dy[1] + second.dh[0], rtol=1e-13)
    # Truncated: without what comes back from the second window, the first is given dy alone.
    truncated, grads_1 = lstm_backward(dy[:2], weights, masks, first, Buffers())
    for both, d_1, d_2 in zip(grads, grads_1, grads_2, strict=True):
        assert np.abs(both - d_1 - d_2).max() > 0.01
    assert np.abs(whole.dz[1] - truncated.dz[1]).max() > 0.01


def test_each_step_follows_from_the_one_before() -> None:
    """A sequence run step by step, as when music is generated, is the sequence run at once."""
    xWx, weights, state, masks, _ = layer()
    whole = lstm_forward(xWx.copy(), weights, state, masks, Buffers())
    for t in range(T):
        step = lstm_forward(xWx[t : t + 1].copy(), weights, state, masks, Buffers())
        state = LSTMState(step.h[1], step.c[1])
        np.testing.assert_array_equal(whole.h[t + 1], state.h)


def test_used_buffers_give_the_same_bits_as_fresh_ones() -> None:
    buffers = Buffers()
    for seed in (0, 1, 0):
        xWx, weights, state, masks, dy = layer(seed=seed)
        used = lstm_backward(dy, weights, masks, lstm_forward(xWx.copy(), weights, state, masks, buffers), buffers)
        fresh = lstm_backward(dy, weights, masks, lstm_forward(xWx.copy(), weights, state, masks, Buffers()), Buffers())
        for a, b in zip((*used[0], *used[1]), (*fresh[0], *fresh[1]), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.pinned
def test_an_open_forget_gate_keeps_the_cell_and_a_closed_one_empties_it() -> None:
    xWx, weights, state, masks, _ = layer()
    xWx[:], weights.Wh[:], weights.b[:] = 0, 0, 0
    for forget, kept in ((50.0, 1), (-50.0, 0)):
        weights.b[H : 2 * H] = forget  # g is tanh(0) = 0, so nothing is written
        trace = lstm_forward(xWx.copy(), weights, state, masks, Buffers())
        np.testing.assert_allclose(trace.c[T], kept * state.c, rtol=1e-15, atol=1e-15)
