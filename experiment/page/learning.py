"""learning.npz: the tune that one seed gives after 0, 1, 3 and 10 epochs, so that one can hear a network learn."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from experiment.folder import RunError
from experiment.tunes import Composer, beginning
from lstm_numpy.batches import START
from lstm_numpy.files import Array, ArraySpec, check_arrays, read_arrays, reading, write_arrays

EPOCHS = (0, 1, 3, 10)
LENGTH = 400  # tokens of a kept tune at most


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
    return composer.write(beginning().ids, np.random.default_rng(seed), length=LENGTH)[0].ids


def kept_tunes(path: Path, V: int) -> dict[int, Array]:
    """The ids (below V) of each kept tune by its epoch; none where there is no file.  RunError where it is damaged."""
    if not os.path.lexists(path):
        return {}
    with reading(path, RunError):
        arrays = read_arrays(path)
        known = {str(epoch): epoch for epoch in EPOCHS if str(epoch) in arrays}
        check_arrays(arrays, {name: ArraySpec("u4", (f"ids {name}",), 0, V - 1) for name in known})
        if any(arrays[name][:1].tolist() != [START] for name in known):
            raise ValueError("a tune in it does not begin with <start>")
    return {epoch: arrays[name] for name, epoch in known.items()}
