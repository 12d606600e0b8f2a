"""A solution of the exercise with the GRU."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from gru import Gradients, Trace  # the file of the exercise, to which this is added

from lstm_numpy.plain import sigmoid

Array = npt.NDArray[Any]


def forward(xWx: Array, Wh: Array, b: Array, h0: Array) -> Any:
    T, B, H = len(xWx), *h0.shape
    r, u, g = np.zeros((3, T, B, H))
    h = np.zeros((T + 1, B, H))
    h[0] = h0
    for t in range(T):
        z = xWx[t] + b
        gates = z[:, : 2 * H] + h[t] @ Wh[:, : 2 * H]
        r[t], u[t] = sigmoid(gates[:, :H]), sigmoid(gates[:, H:])
        g[t] = np.tanh(z[:, 2 * H :] + (r[t] * h[t]) @ Wh[:, 2 * H :])
        h[t + 1] = u[t] * h[t] + (1 - u[t]) * g[t]
    return Trace(r, u, g, h)


def backward(dy: Array, Wh: Array, trace: Any) -> Any:
    r, u, g, h = trace
    T, B, H = dy.shape
    dz, dh = np.zeros((T, B, 3 * H)), np.zeros_like(h[0])
    for t in reversed(range(T)):
        dh = dh + dy[t]
        dz_u = dh * (h[t] - g[t]) * u[t] * (1 - u[t])
        dz_g = dh * (1 - u[t]) * (1 - g[t] ** 2)
        d_seen = dz_g @ Wh[:, 2 * H :].T
        dz_r = d_seen * h[t] * r[t] * (1 - r[t])
        dz[t] = np.concatenate([dz_r, dz_u, dz_g], axis=1)
        dh = dh * u[t] + d_seen * r[t] + dz[t][:, : 2 * H] @ Wh[:, : 2 * H].T
    seen = r * h[:-1]
    dWh = np.concatenate(
        [
            np.tensordot(h[:-1], dz[:, :, : 2 * H], ((0, 1), (0, 1))),
            np.tensordot(seen, dz[:, :, 2 * H :], ((0, 1), (0, 1))),
        ],
        axis=1,
    )
    return Gradients(dz, dWh, dz.sum(axis=(0, 1)), dh)
