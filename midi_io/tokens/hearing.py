"""A song heard token by token: what time it is, where the bar lines are, what its tonic is, and what it repeats.

The meter.  Music puts long notes and chords on the strong places of a bar.  Each moment adds its weight to every
pattern of meter.py at every place; the meter is the pattern that goes best with the notes so far.  The first meter is
4/4 from 0 on, and a meter gives way only to one that is better by STEADY.  Where the meter is told, as by a song that
begins with it, only its bar lines are found so.  The bars of a file begin at 0.  Where songs have drums their notes
stand in these bars, so only the meter is looked for, and not its place: then 84 to 90 of 100 tokens of files in 4/4 are
told the file's bar, and otherwise 51 to 75; where the meter is told, too, all are.  The tonic is that of
statistics.tonic_of, for the notes so far.  What the song repeats is found in echo.py.
"""

from typing import Any

import numpy as np

from midi_io.disk import Array
from midi_io.music.meter import CHORD, LONG, PATTERNS, PLACES, RARE
from midi_io.music.statistics import KEYS, PHRASE
from midi_io.tokens.echo import (
    AGO_EDGES,
    DRUM,
    DRUMS,
    DURATION,
    METER,
    PLACE,
    PROGRAM,
    RUN_EDGES,
    VOICE,
    follow,
    follow_voice,
    kernel,
    read_voices,
)
from midi_io.tokens.note import PLAIN_DURATION

PHRASES = 8  # that are told apart; the last class is "so many and more"
STEADY = 0.03  # of a correlation
FEWEST = 8  # moments that it takes to tell a meter
FARTHEST = 2**40  # positions: the longest duration

COLUMNS = (
    "place", "within", "bar", "phrase", "home", "top", "low", "echo", "run", "ago",
    "own", "own_run", "drum", "drum_run", "turn", "wait",
)  # fmt: skip
CLOCK = 7  # of them
_LENGTHS = np.array([len(pattern) for pattern in PATTERNS.values()])  # of each meter's bar, in sixteenths
_FIRST = np.cumsum([0, *_LENGTHS])  # the number of each meter's first place: 0, 16, 28, 40; 58 in all
METER_PLACES = int(_FIRST[-1])
_STRENGTHS = np.concatenate([(np.array(p) - np.mean(p)) / np.std(p) for p in PATTERNS.values()])
_HANDICAPS = np.array([RARE.get(meter, 0.0) for meter in PATTERNS])
WORD = np.dtype(
    [
        *[(name, "i8") for name in ("advance", "notes", "bass", "length", "sets", "value")],
        ("classes", "f8", (12,)),  # how many of its notes are a C, a C#, ...
    ]
)
# A line: the note that leads it, and the highest (or lowest) note of the newest moment, which may take its place.
LINE = np.dtype([(name, "i8") for name in ("pitch", "token", "until", "new_pitch", "new_token", "new_until", "when")])
SONG = np.dtype(
    [
        *[(name, "i8") for name in ("read", "now", "begun", "first", "program", "said", "notes", "longest", "frame")],
        *[(name, "i8") for name in ("told", "barred", "band")],
        *[(name, "i8") for name in ("meter", "shift", "tonic", "source", "run", "distance", "looked")],
        *[(name, "f8") for name in ("moments", "last", "weight", "squares")],
        *[(name, "i8") for name in ("under", "under_until", "until")],  # the bass that sounds, its end, the end of all
        ("tops", LINE, (128,)),  # of each program: the line of its highest notes,
        ("lows", LINE, (128,)),  # and of its lowest
        ("lengths", "i8", (128,)),  # of each program's last note; 0: it has played none
        ("voices", VOICE, (DRUMS + 1,)),
        ("fits", "f8", (METER_PLACES,)),  # how well each meter goes with the notes, from each place on
        ("sounds", "f8", (12,)),  # how long each pitch class has sounded
        ("bass", "i8", (12,)),  # the lowest note of each pitch class,
        ("lowest", "i8", (12,)),  # and its token
    ]
)


