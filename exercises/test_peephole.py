"""Is it an LSTM with peepholes, forward, and does its backward pass belong to it?"""

from __future__ import annotations

import math

import numpy as np
import peephole
import pytest

from lstm_numpy import plain
from lstm_numpy.gradcheck.__main__ import table_row
from lstm_numpy.gradcheck.numeric import compare, numeric_gradient

T, B, D, H = 4, 2, 2, 3
NAMES = ("x", "Wx", "Wh", "b", "p", "h0", "c0")


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    shapes = ((T, B, D), (D, 4 * H), (H, 4 * H), (4 * H,), (3, H), (B, H), (B, H))
    return {name: rng.normal(0, 0.8, shape) for name, shape in zip(NAMES, shapes, strict=True)}


def test_without_peepholes_it_is_the_plain_lstm(arrays: dict[str, np.ndarray]) -> None:
    arrays["p"][:] = 0
    without = {name: array for name, array in arrays.items() if name != "p"}
    for mine, right in zip(peephole.lstm_forward(**arrays), plain.lstm_forward(**without), strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-12)


def test_forward_one_unit_with_a_pocket_calculator() -> None:
    """One unit, one step: z comes from b alone."""
    z, p_i, p_f, p_o, before = (0.1, 0.2, 0.3, 0.4), 0.5, -0.6, 0.7, 1.5
    i = 1 / (1 + math.exp(-(z[0] + p_i * before)))
    f = 1 / (1 + math.exp(-(z[1] + p_f * before)))
    after = f * before + i * math.tanh(z[3])
    o = 1 / (1 + math.exp(-(z[2] + p_o * after)))
    h, c, *gates = peephole.lstm_forward(
        np.zeros((1, 1, 1)), np.zeros((1, 4)), np.zeros((1, 4)), np.array(z), np.array([[p_i], [p_f], [p_o]]),
        np.zeros((1, 1)), np.array([[before]]),
    )  # fmt: skip
    for gate, found, value in zip("ifog", gates, (i, f, o, math.tanh(z[3])), strict=True):
        assert found.item() == pytest.approx(value, rel=1e-12), f"gate {gate} should be {value:.6f}"
    assert c[1].item() == pytest.approx(after, rel=1e-12)
    assert h[1].item() == pytest.approx(o * math.tanh(after), rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_backward(arrays: dict[str, np.ndarray], name: str) -> None:
    dy = np.random.default_rng(9).normal(0, 1, (T, B, H))

    def loss() -> float:
        return float((peephole.lstm_forward(**arrays)[0][1:] * dy).sum())

    x, Wx, Wh, _, p, _, _ = arrays.values()
    by_hand = peephole.lstm_backward(dy, x, Wx, Wh, p, *peephole.lstm_forward(**arrays))[NAMES.index(name)]
    numeric = numeric_gradient(loss, arrays[name])
    assert np.abs(numeric).max() > 0 or name != "p", "p does nothing in the forward pass yet"
    line = compare(f"d{name}", by_hand, numeric, "index index index")
    assert line.right, "name, error, by hand, numeric, where it is worst:\n" + table_row(line)
