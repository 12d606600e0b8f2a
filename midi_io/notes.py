"""Notes and songs, and what one does with them before they become tokens.  Time is counted in beats (quarter notes)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

PITCH_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


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
    never_off: int = 0
    """Notes that were switched on and never off; they are not among `notes`."""


def pitch_name(pitch: int) -> str:
    """The name of a MIDI pitch, with sharps: 60 is C4, 61 is C#4, 0 is C-1."""
    return f"{PITCH_NAMES[pitch % 12]}{pitch // 12 - 1}"


def quantise(notes: Iterable[Note], grid: int) -> list[Note]:
    """Notes on a grid of `grid` positions per beat, in the order of (start, pitch, drum, program).

    Starts and ends go to the nearest position (half way: to the later one); the shortest note lasts one position.
    For one instrument and pitch, notes with one start become one (the longest duration, the greatest velocity), and a
    note that is struck again ends there.  start and duration are the floats nearest to k/grid, so quantising
    once more changes nothing.
    """
    struck: dict[tuple[int, bool, int], dict[int, tuple[int, int]]] = {}  # instrument and pitch: start -> end, velocity
    for pitch, start, duration, velocity, program, drum in notes:
        first = math.floor(start * grid + 0.5)
        last = max(math.floor((start + duration) * grid + 0.5), first + 1)
        line = struck.setdefault((program, drum, pitch), {})
        if first in line:
            other_last, other_velocity = line[first]
            last, velocity = max(last, other_last), max(velocity, other_velocity)
        line[first] = last, velocity
    placed = []
    for (program, drum, pitch), line in struck.items():
        starts = sorted(line)
        for first, following in zip(starts, [*starts[1:], None], strict=True):
            last, velocity = line[first]
            if following is not None and following < last:
                last = following
            placed.append((first, pitch, drum, program, last - first, velocity))
    placed.sort()
    return [
        Note(pitch, first / grid, length / grid, velocity, program, drum)
        for first, pitch, drum, program, length, velocity in placed
    ]


def transpose(notes: Iterable[Note], semitones: int) -> list[Note]:
    """The same notes `semitones` higher (lower if negative); drums stay; notes that leave 0..127 are left out."""
    return [
        note if note.drum else note._replace(pitch=note.pitch + semitones)
        for note in notes
        if note.drum or 0 <= note.pitch + semitones <= 127
    ]
