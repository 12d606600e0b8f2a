"""Which units of a network follow something that a musician would name?

A song is read moment by moment (what is struck together is a moment), once by the network and once by a musician, who
says of each whether it stands on the beat, opens a bar, and so on.  A unit follows such a name if the two rows of
numbers go up and down together: if the absolute value of their correlation r is large.  With six times 256 rows to
choose from something always correlates, so each finding stands beside three others:

    heard    r on songs that had no part in choosing the unit, and none in training it
    chance   the largest |r| of any unit when the network reads one song and the musician another: the names of all
             songs are put in another order and turned around by a random number of moments, so that every name stays as
             frequent and as regular as it is.  The greatest of many such draws
    fresh    the same search in a network that has learned nothing: what the notes themselves give away
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from lstm_numpy.model import forward
from lstm_numpy.parameters import Arrays, layer_names
from midi_io import Song, Vocabulary, quantise
from midi_io.tokens import parse
from midi_io.tokens.context import Context

Array: TypeAlias = npt.NDArray[Any]

QUANTITIES = ("i", "f", "o", "g", "c", "h")
DRAWS = 100
LEARNED = "learned"


@dataclass(frozen=True)
class Reading:
    """A song, moment by moment: what the network reads, and what there is to hear."""

    song: Song
    ids: Array  # (tokens + 1,) from <start> on
    last: Array  # (n,) the place in ids of the last note of each moment
    pitches: list[tuple[int, ...]]  # (n) that are struck, from low to high; none where only drums are
    onsets: Array  # (n,) beats
    ends: Array  # (n,) where the next moment begins; at the end, where the last note ends
    told: Array | None = None  # (tokens + 1, F) the features that the network is told beside the ids, if any

    @classmethod
    def of(cls, song: Song, vocabulary: Vocabulary, context: Context | None = None) -> Reading:
        """context: what a network with features is told.  ValueError if the song has no note with a pitch."""
        scheme, grid = vocabulary.scheme, vocabulary.grid
        tokens = vocabulary.encode(song.notes)
        struck: dict[float, list[int]] = {}
        for note in quantise(song.notes, grid):
            if scheme == "note" or not note.drum:  # the other schemes leave drums out
                struck.setdefault(note.start, []).extend([] if note.drum else [note.pitch])
        if not any(struck.values()):
            raise ValueError("no note with a pitch")
        onsets = np.array(sorted(struck))
        ends = np.append(onsets[1:], max(note.start + note.duration for note in song.notes))
        ids = vocabulary.ids(["<start>", *tokens])
        pitches = [tuple(sorted(set(struck[onset]))) for onset in onsets.tolist()]
        told = context.of_songs(ids, np.array([0, len(ids)])) if context and context.sizes else None
        return cls(song, ids, last_of_each_moment(tokens, scheme) + 1, pitches, onsets, ends, told)


def last_of_each_moment(tokens: Sequence[str], scheme: str) -> Array:
    """The places of the tokens with which moments are complete: in scheme note, of the last note before a shift."""
    places: list[int] = []
    moved = True
    for place, token in enumerate(tokens):
        kind = parse(token, scheme).kind
        if kind in ("notes", "drum"):
            if moved or scheme != "note":
                places.append(place)
            places[-1] = place
            moved = False
        elif kind == "shift":
            moved = True
    return np.array(places)


def activations(params: Arrays, reading: Reading, layer: int) -> Array:
    """(n, 6, H): i, f, o, g, c and h of every unit, when all that is struck at a moment has been read."""
    told = None if reading.told is None else reading.told[:, None]
    step = forward(params, reading.ids[:, None].astype(np.intp), context=told)[2][layer_names(params)[layer - 1]]
    rows = step.i, step.f, step.o, step.g, step.c[1:], step.h[1:]
    return np.stack([row[reading.last, 0] for row in rows], axis=1)


# What a musician would say of each moment.


def beat_length(meter: tuple[int, int]) -> float:
    """In quarter notes: 6/8, 9/8 and 12/8 are counted in threes of eighths."""
    return 1.5 if meter[1] == 8 and meter[0] in (6, 9, 12) else 4 / meter[1]


def bar_length(meter: tuple[int, int]) -> float:
    return 4 * meter[0] / meter[1]


def on_the_beat(reading: Reading) -> Array:
    return divides(beat_length(reading.song.meter), reading.onsets)


def opens_a_bar(reading: Reading) -> Array:
    return divides(bar_length(reading.song.meter), reading.onsets)


def last_bar_of_four(reading: Reading) -> Array:
    """Phrases of most tunes have four bars, or eight; counted from the first whole bar: an upbeat is in none."""
    bar = bar_length(reading.song.meter)
    upbeat = not divides(bar, reading.onsets[:1])[0]
    number = np.floor(reading.onsets / bar + 1e-6) - np.floor(reading.onsets[0] / bar + 1e-6) - upbeat
    return np.asarray((number >= 0) & (number % 4 == 3))


def last_bar_of_all(reading: Reading) -> Array:
    return np.asarray(reading.onsets > reading.ends[-1] - bar_length(reading.song.meter) - 1e-6)


def chord_changes(reading: Reading) -> Array:
    """A chord is struck, and its lower notes are not those of the chord before."""
    below = lower_notes(reading)
    return np.array([now != before for before, now in zip([(), *below], below, strict=False)])


def home(reading: Reading) -> Array:
    """The chord that sounds has the bass of the last one, on which tunes end: the tonic."""
    basses = [notes[0] % 12 if notes else -1 for notes in lower_notes(reading)]
    return np.asarray(np.array(basses) == tonic(reading))


def minor(reading: Reading) -> Array:
    """The last chord has a minor third: true or false for a whole song."""
    classes = {(pitch - tonic(reading)) % 12 for pitch in lower_notes(reading)[-1]}
    return np.full(len(reading.onsets), 3 in classes)


def counted_in_threes(reading: Reading) -> Array:
    return np.full(len(reading.onsets), beat_length(reading.song.meter) == 1.5)


def key_of(pitch_class: int) -> Callable[[Reading], Array]:
    return lambda reading: np.full(len(reading.onsets), tonic(reading) == pitch_class)


def higher_than_before(reading: Reading) -> Array:
    top = top_notes(reading)
    return np.append(False, top[1:] > top[:-1])


def top_notes(reading: Reading) -> Array:
    """(n,) MIDI pitches; where only drums are struck, the one before."""
    top: list[int] = []
    for pitches in reading.pitches:
        top.append(pitches[-1] if pitches else top[-1] if top else 0)
    return np.array(top)


def lower_notes(reading: Reading) -> list[tuple[int, ...]]:
    """Of each moment, the chord that sounds below the melody: it is struck with one note and rings on."""
    below: list[tuple[int, ...]] = []
    for pitches in reading.pitches:
        below.append(pitches[:-1] if len(pitches) > 1 else below[-1] if below else ())
    return below


def tonic(reading: Reading) -> int:
    """The pitch class of the last chord's bass; of the last note, where no chord was struck."""
    last = lower_notes(reading)[-1]
    return (last[0] if last else int(top_notes(reading)[-1])) % 12


