import io
import os
import struct
import sys
from pathlib import Path

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from midi_bytes import END, midi, track

from midi_io import MidiError, Note, Song, read_notes, read_song
from midi_io.disk import printable
from midi_io.reader import parse_song

C = "00 90 3c 40  60 80 3c 40"  # middle C for one beat
MIDDLE_C = Note(60, 0.0, 1.0, velocity=64)


def notes_of(events):
    return parse_song(midi(track(events + END))).notes


# What real files do ---------------------------------------------------------------------------------------------------


def test_a_note_is_read_in_beats(tmp_path):
    path = tmp_path / "c.mid"
    path.write_bytes(midi(track("30 90 3c 50  18 80 3c 00" + END)))
    assert read_notes(path) == read_notes(str(path)) == [Note(60, 0.5, 0.25, velocity=80)]


def test_velocity_0_switches_off_and_status_runs_on():
    assert notes_of("00 90 3c 40  60 3c 00  00 3e 40  60 3e 00") == [MIDDLE_C, Note(62, 1.0, 1.0, velocity=64)]


def test_status_runs_on_after_a_text_and_a_clock():
    for between in ("00 ff 01 02 68 69", "00 f8"):
        assert notes_of("00 90 3c 40" + between + "60 3c 00") == [MIDDLE_C]
        assert notes_of("00 c0 28" + between + "00 28" + C) == [MIDDLE_C._replace(program=40)]


def test_a_system_exclusive_ends_the_running_status():
    assert notes_of("00 90 3c 40" + "00 f0 03 7e 09 f7" + "60 90 3c 00") == [MIDDLE_C]
    with pytest.raises(MidiError, match="is damaged at byte 32"):
        notes_of("00 90 3c 40" + "00 f0 03 7e 09 f7" + "60 3c 00" + C)


def test_the_first_on_is_paired_with_the_first_off():
    overlapping = "00 90 3c 40  30 90 3c 50  30 80 3c 40  60 80 3c 40"
    assert notes_of(overlapping) == [Note(60, 0.0, 1.0, velocity=64), Note(60, 0.5, 1.5, velocity=80)]


def test_a_note_that_is_never_switched_off_is_left_out():
    assert notes_of(C + "00 90 40 40") == [MIDDLE_C]


def test_an_off_without_an_on_is_nothing_and_a_note_of_no_length_is_kept():
    assert notes_of("00 80 40 40" + C) == [MIDDLE_C]
    assert notes_of("00 90 3c 40  00 80 3c 40") == [MIDDLE_C._replace(duration=0.0)]


def test_notes_pair_and_programs_hold_within_their_track_and_channel():
    strings = track("00 c0 28  00 90 3c 40  60 80 3c 40" + END)
    piano = track("00 90 3c 40  00 91 3c 41  30 80 3c 40  30 81 3c 40" + END)
    assert sorted(parse_song(midi(strings, piano)).notes) == [
        Note(60, 0.0, 0.5, velocity=64),
        Note(60, 0.0, 1.0, velocity=64, program=40),
        Note(60, 0.0, 1.0, velocity=65),
    ]


def test_the_program_is_the_one_in_force_when_the_note_begins():
    assert notes_of("00 c0 01  00 90 3c 40  00 c0 02  60 80 3c 40") == [MIDDLE_C._replace(program=1)]


def test_channel_10_is_drums_and_its_program_is_the_kit():
    assert notes_of("00 c9 08  00 99 24 40  60 89 24 40") == [Note(36, 0.0, 1.0, 64, program=8, drum=True)]


def test_notes_are_in_the_order_of_start_and_pitch():
    high = track("00 90 48 40  60 80 48 40" + END)
    late_then_low = track("60 90 30 40  60 80 30 40" + END)
    assert [note.pitch for note in parse_song(midi(high, late_then_low, track(C + END))).notes] == [60, 72, 48]


def test_tempo_changes_do_not_change_beats_and_the_first_tempo_and_meter_are_the_songs():
    tempo = "00 ff 51 03 0a 2c 2a"  # 666,666 microseconds: 90 beats per minute
    waltz = "00 ff 58 04 03 02 18 08"
    later = "60 ff 51 03 07 a1 20  00 ff 58 04 04 02 18 08"
    song = parse_song(midi(track(tempo + waltz + "00 90 3c 40" + later + "00 80 3c 40" + END)))
    assert song == Song([MIDDLE_C], bpm=90.0, meter=(3, 4))


