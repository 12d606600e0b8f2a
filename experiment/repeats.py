"""What a network makes of repeats: its nats where a passage has come again, beside what a bare copy would get right."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_numpy.batches import Songs
from lstm_numpy.evaluation import Evaluation
from midi_io.tokens.context import Context
from midi_io.tokens.hearing import RUNS
from midi_io.vocabulary import Vocabulary

Array = npt.NDArray[Any]

LENGTHS = (4, 6, 8, 12, 16, 24, 32, 48)  # tokens


class RepeatRow(NamedTuple):
    """The targets before which a number of tokens was the same as in an earlier passage of the song."""

    tokens: int  # at least so many were the same; 0: fewer than the shortest length
    share: float  # of all scored targets
    network: float  # nats per token
    copied: float  # the share of these targets that is the token which followed the earlier passage


def nats_by_repeat(flat: Array, nats: Array, scored: Array, echo: Array, run: Array) -> list[RepeatRow]:
    """A row for what has no such passage, and one for each of LENGTHS, up to the next.

    flat, nats, scored: (N,) of some songs end to end, as in lstm_numpy.evaluate.  echo, run: (N,) columns of their
    context; row n is about the target flat[n + 1].
    """
    about = np.flatnonzero(scored) - 1
    equal = np.array([0, *RUNS])[run[about]]  # tokens
    copied = (echo[about] == flat[about + 1]) & (run[about] > 0)
    rows = []
    for least, above in pairwise((0, *LENGTHS, np.inf)):
        inside = (equal >= least) & (equal < above)
        if inside.any():
            network = nats[about + 1][inside].mean()
            rows.append(RepeatRow(int(least), *map(float, (inside.mean(), network, copied[inside].mean()))))
    return rows


def repeats_of(vocabulary: Vocabulary, songs: Songs, found: Evaluation) -> list[RepeatRow]:
    """The rows for some songs that a network has scored, whatever it was told itself."""
    context = Context(vocabulary, "echo")
    column = dict(zip(context.names, context.of_songs(songs.flat, songs.offsets).T, strict=True))
    return nats_by_repeat(songs.flat, found.nats, found.scored, column["echo"], column["run"])


def repeat_table(rows: Sequence[RepeatRow]) -> str:
    """The rows as text."""
    lines = ["tokens heard before   share   network: nats per token   a copy would be right"]
    labels = {0: f"fewer than {LENGTHS[0]}", LENGTHS[-1]: f"{LENGTHS[-1]} and more"}
    for tokens, share, network, copied in rows:
        lines.append(f"  {labels.get(tokens, str(tokens)):18}{share:7.1%}{network:26.3f}{copied:24.1%}")
    return "\n".join(lines)
