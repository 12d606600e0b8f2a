"""From a MIDI file to notes: whatever the file holds, the result is a song or a MidiError.

First the bytes are taken apart into events.  mido.MidiFile reads a file byte by byte, and one bad event ends it: a key
signature of 8 sharps, a tempo of two bytes, an unknown meta event (it drops its delta time), a number of a million
digits (it takes minutes).  Here a regular expression finds the channel messages, and events that do not matter are
passed over.  That is safer, and three times as fast.
"""

import re
import struct
from collections import defaultdict, deque
from functools import lru_cache
from typing import TypeAlias

from midi_io.disk import MidiError, StrPath, printable, read_bytes
from midi_io.notes import Note, Song

MAX_BYTES = 4_000_000  # of a file: the largest scores have a tenth
MAX_BEATS = 1_000_000  # six days of music: what begins later has a damaged delta time
DRUM_CHANNEL = 9  # counted from 0; musicians call it channel 10

Event: TypeAlias = tuple[int, int, bytes]  # tick; status of a channel message, or type of a meta event; its data

NOTE_OFF, NOTE_ON, PROGRAM = 0x80, 0x90, 0xC0  # the channel messages that matter
TITLE, END_OF_TRACK, TEMPO, METER = 0x03, 0x2F, 0x51, 0x58  # the meta events that matter

_NUMBER = rb"[\x80-\xff]{0,3}[\x00-\x7f]"  # of variable length: seven bits a byte, four bytes at most
_CUT_SHORT = "is cut short", "cut short"  # what is wrong, and its kind
_CHUNK_NAME_AT = re.compile(rb"[ -~]{4}")
_MESSAGE = rb"[\x80-\x9f][\x00-\x7f]{2}|[\xa0-\xbf\xe0-\xef][\x00-\xff]{2}|[\xc0-\xdf][\x00-\xff]"  # of a channel
_RUNNING = {  # its data alone, after a status of the same kind
    0: b"",
    **dict.fromkeys((0x80, 0x90), rb"|[\x00-\x7f]{2}"),
    **dict.fromkeys((0xA0, 0xB0, 0xE0), rb"|[\x00-\x7f][\x00-\xff]"),
    **dict.fromkeys((0xC0, 0xD0), rb"|[\x00-\x7f]"),
}
_MESSAGE_AT = {kind: re.compile(b"(%b)(%b%b)" % (_NUMBER, _MESSAGE, data)) for kind, data in _RUNNING.items()}
# A meta event (its type, its length), a system exclusive (its length), or another message of the system.
_OTHER = rb"\xff([\x00-\xff])(%b)|[\xf0\xf7](%b)|[\xf1\xf3][\x00-\xff]|\xf2[\x00-\xff]{2}|[\xf6\xf8\xfa-\xfc\xfe]"
_OTHER_AT = re.compile(b"(%b)(?:%b)" % (_NUMBER, _OTHER % (_NUMBER, _NUMBER)))
_TOLD_AS = {  # meters whose bar lines are, or are among, those of another
    (4, 4): (4, 4), (2, 2): (4, 4), (2, 4): (4, 4), (3, 4): (3, 4), (6, 4): (3, 4), (6, 8): (6, 8), (3, 8): (6, 8),
    (12, 8): (6, 8), (9, 8): (9, 8),
}  # fmt: skip
_LONGEST_HEAD = 10  # bytes of such an event, before its content


def read_notes(path: StrPath) -> list[Note]:
    """The notes of a MIDI file, in the order of (start, pitch).  Raises MidiError, and nothing else."""
    return read_song(path).notes


def read_song(path: StrPath, *, max_bytes: int = MAX_BYTES) -> Song:
    """Read a MIDI file (.mid, .midi, .kar, .rmi) of format 0, 1 or 2, whose tracks sound together.

    The first note-on is paired with the first note-off of its track, channel and pitch.  The program is the one in
    force at the note-on, by track and channel.  Channel 10 is drums.  A note of no length is kept; one that is never
    switched off is left out.  bpm and meter are the first that the file gives.
    Raises MidiError, and nothing else, if this is no MIDI file, is damaged or is larger than `max_bytes`.
    """
    try:
        return parse_song(read_bytes(path, max_bytes))
    except MidiError as error:
        raise MidiError(f"{printable(path)}: {error}", error.reason) from None


def parse_song(data: bytes) -> Song:
    """The song in the bytes of a MIDI file.  Raises MidiError (without a file's name), and nothing else."""
    try:
        return _song(data)
    except MidiError:
        raise
    except Exception as error:  # no file may stop a run, whatever it holds
        raise MidiError(f"is damaged ({type(error).__name__}: {printable(str(error))[:80]})") from error


