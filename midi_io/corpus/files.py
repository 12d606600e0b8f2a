"""Finds the MIDI files in folders, and chooses among them by genre or by a list of names."""

import os
import re
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from midi_io.disk import MidiError, MidiIoError, StrPath, printable, read_bytes

SYSTEM = ("/proc", "/sys")  # what looks like files there never ends
MAX_LIST = 50_000_000  # bytes of a list of files or a table of genres
SUFFIXES = (".mid", ".midi", ".kar", ".rmi", ".smf")
_TRACK_ID = re.compile(r"TR[A-Z]{5}[0-9A-F]{11}")  # of the Million Song Dataset, in the paths of Lakh's matched files


class CorpusError(MidiIoError):
    """Nothing to read, or no way to read it."""


class FoundFile(NamedTuple):
    """A file; `stamp` is a text that changes when its content may have changed."""

    path: str
    size: int
    stamp: str


class Skipped(NamedTuple):
    """A file (or folder) that was not read: its kind in a word or two, for counting, and the whole reason."""

    path: str
    kind: str
    reason: str


def find_files(folders: Iterable[StrPath]) -> tuple[list[FoundFile], list[Skipped]]:
    """The MIDI files (by suffix) in folders and their subfolders, in an order that follows from their names alone.

    Links are followed; a folder that is reached a second time is not read again.  A path may also be a
    file.  Raises CorpusError if one of `folders` does not exist, is an empty text or belongs to the system.
    """
    files: dict[str, FoundFile] = {}
    skipped: list[Skipped] = []
    seen: set[str] = set()

    def closed(error: OSError) -> None:
        skipped.append(Skipped(error.filename, "unreadable folder", f"cannot be opened: {error.strerror}"))

    for place in [os.fspath(folder) for folder in folders]:
        if not place or os.path.realpath(place).startswith(SYSTEM) or not os.access(place, os.F_OK):
            name = printable(place) or "empty name"
            raise CorpusError(f"{name}: is no folder of music, or not there; give one with .mid files")
        found = [] if Path(place).is_dir() else [place]
        for folder, subfolders, names in () if found else os.walk(place, onerror=closed, followlinks=True):
            real = os.path.realpath(folder)
            if real in seen:
                skipped.append(Skipped(folder, "folder linked twice", "leads to a folder that is read already"))
            if real in seen or real.startswith(SYSTEM):
                subfolders.clear()
                continue
            seen.add(real)
            subfolders.sort()
            found += [str(Path(folder, name)) for name in sorted(names) if name.lower().endswith(SUFFIXES)]
        for path in found:
            files[path] = FoundFile(path, 0, "")  # what cannot be found or read is told when it is read
            with suppress(OSError):
                status = Path(path).stat()
                # The change time (ctime) shows a change even where the modification time was set back.
                stamp = f"{status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
                files[path] = FoundFile(path, status.st_size, stamp)
    return list(files.values()), skipped


def choose_by_genre(files: Sequence[FoundFile], table: StrPath, genres: Collection[str]) -> list[FoundFile]:
    """The files whose path holds the id of a track of one of the genres (in any case of letters; none: of any).

    table: lines of "TRACK_ID<tab>genre", perhaps with a second genre (the format of the tagtraum annotations);
    lines that begin with # are skipped.  Raises CorpusError for a table that cannot be read, an unknown genre,
    or if no file is left.
    """
    genres_of = dict[str, set[str]]()
    for line in _lines(table, "table of genres"):
        track, *names = map(str.strip, line.casefold().split("\t"))
        genres_of[track.upper()] = {*names} - {""}
    known = set[str]().union(*genres_of.values())
    wanted = {genre.casefold() for genre in genres} or known
    where = printable(table)
    if unknown := sorted(wanted - known):
        has = ", ".join(map(printable, sorted(known)[:20])) or "no TRACK_ID<tab>genre"
        raise CorpusError(f"{where}: has no genre {printable(unknown[0])}; it has {has}")
    chosen = [
        file for file in files for track in _TRACK_ID.findall(file.path)[-1:] if genres_of.get(track, set()) & wanted
    ]
    if not chosen:
        raise CorpusError(f"{where}: none of {len(files):,} files is of these genres")
    return chosen


def choose_by_list(
    files: Sequence[FoundFile], names: StrPath, folders: Iterable[StrPath]
) -> tuple[list[FoundFile], list[Skipped]]:
    """The files that a text file names, one path a line, from one of the folders or absolute; # begins a remark.

    Names that lead to no file are returned as skipped.  Raises CorpusError for a list that cannot be read, or if no
    file is left.
    """
    lines = _lines(names, "list of files")
    place = {Path(file.path).resolve(): file for file in files}
    roots = [Path(folder).resolve() for folder in folders]
    found = {line: [path for root in roots if (path := (root / line).resolve()) in place][:1] for line in lines}
    wanted = {path for paths in found.values() for path in paths}
    if not wanted:
        raise CorpusError(f"{printable(names)}: none of its {len(lines):,} names is a MIDI file of the folders")
    skipped = [Skipped(line, "missing", "is in the list, and not in the folders") for line in lines if not found[line]]
    return [file for path, file in place.items() if path in wanted], skipped


def _lines(path: StrPath, what: str) -> list[str]:
    try:
        text = os.fsdecode(read_bytes(path, MAX_LIST))  # names of files need not be UTF-8
    except MidiError as error:
        raise CorpusError(f"{printable(path)}: this {what} {error}") from None
    lines = [line.rstrip("\r") for line in text.split("\n")]  # a name may hold what splitlines takes for an end
    return [line for line in lines if line.strip() and not line.startswith("#")]
