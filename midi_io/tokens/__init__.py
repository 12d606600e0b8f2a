"""Notes to tokens and back, in three schemes; the spelling of each is told in words.py.

chord    what is struck together and the beats until the next event are one word; for melodies with chords
note     a chord is spelled note by note; loses nothing, with instruments, velocities and drums
paper    what is struck together is one word; no durations
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from midi_io.notes import Note, quantise
from midi_io.tokens.chord import decode_chords, decode_paper, encode_chords, encode_paper
from midi_io.tokens.note import decode_note, encode_note
from midi_io.tokens.words import END, SCHEMES, SPECIALS, START, UNK, TokenError, Word, checked, parse, spell

__all__ = [
    "END",
    "SCHEMES",
    "START",
    "UNK",
    "TokenError",
    "decode",
    "encode",
    "guess_scheme",
    "spelling_cost",
    "transpose_token",
]

_CHOICES = {"drum": 88, "velocity": 127, "program": 128, "kit": 128}  # as many drums as piano keys: the same price


def encode(notes: Iterable[Note], scheme: str, grid: int = 12) -> list[str]:
    """The tokens of a song, its notes put on a grid of `grid` positions per beat; no `<start>` and `<end>` among them.

    Decoding and encoding them again gives the same tokens.  Raises ValueError if there is no such scheme.
    """
    encoder = {"chord": encode_chords, "note": encode_note, "paper": encode_paper}[checked(scheme)]
    grid = _grid_of(scheme, grid)
    return encoder(quantise(notes, grid), grid)


def decode(tokens: Iterable[str], scheme: str, grid: int = 12) -> list[Note]:
    """The notes that tokens of a scheme stand for, in any order of tokens, put on the grid.

    Ignores `<start>` and `<unk>`, and stops at `<end>`.  Decoding a song's `note` tokens gives its quantised notes.
    Raises TokenError for a token that is none of the scheme's, with its place; ValueError if there is no such scheme.
    """
    decoder = {"chord": decode_chords, "note": decode_note, "paper": decode_paper}[checked(scheme)]
    return quantise(decoder(_words(tokens, scheme)), _grid_of(scheme, grid))


def transpose_token(token: str, semitones: int, scheme: str) -> str | None:
    """The token with its pitches `semitones` higher (drums stay); None where one would leave 0..127."""
    word = parse(token, scheme)
    if not word.pitches:
        return token
    pitches = tuple([pitch + semitones for pitch in word.pitches])
    return spell(word._replace(pitches=pitches)) if min(pitches) >= 0 and max(pitches) <= 127 else None


def spelling_cost(token: str, scheme: str, durations: int) -> float:
    """Nats it takes to spell a token the vocabulary lacks: ln 88 for each pitch, ln `durations` for a number of beats,
    and the logarithm of the number of choices for a velocity, an instrument or a drum.

    durations: how many different numbers of beats there are to choose from, at least 1.
    """
    word = parse(token, scheme)
    choices = _CHOICES.get(word.kind, durations if word.value else 1)
    return len(word.pitches) * math.log(88) + math.log(choices)


def guess_scheme(tokens: Iterable[str]) -> str:
    """The scheme of a song's tokens, told by the first that belongs to one scheme only.

    `paper` if none does: then they are single pitches, or nothing at all.
    """
    for token in tokens:
        fitting = [scheme for scheme in SCHEMES if _is_token(token, scheme)]
        if len(fitting) == 1:
            return fitting[0]
    return "paper"


def _is_token(token: str, scheme: str) -> bool:
    try:
        parse(token, scheme)
    except TokenError:
        return False
    return True


def _words(tokens: Iterable[str], scheme: str) -> Iterator[Word]:
    """The words before `<end>` that say something; a TokenError knows its place."""
    for index, token in enumerate(tokens):
        try:
            word = parse(token, scheme)
        except TokenError:
            raise TokenError(token, scheme, index) from None
        if word.kind == END:
            return
        if word.kind not in SPECIALS:
            yield word


def _grid_of(scheme: str, grid: int) -> int:
    """The grid itself; for `paper` one that has the half beats, too."""
    return math.lcm(grid, 2) if scheme == "paper" else grid
