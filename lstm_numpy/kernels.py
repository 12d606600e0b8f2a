"""Every numba loop of the project, written as scalar equations (the numbers are those of docs/lstm.md).

Why numba here and NumPy elsewhere: matrix products belong to BLAS (but for one, multiply_rows), exp and tanh to NumPy's
SIMD ufuncs; what is left is arithmetic, where a chain of NumPy expressions would write a temporary array for every
operation.  The loops take their constants from the data's dtype (`float32 * 0.5` would be float64), so one text serves
float32 and float64.  They let go of the GIL.  NUMBA_DISABLE_JIT=1 runs this very text as plain Python, for a debugger.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile on first use, and keep the result on disk where some folder for it can be written.

    `contract` and `reassoc` allow fused multiply-adds and sums in SIMD order; NaN and infinity keep their meaning.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc"}}
    try:
        return numba.njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # neither the source tree nor a home folder can be written: compile anew in each process
        return numba.njit(**options)(function)  # type: ignore[no-any-return]


# The LSTM.  One call is one time step of B sequences; gate arrays are (B, 4H) in the order i, f, o, g.


@kernel
def add_gate_inputs(z: Array, recurrent: Array, b: Array) -> None:
    """z += recurrent + b (1), with the three sigmoid gates halved on the way.

    sigmoid(z) = (1 + tanh(z/2)) / 2, so after this one tanh over the whole row is all that the four gates need.
    """
    half = z.dtype.type(0.5)
    B, H = z.shape[0], z.shape[1] // 4
    for n in range(B):
        for k in range(3 * H):
            z[n, k] = half * (z[n, k] + recurrent[n, k] + b[k])
        for k in range(3 * H, 4 * H):
            z[n, k] = z[n, k] + recurrent[n, k] + b[k]


@kernel
def cell_forward(gates: Array, c_prev: Array, m: Array, c: Array) -> None:
    """tanh(z/2) becomes i, f, o in place (2); g is tanh(z) already (3); c = m * (f * c_prev + i * g) (4)."""
    half, one = gates.dtype.type(0.5), gates.dtype.type(1.0)
    B, H = c.shape
    for n in range(B):
        for k in range(3 * H):
            gates[n, k] = half * (one + gates[n, k])
        for k in range(H):
            i, f, g = gates[n, k], gates[n, H + k], gates[n, 3 * H + k]
            c[n, k] = m[n, k] * (f * c_prev[n, k] + i * g)


@kernel
def hidden_forward(gates: Array, tanh_c: Array, s: Array, r: Array, h: Array, rh: Array) -> None:
    """h = s * o * tanh(c) (5), and r * h, which is what the next step's gates see."""
    B, H = h.shape
    for n in range(B):
        for k in range(H):
            h[n, k] = s[n, k] * gates[n, 2 * H + k] * tanh_c[n, k]
            rh[n, k] = r[n, k] * h[n, k]


@kernel
def step_backward(
    dy: Array, d_rh: Array, gates: Array, c_prev: Array, tanh_c: Array, m: Array, s: Array, r: Array,
    dh: Array, dc: Array, dz: Array, dc_prev: Array,
) -> None:  # fmt: skip
    """(5) to (2), backwards: from dy and d_rh, and what dc holds of the step after, to dh, dc, dz and dc_prev."""
    one = gates.dtype.type(1.0)
    B, H = dh.shape
    d_shown = np.empty(H, gates.dtype)  # d loss / d (o * tanh(c)), of one sequence
    d_update = np.empty(H, gates.dtype)  # d loss / d (f * c_prev + i * g)
    for n in range(B):
        for k in range(H):
            f, o = gates[n, H + k], gates[n, 2 * H + k]
            dh[n, k] = dy[n, k] + r[n, k] * d_rh[n, k]  # seen by the layer above, and by the next step's gates (11)
            d_shown[k] = s[n, k] * dh[n, k]  # (12)
            dc[n, k] += d_shown[k] * o * (one - tanh_c[n, k] * tanh_c[n, k])  # (13)
            d_update[k] = m[n, k] * dc[n, k]  # (14)
            dc_prev[n, k] = d_update[k] * f  # (15)
        # (14), a loop for each gate: one that writes to several parts of a row would not be compiled to SIMD, because
        # the compiler cannot tell that they do not overlap.
        for k in range(H):
            i, g = gates[n, k], gates[n, 3 * H + k]
            dz[n, k] = d_update[k] * g * i * (one - i)
        for k in range(H):
            f = gates[n, H + k]
            dz[n, H + k] = d_update[k] * c_prev[n, k] * f * (one - f)
        for k in range(H):
            o = gates[n, 2 * H + k]
            dz[n, 2 * H + k] = d_shown[k] * tanh_c[n, k] * o * (one - o)
        for k in range(H):
            i, g = gates[n, k], gates[n, 3 * H + k]
            dz[n, 3 * H + k] = d_update[k] * i * (one - g * g)


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


@kernel
def add_rows(total: Array, rows: Array, dy: Array) -> None:
    """total[rows[n]] += dy[n]: the backward pass of picking rows, which is what a one-hot input does to Wx (18)."""
    for n in range(dy.shape[0]):
        row = rows[n]
        for k in range(dy.shape[1]):
            total[row, k] += dy[n, k]


