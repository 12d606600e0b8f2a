"""From MIDI files to notes and tokens, and back.  Knows music, and no weight."""

from midi_io.notes import Note, Song

__all__ = ["Note", "Song"]
