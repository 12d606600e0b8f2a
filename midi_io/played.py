"""Played music made simple before it is spelled: what is chance in a performance costs a network as much as the music.

    place        a song whose sixteenths all stand beside the beats of its file is moved onto them, always
    velocities   an instrument's loudness, in levels around its own median
    snap         a note begins on a sixteenth or a triplet and has a simple length; a drum, which does not end, has one
    families     a program becomes the first of its family (music.instruments): every guitar is the same guitar
    meters       a song begins with the meter of its file, where the file names one and no other

Simplifying once more changes nothing.  What is lost, and what it gains, is measured in docs/spellings.md.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median_low
from typing import NamedTuple

import numpy as np

from midi_io.disk import Array
from midi_io.notes import Note, Song

EVERY, PLAIN, SPREAD = 127, 80, 96  # velocities: all of them, the median, from the softest level to the loudest
PLACES = np.array([0, 3, 4, 6, 8, 9, 12]) / 12  # of a beat, where a note may begin: sixteenths and triplets
LENGTHS = np.array([1, 2, 3, 4, 6, 8, 9, 12, 16, 18, 24, 30, 36, 42, 48]) / 12  # beats; above them whole beats,
LONG = 16  # and from so many beats on multiples of 4
DRUM = 1 / 4  # beats: every drum, so that the next stroke seldom cuts it
FAMILY = 8  # programs
NEAR = 1 / 96  # of a beat: a song this near to its beats stays where it is

LEVELS = 4  # of velocity, where songs have too many
MANY_VELOCITIES, MANY_PROGRAMS = 16, 8
OFTEN, FINE = 0.1, 1 / 48  # of the notes differ from a simple length by more than so many beats
AT_RANDOM = 0.035  # beats: onsets that are so far from sixteenths and triplets do not know of the file's beat


class Played(NamedTuple):
    """What is kept of a performance; see the top of this file."""

    velocities: int = EVERY  # levels; 0 and 1: none
    snap: bool = False
    families: bool = False
    meters: bool = False

    def flags(self) -> list[str]:
        """The flags of train.py that ask for this, and for nothing else."""
        switches = [f"--{'' if asked else 'no-'}{name}" for name, asked in zip(self._fields[1:], self[1:], strict=True)]
        return ["--velocities", str(self.velocities), *switches]

    def asked(self, *values: int | None) -> "Played":
        """This, and in it those of the values that are not None."""
        return Played._make(own if value is None else value for own, value in zip(self, values, strict=True))


AS_WRITTEN = Played()


def simplified(notes: Iterable[Note], played: Played) -> list[Note]:
    """The notes of one song, as `played` keeps them.  Notes may coincide now; quantise merges them."""
    notes = in_place(notes)
    if played.velocities < EVERY:
        notes = _levelled(notes, max(played.velocities, 1))
    if played.snap:
        starts = _nearest(np.array([note.start for note in notes])).tolist()
        notes = [
            note._replace(start=start, duration=DRUM if note.drum else _simple(note.duration))
            for note, start in zip(notes, starts, strict=True)
        ]
    if played.families:
        notes = [note._replace(program=0 if note.drum else note.program // FAMILY * FAMILY) for note in notes]
    return notes


def in_place(notes: Iterable[Note]) -> list[Note]:
    """The notes, moved by less than a quarter of a beat where that halves their distance from sixteenths and triplets.

    How far the sixteenths of a song are away is the mean angle of its onsets on a circle of a sixteenth.
    """
    notes = list(notes)
    starts = np.array([note.start for note in notes])
    away = float(np.angle(np.exp(8j * np.pi * starts).sum())) / (8 * np.pi)
    if abs(away) <= NEAR or 2 * off_the_beat(starts - away) >= off_the_beat(starts):
        return notes
    later = -away if starts.min() >= away else 1 / 4 - away
    return [note._replace(start=note.start + later) for note in notes]


def off_the_beat(starts: Array) -> float:
    """How far onsets are from sixteenths and triplets, in beats, on average: 0.049 at random, 0 without onsets."""
    return float(np.abs(starts - _nearest(starts)).mean()) if len(starts) else 0.0


def suits(songs: Sequence[Song]) -> tuple[Played, str]:
    """What to keep of songs like these, and why, in words; AS_WRITTEN for what is written for one instrument."""
    every = [note for song in songs for note in song.notes]
    pitched = [note for note in every if not note.drum]
    velocities, programs = len({note.velocity for note in every}), len({note.program for note in pitched})
    uneven = sum(abs(note.duration - _simple(note.duration)) > FINE for note in pitched) / max(len(pitched), 1)
    placed = [np.array([note.start for note in in_place(song.notes)]) for song in songs if song.notes]
    lost = sum(off_the_beat(starts) > AT_RANDOM for starts in placed)
    drums = len(pitched) < len(every)
    found = {
        f"{velocities} velocities": velocities > MANY_VELOCITIES,
        f"{uneven:.0%} of the lengths uneven": uneven > OFTEN,
        "drums": drums,
        f"{programs} instruments": programs > MANY_PROGRAMS,
        f"{lost} of {len(placed)} songs do not follow the beat of their files": lost > 0,
    }
    told = sum(song.told is not None for song in songs)
    meters = 2 * told >= len(songs) > 0 and (programs > 1 or any(found.values()))
    found[f"{told} of {len(songs)} files name one meter"] = meters
    levels = LEVELS if velocities > MANY_VELOCITIES else EVERY
    played = Played(levels, uneven > OFTEN or drums, programs > MANY_PROGRAMS, meters)
    return played, ", ".join([words for words, true in found.items() if true])


def _levelled(notes: Sequence[Note], levels: int) -> list[Note]:
    """Each instrument's median becomes PLAIN, and its other velocities the nearest of `levels` around that."""
    heard: dict[tuple[bool, int], list[int]] = defaultdict(list)
    for note in notes:
        heard[note.drum, note.program].append(note.velocity)
    own = {instrument: median_low(velocities) for instrument, velocities in heard.items()}
    step = SPREAD / levels

    def level(note: Note) -> int:
        number = round((note.velocity - own[note.drum, note.program]) / step)
        return min(round(PLAIN + step * min(max(number, -(levels // 2)), (levels - 1) // 2)), EVERY)

    return [note._replace(velocity=level(note)) for note in notes]


def _nearest(starts: Array) -> Array:
    """For each start the nearest place where a note may begin."""
    beat = np.floor(starts)
    apart = np.abs((starts - beat)[:, None] - PLACES)
    return np.asarray(beat + PLACES[apart.argmin(axis=1)]) if len(starts) else starts


def _simple(duration: float) -> float:
    """The simple length nearest to a duration, by their ratio up to 4 beats, by their difference above."""
    if duration > LENGTHS[-1]:
        part = 4 if duration > LONG else 1
        return float(round(duration / part) * part)
    return float(LENGTHS[np.abs(np.log(LENGTHS / max(duration, 1e-9))).argmin()])
