"""The equations as loops over single numbers, compiled by numba.  The numbers are those of docs/lstm.md.

Why loops: a chain of NumPy expressions writes a temporary array for every operation.  And the loop over time steps,
which is compiled too, calls them without Python.  The loops take their constants from the data's dtype, since
`float32 * 0.5` would be float64; so one text serves float32 and float64.  They release the GIL.  With
NUMBA_DISABLE_JIT=1 this text runs as plain Python, for a debugger.  Loops that are no equations: see speed/loops.py.
"""

import math
from typing import Any

import numpy as np

from lstm_numpy.speed.buffers import Array
from lstm_numpy.speed.compiled import kernel

# The two curves of the gates, for a row of numbers.


@kernel
def power_of_2(n: Any, number: Any) -> Any:
    """2^n for a whole n.  A number's bits hold the exponent of 2, so nothing is computed.  `number` is its dtype."""
    if np.finfo(number).bits == 32:
        return number(np.int32((np.int32(n) + 127) << 23).view(np.float32))
    return number(np.int64((np.int64(n) + 1023) << 52).view(np.float64))


@kernel
def parts_of_exp(x: Any, number: Any) -> Any:
    """m and p with e^x = p (1 + m), for x from -80 to 80: p = 2^n is the nearest power of 2, and m = e^y - 1 a series.

    No branch depends on x, so the compiler makes SIMD of the loop over a row.
    """
    n = np.floor(x * number(1 / math.log(2)) + number(0.5))
    y = x - n * number(math.log(2))  # within ln 2 / 2 of 0, where few terms of the series are enough
    m = number(1 / 40320)
    if np.finfo(number).bits == 64:
        m += y * (
            number(1 / 362880) + y * (number(1 / 3628800) + y * (number(1 / 39916800) + y * number(1 / 479001600)))
        )
    m = number(1 / 120) + y * (number(1 / 720) + y * (number(1 / 5040) + y * m))
    m = number(1 / 2) + y * (number(1 / 6) + y * (number(1 / 24) + y * m))
    return y + y * y * m, power_of_2(n, number)


@kernel
def exp(x: Array) -> None:
    """Each x, which is 0 or less, becomes e^x; from -80 on it is e^-80."""
    number = x.dtype.type
    least = number(-80)
    for k in range(x.size):
        m, p = parts_of_exp(max(x[k], least), number)
        x[k] = p + p * m


@kernel
def largest_of(x: Array, scratch: Array) -> Any:
    """The largest number of a row, by halves: SIMD takes many pairs at once, but a single maximum only one number."""
    width = (len(x) + 1) // 2
    for k in range(len(x) - width):
        scratch[k] = max(x[k], x[width + k])
    scratch[width - 1] = max(x[width - 1], x[len(x) - 1])
    while width > 16:
        half = (width + 1) // 2
        for k in range(width - half):
            scratch[k] = max(scratch[k], scratch[half + k])
        width = half
    largest = scratch[0]
    for k in range(1, width):
        largest = max(largest, scratch[k])
    return largest


@kernel
def tanh(x: Array) -> None:
    """Each x becomes tanh(x) = m / (m + 2) with m = e^(2x) - 1.  From 20 on it is 1, in float64 too."""
    number = x.dtype.type
    one, two, most = number(1), number(2), number(20)
    for k in range(x.size):
        m, p = parts_of_exp(two * min(max(x[k], -most), most), number)
        m = p * m + (p - one)  # exact near 0, where p is 1
        x[k] = m / (m + two)


@kernel
def sigmoid(x: Array) -> None:
    """Each x becomes sigmoid(x) = 1 / (1 + e^-x)."""
    number = x.dtype.type
    one, most = number(1), number(40)
    for k in range(x.size):
        m, p = parts_of_exp(-min(max(x[k], -most), most), number)
        x[k] = one / (one + (p + p * m))


