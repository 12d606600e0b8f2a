"""Clipping, RMSprop, and how the learning rate falls."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lstm_numpy import RMSprop, clip_by_global_norm
from lstm_numpy.optimizer import cosine

pytestmark = pytest.mark.math


def test_clipping_scales_all_arrays_together_to_the_limit() -> None:
    grads = {"a": np.array([3.0, 0.0]), "b": np.array([[0.0, -4.0]])}  # a norm of 5
    assert clip_by_global_norm(grads, 2.5) == 5
    np.testing.assert_allclose(grads["a"], [1.5, 0])
    np.testing.assert_allclose(grads["b"], [[0, -2]])


@pytest.mark.parametrize("limit", [5.0, 6.0, math.inf])
def test_gradients_within_the_limit_are_left_alone(limit: float) -> None:
    grads = {"a": np.array([3.0, -4.0])}
    assert clip_by_global_norm(grads, limit) == 5
    np.testing.assert_array_equal(grads["a"], [3, -4])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_norm_that_is_not_finite_is_told_and_nothing_is_scaled(bad: float) -> None:
    grads = {"a": np.array([bad, 1.0])}
    assert not math.isfinite(clip_by_global_norm(grads, 1.0))
    np.testing.assert_array_equal(grads["a"], [bad, 1])


def test_rmsprop_by_hand() -> None:
    """average = 0.25 * 4^2 = 4, then 0.75 * 4 + 0.25 * 2^2 = 4; its root is 2 both times, and epsilon is 1."""
    params, grads = {"w": np.array([10.0])}, {"w": np.array([4.0])}
    optimizer = RMSprop(params, learning_rate=0.3, decay=0.75, epsilon=1.0)
    optimizer.step(params, grads)
    assert optimizer.averages["w"] == 4
    assert params["w"] == pytest.approx(10 - 0.3 * 4 / (2 + 1))
    optimizer.step(params, {"w": np.array([2.0])})
    assert optimizer.averages["w"] == 4
    assert params["w"] == pytest.approx(10 - 0.3 * 4 / 3 - 0.3 * 2 / 3)


def test_rmsprop_has_hintons_numbers_by_default() -> None:
    optimizer = RMSprop({"w": np.ones(1)})
    assert (optimizer.learning_rate, optimizer.decay, optimizer.epsilon) == (1e-3, 0.9, 1e-7)


def test_a_gradient_of_0_moves_nothing() -> None:
    params = {"w": np.array([1.0, 2.0])}
    RMSprop(params).step(params, {"w": np.zeros(2)})
    np.testing.assert_array_equal(params["w"], [1, 2])


def test_rmsprop_moves_matrices_in_place_and_keeps_float32() -> None:
    params, grads = {"w": np.ones((2, 3), np.float32)}, {"w": np.full((2, 3), 0.5, np.float32)}
    matrix, optimizer = params["w"], RMSprop(params, learning_rate=0.1, decay=0.0, epsilon=0.0)
    optimizer.step(params, grads)
    assert params["w"] is matrix
    assert optimizer.averages["w"].dtype == matrix.dtype == np.float32
    np.testing.assert_array_equal(optimizer.averages["w"], np.float32(0.25))
    np.testing.assert_allclose(matrix, 0.9, rtol=1e-6)


def test_cosine_falls_from_1_to_0() -> None:
    wanted = [1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0, 0]
    assert [cosine(x) for x in (0, 0.25, 0.5, 0.75, 1, 1.5)] == pytest.approx(wanted, abs=1e-15)


def test_a_parameter_that_is_not_contiguous_is_refused_and_not_skipped() -> None:
    params = {"w": np.ones((3, 2), np.float32).T}
    with pytest.raises(ValueError, match="w is not C-contiguous"):
        RMSprop(params).step(params, {"w": np.ones((2, 3), np.float32)})


def test_rmsprop_goes_on_from_its_state() -> None:
    params, grads = {"w": np.array([10.0])}, {"w": np.array([4.0])}
    optimizer = RMSprop(params, 0.1)
    optimizer.step(params, grads)
    again, copy = RMSprop(params, 0.1), {"w": params["w"].copy()}
    again.load_state({name: array.copy() for name, array in optimizer.state().items()})
    optimizer.step(params, grads)
    again.step(copy, grads)
    assert copy["w"] == params["w"]
    with pytest.raises(ValueError, match="does not belong"):
        again.load_state({"w": np.zeros(2)})
    with pytest.raises(ValueError, match="does not belong"):
        again.load_state({})
