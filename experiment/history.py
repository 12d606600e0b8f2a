"""history.csv: what every training step gave, a row a step.  epochs.csv: a row an epoch.

Loss and accuracy are those of the step's batch; gradient_norm is the global norm before clipping; tokens and seconds
count from the beginning of the run.  Some rows have more, because it takes time: the norms of each layer's gradients,
before clipping, of its step and of its parameters (gradient_lstm1, update_lstm1, weight_lstm1, ...), and the share of
each gate's values that are saturated (saturated_lstm1_i, ...).
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from experiment.folder import RunError
from lstm_numpy.files import Array, read_arrays, read_whole, reading, write_arrays, write_whole
from lstm_numpy.speed.workspace import Trace

STEP_COLUMNS = ["step", "epoch", "loss", "accuracy", "learning_rate", "gradient_norm", "tokens", "seconds"]
EPOCH_COLUMNS = [
    "epoch", "step", "train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "learning_rate", "seconds",
]  # fmt: skip
GATES = {"i": (0.5, 0.4), "f": (0.5, 0.4), "o": (0.5, 0.4), "g": (0.0, 0.9)}  # saturated: so far from the middle
MOST_BYTES = 2**29  # of a .csv file: millions of steps
PERCENT = np.array([0, 1, 5, 25, 50, 75, 95, 99, 100.0])  # Q levels of a quantile
Spread: TypeAlias = dict[str, Array]


def step_columns(layers: Sequence[str]) -> list[str]:
    """The columns of the history.csv of a network with these layers: ("lstm1", ..., "dense")."""
    norms = [f"{kind}_{layer}" for kind in ("gradient", "update", "weight") for layer in layers]
    gates = [f"saturated_{layer}_{gate}" for layer in layers if layer.startswith("lstm") for gate in GATES]
    return [*STEP_COLUMNS, *norms, *gates]


class CsvLog:
    """Appends rows to a .csv file, whose first column must climb.  They reach it with flush()."""

    def __init__(self, path: Path, columns: Sequence[str], after: int = 0) -> None:
        """Goes on with a file that is there, without rows of more than `after` in the first column, or cut short; with
        after=0 it is a new one.  Raises OSError, and RunError where there are other columns.
        """
        self._path, self._columns, self._pending = path, list(columns), ""
        lines = [",".join(columns).encode()]
        if after and os.path.lexists(path):
            kept = np.count_nonzero(read_log(path, columns)[columns[0]] <= after)
            lines = path.read_bytes().split(b"\n")[: kept + 1]
        write_whole(path, [line + b"\n" for line in lines])

    def append(self, **values: float | None) -> None:
        """Add a row.  None and columns that are not named stay empty."""
        cells = [values.get(column) for column in self._columns]
        texts = ["" if cell is None else f"{cell:.12g}" for cell in cells]
        self._pending += ",".join(texts) + "\n"

    def flush(self) -> None:
        """Bring every row to the disk, also past a power cut; call it before the checkpoint of the same step."""
        with self._path.open("ab") as file:
            file.write(self._pending.encode())
            file.flush()
            os.fsync(file.fileno())
        self._pending = ""


def read_log(path: Path, columns: Sequence[str] = STEP_COLUMNS) -> dict[str, Array]:
    """The columns of a history.csv or epochs.csv by name, each (rows,) float64, NaN where a cell is empty.

    columns: those that the file must begin with.  A last row that is still being written is left out.  Where there is
    no file, there are no columns.  Raises RunError.
    """
    if not os.path.lexists(path):
        return {}
    with reading(path, RunError):
        header, *lines = read_whole(path, MOST_BYTES).decode("ascii", "replace").split("\n")[:-1] or [""]
        names = header.split(",")
        if names[: len(columns)] != list(columns):
            raise ValueError("is not a history of this network: its first line does not name the columns of one")
        table = np.array([[float(cell or "nan") for cell in line.split(",")] for line in lines])
        table = table.reshape(len(lines), len(names))
        if not (np.diff(table[:, 0], prepend=0) > 0).all():
            raise ValueError(f"its {names[0]}s do not climb")
        return dict(zip(names, table.T.copy(), strict=True))


def norms_by_layer(arrays: Mapping[str, Array], prefix: str = "") -> dict[str, float]:
    """The Euclidean norm of each layer's arrays together, by the layer's name behind `prefix`: "gradient_lstm1", ..."""
    squares: dict[str, float] = {}
    for name, array in arrays.items():
        layer = prefix + name.partition(".")[0]
        squares[layer] = squares.get(layer, 0.0) + float(np.vdot(array, array))
    return {layer: math.sqrt(square) for layer, square in squares.items()}


def saturation(trace: Trace, total: Callable[[Array], Array] = np.asarray) -> dict[str, float]:
    """The share of each gate's values that are saturated, over all steps, sequences and units: "saturated_lstm1_f", ...

    i, f and o are saturated below 0.1 and above 0.9; g where |g| is above 0.9.  There the derivative is small, and
    little is learned (Karpathy et al. 2015).  total: adds an array up over all ranks that have a part of the trace.
    """
    counts = {}
    for layer in (name for name in trace if name.startswith("lstm") and "." not in name):
        for gate, (middle, limit) in GATES.items():
            values = [getattr(part, gate) for part in trace.parts(layer)]
            saturated = sum(np.count_nonzero(np.abs(part - middle) > limit) for part in values)
            counts[f"saturated_{layer}_{gate}"] = saturated, sum(part.size for part in values)
    saturated, all_values = total(np.array(list(counts.values()), np.int64).reshape(-1, 2)).T
    return dict(zip(counts, (saturated / all_values).tolist(), strict=True))


def close_look(
    params: Mapping[str, Array], grads: Mapping[str, Array], trace: Trace, total: Callable[[Array], Array] = np.asarray
) -> Callable[[], dict[str, float]]:
    """The columns of one step that take time.  Call it before clipping, and what it returns after the step."""
    columns = norms_by_layer(grads, "gradient_") | saturation(trace, total)
    before = {name: parameter.copy() for name, parameter in params.items()}

    def after_the_step() -> dict[str, float]:
        steps = {name: params[name] - old for name, old in before.items()}
        return columns | norms_by_layer(steps, "update_") | norms_by_layer(params, "weight_")

    return after_the_step


# distributions.npz: how the values of each parameter are spread, and how that moves from epoch to epoch.
#
# A Spread holds "epochs" (E,) ints, and of each parameter, by name, its quantiles (E, Q) float32: 0 % is its smallest
# value, 50 % its median, 100 % its largest.  Beside each "lstm1.b" (4H,) stand its parts "lstm1.b.i", "lstm1.b.f",
# "lstm1.b.o", "lstm1.b.g", which begin apart.  The file holds the same arrays, and `percent`, the levels (Q,).


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
        percent = arrays.pop("percent").tolist()
        columns = [percent.index(level) for level in PERCENT]  # runs of 0.2.0 kept more
        return {name: rows[kept] if rows.ndim == 1 else rows[kept][:, columns] for name, rows in arrays.items()}


def at(spread: Spread, name: str, percent: float) -> Array:
    """One of the quantiles of a parameter over the epochs (E,): at(spread, "lstm1.Wx", 50) is its median."""
    return np.asarray(spread[name][:, PERCENT.tolist().index(percent)])
