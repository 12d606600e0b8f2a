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
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np

from lstm_numpy.files import Array
from lstm_numpy.model import forward
from lstm_numpy.parameters import Arrays, layer_names
from midi_io import Song, Vocabulary, quantise
from midi_io.played import simplified
from midi_io.tokens import SCHEMES, parse
from midi_io.tokens.context import Context
from midi_io.tokens.words import IN_ALL_SCHEMES, Word

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
        tokens = vocabulary.encode(song.notes, song.told)
        struck: dict[float, list[int]] = {}
        for note in quantise(simplified(song.notes, vocabulary.played), grid):
            if scheme == "note" or not note.drum:  # the other schemes leave drums out
                struck.setdefault(note.start, []).extend([] if note.drum else [note.pitch])
        if not any(struck.values()):
            raise ValueError("no note with a pitch")
        onsets = np.array(sorted(struck))
        ends = np.append(onsets[1:], max(note.start + note.duration for note in song.notes))
        ids = vocabulary.ids(["<start>", *tokens])
        pitches = [tuple(sorted(set(struck[onset]))) for onset in onsets.tolist()]
        told = context.of_songs(ids, np.array([0, len(ids)])) if context and context.sizes else None
        last = last_of_moments([parse(token, scheme) for token in tokens], scheme) + 1
        return cls(song, ids, last, pitches, onsets, ends, told)

    @property
    def bar(self) -> float:
        """The length of a bar, in quarter notes."""
        return 4 * self.song.meter[0] / self.song.meter[1]


def token_beats(words: Sequence[Word], scheme: str) -> list[float]:
    """The beat at which each token is said: what it strikes is struck there, and time that it takes passes after it."""
    takes = [0.0 if word.kind in IN_ALL_SCHEMES else SCHEMES[scheme].beats(word) for word in words]
    return [0.0, *accumulate(takes)][:-1]


def sounding(words: Sequence[Word]) -> list[int]:
    """The places of the tokens that strike something."""
    return [place for place, word in enumerate(words) if word.kind in ("notes", "drum")]


def last_of_moments(words: Sequence[Word], scheme: str) -> Array:
    """The place of the last token of each moment."""
    beats = token_beats(words, scheme)
    return np.array(list({beats[place]: place for place in sounding(words)}.values()), np.intp)


def activations(params: Arrays, reading: Reading, layer: int) -> Array:
    """(n, 6, H): i, f, o, g, c and h of every unit, when all that is struck at a moment has been read."""
    told = None if reading.told is None else reading.told[:, None]
    step = forward(params, reading.ids[:, None].astype(np.intp), context=told)[2][layer_names(params)[layer - 1]]
    rows = step.i, step.f, step.o, step.g, step.c[1:], step.h[1:]
    return np.stack([row[reading.last, 0] for row in rows], axis=1)


def hear(reading: Reading) -> dict[str, Array]:
    """What a musician says of each moment (n,) float64, by name: 1 is yes and 0 is no; or a pitch, or beats.

    Where nothing with a pitch is struck, top and chord are those of the moment before.  The tonic is the bass of the
    last chord, on which tunes end; of the last note, where no chord was struck.
    """
    onsets, bar, (above, below) = reading.onsets, reading.bar, reading.song.meter
    in_threes = below == 8 and above in (6, 9, 12)  # a beat is three eighths
    number = np.floor(onsets / bar + 1e-6)  # of the bar; the first whole one is 0: phrases do not count an upbeat
    number -= number[0] + (not divides(bar, onsets[:1])[0])
    top: list[int] = []
    chords: list[tuple[int, ...]] = [()]  # what is struck below the melody, and rings on
    for pitches in reading.pitches:
        top.append(pitches[-1] if pitches else top[-1] if top else 0)
        chords.append(pitches[:-1] if len(pitches) > 1 else chords[-1])
    basses = [chord[0] % 12 if chord else -1 for chord in chords[1:]]
    tonic = basses[-1] if chords[-1] else top[-1] % 12
    said: dict[str, Any] = {
        "the note is high": top,
        "the note is long": reading.ends - onsets,
        "the melody goes up": np.diff(top, prepend=top[0]) > 0,
        "on the beat": divides(1.5 if in_threes else 4 / below, onsets),
        "first in its bar": divides(bar, onsets),
        "a chord is struck": [len(pitches) > 1 for pitches in reading.pitches],
        "a new chord": [now != before for before, now in pairwise(chords)],
        "the chord of home": np.equal(basses, tonic),
        "counted in threes": in_threes,  # this, and the next four, of a whole song
        "in minor": any((pitch - tonic) % 12 == 3 for pitch in chords[-1]),
        "in D": tonic == 2,
        "in G": tonic == 7,
        "in A": tonic == 9,
        "how long it has gone on": onsets - onsets[0],
        "last bar of four": (number >= 0) & (number % 4 == 3),  # of a phrase: most have four bars, or eight
        "last bar of all": onsets > reading.ends[-1] - bar - 1e-6,
    }
    return {name: np.broadcast_to(np.asarray(answer, np.float64), onsets.shape) for name, answer in said.items()}


def divides(length: float, times: Array) -> Array:
    """(n,) bool: which of the times are multiples of the length."""
    return np.asarray(np.abs(times / length - np.round(times / length)) < 1e-6)


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
    fresh: Arrays,
    layer: int,
    found_on: Sequence[Reading],
    heard_on: Sequence[Reading],
    rng: np.random.Generator,
) -> list[Finding]:
    """For each name the unit that follows it best on the songs found_on, and how it does on heard_on."""
    names = list(hear(found_on[0]))
    said, there = ([np.stack(list(hear(song).values()), axis=1) for song in part] for part in (found_on, heard_on))

    def correlated(weights: Arrays) -> tuple[Array, Array, Array, list[int]]:
        """All units (n, 6H) on found_on, their correlations there and on heard_on, and which is best for each name."""
        parts = ([activations(weights, song, layer) for song in part] for part in (found_on, heard_on))
        units, others = (np.concatenate(part).reshape(sum(map(len, part)), -1) for part in parts)
        r = correlations(units, np.concatenate(said))
        return units, r, correlations(others, np.concatenate(there)), np.abs(r).argmax(axis=0).tolist()

    units, r, heard, best = correlated(params)
    _, _, heard_fresh, best_fresh = correlated(fresh)
    by_chance = chance(units, said, rng)
    findings = []
    for k, row in enumerate(best):
        quantity, unit = divmod(row, len(params[f"lstm{layer}.Wh"]))
        numbers = map(float, (r[row, k], heard[row, k], by_chance[k], abs(heard_fresh[best_fresh[k], k])))
        findings.append(Finding(names[k], QUANTITIES[quantity], unit, *numbers))
    return findings
