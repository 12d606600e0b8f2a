"""songs.npz: every song of a run as ids, so that nothing needs the folder of MIDI again."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from experiment.folder import RunError
from lstm_numpy.batches import UNKNOWN, Songs
from lstm_numpy.files import write_whole

Array = npt.NDArray[Any]

SPLITS = ("train", "valid", "test")


class RunSongs(NamedTuple):
    """The songs, and what their ids do not tell.

    In the file: ids, offsets (song k is ids[offsets[k] : offsets[k + 1]]), split, beats, bpm, spelling.
    """

    songs: Songs  # all of them
    split: Array  # (songs,) the place of its part in SPLITS
    beats: Array  # (songs,) length in beats
    bpm: Array  # (songs,) beats per minute
    spelling: Array  # (unknown ids,) nats, in the order of the ids: what it takes to spell a token that has no id

    def of(self, name: str) -> RunSongs:
        """The songs of one part: "train", "valid" or "test"."""
        inside = self.split == SPLITS.index(name)
        of_unknown = np.repeat(inside, np.diff(self.songs.offsets))[self.songs.flat == UNKNOWN]
        return RunSongs(
            self.songs.take(np.flatnonzero(inside)),
            self.split[inside],
            self.beats[inside],
            self.bpm[inside],
            self.spelling[of_unknown],
        )

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
        """Equal for the same ids in the same songs and parts, and for nothing else."""
        digest = hashlib.sha256()
        for array in (self.songs.flat.astype("<u4"), self.songs.offsets.astype("<i8"), self.split.astype("u1")):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write the file, in one piece or not at all.  Raises OSError."""
        file = io.BytesIO()
        arrays = {"ids": self.songs.flat, "offsets": self.songs.offsets, **self._asdict()}
        del arrays["songs"]
        np.savez_compressed(file, **arrays)
        write_whole(path, [file.getvalue()])

    @classmethod
    def load(cls, path: Path) -> RunSongs:
        """Raises RunError where there is no such file, or it is not one."""
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
                songs = Songs(file["ids"], file["offsets"])
                loaded = cls(songs, *(file[name] for name in cls._fields[1:]))
        except FileNotFoundError:
            raise RunError(f"{path}: no such file; is this the folder of a run?") from None
        except Exception as error:  # np.load raises whatever zipfile, zlib and the array format happen to raise
            raise RunError(f"{path}: damaged ({type(error).__name__}); the songs of a run cannot be read") from None
        each, unknown = (len(songs),), (int(np.count_nonzero(songs.flat == UNKNOWN)),)
        if [array.shape for array in loaded[1:]] != [each, each, each, unknown]:
            raise RunError(f"{path}: damaged; its arrays do not fit together")
        return loaded
