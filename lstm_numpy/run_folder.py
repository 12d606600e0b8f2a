"""The folder that a training run leaves: who may write to it, and the songs that it was trained on."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_numpy.batches import Songs
from lstm_numpy.files import sweep_temporary_files, write_whole

Array = npt.NDArray[Any]

SPLITS = ("train", "valid", "test")
START, END, UNKNOWN = 0, 1, 2  # ids that every vocabulary begins with: <start>, <end> and <unk>


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
        sweep_temporary_files(path)

    def close(self) -> None:
        """Let go of the folder, and remove it again if this process made it and left nothing in it."""
        with suppress(OSError):
            if self._made_here and os.listdir(self.path) == [".lock"]:
                (self.path / ".lock").unlink()
                self.path.rmdir()
        os.close(self._lock)

    def check_unused(self) -> None:
        """RunError if there is a run in the folder already, finished or not."""
        if self.last.exists():
            what = "a finished run" if self.summary.exists() else "an unfinished run, which --resume continues"
            raise RunError(f"{self.path}: holds {what}; name another folder with --out")

    def write_songs_table(self, files: Sequence[tuple[str, str]], songs: RunSongs) -> None:
        """songs.tsv: of each song in songs.npz its path and SHA-256 as given, its split and targets.  Raises OSError."""
        splits = [SPLITS[number] for number in songs.split]
        rows = zip(files, splits, songs.songs.targets_per_song.tolist(), strict=True)
        lines = ["path\tsha256\tsplit\ttokens\n"]
        lines += [f"{path}\t{sha256}\t{split}\t{targets}\n" for (path, sha256), split, targets in rows]
        write_whole(self.path / "songs.tsv", [line.encode("utf-8", "backslashreplace") for line in lines])

    def write_summary(self, facts: Mapping[str, Any]) -> None:
        """summary.json, in one piece or not at all."""
        write_whole(self.summary, [(json.dumps(facts, indent=2, allow_nan=False) + "\n").encode()])


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


def next_run(runs: Path = Path("runs")) -> Path:
    """runs/1, or the number after the largest there is."""
    return runs / str(max(_numbers(runs), default=0) + 1)


def newest_run(runs: Path = Path("runs")) -> Path:
    """The run folder with the latest model.  RunError if there is none."""
    made = [folder for folder in _folders(runs) if (folder / "model.npz").exists() or (folder / "last.npz").exists()]
    if not made:
        raise RunError(f"{runs}: no run is there; train one first: python train.py")
    return max(made, key=lambda folder: max(file.stat().st_mtime_ns for file in folder.glob("*.npz")))


def _folders(runs: Path) -> list[Path]:
    return sorted(entry for entry in runs.iterdir() if entry.is_dir()) if runs.is_dir() else []


def _numbers(runs: Path) -> list[int]:
    return [int(folder.name) for folder in _folders(runs) if folder.name.isdecimal()]


class RunSongs(NamedTuple):
    """songs.npz: every song of a run as ids, so that nothing needs the folder of MIDI again."""

    songs: Songs  # all of them
    split: Array  # (songs,) 0 train, 1 valid, 2 test
    beats: Array  # (songs,) length in beats
    spelling_nats: Array  # (songs,) what it costs to spell the tokens of a song that the vocabulary lacks

    def of(self, name: str) -> RunSongs:
        """The songs of one split: "train", "valid" or "test"."""
        chosen = np.flatnonzero(self.split == SPLITS.index(name))
        return RunSongs(self.songs.take(chosen), self.split[chosen], self.beats[chosen], self.spelling_nats[chosen])

    @property
    def unknown_share(self) -> float:
        """The share of targets that the vocabulary lacks."""
        return float(np.count_nonzero(self.songs.flat == UNKNOWN)) / max(self.songs.targets, 1)

    def sha256(self) -> str:
        """Equal for the same ids in the same songs and splits, and for nothing else."""
        digest = hashlib.sha256()
        for array in (self.songs.flat.astype("<u4"), self.songs.offsets.astype("<i8"), self.split.astype("u1")):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Raises OSError."""
        file = io.BytesIO()
        np.savez_compressed(
            file,
            ids=self.songs.flat,
            offsets=self.songs.offsets,
            split=self.split,
            beats=self.beats,
            spelling_nats=self.spelling_nats,
        )
        write_whole(path, [file.getvalue()])

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
        if not len(loaded.split) == len(loaded.beats) == len(loaded.spelling_nats) == len(songs):
            raise RunError(f"{path}: damaged; its arrays do not fit together")
        return loaded