# The loss.  A row is one prediction: V logits, and the index of the token that came (-1: it is not scored).


@kernel
def cross_entropy_rows(logits: Array, largest: Array, targets: Array, p: Array, nats: Array) -> int:
    """p holds exp(logits - largest): divide each row by its sum, and set nats = -ln p[target] (9).

    ln(sum) + largest - logits[target] is the same number, and stays finite where p[target] has become 0.
    Returns how many scored targets have the largest logit of their row: the correct predictions.
    """
    one = p.dtype.type(1.0)
    correct = 0
    for n in range(p.shape[0]):
        total = p[n, 0]
        for v in range(1, p.shape[1]):
            total += p[n, v]
        scale = one / total
        for v in range(p.shape[1]):
            p[n, v] *= scale
        target = targets[n]
        if target < 0:
            nats[n] = 0
        else:
            nats[n] = np.log(total) + (largest[n] - logits[n, target])
            correct += logits[n, target] == largest[n]
    return correct


@kernel
def cross_entropy_backward(p: Array, targets: Array, share: float, dlogits: Array) -> None:
    """dlogits = (p - onehot(target)) * share, where a scored target's share of the mean is 1 / scored targets (10)."""
    for n in range(p.shape[0]):
        target = targets[n]
        if target < 0:
            for v in range(p.shape[1]):
                dlogits[n, v] = 0
        else:
            for v in range(p.shape[1]):
                dlogits[n, v] = p[n, v] * share
            dlogits[n, target] -= share


# Dropout and the optimizer.


@kernel
def threshold_mask(bits: Array, drop_below: int, keep: float, mask: Array) -> None:
    """mask becomes 0 where a unit is dropped, which is where its 16 random bits are below drop_below; else `keep`."""
    for n in range(mask.size):
        mask[n] = keep if bits[n] >= drop_below else 0


@kernel
def rmsprop_update(p: Array, dp: Array, average: Array, learning_rate: float, decay: float, epsilon: float) -> None:
    """average = decay * average + (1 - decay) * dp^2;  p -= learning_rate * dp / (sqrt(average) + epsilon) (21)."""
    one = p.dtype.type(1.0)
    for n in range(p.size):
        average[n] = decay * average[n] + (one - decay) * dp[n] * dp[n]
        p[n] -= learning_rate * dp[n] / (np.sqrt(average[n]) + epsilon)


# Writing songs.  A row is one song: its V logits, or V numbers in proportion to its probabilities.


@kernel
def shift_rows(logits: Array) -> bool:
    """Subtract its largest from each row, so that exp cannot overflow.  False for NaN, and if no largest is finite."""
    for n in range(logits.shape[0]):
        largest, not_numbers = logits[n, 0], 0
        for v in range(logits.shape[1]):
            largest = max(largest, logits[n, v])
            not_numbers += logits[n, v] != logits[n, v]
        if not_numbers or not np.isfinite(largest):
            return False
        for v in range(logits.shape[1]):
            logits[n, v] -= largest
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
def note_down(chosen: Array, entropies: Array, songs: Array, t: int, end: int, ids: Array, entropy_sums: Array) -> int:
    """ids[songs[n], t] = chosen[n], and its entropy is added up.  Returns how many of the chosen are `end`."""
    ended = 0
    for n in range(chosen.size):
        ids[songs[n], t] = chosen[n]
        entropy_sums[songs[n]] += entropies[n]
        ended += chosen[n] == end
    return ended


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
    """Where the ids before t say a pattern `repeats` times, its next id becomes impossible, if another is possible."""
    for n in range(len(songs)):
        song = songs[n]
        for p in range(1, min(t + 1, runs.shape[1])):
            if runs[song, p] >= (repeats - 1) * p and runs[song, p] + p >= shortest:
                following = ids[song, t - p]
                for v in range(logits.shape[1]):
                    if v != following and logits[n, v] > -np.inf:
                        logits[n, following] = -np.inf
                        break


# How much of one song stands in others.


@kernel
def match_suffixes(flat: Array, offsets: Array, text: Array, order: Array, bucket: Array, lengths: Array) -> None:
    """lengths[p] becomes the longest run of text from p on that stands in a song of flat.

    Every suffix of every song looks for its place among the sorted suffixes of text.  On its way it is compared with
    its two neighbours there, and no other shares more with it.  Those further off share what all between them share.
    """
    for song in range(len(offsets) - 1):
        end = offsets[song + 1]
        for begin in range(offsets[song], end):
            low, high = bucket[flat[begin] + 1], bucket[flat[begin] + 2]
            while low < high:
                middle = (low + high) // 2
                p = order[middle]
                n = 1
                while begin + n < end and text[p + n] == flat[begin + n] + 1:
                    n += 1
                lengths[p] = max(lengths[p], n)
                if begin + n < end and text[p + n] < flat[begin + n] + 1:
                    low = middle + 1
                else:
                    high = middle
    for direction in (1, -1):
        for k in range(1, len(order)):
            p, before = (order[k], order[k - 1]) if direction == 1 else (order[-k - 1], order[-k])
            n = 0
            while n < lengths[before] and text[p + n] == text[before + n]:
                n += 1
            lengths[p] = max(lengths[p], n)
