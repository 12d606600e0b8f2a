"""The product that a recurrence repeats, in GFLOP/s of one thread: by BLAS, and as products.py computes it.

    python benchmarks/products.py
    OPENBLAS_CORETYPE=Haswell python benchmarks/products.py     # with OpenBLAS's AVX2 kernels, where it has others

"With the copy" counts what it takes to lay out W once for T = 50 products.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from blas import prefer_avx512

prefer_avx512()  # before NumPy is imported

import numpy as np  # isort: skip
import numpy.typing as npt
from contest import table
from threadpoolctl import threadpool_limits

from lstm_numpy.speed.buffers import Buffers
from lstm_numpy.speed.products import add_product, in_blocks

Array = npt.NDArray[Any]
T, TURNS = 50, 15
SIZES = [(B, H) for H in (64, 128, 256, 512) for B in (1, 8, 16, 32)]


def main() -> None:
    rows = []
    with threadpool_limits(1, user_api="blas"):
        for B, H in SIZES:
            xs, Wh, out = array(T, B, H), array(H, 4 * H), array(B, 4 * H)
            buffers = Buffers()
            blocks = in_blocks(Wh, "Wh", buffers)

            def by_blas(xs: Array = xs, Wh: Array = Wh, out: Array = out) -> None:
                for x in xs:
                    np.matmul(x, Wh, out=out)

            def ours(xs: Array = xs, blocks: Array = blocks, out: Array = out) -> None:
                for x in xs:
                    add_product(x, blocks, out)

            def with_the_copy(Wh: Array = Wh, buffers: Buffers = buffers, ours: Callable[[], None] = ours) -> None:
                in_blocks(Wh, "Wh", buffers)
                ours()

            candidates = (by_blas, ours, with_the_copy)
            taken: list[list[float]] = [[] for _ in candidates]
            for _ in range(TURNS):
                for seconds, products in zip(taken, candidates, strict=True):
                    started = time.perf_counter()
                    products()
                    seconds.append(time.perf_counter() - started)
            rows.append([f"{B}, {H}", *(f"{2e-9 * T * B * H * 4 * H / median(seconds):.0f}" for seconds in taken)])
    print(table(["B, H", "np.matmul", "add_product", "with the copy"], rows))


def array(*shape: int) -> Array:
    """Numbers in float32 that begin at a cache line."""
    made = Buffers().empty("array", shape, np.float32)
    made[:] = np.random.default_rng(0).random(shape)
    return made


if __name__ == "__main__":
    main()
