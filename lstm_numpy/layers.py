"""What surrounds the LSTM: input, dropout, the dense layer and the loss.  Each forward stands above its backward."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lstm_numpy import kernels
from lstm_numpy.speed.buffers import Array, Buffers
from lstm_numpy.speed.products import add_product, add_transposed_product, in_blocks

# The input.  A few-hot row has a 1 for the token, and a 1 for the value of each feature.  A 1 times Wx is a row of Wx,
# so nothing few-hot is ever built: x holds the places of the ones.  The rows of Wx stand in one array for the tokens,
# Wx, and one for each feature, Wx1, Wx2, ...


def input_forward(x: Array, Ws: tuple[Array, ...], V: int, xWx: Array, Wx: Callable[[], Array]) -> Array:
    """Fill xWx (..., 4H) from a layer's input: see below.  Returns it as backward will need it.

    x is a few-hot row's places, as ints, or numbers (..., D).  Where Wx has not a row for each of V, an id is the
    paper's scalar id / V.  Wx: asked for numbers, it gives Ws[0] as in_blocks lays it out.
    """
    if x.dtype.kind in "iu":
        if Ws[0].shape[0] == V:
            few_hot_forward(x, Ws, xWx)
            return x
        x = (x[..., None] / V).astype(Ws[0].dtype)
    linear_forward(x, Wx(), xWx)
    return x


def few_hot_forward(x: Array, Ws: tuple[Array, ...], xWx: Array) -> None:
    """xWx (..., 4H): the sum of the rows of Ws that x picks.  x is ids (...), or ids and features (..., 1 + F) (23)."""
    kernels.few_hot_forward(x.reshape(-1, len(Ws)), Ws, xWx.reshape(-1, xWx.shape[-1]))


def few_hot_backward(dz: Array, x: Array, Ws: tuple[Array, ...], buffers: Buffers) -> tuple[Array, ...]:
    """The gradients of Ws: each step's dz is added to the rows that it was given.  (24)"""
    dWs = tuple(buffers.empty(f"dWx{j}", W.shape, W.dtype) for j, W in enumerate(Ws))
    kernels.few_hot_backward(dz.reshape(-1, dz.shape[-1]), x.reshape(-1, len(Ws)), dWs)
    return dWs


def linear_forward(x: Array, Wx: Array, xWx: Array) -> None:
    """xWx = x @ Wx: (..., D) and (D, 4H) to (..., 4H), where the input is numbers: a scalar, or another layer.  (6)

    Wx as in_blocks lays it out.
    """
    xWx[...] = 0
    add_product(x.reshape(-1, x.shape[-1]), Wx, xWx.reshape(-1, xWx.shape[-1]))


def linear_backward(dz: Array, x: Array, Wx: Array, buffers: Buffers) -> tuple[Array, Array]:
    """dx (T, B, D) and dWx (D, 4H).  (18)"""
    T, B, D = x.shape
    flat_dz = dz.reshape(T * B, -1)
    dx = buffers.empty("dx", (T, B, D), Wx.dtype)
    dWx = buffers.empty("dWx", Wx.shape, Wx.dtype)
    dx[:], dWx[:] = 0, 0
    add_product(flat_dz, in_blocks(Wx.T, "WxT", buffers), dx.reshape(T * B, D))
    add_transposed_product(x.reshape(T * B, D), flat_dz, dWx)
    return dx, dWx


# Dropout: a mask of 0 and 1/keep, so that the expected value stays and evaluation needs no dropout at all.


def dropout_forward(h: Array, mask: Array, buffers: Buffers) -> Array:
    """y = h * mask, all (T, B, H).  (7)"""
    return np.multiply(h, mask, out=buffers.empty("dropped", h.shape, h.dtype))


def dropout_backward(dy: Array, mask: Array, buffers: Buffers) -> Array:
    """dh = dy * mask.  (7)"""
    return np.multiply(dy, mask, out=buffers.empty("undropped", dy.shape, dy.dtype))


# The dense layer.


def dense_forward(y: Array, W: Array, b: Array, logits: Array) -> None:
    """logits = y @ W + b: (..., H), (H, V) as in_blocks lays it out, and (V,) to (..., V).  (8)"""
    logits[...] = b
    add_product(y.reshape(-1, y.shape[-1]), W, logits.reshape(-1, logits.shape[-1]))


def dense_backward(dlogits: Array, y: Array, W: Array, buffers: Buffers) -> tuple[Array, Array, Array]:
    """dy (T, B, H), dW (H, V) and db (V,).  (19)"""
    T, B, H = y.shape
    flat_dlogits = dlogits.reshape(T * B, -1)
    dy = buffers.empty("dy", (T, B, H), W.dtype)
    dW, db = buffers.empty("dW", W.shape, W.dtype), buffers.empty("db", (W.shape[1],), W.dtype)
    dy[:], dW[:] = 0, 0
    add_product(flat_dlogits, in_blocks(W.T, "WT", buffers), dy.reshape(T * B, H))  # dy = dlogits @ W.T
    add_transposed_product(y.reshape(T * B, H), flat_dlogits, dW)  # dW = y.T @ dlogits
    kernels.sum_of_rows(flat_dlogits, db)  # db = sum of dlogits over t and b
    return dy, dW, db


# The loss: softmax and cross-entropy.


class LossTrace(NamedTuple):
    """The softmax and its gradient."""

    logits: Array  # (T, B, V)
    probabilities: Array  # (T, B, V) softmax(logits)
    dlogits: Array  # (T, B, V) d loss / d logits, filled by the backward pass


class Score(NamedTuple):
    """How well the targets were predicted."""

    nats: Array  # (T, B) -ln probability of the target, 0 where it is not scored
    correct: Array  # (T, B) bool: a scored target that was the most probable token


def cross_entropy_forward(logits: Array, targets: Array, buffers: Buffers) -> tuple[Score, LossTrace]:
    """-ln softmax(logits)[target] for each (t, b), targets (T, B) with -1 where nothing is scored.  (9)"""
    T, B, V = logits.shape
    p = buffers.empty("probabilities", (T, B, V), logits.dtype)
    nats = buffers.empty("nats", (T, B), logits.dtype)
    correct = buffers.empty("correct", (T, B), np.bool_)
    kernels.cross_entropy_forward(
        logits.reshape(T * B, V), targets.reshape(-1), p.reshape(T * B, V), nats.reshape(-1), correct.reshape(-1)
    )
    return Score(nats, correct), LossTrace(logits, p, dlogits=np.empty(0, logits.dtype))


def cross_entropy_backward(trace: LossTrace, targets: Array, scored: int, buffers: Buffers) -> LossTrace:
    """d loss / d logits, where the loss is the sum of nats divided by `scored`.  (10)"""
    T, B, V = trace.logits.shape
    share = trace.logits.dtype.type(1 / max(scored, 1))
    dlogits = buffers.empty("dlogits", (T, B, V), trace.logits.dtype)
    kernels.cross_entropy_backward(
        trace.probabilities.reshape(T * B, V), targets.reshape(-1), share, dlogits.reshape(T * B, V)
    )
    return trace._replace(dlogits=dlogits)
