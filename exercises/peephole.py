"""Exercise 4: add peepholes.

The gates of an LSTM see h, what was shown.  They cannot see a cell whose output gate is shut.  With peepholes (Gers and
Schmidhuber 2000) they can: each gate also sees the cell of its own unit, times a weight of its own.

    z_i += p_i * c[t]         z_f += p_f * c[t]         z_o += p_o * c[t+1]

Input gate and forget gate see the cell before the step.  The output gate sees the cell after it, so it comes last.
Below is a correct LSTM without peepholes, forward and backward.  `p` is an argument, but nothing uses it yet.  Change
`forward`, then `backward`: the cell goes to more places now, so more gradients come back to it.
pytest exercises/test_peephole.py shows how far you are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_numpy.activations import sigmoid

Array = npt.NDArray[Any]


class Trace(NamedTuple):
    i: Array  # (T, B, H), as are f, o and g
    f: Array
    o: Array
    g: Array
    c: Array  # (T+1, B, H), c[0] is the initial cell
    h: Array  # (T+1, B, H)


class Gradients(NamedTuple):
    xWx: Array  # (T, B, 4H)  # noqa: N815
    Wh: Array  # (H, 4H)
    b: Array  # (4H,)
    p: Array  # (3, H)
    h0: Array  # (B, H)
    c0: Array  # (B, H)


def forward(xWx: Array, Wh: Array, b: Array, p: Array, h0: Array, c0: Array) -> Trace:
    """xWx (T, B, 4H) and so on, in the order i, f, o, g; p (3, H): p_i, p_f, p_o."""
    T, B, H = len(xWx), *h0.shape
    i, f, o, g = np.zeros((4, T, B, H))
    c, h = np.zeros((2, T + 1, B, H))
    c[0], h[0] = c0, h0
    for t in range(T):
        z_i, z_f, z_o, z_g = np.split(xWx[t] + h[t] @ Wh + b, 4, axis=1)
        i[t], f[t], g[t] = sigmoid(z_i), sigmoid(z_f), np.tanh(z_g)
        c[t + 1] = f[t] * c[t] + i[t] * g[t]
        o[t] = sigmoid(z_o)
        h[t + 1] = o[t] * np.tanh(c[t + 1])
    return Trace(i, f, o, g, c, h)


def backward(dy: Array, Wh: Array, p: Array, trace: Trace) -> Gradients:
    """From dy (T, B, H), what each of h[1:] does to the loss at its own step."""
    T, _, H = dy.shape
    i, f, o, g, c, h = trace
    dz, dp = np.zeros((*dy.shape[:2], 4 * H)), np.zeros_like(p)
    dh, dc = np.zeros_like(h[0]), np.zeros_like(c[0])  # what comes from the step after
    for t in reversed(range(T)):
        dh = dh + dy[t]
        tanh_c = np.tanh(c[t + 1])
        dz_o = dh * tanh_c * o[t] * (1 - o[t])
        dc = dc + dh * o[t] * (1 - tanh_c**2)
        dz_i = dc * g[t] * i[t] * (1 - i[t])
        dz_f = dc * c[t] * f[t] * (1 - f[t])
        dz_g = dc * i[t] * (1 - g[t] ** 2)
        dz[t] = np.concatenate([dz_i, dz_f, dz_o, dz_g], axis=1)
        dc = dc * f[t]
        dh = dz[t] @ Wh.T
    dWh = np.tensordot(h[:-1], dz, ((0, 1), (0, 1)))
    return Gradients(dz, dWh, dz.sum(axis=(0, 1)), dp, dh, dc)
