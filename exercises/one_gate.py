"""Exercise 2: a recurrent layer with one gate.  The forward pass is complete.  Write the backward pass.

    z      = xWx[t] + h[t] @ Wh + b        (B, 2H): z_f and z_g side by side
    f      = sigmoid(z_f)                  (B, H)  how much to keep
    g      = tanh(z_g)                     (B, H)  what to write
    h[t+1] = f * h[t] + (1 - f) * g        (B, H)

T time steps, B sequences, H units.  dX is d loss / d X.  Ask of each letter on the right where it goes.  h[t] goes to
three places, and the gradients from these places are added.  pytest exercises/test_one_gate.py shows how far you are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_numpy.plain import sigmoid

Array = npt.NDArray[Any]


class Trace(NamedTuple):
    f: Array  # (T, B, H)
    g: Array  # (T, B, H)
    h: Array  # (T+1, B, H), h[0] is the initial state


def forward(xWx: Array, Wh: Array, b: Array, h0: Array) -> Trace:
    """xWx (T, B, 2H), Wh (H, 2H), b (2H,), h0 (B, H)."""
    T, B, H = len(xWx), *h0.shape
    f, g, h = np.zeros((T, B, H)), np.zeros((T, B, H)), np.zeros((T + 1, B, H))
    h[0] = h0
    for t in range(T):
        z = xWx[t] + h[t] @ Wh + b
        f[t] = sigmoid(z[:, :H])
        g[t] = np.tanh(z[:, H:])
        h[t + 1] = f[t] * h[t] + (1 - f[t]) * g[t]
    return Trace(f, g, h)


def step_backward(dh_after: Array, f: Array, g: Array, h_before: Array) -> tuple[Array, Array]:
    """One step: from d loss / d h[t+1] (B, H) to dz (B, 2H), and to that part of d loss / d h[t] (B, H) that does not
    come through z."""
    raise NotImplementedError("write me")


def backward(dy: Array, Wh: Array, trace: Trace) -> tuple[Array, Array, Array, Array]:
    """From dy (T, B, H), what each of h[1:] does to the loss at its own step, to dxWx (T, B, 2H), dWh (H, 2H), db (2H,)
    and dh0 (B, H)."""
    raise NotImplementedError("write me")
