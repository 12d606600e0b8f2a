"""From MIDI files to notes and tokens, and back.  Knows music, and no weight.

Read in this order: notes, reader, writer, tokens, vocabulary; then corpus, which reads whole folders.
music/ holds what a musician would say about notes; nothing in it is needed to train.
"""

from midi_io.disk import MidiError, MidiIoError
from midi_io.notes import Note, Song, piano_roll, quantise, transpose
from midi_io.reader import read_notes, read_song
from midi_io.tokens import SCHEMES, TokenError, decode, encode
from midi_io.vocabulary import Vocabulary
from midi_io.writer import write_notes, write_song

__all__ = [
    "SCHEMES", "MidiError", "MidiIoError", "Note", "Song", "TokenError", "Vocabulary", "decode", "encode", "piano_roll",
    "quantise", "read_notes", "read_song", "transpose", "write_notes", "write_song",
]  # fmt: skip