def blank(
    count: int, total: int, meter: int = 0, barred: bool = False, band: bool = False
) -> tuple[Array, Array, Array]:
    """Songs (count,) of which nothing is read; room for the places (count, total) of each; a hash table for each.

    meter: the number in PATTERNS of the meter that is told; 0, which is 4/4: the notes decide.
    barred: a bar begins at 0, as in every file, and only the meter is looked for.  band: there are voices.
    """
    size = 1 << max(total - 1, 1).bit_length() + 1
    songs = np.zeros(count, SONG)
    songs["source"] = songs["begun"] = songs["tonic"] = -1
    songs["bass"] = 128
    songs["meter"] = meter
    songs["told"] = meter + 1 if meter else 0
    songs["barred"], songs["band"] = barred, band
    songs["voices"]["last"] = songs["voices"]["source"] = -1
    return np.zeros((count, total), PLACE), np.full((count, 1 + band, size), -1, np.int32), songs


@kernel
def read_ids(
    places: Array, newest: Array, songs: Array, words: Array, unit: int, ids: Array, numbers: Array, rows: Array
) -> None:
    for k in range(len(ids)):
        s = numbers[k]
        _read(places[s], newest[s], songs[s], words, unit, ids[k], rows[k])


@kernel
def _read(places: Array, newest: Array, song: Any, words: Array, unit: int, token: int, row: Array) -> None:
    """Read one more id of a song, and fill its row of features, in the order of COLUMNS."""
    play(song, words[token], token, unit)
    n = song["read"]
    places[n]["id"], places[n]["time"] = token, song["now"]
    song["read"] = n + 1
    length = _LENGTHS[song["meter"]]
    bar, first = length * unit // PLACES, _first_bar_line(song, unit)

    row[0] = _FIRST[song["meter"]] + (2 * ((song["now"] - first) % bar) * PLACES + unit) // (2 * unit) % length
    row[1] = song["now"] % unit
    gone = (song["now"] - first) // bar
    row[2], row[3] = gone % PHRASE, min(max(gone // PHRASE, 0), PHRASES - 1)
    row[4] = song["lowest"][song["tonic"]] if song["tonic"] >= 0 else 0
    row[5] = _leader(song["tops"][song["program"]], song["now"], 1)
    row[6] = _leader(song["lows"][song["program"]], song["now"], -1)

    follow(places, newest[0], song, words, n, unit if song["frame"] >= unit else bar)
    if song["band"]:
        follow_voice(places, newest[1], song, words[token], n, bar)
        read_voices(places, song, unit, bar, row)
    j = song["source"]
    if j >= 0 and places[j]["time"] + song["distance"] == song["now"]:
        row[7] = places[j + 1]["id"]
        row[8] = np.searchsorted(RUN_EDGES, song["run"], side="right")
        row[9] = np.searchsorted(AGO_EDGES, song["distance"] // bar, side="right")
    else:
        row[7], row[8], row[9] = 0, 0, 0


@kernel
def _strike(line: Any, pitch: int, token: int, now: int, until: int, up: int) -> None:
    """A note begins.  up: 1 for a line of highest notes, -1 for one of lowest notes."""
    _leader(line, now, up)
    if not line["new_token"] or up * pitch > up * line["new_pitch"]:
        line["new_pitch"], line["new_token"], line["new_until"], line["when"] = pitch, token, until, now


@kernel
def _leader(line: Any, now: int, up: int) -> Any:
    """The token that leads a line before this moment.  A note leads unless a higher one was held when it began."""
    if line["new_token"] and line["when"] < now:
        if line["until"] <= line["when"] or up * line["new_pitch"] >= up * line["pitch"]:
            line["pitch"], line["token"], line["until"] = line["new_pitch"], line["new_token"], line["new_until"]
        line["new_token"] = 0
    return line["token"]


@kernel
def _first_bar_line(song: Any, unit: int) -> Any:
    """The first bar line that the first note stands on, or before."""
    bar, shift = _LENGTHS[song["meter"]] * unit // PLACES, song["shift"] * unit // PLACES
    return shift - (shift - max(song["begun"], 0)) // bar * bar


@kernel
def cadence(song: Any, unit: int, bars: int) -> tuple[bool, bool, int]:
    """Whether the bass is the tonic, whether the last of some bars is full, and the time that is left of them."""
    at_home = song["tonic"] < 0 or song["under"] % 12 == song["tonic"]
    first = _first_bar_line(song, unit)
    stop = first + bars * _LENGTHS[song["meter"]] * unit // PLACES
    until = max(song["now"], song["until"])
    return at_home, until >= stop or until == stop - (first - max(song["begun"], 0)), stop - song["now"]


@kernel
def play(song: Any, word: Any, token: int, unit: int) -> None:
    """Move on in time, and let a moment that is over say where the strong places are."""
    if word["sets"] == PROGRAM:
        song["program"] = word["value"]
    elif word["sets"] == DURATION:
        song["said"] += word["value"]
    elif word["sets"] == DRUM:
        song["said"], song["until"] = 0, max(song["until"], song["now"] + 1)
    elif word["sets"] == METER:
        song["told"], song["meter"], song["shift"] = word["value"], word["value"] - 1, 0
    if word["notes"]:
        length = word["length"]
        if length == 0:
            if song["said"]:
                song["lengths"][song["program"]] = song["said"]
            song["said"] = 0
            length = song["lengths"][song["program"]]
            if length == 0:
                length = PLAIN_DURATION * unit
        for pitch_class in range(12):
            song["sounds"][pitch_class] += length * word["classes"][pitch_class]
        if word["bass"] < song["bass"][word["bass"] % 12]:
            song["bass"][word["bass"] % 12], song["lowest"][word["bass"] % 12] = word["bass"], token
        until = song["now"] + length
        if word["bass"] <= song["under"] or song["under_until"] <= song["now"]:
            song["under"], song["under_until"] = word["bass"], until
        song["until"] = max(song["until"], until)
        _strike(song["tops"][song["program"]], word["bass"], token, song["now"], until, 1)
        _strike(song["lows"][song["program"]], word["bass"], token, song["now"], until, -1)
        song["notes"] += word["notes"]
        song["longest"] = max(song["longest"], length)
        if song["begun"] < 0:
            song["begun"], song["first"] = song["now"], word["bass"]
    if word["advance"]:
        if song["notes"]:
            _accent(song, unit)
            _find_tonic(song)
        song["notes"], song["longest"] = 0, 0
        song["now"] += word["advance"]


@kernel
def _accent(song: Any, unit: int) -> None:
    """The moment is over: how long its notes are and whether they are a chord speaks for some meters."""
    if song["frame"] == 0:
        song["frame"] = song["longest"]
    elif song["frame"] != song["longest"]:
        song["frame"] = -1
    place = (2 * song["now"] * PLACES + unit) // (2 * unit)
    weight = 1 + min(song["longest"] / unit, LONG) + CHORD * (song["notes"] > 1)
    song["moments"] += 1
    song["last"] = place
    song["weight"] += weight
    song["squares"] += weight * weight
    for meter in range(len(_LENGTHS)):
        length, first = _LENGTHS[meter], _FIRST[meter]
        for shift in range(length):
            song["fits"][first + shift] += weight * _STRENGTHS[first + (place - shift) % length]
    if song["moments"] < FEWEST:
        return
    total = song["last"] + PLACES
    spread = np.sqrt(max(song["squares"] - song["weight"] * song["weight"] / total, 0.0) * total)
    best = song["fits"][_FIRST[song["meter"]] + song["shift"]] - (_HANDICAPS[song["meter"]] - STEADY) * spread
    for meter in range(len(_LENGTHS)):
        if song["told"] and meter + 1 != song["told"]:
            continue
        for shift in range(1 if song["barred"] else _LENGTHS[meter]):
            fit = song["fits"][_FIRST[meter] + shift] - _HANDICAPS[meter] * spread
            if fit > best:
                best, song["meter"], song["shift"] = fit, meter, shift


@kernel
def _find_tonic(song: Any) -> None:
    """The tonic, as statistics.tonic_of has it; of equals the next above the first note, whatever the transposition."""
    best = 0.0
    for above in range(12):
        tonic = (song["first"] + above) % 12
        for mode in range(2):
            fit = 0.0
            for degree in range(12):
                fit += KEYS[12 * mode, degree] * song["sounds"][(tonic + degree) % 12]
            if fit > best:
                best, song["tonic"] = fit, tonic
