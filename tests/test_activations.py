"""Sigmoid and softmax: values known by heart, numbers of any size, and no change of dtype."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lstm_numpy import kernels
from lstm_numpy.plain import sigmoid, softmax

pytestmark = pytest.mark.math


def test_sigmoid_at_points_known_by_heart() -> None:
    z = np.array([0, math.log(3), -math.log(3), math.log(9)])
    np.testing.assert_allclose(sigmoid(z), [1 / 2, 3 / 4, 1 / 4, 9 / 10], rtol=1e-15)


def test_sigmoid_of_huge_numbers_is_0_or_1_without_a_warning() -> None:
    np.testing.assert_array_equal(sigmoid(np.array([-1e4, 1e4, -np.inf, np.inf])), [0, 1, 0, 1])


def test_softmax_is_a_distribution_in_each_row() -> None:
    logits = np.array([[0, math.log(3)], [math.log(9), 0]])
    np.testing.assert_allclose(softmax(logits), [[1 / 4, 3 / 4], [9 / 10, 1 / 10]], rtol=1e-15)


def test_softmax_of_many_axes_is_taken_along_the_last() -> None:
    logits = np.random.default_rng(0).normal(size=(2, 3, 4))
    np.testing.assert_allclose(softmax(logits).sum(axis=-1), np.ones((2, 3)), rtol=1e-14)


def test_softmax_of_huge_logits_does_not_overflow() -> None:
    for shift in (-1e4, 0.0, 1e4):
        logits = np.array([0.0, -2000.0]) + shift
        np.testing.assert_array_equal(softmax(logits), [1, 0])


@pytest.mark.parametrize("function", [sigmoid, softmax])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays(function, dtype) -> None:
    assert function(np.ones((2, 3), dtype)).dtype == dtype


# The same curves as loops.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_curves_of_the_loops_are_right_to_a_few_units_of_the_last_place(dtype: type) -> None:
    x = np.concatenate([np.linspace(-30, 30, 2001), np.geomspace(1e-30, 1, 500), -np.geomspace(1e-30, 1, 500)])
    x = x.astype(dtype)
    curve, exact = x.copy(), np.tanh(x.astype(np.longdouble))
    kernels.tanh(curve)
    assert curve.dtype == dtype
    assert (np.abs(curve - exact) <= 6 * np.spacing(np.abs(exact).astype(dtype))).all()
    curve, exact = x.copy(), 1 / (1 + np.exp(-x.astype(np.longdouble)))
    kernels.sigmoid(curve)
    assert (np.abs(curve - exact) <= 2 * np.finfo(dtype).eps).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_curves_of_the_loops_end_at_their_limits_and_show_what_is_no_number(dtype: type) -> None:
    ends = np.array([-np.inf, -1e30, 0, 1e30, np.inf, np.nan], dtype)
    for curve, wanted in ((kernels.tanh, [-1, -1, 0, 1, 1, np.nan]), (kernels.sigmoid, [0, 0, 0.5, 1, 1, np.nan])):
        found = ends.copy()
        with np.errstate(invalid="ignore"):  # as plain Python, without numba, NumPy warns where NaN becomes an int
            curve(found)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-17)  # e^-40 is next to 0
