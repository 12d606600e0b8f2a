"""The product that a recurrence repeats, in GFLOP/s of one thread: whole, as products.py computes it, and as a loop.

    python benchmarks/products.py
    OPENBLAS_CORETYPE=Haswell python benchmarks/products.py     # with OpenBLAS's AVX2 kernels, where it has others

The last column is the loop with W where NumPy may place it: 16 bytes beyond the beginning of a cache line.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lstm_numpy.speed.blas import prefer_avx512

prefer_avx512()  # before NumPy is imported

import numpy as np  # isort: skip
import numpy.typing as npt
from contest import table
from threadpoolctl import threadpool_limits

from lstm_numpy.speed import loops
from lstm_numpy.speed.buffers import Buffers
from lstm_numpy.speed.products import repeated_product

Array = npt.NDArray[Any]
T, TURNS = 50, 15
SIZES = [(B, H) for H in (128, 256, 512) for B in (4, 16, 32, 64)]


def main() -> None:
    rows = []
    with threadpool_limits(1, user_api="blas"):
        for B, H in SIZES:
            xs, Wh, out = array(T, B, H), array(H, 4 * H), array(B, 4 * H)
            askew = array(1, H * 4 * H + 4)[0, 4:].reshape(H, 4 * H)  # 16 bytes off a cache line, as NumPy may place it
            candidates: list[Callable[[int], object]] = [
                lambda t, xs=xs, Wh=Wh, out=out: np.matmul(xs[t], Wh, out=out),
                repeated_product(xs, Wh, out, Buffers()),
                lambda t, xs=xs, Wh=Wh, out=out: loops.multiply_rows(xs[t], Wh, out),
                lambda t, xs=xs, Wh=askew, out=out: loops.multiply_rows(xs[t], Wh, out),
            ]
            taken: list[list[float]] = [[] for _ in candidates]
            for _ in range(TURNS):
                for seconds, product in zip(taken, candidates, strict=True):
                    started = time.perf_counter()
                    for t in range(T):
                        product(t)
                    seconds.append(time.perf_counter() - started)
            rows.append([f"{B}, {H}", *(f"{2e-9 * T * B * H * 4 * H / median(seconds):.0f}" for seconds in taken)])
    print(table(["B, H", "np.matmul", "repeated_product", "multiply_rows", "the same, W 16 bytes off"], rows))


def array(*shape: int) -> Array:
    """Numbers in float32 that begin at a cache line."""
    made = Buffers().empty("array", shape, np.float32)
    made[:] = np.random.default_rng(0).random(shape)
    return made


if __name__ == "__main__":
    main()
