"""The recurrent product: however it is cut up, it is x @ W."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_numpy.speed import products
from lstm_numpy.speed.buffers import Buffers

pytestmark = pytest.mark.math

SHAPES = {  # B, K, N: lanes in a tile, and parts of K
    "all lanes at once": ((16, 128, 512), (16, 1)),
    "few lanes": ((4, 256, 1024), (4, 1)),
    "rows that do not fill cache lines": ((32, 250, 512), (32, 1)),
    "few lanes of a long sum": ((6, 4096, 64), (6, 2)),
    "tiles of half the lanes": ((64, 256, 1024), (32, 1)),
    "the largest divisor of an odd number of lanes": ((45, 512, 64), (15, 1)),
    "the sum over K in two parts": ((32, 2048, 64), (8, 2)),
    "the sum over K in four parts": ((32, 4096, 64), (8, 4)),
}
NOT_IN_TILES = {
    "columns that do not fill blocks": (32, 100, 400),
    "more columns than the loop takes at a time": (12, 8, 1100),
    "lanes that do not come in fours": (10, 128, 512),
    "a sum that does not come in fours": (16, 130, 520),
    "one lane": (1, 1024, 1024),
    "a product that is small as it is": (8, 128, 512),
    "a prime number of lanes, too many for one tile": (61, 4096, 64),
}


@pytest.fixture
def fast_small_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_small_products_are_fast", lambda: True)


@pytest.mark.usefixtures("fast_small_products")
@pytest.mark.parametrize(("shape", "tiles"), SHAPES.values(), ids=SHAPES)
def test_a_product_in_tiles_is_the_product(shape: tuple[int, int, int], tiles: tuple[int, int]) -> None:
    assert products._tiles(*shape) == tiles
    check(*shape)


@pytest.mark.usefixtures("fast_small_products")
@pytest.mark.parametrize("shape", NOT_IN_TILES.values(), ids=NOT_IN_TILES)
def test_where_tiles_do_not_fit_it_is_the_product_too(shape: tuple[int, int, int]) -> None:
    assert products._tiles(*shape) is None
    check(*shape)


def test_where_blas_would_not_gain_from_tiles_it_is_the_product_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_small_products_are_fast", lambda: False)
    assert products._tiles(16, 128, 512) is None
    check(16, 128, 512)


def check(B: int, K: int, N: int) -> None:
    """Against NumPy, for W as it lies and transposed, once and often, with buffers that were used before."""
    rng, buffers = np.random.default_rng(B), Buffers()
    for W in (rng.standard_normal((K, N)), rng.standard_normal((N, K)).T):
        for times in (1, 4):
            xs, out = np.empty((times, B, K)), np.full((B, N), np.nan)
            product = products.repeated_product(xs, W, out, buffers)
            xs[:] = rng.standard_normal(xs.shape)  # as in a recurrence, what is multiplied is known only later
            for t in range(times):
                product(t)
                np.testing.assert_allclose(out, xs[t] @ W, rtol=1e-10, atol=1e-10)
