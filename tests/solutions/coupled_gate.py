"""A solution of the exercise with the coupled gate."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from coupled_gate import Step  # the file of the exercise, to which this is added

from lstm_numpy.plain import sigmoid

Array = npt.NDArray[Any]


def step_forward(z: Array, c_before: Array) -> Any:
    z_i, z_o, z_g = np.split(z, 3, axis=1)
    i, o, g = sigmoid(z_i), sigmoid(z_o), np.tanh(z_g)
    c = (1 - i) * c_before + i * g
    return Step(i, o, g, c, o * np.tanh(c))


def step_backward(dh: Array, dc: Array, step: Any, c_before: Array) -> tuple[Array, Array]:
    i, o, g, c, _ = step
    dc = dc + dh * o * (1 - np.tanh(c) ** 2)
    dz_i = dc * (g - c_before) * i * (1 - i)
    dz_o = dh * np.tanh(c) * o * (1 - o)
    dz_g = dc * i * (1 - g**2)
    return np.concatenate([dz_i, dz_o, dz_g], axis=1), dc * (1 - i)
