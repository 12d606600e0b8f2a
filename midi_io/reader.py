"""From a MIDI file to notes: whatever the file holds, the answer is a song or a MidiError.

events.py takes the file apart; here notes are made of events.
"""

from __future__ import annotations

import io
import os
import stat
from collections import defaultdict, deque

from midi_io.events import split_file
from midi_io.notes import Note, Song
from midi_io.plain import MidiError, printable

__all__ = ["MAX_BEATS", "MAX_BYTES", "MidiError", "parse_song", "printable", "read_bytes", "read_notes", "read_song"]

MAX_BYTES = 4_000_000  # of a file: the largest scores have a tenth
MAX_BEATS = 1_000_000  # six days of music: whatever begins later does so by a damaged delta time
DRUM_CHANNEL = 9  # counted from 0; musicians call it channel 10


def read_notes(path: str | os.PathLike[str]) -> list[Note]:
    """The notes of a MIDI file, in the order of (start, pitch).  Raises MidiError, and nothing else."""
    return read_song(path).notes


def read_song(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Song:
    """Read a MIDI file (.mid, .midi, .kar, .rmi) of format 0, 1 or 2, whose tracks sound together.

    The first note-on is paired with the first note-off of its track, channel and pitch; the program is the one in
    force at the note-on, by track and channel; channel 10 is drums; a note of no length is kept; one that is never
    switched off is left out and counted in never_off.  bpm and meter are the first that the file names.
    Raises MidiError, and nothing else, for a file that is no MIDI file, is damaged or is larger than `max_bytes`.
    """
    try:
        return parse_song(read_bytes(path, max_bytes))
    except MidiError as error:
        raise MidiError(f"{printable(os.fsdecode(path))}: {error}", error.reason) from None


def read_bytes(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> bytes:
    """The content of a regular file; a pipe or a device is refused, and never waited for.

    Raises MidiError (without the file's name) for what is not a file, cannot be opened or is larger than `max_bytes`.
    """
    try:
        with io.BufferedReader(io.FileIO(path, opener=_open_at_once)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise MidiError("is not a regular file", "not a file")
            data = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise MidiError("is not there", "missing") from None
    except (OSError, ValueError) as error:
        raise MidiError(f"cannot be opened: {getattr(error, 'strerror', None) or error}", "unreadable") from None
    if len(data) > max_bytes:
        raise MidiError(f"has more than {max_bytes:,} bytes", "too large")
    return data


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def parse_song(data: bytes) -> Song:
    """The song in the bytes of a MIDI file.  Raises MidiError (without a file's name), and nothing else."""
    try:
        return _song(data)
    except MidiError:
        raise
    except Exception as error:  # no file may stop a run, whatever mido finds in it
        raise MidiError(f"is damaged ({type(error).__name__}: {printable(str(error))[:80]})") from error


def _song(data: bytes) -> Song:
    division, tracks = split_file(data)
    found: list[tuple[int, int, bool, int, int, int]] = []  # start, pitch, drum, program, duration, velocity: in ticks
    tempos: dict[int, int] = {}  # tick: microseconds per beat
    meters: dict[int, tuple[int, int]] = {}  # tick: numerator, denominator
    title = ""
    never_off = 0
    for number, events in enumerate(tracks):
        programs = [0] * 16
        sounding: dict[tuple[int, int], deque[tuple[int, int, int]]] = defaultdict(deque)
        for tick, message in events:
            kind = message.type
            if kind == "note_on" and message.velocity:
                channel = message.channel
                sounding[channel, message.note].append((tick, message.velocity, programs[channel]))
            elif kind in ("note_on", "note_off"):
                channel, pitch = message.channel, message.note
                if waiting := sounding[channel, pitch]:
                    start, velocity, program = waiting.popleft()
                    found.append((start, pitch, channel == DRUM_CHANNEL, program, tick - start, velocity))
            elif kind == "program_change":
                programs[message.channel] = message.program
            elif kind == "set_tempo":
                tempos[tick] = message.tempo
            elif kind == "time_signature":
                meters[tick] = message.numerator, message.denominator
            elif kind == "track_name" and number == 0:
                title = title or _text(message.name)
        never_off += sum(map(len, sounding.values()))
    found.sort()
    bpm = round(60e6 / tempos[min(tempos)], 3) if tempos else 120.0
    beat = _ticks_per_beat(division, bpm)
    if any(start + duration > MAX_BEATS * beat for start, _, _, _, duration, _ in found):
        raise MidiError(f"lasts more than {MAX_BEATS:,} beats")
    notes = [
        Note(pitch, start / beat, duration / beat, velocity, program, drum)
        for start, pitch, drum, program, duration, velocity in found
    ]
    return Song(notes, title, bpm, meters[min(meters)] if meters else (4, 4), never_off)


def _ticks_per_beat(division: int, bpm: float) -> float:
    """Time code (the division's high bit is set) counts parts of frames, whatever the tempo; bpm makes them beats."""
    if division < 0x8000:
        return division
    frames_per_second = {24: 24.0, 25: 25.0, 29: 30 / 1.001, 30: 30.0}.get(256 - (division >> 8))
    parts = division & 0xFF
    if not frames_per_second or not parts:
        raise MidiError(f"has an impossible time code (division {division:04X})")
    return frames_per_second * parts * 60 / bpm


def _text(latin: str) -> str:
    """A title in one line: UTF-8 where it is valid, else the Latin-1 that mido took it for."""
    try:
        text = latin.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        text = latin
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
