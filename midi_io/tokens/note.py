"""Scheme `note`: a song spelled note by note, without loss.

A moment is spelled from the low notes to the high ones, program by program, drums last; then `+1/2` moves on in time.
A note is its pitch, after whatever its instrument does differently from the note it played before:

    i40 v96 :1/2 G4 B4 +1/2 A4      a violin, a little louder, plays half a beat of G4 and B4, and then of A4

Program and drum kit are 0, and an instrument plays with velocity 80 for one beat, until a token says otherwise.  Each
instrument keeps its own velocity and duration, so that a band does not spell them anew at every change of instrument.
Drums have pitch tokens of their own, `drum36`, which need no instrument before them but another kit.  A length beyond
four beats is a sum, longest part first: of 4, 16, 64 ... beats, and of the rest, if any.  So there are few tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from midi_io.notes import Note
from midi_io.tokens.words import NAMES, Word, spell_beats

PLAIN_VELOCITY = 80
PLAIN_DURATION = 1  # beat
LONG = 4  # beats; so are its powers


def is_long(word: Word) -> bool:
    """Whether a duration or a shift is one of 4, 16, 64 ... beats, after which the sum may go on."""
    beats = float(word.value)
    while beats > LONG:
        beats /= LONG
    return beats == LONG


def encode_note(notes: Iterable[Note], grid: int) -> list[str]:
    """Spell quantised notes in scheme `note`."""
    played: dict[tuple[bool, int], tuple[int, int]] = {}  # instrument: its last velocity and duration
    instrument = {False: 0, True: 0}  # the program, the kit
    now = 0
    tokens: list[str] = []
    for note in sorted(notes, key=lambda note: (note.start, note.drum, note.program, note.pitch)):
        pitch, start, beats, velocity, program, drum = note
        onset, duration = round(start * grid), round(beats * grid)
        if onset != now:
            tokens += _sum("+", onset - now, grid)
            now = onset
        if program != instrument[drum]:
            tokens.append(f"kit{program}" if drum else f"i{program}")
            instrument[drum] = program
        last = played.get((drum, program), (PLAIN_VELOCITY, PLAIN_DURATION * grid))
        if last != (velocity, duration):
            if last[0] != velocity:
                tokens.append(f"v{velocity}")
            if last[1] != duration:
                tokens += _sum(":", duration, grid)
            played[drum, program] = velocity, duration
        tokens.append(f"drum{pitch}" if drum else NAMES[pitch])
    return tokens


def decode_note(words: Iterable[Word]) -> list[Note]:
    """Notes of `note` words, in their order.  Words that no note follows have no effect."""
    played: dict[tuple[bool, int], tuple[int, float]] = {}
    instrument = {"notes": 0, "drum": 0}
    now = 0.0
    notes = []
    velocity, duration = 0, 0.0  # what was said since the last note
    for kind, pitches, value in words:
        if kind in instrument:
            drum, program = kind == "drum", instrument[kind]
            last = played.get((drum, program), (PLAIN_VELOCITY, PLAIN_DURATION))
            played[drum, program] = velocity, duration = velocity or last[0], duration or last[1]
            pitch = int(value) if drum else pitches[0]
            notes.append(Note(pitch, now, duration, velocity, program, drum))
            velocity, duration = 0, 0.0
        elif kind == "shift":
            now += float(value)
        elif kind == "duration":
            duration += float(value)
        elif kind == "velocity":
            velocity = int(value)
        else:
            instrument["drum" if kind == "kit" else "notes"] = int(value)
    return notes


@lru_cache(maxsize=1 << 14)
def _sum(prefix: str, positions: int, grid: int) -> tuple[str, ...]:
    """A duration or a shift as tokens."""
    part = LONG * grid
    if positions <= part:
        return (prefix + spell_beats(positions, grid),)
    while part * LONG <= positions:
        part *= LONG
    rest = _sum(prefix, positions - part, grid) if positions > part else ()
    return (prefix + spell_beats(part, grid), *rest)
