"""history.csv: what every training step came to, one row a step, readable while the run goes on.

    step, epoch           counted from 1
    loss, accuracy        of the step's batch: mean nats per scored token; share of tokens that were the likeliest
    valid_loss, valid_accuracy    in the last row of an epoch, empty elsewhere
    learning_rate, gradient_norm  the global norm of all gradients, before clipping
    tokens, seconds       scored, and passed, since the run began

and, on some rows only, because they take time:

    gradient_lstm1, ...   the norm of a layer's gradients, before clipping
    update_lstm1, ...     the norm of the step that a layer's parameters took
    weight_lstm1, ...     the norm of a layer's parameters
    saturated_lstm1_i, ...  the share of a gate's values that are within a tenth of an end of its range
"""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiment.folder import RunError

if TYPE_CHECKING:
    from lstm_numpy.speed.workspace import Trace

Array = npt.NDArray[Any]

STEP_COLUMNS = (
    "step", "epoch", "loss", "accuracy", "valid_loss", "valid_accuracy", "learning_rate", "gradient_norm", "tokens",
    "seconds",
)  # fmt: skip
GATES = "ifog"


class HistoryError(RunError):
    """A file is not a history, or cannot be read; the message is one line."""


def columns_for(layers: Sequence[str]) -> list[str]:
    """The columns of a network with these layers: ("lstm1", ..., "dense")."""
    norms = [f"{kind}_{layer}" for kind in ("gradient", "update", "weight") for layer in layers]
    gates = [f"saturated_{layer}_{gate}" for layer in layers if layer.startswith("lstm") for gate in GATES]
    return [*STEP_COLUMNS, *norms, *gates]


class History:
    """Appends rows to a history.csv.  They reach the file about once a second, and with flush() and close().

    OSError from append, flush and close means that rows could not be written (a full disk): they are kept, and go out
    with the next flush that succeeds, so that no row is lost, doubled or torn.
    """

    def __init__(self, path: str | os.PathLike[str], layers: Sequence[str]) -> None:
        """A new history for a network with these layers ("lstm1", ..., "dense"); an old file of this name goes."""
        Path(path).write_bytes(b"")
        self._open(Path(path), layers, last_step=0)

    @classmethod
    def resume(cls, path: str | os.PathLike[str], layers: Sequence[str], step: int) -> History:
        """Go on after `step`: rows of later steps, and a last row that is cut short, are taken off the file first.

        No file: a new one.  Raises HistoryError where the file is not a history of a network with these layers.
        """
        path = Path(path)
        if not path.exists():
            return cls(path, layers)
        end, last_step = _end_of_step(path, columns_for(layers), step)
        os.truncate(path, end)  # one call of the system: done wholly or not at all
        history = cls.__new__(cls)
        history._open(path, layers, last_step)
        return history

    def _open(self, path: Path, layers: Sequence[str], last_step: int) -> None:
        self._columns = columns_for(layers)
        self._last_step = last_step
        self._file = path.open("ab", buffering=0)
        self._pending = bytearray()
        if path.stat().st_size == 0:
            self._pending += _line(self._columns)
        try:
            self.flush()
        except OSError:
            self._file.close()
            raise

    def append(self, *, step: int, **values: float | None) -> None:
        """Add the row of a step.  None and columns that are not named stay empty.

        Raises ValueError for a step that is not after the last one, and for a column that does not exist.
        """
        if step <= self._last_step:
            raise ValueError(f"step {step} comes after step {self._last_step} in the history")
        unknown = values.keys() - set(self._columns)
        if unknown:
            raise ValueError(f"the history has no column {', '.join(sorted(unknown))}")
        row = {"step": step, **values}
        self._pending += _line([_text(row.get(column)) for column in self._columns])
        self._last_step = step
        if time.monotonic() >= self._next_flush:
            self._write()

    def flush(self) -> None:
        """Bring every row to the disk, also past a power cut; call it before the checkpoint of the same step."""
        self._write()
        if self._file.seekable():  # not /dev/null, nor a pipe
            os.fsync(self._file.fileno())

    def _write(self) -> None:
        self._next_flush = time.monotonic() + 1
        while self._pending:
            written = self._file.write(self._pending) or 0
            del self._pending[:written]

    def close(self) -> None:
        """Flush, and close the file."""
        try:
            self.flush()
        finally:
            self._file.close()

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_history(path: str | os.PathLike[str]) -> dict[str, npt.NDArray[np.float64]]:
    """The columns of a history.csv by name, each (rows,) float64, NaN where a cell is empty.

    A last row that is still being written is left out.  Raises HistoryError.
    """
    path = Path(path)
    rows = csv.reader(_complete_lines(path))
    header = next(rows, [])
    layers = [name.removeprefix("gradient_") for name in header if name.startswith("gradient_")][1:]
    if header != columns_for(layers):
        raise HistoryError(f"{path} is not a history: its first line does not name the columns of one")
    values = []
    for row in rows:
        try:
            values.append([float(cell or "nan") for cell in row])
        except ValueError as error:
            raise HistoryError(f"{path}, line {rows.line_num}: {error}") from None
        if len(row) != len(header):
            raise HistoryError(f"{path}, line {rows.line_num}: has {len(row)} columns, not {len(header)}")
    table = np.array(values, np.float64).reshape(len(values), len(header))
    return dict(zip(header, table.T.copy(), strict=True))


