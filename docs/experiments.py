"""The experiments of the course: its chapters run them in small, docs/draw.py draws them in large.

They use the parts of lstm_numpy and the tunes of songs/tunes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from lstm_numpy import layers
from lstm_numpy.batches import Songs, training_batches
from lstm_numpy.lstm import LSTMState
from lstm_numpy.model import forward, loss_and_gradients
from lstm_numpy.optimizer import RMSprop, clip_by_global_norm
from lstm_numpy.parameters import Arrays, ModelConfig, State, reset, zero_state
from lstm_numpy.speed.buffers import Buffers
from lstm_numpy.speed.products import in_blocks
from midi_io import Vocabulary, encode, read_notes

Array: TypeAlias = npt.NDArray[Any]
Step: TypeAlias = Callable[[Arrays, Array, Array, State | None], tuple[float, Arrays, State, Any]]

TUNES = Path(__file__).resolve().parents[1] / "songs" / "tunes"


# Songs, and learning them.


def tunes(count: int) -> tuple[Songs, Vocabulary]:
    """The first `count` tunes as ids, and the vocabulary; tokens that occur once are <unk>."""
    sentences = [encode(read_notes(path), "chord", 12) for path in sorted(TUNES.glob("*.mid"))[:count]]
    vocabulary = Vocabulary.build(Counter(token for sentence in sentences for token in sentence), min_count=2)
    return Songs.of([vocabulary.ids(["<start>", *sentence, "<end>"]) for sentence in sentences]), vocabulary


def side_by_side(songs: Songs, T: int) -> tuple[Array, Array]:
    """The first T ids of every song that has more, and their targets: each (T, B)."""
    rows = np.stack([song[: T + 1] for song in songs if len(song) > T], axis=1).astype(np.intp)
    return rows[:-1], rows[1:]


def learn(step: Step, params: Arrays, songs: Songs, epochs: int, rng: np.random.Generator, T: int = 50) -> None:
    """Train in place as train.py does: windows of T, state carried, clipping, RMSprop."""
    optimizer = RMSprop(params, learning_rate=4e-3)
    for epoch in range(epochs):
        optimizer.learning_rate = 4e-3 * (1 - epoch / epochs)
        state: State | None = None
        for ids, targets, fresh, _ in training_batches(songs, T=T, B=16, rng=rng):
            _, grads, state, _ = step(params, ids, targets, reset(state, fresh))
            clip_by_global_norm(grads, 5.0)
            optimizer.step(params, grads)


# Truncation: what a gradient loses when it may not flow back beyond the window.


def truncated_gradients(params: Arrays, ids: Array, targets: Array, k: int) -> Arrays:
    """The gradients of the mean loss over ids (T, B), read in windows of k steps.

    The state is carried from window to window, so the loss is the same for every k.  Only the way back is cut.
    """
    total = {name: np.zeros_like(parameter) for name, parameter in params.items()}
    state = None
    for begin in range(0, len(ids), k):
        window = slice(begin, begin + k)
        _, grads, state, _ = loss_and_gradients(params, ids[window], targets[window], state)
        for name in total:
            total[name] += grads[name] * (len(ids[window]) / len(ids))
    return total


def cosine(a: Array, b: Array) -> float:
    """Of two arrays, each taken as one long vector: 1 for the same direction, 0 for a right angle."""
    return float((a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b)))


# Gates: how much of a gradient arrives far back in time.


def tanh_rnn(
    params: Arrays, ids: Array, targets: Array, state: State | None = None
) -> tuple[float, Arrays, State, Array]:
    """loss_and_gradients for a network without gates: h[t+1] = tanh(xWx[t] + h[t] @ Wh + b) replaces (1) to (5).

    Input, dense layer and loss are those of the LSTM.  params: "rnn.Wx" (V, H), "rnn.Wh" (H, H), "rnn.b" (H,),
    "dense.W" (H, V), "dense.b" (V,).  The last result is dh (T+1, B, H), d loss / d h.
    """
    (T, B), Wh, buffers = ids.shape, params["rnn.Wh"], Buffers()
    h = np.zeros((T + 1, B, len(Wh)), Wh.dtype)
    if state:
        h[0] = state["rnn"].h
    xWx = np.empty((T, B, len(Wh)), Wh.dtype)
    layers.few_hot_forward(ids, (params["rnn.Wx"],), xWx)
    for t in range(T):
        h[t + 1] = np.tanh(xWx[t] + h[t] @ Wh + params["rnn.b"])
    logits = np.empty((T, B, params["dense.b"].size), Wh.dtype)
    layers.dense_forward(h[1:], in_blocks(params["dense.W"], "W", buffers), params["dense.b"], logits)
    score, loss = layers.cross_entropy_forward(logits, targets, buffers)

    scored = int((targets >= 0).sum())
    loss = layers.cross_entropy_backward(loss, targets, scored, buffers)
    dy, dW, db = layers.dense_backward(loss.dlogits, h[1:], params["dense.W"], buffers)
    dh, dz = np.zeros_like(h), np.zeros_like(dy)
    for t in reversed(range(T)):
        dh[t + 1] += dy[t]
        dz[t] = dh[t + 1] * (1 - h[t + 1] ** 2)
        dh[t] = dz[t] @ Wh.T
    grads = {
        "rnn.Wx": layers.few_hot_backward(dz, ids, (params["rnn.Wx"],), buffers)[0],
        "rnn.Wh": np.tensordot(h[:-1], dz, ((0, 1), (0, 1))),
        "rnn.b": dz.sum(axis=(0, 1)),
        "dense.W": dW,
        "dense.b": db,
    }
    return float(score.nats.sum()) / max(scored, 1), grads, {"rnn": LSTMState(h[-1].copy(), h[-1].copy())}, dh


def tanh_rnn_params(V: int, H: int, rng: np.random.Generator) -> Arrays:
    """Fresh parameters, drawn in the same way as those of the LSTM."""
    return {
        "rnn.Wx": glorot(rng, V, H),
        "rnn.Wh": np.linalg.qr(rng.standard_normal((H, H)))[0].astype(np.float32),
        "rnn.b": np.zeros(H, np.float32),
        "dense.W": glorot(rng, H, V),
        "dense.b": np.zeros(V, np.float32),
    }


def glorot(rng: np.random.Generator, rows: int, columns: int) -> Array:
    limit = float(np.sqrt(6 / (rows + columns)))
    return rng.uniform(-limit, limit, (rows, columns)).astype(np.float32)


def last_target_only(targets: Array) -> Array:
    """Only the last step is scored, so every gradient at an earlier step has come back through time."""
    return np.concatenate([np.full_like(targets[:-1], -1), targets[-1:]])


def norm_by_lag(d: Array) -> Array:
    """(T+1, B, H) gradients to (T+1,): the mean length of a sequence's gradient, the last step first."""
    return np.asarray(np.linalg.norm(d, axis=2).mean(axis=1)[::-1])


