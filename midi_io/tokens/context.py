"""What the tune so far says about its next token: the clock and the echo.

An LSTM forgets.  So each step of a network is told, beside its token, a few integers that follow from the ids alone:

    clock    place     the place in the bar, in sixteenths, of each meter that is known (4/4, 3/4, 6/8, 9/8)
             within    the place in the beat, exactly: in the smallest steps that sixteenths and the grid share
             bar       the bar's number in its phrase of eight bars, 0..7; an upbeat is the bar before the first
             phrase    how many phrases have gone by
             home      the token of the lowest note so far that is the tonic; 0 where there is none
             top, low  the highest and the lowest line of the instrument that plays: the token that leads each, before
                       this moment.  A note that is held leads until a higher (lower) one begins.  0: there is none.
                       A chord token counts as its lowest note
    echo     echo      the token that followed an earlier passage which equals the last tokens; 0 where there is none
             run       how many tokens are equal, in classes (RUNS); 0 where there is no echo
             ago       how many bars ago the passage was, in classes (AGO); 0 where there is no echo
    voices   own, drum the same of the instrument that plays, and of the drums, for its own notes and lengths: the token
             that it would say now; <end> where it would say none; 0 where it has no echo
             own_run, drum_run   how many of its tokens are equal, in classes
             turn      the program of another voice that would play now; 0 where there is none
             wait      how long no voice would, in the smallest steps; 0 where none has an echo, 1 for now

The voices belong to the echo, and are there where songs have several instruments or drums.

Row n is what the network is told while it reads ids[n], before it predicts ids[n + 1].  It depends on ids[: n + 1] and
on nothing else: whole songs are read by the very step that goes along with a song while it is written (hearing.py).
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from midi_io.disk import Array
from midi_io.music.meter import PATTERNS, PLACES
from midi_io.music.statistics import PHRASE
from midi_io.tokens import SCHEMES, echo, hearing
from midi_io.tokens.words import END, IN_ALL_SCHEMES, METERS
from midi_io.vocabulary import Vocabulary

Step: TypeAlias = Callable[[Array, Array], Array]
Walk: TypeAlias = Callable[[], Callable[[int], Array]]

KINDS = {  # the columns of each
    "none": slice(0), "clock": slice(hearing.CLOCK), "echo": slice(hearing.CLOCK, None), "both": slice(None),
}  # fmt: skip
IDS = ("home", "top", "low", "echo", "own", "drum", "turn")  # the features that are tokens


class Context:
    """The features of one vocabulary's songs.

    kind: one of KINDS.  meter: of all songs, where it is told and is one of PATTERNS.  A file that tells none is said
    to be in 4/4, so for 4/4 the notes decide, as they do without a meter.  A song that begins with its meter keeps it.
    barred: the bars of all songs begin at 0, as they do where there are drums.
    names, sizes: of the features, in the order of the columns; a feature's values are 0..size - 1.
    id_columns: the columns that hold ids of tokens, and move with a transposition.

    Raises TokenError for a token that is none of the vocabulary's scheme, KeyError if there is no such kind.
    """

    def __init__(self, vocabulary: Vocabulary, kind: str = "both", meter: tuple[int, int] | None = None) -> None:
        V = len(vocabulary)
        beat, runs, ago = math.lcm(vocabulary.grid, PLACES), len(echo.RUNS) + 1, len(echo.AGO) + 1
        sizes: tuple[int, ...] = (hearing.METER_PLACES, beat, PHRASE, hearing.PHRASES, V, V, V, V, runs, ago)
        sizes += (V, runs, V, runs, V, echo.SOON * beat + 3)
        self._band = any(word.kind in ("program", "drum") for word in vocabulary.words)
        told = range(len(sizes) if self._band else len(sizes) - echo.VOICES)[KINDS[kind]]
        self.kind, self._columns = kind, slice(told.start, told.stop)
        self.names, self.sizes = hearing.COLUMNS[self._columns], sizes[self._columns]
        self.id_columns = tuple(k for k, name in enumerate(self.names) if name in IDS)
        self._words, self._unit = _words(vocabulary)
        self._end = vocabulary.tokens.index(END)
        self._meter = list(PATTERNS).index(meter) if meter in PATTERNS else 0
        self.barred = any(word.kind == "drum" for word in vocabulary.words)

    def _blank(self, count: int, total: int) -> tuple[Array, Array, Array]:
        return hearing.blank(count, total, self._meter, self.barred, self._band)

    def of_songs(self, flat: Array, offsets: Array) -> Array:
        """(N, F) in the smallest unsigned type, for songs end to end: song k is flat[offsets[k] : offsets[k + 1]]."""
        rows = np.zeros((len(flat), len(self.sizes)), np.min_scalar_type(max((1, *self.sizes)) - 1))
        for begin, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
            ids = flat[begin:end].astype(np.int64)
            rows[begin:end] = self.begin(1, len(ids))(ids, np.zeros_like(ids))
        return rows

    def begin(self, count: int, total: int) -> Step:
        """Begin `count` songs of at most `total` ids.  The answer goes along with them:

        step(ids (n,), songs (n,)) -> (n, F) ints: told the next id of each of some songs, from the first id on.
        """
        places, newest, songs = self._blank(count, total)

        def step(ids: Array, numbers: Array) -> Array:
            rows = np.empty((len(ids), len(hearing.COLUMNS)), np.int64)
            hearing.read_ids(places, newest, songs, self._words, self._unit, ids, numbers, rows)
            return rows[:, self._columns]

        return step

    def endings(
        self, walk: Walk, bars: int | None = None, tokens: int | None = None, *, anywhere: bool = False
    ) -> Walk:
        """A walk (see may_follow) on which a song ends over its tonic, and after a number of bars where one is given.

        The end may follow where the bass that sounds is the tonic of the notes so far; with `anywhere`, over any bass.
        With `bars`, it may follow only where the last of so many bars is full, or full without the upbeat, which is no
        bar itself.  Time does not go beyond them, and a song whose time has come to their end has ended.  Where no step
        in time is short enough, the end may follow over any bass, and it does when this moment has as many tokens as
        the one before.  Where nothing else could follow, the end may.  After a number of `tokens`, a song ends over its
        next tonic.  Raises ValueError for less than one bar.
        """
        if bars is not None and bars < 1:
            raise ValueError(f"a song has one bar or more, not {bars}")
        advance = self._words["advance"]

        def begin() -> Callable[[int], Array]:
            allowed, song, heard, now, before = walk(), self._blank(1, 1)[2][0], 0, 0, 1

            def ending(token: int) -> Array:
                nonlocal heard, now, before  # tokens: of the song, of this moment, of the moment before
                mask, heard = allowed(token), heard + 1
                now, before = (0, max(now, 1)) if advance[token] else (now + 1, before)
                hearing.play(song, self._words[token], token, self._unit)
                at_home, full, left = hearing.cadence(song, self._unit, bars or 0)
                narrowed = mask & (advance <= left) if bars else mask.copy()
                stuck = bars is not None and not (narrowed & (advance > 0)).any()
                narrowed[self._end] &= full and (at_home or anywhere or stuck)
                late = tokens is not None and heard > tokens and at_home and narrowed[self._end]
                over = bars is not None and left <= 0
                if late or over or (stuck and now >= before and mask[self._end]):
                    narrowed[:] = False
                    narrowed[self._end] = True
                if not narrowed.any():
                    narrowed[self._end] = mask[self._end]
                return narrowed if narrowed.any() else mask

            return ending

        return begin


def _words(vocabulary: Vocabulary) -> tuple[Array, int]:
    """What each token does, as WORDs, and how many positions of time make a beat: the grid has sixteenths, too."""
    beats, unit = SCHEMES[vocabulary.scheme].beats, math.lcm(vocabulary.grid, PLACES)
    words = np.zeros(len(vocabulary), hearing.WORD)
    row: Any
    for row, word in zip(words, vocabulary.words, strict=True):
        kind, pitches, value = word
        row["advance"] = 0 if kind in IN_ALL_SCHEMES else min(round(beats(word) * unit), hearing.FARTHEST)
        row["notes"], row["bass"] = len(pitches), min(pitches, default=0)
        row["length"] = row["advance"] if pitches else 0  # 0 for notes of scheme note: their instrument knows
        row["classes"] = np.bincount(np.array(pitches, int) % 12, minlength=12)
        row["sets"] = echo.SETS.get(kind, 0)
        row["value"] = min(round(value * (unit if kind == "duration" else 1)), hearing.FARTHEST)
        if kind in METERS:
            row["sets"], row["value"] = echo.METER, METERS.index(kind) + 1
    return words, unit
