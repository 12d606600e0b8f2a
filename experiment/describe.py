"""A table of every parameter, intermediate and gradient of a network: python -m experiment describe RUN."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiment.history import GATES
from experiment.songs import RunSongs
from experiment.tunes import Composer
from lstm_numpy.batches import evaluation_batches
from lstm_numpy.files import Array
from lstm_numpy.model import few_hot_input_gradient, loss_and_gradients
from lstm_numpy.parameters import Arrays

T, B = 64, 16  # the batch that the command runs


class Row(NamedTuple):
    """One array."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    rms: float  # the root mean square
    largest: float  # |entry|
    saturated: float | None  # the share of its entries, as in history.csv; None for what is no gate and no tanh


def describe(
    params: Arrays, ids: Array, targets: Array, *, context: Array | None = None, features: Sequence[str] = ()
) -> tuple[float, dict[str, list[Row]]]:
    """The loss of one batch, and rows under the headings "parameters", "forward" and "backward".

    Arguments are those of loss_and_gradients; state and dropout masks are none.  A row is named as the array is in the
    trace, and the gradient of lstm1.Wx is lstm1.dWx.  features: their names; "lstm1.Wx1" becomes "lstm1.Wx1 place".
    """
    loss, grads, _, trace = loss_and_gradients(params, ids, targets, context=context)
    arrays: dict[str, dict[str, Array]] = {"parameters": dict(params), "forward": {}, "backward": {}}
    for part, values in trace.items():
        for field, array in values._asdict().items():
            if field == "dx" and array.size == 0:
                array = few_hot_input_gradient(params, trace)
            if field not in ("gates", "correct"):  # they are parts of others
                arrays["backward" if field.startswith("d") else "forward"][f"{part}.{field}"] = array
    arrays["backward"] |= {".d".join(name.rsplit(".", 1)): gradient for name, gradient in grads.items()}
    whose = {f"lstm1.{d}Wx{k}": f" {name}" for k, name in enumerate(features, start=1) for d in ("", "d")}
    return loss, {
        heading: [row(name + whose.get(name, ""), array) for name, array in group.items()]
        for heading, group in arrays.items()
    }


def row(name: str, array: Array) -> Row:
    """The row of one array."""
    size, field = np.abs(array.astype(np.float64)), name.rpartition(".")[2].replace("tanh_c", "g")
    saturated = None
    if field in GATES:
        middle, limit = GATES[field]
        saturated = float(np.mean(np.abs(array - middle) > limit))
    return Row(name, array.shape, str(array.dtype), float(np.sqrt(np.mean(size**2))), float(size.max()), saturated)


def describe_run(run: Path) -> str:
    """The table of a run's best weights, reading the beginnings of its longest songs.  RunError, CheckpointError."""
    composer = Composer.load(run)
    batch = evaluation_batches(RunSongs.load(run / "songs.npz", composer.checkpoint).songs, T, B)[0]
    loss, headings = describe(
        composer.params, batch.ids, batch.targets, context=batch.context, features=composer.context.names
    )
    steps, songs = batch.ids.shape
    lines = [f"The first {steps} steps of {songs} of the run's songs, without dropout: {loss:.4f} nats per token."]
    for heading, rows in headings.items():
        lines += ["", f"{heading:<18}{'shape':>16}  {'dtype':8}{'rms':>10}{'largest':>11}{'saturated':>11}"]
        for name, shape, dtype, rms, largest, saturated in rows:
            share = "" if saturated is None else f"{saturated:11.1%}"
            lines.append(f"{name:<18}{shape!s:>16}  {dtype:8}{rms:10.3g}{largest:11.3g}{share}")
    return "\n".join([*lines, "", "saturated: i, f and o below 0.1 or above 0.9; g and tanh_c beyond -0.9 or 0.9."])
