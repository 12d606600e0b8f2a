"""Talking to whoever started the program: a terminal, a file, a pipe that may close, or nobody."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, TextIO


def one_line(text: str) -> str:
    """Text that is safe on a terminal: one line, no control characters, valid Unicode."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class Lasting:
    """A text stream that outlives its reader: what nobody can receive any more is dropped, and nothing else happens."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """As TextIO.write."""
        with suppress(OSError):
            self._stream.write(text)
            return len(text)
        return self._drop(len(text))

    def flush(self) -> None:
        """As TextIO.flush."""
        with suppress(OSError):
            self._stream.flush()
            return
        self._drop(0)

    def _drop(self, length: int) -> int:
        """Send what is still buffered, and all that follows, nowhere: it would fail again when the program ends."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        return length

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def lasting_output() -> Iterator[None]:
    """Within, nothing that is printed can end the program: not a closed pipe, not an alphabet that lacks a letter.

    Each line goes out as soon as it is printed, also into a file.
    """
    before = sys.stdout, sys.stderr
    for name in ("stdout", "stderr"):
        stream: Any = getattr(sys, name)
        if stream is None:  # closed by whoever started the program
            stream = open(os.devnull, "w")  # noqa: PTH123, SIM115  (it stays open to the end)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
        setattr(sys, name, Lasting(stream))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def leave(status: int) -> NoReturn:
    """End the process at once: nothing needs tidying, and a signal cannot meet an interpreter that is half gone."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, AttributeError):
            stream.flush()
    os._exit(status)
