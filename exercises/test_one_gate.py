"""Does the backward pass belong to the forward pass?  Every number is moved, and the loss is looked at."""

from __future__ import annotations

import numpy as np
import one_gate
import pytest

from lstm_numpy.gradcheck.__main__ import table_row
from lstm_numpy.gradcheck.numeric import compare, numeric_gradient

T, B, H = 4, 2, 3


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    shapes = {"xWx": (T, B, 2 * H), "Wh": (H, 2 * H), "b": (2 * H,), "h0": (B, H)}
    return {name: rng.normal(0, 0.8, shape) for name, shape in shapes.items()}


def test_one_step(arrays: dict[str, np.ndarray]) -> None:
    rng = np.random.default_rng(8)
    z, h, dh_after = arrays["xWx"][0].copy(), arrays["h0"], rng.normal(0, 1, (B, H))

    def loss() -> float:  # Wh and b are 0, so z is xWx, and h reaches the loss without going through z
        after = one_gate.forward(z[None], np.zeros((H, 2 * H)), np.zeros(2 * H), h).h[1]
        return float((after * dh_after).sum())

    trace = one_gate.forward(z[None], np.zeros((H, 2 * H)), np.zeros(2 * H), h)
    dz, dh = one_gate.step_backward(dh_after, trace.f[0], trace.g[0], h)
    agree("dz", dz, numeric_gradient(loss, z))
    agree("dh, not through z", dh, numeric_gradient(loss, h))


@pytest.mark.parametrize("name", ["xWx", "Wh", "b", "h0"])
def test_a_sequence(arrays: dict[str, np.ndarray], name: str) -> None:
    dy = np.random.default_rng(9).normal(0, 1, (T, B, H))

    def loss() -> float:
        return float((one_gate.forward(**arrays).h[1:] * dy).sum())

    by_hand = one_gate.backward(dy, arrays["Wh"], one_gate.forward(**arrays))
    gradients = dict(zip(("xWx", "Wh", "b", "h0"), by_hand, strict=True))
    agree(f"d{name}", gradients[name], numeric_gradient(loss, arrays[name]))


def agree(name: str, by_hand: np.ndarray, numeric: np.ndarray) -> None:
    line = compare(name, by_hand, numeric, "index index index")
    assert line.right, "name, error, by hand, numeric, where it is worst:\n" + table_row(line)
