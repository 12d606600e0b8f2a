"""Notes to tokens and back.  A scheme is a way to spell; each has a file of its own, which describes it.

note     a chord is spelled note by note; loses nothing, with instruments, velocities and drums
chord    what is struck together and the beats until the next event are one word; for melodies with chords
paper    what is struck together is one word; no durations

A song may begin with its meter, in any scheme: `3/4`.
"""

import math
from collections.abc import Iterable
from functools import lru_cache
from itertools import takewhile

from midi_io.notes import Note, quantise
from midi_io.tokens.chord import CHORD, PAPER
from midi_io.tokens.note import NOTE
from midi_io.tokens.words import END, IN_ALL_SCHEMES, METERS, START, UNK, TokenError, Word, spell_pitches

__all__ = ["END", "SCHEMES", "START", "UNK", "TokenError", "decode", "encode", "parse",
           "spelling_cost", "transpose_token"]  # fmt: skip

SCHEMES = {scheme.name: scheme for scheme in (CHORD, NOTE, PAPER)}
_CHOICES = {  # as many drums as piano keys: the same price
    "drum": 88, "velocity": 127, "program": 128, "kit": 128, **dict.fromkeys(METERS, len(METERS)),
}  # fmt: skip


def encode(
    notes: Iterable[Note], scheme: str = "note", grid: int = 12, meter: tuple[int, int] | None = None
) -> list[str]:
    """The tokens of a song, its notes put on a grid of `grid` positions per beat; no `<start>` and `<end>` among them.

    meter: the song begins with it, one of METERS, if it is told.
    Decoding and encoding them again gives the same tokens.  Raises KeyError if there is no such scheme.
    """
    spelling = SCHEMES[scheme]
    grid = math.lcm(grid, spelling.divide)
    begin = ["{}/{}".format(*meter)] if meter else []
    return begin + spelling.encode(quantise(notes, grid), grid)


def decode(tokens: Iterable[str], scheme: str = "note", grid: int = 12) -> list[Note]:
    """The notes that tokens of a scheme stand for, in any order of tokens, put on the grid.

    Ignores `<start>`, `<unk>` and meters, and stops at `<end>`.  Decoding a song's `note` tokens gives its quantised
    notes.  Raises TokenError for a token that is none of the scheme's, KeyError if there is no such scheme.
    """
    spelling = SCHEMES[scheme]
    words = takewhile(lambda word: word.kind != END, (parse(token, scheme) for token in tokens))
    notes = spelling.decode(word for word in words if word.kind not in IN_ALL_SCHEMES)
    return quantise(notes, math.lcm(grid, spelling.divide))


@lru_cache(maxsize=1 << 16)
def parse(token: str, scheme: str) -> Word:
    """Take a token apart.  Raises TokenError if it is no token of the scheme, KeyError if there is no such scheme."""
    spelling = SCHEMES[scheme]
    try:
        return Word(token) if token in IN_ALL_SCHEMES else spelling.parse(token)
    except ValueError:
        shown = ascii(token if len(token) <= 40 else token[:37] + "...")
        raise TokenError(f"{shown} is no token of scheme {scheme!r} (such as {spelling.example})") from None


def transpose_token(token: str, semitones: int, scheme: str) -> str | None:
    """The token with its pitches `semitones` higher (drums stay); None where one would leave 0..127."""
    pitches = parse(token, scheme).pitches
    higher = [pitch + semitones for pitch in pitches]
    inside = all(0 <= pitch <= 127 for pitch in higher)
    return token.replace(spell_pitches(pitches), spell_pitches(higher), 1) if inside else None


def spelling_cost(token: str, scheme: str, durations: int) -> float:
    """Nats it takes to spell a token the vocabulary lacks: ln 88 for each pitch, ln `durations` for a number of beats,
    and the logarithm of the number of choices for a velocity, an instrument, a drum or a meter.

    durations: how many different numbers of beats there are to choose from, at least 1.
    """
    word = parse(token, scheme)
    choices = _CHOICES.get(word.kind, durations if word.value else 1)
    return len(word.pitches) * math.log(88) + math.log(choices)
