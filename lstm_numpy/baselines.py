"""What a network has to beat, and what it must not do: n-gram models of songs, and how much of a song is copied.

An n-gram model predicts the next id from the one or two before it, by counting.  The models here are interpolated with
absolute discounting: from every count a discount D is taken and given to the shorter context, which also covers n-grams
never seen.

    p(w | h) = (c(h, w) - D(c(h, w)) + (theta + sum over w' of D(c(h, w'))) * p(w | shorter h)) / (c(h) + theta)

D(0) = 0, and there is one D for counts of 1, of 2, and of 3 and more; theta is a weight that no count can outvote.
These four are tuned for each level on a tenth of the training songs that is held back, then everything is counted
again on all training songs.  The levels below the longest context count in how many different contexts a word stands,
not how often: this is modified Kneser-Ney smoothing (Chen and Goodman 1999), the strongest of the family.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from lstm_numpy.batches import Array, Songs


class Smoothing(NamedTuple):
    """How much a level gives to the one below: D for counts of 1, 2 and 3 or more, and theta."""

    once: float = 0.5
    twice: float = 1.0
    more: float = 1.5
    theta: float = 0.0


_CHOICES = (*(np.linspace(0.02, 0.98, 17) * n for n in (1, 2, 3)), np.r_[0, np.geomspace(0.1, 1000, 20)])
_ENOUGH = 50_000  # held-back targets to tune on


def _look_up(grams: Array, counts: Array, wanted: Array, V: int) -> Array:
    """(5, targets): c(h, w), c(h), and how many different w stand once, twice and more often after h; 0 if never seen.

    grams are n-grams, sorted, and each is one number in base V; so an n-gram's context is its number // V.
    """
    contexts, first = np.unique(grams // V, return_index=True)
    kinds = [counts, counts == 1, counts == 2, counts >= 3]
    sums = np.stack([np.add.reduceat(kind, first, dtype=np.int64) for kind in kinds])
    return np.vstack([_found(counts, grams, wanted), _found(sums, contexts, wanted // V)])


def _found(values: Array, table: Array, wanted: Array) -> Array:
    """For each of `wanted` the column of values that stands where it does in a sorted table, or 0."""
    if not len(table):
        return np.zeros((*values.shape[:-1], len(wanted)), np.int64)
    place = np.minimum(np.searchsorted(table, wanted), len(table) - 1)
    return np.where(table[place] == wanted, values[..., place], 0)


def _probabilities(seen: Array, smoothing: Smoothing, lower: Array) -> Array:
    """p(w | h) of each target, by the formula at the top, from what was looked up and p(w | shorter h)."""
    times, total, *kinds = seen
    once, twice, more, theta = smoothing
    discount = np.array([0.0, once, twice, more])[np.minimum(times, 3)]
    given = theta + once * kinds[0] + twice * kinds[1] + more * kinds[2]
    unseen = total == 0
    return np.where(unseen, lower, (times - discount + given * lower) / np.where(unseen, 1, total + theta))


def _tuned(seen: Array, lower: Array) -> Smoothing:
    """The smoothing that gives these targets the least nats: one number after the other, until none moves."""
    best = Smoothing()
    if not len(lower):
        return best

    def cost(smoothing: Smoothing) -> float:
        return -float(np.log(_probabilities(seen, smoothing, lower)).sum())

    for _ in range(4):
        before = best
        for name, choices in zip(Smoothing._fields, _CHOICES, strict=True):
            best = min((best._replace(**{name: float(choice)}) for choice in choices), key=cost)
        if best == before:
            break
    return best


class NGrams:
    """The baselines of a training set: uniform, unigram, bigram and trigram.

    V is the size of the vocabulary, at most 2,000,000; every id is below it.  <start> is context and never scored,
    <end> is scored, and the first target sees <start> twice.  Nothing but `train` is used to tune.
    """

    names = ("uniform", "unigram", "bigram", "trigram")

    def __init__(self, train: Songs, V: int) -> None:
        self.V = V
        held_back = np.arange(1, len(train) + 1) % min(10, max(2, len(train))) == 0
        tuning = train.take(np.flatnonzero(held_back))
        enough = int(np.searchsorted(np.cumsum(tuning.targets_per_song), _ENOUGH)) + 1
        tuning = tuning.take(range(min(enough, len(tuning))))
        self._levels = _levels(train.take(np.flatnonzero(~held_back)), V)
        self.smoothing: dict[str, Smoothing] = {}
        self._probabilities(tuning)
        self._levels = _levels(train, V)

    def nats(self, songs: Songs) -> dict[str, Array]:
        """-ln p of every target of the songs, in their order: (targets,) float64 for each of the baselines' names."""
        return {name: -np.log(p) for name, p in self._probabilities(songs).items()}

    def _probabilities(self, songs: Songs) -> dict[str, Array]:
        """Each chain of levels from the bottom up; a level without smoothing is tuned on these songs first."""
        grams = _grams(songs, self.V)

        def on_top(name: str, lower: Array) -> Array:
            seen = _look_up(*self._levels[name], grams[name[0]], self.V)
            if name not in self.smoothing:
                self.smoothing[name] = _tuned(seen, lower)
            return _probabilities(seen, self.smoothing[name], lower)

        uniform = np.full(songs.targets, 1 / self.V)
        kinds = on_top("1 kinds", uniform)
        return {
            "uniform": uniform,
            "unigram": on_top("1", uniform),
            "bigram": on_top("2", kinds),
            "trigram": on_top("3", on_top("2 kinds", kinds)),
        }


