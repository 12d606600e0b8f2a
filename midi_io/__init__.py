"""From MIDI files to notes and tokens, and back.  Knows music, and no weight."""

from midi_io.notes import Note, Song, quantise, transpose
from midi_io.reader import MidiError, read_notes, read_song
from midi_io.writer import write_notes, write_song

__all__ = [
    "MidiError",
    "Note",
    "Song",
    "quantise",
    "read_notes",
    "read_song",
    "transpose",
    "write_notes",
    "write_song",
]
