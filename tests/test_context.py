"""Clock and echo: what the tune so far says, told for whole songs and while they are written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import config

from midi_io.music.meter import PATTERNS
from midi_io.notes import Note, pitch_name
from midi_io.tokens import echo, encode, hearing
from midi_io.tokens.context import KINDS, Context
from midi_io.tokens.echo import AGO, CANDIDATES, DRUMS, RUNS, SHORTEST, SOON, VOICES
from midi_io.tokens.hearing import CLOCK, COLUMNS
from midi_io.tokens.words import METERS, SPECIALS, Word
from midi_io.vocabulary import Vocabulary, may_follow

Array = np.ndarray[Any, Any]

WORDS = {
    "note": [
        "C4",
        "E4",
        "G4",
        "drum36",
        "drum42",
        "+1/4",
        "+1/2",
        "+1",
        "+4",
        ":1/2",
        ":3",
        "v60",
        "i40",
        "kit8",
        "3/4",
    ],
    "chord": ["C4:1/2", "C4.E4.G4:1", "G4:1/3", "E4:1/4", "rest:1", "A4:3/2", "6/8"],
    "paper": ["C4", "C4.E4.G4", "G4", "E4", "9/8"],
}


def vocabulary(scheme: str) -> Vocabulary:
    return Vocabulary((*SPECIALS, *WORDS[scheme]), scheme)


@st.composite
def songs(draw: st.DrawFn, scheme: str) -> Array:
    """Ids of a song that repeats some of its passages: any tokens, in any order."""
    size = len(vocabulary(scheme))
    passages = draw(st.lists(st.lists(st.integers(2, size - 1), min_size=1, max_size=12), min_size=1, max_size=3))
    order = draw(st.lists(st.integers(0, len(passages) - 1), max_size=10))
    return np.array([0, *(i for k in order for i in passages[k]), 1])


def whole(context: Context, song: Array) -> Array:
    return context.of_songs(song, np.array([0, len(song)]))


def column(context: Context, rows: Array, name: str) -> Array:
    return np.asarray(rows[:, context.names.index(name)]).astype(int)


def tune(bars: list[list[tuple[int, float]]], bar: float, *, upbeat: float = 0.0, program: int = 0) -> list[Note]:
    """A melody of (pitch, beats) bar by bar, with a chord at each bar line."""
    notes, now = [], 0.0
    if upbeat:
        notes.append(Note(67, bar - upbeat, upbeat, program=program))
        now = bar
    for melody in bars:
        notes += [Note(pitch, now, bar, program=program) for pitch in (40, 47)]
        for pitch, beats in melody:
            notes.append(Note(pitch, now, beats, program=program))
            now += beats
    return notes


def read(notes: list[Note], scheme: str, kind: str = "both") -> tuple[Context, Array, Array]:
    """The context, the ids and the features of a song that is a corpus of its own."""
    tokens = encode(notes, scheme)
    known = Vocabulary.build(dict.fromkeys(tokens, 1), 1, scheme)
    context = Context(known, kind)
    ids = known.ids(["<start>", *tokens, "<end>"])
    return context, ids, whole(context, ids)


@pytest.mark.parametrize("scheme", WORDS)
@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_both_ways_give_the_same(scheme: str, kind: str, data: st.DataObject) -> None:
    context = Context(vocabulary(scheme), kind)
    several = data.draw(st.lists(songs(scheme), min_size=1, max_size=3))
    flat, offsets = np.concatenate(several), np.cumsum([0, *map(len, several)])
    rows = context.of_songs(flat, offsets)
    assert rows.shape == (len(flat), len(context.sizes))
    assert (rows < np.array(context.sizes)).all()

    step = context.begin(len(several), max(map(len, several)))
    for t in range(max(map(len, several))):  # a song that has ended is told of no more
        going = np.array([k for k, song in enumerate(several) if t < len(song)])
        ids = np.array([several[k][t] for k in going])
        assert np.array_equal(step(ids, going), rows[offsets[going] + t])


@pytest.mark.parametrize("scheme", WORDS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_nothing_depends_on_a_later_token(scheme: str, data: st.DataObject) -> None:
    context = Context(vocabulary(scheme))
    song = data.draw(songs(scheme))
    cut = data.draw(st.integers(1, len(song)))
    other = np.concatenate([song[:cut], data.draw(songs(scheme))])
    assert np.array_equal(whole(context, song)[:cut], whole(context, other)[:cut])


@pytest.mark.parametrize("scheme", WORDS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_transposed_song_has_the_transposed_echo(scheme: str, data: st.DataObject) -> None:
    """Whatever renames the tokens and keeps their time does the same to the echo, and leaves all else alone."""
    moved = [w.replace("A4", "B4").replace("G4", "A4").replace("E4", "F#4").replace("C4", "D4") for w in WORDS[scheme]]
    both = Vocabulary(tuple(dict.fromkeys((*vocabulary(scheme).tokens, *moved))), scheme)
    table = both.transposition_table([2])[0]
    context = Context(both)
    song = data.draw(songs(scheme))
    song = song[table[song] >= 0]
    before, after = whole(context, song), whole(context, table[song])
    for name in context.names:
        column_before = column(context, before, name)
        expected = table[column_before] if context.names.index(name) in context.id_columns else column_before
        assert np.array_equal(expected, column(context, after, name)), name


def naive_echo(ids: Array, times: Array, kinds: Array, bar: int) -> list[tuple[int, int, int]]:
    """The definition, word by word: (source, equal tokens, distance) after each id; source -1: there is no echo."""
    found: list[tuple[int, int, int]] = []
    source, run, distance = -1, 0, 0
    for n in range(len(ids)):
        if source >= 0:
            if source + 1 < n and ids[source + 1] == ids[n] and times[source + 1] == times[n] - distance:
                source, run = source + 1, run + 1
            elif source + 1 < n and times[source + 1] == times[n] - distance:
                moment = [k for k in range(source + 2, n) if times[k] == times[n] - distance]
                left_out = next((k for k in moment if ids[k] == ids[n]), 0)
                if left_out:
                    source, run = left_out, 1
                else:
                    one_more = times[source] == times[n] - distance and kinds[source + 1] != kinds[n]
                    source, run = source + (not one_more), run // 2
            else:
                run //= 2
                while source + 1 < n and times[source] < times[n] - distance:
                    source += 1
        if run < SHORTEST:
            for j in reversed(range(SHORTEST - 1, n)):
                equal = next((k for k in range(j + 1) if ids[j - k] != ids[n - k]), j + 1)
                if equal >= SHORTEST and times[n] > times[j] and (times[n] - times[j]) % bar == 0:
                    source, run, distance = j, equal, times[n] - times[j]
                    break
        here = source >= 0 and times[source] == times[n] - distance
        found.append((source, run, distance) if here else (-1, 0, 0))
    return found


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_the_echo_is_what_its_definition_says(data: st.DataObject) -> None:
    """Drums say nothing about the meter, so bars are four beats."""
    drums = (*SPECIALS, "drum36", "drum42", "drum50", "v70", "v90", "+1/2", "+1", "+4")
    passages = data.draw(
        st.lists(st.lists(st.integers(3, len(drums) - 1), min_size=3, max_size=8), min_size=1, max_size=3)
    )
    song = np.array(
        [0, *(i for k in data.draw(st.lists(st.integers(0, len(passages) - 1), max_size=8)) for i in passages[k])]
    )
    context = Context(Vocabulary(drums), "echo")
    times = np.cumsum(np.array([0, 0, 0, 0, 0, 0, 0, 0, 2, 4, 16])[song])
    kinds = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2])[song]  # what may stand for what: a drum for a drum
    rows = whole(context, song)[:, [context.names.index(name) for name in ("echo", "run", "ago")]]
    for row, (source, run, distance) in zip(rows, naive_echo(song, times, kinds, 16), strict=True):
        if source < 0:
            assert not row.any()
        else:
            expected = [
                song[source + 1],
                sum(run >= edge for edge in RUNS),
                sum(distance // 16 >= edge for edge in AGO),
            ]
            assert row.tolist() == expected


@pytest.mark.parametrize("scheme", ["note", "chord"])
@pytest.mark.parametrize(("meter", "rhythm"), [
    ((4, 4), [1.0, 1.0, 1.0, 1.0]), ((3, 4), [1.0, 1.0, 1.0]),
    ((6, 8), [1.0, 0.5, 1.0, 0.5]), ((9, 8), [1.5, 1.5, 1.0, 0.5]),
])  # fmt: skip
@pytest.mark.parametrize("upbeat", [0.0, 0.5])
def test_the_clock_finds_the_bar(scheme: str, meter: tuple[int, int], rhythm: list[float], upbeat: float) -> None:
    bar = 4 * meter[0] / meter[1]
    bars = [[(60 + (k + j) % 7, beats) for j, beats in enumerate(rhythm)] for k in range(20)]
    context, ids, rows = read(tune(bars, bar, upbeat=upbeat), scheme)
    places, length = column(context, rows, "place"), round(4 * bar)
    first = dict(zip(PATTERNS, np.cumsum([0, *map(len, PATTERNS.values())]).tolist(), strict=False))
    later = places[len(ids) // 2 :]
    same_length = [first[other] for other, pattern in PATTERNS.items() if len(pattern) == length]
    assert any((start <= later).all() and (later < start + length).all() for start in same_length)
    numbers = column(context, rows, "bar") + 8 * column(context, rows, "phrase")
    assert numbers[-1] == 19 + (scheme == "chord")  # the first whole bar is bar 0; a chord token ends its bar


def test_a_song_with_drums_has_the_bars_of_its_file() -> None:
    bars = [[(60 + k % 7, 2.0), (64, 1.0), (65, 1.0)] for k in range(20)]
    late = [note._replace(start=note.start + 2) for note in tune(bars, 4.0)]
    found = []
    for drums in [], [Note(36, 82, 1, drum=True)]:
        context, ids, rows = read(late + drums, "note", "clock")
        found.append(column(context, rows, "place")[np.flatnonzero(ids == ids[4])[-1]])
    assert found == [0, 8]


def test_a_phrase_that_comes_again_is_echoed_to_its_end() -> None:
    bars = [[(60 + (5 * k + j * j) % 12, 1.0) for j in range(4)] for k in range(8)]
    context, ids, rows = read(tune(bars + bars, 4.0), "note")
    echo, run = column(context, rows, "echo"), column(context, rows, "run")
    again = slice(len(ids) // 2 + 6, len(ids) - 2)
    assert np.array_equal(echo[again], ids[again.start + 1 : again.stop + 1])
    assert run[again.stop - 1] == len(RUNS)


def naive_voices(ids: Array, words: list[Word], times: Array, bar: int, soon: int) -> list[list[int]]:
    """The definition, word by word: the last six features after each id."""
    said: dict[int, list[int]] = {}  # by voice, a program or DRUMS: the places of its tokens
    echo: dict[int, tuple[int, int, int]] = {}  # by voice: the source, as a place in that list; distance; run
    names: dict[int, int] = {}
    program, rows = 0, []

    def due(voice: int) -> int | None:
        source, distance, run = echo[voice]
        over = [k for k in range(source + 1, len(said[voice])) if times[said[voice][k]] + distance < now]
        echo[voice] = (over[-1], distance, 0) if over else (source, distance, run)
        following = echo[voice][0] + 1
        return following if following < len(said[voice]) else None

    for n, word in enumerate(words):
        now = times[n]
        if word.kind == "program":
            program = int(word.value)
            names[program] = ids[n]
        if word.kind in ("notes", "duration", "drum"):
            voice = DRUMS if word.kind == "drum" else program
            own = said.setdefault(voice, [])
            own.append(n)
            if voice in echo:
                first = due(voice)
                source, distance, run = echo[voice]
                moment = [k for k in range(source + 1, len(own)) if times[own[k]] + distance == now]
                equal = next((k for k in moment if ids[own[k]] == ids[n]), None)
                echo[voice] = (
                    (source, distance, 0) if equal is None else (equal, distance, 1 if equal != first else run + 1)
                )
            if voice not in echo or echo[voice][2] < SHORTEST:
                for k in reversed(range(SHORTEST - 1, len(own) - 1)):
                    pairs = list(zip(own[k - SHORTEST + 1 : k + 1], own[-SHORTEST:], strict=True))
                    apart = {times[b] - times[a] for a, b in pairs if ids[a] == ids[b]} | {
                        0 for a, b in pairs if ids[a] != ids[b]
                    }
                    distance = now - times[own[k]]
                    if apart == {distance} and distance > 0 and distance % bar == 0:
                        echo[voice] = k, distance, SHORTEST
                        break
        row = [0] * 6
        soonest = now + soon + 1
        for voice in sorted(echo, reverse=True):
            k = due(voice)
            if k is None:
                continue
            then = times[said[voice][k]] + echo[voice][1]
            soonest = min(soonest, then)
            if voice in (program, DRUMS):
                at = 2 * (voice == DRUMS)
                row[at] = ids[said[voice][k]] if then == now else 1
                row[at + 1] = sum(echo[voice][2] >= edge for edge in RUNS)
            elif then == now:
                row[4] = names.get(voice, 0)
        row[5] = soonest - now + 1 if echo else 0
        rows.append(row)
    return rows


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_the_echo_of_each_voice_is_what_its_definition_says(data: st.DataObject) -> None:
    """With drums and a meter that is told, bars are four beats from 0 on."""
    tokens = (*SPECIALS, "4/4", "C4", "E4", "i40", "i0", "drum36", "drum42", ":1/2", "v90", "+1/2", "+1", "+4")
    inside = st.lists(st.integers(4, len(tokens) - 1), min_size=3, max_size=8)
    passages = data.draw(st.lists(inside, min_size=1, max_size=3))
    order = data.draw(st.lists(st.integers(0, len(passages) - 1), max_size=12))
    song = np.array([0, 3, *(i for k in order for i in passages[k])])[:CANDIDATES]  # which are all looked at
    known = Vocabulary(tokens)
    words = [known.words[i] for i in song]
    takes = [int(word.value * 12) if word.kind == "shift" else 0 for word in words]
    rows = whole(Context(known, "echo"), song)[:, -VOICES:].astype(int)
    assert rows.tolist() == naive_voices(song, words, np.cumsum(takes), 48, SOON * 12)


def test_a_song_for_one_instrument_has_no_voices() -> None:
    assert Context(Vocabulary((*SPECIALS, "C4", "+1"))).names == COLUMNS[:-VOICES]
    assert Context(Vocabulary((*SPECIALS, "C4", "i40"))).names == COLUMNS
    assert Context(Vocabulary((*SPECIALS, "C4", "drum36")), "clock").names == COLUMNS[:CLOCK]


def test_an_echo_stands_whole_bars_before() -> None:
    """The same notes two beats later in the bar are no echo."""
    figure = [(60, 0.5), (62, 0.5), (64, 0.5), (65, 0.5)]
    bars = [[(67, 2.0), *figure], *[[(60 + k, 4.0)] for k in range(6)]]
    shifted, on_time = [[*figure, (67, 2.0)]], [[(67, 2.0), *figure]]
    context, _, rows = read(tune(bars + shifted, 4.0), "chord")
    assert (column(context, rows, "run")[-3:] < 5).all()
    context, _, rows = read(tune(bars + on_time, 4.0), "chord")
    assert column(context, rows, "run")[-2] >= 5


def test_a_meter_that_is_told_is_kept_and_its_bar_line_is_found() -> None:
    """Notes of a beat each with a chord at every fourth: the notes say 4/4, and who is told 3/4 keeps that."""
    bars = [[(60 + (k + j) % 7, 1.0) for j in range(4)] for k in range(12)]
    heard, ids, rows = read(tune(bars, 4.0), "note")
    assert (column(heard, rows, "place") < 16).all()
    told = Context(Vocabulary.build(dict.fromkeys(encode(tune(bars, 4.0)), 1)), meter=(3, 4))
    places = column(told, whole(told, ids), "place")
    assert ((places >= 16) & (places < 28)).all()

    waltz = [[(60 + (k + j) % 7, 1.0) for j in range(3)] for k in range(12)]
    _, ids, rows = read(tune(waltz, 3.0, upbeat=1.0), "note")
    told = Context(Vocabulary.build(dict.fromkeys(encode(tune(waltz, 3.0, upbeat=1.0)), 1)), meter=(3, 4))
    again = whole(told, ids)
    assert np.array_equal(again[len(ids) // 2 :], rows[len(ids) // 2 :])
    assert not np.array_equal(again, rows)  # before the notes have told it


def test_the_meters_of_tokens_are_those_of_patterns() -> None:
    assert tuple("{}/{}".format(*meter) for meter in PATTERNS) == METERS


@pytest.mark.skipif(config.DISABLE_JIT, reason="nothing is compiled")
def test_a_change_in_echo_py_compiles_hearing_py_anew() -> None:
    """numba compares the file of a function alone; an old read_ids would tell the echo of yesterday."""
    stamp = hearing.read_ids._cache._cache_file._source_stamp
    assert Path(echo.__file__).stat().st_mtime in stamp


def test_a_debugger_sees_what_the_compiled_loops_do() -> None:
    """As plain Python, where a hash must not overflow."""
    program = """if True:
        import numpy as np
        from midi_io import Note, Vocabulary, encode
        from midi_io.tokens.context import Context
        band = [Note(60 + k % 4, k, 1.0, program=40) for k in range(24)]
        band += [Note(36 + k % 3, k, 0.25, drum=True) for k in range(24)]
        known = Vocabulary.build(dict.fromkeys(tokens := encode(band, meter=(4, 4)), 1))
        ids = known.ids(["<start>", *tokens, "<end>"])
        print(Context(known).of_songs(ids, np.array([0, len(ids)])).tolist())
    """
    command, root = [sys.executable, "-W", "error", "-c", program], Path(__file__).resolve().parents[1]
    said = [
        subprocess.run(command, env={**os.environ, "NUMBA_DISABLE_JIT": off}, cwd=root, check=True, capture_output=True)
        for off in "01"
    ]
    assert said[0].stdout == said[1].stdout != b""


@pytest.mark.parametrize("drums", [True, False])
def test_a_song_that_begins_with_its_meter_keeps_it(drums: bool) -> None:
    """A waltz with an upbeat whose file says 4/4; with drums, whose bars begin at 0, the bar lines are told, too."""
    notes = tune([[(60 + (k + j) % 7, 1.0) for j in range(3)] for k in range(12)], 3.0, upbeat=1.0)
    notes += [Note(36, 0.0, 0.25, drum=True)] * drums
    known = Vocabulary.build(dict.fromkeys(encode(notes, meter=(4, 4)), 1))
    context = Context(known)
    ids = known.ids(["<start>", *encode(notes, meter=(4, 4)), "<end>"])
    places, within = (column(context, whole(context, ids), name) for name in ("place", "within"))
    assert (places < 16).all()
    beats = np.cumsum([0, *(float(word.value) * (word.kind == "shift") for word in map(known.words.__getitem__, ids))])
    assert np.array_equal(places, beats[1:] * 4 % 16) == drums
    assert not within.any()
    heard = column(context, whole(context, np.delete(ids, 1)), "place")
    assert (heard[len(heard) // 2 :] >= 16).all()  # which the notes alone say


@pytest.mark.parametrize(("note", "echoed"), [(1.0, True), (0.5, False)])
def test_frames_of_a_beat_have_an_echo_at_any_beat(note: float, echoed: bool) -> None:
    """Five notes that come again after five notes: no whole bar in frames of a beat, nor where notes are shorter."""
    frames = [Note(60 + 2 * (k % 5), k * note, note) for k in range(15)]
    context, ids, rows = read(frames, "note")
    run, echo = column(context, rows, "run")[-9:-2], column(context, rows, "echo")[-9:-2]
    assert (np.array_equal(echo, ids[-8:-1]) and (run > 5).all()) == echoed
    longer = [Note(48, 0.0, 4.0)] + [note._replace(start=note.start + 4) for note in frames]
    assert (column(*read(longer, "note")[::2], "run")[-8:-1] < 5).all()


def test_home_is_the_tonic_in_any_key() -> None:
    scale = [60, 62, 64, 65, 67, 65, 64, 62]
    for semitones in (0, 5):
        notes = [Note(pitch + semitones, float(k), 1.0) for k, pitch in enumerate([*scale * 3, 60, 60, 60])]
        context, ids, rows = read(notes, "note")
        tokens = encode(notes, "note")
        assert ids[1:-1][tokens.index(["C4", "F4"][semitones == 5])] == column(context, rows, "home")[-2]


def test_frames_without_bars_and_drums_alone_are_read() -> None:
    frames = [Note(60 + (k % 5) + 4 * voice, float(k), 1.0) for k in range(60) for voice in range(4)]
    context, _, rows = read(frames, "note")
    assert column(context, rows, "echo")[200:-1].all()
    beat = [Note(36 + 6 * (k % 2), k / 2, 0.5, drum=True) for k in range(64)]
    context, _, rows = read(beat, "note")
    assert column(context, rows, "echo")[80:-1].all()


def test_a_band_keeps_the_bar_of_its_pitched_instruments() -> None:
    bars = [[(60 + (k + j) % 7, 1.0) for j in range(3)] for k in range(16)]
    band = tune(bars, 3.0) + tune(bars, 3.0, program=40) + [Note(36, 0.5 * k, 0.5, drum=True) for k in range(96)]
    context, ids, rows = read(band, "note")
    places = column(context, rows, "place")[len(ids) // 2 :]
    assert ((places >= 16) & (places < 40)).all()


def test_one_bar_ten_thousand_times_costs_linear_time() -> None:
    """Counted, not timed: a source that goes on is followed, and a search looks at few places."""
    context = Context(vocabulary("note"))
    noise = np.random.default_rng(1).integers(3, len(vocabulary("note")), size=5_000)
    for ids in (np.array([0, *[3, 8, 4, 8, 5, 8, 4, 8] * 1_250, 1]), noise, np.full(5_000, 3)):
        places, newest, songs_ = hearing.blank(1, len(ids), band=True)
        rows = np.zeros((len(ids), len(hearing.COLUMNS)), np.int64)
        numbers = np.zeros(len(ids), np.int64)
        hearing.read_ids(places, newest, songs_, context._words, context._unit, ids, numbers, rows)
        assert songs_[0]["looked"] <= 2 * CANDIDATES * len(ids)
    assert songs_[0]["looked"] > 0


def test_each_instrument_is_told_its_own_highest_and_lowest_note() -> None:
    """The violin holds G4 over its F4, and then plays A4: the note that leads is the one that still sounds."""
    piano = [Note(48, 0, 1), Note(64, 0, 1), Note(50, 1, 1), Note(60, 1, 1), Note(41, 2, 1)]
    violin = [
        Note(67, 0, 4, program=40),
        Note(65, 1, 1, program=40),
        Note(69, 2, 1, program=40),
        Note(70, 3, 1, program=40),
    ]
    context, ids, rows = read(piano + violin, "note")
    tokens = ["<start>", *encode(piano + violin, "note"), "<end>"]
    names = dict(zip(ids.tolist(), tokens, strict=True)) | {0: ""}

    def told(place: int) -> tuple[str, str]:
        return names[column(context, rows, "top")[place]], names[column(context, rows, "low")[place]]

    instruments = [k for k, token in enumerate(tokens) if token in ("i0", "i40")]
    steps = [k for k, token in enumerate(tokens) if token == "+1"]
    assert [tokens[k] for k in instruments] == ["i40", "i0", "i40"]
    assert [told(k) for k in instruments] == [("", ""), ("E4", "C3"), ("G4", "F4")]
    assert [told(k) for k in steps] == [("G4", "G4"), ("C4", "D3"), ("A4", "A4")]
    assert told(steps[0] - 1) == ("", "")  # G4 itself belongs to the present moment


def test_wrong_use_is_told() -> None:
    with pytest.raises(KeyError, match="all"):
        Context(vocabulary("note"), "all")
    with pytest.raises(ValueError, match="one bar or more"):
        Context(vocabulary("note")).endings(may_follow(vocabulary("note")), 0)


@pytest.mark.parametrize("scheme", ["note", "chord"])
@pytest.mark.parametrize("bars", [1, 4, 9])
@pytest.mark.parametrize("seed", range(4))
def test_a_song_of_so_many_bars(scheme: str, bars: int, seed: int) -> None:
    """Whatever is drawn: notes of a beat each, which are 4/4, and so four times as many beats."""
    words = {"note": ["C4", "+1"], "chord": ["C4:1", "E4:1", "G4:1"]}[scheme]
    known, rng = Vocabulary((*SPECIALS, *words), scheme), np.random.default_rng(seed)
    walk, ids = Context(known).endings(may_follow(known), bars)(), [0]
    while ids[-1] != 1:
        may = np.flatnonzero(walk(ids[-1]))
        ids.append(int(rng.choice(may)))
    notes = known.decode(ids)
    first = -(-int(min(note.start for note in notes)) // 4) * 4  # what comes before the first bar line is an upbeat
    assert first + 4 * (bars - 1) < max(note.start + note.duration for note in notes) <= first + 4 * bars


def test_a_song_ends_over_its_tonic() -> None:
    notes = [Note(pitch, float(k), 1.0) for k, pitch in enumerate([60, 64, 67, 72, 65, 69, 67, 71, 67, 60])]
    known = Vocabulary.build(dict.fromkeys(encode(notes), 1))
    ids, walk = known.ids(["<start>", *encode(notes)]), Context(known).endings(may_follow(known))()
    may_end = [bool(walk(int(i))[1]) for i in ids]
    assert may_end[-1]
    assert not may_end[known.tokens_of(ids).index("B4")]
    follow, anywhere = may_follow(known)(), Context(known).endings(may_follow(known), anywhere=True)()
    for token in ids.tolist():
        np.testing.assert_array_equal(anywhere(token), follow(token))


@pytest.mark.parametrize("anywhere", [False, True])
def test_after_a_number_of_tokens_a_song_ends_over_its_next_tonic(anywhere: bool) -> None:
    notes = [Note(pitch, float(k), 1.0) for k, pitch in enumerate([60, 64, 67, 60] * 6)]
    known = Vocabulary.build(dict.fromkeys(encode(notes), 1))
    ids = known.ids(["<start>", *encode(notes)]).tolist()
    context, tokens = Context(known), len(ids) // 2
    home = context.endings(may_follow(known))()
    whenever = context.endings(may_follow(known), anywhere=anywhere)()
    late = context.endings(may_follow(known), None, tokens, anywhere=anywhere)()
    for heard, token in enumerate(ids, start=1):
        may, must = whenever(token), late(token)
        if home(token)[1] and heard > tokens:
            assert np.flatnonzero(must).tolist() == [1]
            break
        np.testing.assert_array_equal(may, must)
    else:
        raise AssertionError("it never ends")


def test_a_tune_whose_bars_are_full_has_ended() -> None:
    known = Vocabulary((*SPECIALS, "C4", "D4", "+1", ":1"), "note")
    along = Context(known).endings(may_follow(known), 1)()
    may = [along(int(i)) for i in known.ids(["<start>", *["D4", "+1"] * 4])]
    assert all(mask[3:].any() for mask in may[:-1])
    assert np.flatnonzero(may[-1]).tolist() == [1]


def test_a_tune_of_so_many_bars_does_not_pile_up_notes_at_its_end() -> None:
    """Who always wants the next note above gets as many of them in the last moment as before it, and then the end."""
    tokens = (*SPECIALS, *(pitch_name(pitch) for pitch in range(40, 90)), "+3/4", ":1")
    known = Vocabulary(tokens, "note")
    along = Context(known).endings(may_follow(known), 1)()
    end, step, struck = tokens.index("<end>"), tokens.index("+3/4"), 0
    along(tokens.index("<start>"))
    for _ in range(5):  # then a quarter of a beat is left, and no step is so short
        along(tokens.index("C4"))
        along(tokens.index("E4"))
        along(step)
    token = 3
    while True:
        mask = along(token)
        struck += 1
        if not mask[token + 1]:
            break
        token += 1
    assert np.flatnonzero(mask).tolist() == [end]
    assert struck == 2