def _levels(songs: Songs, V: int) -> dict[str, tuple[Array, Array]]:
    """n-grams, sorted, and how often they stand ("3", ...), or how many different ids stand before them ("2 kinds")."""
    levels = {name: np.unique(grams, return_counts=True) for name, grams in _grams(songs, V).items()}
    return levels | {f"{n} kinds": np.unique(levels[f"{n + 1}"][0] % V**n, return_counts=True) for n in (1, 2)}


def _grams(songs: Songs, V: int) -> dict[str, Array]:
    """By n = "1", "2", "3": the n ids that end with each target, as one number: before * V + target, ...  (targets,)"""
    if int(songs.flat.max(initial=0)) >= V:
        raise ValueError(f"n-grams: id {int(songs.flat.max())} is beyond a vocabulary of {V}")
    starts = songs.offsets[:-1][np.diff(songs.offsets) > 0]
    ids = np.insert(songs.flat.astype(np.uint64), starts, songs.flat[starts])  # each <start> stands twice
    is_target = np.ones(len(ids), bool)
    for first in (0, 1):
        is_target[starts + np.arange(len(starts)) + first] = False
    before, last, target = (ids[np.flatnonzero(is_target) - back] for back in (2, 1, 0))
    grams = target, last * V + target, (before * V + last) * V + target
    return {str(n): gram.astype(np.min_scalar_type(V**n)) for n, gram in enumerate(grams, start=1)}


class CopyReport(NamedTuple):
    """How much of one song stands in others."""

    longest: int  # ids of its longest run that stands in one of them
    share: float  # of its n-grams that do; 0 if it has none


def copied(songs: Songs, train: Songs, n: int = 8, readings: Array | None = None) -> list[CopyReport]:
    """For each of `songs`: its longest run of ids that stands in a song of `train`, and the share of its n-grams.

    readings: (R, V) ids, -1 for one that stands nowhere.  Every song is looked for R times, with readings[r, id] for
    each id, and a run that is found in any reading counts.  With a row for every transposition that a network has
    heard its songs in, a copy in another key is a copy.  <start> and <end> count like any other id.
    """
    readings = np.arange(int(songs.flat.max(initial=0)) + 1)[None, :] if readings is None else readings
    # Songs are parted by numbers that stand nowhere else, so that no run reaches over the end of a song.
    texts = [np.insert(reading[songs.flat].astype(np.int64), songs.offsets[1:], -2) for reading in readings]
    found = _longest_matches(np.concatenate(texts), np.insert(train.flat.astype(np.int64), train.offsets[1:], -3))
    longest = found.reshape(len(readings), -1).max(axis=0)
    runs = [longest[begin + k : end + k] for k, (begin, end) in enumerate(pairwise(songs.offsets))]
    return [CopyReport(int(run.max(initial=0)), float((run >= n).sum() / max(len(run) - n + 1, 1))) for run in runs]


def _longest_matches(text: Array, train: Array) -> Array:
    """For each place of text: how many numbers from there on stand somewhere in train.  All numbers are -3 or more.

    Runs of n numbers that stand in both become runs of n + 1: here and there are the places where they begin, and equal
    runs have equal names.
    """
    longest, n = np.zeros(len(text), np.int64), 0
    here, there = np.arange(len(text)), np.arange(len(train))
    name_here, name_there = np.zeros_like(here), np.zeros_like(there)
    base = 4 + int(max(text.max(initial=0), train.max(initial=0)))
    while len(here):
        longest[here] = n
        longer = np.concatenate([name_here * base + text[here + n] + 3, name_there * base + train[there + n] + 3])
        names = np.unique(longer, return_inverse=True)[1]
        name_here, name_there = names[: len(here)], names[len(here) :]
        stay, stay_there = np.isin(name_here, name_there), np.isin(name_there, name_here)
        here, there, name_here, name_there = here[stay], there[stay_there], name_here[stay], name_there[stay_there]
        n += 1
    return longest
