"""What comes back in a tune, and what it takes to copy it: the experiments of chapter 14."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from docs.experiments import TUNES, glorot
from lstm_numpy import plain
from lstm_numpy.optimizer import RMSprop, clip_by_global_norm
from midi_io import encode, read_song


class EchoCount(NamedTuple):
    """Of the places where the last `length` tokens stood before in their tune: how many, and where a copy is right."""

    places: int
    right: int

    def __str__(self) -> str:
        return (
            f"{self.places:6,} places, and the token that followed there comes again at {self.right / self.places:.0%}"
        )


def echoes(count: int, length: int) -> dict[str, EchoCount]:
    """Counted in the first `count` tunes: of all places, of those a whole number of bars later, and of the others.

    An echo is the token that followed the latest earlier passage of `length` tokens that equals the last ones.
    """
    places, right = Counter[str](), Counter[str]()
    for path in sorted(TUNES.glob("*.mid"))[:count]:
        song = read_song(path)
        tokens, bar = encode(song.notes, "chord", 12), 12 * 4 * song.meter[0] // song.meter[1]
        starts = np.cumsum([0, *(round(12 * float(Fraction(token.partition(":")[2]))) for token in tokens)])
        seen: dict[tuple[str, ...], int] = {}
        for n in range(length, len(tokens)):
            last = tuple(tokens[n - length : n])
            if last in seen:
                kind = "whole bars" if (starts[n] - starts[seen[last]]) % bar == 0 else "other distances"
                for name in ("all", kind):
                    places[name] += 1
                    right[name] += tokens[seen[last]] == tokens[n]
            seen[last] = n
    return {name: EchoCount(places[name], right[name]) for name in ("all", "whole bars", "other distances")}


def loss_of_copying(length: int, updates: int, rng: np.random.Generator, *, echo: bool) -> float:
    """Train an LSTM of plain.py to say a phrase of `length` random tokens, of 12 different ones, a second time.

    echo: its input also has, one-hot, the token that followed the last token when that was read before.  (T, B, 24)
    numbers instead of (T, B, 12).  Returns the mean nats a token of the second time, in the last 20 updates.
    """
    V, H, B = 12, 32, 16
    D = 2 * V if echo else V
    params = {"Wx": glorot(rng, D, 4 * H), "Wh": glorot(rng, H, 4 * H), "b": np.zeros(4 * H, np.float32)}
    params = {**params, "W": glorot(rng, H, V), "b2": np.zeros(V, np.float32)}
    params = {name: array.astype(np.float64) for name, array in params.items()}
    params["b"][H : 2 * H] = 1
    optimizer, losses, zero = RMSprop(params, learning_rate=4e-3), [], np.zeros((B, H))
    for _ in range(updates):
        phrase = np.array([rng.permutation(V)[:length] for _ in range(B)]).T  # (length, B), no token twice
        ids = np.concatenate([phrase, phrase])
        x = np.eye(V)[ids[:-1]]
        if echo:
            followed = np.concatenate([np.zeros((length, B, V)), np.eye(V)[phrase[1:]]])  # nothing the first time
            x = np.concatenate([x, followed], axis=2)
        h, *rest = plain.lstm_forward(x, params["Wx"], params["Wh"], params["b"], zero, zero)
        y, targets = h[length + 1 :], ids[length + 1 :]  # scored: the second time, but not its first token
        loss, p = plain.loss_forward(y, params["W"], params["b2"], targets)
        dy, dW, db2 = plain.loss_backward(y, params["W"], p, targets)
        dy = np.concatenate([np.zeros((length, B, H)), dy])
        _, dWx, dWh, db, _, _ = plain.lstm_backward(dy, x, params["Wx"], params["Wh"], h, *rest)
        grads = {"Wx": dWx, "Wh": dWh, "b": db, "W": dW, "b2": db2}
        clip_by_global_norm(grads, 1.0)
        optimizer.step(params, grads)
        losses.append(loss)
    return float(np.mean(losses[-20:]))
