"""What is kept of a performance, and that nothing else is changed."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midi_io import Note, Song, encode, quantise, read_song
from midi_io.played import AS_WRITTEN, LENGTHS, PLACES, Played, in_place, off_the_beat, simplified, suits

ROOT = Path(__file__).parent.parent

times = st.floats(0, 40, allow_nan=False)
songs = st.lists(
    st.builds(
        Note,
        pitch=st.integers(0, 127),
        start=times,
        duration=times,
        velocity=st.integers(1, 127),
        program=st.integers(0, 127),
        drum=st.booleans(),
    ),
    max_size=30,
)
ways = st.builds(Played, st.sampled_from([0, 1, 2, 3, 4, 8, 32, 127]), *[st.booleans()] * 3)
SCALE = [Note(60 + k, k / 2, 0.5) for k in range(32)]


def later(notes, beats):
    return [note._replace(start=note.start + beats) for note in notes]


@given(songs, ways)
def test_simplifying_once_more_changes_nothing(notes, played):
    once = simplified(notes, played)
    assert simplified(once, played) == once


@given(songs, ways)
def test_every_note_stays_and_keeps_its_pitch(notes, played):
    kept = simplified(notes, played)
    assert [(note.pitch, note.drum) for note in kept] == [(note.pitch, note.drum) for note in notes]
    for note, other in zip(kept, notes, strict=True):
        assert note.start >= 0
        assert abs(note.start - other.start) < 1 / 4 + (1 / 8 if played.snap else 0) + 1e-9
        assert 1 <= note.velocity <= 127
    if played == AS_WRITTEN:
        assert kept == in_place(notes)


@pytest.mark.parametrize("beats", [0.08, -0.08, 0.1, 0.125, 0.2, 7.3])
def test_a_song_beside_its_beats_is_moved_onto_them(beats):
    moved = in_place(later(SCALE, 1 + beats))
    assert off_the_beat(np.array([note.start for note in moved])) < 1e-9
    steps = {round(after.start - note.start, 9) for note, after in pairwise(moved)}
    assert steps == {0.5}


@pytest.mark.parametrize(
    "starts",
    [
        np.arange(40) / 2,  # on the beats
        np.arange(40) / 3,  # triplets: their sixteenths cancel out
        np.arange(40) / 3 + 1 / 3 * (np.arange(40) % 2),
        np.arange(40) / 2 + 0.01,  # near enough
        np.random.default_rng(0).random(200) * 40,  # no beat at all
        np.zeros(0),
    ],
)
def test_other_songs_stay_where_they_are(starts):
    notes = [Note(60, start, 0.5) for start in starts.tolist()]
    assert in_place(notes) == notes


@given(songs, st.integers(2, 20))
def test_each_instrument_has_so_many_levels_around_its_own_median(notes, levels):
    kept = simplified(notes, Played(levels))
    assert len({note.velocity for note in kept}) <= levels
    for instrument in {(note.drum, note.program) for note in notes}:
        before = [note.velocity for note in notes if (note.drum, note.program) == instrument]
        after = [note.velocity for note in kept if (note.drum, note.program) == instrument]
        assert sorted(after)[(len(after) - 1) // 2] == 80
        assert all((a <= b) for (_, a), (_, b) in pairwise(sorted(zip(before, after, strict=True))))


@pytest.mark.parametrize("levels", [0, 1])
def test_no_levels_leave_no_velocity_to_be_said(levels):
    notes = [note._replace(velocity=20 + 3 * k) for k, note in enumerate(SCALE)]
    assert not [token for token in encode(simplified(notes, Played(levels)), "note") if token.startswith("v")]


def test_a_quiet_song_and_a_loud_one_are_spelled_alike():
    quiet = [note._replace(velocity=40 + k % 5 * 8) for k, note in enumerate(SCALE)]
    loud = [note._replace(velocity=note.velocity + 40) for note in quiet]
    assert simplified(quiet, Played(4)) == simplified(loud, Played(4))


@given(songs)
def test_snapped_notes_begin_at_places_and_have_simple_lengths(notes):
    for note in simplified(notes, Played(snap=True)):
        assert np.abs(note.start % 1 - PLACES).min() < 1e-9
        assert note.drum or note.duration % 1 == 0 or np.abs(LENGTHS - note.duration).min() == 0
        assert not note.drum or note.duration == 1 / 4


@pytest.mark.parametrize(
    ("played", "simple"),
    [(0.01, 1 / 12), (0.23, 0.25), (0.3, 1 / 3), (0.95, 1), (1.42, 1.5), (3.9, 4), (6.4, 6), (15.6, 16), (19, 20)],
)
def test_short_lengths_are_fine_and_long_ones_coarse(played, simple):
    assert simplified([Note(60, 0, played)], Played(snap=True)) == [Note(60, 0, simple)]


def test_a_family_is_one_instrument_and_there_is_one_drum_kit():
    notes = [Note(60, 0, 1, 80, 27), Note(64, 0, 1, 80, 31), Note(36, 0, 1, 80, 8, drum=True), Note(48, 0, 1, 80, 33)]
    kept = simplified(notes, Played(families=True))
    assert [note.program for note in kept] == [24, 24, 0, 32]
    assert encode(kept, "note").count("i24") == 1


def test_what_suits_written_music_is_all_of_it():
    assert suits([Song(SCALE)] * 3) == (AS_WRITTEN, "")
    assert suits([]) == (AS_WRITTEN, "")


def test_the_embedded_songs_are_spelled_as_they_are_written():
    """With the meter, where there is more than one instrument."""
    for folder, said in (
        ("tunes", (AS_WRITTEN, "")),
        ("ensembles", (Played(meters=True), "28 of 28 files name one meter")),
    ):
        songs = [read_song(path) for path in sorted((ROOT / "songs" / folder).rglob("*.mid"))]
        assert suits(songs) == said
        assert all(simplified(song.notes, AS_WRITTEN) == song.notes for song in songs)


@pytest.mark.parametrize(("naming", "meters"), [(0, False), (1, False), (2, True), (4, True)])
def test_a_meter_is_said_where_half_of_the_files_name_one(naming, meters):
    duet = [*SCALE, *(note._replace(program=40) for note in SCALE)]
    songs = [Song(duet, told=(3, 4) if k < naming else None) for k in range(4)]
    assert suits(songs)[0].meters == meters
    assert not suits([replace(song, notes=SCALE) for song in songs])[0].meters


def test_what_suits_played_music_is_said_with_its_reasons():
    rng = np.random.default_rng(0)
    loose = [note._replace(velocity=40 + k, duration=0.1 + rng.random()) for k, note in enumerate(SCALE)]
    played, why = suits([Song(loose)])
    assert played == Played(4, snap=True)
    assert why.startswith("32 velocities, ")
    assert "of the lengths uneven" in why
    astray = [note._replace(start=start) for note, start in zip(SCALE, rng.random(32) * 16, strict=True)]
    assert suits([Song(SCALE), Song(astray)])[1] == "1 of 2 songs do not follow the beat of their files"


def test_what_suits_a_band():
    band = [note._replace(program=k) for k, note in enumerate(SCALE)] + [Note(36, 0, 1, drum=True)]
    assert suits([Song(band)]) == (Played(127, snap=True, families=True), "drums, 32 instruments")


@given(songs, ways)
def test_the_spelling_of_simplified_notes_comes_back(notes, played):
    kept = simplified(notes, played)
    assert encode(quantise(kept, 12), "note") == encode(kept, "note")
    assert played == AS_WRITTEN.asked(*played)
    assert AS_WRITTEN.asked(None, None, None, None) == AS_WRITTEN
