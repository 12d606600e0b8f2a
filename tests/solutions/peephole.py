"""A solution of the exercise with peepholes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_numpy.plain import sigmoid

Array = npt.NDArray[Any]


def lstm_forward(x: Array, Wx: Array, Wh: Array, b: Array, p: Array, h0: Array, c0: Array) -> tuple[Array, ...]:
    (T, B, _), H = x.shape, len(Wh)
    (h, c), (i, f, o, g) = np.zeros((2, T + 1, B, H)), np.zeros((4, T, B, H))
    h[0], c[0] = h0, c0
    for t in range(T):
        z_i, z_f, z_o, z_g = np.split(x[t] @ Wx + h[t] @ Wh + b, 4, axis=1)
        i[t], f[t], g[t] = sigmoid(z_i + p[0] * c[t]), sigmoid(z_f + p[1] * c[t]), np.tanh(z_g)
        c[t + 1] = f[t] * c[t] + i[t] * g[t]
        o[t] = sigmoid(z_o + p[2] * c[t + 1])
        h[t + 1] = o[t] * np.tanh(c[t + 1])
    return h, c, i, f, o, g


def lstm_backward(
    dy: Array, x: Array, Wx: Array, Wh: Array, p: Array, h: Array, c: Array, i: Array, f: Array, o: Array, g: Array
) -> tuple[Array, ...]:
    T, B, H = dy.shape
    dz, dh, dc, dp = np.zeros((T, B, 4 * H)), np.zeros((B, H)), np.zeros((B, H)), np.zeros((3, H))
    for t in reversed(range(T)):
        tanh_c = np.tanh(c[t + 1])
        dh = dy[t] + dh
        dz_o = dh * tanh_c * o[t] * (1 - o[t])
        dc = dc + dh * o[t] * (1 - tanh_c**2) + dz_o * p[2]
        dz_i = dc * g[t] * i[t] * (1 - i[t])
        dz_f = dc * c[t] * f[t] * (1 - f[t])
        dz_g = dc * i[t] * (1 - g[t] ** 2)
        dz[t] = np.concatenate([dz_i, dz_f, dz_o, dz_g], axis=1)
        dp += np.stack([(dz_i * c[t]).sum(axis=0), (dz_f * c[t]).sum(axis=0), (dz_o * c[t + 1]).sum(axis=0)])
        dc = dc * f[t] + dz_i * p[0] + dz_f * p[1]
        dh = dz[t] @ Wh.T
    dWh = sum(h[t].T @ dz[t] for t in range(T))
    dWx = sum(x[t].T @ dz[t] for t in range(T))
    return dz @ Wx.T, dWx, dWh, dz.sum(axis=(0, 1)), dp, dh, dc
