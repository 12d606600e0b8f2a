"""From probabilities to a new song: draw an id, read it, draw the next.

The state is carried, so every id costs one step and nothing is ever read again.  Songs are written side by side, 32 at
a time; a song that has ended leaves its batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from lstm_numpy.model import Stepper, forward
from lstm_numpy.parameters import State
from lstm_numpy.speed import loops
from lstm_numpy.speed.buffers import Buffers

Array: TypeAlias = npt.NDArray[Any]
Walk: TypeAlias = Callable[[], Callable[[int], Array]]
Context: TypeAlias = Callable[[int, int], Callable[[Array, Array], Array]]

LONGEST_PERIOD = 16  # ids: what repeats after more is a phrase, and music repeats its phrases
SHORTEST_LOOP = 8  # ids: a chord struck four times is no loop yet
_COLDEST, _HOTTEST = 1e-20, 1e20  # beyond, nothing changes any more but that float32 overflows
_READ_AT_ONCE, _DRAWN_AT_ONCE = 256, 256
_SIDE_BY_SIDE = 32  # songs that share a batch; a fixed number, so that sums are rounded alike on every machine


@dataclass(frozen=True)
class Sampling:
    """How an id is chosen from the network's output.  ValueError where a number makes no sense.

    temperature divides the logits: below 1 the probable becomes more probable, 0 is always the most probable, above 1
    all become alike.  Then top_k keeps the k most probable (0: all), then top_p the fewest that together have that
    probability, with all that are as probable as the last of them.  repeats: when a pattern of at most 16 ids has been
    said that many times, and fills 8 ids or more, its next id cannot follow (0: it can).
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    repeats: int = 4

    def __post_init__(self) -> None:
        if not self.temperature >= 0:
            raise ValueError(f"temperature is 0 or more, not {self.temperature}")
        if self.top_k < 0:
            raise ValueError(f"top_k is a number of tokens, or 0 for all, not {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is a probability above 0, up to 1, not {self.top_p}")
        if self.repeats < 0 or self.repeats == 1:
            raise ValueError(f"repeats is 2 or more, or 0 to allow any loop, not {self.repeats}")


class Tune(NamedTuple):
    """One song that a network has written."""

    ids: Array  # (n,) ints, from the prime's first id to <end>, if it got there
    ended: bool  # by itself, with <end>
    entropy: float  # mean nats of the network's output over what could follow, before temperature, top_k and top_p
    longest_loop: int  # ids of the longest stretch that says one pattern of at most 16 ids three times or more; or 0


def generate(
    params: Mapping[str, Array],
    prime: npt.ArrayLike,
    length: int,
    rng: np.random.Generator,
    count: int = 1,
    *,
    end: int,
    banned: Sequence[int] = (),
    sampling: Sampling | None = None,
    walk: Walk | None = None,
    context: Context | None = None,
) -> list[Tune]:
    """Write `count` songs that begin with the ids of `prime`, each until it draws `end` or has `length` more ids.

    banned: ids that are never drawn.  walk: begins a walk along one song, a function that is told each id from the
    prime's first on, and answers with (V,) bool: what may follow.  context(count, total), for a network with features,
    begins `count` songs of at most `total` ids, with a function step(ids (n,), songs (n,)) -> (n, F) ints: it is told
    each id of each song in turn, and answers with the features that go with it.  rng gives each song a seed, one after
    the other, so song k draws the same numbers whatever the count, and the same arguments give the same songs bit for
    bit.  ValueError for a prime that is empty or leaves the vocabulary, if nothing may follow, or if the output is not
    finite.
    """
    prime = np.atleast_1d(np.asarray(prime, dtype=np.intp))
    sampling, params = sampling or Sampling(), _without(params, banned)
    seeds = rng.integers(2**63, size=count).tolist()
    # One BLAS thread: a step's products are too small to be shared out, and their sums are the same on any machine.
    with ThreadpoolController().limit(limits=1, user_api="blas"):
        tunes: list[Tune] = []
        for k in range(0, count, _SIDE_BY_SIDE):
            songs = _Songs(prime, len(prime) + length, seeds[k : k + _SIDE_BY_SIDE], walk, context)
            if k == 0:
                logits, state = _read(params, prime, songs.prime_features)
            tunes += songs.write(params, logits, state, sampling, end)
    return tunes


class _Songs:
    """Some songs that are written side by side."""

    def __init__(
        self, prime: Array, total: int, seeds: Sequence[int], walk: Walk | None, context: Context | None
    ) -> None:
        count, self.n = len(seeds), len(prime)
        self.ids = np.empty((count, total), dtype=np.intp)
        self.ids[:, : self.n] = prime
        self.lengths, self.entropy_sums = np.full(count, total), np.zeros(count)
        self.draws, self.loops = _Draws(seeds), _Loops(self.ids, self.n)
        self.walks = [walk() for _ in seeds] if walk else []
        for along in self.walks:
            for i in prime[:-1].tolist():
                along(i)
        self.context = context(count, total) if context else None
        self.prime_features = None  # (n, 1, F)
        if self.context and len(prime):
            every = np.arange(count)
            self.prime_features = np.stack([self.context(np.full(count, i), every)[:1] for i in prime])

    def write(
        self, params: Mapping[str, Array], logits: Array, state: State, sampling: Sampling, end: int
    ) -> list[Tune]:
        """All of them, from the logits (1, V) of the first id and the state (1, H) before it."""
        count, total = self.ids.shape
        logits = np.repeat(logits, count, axis=0)
        writing = np.arange(count)  # the songs that have not ended: a row of logits and of the state for each
        entropies, buffers = np.empty(count), Buffers()
        stepper = Stepper(params, _rows(state, np.zeros(count, np.intp)), buffers)
        for t in range(self.n, total):
            if self.walks:
                before = zip(writing.tolist(), self.ids[writing, t - 1].tolist(), strict=True)
                np.copyto(logits, -np.inf, where=~np.array([self.walks[song](i) for song, i in before]))
            if sampling.repeats:
                self.loops.forbid(logits, writing, t, sampling.repeats)
            chosen = _choose(logits, self.draws.at(t - self.n, writing), sampling, entropies)
            ended = loops.note_down(chosen, entropies, writing, t, end, self.ids, self.entropy_sums)
            self.loops.extend(writing, t)
            if ended:
                going = chosen != end
                self.lengths[writing[~going]] = t + 1
                writing, chosen = writing[going], chosen[going]
                stepper = Stepper(params, _rows(stepper.state, going), buffers)
            if t + 1 == total or not len(writing):
                break
            logits = stepper(chosen, self.context(chosen, writing) if self.context else None)
        return [self._written(k, end) for k in range(count)]

    def _written(self, k: int, end: int) -> Tune:
        m, written = int(self.lengths[k]), int(self.lengths[k]) - self.n
        ended = bool(written > 0 and self.ids[k, m - 1] == end)
        entropy = float(self.entropy_sums[k]) / max(written, 1)
        return Tune(self.ids[k, :m].copy(), ended, entropy, int(self.loops.longest[k]))