# The LSTM.  One call is one time step of B sequences; gate arrays are (B, 4H) in the order i, f, o, g.


@kernel
def step_forward(
    z: Array, b: Array, c_prev: Array, m: Array, s: Array, r: Array, c: Array, tanh_c: Array, h: Array, rh: Array
) -> None:
    """From z = xWx + (r * h_prev) @ Wh (1), which becomes i, f, o, g in place, to c, h, and r * h for the next step."""
    B, H = c.shape
    for n in range(B):
        for k in range(4 * H):
            z[n, k] += b[k]  # (1)
        sigmoid(z[n, : 3 * H])  # i, f, o (2)
        tanh(z[n, 3 * H :])  # g (3)
        for k in range(H):
            i, f, g = z[n, k], z[n, H + k], z[n, 3 * H + k]
            c[n, k] = m[n, k] * (f * c_prev[n, k] + i * g)  # (4)
            tanh_c[n, k] = c[n, k]
        tanh(tanh_c[n])
        for k in range(H):
            o = z[n, 2 * H + k]
            h[n, k] = s[n, k] * o * tanh_c[n, k]  # (5)
            rh[n, k] = r[n, k] * h[n, k]  # what the next step's gates see (1)


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
def sum_of_rows(dz: Array, db: Array) -> None:
    """db = the sum of dz[n] over all n: what each row was given, its gradient is given back (17) (19)."""
    db[:] = 0
    for n in range(len(dz)):
        for k in range(len(db)):
            db[k] += dz[n, k]


# The input.


@kernel
def few_hot_forward(x: Array, Ws: tuple[Array, ...], xWx: Array) -> None:
    """xWx[n] = Ws[0][x[n, 0]] + Ws[1][x[n, 1]] + ...: a row for the token, and one for each feature (23)."""
    for n in range(xWx.shape[0]):
        W, row = Ws[0], x[n, 0]
        for k in range(xWx.shape[1]):
            xWx[n, k] = W[row, k]
        for j in range(1, len(Ws)):
            W, row = Ws[j], x[n, j]
            for k in range(xWx.shape[1]):
                xWx[n, k] += W[row, k]


@kernel
def few_hot_backward(dz: Array, x: Array, dWs: tuple[Array, ...]) -> None:
    """A row of dWs[j] is the sum of dz[n] over the n that picked it, where x[n, j] is its number (24)."""
    for dW in dWs:
        dW[:] = 0
    for n in range(dz.shape[0]):
        for j in range(len(dWs)):
            dW, row = dWs[j], x[n, j]
            for k in range(dz.shape[1]):
                dW[row, k] += dz[n, k]


# The loss.  A row is one prediction: V logits, and the index of the token that came (-1: it is not scored).


@kernel
def cross_entropy_forward(logits: Array, targets: Array, p: Array, nats: Array, correct: Array) -> None:
    """p = softmax(logits), and nats = -ln p[target] (9), of a few rows at a time.

    ln(sum) + largest - logits[target] is the same number, and stays finite where p[target] has become 0.
    correct becomes True where a scored target has the largest logit of its row.
    """
    one, rows = p.dtype.type(1.0), 16
    largest = np.empty(rows, p.dtype)
    for first in range(0, len(p), rows):
        some = p[first : first + rows]
        for n in range(len(some)):
            largest[n] = largest_of(logits[first + n], some[n])
            for v in range(p.shape[1]):
                some[n, v] = logits[first + n, v] - largest[n]
        exp(some.reshape(-1))
        for n in range(len(some)):
            total = some[n, 0]
            for v in range(1, p.shape[1]):
                total += some[n, v]
            scale = one / total
            for v in range(p.shape[1]):
                some[n, v] *= scale
            target = targets[first + n]
            if target < 0:
                nats[first + n] = 0
                correct[first + n] = False
            else:
                nats[first + n] = np.log(total) + (largest[n] - logits[first + n, target])
                correct[first + n] = logits[first + n, target] == largest[n]


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
