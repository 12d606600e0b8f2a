"""What a token scheme is, and the words that its tokens stand for."""

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

from midi_io.disk import MidiIoError
from midi_io.notes import Note, pitch_name

START, END, UNK = SPECIALS = ("<start>", "<end>", "<unk>")
METERS = ("4/4", "3/4", "6/8", "9/8")  # as in music.meter.PATTERNS
IN_ALL_SCHEMES = (*SPECIALS, *METERS)  # they take no time
NAMES = tuple(pitch_name(pitch) for pitch in range(128))
_BEATS = re.compile(r"([1-9][0-9]{0,11})(?:/([1-9][0-9]{0,11}))?", re.ASCII)


class Word(NamedTuple):
    """A token taken apart.

    kind: in all schemes `notes`, and the token itself for `<start>`, `<end>`, `<unk>` and a meter; in chord also
    `rest`; in note also `drum`, `duration`, `velocity`, `program`, `kit` and `shift`.
    """

    kind: str
    pitches: tuple[int, ...] = ()  # low to high, all different
    value: Fraction | int = 0  # beats (of notes: to the next event), a MIDI number, or 0 where there is none


class Scheme(NamedTuple):
    """A way to spell songs as tokens.  To add one, write a file like note.py and name it in SCHEMES (__init__.py).

    Which words may follow is an automaton, whose states are anything hashable.
    """

    name: str
    example: str  # of its tokens, for messages
    encode: Callable[[Iterable[Note], int], list[str]]  # quantised notes and their grid -> tokens
    decode: Callable[[Iterable[Word]], list[Note]]  # words of this scheme alone -> notes
    parse: Callable[[str], Word]  # a token, which names its pitches as spell_pitches does -> its word; or ValueError
    beats: Callable[[Word], float]  # how many beats pass with a word
    start: Hashable  # the state before `<start>`
    after: Callable[[Any, Word], Hashable]  # a state and the next word -> the state after it
    allowed: Callable[[Any, Sequence[Word]], list[bool]]  # a state and all words -> which may come next, but no meter
    divide: int = 1  # the grid must be a multiple of this


class TokenError(MidiIoError, ValueError):
    """A text that is no token of its scheme."""


@lru_cache(maxsize=1 << 14)
def spell_beats(positions: int, grid: int) -> str:
    """Positions of a grid with `grid` to the beat, as beats in lowest terms: 6 of 12 are "1/2", 18 "3/2", 12 "1"."""
    return str(Fraction(positions, grid))


def parse_beats(text: str) -> Fraction:
    """The inverse of spell_beats.  Raises ValueError."""
    match = _BEATS.fullmatch(text)
    if not match:
        raise ValueError(text)
    return Fraction(int(match[1]), int(match[2] or 1))


def spell_pitches(pitches: Iterable[int]) -> str:
    """Pitches by name, low to high: C4.E4.G4."""
    return ".".join([NAMES[pitch] for pitch in sorted(pitches)])


def parse_pitches(names: str) -> tuple[int, ...]:
    """The inverse of spell_pitches.  Raises ValueError."""
    pitches = [NAMES.index(name) for name in names.split(".")]
    if pitches != sorted(set(pitches)):
        raise ValueError(names)
    return tuple(pitches)
