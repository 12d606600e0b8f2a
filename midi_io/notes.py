"""Notes and songs, before they become tokens.  Time is counted in beats (quarter notes)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, zip_longest
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
    """Notes in the order of (start, pitch), and the title, tempo and meter that a MIDI file gives."""

    notes: list[Note]
    title: str = ""
    bpm: float = 120.0
    meter: tuple[int, int] = (4, 4)
    high_bytes: int = 0  # data bytes above 127 in the file, of which 7 bits were read
    told: tuple[int, int] | None = None  # the meter of tokens.METERS, where the file names one and no other


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
    struck: dict[tuple[int, bool, int, int], tuple[int, int]] = {}  # instrument, pitch and start: end, velocity
    for pitch, start, duration, velocity, program, drum in notes:
        first = math.floor(start * grid + 0.5)
        last = max(math.floor((start + duration) * grid + 0.5), first + 1)
        place = program, drum, pitch, first
        other_last, other_velocity = struck.get(place, (last, velocity))
        struck[place] = max(last, other_last), max(velocity, other_velocity)
    placed = []
    places = sorted(struck)
    for place, following in zip_longest(places, places[1:]):
        (program, drum, pitch, first), (last, velocity) = place, struck[place]
        if following and following[:3] == place[:3]:
            last = min(last, following[3])
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


def melody(notes: Iterable[Note]) -> tuple[list[Note], list[Note]]:
    """Notes that begin with no higher one sounding, and the others, both in the order of (start, pitch)."""
    top: list[Note] = []
    others: list[Note] = []
    sounding: list[Note] = []
    in_order = sorted(notes, key=lambda note: (note.start, note.pitch))
    for start, together in groupby(in_order, key=lambda note: note.start):
        sounding = [note for note in sounding if note.start + note.duration > start + 1e-6] + (chord := list(together))
        highest = max(note.pitch for note in sounding)
        for note in chord:
            (top if note.pitch == highest else others).append(note)
    return top, others


def piano_roll(notes: Iterable[Note], *, meter: tuple[int, int] = (4, 4), width: int = 100) -> str:
    """Notes as text for a terminal: a line for each pitch that sounds, four columns for each beat, bars marked.

    As many whole bars are shown as fit into `width` columns, one at least; the others are counted.  Silence before the
    first bar with a note is not shown.  Without notes the text is empty.

        D5  ●━    ●━    ●━━ │   ● ●━━         │
    """
    placed = sorted((round(n.start * 4), round((n.start + n.duration) * 4), n.drum, -n.pitch) for n in notes)
    if not placed:
        return ""
    bar = 16 * meter[0] // meter[1]  # columns
    if not 4 <= bar <= width - 8:
        bar = 16
    first = placed[0][0] // bar
    bars = -(-max(max(end, start + 1) for start, end, _, _ in placed) // bar) - first
    shown = min(bars, max((width - 7) // (bar + 1), 1))
    silence = "".join(" " if column % 4 else "·" for column in range(bar)) * shown
    rows: dict[tuple[bool, int], list[str]] = {}  # high pitches above low ones, and drums below them
    for start, end, drum, below in placed:
        low, high = start - first * bar, min(end - first * bar, len(silence))
        if low < len(silence):
            row = rows.setdefault((drum, below), list(silence))
            row[low:high] = "━" * (high - low)
            row[low] = "×" if drum else "●"
    lines = [f"       {''.join(f'{first + 1 + number:<{bar + 1}}' for number in range(shown))}".rstrip()]
    for (drum, below), row in sorted(rows.items()):
        measures = ["".join(row[begin : begin + bar]) for begin in range(0, len(row), bar)]
        lines.append(f"{f'drum{-below}' if drum else pitch_name(-below):>6} {'│'.join(measures)}│")
    left = bars - shown
    return "\n".join(lines + [f"       ... and {left:,} more {'bar' if left == 1 else 'bars'}"] * (left > 0))
