"""x @ W with the same W at every time step: the product that a recurrent layer spends most of its time in."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from lstm_numpy.speed import loops
from lstm_numpy.speed.buffers import Buffers

Array = npt.NDArray[Any]

_SMALL = 1_000_000  # multiplications
_COLUMNS = 64
_FEW_TIMES = 1  # too few for a copy of W
_ENOUGH_LANES = 8  # a tile of fewer is slower, but still faster than the whole


def repeated_product(xs: Array, W: Array, out: Array, buffers: Buffers) -> Callable[[int], object]:
    """A function of t that sets out (B, N) to xs[t] @ W.  xs (times, B, K) may change in between, W (K, N) may not.

    Before each product OpenBLAS copies W into the order that its inner loop likes.  With few rows in x this takes as
    long as the multiplications, so here W is laid out once.  OpenBLAS's AVX-512 kernels leave their copy out where a
    product is small: for them W is cut into blocks of 64 columns, and a product into tiles of that width.  Measured at
    K=256, this is 5 times as fast for 4 rows, twice for 32, and 1.4 times for 64.  With its other kernels a loop that
    needs no copy at all, loops.multiply_rows, is the faster one: 2 times for 16 rows of K=128, 1.4 for 32 of K=512.
    """
    times, B, K = xs.shape
    N = W.shape[1]
    if times <= _FEW_TIMES:
        return lambda t: np.matmul(xs[t], W, out=out)
    tiles = _tiles(B, K, N)
    if tiles is None:
        rows = _in_blocks(W, 1, N, buffers).reshape(K, N)
        if B >= 4 and K % 4 == 0:
            return lambda t: loops.multiply_rows(xs[t], rows, out)
        return lambda t: np.matmul(xs[t], rows, out=out)

    lanes, parts = tiles  # of each tile; and of K: each part gives a sum, and they are added at the end
    blocks = _in_blocks(W, parts, _COLUMNS, buffers)
    sums = out[None] if parts == 1 else buffers.empty("sums", (parts, B, N), W.dtype)
    x_tiles = xs.reshape(times, B // lanes, lanes, parts, K // parts).transpose(0, 3, 1, 2, 4)[:, :, :, None]
    to = sums.reshape(parts, B // lanes, lanes, N // _COLUMNS, _COLUMNS).swapaxes(2, 3)

    def product(t: int) -> None:
        np.matmul(x_tiles[t], blocks, out=to)
        if parts > 1:
            np.add.reduce(sums, axis=0, out=out)

    return product


def _tiles(B: int, K: int, N: int) -> tuple[int, int] | None:
    """Lanes in a tile, and parts of K, such that a tile is a small product.  None: it would not pay."""
    if B * K * N <= _SMALL or N % _COLUMNS or not _small_products_are_fast():
        return None
    choices = {}
    for parts in (4, 2, 1):
        most = min(B, _SMALL * parts // (K * _COLUMNS))
        lanes = max((n for n in range(2, most + 1) if B % n == 0), default=0)
        if lanes and K % parts == 0:
            choices[min(lanes, _ENOUGH_LANES)] = lanes, parts
    return choices[max(choices)] if choices else None


def _in_blocks(W: Array, parts: int, columns: int, buffers: Buffers) -> Array:
    """W (K, N) copied into (parts, 1, N / columns, K / parts, columns)."""
    K, N = W.shape
    blocks = buffers.empty("blocks", (parts, 1, N // columns, K // parts, columns), W.dtype)
    if W.flags.f_contiguous and K // parts % 16 == 0:  # NumPy's copy of a transposed matrix takes 5 times as long
        loops.transpose_into_blocks(W.T, blocks)
    else:
        blocks[:, 0] = W.reshape(parts, K // parts, N // columns, columns).swapaxes(1, 2)
    return blocks


@cache
def _small_products_are_fast() -> bool:
    """Whether NumPy's products are computed by OpenBLAS's AVX-512 kernels."""
    architectures = {library.get("architecture") for library in ThreadpoolController().info()}
    return not architectures.isdisjoint({"SkylakeX", "Cooperlake", "SapphireRapids"})
