"""Is it a GRU, and does its backward pass belong to it?"""

from __future__ import annotations

import math

import gru
import numpy as np
import pytest

from lstm_numpy.gradcheck.__main__ import table_row
from lstm_numpy.gradcheck.numeric import compare, numeric_gradient

T, B, H = 4, 2, 3


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    shapes = {"xWx": (T, B, 3 * H), "Wh": (H, 3 * H), "b": (3 * H,), "h0": (B, H)}
    return {name: rng.normal(0, 0.8, shape) for name, shape in shapes.items()}


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def test_forward_with_a_pocket_calculator(arrays: dict[str, np.ndarray]) -> None:
    """Every unit of every sequence, with numbers instead of matrices."""
    trace = gru.forward(**arrays)
    xWx, Wh, b, h0 = (arrays[name].tolist() for name in ("xWx", "Wh", "b", "h0"))
    units = range(H)
    for n in range(B):
        h = h0[n]
        for t in range(T):
            r = [sigmoid(xWx[t][n][k] + sum(h[j] * Wh[j][k] for j in units) + b[k]) for k in units]
            u = [sigmoid(xWx[t][n][H + k] + sum(h[j] * Wh[j][H + k] for j in units) + b[H + k]) for k in units]
            seen = [r[k] * h[k] for k in units]
            columns = range(2 * H, 3 * H)
            g = [math.tanh(xWx[t][n][k] + sum(seen[j] * Wh[j][k] for j in units) + b[k]) for k in columns]
            h = [u[k] * h[k] + (1 - u[k]) * g[k] for k in units]
            for name, right, found in zip("rugh", (r, u, g, h), (*trace[:3], trace.h[1:]), strict=True):
                assert found[t, n] == pytest.approx(right, rel=1e-12), f"{name} at step {t} is not as the equations say"


@pytest.mark.parametrize("name", gru.Gradients._fields)
def test_backward(arrays: dict[str, np.ndarray], name: str) -> None:
    dy = np.random.default_rng(9).normal(0, 1, (T, B, H))

    def loss() -> float:
        return float((gru.forward(**arrays).h[1:] * dy).sum())

    by_hand = getattr(gru.backward(dy, arrays["Wh"], gru.forward(**arrays)), name)
    line = compare(f"d{name}", by_hand, numeric_gradient(loss, arrays[name]), "index index index")
    assert line.right, "name, error, by hand, numeric, where it is worst:\n" + table_row(line)