@pytest.mark.parametrize(
    ("meters", "told"),
    [
        ([(2, 4)], (4, 4)), ([(12, 8), (12, 8)], (6, 8)), ([(9, 8)], (9, 8)), ([(5, 4)], None), ([(1, 4)], None),
        ([(3, 4), (4, 4)], None), ([], None),
    ],
)  # fmt: skip
def test_a_file_tells_the_meter_that_it_names_alone(meters, told):
    events = "".join(
        f"00 ff 58 04 {above:02x} {below.bit_length() - 1:02x} 18 08 83 60 c0 00 " for above, below in meters
    )
    assert parse_song(midi(track(events + C + END))).told == told


def test_a_file_that_names_no_tempo_meter_or_title_gets_the_standards_defaults():
    assert parse_song(midi(track(C + END))) == Song([MIDDLE_C], title="", bpm=120.0, meter=(4, 4))


@pytest.mark.parametrize(
    ("text", "title"),
    [
        (b"Ode to Joy", "Ode to Joy"),
        ("Für Elise".encode("latin-1"), "F\ufffdr Elise"),
        ("Für Elise".encode(), "Für Elise"),
        (b"\x1b[31mred\nlines", "\\x1b[31mred\\nlines"),
    ],
)
def test_the_title_is_the_first_tracks_name_in_one_safe_line(text, title):
    name = f"00 ff 03 {len(text):02x}" + text.hex()
    assert parse_song(midi(track(name + C + END), track("00 ff 03 01 41" + END))).title == title


def test_an_unknown_meta_event_keeps_its_time():
    assert notes_of("60 ff 60 02 61 62" + C) == [MIDDLE_C._replace(start=1.0)]


@pytest.mark.parametrize(
    "event",
    [
        "00 ff 59 02 08 00",  # a key of eight sharps
        "00 ff 59 00",
        "00 ff 51 02 07 a1",  # a tempo of two bytes
        "00 ff 51 03 00 00 00",  # a tempo without end
        "00 ff 58 02 04 02",  # a meter of two bytes
        "00 ff 58 04 04 ff 18 08",  # 4 over 2 to the 255th
        "00 ff 58 04 00 02 18 08",  # 0 over 4
        "00 ff 54 05 ff 00 00 00 00",  # a frame rate that there is not
        "00 ff 00 01 01",
        "00 ff 20 00",
        "00 ff 03 00",
        "00 f0 03 7e c1 f7",
        "00 f7 02 f3 01",
        "00 f1 00  00 f2 00 00  00 f3 00  00 f6  00 f8  00 fe",
        "80 80 80 00 ff 01 00",  # a delta time in more bytes than it needs
    ],
)
def test_events_that_other_readers_stumble_over_do_no_harm(event):
    song = parse_song(midi(track(event + C + END)))
    assert song == Song([MIDDLE_C])


def test_formats_0_and_2_and_wrapped_files_are_read():
    good = midi(track(C + END), format_=0)
    riff = b"RIFF" + struct.pack("<L", len(good) + 12) + b"RMIDdata" + struct.pack("<L", len(good)) + good
    for data in (good, midi(track(C + END), format_=2), riff, bytes(128) + good):
        assert parse_song(data).notes == [MIDDLE_C]


def test_chunks_that_are_no_tracks_and_bytes_after_the_last_one_are_passed_over():
    alien = b"XFIH" + struct.pack(">L", 2) + b"ab"
    assert parse_song(midi(alien, track(C + END), count=1) + bytes(99)).notes == [MIDDLE_C]


def test_a_longer_header_is_passed_over():
    good = midi(track(C + END))
    assert parse_song(good[:7] + b"\x08" + good[8:14] + b"??" + good[14:]).notes == [MIDDLE_C]


def test_a_track_without_an_end_is_read_and_events_after_the_end_are_not():
    assert parse_song(midi(track(C), track(C + END))).notes == [MIDDLE_C, MIDDLE_C]
    assert notes_of(C + END + C) == [MIDDLE_C]


@pytest.mark.parametrize("length", [0, 5, 2**32 - 1])
def test_a_track_of_a_wrong_length_ends_with_its_end_of_track(length):
    assert parse_song(midi(track(C + END, length), track(C + END))).notes == [MIDDLE_C, MIDDLE_C]


