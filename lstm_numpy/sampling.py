"""From probabilities to a new song: draw an id, read it, draw the next.

The state is carried, so every id costs one step and nothing is ever read again.  Songs are written side by side; a song
that has ended leaves the batch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from lstm_numpy.model import Stepper, check
from lstm_numpy.parameters import Array, each_array
from lstm_numpy.speed import loops
from lstm_numpy.speed.buffers import Buffers

Walk: TypeAlias = Callable[[], Callable[[int], Array]]
Context: TypeAlias = Callable[[int, int], Callable[[Array, Array], Array]]

LONGEST_PERIOD = 16  # ids: what repeats after more is a phrase, and music repeats its phrases
SHORTEST_LOOP = 8  # ids: a chord struck four times is no loop yet
_COLDEST, _HOTTEST = 1e-20, 1e20  # beyond, nothing changes any more but that float32 overflows
STRETCH = 64  # ids, for which context is withheld, or is not
SIDE_BY_SIDE = 32  # songs for one call of generate: a fixed number, so that sums are rounded alike on every machine


@dataclass(frozen=True)
class Sampling:
    """How an id is chosen from the network's output.  ValueError where a number makes no sense.

    temperature divides the logits: below 1 the probable becomes more probable, 0 is always the most probable, above 1
    all become alike.  Then top_k keeps the k most probable (0: all), then top_p the fewest that together have that
    probability, with all that are as probable as the last of them.  Where the most probable id has more than the
    probability `sure`, these three change nothing: otherwise a passage that is repeated would never end.  repeats: an
    id cannot follow that would say a pattern of at most 16 ids once more than that, and fill 8 ids or more with it
    (0: it can).  withheld: so large a share of each song is written without what batches.withheld withholds, so that
    the song does not go round in circles.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    sure: float = 1.0
    repeats: int = 4
    withheld: float = 0.0

    def __post_init__(self) -> None:
        if not (self.temperature >= 0 and self.top_k >= 0 and 0 < self.top_p <= 1 and 0 < self.sure <= 1):
            raise ValueError(f"temperature and top_k are 0 or more, top_p and sure above 0 and 1 at most; not {self}")
        if self.repeats < 0 or self.repeats == 1:
            raise ValueError(f"repeats is 2 or more, or 0 to allow any loop, not {self.repeats}")
        if not 0 <= self.withheld <= 1:
            raise ValueError(f"withheld is a share, from 0 to 1, not {self.withheld}")


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
    context_ids: Sequence[int] = (),
) -> list[Tune]:
    """Write `count` songs that begin with the ids of `prime`, each until it draws `end` or has `length` more ids.

    banned: ids that are never drawn.  walk: begins a walk along one song, a function that is told each id from the
    prime's first on, and answers with (V,) bool: what may follow.  context(count, total), for a network with features,
    begins `count` songs of at most `total` ids, with a function step(ids (n,), songs (n,)) -> (n, F) ints: it is told
    each id of each song in turn, and answers with the features that go with it.  context_ids: those of them that are
    ids, as in Songs.  rng gives each song a seed, one after the other, so song k draws the same numbers whatever the
    count, and the same arguments give the same songs bit for bit.  ValueError for a prime that is empty or leaves the
    vocabulary, if nothing may follow, or if the output is not finite.
    """
    prime = np.atleast_1d(np.asarray(prime, dtype=np.intp))
    sampling, dense_b = sampling or Sampling(), params["dense.b"].copy()
    dense_b[list(banned)] = -np.inf
    params = {**params, "dense.b": dense_b}
    n, total = len(prime), len(prime) + length
    seeds, stretches = rng.integers(2**63, size=count), -(-total // STRETCH)
    uniform = np.stack([np.random.default_rng(seed).random(length) for seed in seeds])
    # (count, stretches) bool, from draws of their own: more `length` changes nothing that was written
    silent = np.stack([np.random.default_rng([seed, 1]).random(stretches) for seed in seeds]) < sampling.withheld
    every = np.arange(count)
    ids = np.empty((count, total), dtype=np.intp)
    ids[:, :n] = prime
    lengths, entropy_sums = np.full(count, total), np.zeros(count)
    runs, longest = _loops_of(ids, n)

    walks = [walk() for _ in every] if walk else []
    for along in walks:
        for i in prime[:-1].tolist():
            along(i)
    features = context(count, total) if context else None

    def tell(t: int, ids: Array, songs: Array) -> Array | None:
        told = features(ids, songs) if features else None
        if told is not None and context_ids and sampling.withheld:
            told = told.copy()
            told[silent[songs, t // STRETCH], context_ids[0] :] = 0
        return told

    read = np.repeat(prime[:, None], count, axis=1)
    heard = np.array([tell(t, row, every) for t, row in enumerate(read)]) if features else None
    check(params, read, context=heard)
    buffers = Buffers()
    stepper = Stepper(params, count, None, buffers)
    for t in range(n):
        logits = stepper(read[t], None if heard is None else heard[t])

    writing = every  # the songs that have not ended: a row of logits and of the state for each
    for t in range(n, total):
        if walks:
            before = zip(writing.tolist(), ids[writing, t - 1].tolist(), strict=True)
            np.copyto(logits, -np.inf, where=~np.array([walks[song](i) for song, i in before]))
        if sampling.repeats:
            loops.forbid_loops(logits, ids, writing, t, runs, sampling.repeats, SHORTEST_LOOP)
        chosen, entropies = _choose(logits, uniform[writing, t - n], sampling)
        if loops.write_down(chosen, entropies, end, writing, t, ids, entropy_sums, runs, longest):
            going = chosen != end
            lengths[writing[~going]] = t + 1
            writing, chosen = writing[going], chosen[going]
            stepper = Stepper(params, len(writing), each_array(stepper.state, itemgetter(going)), buffers)
        if t + 1 == total or not len(writing):
            break
        logits = stepper(chosen, tell(t, chosen, writing))

    mean_entropies = entropy_sums / np.maximum(lengths - n, 1)
    return [
        Tune(ids[k, : lengths[k]].copy(), k not in writing, float(mean_entropies[k]), int(longest[k])) for k in every
    ]


def longest_loop(ids: Array) -> int:
    """The same figure for a song that stands already: see Tune."""
    return int(_loops_of(np.asarray(ids, dtype=np.intp)[None, :], len(ids))[1][0])


def _loops_of(ids: Array, known: int) -> tuple[Array, Array]:
    """What repeats in the first `known` ids of each song: runs and longest, as loops.extend_loops keeps them."""
    runs, longest = np.zeros((len(ids), LONGEST_PERIOD + 1), np.intp), np.zeros(len(ids), np.intp)
    for t in range(1, known):
        loops.extend_loops(ids, np.arange(len(ids)), t, runs, longest)
    return runs, longest


def _choose(logits: Array, uniform: Array, sampling: Sampling) -> tuple[Array, Array]:
    """For each row of logits (rows, V) an id, and the entropy in nats; uniform: (rows,) numbers from [0, 1)."""
    below, entropies, chosen = np.empty_like(logits), np.empty(len(logits)), np.empty(len(logits), dtype=np.intp)
    if not loops.below_largest(logits, below):
        raise ValueError("no token may follow, or the network's output is not finite")
    p = np.exp(below)
    loops.entropy_rows(below, p, entropies)
    if (sampling.temperature, sampling.top_k, sampling.top_p) != (1, 0, 1):
        p = np.exp(narrowed(below, sampling))
    loops.draw_rows(p, uniform, chosen)
    return chosen, entropies


def narrowed(logits: Array, sampling: Sampling) -> Array:
    """Logits (rows, V), the largest of each row 0, after temperature, top_k and top_p: what falls out is -inf.

    A row whose largest has more than the probability `sure` stays as it is.
    """
    own, sure = logits, np.exp(logits).sum(axis=1, keepdims=True) < 1 / sampling.sure  # the largest is exp(0) = 1
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
    return np.where(sure, own, logits)
