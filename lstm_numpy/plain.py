"""The whole idea in forty lines: an LSTM layer, the dense layer and the loss, forward and backward, as on a blackboard.

No dropout, no buffers, no threads; nothing but NumPy.  Numbers are those of docs/lstm.md.  lstm.py, kernels.py and
layers.py compute the same, faster, and tests hold them to this text number by number.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), as (1 + tanh(z/2)) / 2: the same function, without overflow, branch or change of dtype."""
    half = z.dtype.type(0.5)
    return np.asarray(half * (1 + np.tanh(half * z)))


def softmax(logits: Array) -> Array:
    """exp(logits) / sum(exp(logits)) along the last axis, (..., V) -> (..., V), for logits of any size."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def lstm_forward(x: Array, Wx: Array, Wh: Array, b: Array, h0: Array, c0: Array) -> tuple[Array, ...]:
    """From x (T, B, D) and the state h0, c0 (B, H) to h, c (T+1, B, H) and the gates i, f, o, g (T, B, H)."""
    (T, B, _), H = x.shape, len(Wh)
    (h, c), (i, f, o, g) = np.zeros((2, T + 1, B, H)), np.zeros((4, T, B, H))
    h[0], c[0] = h0, c0
    for t in range(T):
        z = x[t] @ Wx + h[t] @ Wh + b  # (1)
        z_i, z_f, z_o, z_g = np.split(z, 4, axis=1)
        i[t], f[t], o[t] = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o)  # (2)
        g[t] = np.tanh(z_g)  # (3)
        c[t + 1] = f[t] * c[t] + i[t] * g[t]  # (4)
        h[t + 1] = o[t] * np.tanh(c[t + 1])  # (5)
    return h, c, i, f, o, g


def lstm_backward(
    dy: Array, x: Array, Wx: Array, Wh: Array, h: Array, c: Array, i: Array, f: Array, o: Array, g: Array
) -> tuple[Array, ...]:
    """From dy (T, B, H), the gradient of h[1:] from above, to dx, dWx, dWh, db, dh0, dc0."""
    T, B, H = dy.shape
    dz, dh, dc = np.zeros((T, B, 4 * H)), np.zeros((B, H)), np.zeros((B, H))
    for t in reversed(range(T)):
        tanh_c = np.tanh(c[t + 1])
        dh = dy[t] + dh  # what comes from above, and from the next step's gates (11)
        dc = dc + dh * o[t] * (1 - tanh_c**2)  # (13)
        dz_i = dc * g[t] * i[t] * (1 - i[t])  # (14)
        dz_f = dc * c[t] * f[t] * (1 - f[t])
        dz_o = dh * tanh_c * o[t] * (1 - o[t])
        dz_g = dc * i[t] * (1 - g[t] ** 2)
        dz[t] = np.concatenate([dz_i, dz_f, dz_o, dz_g], axis=1)
        dc = dc * f[t]  # (15)
        dh = dz[t] @ Wh.T  # (16)
    dWh = sum(h[t].T @ dz[t] for t in range(T))  # (17)
    dWx = sum(x[t].T @ dz[t] for t in range(T))  # (18)
    return dz @ Wx.T, np.asarray(dWx), np.asarray(dWh), dz.sum(axis=(0, 1)), dh, dc


def loss_forward(y: Array, W: Array, b: Array, targets: Array) -> tuple[float, Array]:
    """The mean of -ln p(target) over all (t, b), and p (T, B, V): from y (T, B, H) and targets (T, B)."""
    p = softmax(y @ W + b)  # (8)
    nats = -np.log(np.take_along_axis(p, targets[:, :, None], axis=2))  # (9)
    return float(nats.mean()), p


def loss_backward(y: Array, W: Array, p: Array, targets: Array) -> tuple[Array, Array, Array]:
    """dy, dW and db."""
    dlogits = (p - np.eye(p.shape[2])[targets]) / targets.size  # (10)
    dW = sum(y[t].T @ dlogits[t] for t in range(len(y)))  # (19)
    return dlogits @ W.T, np.asarray(dW), dlogits.sum(axis=(0, 1))
