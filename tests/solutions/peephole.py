"""A solution of the exercise with peepholes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from peephole import Gradients, Trace  # the file of the exercise, to which this is added

from lstm_numpy.activations import sigmoid

Array = npt.NDArray[Any]


def forward(xWx: Array, Wh: Array, b: Array, p: Array, h0: Array, c0: Array) -> Any:
    T, B, H = len(xWx), *h0.shape
    i, f, o, g = np.zeros((4, T, B, H))
    c, h = np.zeros((2, T + 1, B, H))
    c[0], h[0] = c0, h0
    for t in range(T):
        z_i, z_f, z_o, z_g = np.split(xWx[t] + h[t] @ Wh + b, 4, axis=1)
        i[t], f[t], g[t] = sigmoid(z_i + p[0] * c[t]), sigmoid(z_f + p[1] * c[t]), np.tanh(z_g)
        c[t + 1] = f[t] * c[t] + i[t] * g[t]
        o[t] = sigmoid(z_o + p[2] * c[t + 1])
        h[t + 1] = o[t] * np.tanh(c[t + 1])
    return Trace(i, f, o, g, c, h)


def backward(dy: Array, Wh: Array, p: Array, trace: Any) -> Any:
    T, _, H = dy.shape
    i, f, o, g, c, h = trace
    dz, dp = np.zeros((*dy.shape[:2], 4 * H)), np.zeros_like(p)
    dh, dc = np.zeros_like(h[0]), np.zeros_like(c[0])
    for t in reversed(range(T)):
        dh = dh + dy[t]
        tanh_c = np.tanh(c[t + 1])
        dz_o = dh * tanh_c * o[t] * (1 - o[t])
        dc = dc + dh * o[t] * (1 - tanh_c**2) + dz_o * p[2]
        dz_i = dc * g[t] * i[t] * (1 - i[t])
        dz_f = dc * c[t] * f[t] * (1 - f[t])
        dz_g = dc * i[t] * (1 - g[t] ** 2)
        dz[t] = np.concatenate([dz_i, dz_f, dz_o, dz_g], axis=1)
        dp += np.stack([(dz_i * c[t]).sum(axis=0), (dz_f * c[t]).sum(axis=0), (dz_o * c[t + 1]).sum(axis=0)])
        dc = dc * f[t] + dz_i * p[0] + dz_f * p[1]
        dh = dz[t] @ Wh.T
    dWh = np.tensordot(h[:-1], dz, ((0, 1), (0, 1)))
    return Gradients(dz, dWh, dz.sum(axis=(0, 1)), dp, dh, dc)