def longest_loop(ids: Array) -> int:
    """The same figure for a song that stands already: see Tune."""
    loops = _Loops(np.asarray(ids, dtype=np.intp)[None, :], len(ids))
    return int(loops.longest[0])


def _without(params: Mapping[str, Array], banned: Sequence[int]) -> dict[str, Array]:
    """Parameters that give these ids a logit of -inf, whatever the input."""
    b = params["dense.b"].copy()
    b[list(banned)] = -np.inf
    return {**params, "dense.b": b}


def _read(params: Mapping[str, Array], prime: Array, features: Array | None) -> tuple[Array, State]:
    """Read the prime and its features (n, 1, F): the logits (1, V) of what follows, and the state (1, H)."""
    state: State | None = None
    for begin in range(0, max(len(prime), 1), _READ_AT_ONCE):
        part = slice(begin, begin + _READ_AT_ONCE)
        context = None if features is None else features[part]
        outputs, state, _ = forward(params, prime[part, None], state, context=context)
    assert state is not None
    return outputs[-1], state


def _rows(state: State, rows: Array) -> State:
    """Copies of some rows (places, or bool for each)."""
    return {name: type(arrays)(*(array[rows] for array in arrays)) for name, arrays in state.items()}


def _choose(logits: Array, uniform: Array, sampling: Sampling, entropies: Array) -> Array:
    """An id for each row of logits (rows, V), which are overwritten; uniform: (rows,) numbers from [0, 1)."""
    if not loops.shift_rows(logits):
        raise ValueError("no token may follow, or the network's output is not finite")
    p = np.exp(logits)
    loops.entropy_rows(logits, p, entropies)
    if sampling.temperature == 0:
        return np.asarray(np.argmax(logits, axis=1))
    if (sampling.temperature, sampling.top_k, sampling.top_p) != (1, 0, 1):
        p = np.exp(narrowed(logits, sampling))
    chosen = np.empty(len(p), dtype=np.intp)
    loops.draw_rows(p, uniform, chosen)
    return chosen


def narrowed(logits: Array, sampling: Sampling) -> Array:
    """Logits (rows, V), the largest of each row 0, after temperature, top_k and top_p: what falls out is -inf."""
    logits = logits / min(max(sampling.temperature, _COLDEST), _HOTTEST)
    if 0 < sampling.top_k < logits.shape[1]:
        out = np.argpartition(-logits, sampling.top_k - 1, axis=1)[:, sampling.top_k :]
        np.put_along_axis(logits, out, -np.inf, axis=1)
    if sampling.top_p < 1:
        p = np.exp(logits, dtype=np.float64)
        falling = -np.sort(-p, axis=1)
        up_to_it = np.cumsum(falling, axis=1)
        needed = np.count_nonzero(up_to_it - falling < sampling.top_p * up_to_it[:, -1:], axis=1)
        logits[p < falling[np.arange(len(p)), needed - 1, None]] = -np.inf
    return logits


class _Draws:
    """Numbers from [0, 1) for every song, from a generator of its own."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [np.random.default_rng(seed) for seed in seeds]
        self._numbers = np.empty((_DRAWN_AT_ONCE, len(seeds)))

    def at(self, step: int, songs: Array) -> Array:
        """(songs,): each song's number for a step; steps are asked for in order."""
        row = step % _DRAWN_AT_ONCE
        if row == 0:
            for song in songs.tolist():
                self._numbers[:, song] = self._generators[song].random(_DRAWN_AT_ONCE)
        return np.asarray(self._numbers[row].take(songs))


class _Loops:
    """Songs of ids (songs, length), of which each has the same number of ids so far, and what repeats in them."""

    def __init__(self, ids: Array, known: int) -> None:
        self.ids = ids
        self.runs = np.zeros((len(ids), LONGEST_PERIOD + 1), dtype=np.intp)  # how long an id has been that p before it
        self.longest = np.zeros(len(ids), dtype=np.intp)
        for t in range(1, known):
            self.extend(np.arange(len(ids)), t)

    def extend(self, songs: Array, t: int) -> None:
        loops.extend_loops(self.ids, songs, t, self.runs, self.longest)

    def forbid(self, logits: Array, songs: Array, t: int, repeats: int) -> None:
        """Take from the logits what would go on with a loop as id t."""
        loops.forbid_loops(logits, self.ids, songs, t, self.runs, repeats, SHORTEST_LOOP)
