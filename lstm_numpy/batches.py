"""Songs as one long row of ids, and the windows a network reads of it in training and in evaluation.

A song is a row of ids from <start> to <end>; a song of n ids has n - 1 targets, for each id is the target of the one
before. A window is T ids of one song in one lane (one sequence of the batch) and their T targets.  What a song does
not fill is padding: its target is -1, which is not scored.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

LONG, PASSAGE = 1536, 512  # targets: a longer train song is read in passages of about so many
WITHHELD = 0.2  # of the context of long songs
START, END, UNKNOWN = 0, 1, 2  # the ids that every vocabulary begins with: <start>, <end> and <unk>


@dataclass(frozen=True)
class Songs:
    """Songs end to end: song k is `flat[offsets[k]:offsets[k + 1]]`, a view.

    flat: (N,) ids in any integer type; offsets: (songs + 1,) ints from 0 to N.  context: (N, F) ints, row n is what the
    network is told while it reads flat[n].  context_ids: the columns of it that hold ids, and so are transposed as ids
    are.  ValueError where they do not fit together.
    """

    flat: Array
    offsets: Array
    context: Array | None = None
    context_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        flat, offsets, table = self.flat, self.offsets, self.context
        if flat.ndim != 1 or offsets.ndim != 1 or flat.dtype.kind not in "iu" or offsets.dtype.kind not in "iu":
            raise ValueError("songs: flat and offsets are rows of integers")
        if offsets.size == 0 or offsets[0] != 0 or offsets[-1] != flat.size or (offsets[1:] < offsets[:-1]).any():
            raise ValueError("songs: offsets climb from 0 to the number of ids")
        if table is not None and (table.ndim != 2 or len(table) != len(flat) or table.dtype.kind not in "iu"):
            raise ValueError("songs: context has a row of integers for each id")
        if not set(self.context_ids) <= set(range(0 if table is None else table.shape[1])):
            raise ValueError("songs: context_ids are columns of context")

    @classmethod
    def of(cls, songs: Sequence[npt.ArrayLike]) -> Songs:
        """Copy rows of ids into one, in the smallest unsigned type that holds them."""
        rows = [np.asarray(song, dtype=np.int64) for song in songs]
        flat = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        if flat.size and flat.min() < 0:
            raise ValueError("songs: an id is below 0")
        offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        return cls(flat.astype(np.min_scalar_type(int(flat.max(initial=0)))), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, song: int) -> Array:
        song = range(len(self))[song]
        return self.flat[self.offsets[song] : self.offsets[song + 1]]

    def __iter__(self) -> Iterator[Array]:
        return map(self.__getitem__, range(len(self)))

    def take(self, songs: Sequence[int] | Array) -> Songs:
        """The songs of these numbers, copied, in this order."""
        chosen = np.asarray(songs, np.intp)
        begins, lengths = self.offsets[:-1][chosen], np.diff(self.offsets)[chosen]
        offsets = np.cumsum([0, *lengths], dtype=np.int64)
        places = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], lengths)
        context = None if self.context is None else self.context[places]
        return Songs(self.flat[places], offsets, context, self.context_ids)

    @property
    def targets_per_song(self) -> Array:
        """(songs,) ints: one less than the ids, and 0 for an empty song."""
        return np.maximum(np.diff(self.offsets).astype(np.int64) - 1, 0)

    @property
    def targets(self) -> int:
        return int(self.targets_per_song.sum())


class Batch(NamedTuple):
    """One step's windows, side by side: lane b reads `ids[:, b]` and is scored on `targets[:, b]`."""

    ids: Array  # (T, B) ints; padding repeats the song's last id
    targets: Array  # (T, B) ints; -1 = not scored
    fresh: Array  # (B,) bool; a song or passage begins, so the lane's state is reset: state *= ~fresh[:, None]
    context: Array | None  # (T, B, F) ints, what the network is told beside each of ids; None where songs have none