def steady_rate(path: str | os.PathLike[str]) -> float:
    """Tokens per second while nothing but training happens: the median over the steps.  Raises HistoryError."""
    history = read_history(path)
    seconds, tokens = np.diff(history["seconds"], prepend=0), np.diff(history["tokens"], prepend=0)
    return float(np.median(tokens / np.maximum(seconds, 1e-9))) if len(seconds) else 0.0


def norms_by_layer(arrays: Mapping[str, Array], prefix: str = "") -> dict[str, float]:
    """The Euclidean norm of each layer's arrays together, by the layer's name behind `prefix`.

    {"lstm1.Wx": ..., "lstm1.b": ..., "dense.W": ...} with "gradient_": {"gradient_lstm1": ..., "gradient_dense": ...}.
    """
    squares: dict[str, float] = {}
    for name, array in arrays.items():
        layer = prefix + name.partition(".")[0]
        squares[layer] = squares.get(layer, 0.0) + float(np.vdot(array, array))
    return {layer: math.sqrt(square) for layer, square in squares.items()}


def saturation(trace: Trace) -> dict[str, float]:
    """The share of each gate's values that are saturated, over all steps, sequences and units: "saturated_lstm1_f", ...

    i, f and o are saturated below 0.1 and above 0.9; g (from -1 to 1) where |g| is above 0.9.  There its derivative is
    small: at the ends, nothing is learned (Karpathy et al. 2015 look at gates like this).
    """
    shares = {}
    for layer in (name for name in trace if name.startswith("lstm") and "." not in name):
        for gate, middle, limit in (("i", 0.5, 0.4), ("f", 0.5, 0.4), ("o", 0.5, 0.4), ("g", 0.0, 0.9)):
            values = [getattr(part, gate) for part in trace.parts(layer)]
            saturated = sum(np.count_nonzero(np.abs(part - middle) > limit) for part in values)
            shares[f"saturated_{layer}_{gate}"] = saturated / sum(part.size for part in values)
    return shares


class Look:
    """A close look at one step: the columns that take time.  To be begun before the gradients are clipped and used."""

    def __init__(self, params: Mapping[str, Array], grads: Mapping[str, Array], trace: Trace) -> None:
        self._columns = norms_by_layer(grads, "gradient_") | saturation(trace)
        self._before = {name: parameter.copy() for name, parameter in params.items()}

    def columns(self, params: Mapping[str, Array]) -> dict[str, float]:
        """With the parameters after the step."""
        steps = {name: params[name] - before for name, before in self._before.items()}
        return self._columns | norms_by_layer(steps, "update_") | norms_by_layer(params, "weight_")


def _line(cells: Sequence[str]) -> bytes:
    return (",".join(cells) + "\n").encode("ascii")


def _text(value: float | None) -> str:
    if value is None:
        return ""
    return (
        str(value) if isinstance(value, (int, np.integer)) else f"{value:.9g}"
    )  # 9 digits bring a float32 back exactly


def _complete_lines(path: Path) -> list[str]:
    """The lines of a file; a last one without its line end is left out."""
    try:
        text = path.read_bytes().decode("ascii")
    except OSError as error:
        raise HistoryError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise HistoryError(f"{path} is not a history: it is not text") from None
    return text.split("\n")[:-1]


def _end_of_step(path: Path, columns: Sequence[str], step: int) -> tuple[int, int]:
    """Where in the file the rows up to `step` end, and the step of the last of them."""
    lines = _complete_lines(path)
    if lines and lines[0] != ",".join(columns):
        raise HistoryError(f"{path} is not the history of this network: its columns are others")
    end, last_step = 0, 0
    for number, line in enumerate(lines):
        if number > 0:
            first_cell = line.partition(",")[0]
            if not first_cell.isdecimal() or int(first_cell) <= last_step:
                raise HistoryError(f"{path}, line {number + 1}: the step is {first_cell!r}, after {last_step}")
            if int(first_cell) > step:
                break
            last_step = int(first_cell)
        end += len(line) + 1
    return end, last_step
