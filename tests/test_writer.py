import io
import os
import sys
from pathlib import Path

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from midi_bytes import END, midi, track

from midi_io import MidiError, Note, Song, quantise, read_song, write_notes, write_song
from midi_io.reader import parse_song
from midi_io.writer import song_bytes


def mido_file(song):
    return mido.MidiFile(file=io.BytesIO(song_bytes(song)))


ANY_NOTES = st.lists(
    st.builds(
        Note,
        pitch=st.integers(60, 63) | st.integers(0, 127),
        start=st.floats(0, 30),
        duration=st.floats(0, 6),
        velocity=st.integers(1, 127),
        program=st.integers(0, 2) | st.integers(0, 127),
        drum=st.booleans(),
    ),
    max_size=60,
)


@settings(max_examples=200)
@given(ANY_NOTES, st.sampled_from([1, 3, 4, 7, 12, 24, 48, 97, 480, 1000]))
def test_quantised_notes_written_and_read_again_are_the_same_notes(notes, grid):
    quantised = quantise(notes, grid)
    assert parse_song(song_bytes(Song(quantised))).notes == quantised


@given(
    ANY_NOTES, st.integers(3, 60_000).map(lambda bpm: bpm + 0.576), st.integers(1, 255), st.integers(0, 6), st.text()
)
def test_any_song_can_be_written_and_what_it_says_is_kept(notes, bpm, numerator, power, title):
    song = Song(notes, title, bpm, (numerator, 2**power))
    again = parse_song(song_bytes(song))
    assert len(again.notes) == len(notes)
    assert again.meter == song.meter
    assert again.bpm == pytest.approx(bpm, rel=1e-5 + bpm / 1e8)  # a whole number of microseconds
    if title.isprintable() and len(title.encode()) < 128:
        assert again.title == title


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 96), st.integers(60, 61)), max_size=30))
def test_a_song_that_was_read_can_be_written_and_keeps_its_times(events):
    """Not quantised: overlapping and empty notes at 24 ticks per beat, as a file may have them."""
    notes = [Note(pitch, start / 24, length / 24) for start, length, pitch in events]
    read = parse_song(song_bytes(Song(notes))).notes
    assert sorted((note.pitch, note.start) for note in read) == sorted((note.pitch, note.start) for note in notes)
    assert parse_song(song_bytes(Song(read))).notes == read


def test_every_grid_has_its_ticks():
    assert mido_file(Song([Note(60, 0.0, 1.0)])).ticks_per_beat == 480
    assert mido_file(Song([Note(60, 1 / 12, 1 / 12)])).ticks_per_beat == 480
    assert mido_file(Song([Note(60, 1 / 7, 3 / 7)])).ticks_per_beat == 483
    assert mido_file(Song([Note(60, 1 / 32749, 1 / 32719)])).ticks_per_beat == 480  # no 15 bits hold both


def test_each_instrument_has_a_track_and_drums_are_on_channel_10():
    song = Song([Note(60, 0.0, 1.0, program=40), Note(36, 0.0, 1.0, drum=True), Note(62, 0.0, 1.0, program=0)], "Trio")
    conductor, *tracks = mido_file(song).tracks
    assert conductor.name == "Trio"
    changes = [message for messages in tracks for message in messages if message.type == "program_change"]
    programs = [(change.channel, change.program) for change in changes]
    assert programs == [(0, 0), (1, 40), (9, 0)]
    assert len(tracks) == 3


def test_more_programs_than_channels_change_the_program_before_their_notes():
    """A synthesiser merges the tracks and hears channels only: each note must sound with its own program there, too."""
    notes = [Note(60, beat / 2, 0.25, program=program) for beat, program in enumerate([*range(40), 0, 20, 39, 0])]
    notes += [Note(60, 99.0, 0.25, program=program) for program in range(40)]
    file = mido_file(Song(notes))
    sounding, heard = {}, []
    for message in file.merged_track:
        if message.type == "program_change":
            sounding[message.channel] = message.program
        elif message.type == "note_on" and message.velocity:
            assert message.channel != 9
            heard.append(sounding[message.channel])
    assert heard == [note.program for note in notes]
    assert parse_song(song_bytes(Song(notes))).notes == notes


def test_a_silence_longer_than_a_delta_time_can_hold():
    late = [Note(60, 999_000 + 1 / 1000, 1 / 1000)]
    assert parse_song(song_bytes(Song(late))).notes == late


def test_the_same_song_gives_the_same_bytes_in_whatever_order_its_notes_come(tmp_path):
    notes = [Note(60, 0.0, 1.0), Note(64, 0.0, 2.0, program=40), Note(36, 1.5, 0.5, drum=True)]
    write_notes(notes, tmp_path / "a.mid")
    write_notes(reversed(notes), str(tmp_path / "b.mid"))
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()


