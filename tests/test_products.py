"""The products y += x @ W and y += x.T @ z, whatever the sizes; a row has the same bits whatever stands beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import config

from lstm_numpy.speed.buffers import Buffers
from lstm_numpy.speed.products import add_product, add_transposed_product, in_blocks

pytestmark = pytest.mark.math

ROOT = Path(__file__).resolve().parents[1]
SHAPES = {  # B, K, N
    "whole tiles": (16, 24, 64),
    "one row": (1, 128, 96),
    "rows that do not fill tiles": (13, 40, 64),
    "columns that do not fill a block": (8, 17, 100),
    "smaller than a tile": (3, 5, 7),
    "one number": (1, 1, 1),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_it_is_the_product_added(shape: tuple[int, int, int], dtype: type) -> None:
    """Against NumPy in float64, for W as it lies and transposed, with buffers that were used before."""
    (B, K, N), rng, buffers = shape, np.random.default_rng(1), Buffers()
    buffers.empty("W", in_blocks(np.ones((K, N), dtype), "W", buffers).shape, dtype)[:] = np.nan
    for W in (rng.standard_normal((K, N)).astype(dtype), rng.standard_normal((N, K)).astype(dtype).T):
        x, y = rng.standard_normal((B, K)).astype(dtype), rng.standard_normal((B, N)).astype(dtype)
        wanted = y + x.astype(np.float64) @ W
        add_product(x, in_blocks(W, "W", buffers), y)
        np.testing.assert_allclose(y, wanted, rtol=0, atol=30 * K * np.finfo(dtype).eps)


def test_nothing_else_is_written_to() -> None:
    """x, y and what stands beside y, which is a part of a larger array here, as a gate's columns are."""
    rng, whole = np.random.default_rng(1), np.full((9, 200), 7.0)
    x, W, y = rng.standard_normal((9, 6)), rng.standard_normal((6, 70)), whole[:, 50:120]
    before = x.copy()
    add_product(x, in_blocks(W, "W", Buffers()), y)
    np.testing.assert_allclose(y, 7 + before @ W, rtol=1e-13)
    np.testing.assert_array_equal(x, before)
    y[:] = 7
    assert (whole == 7).all()


@pytest.mark.skipif(config.DISABLE_JIT, reason="nothing is compiled")
def test_what_was_compiled_is_right_in_the_next_process_too(tmp_path: Path) -> None:
    """numba keeps it on disk; a function that called itself with another layout was not whole there."""
    program = """if True:
        import numpy as np
        from lstm_numpy.speed.buffers import Buffers
        from lstm_numpy.speed.products import add_product, add_transposed_product, in_blocks
        for N in (5, 70):
            x, W, part = np.ones((9, 6)), np.ones((6, N)), np.zeros((9, 200))[:, 50 : 50 + N]
            add_product(x, in_blocks(W, "W", Buffers()), part)
            whole = np.zeros((6, 200))[:, :N]
            add_transposed_product(x, part, whole)
            assert (part == 6).all() and (whole == 54).all()
    """
    for _ in range(2):
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        subprocess.run([sys.executable, "-c", program], env=environment, cwd=ROOT, check=True)


@pytest.mark.skipif(config.DISABLE_JIT, reason="as plain Python it is NumPy's, whose order depends on the size")
def test_a_row_has_the_same_bits_whatever_stands_beside_it() -> None:
    rng = np.random.default_rng(1)
    x, W = rng.standard_normal((19, 50), np.float32), rng.standard_normal((50, 100), np.float32)
    together = np.zeros((19, 100), np.float32)
    add_product(x, in_blocks(W, "W", Buffers()), together)
    for n in range(19):
        alone = np.zeros((1, 100), np.float32)
        add_product(x[n : n + 1], in_blocks(W, "W", Buffers()), alone)
        np.testing.assert_array_equal(alone[0], together[n])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [*SHAPES.values(), (300, 21, 70), (520, 8, 64)], ids=str)
def test_it_is_the_product_of_a_transposed_matrix_added(shape: tuple[int, int, int], dtype: type) -> None:
    """Also where there are more rows than are taken at a time."""
    (K, M, N), rng = shape, np.random.default_rng(1)
    x, z, y = (rng.standard_normal(size).astype(dtype) for size in ((K, M), (K, N), (M, N)))
    wanted = y + x.astype(np.float64).T @ z
    add_transposed_product(x, z, y)
    np.testing.assert_allclose(y, wanted, rtol=0, atol=30 * K * np.finfo(dtype).eps)
