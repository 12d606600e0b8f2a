"""Is one step forward as the equations say, and does the backward pass belong to it?"""

from __future__ import annotations

import math

import coupled_gate
import numpy as np
import pytest

from lstm_numpy.gradcheck.__main__ import table_row
from lstm_numpy.gradcheck.numeric import compare, numeric_gradient

T, B, H = 4, 2, 3
NAMES = ("xWx", "Wh", "b", "h0", "c0")


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    shapes = {"xWx": (T, B, 3 * H), "Wh": (H, 3 * H), "b": (3 * H,), "h0": (B, H), "c0": (B, H)}
    return {name: rng.normal(0, 0.8, shape) for name, shape in shapes.items()}


def test_forward_one_unit_with_a_pocket_calculator() -> None:
    z_i, z_o, z_g, before = 0.1, -0.3, 0.4, 1.5
    i, o, g = 1 / (1 + math.exp(-z_i)), 1 / (1 + math.exp(-z_o)), math.tanh(z_g)
    c = (1 - i) * before + i * g
    right = {"i": i, "o": o, "g": g, "c": c, "h": o * math.tanh(c)}
    step = coupled_gate.step_forward(np.array([[z_i, z_o, z_g]]), np.array([[before]]))
    for name, value in right.items():
        found = getattr(step, name).item()
        assert found == pytest.approx(value, rel=1e-12), f"{name} is {found:.6f}, it should be {value:.6f}"


@pytest.mark.parametrize("name", NAMES)
def test_backward(arrays: dict[str, np.ndarray], name: str) -> None:
    dy = np.random.default_rng(9).normal(0, 1, (T, B, H))

    def loss() -> float:
        return float(sum((step.h * d).sum() for step, d in zip(coupled_gate.forward(**arrays), dy, strict=True)))

    steps = coupled_gate.forward(**arrays)
    by_hand = coupled_gate.backward(dy, arrays["Wh"], steps, arrays["h0"], arrays["c0"])[NAMES.index(name)]
    line = compare(f"d{name}", by_hand, numeric_gradient(loss, arrays[name]), "index index index")
    assert line.right, "name, error, by hand, numeric, where it is worst:\n" + table_row(line)
