"""The bytes of a MIDI file made plain: what mido could stumble over never reaches it.

A regular expression passes over the stretches of channel messages at once, and every event that carries no note, tempo,
meter or title becomes an empty text of the same delta time.  So a key signature of 8 sharps, a tempo of two bytes, an
unknown meta event (mido drops its delta time) or a number of a million digits (mido takes minutes) does no harm.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NoReturn

_TITLE, _END_OF_TRACK, _TEMPO, _METER = 0x03, 0x2F, 0x51, 0x58  # the meta events that matter
_EMPTY_TEXT = b"\xff\x01\x00"
_SYSTEM_DATA = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0, 0xF8: 0, 0xFA: 0, 0xFB: 0, 0xFC: 0, 0xFE: 0}  # status: data bytes

_NUMBER = rb"[\x80-\xff]{0,3}[\x00-\x7f]"  # of variable length: seven bits a byte, four bytes at most
_TWO_DATA_BYTES = rb"[\x80-\xbf\xe0-\xef][\x00-\x7f]{2}(?:NUMBER[\x00-\x7f]{2}){0,999}"  # a status, and then it runs on
_ONE_DATA_BYTE = rb"[\xc0-\xdf][\x00-\x7f](?:NUMBER[\x00-\x7f]){0,999}"
_MESSAGES = rb"(?:NUMBER(?=([\x80-\xef]))(?:" + _TWO_DATA_BYTES + rb"|" + _ONE_DATA_BYTE + rb")){0,999}"
_STRETCH = [  # channel messages in a row, by the data bytes of the status that may run on from before (0: none may)
    re.compile(pattern.replace(b"NUMBER", _NUMBER))
    for pattern in (
        _MESSAGES,
        rb"(?:NUMBER[\x00-\x7f]){0,999}" + _MESSAGES,
        rb"(?:NUMBER[\x00-\x7f]{2}){0,999}" + _MESSAGES,
    )
]
_NUMBER_AT = re.compile(_NUMBER)
_CHUNK_NAME_AT = re.compile(rb"[ -~]{4}")


class MidiError(Exception):
    """A MIDI file that cannot be read or written, in one line; `reason` is its kind in a word or two, for counting."""

    def __init__(self, message: str, reason: str = "damaged") -> None:
        super().__init__(message)
        self.reason = reason


def printable(text: str) -> str:
    """Text that is safe on a terminal and in a table: one line, no control characters, valid Unicode."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def split_file(data: bytes) -> tuple[int, Iterator[bytes]]:
    """The division of the beat, and the tracks, each made plain."""
    at = data.find(b"MThd", 0, 1024)  # not at 0 where the file is wrapped in RIFF or MacBinary
    if at < 0:
        raise MidiError("is not a MIDI file (no MThd)", "not MIDI") if data else MidiError("is empty", "empty")
    if len(data) < at + 14:
        _cut_short()
    size, format_, count, division = struct.unpack_from(">LHHH", data, at + 4)
    if size < 6 or format_ > 2 or division == 0:
        raise MidiError(f"has an impossible header (length {size}, format {format_}, {division} ticks per beat)")
    return division, _tracks(data, at + 8 + size, count)


def _tracks(data: bytes, position: int, count: int) -> Iterator[bytes]:
    """The first `count` tracks, or as many as there are, each made plain; other chunks are passed over."""
    declared = count
    while count and position < len(data):
        if len(data) < position + 8:
            _cut_short()
        if not _CHUNK_NAME_AT.match(data, position):
            raise MidiError(f"has no track at byte {position:,}, where one should begin")
        name, size = struct.unpack_from(">4sL", data, position)
        position += 8
        if name == b"MTrk":
            plain, position = _plain_track(data, position, position + size)
            yield plain
            count -= 1
        else:
            position += size
    if position > len(data) or count == declared > 0:
        _cut_short()


def _plain_track(data: bytes, position: int, end: int) -> tuple[bytes, int]:
    """A track's notes, programs, tempos, meters and titles as bytes, and where the next chunk begins.

    The end that the chunk's length gives is believed if a chunk or the end of the file is there; otherwise the
    end-of-track event decides, so that tracks of a wrong length are read, and those of a file cut short are not.
    """
    believed = end == len(data) or _CHUNK_NAME_AT.match(data, end) is not None
    limit = end if believed else len(data)
    pieces: list[bytes] = []
    running = 0  # the data bytes of the status that may run on
    while position < limit:
        stretch = _STRETCH[running].match(data, position, limit)
        if stretch and stretch[0]:
            pieces.append(stretch[0])
            if stretch[1]:
                running = 1 if 0xC0 <= stretch[1][0] < 0xE0 else 2
            position = stretch.end()
            continue
        delta, position = _number(data, position, limit)
        kind, content, position = _other_event(data, position, limit, running)
        if kind == _END_OF_TRACK:
            return b"".join(pieces), end if believed and not data.startswith(b"MTrk", position) else position
        pieces += delta, _plain_meta(kind, content)
    if not believed:
        _cut_short()
    return b"".join(pieces), end


def _other_event(data: bytes, position: int, limit: int, running: int) -> tuple[int, bytes, int]:
    """The event at `position` that is no channel message: its meta type (-1: none), its content, where it ends."""
    if position >= limit:
        _cut_short()
    status = data[position]
    kind = -1
    start = position + 1
    if status == 0xFF:
        if start >= limit:
            _cut_short()
        kind = data[start]
        start += 1
    if status in (0xFF, 0xF0, 0xF7):
        digits, start = _number(data, start, limit)
        length = 0
        for digit in digits:
            length = length << 7 | digit & 0x7F
    elif status in _SYSTEM_DATA:
        length = _SYSTEM_DATA[status]
    elif status > 0xF0:
        raise MidiError(f"has an undefined status ({status:02X}) at byte {position:,}")
    elif status < 0x80 and not running:
        raise MidiError(f"has data without a status at byte {position:,}")
    elif position + 2 >= limit:  # a channel message, so that only its data can be the reason why it did not match
        _cut_short()
    else:
        raise MidiError(f"has a data byte above 127 after byte {position:,}")
    if start + length > limit:
        _cut_short()
    return kind, data[start : start + length], start + length


def _plain_meta(kind: int, content: bytes) -> bytes:
    """The meta event, if it matters and makes sense; otherwise an empty text, for the sake of its delta time."""
    length = len(content)
    if (
        (kind == _TITLE and length < 128)
        or (kind == _TEMPO and length == 3 and any(content))
        or (kind == _METER and length == 4 and content[0] and content[1] <= 6)
    ):
        return bytes([0xFF, kind, length]) + content
    return _EMPTY_TEXT


def _number(data: bytes, position: int, limit: int) -> tuple[bytes, int]:
    """The bytes of the variable-length number at `position`, and where it ends."""
    number = _NUMBER_AT.match(data, position, limit)
    if number:
        return number[0], number.end()
    if limit < position + 4:
        _cut_short()
    raise MidiError(f"has a number of more than four bytes at byte {position:,}")


def _cut_short() -> NoReturn:
    raise MidiError("is cut short", "cut short")
