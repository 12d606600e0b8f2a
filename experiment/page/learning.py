"""How a run learned: tunes to hear, which learning.npz keeps, and curves to see."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from experiment.folder import RunError
from experiment.history import at
from experiment.plots import learned
from experiment.tunes import Composer, Opening
from lstm_numpy.batches import START
from lstm_numpy.files import Array, read_arrays, reading, write_arrays

EPOCHS = (0, 1, 3, 10)  # after which a tune is kept
LENGTH = 400  # tokens of a kept tune at most
POINTS = 300  # of a curve at most
MOST_EPOCHS = 60
BANDS = (0, 1, 25, 50, 75, 99, 100)  # per cent


def keep_tune(path: Path, epoch: int, composer: Composer, seed: int) -> None:
    """After an epoch of EPOCHS, add the tune of this seed to the file; after other epochs, do nothing.  OSError.

    Training is not changed: the tune has a random generator of its own.
    """
    if epoch in EPOCHS:
        kept = kept_tunes(path, len(composer.vocabulary)) | {epoch: short_tune(composer, seed)}
        arrays = {str(number): ids.astype(np.uint32) for number, ids in kept.items() if number <= epoch}
        write_arrays(path, arrays)  # a resumed run may have gone back: later tunes are dropped


def short_tune(composer: Composer, seed: int) -> Array:
    """The ids of the tune that this seed gives, of LENGTH tokens at most."""
    return composer.write(Opening().ids, np.random.default_rng(seed), length=LENGTH)[0].ids


def kept_tunes(path: Path, V: int) -> dict[int, Array]:
    """The ids (below V) of each kept tune by its epoch; none where there is no file.  RunError where it is damaged."""
    if not os.path.lexists(path):
        return {}
    with reading(path, RunError):
        kept = {int(epoch): ids for epoch, ids in read_arrays(path).items()}
        if any(ids[0] != START or ids.max() >= V for ids in kept.values()):
            raise ValueError("holds tunes of another network; remove it")
    return kept


def figures(folder: Path) -> dict[str, Any]:
    """What the files of a run's folder have: "curves", "ngrams" and "weights", each empty where there is no file."""
    history, epochs, ngrams, spread = learned(folder)
    curves = {name: averaged(history["step"], history[name]) for name in ("loss", "accuracy") if history}
    curves |= {name: averaged(epochs["step"], epochs[name]) for name in ("valid_loss", "valid_accuracy") if epochs}
    every = -(-len(spread.get("epochs", ())) // MOST_EPOCHS) or 1
    spread = {name: rows[::-every][::-1] for name, rows in spread.items()}  # with the last epoch
    whole = {name.rpartition(".")[0] for name in spread if name.count(".") == 2}  # its parts are there
    weights = {
        name: {"epochs": spread["epochs"].tolist(), "bands": [at(spread, name, p).tolist() for p in BANDS]}
        for name in spread
        if name not in {"epochs", *whole}
    }
    return {"curves": curves, "ngrams": ngrams, "weights": weights}


def averaged(x: Array, y: Array) -> list[list[float]]:
    """At most POINTS points, each the mean of neighbours."""
    parts = np.array_split(np.stack([x, y]), max(1, min(POINTS, len(x))), axis=1)
    return [part.mean(axis=1).tolist() for part in parts if part.size]
