"""distributions.npz: how the values of each parameter are spread, and how that moves from epoch to epoch.

Of each parameter and epoch, quantiles: 0 % is its smallest value, 50 % its median, 100 % its largest.

A Spread holds "epochs" (E,) ints, and of each parameter, by name, its quantiles (E, Q) float32.  Beside each "lstm1.b"
(4H,) stand its parts "lstm1.b.i", "lstm1.b.f", "lstm1.b.o", "lstm1.b.g", which begin apart.  The file holds the same
arrays, and `percent`, the levels (Q,).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np

from experiment.folder import RunError
from lstm_numpy.files import Array, read_arrays, reading, write_arrays

PERCENT = np.array([0, 1, 5, 25, 50, 75, 95, 99, 100.0])  # Q levels
Spread: TypeAlias = dict[str, Array]


def with_epoch(before: Spread, epoch: int, params: Mapping[str, Array]) -> Spread:
    """The spread with a row more: the parameters at the end of `epoch` (0: before training).  before: {} at first."""
    parts = dict(params)
    for name, values in params.items():
        if name.startswith("lstm") and name.endswith(".b"):
            parts |= {f"{name}.{gate}": part for gate, part in zip("ifog", np.split(values, 4), strict=True)}
    rows: Spread = {"epochs": np.array([epoch])}
    rows |= {name: np.array([np.percentile(values, PERCENT)], np.float32) for name, values in parts.items()}
    return {name: np.concatenate([before[name], row]) if before else row for name, row in rows.items()}


def save_spread(path: Path, spread: Spread) -> None:
    """Write the file, in one piece or not at all.  Raises OSError."""
    write_arrays(path, {"percent": PERCENT, **spread})


def load_spread(path: Path, until: float = math.inf) -> Spread:
    """What the file says up to an epoch; {} where there is no file.  Raises RunError."""
    if not os.path.lexists(path):
        return {}
    with reading(path, RunError):
        arrays = read_arrays(path)
        kept = arrays["epochs"] <= until
        if not np.array_equal(arrays.pop("percent"), PERCENT):
            raise ValueError("its quantiles are other ones; remove it to go on")
        return {name: rows[kept] for name, rows in arrays.items()}


def thinned(spread: Spread, most: int) -> Spread:
    """At most `most` of the epochs, evenly spread, with the first and the last."""
    rows = np.unique(np.linspace(0, len(spread["epochs"]) - 1, most).astype(int))
    return {name: values[rows] for name, values in spread.items()}


def at(spread: Spread, name: str, percent: float) -> Array:
    """One of the quantiles of a parameter over the epochs (E,): at(spread, "lstm1.Wx", 50) is its median."""
    return np.asarray(spread[name][:, PERCENT.tolist().index(percent)])
