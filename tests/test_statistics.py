"""What a musician would count in a piece."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midi_io import Note
from midi_io.music.statistics import ROWS, Comparison, compare, figures, table, tonic_of, unlike
from midi_io.notes import transpose


def line(*pitches: int, length: float = 1.0, start: float = 0.0) -> list[Note]:
    """Pitches one after the other."""
    return [Note(pitch, start + number * length, length) for number, pitch in enumerate(pitches)]


C_MAJOR = (60, 62, 64, 65, 67, 69, 71, 72)
CHORD = [Note(48, 8.0, 2.0), Note(52, 8.0, 2.0), Note(55, 8.0, 2.0), Note(72, 8.0, 2.0)]


def test_a_scale_with_a_last_chord() -> None:
    found = figures(line(*C_MAJOR) + CHORD)
    assert found["beats"] == 10
    assert found["notes_per_beat"] == pytest.approx(12 / 10)
    assert found["note_lengths"] == 2
    assert found["note_length"] == pytest.approx((8 * 1 + 2) / 9)
    assert found["interval"] == pytest.approx(12 / 8)  # an octave up, and the same note again
    assert found["same"] == pytest.approx(1 / 8)
    assert found["steps"] == pytest.approx(7 / 8)
    assert found["leaps"] == 0
    assert found["in_key"] == 1
    assert found["begins_at_home"] == 1
    assert found["ends_at_home"] == 1


def test_what_lies_below_the_melody_is_no_melody() -> None:
    held = [Note(40, 0.0, 8.0), Note(47, 0.0, 8.0)]
    walking = line(*[43, 45] * 4, start=0.5, length=0.5)
    assert figures(line(*C_MAJOR) + held + walking)["interval"] == pytest.approx(12 / 7)


def test_form_is_counted_in_bars() -> None:
    """Sixteen bars of 3/4 with a chord at each bar line; the second eight are the first except the last."""
    bars = [[60 + k, 64 + k, 67 + k] for k in range(8)]
    bars = [*bars, *bars[:7], [60, 60, 60]]
    notes = [note for k, bar in enumerate(bars) for note in line(*bar, start=3.0 * k)]
    notes += [Note(pitch, 3.0 * k, 3.0) for k in range(16) for pitch in (36, 43)]
    found = figures(notes)
    assert (found["bars"], found["whole_phrases"]) == (16, 1)
    assert found["bars_repeated"] == pytest.approx(7 / 16)
    upbeat = [note._replace(start=note.start + 1) for note in notes] + line(67)
    assert (figures(upbeat)["bars"], figures(upbeat)["whole_phrases"]) == (16, 1)
    longer = [*notes, *line(60, start=48.0, length=3.0)]
    assert (figures(longer)["bars"], figures(longer)["whole_phrases"]) == (17, 0)
    assert math.isnan(figures(notes, whole=False)["bars"])


def test_notes_out_of_key_count() -> None:
    assert figures(line(*C_MAJOR, 61, 66))["in_key"] == pytest.approx(8 / 10)
    assert figures(line(*range(60, 72)))["in_key"] == pytest.approx(7 / 12)


def test_variety_of_pitch_classes() -> None:
    assert figures(line(60, 72, 48))["pitch_entropy"] == 0
    assert figures(line(60, 67))["pitch_entropy"] == pytest.approx(1)
    assert figures(line(*range(60, 72)))["pitch_entropy"] == pytest.approx(math.log2(12))


def test_what_was_heard_before() -> None:
    tune = line(*C_MAJOR, 71, 69, 67, 65, 64)
    assert figures(tune)["repeated"] == 0
    twice = tune + [note._replace(start=note.start + 13) for note in tune]
    assert figures(twice)["repeated"] == pytest.approx(5 / 18)  # 25 steps have 18 runs of 8; 5 of them come again
    other_rhythm = tune + line(*[note.pitch for note in tune], length=0.5, start=13)
    assert figures(other_rhythm)["repeated"] == 0


@pytest.mark.parametrize("home", range(12))
def test_the_tonic_moves_with_the_tune(home: int) -> None:
    major = line(60, 64, 67, 65, 69, 67, 62, 71, 60)
    minor = line(57, 60, 64, 62, 65, 64, 59, 68, 57)
    assert tonic_of(transpose(major, home)) == (home, False)
    assert tonic_of(transpose(minor, home)) == ((9 + home) % 12, True)


def test_an_end_away_from_home() -> None:
    tune = line(60, 64, 67, 65, 69, 67, 62, 71, 60)
    assert figures([*tune, *line(43, start=9)])["ends_at_home"] == 0
    assert figures([*tune, *line(48, start=9)])["ends_at_home"] == 1
    held = Note(48, 8.0, 4.0)  # sounds below the last note, which is the fifth
    assert figures([*tune, held, *line(67, start=9)])["ends_at_home"] == 1


def test_a_piece_that_was_cut_has_no_length_and_no_end() -> None:
    cut = figures(line(*C_MAJOR), whole=False)
    assert math.isnan(cut["beats"])
    assert math.isnan(cut["ends_at_home"])
    assert cut["in_key"] == 1


def test_drums_have_no_pitch() -> None:
    tune = line(*C_MAJOR) + CHORD
    drums = [Note(pitch, beat, 0.5, drum=True) for beat, pitch in enumerate(range(36, 52))]
    with_drums = figures(tune + drums)
    assert with_drums["beats"] == 15.5
    for name in ("in_key", "pitch_entropy", "interval", "repeated", "ends_at_home", "note_lengths"):
        assert with_drums[name] == pytest.approx(figures(tune)[name], nan_ok=True)
    assert all(math.isnan(value) for value in figures(drums).values())


notes = st.builds(
    Note,
    st.integers(0, 127),
    st.integers(0, 4000).map(lambda k: k / 12),
    st.integers(0, 60).map(lambda k: k / 12),
    drum=st.booleans(),
)


@given(st.lists(notes, max_size=30))
def test_any_piece_has_figures(piece: list[Note]) -> None:
    found = figures(piece)
    assert list(found) == list(ROWS)
    assert not any(math.isinf(value) for value in found.values())
    for name in ("same", "steps", "leaps", "repeated", "in_key", "on_strong_beats"):
        assert math.isnan(found[name]) or 0 <= found[name] <= 1


def test_the_table_says_where_generated_pieces_differ() -> None:
    tunes = [figures(transpose(line(*C_MAJOR) + CHORD, shift)) for shift in range(10)]
    noise = [figures(line(*range(60, 72))) for _ in range(10)] + [figures([])]
    lines = {row[2:40].strip(): row[40:] for row in table(compare(noise, tunes)).splitlines()[1:]}
    assert lines["notes in the key"].split() == ["58.3%", "±", "0.0%", "100.0%", "±", "0.0%", "lower"]
    assert lines["length in beats"].split()[-1] == "higher"
    assert lines["melody: 8 notes heard before"].split() == ["0%", "±", "0%", "0%", "±", "0%"]
    assert lines["chords that begin on a strong beat"].split() == ["-", "100%", "±", "0%"]


def test_few_pieces_get_no_verdict() -> None:
    noise = [figures(line(*range(60, 72)))] * 9
    compared = compare(noise, [figures(line(*C_MAJOR) + CHORD)] * 30)
    assert compared["in_key"].written != compared["in_key"].others
    assert not any(one.verdict for one in compared.values())


def test_what_is_unlike_is_counted_in_deviations() -> None:
    def row(ours: float | None, theirs: float | None) -> Comparison:
        return Comparison(None if ours is None else (ours, 5.0), None if theirs is None else (theirs, 2.0), "")

    near, far = row(10.0, 11.0), row(10.0, 13.0)
    assert unlike({"a": near, "b": far, "c": row(None, 3.0), "d": row(3.0, None)}) == pytest.approx(0.96, abs=0.1)
    assert unlike({"a": far, "b": row(0.0, 1000.0)}) == pytest.approx(2.2, abs=0.1), "3 at most"
    assert unlike({}) == 0


def test_nothing_to_compare() -> None:
    compared = compare([], [figures([]), figures([Note(60, 0, 1)])])
    assert all(one.written is None and not one.verdict for one in compared.values())
    lines = table(compared).splitlines()
    assert len(lines) == len(ROWS) + 2
    assert lines[-1].startswith("  -: ")  # what a dash means
