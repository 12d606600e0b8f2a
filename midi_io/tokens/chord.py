"""Schemes `chord` and `paper`: one event, one word.

An event is what is struck at one moment, by whatever instrument.  Scheme `chord` adds the beats until the next event.
Both leave out velocity, instruments and drums, and the silence before the first event.
"""

from __future__ import annotations

from collections.abc import Iterable

from midi_io.notes import Note
from midi_io.tokens.words import NAMES, Word, spell_beats

RING = 4  # beats: how long the lower notes of a chord sound on at most, under a melody
HALF = 1 / 2  # beat: how long every event of scheme `paper` lasts


def encode_chords(notes: Iterable[Note], grid: int) -> list[str]:
    """Spell quantised notes in scheme `chord`.

    An event lasts until the next one, however long its own notes are; only where nothing sounds for a beat or more does
    it end with the last sounding note, and `rest` fills the gap.  The last event lasts until everything has ended.
    """
    struck, ends = _events(notes, grid)
    onsets = list(struck)
    tokens = []
    sounding = 0  # until here something sounds
    for onset, following in zip(onsets, [*onsets[1:], max(ends.values(), default=0)], strict=False):
        sounding = max(sounding, ends[onset])
        silence = following - sounding
        until = sounding if silence >= grid else following
        tokens.append(f"{_spell_pitches(struck[onset])}:{spell_beats(until - onset, grid)}")
        if silence >= grid:
            tokens.append(f"rest:{spell_beats(silence, grid)}")
    return tokens


def decode_chords(words: Iterable[Word]) -> list[Note]:
    """Notes of `chord` words.

    The top note of an event lasts until the next event, as a melody does; the lower notes ring on, as chords do, until
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


def encode_paper(notes: Iterable[Note], grid: int) -> list[str]:
    """Spell quantised notes in scheme `paper`: the pitches of every event, low to high."""
    return [_spell_pitches(pitches) for pitches in _events(notes, grid)[0].values()]


def decode_paper(words: Iterable[Word]) -> list[Note]:
    """Notes of `paper` words: each event lasts half a beat, and all its notes with it."""
    return [Note(pitch, index * HALF, HALF) for index, word in enumerate(words) for pitch in word.pitches]


def _events(notes: Iterable[Note], grid: int) -> tuple[dict[int, set[int]], dict[int, int]]:
    """What is struck, and when the longest of it ends, by onset in positions of the grid, in order of time."""
    struck: dict[int, set[int]] = {}
    ends: dict[int, int] = {}
    for pitch, start, duration, _, _, drum in notes:
        if drum:
            continue
        onset = round(start * grid)
        struck.setdefault(onset, set()).add(pitch)
        ends[onset] = max(ends.get(onset, 0), onset + round(duration * grid))
    return {onset: struck[onset] for onset in sorted(struck)}, ends


def _spell_pitches(pitches: Iterable[int]) -> str:
    return ".".join([NAMES[pitch] for pitch in sorted(pitches)])
