"""Saying plainly what is wrong with a file."""

from __future__ import annotations


class MidiError(Exception):
    """A MIDI file that cannot be read or written, in one line; `reason` is its kind in a word or two, for counting."""

    def __init__(self, message: str, reason: str = "damaged") -> None:
        super().__init__(message)
        self.reason = reason


def printable(text: str) -> str:
    """Text that is safe on a terminal and in a table: one line, no control characters, valid Unicode."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
