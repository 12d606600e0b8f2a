"""Slopes by moving numbers, and the comparison of gradients with them.

If x moves a little and everything else stays, the loss changes by d loss / d x times the move.  So, with s = 0.001,

    d loss / d x  =  (loss(x - 2s) - 8 loss(x - s) + 8 loss(x + s) - loss(x + 2s)) / (12 s)                         (22)

to about ten digits in float64.  This knows nothing of backpropagation: it needs the forward pass alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_numpy.cells import CELLS
from lstm_numpy.lstm import GATES, Array

TOLERANCE = 1e-8  # |by hand - numeric|, as a part of the largest entry of the array
TOLERANCE_AT_A_KINK = 1e-6  # there the step is smaller, and so fewer digits are left
STEP = 1e-3
H = 3  # hidden units of the networks that are checked, for the names of places


class Line(NamedTuple):
    """One line of the checker's table: an array by hand, beside the same array found in another way."""

    name: str
    error: float  # largest |by hand - numeric| / largest |entry| of the array
    where: str  # the entry where it is
    by_hand: float
    numeric: float
    kinks: int = 0  # entries at which the loss has a kink: left and right of it the slope is another

    @property
    def right(self) -> bool:
        return self.error < (TOLERANCE_AT_A_KINK if self.kinks else TOLERANCE)  # NaN is not right either


def losses_at(loss: Callable[[], float], x: Array, direction: Array, step: float) -> list[float]:
    """loss() where x is moved by -2, -1, 1 and 2 steps along `direction`.  Moves x in place, and puts it back."""
    here, losses = x.copy(), []
    for steps in (-2, -1, 1, 2):
        x[...] = here + steps * step * direction
        losses.append(loss())
    x[...] = here
    return losses


def slope(loss: Callable[[], float], x: Array, direction: Array, step: float = STEP) -> float:
    """How fast loss() changes as x moves along `direction`, by equation (22)."""
    a, b, c, d = losses_at(loss, x, direction, step)
    return (a - 8 * b + 8 * c - d) / (12 * step)


def at_a_kink(
    loss: Callable[[], float], x: Array, direction: Array, by_hand: float, numeric: float, largest: float
) -> float | None:
    """The slope beside a kink, or None if there is none: then a gradient that differs from `numeric` is wrong.

    Where the loss is smooth, a smaller step gives the same slope.  Where it does not, the step of `numeric` went over a
    kink: so the step is made smaller until it stays on one side.  If x stands on the kink itself, each side has a slope
    of its own, and either is right.
    """
    for step in (STEP / 16, STEP / 256):
        finer = slope(loss, x, direction, step)
        if abs(finer - numeric) <= 10 * TOLERANCE * largest:
            break
        if abs(finer - by_hand) <= TOLERANCE_AT_A_KINK * largest:
            return finer
        numeric = finer
    step = STEP / 256
    here, (a, b, c, d) = loss(), losses_at(loss, x, direction, step)
    left, right = (3 * here - 4 * b + a) / (2 * step), (4 * c - 3 * here - d) / (2 * step)
    nearer = min((left, right), key=lambda side: abs(side - by_hand))
    return nearer if abs(left - right) > 100 * TOLERANCE_AT_A_KINK * largest else None


def numeric_gradient(loss: Callable[[], float], x: Array) -> Array:
    """d loss / d x for every entry of x (float64), with x's shape.  Moves x in place, one entry at a time."""
    gradient, direction = np.zeros_like(x), np.zeros_like(x)
    for entry in np.ndindex(x.shape):
        direction[entry] = 1
        gradient[entry] = slope(loss, x, direction)
        direction[entry] = 0
    return gradient


def beside_kinks(loss: Callable[[], float], x: Array, by_hand: Array, numeric: Array) -> tuple[Array, Array]:
    """numeric, but the slope beside the kink where a kink makes it differ from by_hand; and where that is, as bool."""
    numeric, kinks, direction = numeric.copy(), np.zeros(x.shape, bool), np.zeros_like(x)
    largest = float(max(np.abs(by_hand).max(), np.abs(numeric).max()))
    for entry in map(tuple, np.argwhere(np.abs(numeric - by_hand) > TOLERANCE * largest)):
        direction[entry] = 1
        found = at_a_kink(loss, x, direction, by_hand[entry], numeric[entry], largest)
        direction[entry] = 0
        if found is not None:
            numeric[entry], kinks[entry] = found, True
    return numeric, kinks


def compare_gradient(name: str, by_hand: Array, loss: Callable[[], float], x: Array, axes: str = "") -> Line:
    """The line for the gradient of x, compared with what loss() does when an entry of x moves."""
    numeric, kinks = beside_kinks(loss, x, by_hand, numeric_gradient(loss, x))
    return compare(name, by_hand, numeric, axes, kinks=int(kinks.sum()))


def line_along(name: str, gradient: Array, loss: Callable[[], float], x: Array, direction: Array) -> Line:
    """The line for a gradient along one direction, compared with what loss() does when x moves that way."""
    by_hand, numeric, kink = float((gradient * direction).sum()), slope(loss, x, direction), None
    if abs(by_hand - numeric) > TOLERANCE * abs(by_hand):
        kink = at_a_kink(loss, x, direction, by_hand, numeric, abs(by_hand))
    return compare(name, by_hand, numeric if kink is None else kink, kinks=kink is not None)


def compare(
    name: str, by_hand: npt.ArrayLike, numeric: npt.ArrayLike, axes: str = "", largest: float | None = None,
    kinks: int = 0,
) -> Line:  # fmt: skip
    """The line for two arrays of one shape.

    axes names what their indices count, such as "sequence unit".  largest is what the error is measured against; None:
    the largest entry of the two arrays.
    """
    a, b = np.asarray(by_hand), np.asarray(numeric)
    if a.shape != b.shape:
        raise ValueError(f"{name} has shape {a.shape} by hand, but should have {b.shape}")
    difference = np.abs(a - b)
    worst = np.unravel_index(difference.argmax(), difference.shape)
    largest = largest or float(max(np.abs(a).max(), np.abs(b).max()))
    error = float(difference[worst]) / largest if difference[worst] else 0.0
    cell = CELLS.get(name.partition(".")[0].rstrip("0123456789"))  # that an array such as "lstm1.Wh" belongs to
    gates = cell.gates if cell else GATES
    words = [
        f"gate {gates[k // H]} of unit {k % H}" if axis == "gate" else f"{axis} {k}"
        for axis, k in zip(axes.split(), worst, strict=False)
    ]
    where = f"[{', '.join(map(str, worst))}] {', '.join(words)}" if words else ""
    return Line(name, error, where, float(a[worst]), float(b[worst]), kinks)
