"""Notes and songs, and what one does with them before they become tokens.  Time is counted in beats (quarter notes)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Note(NamedTuple):
    """One note: a MIDI pitch (0..127, 60 is middle C) from `start` for `duration` beats."""

    pitch: int
    start: float
    duration: float
    velocity: int = 80
    program: int = 0
    drum: bool = False


@dataclass(frozen=True)
class Song:
    """Notes in the order of (start, pitch), with what a MIDI file says about them."""

    notes: list[Note]
    title: str = ""
    bpm: float = 120.0
    meter: tuple[int, int] = (4, 4)