def loss_of_remembering(step: Step, params: Arrays, lag: int, updates: int, rng: np.random.Generator) -> float:
    """Train in place to say at the end which of four ids came `lag` steps before; four others stand between.

    params: of a vocabulary of 8.  Returns the mean nats of the last 20 updates; a guess has ln 4 = 1.39.
    """
    optimizer = RMSprop(params, learning_rate=2e-3)
    losses = []
    for _ in range(updates):
        ids = rng.integers(4, 8, (lag + 1, 32))
        ids[0] -= 4
        targets = last_target_only(np.broadcast_to(ids[0], ids.shape))
        loss, grads, _, _ = step(params, ids, targets, None)
        clip_by_global_norm(grads, 1.0)
        optimizer.step(params, grads)
        losses.append(loss)
    return float(np.mean(losses[-20:]))


# Dropout in the recurrence.

SCALED = "a mask for all steps, kept cells scaled by 1/keep"


def cell_sizes(params: Arrays, ids: Array, masks_at: Callable[[int], Mapping[str, Array]]) -> Array:
    """(T+1,): the root mean square of c after each step, when step t runs with the masks that masks_at(t) gives."""
    H, B = len(params["lstm1.Wh"]), ids.shape[1]
    state = zero_state(ModelConfig(params["dense.b"].size, H), B, params["dense.b"].dtype)
    sizes = [0.0]
    for t in range(len(ids)):
        _, state, _ = forward(params, ids[t : t + 1], state, masks_at(t))
        sizes.append(float(np.sqrt((state["lstm1"].c.astype(np.float64) ** 2).mean())))
    return np.array(sizes)


