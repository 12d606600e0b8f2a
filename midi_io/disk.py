"""Files read and written safely, the errors that say in one line what is wrong with one, and the names of two types."""

import os
from pathlib import Path
from typing import Any, TypeAlias

import numpy.typing as npt

StrPath: TypeAlias = str | os.PathLike[str]
Array: TypeAlias = npt.NDArray[Any]


class MidiIoError(Exception):
    """The base of all errors of this package: one line that says what is wrong, and where."""


class MidiError(MidiIoError):
    """A MIDI file that cannot be read or written; `reason` is its kind in a word or two, for counting."""

    def __init__(self, message: str, reason: str = "damaged") -> None:
        super().__init__(message)
        self.reason = reason


def printable(text: StrPath) -> str:
    """A text or a path, safe on a terminal and in a table: one line, no control characters, valid Unicode."""
    text = os.fspath(text)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def read_bytes(path: StrPath, max_bytes: int) -> bytes:
    """The content of a regular file.  A pipe or a device is not opened.

    Raises MidiError (without the file's name) if it is no regular file, cannot be opened or is larger than `max_bytes`.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise MidiError("is not a regular file", "not a file")
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise MidiError(f"has more than {max_bytes:,} bytes", "too large")
        return data
    except FileNotFoundError:
        raise MidiError("does not exist", "missing") from None
    except (OSError, ValueError) as error:
        raise MidiError(f"cannot be opened ({getattr(error, 'strerror', error)})", "unreadable") from None


def write_whole(path: StrPath, data: bytes) -> None:
    """Write a file whole or not at all: the bytes go to a temporary file beside it, which then takes its place.

    Raises MidiError (with the file's name) if that is not possible, or if `path` exists and is no regular file.
    """
    try:
        place = Path(os.path.realpath(path))
        unfinished = place.with_name(f".unfinished-{os.urandom(6).hex()}")
        if place.exists() and not place.is_file():
            raise MidiError(f"{printable(path)}: cannot be written (it is not a regular file)", "not writable")
        try:
            unfinished.write_bytes(data)
            unfinished.replace(place)
        finally:
            unfinished.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        fault = getattr(error, "strerror", error)
        raise MidiError(f"{printable(path)}: cannot be written ({fault})", "not writable") from None
