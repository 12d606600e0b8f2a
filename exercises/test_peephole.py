"""Is it an LSTM with peepholes, forward, and does its backward pass belong to it?"""

from __future__ import annotations

import math

import numpy as np
import peephole
import pytest

from lstm_numpy.gradcheck.__main__ import table_row
from lstm_numpy.gradcheck.checks import compare, numeric_gradient
from lstm_numpy.lstm import LSTMState, LSTMWeights, RecurrentMasks, lstm_forward
from lstm_numpy.speed.buffers import Buffers

T, B, H = 4, 2, 3


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    shapes = {"xWx": (T, B, 4 * H), "Wh": (H, 4 * H), "b": (4 * H,), "p": (3, H), "h0": (B, H), "c0": (B, H)}
    return {name: rng.normal(0, 0.8, shape) for name, shape in shapes.items()}


def test_without_peepholes_it_is_the_lstm_of_this_package(arrays: dict[str, np.ndarray]) -> None:
    arrays["p"][:] = 0
    ones = np.ones((B, H))
    state, masks = LSTMState(arrays["h0"], arrays["c0"]), RecurrentMasks(ones, ones, ones)
    right = lstm_forward(arrays["xWx"].copy(), LSTMWeights(arrays["Wh"], arrays["b"]), state, masks, Buffers())
    np.testing.assert_allclose(peephole.forward(**arrays).h, right.h, rtol=1e-12)


def test_forward_one_unit_on_paper() -> None:
    """One unit, one step; each number as it would be worked out with a pocket calculator."""
    z, p_i, p_f, p_o, before = (0.1, 0.2, 0.3, 0.4), 0.5, -0.6, 0.7, 1.5
    i = 1 / (1 + math.exp(-(z[0] + p_i * before)))
    f = 1 / (1 + math.exp(-(z[1] + p_f * before)))
    after = f * before + i * math.tanh(z[3])
    o = 1 / (1 + math.exp(-(z[2] + p_o * after)))
    trace = peephole.forward(
        np.array([[z]]), np.zeros((1, 4)), np.zeros(4), np.array([[p_i], [p_f], [p_o]]), np.zeros((1, 1)),
        np.array([[before]]),
    )  # fmt: skip
    right = {"i": i, "f": f, "o": o, "g": math.tanh(z[3])}
    for gate, value in right.items():
        found = getattr(trace, gate)[0, 0, 0]
        assert found == pytest.approx(value, rel=1e-12), f"gate {gate} is {found:.6f}, it should be {value:.6f}"
    assert trace.h[1, 0, 0] == pytest.approx(o * math.tanh(after), rel=1e-12)


@pytest.mark.parametrize("name", peephole.Gradients._fields)
def test_backward(arrays: dict[str, np.ndarray], name: str) -> None:
    dy = np.random.default_rng(9).normal(0, 1, (T, B, H))

    def loss() -> float:
        return float((peephole.forward(**arrays).h[1:] * dy).sum())

    by_hand = getattr(peephole.backward(dy, arrays["Wh"], arrays["p"], peephole.forward(**arrays)), name)
    numeric = numeric_gradient(loss, arrays[name])
    assert np.abs(numeric).max() > 0 or name != "p", "p does nothing in the forward pass yet"
    line = compare(f"d{name}", by_hand, numeric, "index index index")
    assert line.right, "name, error, by hand, numeric, where it is worst:\n" + table_row(line)
