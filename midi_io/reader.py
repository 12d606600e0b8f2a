"""From a MIDI file to notes: whatever the file holds, the answer is a song or a MidiError.

mido decodes the messages.  Before it sees a track, the track is made plain: one regular expression passes over the
stretches of channel messages, and every event that carries no note, tempo, meter or title becomes an empty text of the
same delta time.  So what mido stumbles over in real files (key signatures of 8 sharps, texts in strange lengths,
unknown meta events, whose delta time it drops, numbers of a million digits) never reaches it.

Read in this order: read_song, _notes, _plain_track, _tracks.
"""

from __future__ import annotations

import io
import os
import re
import stat
import struct
from collections import deque
from collections.abc import Iterator
from typing import Any

import mido

from midi_io.notes import Note, Song

MAX_BYTES = 4_000_000  # a file; the largest real scores are a tenth of it, and mido takes 300 bytes for a message
MAX_BEATS = 1_000_000  # six days of music: beyond it a delta time is damaged
DRUM_CHANNEL = 9  # counted from 0

_END_OF_TRACK, _TITLE, _TEMPO, _METER = 0x2F, 0x03, 0x51, 0x58
_SHORTEST = {_END_OF_TRACK: 0, _TITLE: 0, _TEMPO: 3, _METER: 2}  # the meta events that are kept, and their bytes
_EMPTY_TEXT = b"\xff\x01\x00"

_DELTA = rb"[\x80-\xff]{0,3}[\x00-\x7f]"  # at most four bytes, says the standard
_NUMBER = re.compile(_DELTA)
_FRESH = rb"(?:D(?=([\x80-\xef]))(?:[\x80-\xbf\xe0-\xef][\x00-\x7f]{2}(?:D[\x00-\x7f]{2}){0,999}|[\xc0-\xdf][\x00-\x7f](?:D[\x00-\x7f]){0,999})){0,999}"
_STRETCH = [  # channel messages in a row; the first may run on with a status that takes 1 or 2 data bytes
    re.compile(pattern.replace(b"D", _DELTA))
    for pattern in (_FRESH, rb"(?:D[\x00-\x7f]){0,999}" + _FRESH, rb"(?:D[\x00-\x7f]{2}){0,999}" + _FRESH)
]
_SYSTEM_DATA = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0, 0xF8: 0, 0xFA: 0, 0xFB: 0, 0xFC: 0, 0xFE: 0}  # status: data bytes


class MidiError(Exception):
    """A MIDI file that cannot be read or written, in one line; `reason` is its kind in two words, for counting."""

    def __init__(self, message: str, reason: str = "damaged") -> None:
        super().__init__(message)
        self.reason = reason


