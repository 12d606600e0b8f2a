"""Loops that are no equations: two products, drawing ids, and what repeats in a song.  Read them last, or never."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_numpy.speed.compiled import kernel

Array = npt.NDArray[Any]


# Products; products.py says when they are used.


@kernel
def multiply_rows(x: Array, W: Array, out: Array) -> None:
    """out = x @ W, for x (B, K) and W (K, N), where B is 4 or more and K a multiple of 4; see products.py.

    Four rows of x meet four rows of W: each number that is read takes part in four products.  512 columns at a time,
    so that what is written for every four rows of W stays in the first cache.
    """
    zero = out.dtype.type(0)
    B, K = x.shape
    N = W.shape[1]
    for left in range(0, N, 512):
        right = min(left + 512, N)
        for first in range(0, B, 4):
            n = min(first, B - 4)  # the last four may be partly done already
            y0, y1, y2, y3 = out[n, left:right], out[n + 1, left:right], out[n + 2, left:right], out[n + 3, left:right]
            for j in range(right - left):
                y0[j], y1[j], y2[j], y3[j] = zero, zero, zero, zero
            for k in range(0, K, 4):
                a00, a01, a02, a03 = x[n, k], x[n, k + 1], x[n, k + 2], x[n, k + 3]
                a10, a11, a12, a13 = x[n + 1, k], x[n + 1, k + 1], x[n + 1, k + 2], x[n + 1, k + 3]
                a20, a21, a22, a23 = x[n + 2, k], x[n + 2, k + 1], x[n + 2, k + 2], x[n + 2, k + 3]
                a30, a31, a32, a33 = x[n + 3, k], x[n + 3, k + 1], x[n + 3, k + 2], x[n + 3, k + 3]
                w0, w1, w2, w3 = W[k, left:right], W[k + 1, left:right], W[k + 2, left:right], W[k + 3, left:right]
                for j in range(right - left):
                    y0[j] += a00 * w0[j] + a01 * w1[j] + a02 * w2[j] + a03 * w3[j]
                    y1[j] += a10 * w0[j] + a11 * w1[j] + a12 * w2[j] + a13 * w3[j]
                    y2[j] += a20 * w0[j] + a21 * w1[j] + a22 * w2[j] + a23 * w3[j]
                    y3[j] += a30 * w0[j] + a31 * w1[j] + a32 * w2[j] + a33 * w3[j]


@kernel
def transpose_into_blocks(WT: Array, blocks: Array) -> None:
    """blocks[p, 0, b, k, j] is W[p K + k, b columns + j], where W is WT transposed; see products.py.

    K is a multiple of 16: so many entries of a row are read together, a cache line, which would be gone before its
    next entry was asked for.
    """
    parts, _, count, K, columns = blocks.shape
    for p in range(parts):
        for b in range(count):
            for line in range(0, K, 16):
                for j in range(columns):
                    for k in range(16):
                        blocks[p, 0, b, line + k, j] = WT[b * columns + j, p * K + line + k]


# Writing songs.  A row is one song: its V logits, or V numbers in proportion to its probabilities.


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
