"""What a network makes of repeats: its nats where a passage has come again, beside what a bare copy would get right."""

from __future__ import annotations

from collections.abc import Sequence
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


def nats_by_repeat(
    flat: Array, nats: Array, scored: Array, echo: Array, run: Array, runs: Sequence[int]
) -> list[RepeatRow]:
    """A row for what has no such passage, and one for each of LENGTHS, up to the next.

    flat, nats, scored: (N,) of some songs end to end, as in lstm_numpy.evaluate.  echo, run: (N,) columns of their
    context; row n is about the target flat[n + 1].  runs: where each class of `run` begins, from class 1 on.
    """
    about = np.flatnonzero(scored) - 1
    classes = [0, *(1 + list(runs).index(length) for length in LENGTHS), len(runs) + 1]
    rows = []
    for tokens, first, after in zip((0, *LENGTHS), classes[:-1], classes[1:], strict=True):
        inside = about[(run[about] >= first) & (run[about] < after)]
        copied = (echo[inside] == flat[inside + 1]) & (run[inside] > 0)
        if len(inside):
            rows.append(
                RepeatRow(tokens, len(inside) / len(about), float(nats[inside + 1].mean()), float(copied.mean()))
            )
    return rows


def repeats_of(vocabulary: Vocabulary, songs: Songs, found: Evaluation) -> list[RepeatRow]:
    """The rows for some songs that a network has scored, whatever it was told itself."""
    context = Context(vocabulary, "echo")
    column = dict(zip(context.names, context.of_songs(songs.flat, songs.offsets).T, strict=True))
    return nats_by_repeat(songs.flat, found.nats, found.scored, column["echo"], column["run"], RUNS)


def repeat_table(rows: Sequence[RepeatRow]) -> str:
    """The rows as text."""
    lines = ["tokens heard before   share   network: nats per token   a copy would be right"]
    for row in rows:
        label = (
            f"{row.tokens} and more"
            if row.tokens == LENGTHS[-1]
            else f"{row.tokens}"
            if row.tokens
            else f"fewer than {LENGTHS[0]}"
        )
        lines.append(f"  {label:18}{row.share:7.1%}{row.network:26.3f}{row.copied:24.1%}")
    return "\n".join(lines)
