"""The folder that a training run leaves: who may write to it, and the songs that it was trained on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_numpy.batches import Songs

Array = npt.NDArray[Any]

SPLITS = ("train", "valid", "test")


class RunError(Exception):
    """A run folder cannot be used: one line that says why, and what to do."""


class RunFolder:
    """One run's folder, held by one process at a time (the lock goes when the process does, however it ends)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model, self.last = path / "model.npz", path / "last.npz"
        self.history, self.distributions = path / "history.csv", path / "distributions.npz"
        self.songs, self.summary = path / "songs.npz", path / "summary.json"
        self._made_here = not path.exists()
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise RunError(f"{path}: cannot be written ({error.strerror}); name another folder with --out") from None
        if not _locked(self._lock):
            os.close(self._lock)
            raise RunError(f"{path}: another run is writing there; wait for it, or name another folder with --out")

    def close(self, *, discard: bool = False) -> None:
        """Let go of the folder; `discard` removes it again if this process made it and left nothing in it."""
        with suppress(OSError):
            if discard and self._made_here:
                (self.path / ".lock").unlink()
                self.path.rmdir()
        os.close(self._lock)

    @property
    def finished(self) -> bool:
        return self.summary.exists()

    def write_summary(self, facts: Mapping[str, Any]) -> None:
        """summary.json, in one piece or not at all."""
        write_whole(self.summary, (json.dumps(facts, indent=2, allow_nan=False) + "\n").encode())


def _locked(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:  # not a Unix system: without a lock
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system that knows no locks
        return True
    return True


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is never seen half: to a temporary file, flushed, then renamed.  Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class RunSongs(NamedTuple):
    """songs.npz: every song of a run as ids, so that nothing needs the folder of MIDI again."""

    songs: Songs  # all of them
    split: Array  # (songs,) 0 train, 1 valid, 2 test
    beats: Array  # (songs,) length in beats
    spelling_nats: Array  # (ids,) float32: what it costs to spell a token that the vocabulary lacks; 0 for a known one

    def of(self, name: str) -> RunSongs:
        """The songs of one split: "train", "valid" or "test"."""
        chosen = np.flatnonzero(self.split == SPLITS.index(name))
        inside = np.repeat(self.split == SPLITS.index(name), np.diff(self.songs.offsets))
        return RunSongs(self.songs.take(chosen), self.split[chosen], self.beats[chosen], self.spelling_nats[inside])

    def sha256(self) -> str:
        """Equal for the same ids in the same songs and splits, and for nothing else."""
        digest = hashlib.sha256()
        for array in (self.songs.flat.astype("<u4"), self.songs.offsets.astype("<i8"), self.split.astype("u1")):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Raises OSError."""
        import io

        file = io.BytesIO()
        np.savez_compressed(
            file,
            ids=self.songs.flat,
            offsets=self.songs.offsets,
            split=self.split,
            beats=self.beats,
            spelling_nats=self.spelling_nats,
        )
        write_whole(path, file.getvalue())

    @classmethod
    def load(cls, path: Path) -> RunSongs:
        """Raises RunError where there is no such file, or it is not one."""
        try:
            with np.load(path, allow_pickle=False) as file:
                songs = Songs(file["ids"], file["offsets"])
                loaded = cls(songs, file["split"], file["beats"], file["spelling_nats"])
        except FileNotFoundError:
            raise RunError(f"{path}: no such file; is this the folder of a run?") from None
        except Exception as error:  # np.load raises whatever zipfile, zlib and the array format happen to raise
            raise RunError(f"{path}: damaged ({type(error).__name__}); the songs of a run cannot be read") from None
        if not (len(loaded.split) == len(loaded.beats) == len(songs) and len(loaded.spelling_nats) == len(songs.flat)):
            raise RunError(f"{path}: damaged; its arrays do not fit together")
        return loaded
