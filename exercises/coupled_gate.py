"""Exercise 3: an LSTM in which one gate decides about writing and keeping.

    z      = xWx[t] + h[t] @ Wh + b             (B, 3H): z_i, z_o and z_g side by side
    i, o   = sigmoid(z_i), sigmoid(z_o)         (B, H)  how much to write, how much to show
    g      = tanh(z_g)                          (B, H)  what to write
    c[t+1] = (1 - i) * c[t] + i * g             (B, H)  what is not written is kept
    h[t+1] = o * tanh(c[t+1])                   (B, H)

There is no forget gate: 1 - i stands in its place (a "coupled" gate).  The loops over time and the products with Wh are
given.  Write one step forward, then one step backward.  dX is d loss / d X.
pytest exercises/test_coupled_gate.py shows how far you are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Step(NamedTuple):
    """One step, each (B, H)."""

    i: Array
    o: Array
    g: Array
    c: Array  # after the step
    h: Array  # after the step


def step_forward(z: Array, c_before: Array) -> Step:
    """From z (B, 3H) and c[t] (B, H) to everything that the step computes.  lstm_numpy.plain has a sigmoid."""
    raise NotImplementedError("write me")


def step_backward(dh: Array, dc: Array, step: Step, c_before: Array) -> tuple[Array, Array]:
    """From d loss / d h[t+1] and d loss / d c[t+1], to dz (B, 3H) and d loss / d c[t] (B, H).

    dh is complete.  dc holds what comes from the next step's cell: what comes from this step's h is still missing.
    """
    raise NotImplementedError("write me")


def forward(xWx: Array, Wh: Array, b: Array, h0: Array, c0: Array) -> list[Step]:
    """xWx (T, B, 3H), Wh (H, 3H), b (3H,), h0 and c0 (B, H)."""
    steps: list[Step] = []
    h, c = h0, c0
    for z_from_input in xWx:
        steps.append(step_forward(z_from_input + h @ Wh + b, c))
        h, c = steps[-1].h, steps[-1].c
    return steps


def backward(dy: Array, Wh: Array, steps: list[Step], h0: Array, c0: Array) -> tuple[Array, ...]:
    """From dy (T, B, H), what each h does to the loss at its own step, to dxWx, dWh, db, dh0 and dc0."""
    h = np.stack([h0, *(step.h for step in steps)])
    c = np.stack([c0, *(step.c for step in steps)])
    dz = np.zeros((*dy.shape[:2], Wh.shape[1]))
    dh, dc = np.zeros_like(h0), np.zeros_like(c0)
    for t in reversed(range(len(dy))):
        dz[t], dc = step_backward(dh + dy[t], dc, steps[t], c[t])
        dh = dz[t] @ Wh.T
    return dz, np.tensordot(h[:-1], dz, ((0, 1), (0, 1))), dz.sum(axis=(0, 1)), dh, dc
