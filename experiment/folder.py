"""The folder that a training run leaves: its files, and which process may write to it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from experiment.command.console import one_line
from lstm_numpy.files import Fact, check_facts, read_whole, reading, write_whole

try:
    import fcntl
except ImportError:  # a system without locks on files
    fcntl = None  # type: ignore[assignment]

Parsed = TypeVar("Parsed")
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
    def saved(self) -> bool:
        """There is a last.npz, whatever is in it."""
        return os.path.lexists(self.last)

    @property
    def reported(self) -> bool:
        """The run is finished, and all that it writes at its end is there."""
        return all(file.is_file() for file in (self.summary, self.sample, self.picture, self.sound, self.page))

    def begin(self, argv: Sequence[str]) -> None:
        """Keep the flags of a new run, before anything else is done: run.json.  RunError if the folder is used."""
        if self.saved or self.flags.exists():
            what = "a finished run" if self.reported else "an unfinished run, which --resume continues"
            raise RunError(f"{self.path}: holds {what}; name another folder with --out")
        for file in self.files:
            if os.path.lexists(file):
                raise RunError(f"{file}: would be overwritten; name another folder with --out")
        self.begun_here = True
        write_json(self.flags, {"argv": list(argv)})

    def argv(self, saved: Mapping[str, Any] | None = None) -> list[str]:
        """The flags that the run was begun with: in `saved`, or else in run.json.  RunError where none are."""
        if saved is None and not self.flags.exists():
            raise RunError(f"{self.path}: no run was begun there, so there is none to go on with; leave --resume out")
        facts: dict[str, Any] = read_json(self.flags) if saved is None else {"argv": saved.get("argv")}
        with reading(self.flags if saved is None else self.last, RunError):
            check_facts(facts, {"argv": Fact(str, 0, 4096, many=True)}, "flags")
        return list(facts["argv"])

    def forget_report(self) -> None:
        """The run goes on: it is not reported until a new summary.json and the last file, index.html, are written."""
        self.summary.unlink(missing_ok=True)
        self.page.unlink(missing_ok=True)

    def write_songs_table(self, rows: Sequence[Sequence[object]]) -> None:
        """songs.tsv: of each song in songs.npz its path, the SHA-256 of its file, its split and its targets."""
        lines = ["\t".join(map(str, row)) + "\n" for row in [("path", "sha256", "split", "tokens"), *rows]]
        write_whole(self.songs_table, [line.encode("utf-8", "backslashreplace") for line in lines])


def write_json(path: Path, facts: Mapping[str, Any]) -> None:
    """Write a JSON file, in one piece or not at all.  Raises OSError."""
    write_whole(path, [(json.dumps(facts, indent=2, allow_nan=False) + "\n").encode()])


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds a dict.  Raises RunError."""
    with reading(path, RunError):
        found: dict[str, Any] = json.loads(read_whole(path, MOST_TEXT))
        if not isinstance(found, dict):
            raise ValueError("not a file of this program: it holds no dict")
    return found


def parsed_again(parse: Callable[[Sequence[str]], Parsed], argv: Sequence[str], folder: Path) -> Parsed:
    """Flags that a run's folder holds, parsed.  RunError for flags that the command line could not have given."""
    try:
        with contextlib.redirect_stderr(io.StringIO()) as told, contextlib.redirect_stdout(told):
            return parse(argv)
    except SystemExit:
        fault = told.getvalue().splitlines()[0].partition("error: ")[2]
        raise RunError(f"{folder}: the flags that this run was begun with cannot be: {fault}") from None


@contextlib.contextmanager
def held_folder(path: Path | None, runs: Path = Path("runs")) -> Iterator[RunFolder]:
    """A folder that no other process trains in until this one leaves it.

    path: the folder; it is made if it does not exist.  None: a new one in `runs`: 1, 2, 3, ...  Raises RunError where
    it cannot be written, or another run is in it.  A run that this process began and never saved is removed again.
    """
    made: list[Path] = []
    try:
        while True:
            place = path or next_run(runs)
            made = [folder for folder in (place, *place.parents) if not folder.exists()]
            try:
                place.mkdir(parents=True, exist_ok=path is not None)
                break
            except FileExistsError:  # another process was faster and made runs/1
                if path:
                    raise
        lock = _locked(place)
    except OSError as error:
        _remove_empty(made)
        fault = "it is no folder" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
        raise RunError(f"{place}: cannot be written ({fault}); name another folder with --out") from None
    folder = RunFolder(place)
    try:
        yield folder
    finally:
        leftovers = [file.with_name(f".{file.name}.tmp") for file in folder.files]  # of a process that was killed
        for file in leftovers + folder.files * (folder.begun_here and not folder.last.exists()):
            with contextlib.suppress(OSError):
                file.unlink()
        os.close(lock)
        _remove_empty(made)


def _locked(folder: Path) -> int:
    """Open a folder that only one process holds at a time; the lock ends with the process.  OSError, RunError."""
    if not os.access(folder, os.W_OK):
        raise PermissionError(0, "no permission to write")
    lock = os.open(folder, os.O_RDONLY)
    try:
        if fcntl:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise RunError(f"{folder}: another run is training there; name another folder with --out") from None
    except OSError:  # a file system without locks
        pass
    return lock


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def next_run(runs: Path = Path("runs")) -> Path:
    """runs/1, or the number after the largest there is."""
    names = [folder.name for folder in runs.glob("*") if folder.is_dir()]
    return runs / str(max((int(name) for name in names if name.isascii() and name.isdecimal()), default=0) + 1)


def newest_run(runs: Path = Path("runs")) -> Path:
    """The run folder that was begun or saved last.  RunError if there is none."""
    places = [path for name in ("run.json", "model.npz", "last.npz") for path in runs.glob(f"*/{name}")]
    files = [path for path in places if path.is_file()]
    if not files:
        raise RunError(f"{runs}: no run is there; train one first: python train.py")
    return max(files, key=lambda file: file.stat().st_mtime_ns).parent


def how_to_go_on(folder: Path) -> str:
    """The command that continues a run, ready to be copied into a shell."""
    return one_line(f"python train.py --resume --out {shlex.quote(str(folder))}")