def transposed(songs: Songs, table: Array, rng: np.random.Generator) -> Songs:
    """A copy, with each song moved by one of the shifts that keep it inside the vocabulary, drawn uniformly.

    table: (shifts, V) ints, where table[k][ids] is a song's k-th shift, and -1 is outside.  The columns of context that
    hold ids are moved as ids are.  ValueError where a song has no shift that stays inside, not even 0.
    """
    flat, context = songs.flat.copy(), None if songs.context is None else songs.context.copy()
    columns = [flat, *(context[:, column] for column in songs.context_ids if context is not None)]
    for (begin, end), drawn in zip(pairwise(songs.offsets), rng.random(len(songs)), strict=True):
        used = np.zeros(table.shape[1], bool)
        used[flat[begin:end]] = True
        inside = np.flatnonzero((table[:, used] >= 0).all(axis=1))
        if not len(inside):
            raise ValueError("transposition: a song has no shift that stays inside the vocabulary, not even 0")
        shift = table[inside[int(drawn * len(inside))]]
        for ids in columns:
            ids[begin:end] = shift[ids[begin:end]]
    return replace(songs, flat=flat, context=context)


def withheld(songs: Songs, T: int, rng: np.random.Generator) -> Songs:
    """A copy in which the context of long songs lacks WITHHELD of its stretches of T ids.

    There the columns from the first that holds ids on are 0, which means that there is nothing to tell.  A network that
    is always told what to repeat does not learn to go on without it, and what it writes goes astray.
    """
    long = np.repeat(songs.targets_per_song > LONG, np.diff(songs.offsets))
    if songs.context is None or not songs.context_ids or not long.any():
        return songs
    context = songs.context.copy()
    silent = np.repeat(rng.random(-(-len(long) // T)) < WITHHELD, T)[: len(long)]
    context[silent & long, songs.context_ids[0] :] = 0
    return replace(songs, context=context)


@dataclass(frozen=True)
class Windows:
    """A sequence of batches, as a plan: `windows[step]` gathers the ids of one step when it is asked for.

    So len() is known at once, and a resumed run starts at windows[k].
    """

    songs: Songs
    T: int
    starts: Array  # (steps, B) where in songs.flat each window begins
    lengths: Array  # (steps, B) ids of it that have a target; 0 = the lane is idle
    fresh: Array  # (steps, B) bool
    last_only: bool = False  # score a window's last step alone

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, step: int) -> Batch:
        step = range(len(self))[step]
        rows, lengths = np.arange(self.T + 1)[:, None], self.lengths[step]
        places = self.starts[step] + np.minimum(rows, lengths)
        ids = self.songs.flat[places].astype(np.intp)
        context = None if self.songs.context is None else self.songs.context[places[:-1]].astype(np.intp)
        scored = rows[1:] <= lengths
        if self.last_only:
            scored[:-1] = False
        return Batch(ids[:-1], np.where(scored, ids[1:], -1), self.fresh[step], context)

    def __iter__(self) -> Iterator[Batch]:
        return map(self.__getitem__, range(len(self)))

    def of(self, lanes: slice | Array) -> Windows:
        """Some of its lanes: those of one of several processes, or those that have something left to read."""
        return replace(self, starts=self.starts[:, lanes], lengths=self.lengths[:, lanes], fresh=self.fresh[:, lanes])

    @property
    def B(self) -> int:  # noqa: N802
        """Sequences side by side."""
        return int(self.fresh.shape[1])

    @property
    def padding_share(self) -> float:
        """The share of all T * B * steps places that hold no part of a song: work done for nothing."""
        return 1.0 - float(self.lengths.sum(dtype=np.int64)) / max(self.T * self.lengths.size, 1)


def training_batches(
    songs: Songs, T: int, B: int, rng: np.random.Generator, transposition: Array | None = None
) -> Windows:
    """One epoch of truncated BPTT: a free lane takes the next passage of a shuffled queue, and reads it to its end.

    A song is one passage if it has LONG targets or fewer.  A longer song is cut at other places in each epoch, so
    that the network does not learn for long from the few songs that happen to be in the lanes.  Each passage begins in
    a zero state; its context is that of the whole song, but for what is withheld.

    B shrinks to the number of passages.  All of rng's draws are made here, so the generator's state before the call and
    a step's number say everything about that step.  transposition: a table for `transposed`; None: songs stay as they
    are.  The last 2 B passages of the queue are handed out longest first: the lanes then finish together instead of
    idling beside one long passage, and which these are is still chance.
    """
    queue = rng.permutation(_passages(songs, T, rng))
    tail = queue[-2 * B :]
    tail[:] = tail[np.argsort(-tail[:, 2], kind="stable")]
    moved = songs if transposition is None else transposed(songs, transposition, rng)
    return _lanes(withheld(moved, T, rng), queue, T, B)


def evaluation_batches(songs: Songs, T: int, B: int) -> Windows:
    """Every song once, whole, from a zero state and in windows that carry it; the longest first, which pads least.

    A lane that is idle stays idle to the end.
    """
    targets = songs.targets_per_song
    order = np.argsort(-targets, kind="stable")[: np.count_nonzero(targets)]
    return _lanes(songs, np.stack([order, np.zeros_like(order), targets[order]], axis=1), T, B)


def _passages(songs: Songs, T: int, rng: np.random.Generator) -> Array:
    """(passages, 3) ints: each passage's song, its first target in the song, and how many it has.

    A song of more than LONG targets is cut at edges of windows, into parts that are equal but for the first and the
    last: their number follows from the song, and chance moves all edges by the same distance, up to half a part.
    """
    rows: list[tuple[int, int, int]] = []
    for song, targets in enumerate(songs.targets_per_song.tolist()):
        windows = -(-targets // T)
        parts = -(-windows // max(PASSAGE // T, 2)) if targets > LONG else 1
        moved = int(rng.integers(-(windows // 2), windows - windows // 2)) if parts > 1 else 0
        edges = [0, *((windows * k + moved) // parts * T for k in range(1, parts)), targets]
        rows += [(song, first, last - first) for first, last in pairwise(edges) if targets]
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def paper_windows(
    songs: Songs, T: int, B: int, rng: np.random.Generator | None = None, transposition: Array | None = None
) -> Windows:
    """The paper's task: T ids of one song, from a zero state, and only the next id is scored.

    Windows overlap: one begins at every id that has T more behind it.  A song of T ids or fewer has none.  They are
    shuffled by rng, or in the songs' order without one.  Transposition needs the rng, and moves all windows of a song
    alike.
    """
    inside = np.maximum(np.diff(songs.offsets) - T, 0)
    if not inside.any():
        raise ValueError(f"nothing to read: not one song has more than {T} ids")
    starts = np.concatenate([np.arange(at, at + n) for at, n in zip(songs.offsets, inside, strict=False)])
    if rng is not None:
        rng.shuffle(starts)
        songs = songs if transposition is None else transposed(songs, transposition, rng)
    B = min(B, len(starts))
    lengths = np.append(np.full(len(starts), T), np.zeros(-len(starts) % B, np.int64)).reshape(-1, B)
    fresh = np.ones(lengths.shape, dtype=bool)
    return Windows(songs, T, np.resize(starts, lengths.shape), lengths, fresh, last_only=True)


def _lanes(songs: Songs, queue: Array, T: int, B: int) -> Windows:
    """Lay a queue of _passages into lanes: each goes to the lane that is free first (the leftmost, if several are)."""
    if not len(queue):
        raise ValueError("nothing to read: not one song has a target; it takes two ids or more")
    B = min(B, len(queue))
    free = [(0, lane) for lane in range(B)]  # a heap of (first free step, lane)
    begins = []
    for _, _, targets in queue.tolist():
        step, lane = free[0]
        begins.append((step, lane))
        heapq.heapreplace(free, (step + -(-targets // T), lane))
    shape = max(step for step, _ in free), B
    starts, lengths, fresh = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, bool)
    for (song, first, targets), (step, lane) in zip(queue.tolist(), begins, strict=True):
        read = np.arange(0, targets, T)  # targets before each window
        place = slice(step, step + len(read)), lane
        starts[place], lengths[place] = songs.offsets[song] + first + read, np.minimum(targets - read, T)
        fresh[step, lane] = True
    return Windows(songs, T, starts, lengths, fresh)