def gone_on(reading: Reading) -> Array:
    return np.asarray(reading.onsets - reading.onsets[0])


def divides(length: float, times: Array) -> Array:
    away = np.abs(times / length - np.round(times / length))
    return np.asarray(away < 1e-6)


NAMES: dict[str, Callable[[Reading], Array]] = {
    "the note is high": top_notes,
    "the note is long": lambda reading: reading.ends - reading.onsets,
    "the melody goes up": higher_than_before,
    "on the beat": on_the_beat,
    "first in its bar": opens_a_bar,
    "a chord is struck": lambda reading: np.array([len(pitches) > 1 for pitches in reading.pitches]),
    "a new chord": chord_changes,
    "the chord of home": home,
    "counted in threes": counted_in_threes,
    "in minor": minor,
    "in D": key_of(2),
    "in G": key_of(7),
    "in A": key_of(9),
    "how long it has gone on": gone_on,
    "last bar of four": last_bar_of_four,
    "last bar of all": last_bar_of_all,
}


# The statistic.


class Finding(NamedTuple):
    """The unit that follows a name best."""

    name: str
    quantity: str  # one of QUANTITIES
    unit: int
    r: float  # on the songs where it was found
    heard: float  # r on other songs
    chance: float
    fresh: float  # |r|, on the other songs, of the best unit of a network that has learned nothing

    @property
    def verdict(self) -> str:
        """Beyond chance where it was found, and again, with the same sign, on other songs; and learned, not given."""
        if min(abs(self.r), math.copysign(self.heard, self.heard * self.r)) <= self.chance:
            return "not beyond chance"
        return LEARNED if abs(self.heard) > self.fresh else "not learned"