def test_fewer_or_more_tracks_than_the_header_says():
    assert parse_song(midi(track(C + END), count=40_000)).notes == [MIDDLE_C]
    assert parse_song(midi(track(C + END), track(C + END), count=1)).notes == [MIDDLE_C]


BEND, CONTROLLER, PROGRAM, PRESSURE = "00 e0 80 ff", "00 b0 87 7f 00 07 f0", "00 c0 a8", "00 d0 ff 00 a0 3c 80"


@pytest.mark.parametrize(
    ("kinds", "count"),
    [(BEND, 1), (CONTROLLER, 2), (PROGRAM, 1), (PRESSURE, 2), (BEND + CONTROLLER + PROGRAM + PRESSURE, 6)],
)
def test_data_bytes_above_127_are_read_as_players_do(kinds, count):
    song = parse_song(midi(track(C + END), track(kinds + "00 90 40 40 60 80 40 40" + END)))
    assert song.notes == [MIDDLE_C, MIDDLE_C._replace(pitch=64, program=40 if "c0" in kinds else 0)]
    assert song.high_bytes == count


@pytest.mark.parametrize("tracks", [(-1, None), (None, -1), (None, 500)])
def test_such_bytes_are_damage_where_a_track_does_not_end_where_its_length_says(tracks):
    contents = (C + END, BEND + C + END)
    lengths = [length and len(bytes.fromhex(text)) + length for text, length in zip(contents, tracks, strict=True)]
    with pytest.raises(MidiError, match="has a data byte above 127 after byte"):
        parse_song(midi(*[track(text, length) for text, length in zip(contents, lengths, strict=True)]))


# What cannot be read --------------------------------------------------------------------------------------------------

GOOD = midi(track(C + END))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<html>404</html>", "not MIDI"),
        (b"MThd", "cut short"),
        (GOOD[:-6], "cut short"),
        (GOOD[:20], "cut short"),
        (midi(count=1), "no tracks"),
        (midi(track(C + END), count=0), "no tracks"),
        (midi(count=1) + b"\0\0", "damaged"),
        (midi(track("00 90 3c")), "cut short"),
        (midi(track("00 ff 01 7f 61" + C)), "cut short"),
        (midi(b"XFIH" + struct.pack(">L", 99)), "no tracks"),
        (midi(track(C + END), b"XFIH" + struct.pack(">L", 99)), "cut short"),
        (midi(track(C), format_=5), "damaged"),
        (midi(track(C), division=0), "damaged"),
        (midi(track(C), division=0xE728), "damaged"),
        (midi(track(C + END), track(C + END)).replace(b"MTrk", b"\0\0\0\0"), "damaged"),
        (midi(track("00 3c 40" + C + END)), "damaged"),  # data, and no status that could run on
        (midi(track("00 90 fd 40" + C + END)), "damaged"),
        (midi(track("00 f4" + C + END)), "damaged"),
        (midi(track("ff ff ff ff 7f 90 3c 40" + C + END)), "damaged"),
        (midi(track("00 ff 01 ff ff ff ff 7f" + C + END)), "damaged"),
        (midi(track("ff ff ff 7f" + C[2:] + END), division=1), "damaged"),  # 268 million beats of silence
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line_with_its_reason(tmp_path, data, reason):
    path = tmp_path / "bad.mid"
    path.write_bytes(data)
    with pytest.raises(MidiError) as caught:
        read_song(path)
    assert caught.value.reason == reason
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_the_error_names_the_byte():
    with pytest.raises(MidiError, match="is damaged at byte 22"):
        parse_song(midi(track("00 f4" + C + END)))


def test_a_number_of_a_million_bytes_is_refused_at_once():
    with pytest.raises(MidiError, match="is damaged at byte 22"):  # to compute it would take minutes
        parse_song(midi(track("ff" * 1_000_000 + "7f 90 3c 40" + END)))


@pytest.mark.parametrize("name", ["", "missing.mid", "nul\0.mid", "folder.mid", "fifo.mid", "loop.mid", "dangling.mid"])
@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes")
def test_paths_that_are_no_files_are_refused_and_never_waited_for(tmp_path, name):
    (tmp_path / "folder.mid").mkdir()
    os.mkfifo(tmp_path / "fifo.mid")
    (tmp_path / "loop.mid").symlink_to("loop.mid")
    (tmp_path / "dangling.mid").symlink_to("nowhere.mid")
    with pytest.raises(MidiError) as caught:
        read_notes(os.path.join(tmp_path, name))  # noqa: PTH118 (a Path cannot be empty)
    assert "\n" not in str(caught.value)
    assert "\0" not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="a device of this kind")
