"""Slopes by moving numbers, and the comparison of gradients with them.

If x moves a little and everything else stays, the loss changes by d loss / d x times the move.  So, with s = 0.001,

    d loss / d x  =  (loss(x - 2s) - 8 loss(x - s) + 8 loss(x + s) - loss(x + 2s)) / (12 s)                         (22)

to about ten digits in float64.  This knows nothing of backpropagation: it needs the forward pass alone.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_numpy.lstm import GATES
from lstm_numpy.parameters import CELLS, Array

TOLERANCE = 1e-8  # |by hand - numeric|, as a part of the largest entry of the array
TOLERANCE_AT_A_KINK = 1e-6  # there the step is smaller, and so fewer digits are left
STEP = 1e-3
H = 3  # hidden units of the networks that are checked, for the names of places


class Line(NamedTuple):
    """One line of the checker's table: an array by hand, beside the same array found in another way."""

    name: str
    error: float  # largest |by hand - numeric| / largest |entry| of the array; infinite where one is not a number
    where: str  # the entry where it is
    by_hand: float
    numeric: float
    kinks: int = 0  # entries at which the loss has a kink: left and right of it the slope is another

    @property
    def right(self) -> bool:
        return self.error < (TOLERANCE_AT_A_KINK if self.kinks else TOLERANCE)


def losses_at(loss: Callable[[], float], x: Array, entry: tuple[int, ...], step: float) -> list[float]:
    """loss() where an entry of x is moved by -2, -1, 1 and 2 steps.  Moves it in place, and puts it back."""
    here, losses = x[entry], []
    for steps in (-2, -1, 1, 2):
        x[entry] = here + steps * step
        losses.append(loss())
    x[entry] = here
    return losses


def numeric_gradient(loss: Callable[[], float], x: Array) -> Array:
    """d loss / d x for every entry of x (float64), by equation (22), with x's shape."""
    gradient = np.zeros_like(x)
    for entry in np.ndindex(x.shape):
        a, b, c, d = losses_at(loss, x, entry, STEP)
        gradient[entry] = (a - 8 * b + 8 * c - d) / (12 * STEP)
    return gradient


def beside_kinks(loss: Callable[[], float], x: Array, by_hand: Array, numeric: Array) -> tuple[Array, Array]:
    """numeric, but the slope beside the kink where a kink makes it differ from by_hand; and where that is, as bool.

    Where the loss is smooth, a small step to one side gives the same slope as (22), and by_hand is wrong.  Where it
    gives another, the steps of (22) went over a kink.  If x stands on the kink itself, either side is right.
    """
    numeric, kinks, step = numeric.copy(), np.zeros(x.shape, bool), STEP / 64
    largest = float(max(np.abs(by_hand).max(), np.abs(numeric).max()))
    for entry in map(tuple, np.argwhere(np.abs(numeric - by_hand) > TOLERANCE * largest)):
        here, (a, b, c, d) = loss(), losses_at(loss, x, entry, step)
        sides = np.array([3 * here - 4 * b + a, 4 * c - 3 * here - d]) / (2 * step)
        nearer = sides[np.abs(sides - by_hand[entry]).argmin()]
        if abs(nearer - numeric[entry]) > TOLERANCE_AT_A_KINK * largest:
            numeric[entry], kinks[entry] = nearer, True
    return numeric, kinks


def compare_gradient(name: str, by_hand: Array, loss: Callable[[], float], x: Array, axes: str = "") -> Line:
    """The line for the gradient of x, compared with what loss() does when an entry of x moves."""
    numeric, kinks = beside_kinks(loss, x, by_hand, numeric_gradient(loss, x))
    return compare(name, by_hand, numeric, axes, kinks=int(kinks.sum()))


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
    error = math.inf if math.isnan(error) else error
    cell = CELLS.get(name.partition(".")[0].rstrip("0123456789"))  # that an array such as "lstm1.Wh" belongs to
    gates = cell.gates if cell else GATES
    words = [
        f"gate {gates[k // H]} of unit {k % H}" if axis == "gate" else f"{axis} {k}"
        for axis, k in zip(axes.split(), worst, strict=False)
    ]
    where = f"[{', '.join(map(str, worst))}] {', '.join(words)}" if words else ""
    return Line(name, error, where, float(a[worst]), float(b[worst]), kinks)
