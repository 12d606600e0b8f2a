"""What one token says, and how it is spelled.

A `Word` is a token taken apart.  Every question about a token that is not a question of time (what it would be three
semitones higher, which other token is nearest to it, what may follow it) is asked of its word.

    scheme   token            word
    chord    C4.E4.G4:1/2     notes, pitches (60, 64, 67), value 1/2: struck together, half a beat until the next event
             rest:1           rest, value 1
    paper    C4.E4.G4         notes, pitches (60, 64, 67)
    note     C4               notes, pitches (60,)
             drum36           drum, value 36: a key of the drum kit
             :1/2             duration, value 1/2: the notes from here on last half a beat
             v80              velocity, value 80
             i40              program, value 40: a violin plays from here on
             kit8             kit, value 8: the same for drums
             +1/2             shift, value 1/2: half a beat passes
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from midi_io.notes import pitch_name

SCHEMES = ("chord", "note", "paper")
START, END, UNK = SPECIALS = ("<start>", "<end>", "<unk>")

NAMES = tuple(pitch_name(pitch) for pitch in range(128))
PITCH_OF = {name: pitch for pitch, name in enumerate(NAMES)}
PREFIXES = {"duration": ":", "velocity": "v", "program": "i", "kit": "kit", "drum": "drum", "shift": "+"}

_NUMBER = re.compile(r"(0|[1-9][0-9]{0,2})", re.ASCII)
_BEATS = re.compile(r"([1-9][0-9]{0,11})(?:/([1-9][0-9]{0,11}))?", re.ASCII)
_LETTER = re.compile(r"(:|\+|v|i|kit|drum)([0-9/]+)", re.ASCII)
_KINDS = {prefix: kind for kind, prefix in PREFIXES.items()}
_EXAMPLES = {"chord": "C4.E4.G4:1/2 or rest:1", "paper": "C4.E4.G4", "note": "C4, drum36, :1/2, v80, i40, kit8 or +1/2"}


class TokenError(ValueError):
    """A text that is no token of its scheme, in one line.  `index` is its place in a list of tokens, from 0, if any."""

    def __init__(self, token: str, scheme: str, index: int | None = None) -> None:
        shown = ascii(token if len(token) <= 40 else token[:37] + "...")
        place = "" if index is None else f"line {index + 1}: "
        super().__init__(f"{place}{shown} is no token of scheme {scheme!r} (such as {_EXAMPLES[scheme]})")
        self.token, self.scheme, self.index = token, scheme, index


class Word(NamedTuple):
    """A token taken apart.  Its kinds stand at the top of this page; the special tokens are kinds of their own."""

    kind: str
    pitches: tuple[int, ...] = ()  # low to high, all different
    value: Fraction | int = 0  # beats, a MIDI number, or 0 where nothing is given


def checked(scheme: str) -> str:
    """The scheme itself.  Raises ValueError if there is none of that name."""
    if scheme not in SCHEMES:
        raise ValueError(f"no token scheme {scheme!r}: choose one of {', '.join(SCHEMES)}")
    return scheme


@lru_cache(maxsize=1 << 14)
def spell_beats(positions: int, grid: int) -> str:
    """`positions` of a grid with `grid` to the beat, as beats in lowest terms: 6 of 12 are "1/2", 18 "3/2", 12 "1"."""
    return str(Fraction(positions, grid))


def spell(word: Word) -> str:
    """The token of a word: the inverse of `parse`."""
    if word.kind == "notes":
        names = ".".join([NAMES[pitch] for pitch in word.pitches])
        return f"{names}:{word.value}" if word.value else names
    if word.kind == "rest":
        return f"rest:{word.value}"
    return f"{PREFIXES[word.kind]}{word.value}" if word.kind in PREFIXES else word.kind


@lru_cache(maxsize=1 << 16)
def parse(token: str, scheme: str) -> Word:
    """Take a token apart.  Raises TokenError if it is no token of the scheme, ValueError if there is no such scheme."""
    if token in SPECIALS:
        return Word(token)
    checked(scheme)
    try:
        if scheme == "note":
            return _parse_letter(token)
        if scheme == "paper":
            return Word("notes", _pitches(token))
        names, _, beats = token.rpartition(":")
        return Word("rest", (), _beats(beats)) if names == "rest" else Word("notes", _pitches(names), _beats(beats))
    except ValueError:
        raise TokenError(token, scheme) from None


def _parse_letter(token: str) -> Word:
    if token in PITCH_OF:
        return Word("notes", (PITCH_OF[token],))
    match = _LETTER.fullmatch(token)
    if not match:
        raise ValueError
    kind, text = _KINDS[match[1]], match[2]
    if kind in ("duration", "shift"):
        return Word(kind, (), _beats(text))
    number = int(text) if _NUMBER.fullmatch(text) else -1
    if not (kind == "velocity") <= number <= 127:  # a velocity of 0 would be no note
        raise ValueError
    return Word(kind, (), number)


def _pitches(names: str) -> tuple[int, ...]:
    pitches = tuple([PITCH_OF.get(name, -1) for name in names.split(".")])
    if any(low >= high for low, high in zip((-1, *pitches), pitches, strict=False)):
        raise ValueError
    return pitches


def _beats(text: str) -> Fraction:
    match = _BEATS.fullmatch(text)
    if not match:
        raise ValueError
    return Fraction(int(match[1]), int(match[2] or 1))