def test_a_small_song_byte_by_byte(tmp_path):
    write_song(Song([Note(60, 0.0, 1.0)], "Hi", 90.0, (3, 4)), tmp_path / "hi.mid")
    conductor = track("00 ff 03 02 48 69  00 ff 51 03 0a 2c 2b  00 ff 58 04 03 02 18 08" + END)
    piano = track("00 c0 00  00 90 3c 50  83 60 3c 00" + END)
    assert (tmp_path / "hi.mid").read_bytes() == midi(conductor, piano, division=480)
    assert read_song(tmp_path / "hi.mid") == Song([Note(60, 0.0, 1.0)], "Hi", 90.0, (3, 4), told=(3, 4))


@pytest.mark.parametrize(
    "song",
    [
        Song([Note(128, 0.0, 1.0)]),
        Song([Note(60, 0.0, 1.0, velocity=0)]),
        Song([Note(60, 0.0, 1.0, program=-1)]),
        Song([Note(60, -1.0, 1.0)]),
        Song([Note(60, 0.0, -1.0)]),
        Song([Note(60, float("nan"), 1.0)]),
        Song([Note(60, 0.0, float("inf"))]),
        Song([], bpm=0.0),
        Song([], bpm=float("nan")),
        Song([], meter=(4, 3)),
        Song([], meter=(0, 4)),
    ],
)
def test_what_midi_cannot_hold_is_refused_before_the_file_is_touched(tmp_path, song):
    path = tmp_path / "kept.mid"
    path.write_bytes(b"kept")
    with pytest.raises(MidiError) as caught:
        write_song(song, path)
    assert str(caught.value).isprintable()
    assert path.read_bytes() == b"kept"


@pytest.mark.parametrize("name", ["", "folder", "missing/song.mid", "nul\0.mid"])
@pytest.mark.skipif(sys.platform == "win32", reason="other errors for folders")
def test_a_path_that_cannot_be_written_is_refused_in_one_line(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(MidiError, match="cannot be written") as caught:
        write_notes([Note(60, 0.0, 1.0)], os.path.join(tmp_path, name))  # noqa: PTH118 (a Path cannot be empty)
    assert str(caught.value).isprintable()


def tracks_of(path):
    """The name, the channels and the pitches of each track with notes."""
    tracks = [[message for message in track if message.type == "note_on"] for track in mido.MidiFile(path).tracks]
    names = [track.name for track in mido.MidiFile(path).tracks]
    return [
        (name, {on.channel for on in ons}, [on.note for on in ons if on.velocity])
        for name, ons in zip(names, tracks, strict=True)
        if ons
    ]


TUNE = [Note(72, 0.0, 1.0), Note(48, 0.0, 2.0), Note(55, 0.0, 2.0), Note(74, 1.0, 1.0), Note(36, 1.0, 0.5, drum=True)]


def test_melody_and_chords_of_one_instrument_may_have_a_track_each(tmp_path):
    write_song(Song(TUNE), tmp_path / "two.mid", melody_apart=True)
    assert tracks_of(tmp_path / "two.mid") == [
        ("melody", {0}, [72, 74]),
        ("chords", {1}, [48, 55]),
        ("", {9}, [36]),
    ]
    assert read_song(tmp_path / "two.mid").notes == sorted(TUNE, key=lambda note: (note.start, note.pitch))


@pytest.mark.parametrize(
    "notes",
    [[*TUNE, Note(60, 0.0, 1.0, program=40)], TUNE[:1], TUNE[-1:], []],
    ids=["band", "melody", "drums", "empty"],
)
def test_where_there_is_no_melody_with_chords_nothing_is_apart(notes):
    assert song_bytes(Song(notes), melody_apart=True) == song_bytes(Song(notes))


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "kept.mid"
    path.write_bytes(b"kept")

    def full(self, data):
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(MidiError, match="No space left on device"):
        write_notes(TUNE, path)
    assert path.read_bytes() == b"kept"
    assert [file.name for file in tmp_path.iterdir()] == ["kept.mid"]


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes")
def test_only_regular_files_are_replaced_and_links_are_followed(tmp_path):
    os.mkfifo(tmp_path / "pipe.mid")
    (tmp_path / "device.mid").symlink_to("/dev/null")
    for name in ("pipe.mid", "device.mid"):
        with pytest.raises(MidiError, match="is not a regular file"):
            write_notes(TUNE, tmp_path / name)
    (tmp_path / "link.mid").symlink_to("target.mid")
    write_notes(TUNE, tmp_path / "link.mid")
    assert (tmp_path / "link.mid").is_symlink()
    assert len(read_song(tmp_path / "target.mid").notes) == len(TUNE)