def _song(data: bytes) -> Song:
    beat, tracks, high = _split(data)
    found: list[tuple[int, int, bool, int, int, int]] = []  # start, pitch, drum, program, duration, velocity: in ticks
    tempos: dict[int, int] = {}  # tick: microseconds per beat
    meters: dict[int, tuple[int, int]] = {}  # tick: numerator, denominator
    title = ""
    for number, track in enumerate(tracks):
        programs = [0] * 16
        sounding: dict[tuple[int, int], deque[tuple[int, int, int]]] = defaultdict(deque)
        for tick, kind, content in track:
            channel, length = kind & 0x0F, len(content)
            if kind >= PROGRAM:
                programs[channel] = content[0]
            elif kind >= NOTE_OFF:
                pitch, velocity = content
                waiting = sounding[channel, pitch]
                if kind >= NOTE_ON and velocity:
                    waiting.append((tick, velocity, programs[channel]))
                elif waiting:
                    start, velocity, program = waiting.popleft()
                    found.append((start, pitch, channel == DRUM_CHANNEL, program, tick - start, velocity))
            elif kind == TEMPO and length == 3 and any(content):
                tempos[tick] = int.from_bytes(content, "big")
            elif kind == METER and length == 4 and content[0] and content[1] <= 6:
                meters[tick] = content[0], 2 ** content[1]
            elif kind == TITLE and number == 0:
                title = title or printable(content.decode("utf-8", "replace"))
    found.sort()
    bpm = round(60e6 / tempos[min(tempos)], 3) if tempos else 120.0
    if any(start + duration > MAX_BEATS * beat for start, _, _, _, duration, _ in found):
        raise MidiError(f"lasts more than {MAX_BEATS:,} beats")
    notes = [
        Note(pitch, start / beat, duration / beat, velocity, program, drum)
        for start, pitch, drum, program, duration, velocity in found
    ]
    told = _TOLD_AS.get(meters[min(meters)]) if len({*meters.values()}) == 1 else None
    return Song(notes, title, bpm, meters[min(meters)] if meters else (4, 4), high, told)


def _split(data: bytes) -> tuple[int, list[list[Event]], int]:
    """The ticks of a beat, the events of each track, and how many messages had data bytes above 127.

    There are as many tracks as the header says, or as the file has; other chunks are passed over.
    Players ignore the high bit of a data byte.  In a controller, program, pressure or bend this is done here, too, in a
    file whose tracks all end where their lengths say; elsewhere such a byte shows that the file is damaged.
    Raises MidiError.
    """
    at = data.find(b"MThd", 0, 1024)  # not at 0 where the file is wrapped in RIFF or MacBinary
    if at < 0:
        raise MidiError("is not a MIDI file (no MThd)", "not MIDI") if data else MidiError("is empty", "empty")
    if len(data) < at + 14:
        raise MidiError(*_CUT_SHORT)
    size, format_, count, beat = struct.unpack_from(">LHHH", data, at + 4)
    if size < 6 or format_ > 2 or not 0 < beat < 0x8000:  # with its high bit set it counts a film's frames, not beats
        raise MidiError(f"has an impossible header (length {size}, format {format_}, {beat} ticks per beat)")
    position = at + 8 + size
    tracks: list[list[Event]] = []
    high: list[int] = []
    exact = True  # each track ends where its length says
    while len(tracks) < count and position < len(data):
        if not _CHUNK_NAME_AT.match(data, position) and not b"MTrk".startswith(data[position : position + 4]):
            raise MidiError(f"has no track at byte {position:,}, where one should begin")
        if len(data) < position + 8:
            raise MidiError(*_CUT_SHORT)
        name, size = struct.unpack_from(">4sL", data, position)
        position += 8
        end = position + size
        if name == b"MTrk":
            events, position, stopped = _track(data, position, end, high)
            tracks.append(events)
            exact &= stopped
            if high and not exact:
                raise MidiError(f"has a data byte above 127 after byte {high[0]:,}")
        else:
            position = end
    if not tracks:
        raise MidiError("has no track" if count else "has a header that counts no tracks", "no tracks")
    if position > len(data):
        raise MidiError(*_CUT_SHORT)
    return beat, tracks, len(high)


def _track(data: bytes, position: int, end: int, high: list[int]) -> tuple[list[Event], int, bool]:
    """The events of a track, where the next chunk begins, and whether the track ends where its length says, at `end`.

    Its length is believed if a chunk or the end of the file is there; otherwise the end-of-track event decides, so that
    tracks of a wrong length are read, and those of a file cut short are not.
    Status runs on after meta events, as most writers that do so mean it, but not after a sysex: what follows there
    without a status could be anything, and readers differ, so the file is refused.
    high: gets the places where data bytes above 127 were read as their low 7 bits.
    """
    believed = end == len(data) or _CHUNK_NAME_AT.match(data, end) is not None
    limit = end if believed else len(data)
    events: list[Event] = []
    tick, status = 0, 0
    while position < limit:
        if found := _MESSAGE_AT[status & 0xF0].match(data, position, limit):
            delta, message = found.groups()
            position = found.end()
            tick += _value(delta)
            if message[0] >= 0x80:
                status, message = message[0], message[1:]
            if not message.isascii():
                high.append(found.start(2))
                message = bytes([byte & 0x7F for byte in message])
            if status < 0xA0 or status & 0xF0 == PROGRAM:
                events.append((tick, status, message))
            continue
        if not (found := _OTHER_AT.match(data, position, limit)):
            if limit < position + _LONGEST_HEAD:
                raise MidiError(*_CUT_SHORT)
            raise MidiError(f"is damaged at byte {position:,}")
        delta, meta, length, exclusive = found.groups()
        tick += _value(delta)
        position = found.end() + _value(length or exclusive or b"\0")
        if position > limit:
            raise MidiError(*_CUT_SHORT)
        if exclusive:
            status = 0
        kind = meta[0] if meta else -1
        if kind == END_OF_TRACK:
            return events, end if believed and not data.startswith(b"MTrk", position) else position, position == end
        if kind in (TITLE, TEMPO, METER):
            events.append((tick, kind, data[found.end() : position]))
    if not believed:
        raise MidiError(*_CUT_SHORT)
    return events, end, True


@lru_cache(maxsize=1 << 12)
def _value(number: bytes) -> int:
    """The value of a variable-length number."""
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(reversed(number)))
