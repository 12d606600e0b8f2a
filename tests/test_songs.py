"""The embedded songs as they are shipped, and what set their chords.  None of it needs music21."""

from __future__ import annotations

import csv
import itertools
import math
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import mido
import pytest

from midi_io import Note, Song, read_song
from songs.build.abc_notation import AbcError, Tone, parse_tune
from songs.build.harmony import SCALES, Chord, Mode, cost, find_mode, harmonise, make_slots, strikes, voicing

SONGS = Path(__file__).parent.parent / "songs"
QUARTER, HALF = Fraction(1), Fraction(2)
TRIADS = {frozenset(Chord(root, minor).pitch_classes) for root in range(12) for minor in (False, True)}


class Setting(NamedTuple):
    """A shipped tune: its melody note by note, and the chord notes struck with some of them (start -> pitches)."""

    song: Song
    melody: list[Note]
    chords: dict[float, list[int]]


@pytest.fixture(scope="module")
def tunes() -> dict[str, Setting]:
    settings = {}
    for path in sorted((SONGS / "tunes").glob("*.mid")):
        song = read_song(path)
        loudest = max(note.velocity for note in song.notes)
        melody = [note for note in song.notes if note.velocity == loudest]
        chords: dict[float, list[int]] = {}
        for note in song.notes:
            if note.velocity < loudest:
                chords.setdefault(note.start, []).append(note.pitch)
        settings[path.name] = Setting(song, melody, chords)
    return settings


@pytest.fixture(scope="module")
def ensembles() -> dict[str, Song]:
    return {path.name: read_song(path) for path in sorted((SONGS / "ensembles").glob("*.mid"))}


