"""Printing that cannot end a program."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO


def one_line(text: str) -> str:
    """Text that is safe on a terminal: one line, no control characters, valid Unicode."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class LastingStream:
    """A text stream that outlives its reader.  After a write has failed, output goes to os.devnull."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """As TextIO.write."""
        self._try(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        """As TextIO.flush."""
        self._try(self._stream.flush)

    def _try(self, do: Callable[..., object], *arguments: str) -> None:
        try:
            do(*arguments)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def lasting_output() -> Iterator[None]:
    """Inside, a closed pipe, a full disk or a letter that the terminal lacks does not end the program.

    Each line is written as soon as it is printed, into a file too.
    """
    before = sys.stdout, sys.stderr
    for name, stream in zip(("stdout", "stderr"), before, strict=True):
        if stream is None:  # the caller closed it
            stream = open(os.devnull, "w")  # noqa: PTH123, SIM115  (it stays open to the end)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
        setattr(sys, name, LastingStream(stream))
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before
