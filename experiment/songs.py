"""songs.npz: every song of a run as ids, so that nothing needs the folder of MIDI again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiment.folder import RunError
from lstm_numpy.batches import UNKNOWN, Songs
from lstm_numpy.checkpoint import Checkpoint
from lstm_numpy.files import Array, read_arrays, reading, write_arrays

SPLITS = ("train", "valid", "test")


class RunSongs(NamedTuple):
    """The songs, and what their ids do not tell."""

    songs: Songs  # all of them
    split: Array  # (songs,) the place of its part in SPLITS
    beats: Array  # (songs,) length in beats
    bpm: Array  # (songs,) beats per minute
    spelling: Array  # (unknown ids,) nats to spell each token that has no id, in the order of the ids

    def of(self, name: str) -> RunSongs:
        """The songs of one part: "train", "valid" or "test"."""
        inside = self.split == SPLITS.index(name)
        of_unknown = np.repeat(inside, np.diff(self.songs.offsets))[self.songs.flat == UNKNOWN]
        others = (self.split[inside], self.beats[inside], self.bpm[inside], self.spelling[of_unknown])
        return RunSongs(self.songs.take(np.flatnonzero(inside)), *others)

    @property
    def is_target(self) -> Array:
        """(ids,) bool: all but the first id of each song."""
        first = np.zeros(len(self.songs.flat) + 1, bool)
        first[self.songs.offsets] = True
        return ~first[:-1]

    @property
    def spelling_nats(self) -> Array:
        """(ids,) what to add to each id's -ln p, so that a small vocabulary, with more <unk>, gains nothing."""
        nats = np.zeros(len(self.songs.flat))
        nats[self.songs.flat == UNKNOWN] = self.spelling
        return nats

    @property
    def unknown_share(self) -> float:
        """The share of targets that the vocabulary lacks."""
        return len(self.spelling) / max(self.songs.targets, 1)

    def sha256(self) -> str:
        """Equal for equal songs, and for nothing else."""
        return _digest(self._arrays())

    def save(self, path: Path) -> None:
        """Write the file, in one piece or not at all.  Raises OSError.

        ids, split, beats, bpm, spelling: as above.  Song k is ids[offsets[k] : offsets[k + 1]].  Where the network has
        features, context is what it is told beside each of ids, and context_ids are its columns that hold ids.
        """
        write_arrays(path, self._arrays())

    @classmethod
    def load(cls, path: Path, model: Checkpoint | None = None) -> RunSongs:
        """Raises RunError where there is no such file, or it is not one, or its songs are not those of the model."""
        with reading(path, RunError):
            arrays = read_arrays(path)
            if model and model.training.get("songs_sha256") != _digest(arrays):
                raise ValueError("these are not the songs that the run was begun with; put back the run's own file")
            context, columns = arrays.pop("context", None), arrays.pop("context_ids", np.zeros(0, np.int64))
            songs = Songs(arrays.pop("ids"), arrays.pop("offsets"), context, tuple(columns.tolist()))
            return cls(songs, **arrays)

    def _arrays(self) -> dict[str, Array]:
        """In the types of the file, so that equal songs are equal bytes."""

        def small(array: Array) -> Array:
            return array.astype(np.min_scalar_type(int(array.max(initial=0))))

        arrays = {"ids": small(self.songs.flat), "offsets": self.songs.offsets.astype(np.int64)}
        arrays["split"] = self.split.astype(np.uint8)
        arrays |= {name: getattr(self, name).astype(np.float64) for name in ("beats", "bpm", "spelling")}
        if self.songs.context is not None:
            arrays |= {"context": small(self.songs.context), "context_ids": np.array(self.songs.context_ids, np.int64)}
        return arrays


def _digest(arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