def sources() -> list[dict[str, str]]:
    with (SONGS / "SOURCES.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


# ---- what is shipped


def test_there_are_many_songs_in_few_bytes(tunes: dict[str, Setting], ensembles: dict[str, Song]) -> None:
    assert len(tunes) >= 400
    assert len(ensembles) >= 20
    assert sum(path.stat().st_size for path in SONGS.rglob("*.mid")) <= 2.5e6


def test_every_file_is_listed_with_its_title_and_its_transcriber(
    tunes: dict[str, Setting], ensembles: dict[str, Song]
) -> None:
    rows = {row["file"]: row for row in sources()}
    titles = {f"tunes/{name}": setting.song.title for name, setting in tunes.items()}
    titles |= {f"ensembles/{name}": song.title for name, song in ensembles.items()}
    assert {file: row["title"] for file, row in rows.items()} == titles
    assert all(titles.values())
    assert all(row["transcriber"] for row in rows.values())
    assert all(file.isascii() for file in rows)


def test_the_title_is_the_name_of_the_first_track() -> None:
    path = sorted((SONGS / "tunes").glob("*.mid"))[0]
    assert mido.MidiFile(path).tracks[0].name == read_song(path).title


def test_chords_come_with_melody_notes_and_lie_below_them(tunes: dict[str, Setting]) -> None:
    for name, (_, melody, chords) in tunes.items():
        tops = {note.start: note.pitch for note in melody}
        assert len(tops) == len(melody), f"{name}: two melody notes at once"
        for start, pitches in chords.items():
            assert start in tops, f"{name}: a chord at beat {start} without melody"
            assert max(pitches) < tops[start], f"{name}: a chord at beat {start} above the melody"


def test_chords_are_triads_without_the_notes_that_the_melody_reaches_below(tunes: dict[str, Setting]) -> None:
    for name, (_, _, chords) in tunes.items():
        for pitches in chords.values():
            classes = {pitch % 12 for pitch in pitches}
            assert any(classes <= triad for triad in TRIADS), name
    sizes = [len(pitches) for setting in tunes.values() for pitches in setting.chords.values()]
    assert sizes.count(3) > 0.97 * len(sizes)


def test_a_chord_is_struck_in_nearly_every_bar(tunes: dict[str, Setting]) -> None:
    for name, (song, melody, chords) in tunes.items():
        bar = 4 * song.meter[0] / song.meter[1]
        bars = {note.start // bar for note in melody if note.start >= min(chords)}
        assert len({start // bar for start in chords}) >= 0.85 * len(bars), name


def test_every_tune_ends_on_the_chord_of_its_last_note(tunes: dict[str, Setting]) -> None:
    for name, (_, melody, chords) in tunes.items():
        last = sorted(chords[max(chords)])
        assert {pitch % 12 for pitch in last} <= set(Chord(last[0] % 12, False).pitch_classes) | {(last[0] + 3) % 12}
        assert melody[-1].pitch % 12 == last[0] % 12, f"{name}: the melody does not end on the root"


def test_most_tunes_reach_that_chord_by_a_cadence(tunes: dict[str, Setting]) -> None:
    def last_step(chords: dict[float, list[int]]) -> int:
        roots = [min(chords[start]) % 12 for start in sorted(chords)]
        return next(((root - roots[-1]) % 12 for root in reversed(roots) if root != roots[-1]), 0)

    steps = [last_step(setting.chords) for setting in tunes.values()]
    assert steps.count(7) > 0.8 * len(steps)  # from the dominant
    assert steps.count(7) + steps.count(10) > 0.95 * len(steps)  # or, in the modes, from the seventh degree


def test_the_chords_carry_the_melody(tunes: dict[str, Setting]) -> None:
    struck = inside = 0
    for _, melody, chords in tunes.values():
        for note in melody:
            if note.start in chords and len(chords[note.start]) == 3:
                struck += 1
                inside += note.pitch % 12 in {pitch % 12 for pitch in chords[note.start]}
    assert inside > 0.9 * struck


def test_no_melody_comes_twice(tunes: dict[str, Setting]) -> None:
    def steps(melody: list[Note]) -> tuple[tuple[float, int], ...]:
        return tuple((b.start - a.start, b.pitch - a.pitch) for a, b in itertools.pairwise(melody))

    assert len({steps(setting.melody) for setting in tunes.values()}) == len(tunes)


def test_ensembles_are_for_violins_viola_and_cello(ensembles: dict[str, Song]) -> None:
    lowest = {40: 55, 41: 48, 42: 36}  # their lowest strings
    for name, song in ensembles.items():
        programs = {note.program for note in song.notes}
        assert programs == set(lowest), name
        assert sum(note.pitch < lowest[note.program] for note in song.notes) <= 2, name


def test_the_parts_of_an_ensemble_stand_together(ensembles: dict[str, Song]) -> None:
    """On the bar lines most of what sounds is a triad or a seventh chord: a part that had slipped would spoil that."""
    shapes = [(0, 4, 7), (0, 3, 7), (0, 3, 6), (0, 4, 7, 10), (0, 3, 7, 10), (0, 4, 7, 11), (0, 3, 6, 9), (0, 3, 6, 10)]
    known = [{(root + step) % 12 for step in shape} for shape in shapes for root in range(12)]
    for name, song in ensembles.items():
        bar = 4 * song.meter[0] / song.meter[1]
        sounding: dict[int, set[int]] = {}
        for note in song.notes:
            for line in range(math.ceil(note.start / bar), math.ceil((note.start + note.duration) / bar)):
                sounding.setdefault(line, set()).add(note.pitch % 12)
        chords = [classes for classes in sounding.values() if len(classes) > 1]
        assert sum(any(classes <= chord for chord in known) for classes in chords) > 0.8 * len(chords), name


# ---- the harmoniser


def tones(*pitches: int | None, length: Fraction = QUARTER) -> list[Tone]:
    return [Tone(pitch, length) for pitch in pitches]


G_MAJOR = Mode(7, "major")
G, C, D, EM = Chord(7, False), Chord(0, False), Chord(2, False), Chord(4, True)
FOUR_BARS = tones(67, 71, 74, 71, 72, 76, 79, 76, 74, 78, 81, 78, 79, 74, 71, 67)


def test_broken_chords_get_their_own_chord() -> None:
    slots = make_slots(FOUR_BARS, Fraction(0), Fraction(4), HALF)
    assert harmonise(slots, G_MAJOR, [0]) == [G, G, C, C, D, D, G, G]


def test_the_cheapest_of_all_sequences_is_found() -> None:
    melody = tones(67, 69, 72, 71, 76, 72, 69, 66, 69, 72, 71, 69, 67, 67)
    slots = make_slots(melody, Fraction(0), Fraction(4), HALF)[:5]
    palette = [G, C, D, EM, Chord(9, True), Chord(11, True), Chord(9, False)]
    every = (cost(slots, chords, G_MAJOR, [0, 1]) for chords in itertools.product(palette, repeat=len(slots)))
    assert cost(slots, harmonise(slots, G_MAJOR, [0, 1]), G_MAJOR, [0, 1]) == pytest.approx(min(every))


def test_the_last_chord_is_home_whatever_the_melody_does() -> None:
    slots = make_slots(tones(*[72, 76] * 8), Fraction(0), Fraction(4), HALF)
    assert harmonise(slots, G_MAJOR, [0])[-1] == G


def test_no_chord_begins_under_a_held_note() -> None:
    melody = [Tone(67, QUARTER), Tone(72, Fraction(6)), Tone(67, QUARTER)]
    slots = make_slots(melody, Fraction(0), Fraction(4), HALF)
    chords = harmonise(slots, G_MAJOR, [0])
    assert [start for start, _ in strikes(slots, chords)] == [0]


def test_a_chord_waits_for_the_note_after_a_rest() -> None:
    slots = make_slots(
        [*tones(67, 67, 67, 67), Tone(None, QUARTER), *tones(67, 67, 67)], Fraction(0), Fraction(4), HALF
    )
    starts = [start for start, _ in strikes(slots, harmonise(slots, G_MAJOR, [0]))]
    assert starts[:2] == [0, 5]


def test_a_pickup_has_no_chord() -> None:
    slots = make_slots(tones(74, *[67, 71, 74, 71] * 2), QUARTER, Fraction(4), HALF)
    assert [slot.start for slot in slots] == [0, 2, 4, 6]
    assert slots[0].strike == 0
    assert 2 not in slots[0].weights


@pytest.mark.parametrize("name", SCALES)
def test_a_scale_is_recognised_on_every_tonic(name: str) -> None:
    degrees = [degree for degree in SCALES[name] if degree != 11 or name == "major"]
    for tonic in range(12):
        assert find_mode(tones(*(60 + tonic + degree for degree in degrees)), tonic) == Mode(tonic, name)


def test_a_chromatic_melody_has_no_mode() -> None:
    assert find_mode(tones(*range(60, 72)), 0) is None


def test_a_chord_has_one_place_on_the_keyboard_below_the_fiddle() -> None:
    for root in range(12):
        for minor in (False, True):
            pitches = voicing(Chord(root, minor))
            assert tuple(sorted(pitches)) == pitches
            assert {pitch % 12 for pitch in pitches} == set(Chord(root, minor).pitch_classes)
            assert pitches[0] % 12 == root
            assert pitches[0] >= 43
            assert pitches[-1] <= 63


# ---- the reader of ABC


def abc(music: str, key: str = "G", meter: str = "4/4", length: str = "1/4") -> str:
    return f"X:1\nT:Test\nM:{meter}\nL:{length}\nK:{key}\n{music}\n"


def heard(text: str) -> list[Any]:
    return list(parse_tune(text).tones)


def test_pitches_follow_the_key_and_the_accidentals_of_the_bar() -> None:
    assert [pitch for pitch, _ in heard(abc("F =F F z | F _B B c' |"))] == [66, 65, 65, None, 66, 70, 70, 84]


@pytest.mark.parametrize(
    ("key", "sharp_or_flat"),
    [("D", {66, 61}), ("Ador", {66}), ("Dmix", {66}), ("Gm", {70, 63}), ("F#m", {66, 61, 68}), ("Bb", {70, 63})],
)
def test_key_signatures(key: str, sharp_or_flat: set[int]) -> None:
    pitches = {pitch for pitch, _ in heard(abc("C D E F | G A B z |", key))}
    assert {pitch for pitch in pitches if pitch is not None and pitch % 12 in (1, 3, 6, 8, 10)} == sharp_or_flat


def test_lengths_pairs_and_tuplets() -> None:
    lengths = [float(length) for _, length in heard(abc("A2 B/ c/ d3/4 z// | A>B c<d | A>>B (3:2:2AB2 |"))]
    assert lengths == pytest.approx([2, 0.5, 0.5, 0.75, 0.25, 1.5, 0.5, 0.5, 1.5, 1.75, 0.25, 2 / 3, 4 / 3])


def test_tied_notes_are_one_and_slurs_are_passed_over() -> None:
    assert heard(abc("A-A B-c | ^c4- | c2 (c2 |")) == [(69, 2), (71, 1), (72, 1), (73, 6), (72, 2)]


def test_ornaments_chord_names_and_double_stops() -> None:
    assert heard(abc('{ab}A "G7"~B .[CE] T[ec] | u[e2c2]2 |')) == [(69, 1), (71, 1), (64, 1), (76, 1), (76, 4)]


def test_each_part_comes_once_with_its_last_ending() -> None:
    tune = parse_tune(abc("|: A4 |1 B4 :|2 c4 |: d4 | e4 :|"))
    assert [pitch for pitch, _ in tune.tones] == [69, 72, 74, 76]
    assert tune.parts == [0, 2]


def test_a_pickup_between_parts_completes_the_bar_before() -> None:
    tune = parse_tune(abc("G | A4 | B3 :| c | d4 | e3 :|"))
    assert tune.pickup == 1
    assert tune.tones[2:4] == [Tone(71, Fraction(3)), Tone(72, QUARTER)]
    assert tune.parts == [0, 2]


def test_a_short_bar_between_parts_is_filled_and_a_pickup_after_a_full_bar_takes_from_it() -> None:
    assert heard(abc("G | A4 | B3 :| c4 | e3 :|"))[2] == (71, 4)
    assert heard(abc("A4 | B4 || c | d4 | e4 |"))[1:3] == [(71, 3), (72, 1)]


@pytest.mark.parametrize(
    ("music", "fault"),
    [
        ("A4 | B3 | c4 |", "do not add up"),
        ("A4 | B4 c | d4 |", "do not add up"),
        ('A4 | B4 "D.C." |', "da capo"),
        ("^f2 F2 | A4 |", "another octave"),
        ("A4 | K:D\nB4 |", "cannot read"),
        ("A4 |\nK:D\nB4 |", "more than one K"),
        ("A2 (3AB | c4 |", "bar line inside"),
        ("A4 |2 B4 | c4 |", "endings"),
        ("A4 |1 B4 |", "middle of something"),
        ("A4 | @4 |", "cannot read"),
    ],
)
def test_what_is_not_plain_is_turned_away(music: str, fault: str) -> None:
    with pytest.raises(AbcError, match=fault):
        parse_tune(abc(music))