def dropout_schemes(H: int, B: int, drop: float, rng: np.random.Generator) -> dict[str, Callable[[int], Arrays]]:
    """Ways to drop cells with probability `drop` while time passes: the masks of each step t."""

    def kept() -> Array:
        return (rng.random((B, H)) >= drop).astype(np.float32)

    one, scale = kept(), np.float32(1 / (1 - drop))
    return {
        "no dropout": lambda t: {},
        SCALED: lambda t: {"lstm1.m": one * scale},
        "a new mask at each step, 0 or 1": lambda t: {"lstm1.m": kept()},
        "RnnDrop: a mask for all steps, 0 or 1; h scaled by 1/keep": lambda t: {
            "lstm1.m": one,
            "lstm1.s": one * scale,
        },
    }


# One unit, whose weights are set by hand.


class UnitSteps(NamedTuple):
    tokens: list[str]  # that were read
    rows: dict[str, list[float]]  # i, f, o, c and h, a number for each step


def remembering_unit_params() -> Arrays:
    """A network of one unit: "write" opens the input gate, "show" the output gate, "wipe" closes the forget gate."""
    closed, opened, H = -8.0, 8.0, 1
    params = {
        "lstm1.Wx": np.zeros((4, 4 * H)),
        "lstm1.Wh": np.zeros((H, 4 * H)),
        "lstm1.b": np.array([closed, opened, closed, opened]),  # i, f, o, g
        "dense.W": np.zeros((H, 4)),
        "dense.b": np.zeros(4),
    }
    params["lstm1.Wx"][1, 0] = opened - closed  # write: i
    params["lstm1.Wx"][2, 2] = opened - closed  # show: o
    params["lstm1.Wx"][3, 1] = closed - opened  # wipe: f
    return params


def remembering_unit() -> UnitSteps:
    """What the unit does while it reads a few tokens."""
    tokens = ["-", "write", "-", "-", "show", "-", "-", "-", "show", "wipe", "-", "show", "write", "write", "show"]
    ids = np.array([["-", "write", "show", "wipe"].index(token) for token in tokens])[:, None]
    step = forward(remembering_unit_params(), ids)[2]["lstm1"]
    rows = {"i": step.i, "f": step.f, "o": step.o, "c": step.c[1:], "h": step.h[1:]}
    return UnitSteps(tokens, {letter: row[:, 0, 0].tolist() for letter, row in rows.items()})


# A valley, and two ways down.


def valley(x: Array, y: Array) -> Array:
    """A hundred times as steep across as along: half of x^2 + 100 y^2."""
    return np.asarray((x**2 + 100 * y**2) / 2)


def valley_gradient(point: Array) -> Array:
    return np.asarray(point * np.array([1.0, 100.0]))


def steepest_descent(steps: int, learning_rate: float) -> Array:
    """The path (steps + 1, 2) from (-10, 1)."""
    points = [np.array([-10.0, 1.0])]
    for _ in range(steps):
        points.append(points[-1] - learning_rate * valley_gradient(points[-1]))
    return np.array(points)


def rmsprop_descent(steps: int, learning_rate: float) -> Array:
    """The path (steps + 1, 2) from (-10, 1), by the optimizer that trains the network."""
    params = {"point": np.array([-10.0, 1.0])}
    optimizer = RMSprop(params, learning_rate)
    points = [params["point"].copy()]
    for _ in range(steps):
        optimizer.step(params, {"point": valley_gradient(params["point"])})
        points.append(params["point"].copy())
    return np.array(points)
