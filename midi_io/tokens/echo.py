"""What a song repeats: its echo, and one for each voice of a band.

The echo.  A place j < n becomes the source of the echo if the 4 tokens up to j equal the 4 tokens up to n, and j stands
a whole number of bars before n; it is the latest such place.  While all notes last equally long, a beat or more, as
in frames, nothing tells the bar, and any whole number of beats will do.  As long as the song and its source agree, the
source is followed.  Where they part, the echo goes on at the same distance in time, with a run of 0 tokens, until 4
tokens are equal again, there or elsewhere.  With drums half the run is left: of a band, one differs and the others go
on.  Within a moment the echo is found again where the song leaves tokens out, says others of the same kind, or says
more.

The voices.  In a band one instrument goes on with something new while the others repeat themselves.  So each program,
and the drums, is a voice, whose notes and lengths have an echo of their own, by the same rules; the 4 tokens must stand
equally far apart in time, too.  Of the echoes of all voices follows who would play now, and what, and how long nobody
would.  A step looks at no more than CANDIDATES places for each echo, so a song of n tokens costs O(n).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np

from midi_io.disk import Array

Function = TypeVar("Function", bound=Callable[..., Any])

SHORTEST = 4  # tokens that are equal where a source is found
RUNS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)  # tokens: where each class of lengths begins
AGO = (1, 2, 3, 4, 5, 8, 9, 12, 16, 17, 24, 32)  # bars: where each class begins
CANDIDATES = 32  # earlier places that a step looks at
RUN_EDGES, AGO_EDGES = np.array(RUNS), np.array(AGO)
DRUMS, SILENT = 128, 1  # the number of that voice; the id, <end>, of a voice that would say nothing now
SOON = 4  # beats: how far a network sees
VOICES = 6  # features of voices, the last of a row

SETS = {"duration": 1, "program": 2, "drum": 3}  # what a token sets, by the kind of its word
DURATION, PROGRAM, DRUM, METER = *SETS.values(), 4
PLACE = np.dtype(  # before: the place of the same bucket before this; last, next, like: the same within its voice
    [("time", "i8"), *[(name, "i4") for name in ("id", "before", "voice", "last", "next", "like")]]
)
VOICE = np.dtype([(name, "i8") for name in ("last", "source", "distance", "run", "token")])  # token: of its program


def kernel(function: Function) -> Function:
    """Compile on first use, and keep the result on disk where some folder for it can be written."""
    try:
        compiled: Any = numba.njit(cache=True, nogil=True)(function)
        if hasattr(compiled, "_cache"):  # numba looks at a function's own file, but hearing.py calls those of this one
            file, here = compiled._cache._cache_file, Path(__file__).stat()
            file._source_stamp = file._source_stamp, here.st_mtime, here.st_size
        return compiled  # type: ignore[no-any-return]
    except RuntimeError:
        return numba.njit(nogil=True)(function)  # type: ignore[return-value]


@kernel
def follow(places: Array, newest: Array, song: Any, words: Array, n: int, step: int) -> None:
    """Find the source of the echo after id n, whole steps before it."""
    if song["source"] >= 0:
        _go_along(places, song, words, n, step)
    if n < SHORTEST - 1:
        return
    key = 0
    for k in range(SHORTEST):
        key = key * 1000003 + int(places[n - k]["id"])
    key = _bucket(key, newest)
    places[n]["before"] = newest[key]
    newest[key] = n
    if song["source"] >= 0 and song["run"] >= SHORTEST:
        return
    j, looked = places[n]["before"], 0
    while j >= 0 and looked < CANDIDATES:
        run = _equal(places, j, n, 0, SHORTEST)
        if run == SHORTEST:
            looked += 1
            distance = places[n]["time"] - places[j]["time"]
            if distance > 0 and distance % step == 0:
                song["run"] = _equal(places, j, n, run, RUNS[-1])
                song["source"], song["distance"] = j, distance
                break
        j = places[j]["before"]
    song["looked"] += looked


@kernel
def _go_along(places: Array, song: Any, words: Array, n: int, step: int) -> None:
    """The source moves on with the song: by a token where both say the same, else to the same place in time.

    Within a moment a token may stand for another of its kind, be left out, or be one more.
    """
    j, before = song["source"] + 1, places[n]["time"] - song["distance"]
    if song["distance"] % step:  # the meter has changed
        song["source"], song["run"] = -1, 0
    elif j < n and places[j]["id"] == places[n]["id"] and places[j]["time"] == before:
        song["source"], song["run"] = j, song["run"] + 1
    elif j < n and places[j]["time"] == before:
        song["run"] = song["run"] // 2 if song["barred"] else 0
        k, limit = j + 1, min(n, j + CANDIDATES)
        while k < limit and places[k]["time"] == before and places[k]["id"] != places[n]["id"]:
            k += 1
        song["looked"] += k - j
        if k < limit and places[k]["time"] == before:  # the song leaves out what the source has
            song["source"], song["run"] = k, 1
        elif places[j - 1]["time"] != before or _alike(words[places[j]["id"]], words[places[n]["id"]]):
            song["source"] = j
        # otherwise the song has more than the source, which waits
    else:
        looked = 0
        while song["source"] + 1 < n and places[song["source"]]["time"] < before and looked < CANDIDATES:
            song["source"] += 1
            looked += 1
        song["run"] = song["run"] // 2 if song["barred"] else 0
        song["looked"] += looked


@kernel
def _bucket(key: int, newest: Array) -> int:
    """Where a key stands in the hash table, whose length is a power of 2."""
    return ((key ^ (key >> 15)) * 2654435761 >> 7) & (len(newest) - 1)


@kernel
def _alike(word: Any, other: Any) -> bool:
    """Whether one may stand for the other: a note for a note, a program for a program."""
    return bool(word["sets"] == other["sets"] and (word["notes"] > 0) == (other["notes"] > 0))


@kernel
def _equal(places: Array, j: int, n: int, known: int, most: int) -> int:
    """How many tokens up to j equal those up to n, counted up to `most`; the first `known` do."""
    while known < most and known <= j and places[j - known]["id"] == places[n - known]["id"]:
        known += 1
    return known


# The voices of a band.


@kernel
def follow_voice(places: Array, newest: Array, song: Any, word: Any, n: int, step: int) -> None:
    """Find the source of the echo of the voice that says id n."""
    if word["sets"] == PROGRAM:
        song["voices"][word["value"]]["token"] = places[n]["id"]
    if not word["notes"] and word["sets"] != DRUM and word["sets"] != DURATION:
        return
    number = DRUMS if word["sets"] == DRUM else song["program"]
    voice = song["voices"][number]
    last, voice["last"] = voice["last"], n
    places[n]["voice"], places[n]["last"], places[n]["next"], places[n]["like"] = number, last, -1, -1
    if last >= 0:
        places[last]["next"] = n
    if voice["source"] >= 0:
        due = j = _due(places, voice, song["now"])
        looked = 0
        while j >= 0 and places[j]["time"] + voice["distance"] == song["now"] and looked < CANDIDATES:
            if places[j]["id"] == places[n]["id"]:
                break
            j, looked = places[j]["next"], looked + 1
        song["looked"] += looked
        if j >= 0 and places[j]["time"] + voice["distance"] == song["now"] and looked < CANDIDATES:
            voice["source"], voice["run"] = j, voice["run"] + 1 if j == due else 1
        else:
            voice["run"] = 0

    key, k = int(number), n
    for _ in range(SHORTEST):
        if k < 0:
            return
        last = places[k]["last"]
        key = (key * 1000003 + int(places[k]["id"])) * 1000003 + int(places[n]["time"] - places[k]["time"])
        k = last
    key = _bucket(key, newest)
    places[n]["like"] = newest[key]
    newest[key] = n
    if voice["source"] >= 0 and voice["run"] >= SHORTEST:
        return
    j, looked = places[n]["like"], 0
    while j >= 0 and looked < CANDIDATES:
        distance = places[n]["time"] - places[j]["time"]
        if distance > 0 and distance % step == 0 and _says_the_same(places, j, n, distance):
            voice["source"], voice["distance"], voice["run"] = j, distance, SHORTEST
            break
        j, looked = places[j]["like"], looked + 1
    song["looked"] += looked


@kernel
def _says_the_same(places: Array, j: int, n: int, distance: int) -> bool:
    """Whether SHORTEST tokens of a voice, up to place j, equal those up to n, at the same distance in time."""
    if places[j]["voice"] != places[n]["voice"]:  # two voices in one bucket
        return False
    for _ in range(SHORTEST):
        if j < 0 or places[j]["id"] != places[n]["id"] or places[n]["time"] - places[j]["time"] != distance:
            return False
        j, n = places[j]["last"], places[n]["last"]
    return True


@kernel
def _due(places: Array, voice: Any, now: int) -> Any:
    """The place that a voice's echo says next, now or later; -1 where there is none.  What it said before is over."""
    due = places[voice["source"]]["next"]
    while due >= 0 and places[due]["time"] + voice["distance"] < now:
        voice["source"], voice["run"] = due, 0
        due = places[due]["next"]
    return due


@kernel
def read_voices(places: Array, song: Any, unit: int, bar: int, row: Array) -> None:
    """The last features: what would follow if each voice went on as its echo does."""
    own = len(row) - VOICES
    drum, turn, wait = own + 2, own + 4, own + 5
    for column in range(own, len(row)):
        row[column] = 0
    some, soonest = False, song["now"] + SOON * unit + 1
    for number in range(DRUMS, -1, -1):
        voice = song["voices"][number]
        if voice["source"] < 0 or voice["distance"] % bar:
            continue
        some = True
        due = _due(places, voice, song["now"])
        if due < 0:
            continue
        time = places[due]["time"] + voice["distance"]
        soonest = min(soonest, time)
        if number == DRUMS or number == song["program"]:
            column = drum if number == DRUMS else own
            row[column] = places[due]["id"] if time == song["now"] else SILENT
            row[column + 1] = np.searchsorted(RUN_EDGES, voice["run"], side="right")
        elif time == song["now"]:
            row[turn] = voice["token"]
    if some:
        row[wait] = soonest - song["now"] + 1
