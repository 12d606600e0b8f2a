"""One LSTM layer over a sequence, forward and backward through time, by hand.  Equations (1) to (5) of docs/lstm.md.

    z    = xWx[t] + (r * h[t]) @ Wh + b                              (B, 4H)                           (1)
    i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o)               how much to write, keep, show     (2)
    g    = tanh(z_g)                                                 what to write                     (3)
    c[t+1] = m * (f * c[t] + i * g)                                  the cell                          (4)
    h[t+1] = s * o * tanh(c[t+1])                                    the hidden state                  (5)

h and c have T+1 rows, and row 0 is the initial state, so no step is special.  m, s and r are 1, except for dropout
inside the recurrence (see `RecurrentMasks`).  The layer receives xWx = x @ Wx ready made, whatever its input is.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from lstm_numpy import kernels
from lstm_numpy.speed.buffers import Array, Buffers
from lstm_numpy.speed.compiled import kernel
from lstm_numpy.speed.products import add_product, add_transposed_product, in_blocks

GATES = "ifog"  # the order in which the gates stand in a row of 4H numbers


class LSTMWeights(NamedTuple):
    """The weights of the recurrence.  (Wx stands before it: the layer receives x @ Wx.)"""

    Wh: Array  # (H, 4H) from the hidden state to the gates
    b: Array  # (4H,)

    @classmethod
    def shapes(cls, H: int) -> dict[str, tuple[int, ...]]:
        return {"Wh": (H, 4 * H), "b": (4 * H,)}

    @classmethod
    def initial(cls, name: str, H: int, rng: np.random.Generator) -> Array:
        """Wh is orthogonal gate by gate; all else is 0, except the forget gates' biases, which are 1.

        A forget gate that starts open keeps gradients alive from the first step (Jozefowicz et al. 2015).
        """
        if name == "Wh":
            return np.concatenate([np.linalg.qr(rng.standard_normal((H, H)))[0] for _ in GATES], axis=1)
        array = np.zeros(cls.shapes(H)[name])
        if name == "b":
            array[H : 2 * H] = 1
        return array


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
    xWx: Array, weights: LSTMWeights, state: LSTMState, masks: RecurrentMasks, buffers: Buffers
) -> LSTMTrace:
    """Run the layer over xWx (T, B, 4H) from `state`.  Overwrites xWx: it becomes the block of gates."""
    trace, run = lstm_steps(xWx, weights, state, masks, buffers)
    run(0, xWx.shape[0])
    return trace


def lstm_steps(
    xWx: Array, weights: LSTMWeights, state: LSTMState, masks: RecurrentMasks, buffers: Buffers
) -> tuple[LSTMTrace, Callable[[int, int], None]]:
    """The trace, in which only `state` is filled in, and the function that computes time steps first to last - 1.

    Row t+1 follows from row t.  xWx[t] is read when step t is run, so when a song is written, it may follow from what
    step t-1 gave.  ValueError if xWx is not C-contiguous or has another dtype than Wh: add_product relies on both.
    """
    T, B, H = xWx.shape[0], xWx.shape[1], weights.Wh.shape[0]
    dtype = weights.Wh.dtype
    if xWx.dtype != dtype or not xWx.flags.c_contiguous:
        raise ValueError(f"xWx must be C-contiguous and {dtype}, the dtype of Wh")
    gates = xWx
    h = buffers.empty("h", (T + 1, B, H), dtype)
    rh = buffers.empty("rh", (T + 1, B, H), dtype)
    c = buffers.empty("c", (T + 1, B, H), dtype)
    tanh_c = buffers.empty("tanh_c", (T, B, H), dtype)
    in_order = weights._replace(Wh=in_blocks(weights.Wh, "Wh", buffers))

    h[0], c[0] = state

    i, f, o, g = (gates[:, :, k * H : (k + 1) * H] for k in range(4))
    not_yet = np.empty(0, dtype)
    trace = LSTMTrace(i, f, o, g, c, tanh_c, h, rh, gates, dz=not_yet, dh=not_yet, dc=not_yet)
    return trace, partial(_steps_forward, in_order, masks, gates, c, tanh_c, h, rh)


@kernel
def _steps_forward(
    weights: LSTMWeights, masks: RecurrentMasks, gates: Array, c: Array, tanh_c: Array, h: Array, rh: Array,
    first: int, last: int,
) -> None:  # fmt: skip
    if first == 0:
        np.multiply(masks.r, h[0], rh[0])
    for t in range(first, last):
        # z = xWx[t] + (r * h[t]) @ Wh + b                                          (1)
        add_product(rh[t], weights.Wh, gates[t])
        # i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o); g = tanh(z_g)         (2) (3)
        # c[t+1] = m * (f * c[t] + i * g)                                           (4)
        # h[t+1] = s * o * tanh(c[t+1])                                             (5)
        kernels.step_forward(
            gates[t], weights.b, c[t], masks.m, masks.s, masks.r, c[t + 1], tanh_c[t], h[t + 1], rh[t + 1]
        )


def lstm_backward(
    dy: Array, weights: LSTMWeights, masks: RecurrentMasks, trace: LSTMTrace, buffers: Buffers
) -> tuple[LSTMTrace, LSTMWeights]:
    """From dy = d loss / d h as the layer above sees it (T, B, H), to the trace with dz, dh, dc; and dWh and db.

    d loss / d xWx is dz itself.
    """
    T, B, H = dy.shape
    Wh, b = weights.Wh, weights.b
    dz = buffers.empty("dz", (T, B, 4 * H), Wh.dtype)
    dh = buffers.empty("dh", (T + 1, B, H), Wh.dtype)
    dc = buffers.empty("dc", (T + 1, B, H), Wh.dtype)
    d_rh = buffers.empty("d_rh", (B, H), Wh.dtype)  # d loss / d (r * h), by way of the next step's gates

    dc[T], d_rh[:] = 0, 0  # nothing comes back from beyond the last step: truncated backpropagation through time
    WhT = in_blocks(Wh.T, "WhT", buffers)
    dWh, db = buffers.empty("dWh", Wh.shape, Wh.dtype), buffers.empty("db", b.shape, b.dtype)
    _steps_backward(dy, WhT, masks, trace.gates, trace.c, trace.tanh_c, trace.rh, dh, dc, dz, d_rh, dWh, db)
    return trace._replace(dz=dz, dh=dh, dc=dc), LSTMWeights(dWh, db)


@kernel
def _steps_backward(
    dy: Array, WhT: Array, masks: RecurrentMasks, gates: Array, c: Array, tanh_c: Array, rh: Array,
    dh: Array, dc: Array, dz: Array, d_rh: Array, dWh: Array, db: Array,
) -> None:  # fmt: skip
    for t in range(len(dy) - 1, -1, -1):
        # dh[t+1] = dy[t] + r * d_rh                                                (11)
        # d_shown = s * dh[t+1]                                                     (12)
        # dc[t+1] += d_shown * o * (1 - tanh(c[t+1])^2)                             (13)
        # d_update = m * dc[t+1], and from it and d_shown dz of the four gates      (14)
        # dc[t] = d_update * f                                                      (15)
        kernels.step_backward(
            dy[t], d_rh, gates[t], c[t], tanh_c[t], masks.m, masks.s, masks.r, dh[t + 1], dc[t + 1], dz[t], dc[t]
        )
        # d_rh = dz[t] @ Wh.T                                                       (16)
        d_rh[:] = 0
        add_product(dz[t], WhT, d_rh)
    np.multiply(masks.r, d_rh, dh[0])

    # dWh = (r * h[:T]).T @ dz; db = sum of dz over t and b: all steps in one product   (17)
    T, B, H = dy.shape
    flat_dz = dz.reshape(T * B, 4 * H)
    dWh[:] = 0
    add_transposed_product(rh[:T].reshape(T * B, H), flat_dz, dWh)
    kernels.sum_of_rows(flat_dz, db)
