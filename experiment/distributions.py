"""distributions.npz: how the values of each parameter are spread, and how that moves from epoch to epoch.

Of each parameter and epoch, quantiles: 0 % is its smallest value, 50 % its median, 100 % its largest.  Unlike counts
between fixed edges they need no range that is known beforehand, and any histogram can be drawn from them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from experiment.folder import RunError
from lstm_numpy.files import Array, ArraySpec, check_arrays, read_arrays, reading, write_arrays

_TAIL = [0, 0.01, 0.03, 0.1, 0.3]
PERCENT = np.array([*_TAIL, *range(1, 100), *(100 - part for part in reversed(_TAIL))])  # Q levels, closer in the tails
EPOCHS, QUANTILES = ArraySpec("i8", ("E",), 0), ArraySpec("f4", ("E", PERCENT.size))


class Distributions:
    """epochs (E,) ints, and of each parameter the quantiles (E, Q) float32: a row for each epoch that was added.

    Beside each "lstm1.b" (4H,) stand its parts "lstm1.b.i", "lstm1.b.f", "lstm1.b.o", "lstm1.b.g", which begin apart.
    In the file the same arrays stand under the same names, with `epochs` and `percent`, the levels (Q,).
    """

    def __init__(self) -> None:
        self.epochs: Array = np.zeros(0, np.int64)
        self.quantiles: dict[str, Array] = {}

    def add(self, epoch: int, params: Mapping[str, Array]) -> None:
        """The parameters as they are at the end of `epoch` (0: before training), which is later than all before."""
        rows = {name: quantiles(values) for name, values in _with_gates(params).items()}
        for name, row in rows.items():
            before = self.quantiles.get(name, np.zeros((0, len(PERCENT)), np.float32))
            self.quantiles[name] = np.vstack([before, row])
        self.epochs = np.append(self.epochs, epoch)

    def save(self, path: Path) -> None:
        """Write the file, in one piece or not at all.  Raises OSError."""
        write_arrays(path, {"epochs": self.epochs, "percent": PERCENT, **self.quantiles})

    def at(self, name: str, percent: float) -> Array:
        """One of the quantiles of a parameter over the epochs (E,): at("lstm1.Wx", 50) is its median."""
        return np.asarray(self.quantiles[name][:, PERCENT.tolist().index(percent)])

    @classmethod
    def load(cls, path: Path) -> Distributions:
        """Empty where there is no file.  Raises RunError."""
        loaded = cls()
        if not os.path.lexists(path):
            return loaded
        with reading(path, RunError):
            arrays = read_arrays(path)
            parameters = [name for name in arrays if "." in name]
            specs = {"epochs": EPOCHS, "percent": ArraySpec("f8", PERCENT.shape)}
            check_arrays(arrays, {**specs, **dict.fromkeys(parameters, QUANTILES)})
            if (np.diff(arrays["epochs"]) <= 0).any() or not np.array_equal(arrays["percent"], PERCENT):
                raise ValueError("its epochs do not climb, or its quantiles are other ones")
            loaded.epochs, loaded.quantiles = arrays["epochs"], {name: arrays[name] for name in parameters}
        return loaded

    @classmethod
    def resume(cls, path: Path, epoch: int, params: Mapping[str, Array]) -> Distributions:
        """What the file says of these parameters up to `epoch`; nothing where there is no file.  Raises RunError."""
        try:
            loaded = cls.load(path)
            if loaded.epochs.size and loaded.quantiles.keys() != _with_gates(params).keys():
                raise RunError(f"{path}: holds no distributions of this network")
        except RunError as error:
            raise RunError(f"{error}; remove it to go on: a new one begins") from None
        return loaded._of(np.flatnonzero(loaded.epochs <= epoch))

    def thinned(self, most: int) -> Distributions:
        """At most `most` of the epochs, evenly spread, with the first and the last."""
        return self._of(np.unique(np.linspace(0, len(self.epochs) - 1, min(most, len(self.epochs))).astype(int)))

    def _of(self, rows: Array) -> Distributions:
        fewer = Distributions()
        fewer.epochs = self.epochs[rows]
        fewer.quantiles = {name: values[rows] for name, values in self.quantiles.items()}
        return fewer


def quantiles(values: Array) -> Array:
    """The quantiles, at PERCENT, of all values of an array, by linear interpolation: (Q,) float32."""
    climbing = np.sort(values, axis=None)
    places = PERCENT / 100 * (climbing.size - 1)
    return np.asarray(np.interp(places, np.arange(climbing.size), climbing), np.float32)


def histogram(rows: Array, edges: Array) -> Array:
    """Quantiles (E, Q) to the share of all values that lies between each two edges, (E, len(edges) - 1).

    Between two quantiles, values are taken to be evenly spread.
    """
    fine = np.linspace(0, 100, 10_001)
    shares = [np.histogram(np.interp(fine, PERCENT, row), edges)[0] / fine.size for row in rows]
    return np.array(shares).reshape(len(rows), len(edges) - 1)


def _with_gates(params: Mapping[str, Array]) -> dict[str, Array]:
    """The parameters, and the parts of each LSTM's bias by gate."""
    parts: dict[str, Array] = {}
    for name, values in params.items():
        parts[name] = values
        if name.startswith("lstm") and name.endswith(".b"):
            parts |= {f"{name}.{gate}": part for gate, part in zip("ifog", np.split(values, 4), strict=True)}
    return parts
