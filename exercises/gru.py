"""Exercise 5: a gated recurrent unit (Cho and others 2014), forward and backward, from its equations.

    r      = sigmoid(xWx_r[t] + h[t] @ Wh_r + b_r)             how much of the past the candidate sees
    u      = sigmoid(xWx_u[t] + h[t] @ Wh_u + b_u)             how much to keep
    g      = tanh(xWx_g[t] + (r * h[t]) @ Wh_g + b_g)          the candidate
    h[t+1] = u * h[t] + (1 - u) * g

It has no cell: h is all that it remembers.  xWx is (T, B, 3H), Wh is (H, 3H) and b is (3H,), in the order r, u, g.
The candidate sees r * h, and r stands before the product: so g can be computed only when r is known.

Write forward, then backward.  Ask of each letter where it goes: h[t] goes to four places.
pytest exercises/test_gru.py shows how far you are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy.typing as npt

Array = npt.NDArray[Any]


class Trace(NamedTuple):
    r: Array  # (T, B, H)
    u: Array  # (T, B, H)
    g: Array  # (T, B, H)
    h: Array  # (T+1, B, H), h[0] is the initial state


class Gradients(NamedTuple):
    xWx: Array  # (T, B, 3H)  # noqa: N815
    Wh: Array  # (H, 3H)
    b: Array  # (3H,)
    h0: Array  # (B, H)


def forward(xWx: Array, Wh: Array, b: Array, h0: Array) -> Trace:
    raise NotImplementedError("write me")


def backward(dy: Array, Wh: Array, trace: Trace) -> Gradients:
    """From dy (T, B, H), what each of h[1:] does to the loss at its own step."""
    raise NotImplementedError("write me")
