"""The folder that a training run leaves: its files, and which process may write to it."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from experiment.command.console import one_line
from lstm_numpy.files import sweep_temporary_files, write_whole


class RunError(Exception):
    """A run cannot be begun or continued as asked: one line that says why, and what to do."""


class RunFolder:
    """The names of a run's files, and what they say about the run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model, self.last = path / "model.npz", path / "last.npz"
        self.history, self.distributions = path / "history.csv", path / "distributions.npz"
        self.songs, self.songs_table, self.skipped = path / "songs.npz", path / "songs.tsv", path / "skipped.tsv"
        self.summary, self.sample, self.picture = path / "summary.json", path / "sample.mid", path / "sample.png"

    @property
    def reported(self) -> bool:
        """The run is finished, and all that it writes at its end is there."""
        return self.summary.exists() and self.sample.exists() and self.picture.exists()

    def check_unused(self) -> None:
        """RunError if there is a run in the folder already, finished or not."""
        if self.last.exists():
            what = "a finished run" if self.reported else "an unfinished run, which --resume continues"
            raise RunError(f"{self.path}: holds {what}; name another folder with --out")
        for file in (self.model, self.summary):
            if file.exists():
                raise RunError(f"{file}: would be overwritten; name another folder with --out")

    def write_songs_table(self, rows: Sequence[Sequence[object]]) -> None:
        """songs.tsv: of each song in songs.npz its path, the SHA-256 of its file, its split and its targets."""
        lines = ["\t".join(map(str, row)) + "\n" for row in [("path", "sha256", "split", "tokens"), *rows]]
        write_whole(self.songs_table, [line.encode("utf-8", "backslashreplace") for line in lines])

    def write_summary(self, facts: Mapping[str, Any]) -> None:
        """summary.json, in one piece or not at all.  Raises OSError."""
        write_whole(self.summary, [(json.dumps(facts, indent=2, allow_nan=False) + "\n").encode()])


@contextmanager
def held_folder(path: Path | None, runs: Path = Path("runs")) -> Iterator[RunFolder]:
    """A folder that no other process trains in until this one leaves it, however that ends.

    path: which; it is made if it does not exist.  None: a new one in `runs`: 1, 2, 3, ...  RunError where it cannot be
    written, or another run is in it.  What this process made is removed again if nothing worth keeping came into it.
    """
    made: list[Path] = []
    try:
        while True:
            place = path or next_run(runs)
            made = [folder for folder in (place, *place.parents) if not folder.exists()]
            if _make(place, may_exist=path is not None):
                break
        lock = _locked(place / ".lock")
    except OSError as error:
        _remove_empty(made)
        fault = "it is no folder" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
        raise RunError(f"{place}: cannot be written ({fault}); name another folder with --out") from None
    folder = RunFolder(place)
    try:
        sweep_temporary_files(place)
        yield folder
    finally:
        if made and not folder.last.exists():
            for file in (folder.songs, folder.songs_table, folder.skipped, folder.history, folder.distributions):
                file.unlink(missing_ok=True)
        with suppress(OSError):
            (place / ".lock").unlink()
        os.close(lock)
        _remove_empty(made)


def _make(folder: Path, *, may_exist: bool) -> bool:
    """Make a folder; False if another process was faster.  Raises OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(exist_ok=may_exist)
    except FileExistsError:
        if may_exist:
            raise
        return False
    return True


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _locked(path: Path) -> int:
    """Open a file that only one process holds at a time; its lock goes with the process.  OSError, RunError."""
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise RunError(f"{path.parent}: another run is training there; name another folder with --out") from None
        except (ImportError, OSError):  # a system, or a file system, that knows no locks
            return lock
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), path.stat()):
                return lock
        os.close(lock)  # whoever held it has removed it meanwhile: it locks nothing any more


def next_run(runs: Path = Path("runs")) -> Path:
    """runs/1, or the number after the largest there is."""
    return runs / str(max((int(folder.name) for folder in _folders(runs) if _is_number(folder.name)), default=0) + 1)


def newest_run(runs: Path = Path("runs")) -> Path:
    """The run folder that was written to last.  RunError if there is none."""
    written = {folder: _last_change(folder) for folder in _folders(runs)}
    if not any(written.values()):
        raise RunError(f"{runs}: no run is there; train one first: python train.py")
    return max(written, key=lambda folder: written[folder])


def _last_change(folder: Path) -> int:
    """When a checkpoint was last written there, in nanoseconds; 0: never."""
    changes = []
    for name in ("model.npz", "last.npz"):
        with suppress(OSError):
            changes.append((folder / name).stat().st_mtime_ns)
    return max(changes, default=0)


def _folders(runs: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(entry for entry in runs.iterdir() if entry.is_dir())
    return []


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdecimal()


def how_to_go_on(folder: Path) -> str:
    """The command that continues a run, ready to be copied into a shell."""
    return one_line(f"python train.py --resume --out {shlex.quote(str(folder))}")
