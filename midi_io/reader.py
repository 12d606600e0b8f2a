"""From a MIDI file to notes: whatever the file holds, the result is a song or a MidiError.

events.py takes the file apart into events; here events become notes.
"""

from __future__ import annotations

from collections import defaultdict, deque

from midi_io.disk import MidiError, StrPath, printable, read_bytes
from midi_io.events import METER, NOTE_OFF, NOTE_ON, PROGRAM, TEMPO, TITLE, split_file
from midi_io.notes import Note, Song

MAX_BYTES = 4_000_000  # of a file: the largest scores have a tenth
MAX_BEATS = 1_000_000  # six days of music: what begins later has a damaged delta time
DRUM_CHANNEL = 9  # counted from 0; musicians call it channel 10


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
    division, tracks, high = split_file(data)
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
                title = title or _text(content)
    found.sort()
    bpm = round(60e6 / tempos[min(tempos)], 3) if tempos else 120.0
    beat = _ticks_per_beat(division, bpm)
    if any(start + duration > MAX_BEATS * beat for start, _, _, _, duration, _ in found):
        raise MidiError(f"lasts more than {MAX_BEATS:,} beats")
    notes = [
        Note(pitch, start / beat, duration / beat, velocity, program, drum)
        for start, pitch, drum, program, duration, velocity in found
    ]
    return Song(notes, title, bpm, meters[min(meters)] if meters else (4, 4), high)


def _ticks_per_beat(division: int, bpm: float) -> float:
    """With its high bit set, the division counts parts of a film's frame; bpm makes beats of them."""
    if division < 0x8000:
        return division
    frames_per_second = {24: 24.0, 25: 25.0, 29: 30 / 1.001, 30: 30.0}.get(256 - (division >> 8))
    parts = division & 0xFF
    if not frames_per_second or not parts:
        raise MidiError(f"has an impossible time code (division {division:04X})")
    return frames_per_second * parts * 60 / bpm


def _text(content: bytes) -> str:
    """A title in one line: UTF-8, or Latin-1 where the bytes are not valid UTF-8."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
