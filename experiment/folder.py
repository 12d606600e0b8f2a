"""The folder that a training run leaves: its files, and which process may write to it."""

import contextlib
import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiment.command.console import one_line
from lstm_numpy.files import read_whole, reading, write_whole

try:
    import fcntl
except ImportError:  # a system without locks on files
    fcntl = None  # type: ignore[assignment]

MOST_TEXT = 2**24  # bytes of a JSON file
PICTURES = ("learning", "gradients", "gates", "distributions")


class RunError(Exception):
    """A run cannot be begun or continued as asked: one line that says why, and what to do."""


class RunFolder:
    """The names of a run's files, and what they say about the run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begun_here = False  # this process began the run
        self.flags, self.model, self.last = path / "run.json", path / "model.npz", path / "last.npz"
        self.history, self.epochs = path / "history.csv", path / "epochs.csv"
        self.distributions, self.songs = path / "distributions.npz", path / "songs.npz"
        self.songs_table, self.skipped = path / "songs.tsv", path / "skipped.tsv"
        self.summary, self.sample, self.picture = path / "summary.json", path / "sample.mid", path / "sample.png"
        self.sound, self.page, self.learning = path / "sample.wav", path / "index.html", path / "learning.npz"

    @property
    def files(self) -> list[Path]:
        """Every file that a run writes, whether it exists or not."""
        named = [file for name, file in vars(self).items() if isinstance(file, Path) and name != "path"]
        return named + [self.path / f"{name}.png" for name in PICTURES]

    @property
    def reported(self) -> bool:
        """The run is finished, and all that it writes at its end is there."""
        return all(file.is_file() for file in (self.summary, self.sample, self.picture, self.sound, self.page))

    def begin(self, argv: Sequence[str]) -> None:
        """Keep the flags of a new run, before anything else is done: run.json.  RunError if the folder is used."""
        if os.path.lexists(self.last) or self.flags.exists():
            what = "a finished run" if self.reported else "an unfinished run, which --resume continues"
            raise RunError(f"{self.path}: holds {what}; name another folder with --out")
        for file in filter(os.path.lexists, self.files):
            raise RunError(f"{file}: would be overwritten; name another folder with --out")
        self.begun_here = True
        write_json(self.flags, {"argv": list(argv)})

    def argv(self) -> list[str]:
        """The flags that the run was begun with: run.json.  RunError where there are none."""
        if not self.flags.exists():
            raise RunError(f"{self.path}: no run was begun there, so there is none to go on with; leave --resume out")
        with reading(self.flags, RunError):
            return [str(word) for word in read_json(self.flags)["argv"]]

    def forget_report(self) -> None:
        """The run goes on: it is not reported until a new summary.json and the last file, index.html, are written."""
        self.summary.unlink(missing_ok=True)
        self.page.unlink(missing_ok=True)


def write_json(path: Path, facts: Mapping[str, Any]) -> None:
    """Write a JSON file, in one piece or not at all.  Raises OSError."""
    write_whole(path, [(json.dumps(facts, indent=2, allow_nan=False) + "\n").encode()])


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds a dict.  Raises RunError."""
    with reading(path, RunError):
        return dict(json.loads(read_whole(path, MOST_TEXT)))


@contextlib.contextmanager
def held_folder(path: Path) -> Iterator[RunFolder]:
    """A folder that no other process trains in until this one leaves it.  It is made if it does not exist.

    Raises RunError where it cannot be written, or another run is in it.  A run that this process began and never saved
    is removed again, and so is an empty folder.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = _locked(path)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror}); name another folder with --out") from None
    folder = RunFolder(path)
    try:
        yield folder
    finally:
        leftovers = [file.with_name(f".{file.name}.tmp") for file in folder.files]  # of a process that was killed
        for file in leftovers + folder.files * (folder.begun_here and not folder.last.exists()):
            with contextlib.suppress(OSError):
                file.unlink()
        with contextlib.suppress(OSError):
            path.rmdir()
        os.close(lock)


def _locked(folder: Path) -> int:
    """Open a folder that only one process holds at a time; the lock ends with the process.  OSError, RunError."""
    if not os.access(folder, os.W_OK):
        raise PermissionError(0, "no permission to write")
    lock = os.open(folder, os.O_RDONLY)
    with contextlib.suppress(OSError):  # a file system without locks
        try:
            if fcntl:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise RunError(f"{folder}: another run is training there; name another folder with --out") from None
    return lock


def next_run(runs: Path = Path("runs")) -> Path:
    """runs/1, or the number after the largest there is."""
    names = [folder.name for folder in runs.glob("*") if folder.name.isascii() and folder.name.isdecimal()]
    return runs / str(max(map(int, names), default=0) + 1)


def newest_run(runs: Path = Path("runs")) -> Path:
    """The run folder that was begun or saved last.  RunError if there is none."""
    files = [file for name in ("run.json", "model.npz", "last.npz") for file in runs.glob(f"*/{name}")]
    if not files:
        raise RunError(f"{runs}: no run is there; train one first: python train.py")
    return max(files, key=lambda file: file.lstat().st_mtime_ns).parent


def how_to_go_on(folder: Path) -> str:
    """The command that continues a run, ready to be copied into a shell."""
    return one_line(f"python train.py --resume --out {shlex.quote(str(folder))}")