def named(readings: Sequence[Reading]) -> list[Array]:
    """Of each song (n, names): what the musician says of each moment, as numbers."""
    return [np.stack([hear(reading) for hear in NAMES.values()], axis=1).astype(np.float64) for reading in readings]


def correlations(units: Array, said: Array) -> Array:
    """Pearson's r of each column of units (n, U) with each of said (n, F): (U, F); 0 where one of them never moves."""
    units, said = (standardised(rows) for rows in (units, said))
    return units.T @ said / len(units)


def standardised(rows: Array) -> Array:
    rows = rows - rows.mean(axis=0)
    spread = rows.std(axis=0)
    return np.asarray(rows / np.where(spread < 1e-7, np.inf, spread), np.float32)


def chance(units: Array, said: Sequence[Array], rng: np.random.Generator) -> Array:
    """(F,): the largest |r| of any unit with each name, in the greatest of DRAWS draws of songs that do not match."""
    units = standardised(units)
    largest = np.zeros(said[0].shape[1])
    for _ in range(DRAWS):
        others = np.concatenate([said[k] for k in rng.permutation(len(said))])
        others = np.roll(others, rng.integers(len(others)), axis=0)
        r = units.T @ standardised(others) / len(units)
        largest = np.maximum(largest, np.abs(r).max(axis=0))
    return largest


def search(
    params: Arrays,
    fresh: Mapping[str, Array],
    layer: int,
    found_on: Sequence[Reading],
    heard_on: Sequence[Reading],
    rng: np.random.Generator,
) -> list[Finding]:
    """For each name the unit that follows it best on the songs found_on, and how it does on heard_on."""
    said, said_there = named(found_on), np.concatenate(named(heard_on))

    def of_all(weights: Arrays, readings: Sequence[Reading]) -> Array:
        rows = np.concatenate([activations(weights, reading, layer) for reading in readings])
        return rows.reshape(len(rows), -1)

    units = of_all(params, found_on)
    r, r_there = correlations(units, np.concatenate(said)), correlations(of_all(params, heard_on), said_there)
    r_fresh = correlations(of_all(dict(fresh), found_on), np.concatenate(said))
    r_fresh_there = correlations(of_all(dict(fresh), heard_on), said_there)
    by_chance = chance(units, said, rng)
    findings = []
    for k, name in enumerate(NAMES):
        best, best_fresh = np.abs(r[:, k]).argmax(), np.abs(r_fresh[:, k]).argmax()
        row, unit = divmod(int(best), len(params[f"lstm{layer}.Wh"]))
        quantity = QUANTITIES[row]
        fresh_r = abs(float(r_fresh_there[best_fresh, k]))
        heard = float(r_there[best, k])
        findings.append(Finding(name, quantity, unit, float(r[best, k]), heard, float(by_chance[k]), fresh_r))
    return findings
