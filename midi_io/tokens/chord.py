"""Schemes `chord` and `paper`: one event, one word.

    chord    C4.E4.G4:1/2    struck together, half a beat until the next event
             rest:1          a beat of silence
    paper    C4.E4.G4        struck together; every event lasts half a beat

An event is what is struck at one moment, by any instruments.  Both schemes leave out velocity, instruments and drums,
and the silence before the first event.
"""

from collections.abc import Iterable, Sequence
from itertools import zip_longest

from midi_io.notes import Note
from midi_io.tokens.words import END, UNK, Scheme, Word, parse_beats, parse_pitches, spell_beats, spell_pitches

RING = 4  # beats: how long the lower notes of a chord sound on at most, under a melody
HALF = 1 / 2  # beat: how long every event of scheme `paper` lasts


def encode_chords(notes: Iterable[Note], grid: int) -> list[str]:
    """Spell quantised notes in scheme `chord`.

    An event lasts until the next one, however long its own notes are; only where nothing sounds for a beat or more does
    it end with the last sounding note, and `rest` fills the gap.  The last event lasts until everything has ended.
    """
    struck, ends = _events(notes, grid)
    tokens = []
    sounding = 0  # until here something sounds
    for onset, following in zip_longest(struck, list(struck)[1:], fillvalue=max(ends.values(), default=0)):
        sounding = max(sounding, ends[onset])
        silence = following - sounding
        until = sounding if silence >= grid else following
        tokens.append(f"{spell_pitches(struck[onset])}:{spell_beats(until - onset, grid)}")
        if silence >= grid:
            tokens.append(f"rest:{spell_beats(silence, grid)}")
    return tokens


def decode_chords(words: Iterable[Word]) -> list[Note]:
    """Notes of `chord` words.

    The top note of an event lasts until the next event, as a melody does.  The lower notes ring on, as chords do, until
    the next event of two or more notes, a rest or the end, but for four beats at most.
    """
    notes = []
    now = 0.0
    lower: tuple[int, ...] = ()  # the lower notes of the last chord
    struck = 0.0  # and when it was struck
    for _, pitches, value in [*words, Word("rest")]:
        beats = float(value)
        if len(pitches) != 1:
            notes += [Note(pitch, struck, min(now - struck, RING)) for pitch in lower]
            lower, struck = pitches[:-1], now
        notes += [Note(top, now, beats) for top in pitches[-1:]]
        now += beats
    return notes


def parse_chord(token: str) -> Word:
    """The word of a `chord` token.  Raises ValueError."""
    names, _, beats = token.rpartition(":")
    pitches = () if names == "rest" else parse_pitches(names)
    return Word("notes" if pitches else "rest", pitches, parse_beats(beats))


def encode_paper(notes: Iterable[Note], grid: int) -> list[str]:
    """Spell quantised notes in scheme `paper`: the pitches of every event, low to high."""
    return [spell_pitches(pitches) for pitches in _events(notes, grid)[0].values()]


def decode_paper(words: Iterable[Word]) -> list[Note]:
    """Notes of `paper` words: each event lasts half a beat, and all its notes with it."""
    return [Note(pitch, index * HALF, HALF) for index, word in enumerate(words) for pitch in word.pitches]


def _events(notes: Iterable[Note], grid: int) -> tuple[dict[int, set[int]], dict[int, int]]:
    """What is struck, and when the longest of it ends, by onset in positions of the grid, of quantised notes."""
    struck: dict[int, set[int]] = {}
    ends: dict[int, int] = {}
    for note in notes:
        if not note.drum:
            onset = round(note.start * grid)
            struck.setdefault(onset, set()).add(note.pitch)
            ends[onset] = max(ends.get(onset, 0), onset + round(note.duration * grid))
    return struck, ends


def _allowed(last: str, words: Sequence[Word]) -> list[bool]:
    """Events follow everything except the end; a rest, and the end, follow only an event.  `last`: the last kind."""
    event = last in ("notes", UNK)
    return [(word.kind == "notes" and last != END) or (word.kind in ("rest", END) and event) for word in words]


CHORD = Scheme(
    "chord", "C4.E4.G4:1/2 or rest:1", encode_chords, decode_chords, parse_chord, beats=lambda word: float(word.value),
    start="", after=lambda last, word: word.kind, allowed=_allowed,
)  # fmt: skip
PAPER = CHORD._replace(
    name="paper", example="C4.E4.G4", encode=encode_paper, decode=decode_paper,
    parse=lambda token: Word("notes", parse_pitches(token)), beats=lambda word: HALF, divide=2,
)  # fmt: skip
