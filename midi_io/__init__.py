"""From MIDI files to notes and tokens, and back.  Knows music, and no weight.

Read in this order: notes, reader (and events), writer, tokens, vocabulary; then corpus, which reads whole folders.
"""

from midi_io.notes import Note, Song, piano_roll, quantise, transpose
from midi_io.plain import MidiError
from midi_io.reader import read_notes, read_song
from midi_io.tokens import SCHEMES, TokenError, decode, encode
from midi_io.vocabulary import Vocabulary
from midi_io.writer import write_notes, write_song

__all__ = [
    "SCHEMES",
    "MidiError",
    "Note",
    "Song",
    "TokenError",
    "Vocabulary",
    "decode",
    "encode",
    "piano_roll",
    "quantise",
    "read_notes",
    "read_song",
    "transpose",
    "write_notes",
    "write_song",
]
