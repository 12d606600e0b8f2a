"""One LSTM layer over a sequence, forward and backward through time, by hand.  Equations (1) to (5) of docs/lstm.md.

    z    = xWx[t] + (r * h[t]) @ Wh + b                              (B, 4H)                           (1)
    i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o)               how much to write, keep, show     (2)
    g    = tanh(z_g)                                                 what to write                     (3)
    c[t+1] = m * (f * c[t] + i * g)                                  the cell                          (4)
    h[t+1] = s * o * tanh(c[t+1])                                    the hidden state                  (5)

h and c have T+1 rows, and row 0 is the initial state, so no step is special.  m, s and r are 1 but for dropout inside
the recurrence (see `RecurrentMasks`).  The layer receives xWx = x @ Wx ready made, whatever its input is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_numpy import kernels
from lstm_numpy.speed.buffers import Buffers
from lstm_numpy.speed.products import repeated_product

Array = npt.NDArray[Any]


class LSTMState(NamedTuple):
    """What one layer carries from window to window: h and c, each (B, H)."""

    h: Array
    c: Array


class RecurrentMasks(NamedTuple):
    """Dropout inside the recurrence: three (B, H) arrays, one row for a sequence, the same for all its time steps."""

    m: Array  # on the cell: RnnDrop's 0 or 1 (Moon et al. 2015), never scaled, or c would explode
    s: Array  # on the hidden state: RnnDrop's 1/keep, which makes up for the cells that are 0
    r: Array  # on the recurrent path: variational dropout's 0 or 1/keep (Gal and Ghahramani 2016)


class LSTMTrace(NamedTuple):
    """Everything that one layer computed.  i, f, o, g are views of `gates`; d... are filled by the backward pass."""

    i: Array  # (T, B, H) input gate: how much to write
    f: Array  # (T, B, H) forget gate: how much to keep
    o: Array  # (T, B, H) output gate: how much to show
    g: Array  # (T, B, H) candidate: what to write
    c: Array  # (T+1, B, H) cell, c[0] is the initial state
    tanh_c: Array  # (T, B, H) tanh(c[1:])
    h: Array  # (T+1, B, H) hidden state, h[0] is the initial state
    rh: Array  # (T+1, B, H) r * h: h as the gates see it
    gates: Array  # (T, B, 4H) the block that i, f, o, g are parts of
    dz: Array  # (T, B, 4H) d loss / d z
    dh: Array  # (T+1, B, H) d loss / d h; dh[0] is the gradient of the initial state
    dc: Array  # (T+1, B, H) d loss / d c; dc[0] is the gradient of the initial state


def lstm_forward(
    xWx: Array, Wh: Array, b: Array, state: LSTMState, masks: RecurrentMasks, buffers: Buffers
) -> LSTMTrace:
    """Run the layer over xWx (T, B, 4H) from `state`.  Overwrites xWx: it becomes the block of gates."""
    trace, step = lstm_steps(xWx, Wh, b, state, masks, buffers)
    for t in range(xWx.shape[0]):
        step(t)
    return trace


def lstm_steps(
    xWx: Array, Wh: Array, b: Array, state: LSTMState, masks: RecurrentMasks, buffers: Buffers
) -> tuple[LSTMTrace, Callable[[int], None]]:
    """The trace, not yet filled but for `state`, and the function of t that runs one time step, from row t to t+1.

    xWx[t] is read when step t is run, so whoever writes a song can choose it by what the step before gave.
    """
    T, B, H = xWx.shape[0], xWx.shape[1], Wh.shape[0]
    gates = xWx
    h = buffers.empty("h", (T + 1, B, H), Wh.dtype)
    rh = buffers.empty("rh", (T + 1, B, H), Wh.dtype)
    c = buffers.empty("c", (T + 1, B, H), Wh.dtype)
    tanh_c = buffers.empty("tanh_c", (T, B, H), Wh.dtype)
    recurrent = buffers.empty("recurrent", (B, 4 * H), Wh.dtype)
    recur = repeated_product(rh[:T], Wh, recurrent, buffers.within("Wh"))

    h[0], c[0] = state
    np.multiply(masks.r, h[0], out=rh[0])

    def step(t: int) -> None:
        recur(t)  # recurrent = rh[t] @ Wh
        kernels.add_gate_inputs(gates[t], recurrent, b)  # (1)
        np.tanh(gates[t], out=gates[t])
        kernels.cell_forward(gates[t], c[t], masks.m, c[t + 1])  # (2) (3) (4)
        np.tanh(c[t + 1], out=tanh_c[t])
        kernels.hidden_forward(gates[t], tanh_c[t], masks.s, masks.r, h[t + 1], rh[t + 1])  # (5)

    i, f, o, g = (gates[:, :, k * H : (k + 1) * H] for k in range(4))
    not_yet = np.empty(0, Wh.dtype)
    return LSTMTrace(i, f, o, g, c, tanh_c, h, rh, gates, dz=not_yet, dh=not_yet, dc=not_yet), step


def lstm_backward(
    dy: Array, Wh: Array, masks: RecurrentMasks, trace: LSTMTrace, buffers: Buffers
) -> tuple[LSTMTrace, Array, Array]:
    """From dy = d loss / d h as the layer above sees it (T, B, H), to the trace with dz, dh, dc; dWh; and db.

    d loss / d xWx is dz itself.
    """
    T, B, H = dy.shape
    dz = buffers.empty("dz", (T, B, 4 * H), Wh.dtype)
    dh = buffers.empty("dh", (T + 1, B, H), Wh.dtype)
    dc = buffers.empty("dc", (T + 1, B, H), Wh.dtype)
    d_rh = buffers.empty("d_rh", (B, H), Wh.dtype)  # d loss / d (r * h), by way of the next step's gates
    recur = repeated_product(dz, Wh.T, d_rh, buffers.within("WhT"))

    dc[T], d_rh[:] = 0, 0  # nothing comes back from beyond the last step: truncated backpropagation through time
    for t in reversed(range(T)):
        kernels.step_backward(
            dy[t], d_rh, trace.gates[t], trace.c[t], trace.tanh_c[t], masks.m, masks.s, masks.r,
            dh[t + 1], dc[t + 1], dz[t], dc[t],
        )  # (11) to (15)  # fmt: skip
        recur(t)  # d_rh = dz[t] @ Wh.T (16)
    np.multiply(masks.r, d_rh, out=dh[0])

    flat_dz = dz.reshape(T * B, 4 * H)  # (17), all steps in one product
    dWh = np.matmul(trace.rh[:T].reshape(T * B, H).T, flat_dz, out=buffers.empty("dWh", Wh.shape, Wh.dtype))
    db = np.sum(flat_dz, axis=0, out=buffers.empty("db", (4 * H,), Wh.dtype))
    return trace._replace(dz=dz, dh=dh, dc=dc), dWh, db
