"""The bytes of a MIDI file taken apart into events, which mido decodes.

mido.MidiFile reads a file byte by byte, and one bad event ends it: a key signature of 8 sharps, a tempo of two bytes,
an unknown meta event (it drops its delta time), a number of a million digits (it takes minutes).  Here a regular
expression finds the channel messages, and mido decodes each different one once.  Events without a note, program, tempo,
meter or title are passed over.  That is safer, and three times as fast.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import mido

from midi_io.disk import MidiError

TITLE, END_OF_TRACK, TEMPO, METER = 0x03, 0x2F, 0x51, 0x58  # the meta events that matter
_CHANNEL_EVENTS = (0x80, 0x90, 0xC0)  # note off, note on, program change: the channel messages that matter
_SYSTEM_DATA = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0, 0xF8: 0, 0xFA: 0, 0xFB: 0, 0xFC: 0, 0xFE: 0}  # status: data bytes

_NUMBER = rb"[\x80-\xff]{0,3}[\x00-\x7f]"  # of variable length: seven bits a byte, four bytes at most
_NUMBER_AT = re.compile(_NUMBER)
_CHUNK_NAME_AT = re.compile(rb"[ -~]{4}")
_DATA_BYTES = {0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}  # of the channel messages that are no notes
_MESSAGE_AT = {  # a delta time and a channel message, by the number of data bytes that may come without a status
    running: re.compile(rb"(%b)([\x80-\xbf\xe0-\xef][\x00-\x7f]{2}|[\xc0-\xdf][\x00-\x7f]%b)" % (_NUMBER, data))
    for running, data in {0: rb"", 1: rb"|[\x00-\x7f]", 2: rb"|[\x00-\x7f]{2}"}.items()
}


class Track(NamedTuple):
    """The events of a track: (tick, message of mido).  Messages are shared: do not change them or use their time."""

    events: list[tuple[int, Any]]
    high: list[int]  # where data bytes above 127 were read as their low 7 bits
    exact: bool  # it ends where its length says
    after: int  # where the next chunk begins


def split_file(data: bytes) -> tuple[int, Iterator[Track]]:
    """The division of the beat, and the tracks.  Raises MidiError, at once or while the tracks are read.

    Players ignore the high bit of a data byte.  In a controller, program, pressure or bend this is done here, too, in a
    file whose tracks all end where their lengths say; elsewhere such a byte shows that the file is damaged.
    """
    at = data.find(b"MThd", 0, 1024)  # not at 0 where the file is wrapped in RIFF or MacBinary
    if at < 0:
        raise MidiError("is not a MIDI file (no MThd)", "not MIDI") if data else MidiError("is empty", "empty")
    if len(data) < at + 14:
        raise _cut_short()
    size, format_, count, division = struct.unpack_from(">LHHH", data, at + 4)
    if size < 6 or format_ > 2 or division == 0:
        raise MidiError(f"has an impossible header (length {size}, format {format_}, {division} ticks per beat)")
    return division, _tracks(data, at + 8 + size, count)


def _tracks(data: bytes, position: int, count: int) -> Iterator[Track]:
    """The first `count` tracks, or as many as there are; other chunks are passed over."""
    found, high, exact = 0, 0, True
    while found < count and position < len(data):
        if not _CHUNK_NAME_AT.match(data, position) and not b"MTrk".startswith(data[position : position + 4]):
            raise MidiError(f"has no track at byte {position:,}, where one should begin")
        if len(data) < position + 8:
            raise _cut_short()
        name, size = struct.unpack_from(">4sL", data, position)
        position += 8
        if name == b"MTrk":
            track = _track(data, position, position + size)
            high = high or next(iter(track.high), 0)
            exact &= track.exact
            if high and not exact:
                raise _too_high(high)
            yield track
            position = track.after
            found += 1
        else:
            position += size
    if not found:
        raise MidiError("has no track" if count else "has a header that counts no tracks", "no tracks")
    if position > len(data):
        raise _cut_short()


def _track(data: bytes, position: int, end: int) -> Track:
    """One track, whose chunk ends at `end` if its length is right.

    That is believed if a chunk or the end of the file is there; otherwise the end-of-track event decides, so that
    tracks of a wrong length are read, and those of a file cut short are not.
    Status runs on after meta events, as most writers that do so mean it, but not after a sysex: what follows there
    without a status could be anything, and readers differ, so the file is refused.
    """
    believed = end == len(data) or _CHUNK_NAME_AT.match(data, end) is not None
    limit = end if believed else len(data)
    events: list[tuple[int, Any]] = []
    high: list[int] = []
    tick, status, message_at = 0, b"", _MESSAGE_AT[0]
    while position < limit:
        if found := message_at.match(data, position, limit):
            delta, message = found.groups()
            position = found.end()
            if message[0] < 0x80:
                message = status + message
        else:
            delta, position = _number(data, position, limit)
            message = _seven_bits(data[position : min(position + 3, limit)], status)
            if message:
                high.append(position)
                position += len(message) - (data[position] < 0x80)
        tick += _value(delta)
        if message:
            status, message_at = message[:1], _MESSAGE_AT[len(message) - 1]
            if message[0] & 0xF0 in _CHANNEL_EVENTS:
                events.append((tick, _decoded(message)))
            continue
        if data[position : position + 1] in (b"\xf0", b"\xf7"):
            status, message_at = b"", _MESSAGE_AT[0]
        kind, content, position = _other_event(data, position, limit, bool(status))
        if kind == END_OF_TRACK:
            after = end if believed and not data.startswith(b"MTrk", position) else position
            return Track(events, high, position == end, after)
        if _matters(kind, content):
            events.append((tick, mido.MetaMessage.from_bytes([0xFF, kind, len(content), *content])))
    if not believed:
        raise _cut_short()
    return Track(events, high, True, end)


def _seven_bits(data: bytes, status: bytes) -> bytes:
    """A controller, program, pressure or bend at the start of data, with 7 bits of each data byte; b"" if none."""
    message = data if data[:1] >= b"\x80" else status + data
    count = _DATA_BYTES.get(message[0] & 0xF0, 9) if message else 9
    return message[:1] + bytes([byte & 0x7F for byte in message[1 : count + 1]]) if len(message) > count else b""


def _other_event(data: bytes, position: int, limit: int, runs: bool) -> tuple[int, bytes, int]:
    """The event at `position` that is no channel message: its meta type (-1: none), its content, where it ends."""
    if position >= limit:
        raise _cut_short()
    status = data[position]
    kind, start = -1, position + 1
    if status == 0xFF:
        if start >= limit:
            raise _cut_short()
        kind, start = data[start], start + 1
    if status in (0xFF, 0xF0, 0xF7):
        digits, start = _number(data, start, limit)
        length = _value(digits)
    elif status in _SYSTEM_DATA:
        length = _SYSTEM_DATA[status]
    elif status > 0xF0:
        raise MidiError(f"has an undefined status ({status:02X}) at byte {position:,}")
    elif status < 0x80 and not runs:
        raise MidiError(f"has data without a status at byte {position:,}")
    elif position + 2 >= limit:  # a channel message, so that only its data can be the reason why it did not match
        raise _cut_short()
    else:
        raise _too_high(position)
    if start + length > limit:
        raise _cut_short()
    return kind, data[start : start + length], start + length


def _matters(kind: int, content: bytes) -> bool:
    """Whether a meta event holds something that is used here, and that makes sense."""
    length = len(content)
    return (
        (kind == TITLE and length < 128)
        or (kind == TEMPO and length == 3 and any(content))
        or (kind == METER and length == 4 and content[0] > 0 and content[1] <= 6)
    )


@lru_cache(maxsize=1 << 14)
def _decoded(message: bytes) -> Any:
    """mido's message of its bytes: a song has few different ones."""
    return mido.Message.from_bytes(message)


@lru_cache(maxsize=1 << 12)
def _value(number: bytes) -> int:
    """The value of a variable-length number."""
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(reversed(number)))


def _number(data: bytes, position: int, limit: int) -> tuple[bytes, int]:
    """The bytes of the variable-length number at `position`, and where it ends."""
    if number := _NUMBER_AT.match(data, position, limit):
        return number[0], number.end()
    if limit < position + 4:
        raise _cut_short()
    raise MidiError(f"has a number of more than four bytes at byte {position:,}")


def _too_high(position: int) -> MidiError:
    return MidiError(f"has a data byte above 127 after byte {position:,}")


def _cut_short() -> MidiError:
    return MidiError("is cut short", "cut short")
