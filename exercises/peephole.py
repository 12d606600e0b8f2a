"""Exercise 4: add peepholes.

The gates of an LSTM see h, what was shown.  They cannot see a cell whose output gate is shut.  With peepholes (Gers and
Schmidhuber 2000) they can: each gate also sees the cell of its own unit, times a weight of its own.

    z_i += p_i * c[t]         z_f += p_f * c[t]         z_o += p_o * c[t+1]

Input gate and forget gate see the cell before the step.  The output gate sees the cell after it, so it comes last.

lstm_numpy/plain.py has an LSTM without peepholes.  Copy lstm_forward and lstm_backward from there to here, add the
argument p, and change them: forward first.  The cell goes to more places now, so more gradients come back to it.
pytest exercises/test_peephole.py shows how far you are.
"""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]


def lstm_forward(x: Array, Wx: Array, Wh: Array, b: Array, p: Array, h0: Array, c0: Array) -> tuple[Array, ...]:
    """h, c (T+1, B, H) and i, f, o, g (T, B, H), as in plain.py; p (3, H) has the rows p_i, p_f and p_o."""
    raise NotImplementedError("copy me from lstm_numpy/plain.py")


def lstm_backward(
    dy: Array, x: Array, Wx: Array, Wh: Array, p: Array, h: Array, c: Array, i: Array, f: Array, o: Array, g: Array
) -> tuple[Array, ...]:
    """dx, dWx, dWh, db, dp, dh0 and dc0.  dp is (3, H), as p is."""
    raise NotImplementedError("copy me from lstm_numpy/plain.py")
