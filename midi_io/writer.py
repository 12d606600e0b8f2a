"""From a song to a MIDI file of format 1: a track for tempo, meter and title, then a track for each instrument."""

import io
import math
from collections.abc import Iterable
from fractions import Fraction
from itertools import cycle

import mido

from midi_io.disk import MidiError, StrPath, write_whole
from midi_io.notes import Note, Song, melody
from midi_io.reader import DRUM_CHANNEL

MELODIC_CHANNELS = [channel for channel in range(16) if channel != DRUM_CHANNEL]
MAX_DIVISION = 32767  # ticks per beat: 15 bits
MAX_TEMPO = 2**24 - 1  # microseconds per beat
MAX_TICKS = 2**28 - 1  # of one delta time: four bytes of 7 bits


def write_notes(notes: Iterable[Note], path: StrPath, *, bpm: float = 120.0) -> None:
    """Write notes as a MIDI file; see write_song."""
    write_song(Song(list(notes), bpm=bpm), path)


def write_song(song: Song, path: StrPath, *, melody_apart: bool = False, comment: str = "") -> None:
    """Write a song as a MIDI file, whole or not at all; the same song gives the same bytes.

    Quantised notes are the same notes when they are read again: the ticks per beat are chosen so that every time
    falls on one.  Each instrument (program, or drum kit on channel 10) has a track; more than 15 programs share
    channels, and change the program before their notes.
    melody_apart: where one instrument plays all but the drums, its melody and its chords get a track and a channel
    each, so that a player can mute them, or give them other instruments.  comment: ASCII text for the file.
    Raises MidiError, one line, if the path cannot be written or MIDI cannot hold a note.
    """
    write_whole(path, song_bytes(song, melody_apart=melody_apart, comment=comment))


def song_bytes(song: Song, *, melody_apart: bool = False, comment: str = "") -> bytes:
    """The bytes of the MIDI file that write_song writes.  Raises MidiError."""
    _check(song)
    division = _ticks_per_beat(song.notes)
    pitched = [note for note in song.notes if not note.drum]
    alone = melody_apart and len({note.program for note in pitched}) == 1
    chords = set(melody(pitched)[1]) if alone else set[Note]()
    events: dict[tuple[bool, int, bool], list[tuple[int, int, int, mido.Message]]] = {  # of each part
        part: [] for part in sorted({(note.drum, note.program, note in chords) for note in song.notes})
    }
    channels = dict(zip([part for part in events if not part[0]], cycle(MELODIC_CHANNELS), strict=False))
    last_program: dict[int, int] = {}
    for note in sorted(song.notes, key=lambda note: (note.start, note.drum, note.program, *note)):
        part = note.drum, note.program, note in chords
        channel, its_events = channels.get(part, DRUM_CHANNEL), events[part]
        start, end = round(note.start * division), round((note.start + note.duration) * division)
        if last_program.get(channel) != note.program:
            change = mido.Message("program_change", program=note.program, channel=channel)
            its_events.append((start if channel in last_program else 0, 1, 0, change))
            last_program[channel] = note.program
        on = mido.Message("note_on", note=note.pitch, velocity=note.velocity, channel=channel)
        its_events.append((start, 2, note.pitch, on))
        off = on.copy(velocity=0)  # takes no status byte of its own
        its_events.append((end, 0 if end > start else 3, note.pitch, off))
    file = mido.MidiFile(type=1, ticks_per_beat=division, tracks=[_conductor(song, comment)])
    for (drum, _, below), its_events in events.items():
        name = [mido.MetaMessage("track_name", name="chords" if below else "melody")] if chords and not drum else []
        file.tracks.append(mido.MidiTrack([*name, *_track(its_events)]))
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def _track(events: list[tuple[int, int, int, mido.Message]]) -> mido.MidiTrack:
    """Events (tick, order within the tick, pitch, message) as a track of delta times.

    Within a tick notes end first, then the program changes, then notes begin; last those of no length end.
    """
    track = mido.MidiTrack()
    now = 0
    for tick, _, _, message in sorted(events, key=lambda event: event[:3]):
        while tick - now > MAX_TICKS:
            track.append(mido.MetaMessage("text", time=MAX_TICKS))
            now += MAX_TICKS
        message.time = tick - now
        track.append(message)
        now = tick
    return track


def _conductor(song: Song, comment: str) -> mido.MidiTrack:
    title = song.title.encode("utf-8", "replace").decode("latin-1")  # mido writes Latin-1: these are UTF-8's bytes
    texts = [mido.MetaMessage("text", text=comment)] if comment else []
    tempo = mido.MetaMessage("set_tempo", tempo=min(round(60e6 / song.bpm), MAX_TEMPO))
    meter = mido.MetaMessage("time_signature", numerator=song.meter[0], denominator=song.meter[1])
    return mido.MidiTrack([mido.MetaMessage("track_name", name=title), *texts, tempo, meter])


def _ticks_per_beat(notes: list[Note]) -> int:
    """At least 480, and every start and duration a whole number of ticks where 15 bits can do that."""
    times = {time % 1 for note in notes for time in (note.start, note.duration)}
    common = math.lcm(*(Fraction(time).limit_denominator(MAX_DIVISION).denominator for time in times))
    return common * -(-480 // common) if common <= MAX_DIVISION else 480


def _check(song: Song) -> None:
    numerator, denominator = song.meter
    if not 1 <= numerator <= 255 or denominator not in (1, 2, 4, 8, 16, 32, 64):
        raise MidiError(f"meter {numerator}/{denominator} cannot be written", "bad note")
    if not 3.57 <= song.bpm <= 60e6:
        raise MidiError(f"{song.bpm} beats per minute cannot be written: MIDI holds 3.58 and more", "bad note")
    for note in song.notes:
        held = 0 <= note.pitch <= 127 and 1 <= note.velocity <= 127 and 0 <= note.program <= 127
        if not (held and 0 <= note.start <= note.start + note.duration < math.inf):
            raise MidiError(f"{note} cannot be written", "bad note")
