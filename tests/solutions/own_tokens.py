"""A solution of exercise 4: the last note, on which tunes come home, and of each note how far it is from there.

Steps from note to note would do for all but the last test.  They forget where in the key a note stands, and that says
more about what comes next than having the same tokens in every key is worth.
"""

from __future__ import annotations

from fractions import Fraction

from own_tokens import beats  # the file of the exercise, to which this is added

from midi_io import Note


def encode(melody: list[Note]) -> list[str]:
    home, now = melody[-1].pitch, 0.0
    tokens = [f"home:{home}"]
    for note in melody:
        if note.start > now:
            tokens.append(f"rest:{beats(note.start - now)}")
        tokens.append(f"{note.pitch - home:+d}:{beats(note.duration)}")
        now = note.start + note.duration
    return tokens


def decode(tokens: list[str]) -> list[Note]:
    notes, now, home = [], 0.0, 0
    for token in tokens:
        kind, _, value = token.partition(":")
        if kind == "home":
            home = int(value)
            continue
        length = float(Fraction(value))
        if kind != "rest":
            notes.append(Note(home + int(kind), now, length))
        now += length
    return notes