def printable(text: str) -> str:
    """Text that is safe on a terminal and in a table: one line, no escape characters, and valid Unicode."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode("ascii") for c in text
    )


def read_notes(path: str | os.PathLike[str]) -> list[Note]:
    """The notes of a MIDI file, in the order of (start, pitch).  Raises MidiError, and nothing else."""
    return read_song(path).notes


def read_song(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Song:
    """Read a MIDI file (.mid, .midi, .kar, .rmi) of formats 0, 1 and 2; the tracks sound together.

    The first note-on is paired with the first note-off of its track, channel and pitch; the program is the one in
    force at the note-on, by track and channel; channel 10 is drums.  bpm and meter are the first of the file.
    Raises MidiError, and nothing else, for a file that is not one, is damaged or is larger than `max_bytes`.
    """
    try:
        return parse_song(read_bytes(path, max_bytes))
    except MidiError as error:
        raise MidiError(f"{printable(os.fsdecode(path))}: {error}", error.reason) from None


def read_bytes(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> bytes:
    """The content of a regular file; never waits on a pipe or a device.  Raises MidiError (without the file's name)."""
    try:
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise MidiError("not a regular file", "not a file")
            data = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        raise MidiError(f"cannot be opened ({getattr(error, 'strerror', None) or error})", "unreadable") from None
    if len(data) > max_bytes:
        raise MidiError(f"more than {max_bytes:,} bytes", "too large")
    return data


def parse_song(data: bytes) -> Song:
    """The song in the bytes of a MIDI file.  Raises MidiError (without a file's name), and nothing else."""
    try:
        return _song(data)
    except MidiError:
        raise
    except Exception as error:  # mido's faults are of many classes; no file may stop a run
        raise MidiError(f"damaged ({type(error).__name__})") from error


def _song(data: bytes) -> Song:
    division, tracks = _header(data)
    found: list[tuple[int, int, bool, int, int, int]] = []  # start, pitch, drum, program, duration, velocity
    tempos: list[tuple[int, int]] = []
    meters: list[tuple[int, tuple[int, int]]] = []
    title, never_off = "", 0
    for number, plain in enumerate(tracks):
        tick = 0
        programs = [0] * 16
        sounding: dict[tuple[int, int], deque[tuple[int, int, int]]] = {}
        for message in _messages(plain):
            tick += message.time
            kind = message.type
            if kind == "note_on" and message.velocity:
                key = message.channel, message.note
                if key not in sounding:
                    sounding[key] = deque()
                sounding[key].append((tick, message.velocity, programs[message.channel]))
            elif kind in ("note_off", "note_on"):
                waiting = sounding.get((message.channel, message.note))
                if waiting:
                    start, velocity, program = waiting.popleft()
                    drum = message.channel == DRUM_CHANNEL
                    found.append((start, message.note, drum, program, tick - start, velocity))
            elif kind == "program_change":
                programs[message.channel] = message.program
            elif kind == "set_tempo" and message.tempo:
                tempos.append((tick, message.tempo))
            elif kind == "time_signature":
                meters.append((tick, (message.numerator, message.denominator)))
            elif kind == "track_name" and number == 0 and not title:
                title = _text(message.name)
        never_off += sum(map(len, sounding.values()))
    bpm = round(60e6 / min(tempos)[1], 3) if tempos else 120.0
    beat = division if division < 0x8000 else _ticks_per_beat_of_time_code(division, bpm)
    found.sort()
    if found and max(start + duration for start, _, _, _, duration, _ in found) > MAX_BEATS * beat:
        raise MidiError(f"longer than {MAX_BEATS:,} beats")
    notes = [
        Note(pitch, start / beat, duration / beat, velocity, program, drum)
        for start, pitch, drum, program, duration, velocity in found
    ]
    return Song(notes, title, bpm, min(meters)[1] if meters else (4, 4), never_off)


def _header(data: bytes) -> tuple[int, Iterator[bytes]]:
    """The division of a beat, and the tracks in the order of the file."""
    at = data.find(b"MThd", 0, 1024)  # a few bytes in where the file is wrapped in RIFF or MacBinary
    if at < 0:
        raise MidiError("empty file", "empty") if not data else MidiError("not a MIDI file (no MThd)", "not MIDI")
    if len(data) < at + 14:
        raise MidiError("cut short in its header", "cut short")
    size, format_, count, division = struct.unpack_from(">LHHH", data, at + 4)
    if size < 6 or format_ > 2 or not division:
        raise MidiError(f"impossible header (size {size}, format {format_}, division {division})")
    return division, _tracks(data, at + 8 + size, count)


def _tracks(data: bytes, position: int, count: int) -> Iterator[bytes]:
    """Each track made plain.  Other chunks are passed over; so is whatever follows the last track."""
    while count and position < len(data):
        if len(data) < position + 8:
            raise MidiError("cut short between tracks", "cut short")
        name, size = struct.unpack_from(">4sL", data, position)
        position += 8
        if name != b"MTrk":
            if not name.isalnum():
                raise MidiError("no track where one should begin")
            position += size
            continue
        plain, position = _plain_track(data, position, position + size)
        count -= 1
        yield plain


def _plain_track(data: bytes, position: int, end: int) -> tuple[bytes, int]:
    """The track's notes, programs, tempos, meters and titles as mido likes them, and where the next chunk begins."""
    limit = min(end, len(data))
    pieces: list[bytes] = []
    running = 0  # how many data bytes the running status takes; 0: there is none
    while position < limit:
        stretch = _STRETCH[running].match(data, position, limit)
        assert stretch
        if stretch.end() > position:
            pieces.append(stretch[0])
            if stretch[1]:
                running = 1 if 0xC0 <= stretch[1][0] < 0xE0 else 2
            position = stretch.end()
            continue
        delta, position = _number(data, position, limit)
        status = _byte(data, position, limit)
        position += 1
        keep = False
        kind = -1
        if status == 0xFF:
            kind = _byte(data, position, limit)
            position += 1
        if status in (0xFF, 0xF0, 0xF7):
            length, start = _number(data, position, limit)
            position = start + _value(length)
            keep = position - start >= _SHORTEST.get(kind, MAX_BYTES)
        elif status in _SYSTEM_DATA:
            position += _SYSTEM_DATA[status]
        elif status >= 0xF0:
            raise MidiError(f"undefined status byte {status:02X}")
        elif status < 0x80 and not running:
            raise MidiError("running status without a status")
        else:
            width = running if status < 0x80 else 2
            if position + width > limit:
                raise MidiError("cut short", "cut short")
            raise MidiError("data byte above 127")
        if position > limit:
            raise MidiError("cut short in an event", "cut short")
        if keep and kind != _END_OF_TRACK:
            pieces.append(delta + bytes([0xFF, kind]) + length + data[start:position])
        else:
            pieces.append(delta + _EMPTY_TEXT)
        if kind == _END_OF_TRACK:
            return b"".join(pieces), end
    if limit < end:
        raise MidiError("cut short", "cut short")
    return b"".join(pieces), end


def _number(data: bytes, position: int, limit: int) -> tuple[bytes, int]:
    """The bytes of the variable-length number at `position`, and where it ends."""
    number = _NUMBER.match(data, position, limit)
    if not number:
        if limit - position < 4:
            raise MidiError("cut short in a number", "cut short")
        raise MidiError("a number of more than four bytes")
    return number[0], number.end()


def _value(number: bytes) -> int:
    value = 0
    for byte in number:
        value = value << 7 | byte & 0x7F
    return value


def _byte(data: bytes, position: int, limit: int) -> int:
    if position >= limit:
        raise MidiError("cut short in an event", "cut short")
    return data[position]


def _messages(plain: bytes) -> list[Any]:
    """mido's messages of one plain track."""
    header = struct.pack(">4sLHHH4sL", b"MThd", 6, 0, 1, 480, b"MTrk", len(plain))
    tracks = mido.MidiFile(file=io.BytesIO(header + plain)).tracks
    return tracks[0] if tracks else []


def _ticks_per_beat_of_time_code(division: int, bpm: float) -> float:
    """Time code counts seconds (frames and their parts), whatever the tempo: beats follow from bpm."""
    frames = {24: 24.0, 25: 25.0, 29: 30000 / 1001, 30: 30.0}.get(256 - (division >> 8))
    parts = division & 0xFF
    if not frames or not parts:
        raise MidiError(f"impossible time code (division {division:04X})")
    return frames * parts * 60 / bpm


def _text(latin: str) -> str:
    """A title on one line: UTF-8 where it is valid, else Latin-1 as mido gave it; control characters left out."""
    raw = latin.encode("latin-1")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = latin
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
