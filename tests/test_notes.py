import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midi_io import MidiIoError, Note, piano_roll, quantise, transpose
from midi_io.music.instruments import INSTRUMENTS, programs_of

GRIDS = st.sampled_from([1, 4, 7, 12, 24, 480])
NOTES = st.lists(
    st.builds(
        Note,
        pitch=st.integers(58, 62),
        start=st.floats(0, 20),
        duration=st.floats(0, 5),
        velocity=st.integers(1, 127),
        program=st.sampled_from([0, 1]),
        drum=st.booleans(),
    ),
    max_size=30,
)


def test_times_go_to_the_nearest_position_and_half_way_to_the_later():
    played = [Note(60, 0.03, 0.95), Note(62, 1.125, 0.9)]
    assert quantise(played, 4) == [Note(60, 0.0, 1.0), Note(62, 1.25, 0.75)]


def test_the_shortest_note_lasts_one_position():
    assert quantise([Note(60, 1.0, 0.0)], 12) == [Note(60, 1.0, 1 / 12)]


def test_unisons_of_one_instrument_become_one_note_the_longest_and_loudest():
    together = [Note(60, 0.0, 2.0, velocity=50), Note(60, 0.01, 1.0, velocity=90)]
    assert quantise(together, 12) == [Note(60, 0.0, 2.0, velocity=90)]


def test_a_note_struck_again_ends_there():
    overlapping = [Note(60, 0.0, 4.0), Note(60, 1.0, 1.0)]
    assert quantise(overlapping, 12) == [Note(60, 0.0, 1.0), Note(60, 1.0, 1.0)]


def test_instruments_do_not_end_each_others_notes():
    both = [Note(60, 0.0, 4.0, program=0), Note(60, 1.0, 1.0, program=40), Note(60, 1.0, 1.0, drum=True)]
    assert quantise(both, 12) == [both[0], both[1], both[2]]


@given(NOTES, GRIDS)
def test_quantised_notes_are_in_order_on_the_grid_and_do_not_overlap(notes, grid):
    quantised = quantise(notes, grid)
    assert quantised == sorted(quantised, key=lambda note: (note.start, note.pitch, note.drum, note.program))
    sounding_until = {}
    for note in quantised:
        first, length = round(note.start * grid), round(note.duration * grid)
        assert (note.start, note.duration) == (first / grid, length / grid)  # the nearest floats, exactly
        assert length >= 1
        instrument = note.program, note.drum, note.pitch
        assert sounding_until.get(instrument, 0) <= first
        sounding_until[instrument] = first + length


@given(NOTES, GRIDS)
def test_quantising_twice_changes_nothing_and_the_order_of_the_notes_does_not_matter(notes, grid):
    quantised = quantise(notes, grid)
    assert quantise(quantised, grid) == quantised
    assert quantise(reversed(notes), grid) == quantised


def test_transposing_leaves_drums_alone_and_drops_what_midi_cannot_hold():
    notes = [Note(60, 0.0, 1.0), Note(126, 0.0, 1.0), Note(36, 0.0, 1.0, drum=True)]
    assert transpose(notes, 2) == [Note(62, 0.0, 1.0), Note(36, 0.0, 1.0, drum=True)]
    assert transpose(notes, -61) == [Note(65, 0.0, 1.0), Note(36, 0.0, 1.0, drum=True)]


def test_piano_roll_shows_pitches_beats_and_bars():
    tune = [Note(72, 0.0, 1.0), Note(67, 1.0, 0.5), Note(72, 4.0, 0.25), Note(36, 4.5, 0.25, drum=True)]
    assert piano_roll(tune).splitlines() == [
        "       1                2",
        "    C5 ●━━━·   ·   ·   │●   ·   ·   ·   │",
        "    G4 ·   ●━  ·   ·   │·   ·   ·   ·   │",
        "drum36 ·   ·   ·   ·   │· × ·   ·   ·   │",
    ]


def test_piano_roll_keeps_to_its_width_and_counts_what_it_leaves_out():
    tune = [Note(60, float(beat), 1.0) for beat in range(40)]
    lines = piano_roll(tune, width=60).splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[-1] == "       ... and 7 more bars"  # three of ten fit into 60 columns


def test_piano_roll_of_nothing_is_nothing():
    assert piano_roll([]) == ""


@given(NOTES, st.tuples(st.integers(1, 255), st.sampled_from([1, 2, 4, 8, 64])), st.integers(30, 120))
def test_piano_roll_has_a_start_for_every_note_it_shows(notes, meter, width):
    text = piano_roll(notes, meter=meter, width=10_000)
    starts = {(note.drum, note.pitch, round(note.start * 4)) for note in notes}
    assert text.count("●") + text.count("×") == len(starts)
    assert all(len(line) <= width for line in piano_roll(notes, meter=meter, width=width).splitlines())


def test_instruments_have_families_names_and_numbers():
    assert len(set(INSTRUMENTS)) == 128
    assert programs_of("strings") == range(40, 48)
    assert programs_of("Violin") == programs_of("40") == range(40, 41)
    assert programs_of("honky-tonk") == range(3, 4)


@pytest.mark.parametrize("name", ["", "kazoo", "128", "-1", "²"])
def test_unknown_instruments_are_refused_in_one_line(name):
    with pytest.raises(MidiIoError, match="no instrument") as caught:
        programs_of(name)
    assert "\n" not in str(caught.value)


def test_a_note_on_the_grid_stays_there_far_from_the_beginning():
    position = 12_345_679
    assert quantise([Note(60, position / 12, 1 / 12)], 12) == [Note(60, position / 12, 1 / 12)]
    assert math.isclose(position / 12 * 12, position)