def test_a_device_without_end_is_refused():
    with pytest.raises(MidiError, match="not a regular file"):
        read_notes("/dev/zero")


def test_a_file_of_any_name_is_read_and_named_safely(tmp_path):
    for name in (b"not utf8 \xff.mid", b"line\nbreak.mid", b"esc\x1b[31m.mid"):
        path = os.fsdecode(os.fsencode(tmp_path) + b"/" + name)
        Path(path).write_bytes(GOOD)
        assert read_notes(path) == [MIDDLE_C]
        Path(path).write_bytes(b"")
        with pytest.raises(MidiError) as caught:
            read_notes(path)
        assert str(caught.value).isprintable()


def test_a_file_that_is_too_large_is_refused(tmp_path):
    path = tmp_path / "large.mid"
    path.write_bytes(GOOD)
    assert read_song(path, max_bytes=len(GOOD)).notes == [MIDDLE_C]
    with pytest.raises(MidiError, match="has more than 20 bytes") as caught:
        read_song(path, max_bytes=20)
    assert caught.value.reason == "too large"


def test_whatever_goes_wrong_becomes_a_midi_error(monkeypatch):
    for fault in (KeyError(7), RecursionError("deep"), MemoryError(), OverflowError("a\nb")):

        def broken(_, fault=fault):
            raise fault

        monkeypatch.setattr("midi_io.reader._split", broken)
        with pytest.raises(MidiError) as caught:
            parse_song(GOOD)
        assert str(caught.value).isprintable()


EVENT_PIECES = st.sampled_from(
    [
        bytes.fromhex(piece)
        for piece in ("00 90 3c 40", "60 3c 00", "00 ff", "51 03", "00 f0", "f7", "81 00", "00 c0 05", END)
    ]
)


@settings(max_examples=300)
@given(st.lists(EVENT_PIECES | st.binary(max_size=4), max_size=30).map(b"".join), st.booleans())
def test_any_bytes_give_a_song_or_a_midi_error(events, framed):
    data = midi(track(events.hex())) if framed else events
    try:
        song = parse_song(data)
    except MidiError as error:
        assert str(error).isprintable()  # noqa: PT017 (both ends are right)
    else:
        assert all(0 <= note.pitch <= 127 and note.duration >= 0 and note.start >= 0 for note in song.notes)
        assert song.title.isprintable()


@given(st.text())
def test_printable_text_is_one_line_of_valid_unicode(text):
    shown = printable(text + "\udcff\n\x1b\u202e")
    assert shown.isprintable()
    shown.encode("utf-8")


@given(
    st.lists(
        st.sampled_from(["note_on", "note_off", "program_change", "control_change", "pitchwheel", "aftertouch"]),
        max_size=50,
    ),
    st.data(),
)
def test_what_mido_writes_is_read_as_mido_decodes_it(kinds, data):
    """Every channel message survives being made plain: the same events, the same times."""
    numbers = st.integers(0, 127)
    messages = mido.MidiTrack()
    for kind in kinds:
        fields = {
            "channel": data.draw(st.integers(0, 15)),
            "time": data.draw(st.sampled_from([0, 1, 127, 128, 20_000])),
        }
        if kind in ("note_on", "note_off"):
            fields |= {"note": data.draw(st.integers(60, 62)), "velocity": data.draw(numbers)}
        elif kind == "program_change":
            fields |= {"program": data.draw(numbers)}
        messages.append(mido.Message(kind, **fields))
    expected, programs, sounding, now = [], {}, {}, 0
    for message in messages:
        now += message.time
        if message.type == "program_change":
            programs[message.channel] = message.program
        elif message.type in ("note_on", "note_off"):
            key = message.channel, message.note
            if message.type == "note_on" and message.velocity:
                sounding.setdefault(key, []).append((now, message.velocity, programs.get(message.channel, 0)))
            elif sounding.get(key):
                start, velocity, program = sounding[key].pop(0)
                expected.append(Note(key[1], start / 96, (now - start) / 96, velocity, program, key[0] == 9))
    body = mido_bytes(messages)
    assert sorted(parse_song(body).notes) == sorted(expected)


def mido_bytes(messages):
    buffer = io.BytesIO()
    mido.MidiFile(ticks_per_beat=96, tracks=[messages]).save(file=buffer)
    return buffer.getvalue()
