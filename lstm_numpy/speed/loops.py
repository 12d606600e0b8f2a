"""Loops that are no equations: drawing ids, and what repeats in a song.  Read them last, or never."""

import numpy as np

from lstm_numpy.speed.buffers import Array
from lstm_numpy.speed.compiled import kernel

# Writing songs.  A row is one song: its V logits, or V numbers in proportion to its probabilities.


@kernel
def below_largest(logits: Array, below: Array) -> bool:
    """below becomes logits - the largest of their row.  False where a row has a NaN or no finite largest."""
    for n in range(logits.shape[0]):
        largest, has_nan = logits[n, 0], False
        for v in range(logits.shape[1]):
            largest = max(largest, logits[n, v])
            has_nan |= np.isnan(logits[n, v])
        if has_nan or not np.isfinite(largest):
            return False
        for v in range(logits.shape[1]):
            below[n, v] = logits[n, v] - largest
    return True


@kernel
def entropy_rows(logits: Array, p: Array, entropies: Array) -> None:
    """With p = exp(logits), not yet divided by their sum Z: -sum of p/Z ln(p/Z) is ln Z - sum of p * logits / Z."""
    for n in range(p.shape[0]):
        total, mean = 0.0, 0.0
        for v in range(p.shape[1]):
            if p[n, v] > 0:
                total += p[n, v]
                mean += p[n, v] * logits[n, v]
        entropies[n] = np.log(total) - mean / total


@kernel
def draw_rows(p: Array, uniform: Array, chosen: Array) -> None:
    """chosen[n] is the first v at which the sum of p[n] goes beyond uniform[n] of the whole; never one with p = 0."""
    for n in range(p.shape[0]):
        total = 0.0
        for v in range(p.shape[1]):
            total += p[n, v]
        left = uniform[n] * total
        for v in range(p.shape[1]):
            if p[n, v] > 0:
                chosen[n] = v
                left -= p[n, v]
                if left < 0:
                    break


@kernel
def extend_loops(ids: Array, songs: Array, t: int, runs: Array, longest: Array) -> None:
    """runs[song, p]: for how many ids, up to t, each was the one p before it; 2 p of them say a pattern three times."""
    for song in songs:
        for p in range(1, min(t + 1, runs.shape[1])):
            if ids[song, t] == ids[song, t - p]:
                runs[song, p] += 1
                if runs[song, p] >= 2 * p:
                    longest[song] = max(longest[song], runs[song, p] + p)
            else:
                runs[song, p] = 0


@kernel
def write_down(
    chosen: Array, entropies: Array, end: int, songs: Array, t: int, ids: Array, entropy_sums: Array, runs: Array,
    longest: Array,
) -> int:  # fmt: skip
    """Id t of each of these songs is the chosen one, and the other arrays follow.  How many songs end with it."""
    ended = 0
    for n in range(len(songs)):
        ids[songs[n], t] = chosen[n]
        entropy_sums[songs[n]] += entropies[n]
        ended += chosen[n] == end
    extend_loops(ids, songs, t, runs, longest)
    return ended


@kernel
def forbid_loops(logits: Array, ids: Array, songs: Array, t: int, runs: Array, repeats: int, shortest: int) -> None:
    """An id that would say a pattern once more than `repeats` times becomes impossible, if another is possible."""
    for n in range(len(songs)):
        song = songs[n]
        for p in range(1, min(t + 1, runs.shape[1])):
            run = runs[song, p] + 1  # with the id that continues the pattern
            if run >= repeats * p and run + p >= shortest:
                following = ids[song, t - p]
                for v in range(logits.shape[1]):
                    if v != following and logits[n, v] > -np.inf:
                        logits[n, following] = -np.inf
                        break
