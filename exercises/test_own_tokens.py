"""Are the notes all there, is a tune the same in every key, and is it worth it?"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from own_tokens import decode, encode, plain_tokens

import midi_io
from lstm_numpy.baselines import NGrams
from lstm_numpy.batches import Songs
from midi_io import Note, Vocabulary, quantise, read_notes, transpose
from midi_io.notes import melody

TUNES = Path(midi_io.__file__).resolve().parents[1] / "songs" / "tunes"


def one_voice(path: Path) -> list[Note]:
    """The highest voice of a tune from beat 0 on, each note until the next one at most."""
    notes = quantise(melody(read_notes(path))[0], 12)
    lengths = [min(note.duration, after.start - note.start) for note, after in pairwise(notes)]
    cut = zip(notes, [*lengths, notes[-1].duration], strict=True)
    return quantise([Note(note.pitch, note.start - notes[0].start, length) for note, length in cut if length > 0], 12)


@pytest.fixture(scope="module")
def melodies() -> list[list[Note]]:
    return [one_voice(path) for path in sorted(TUNES.glob("*.mid"))[:200]]


def same_music(notes: list[Note]) -> list[tuple[int, int, int]]:
    return [(note.pitch, round(note.start * 12), round(note.duration * 12)) for note in notes]


def test_notes_come_back(melodies: list[list[Note]]) -> None:
    for tune in melodies:
        assert same_music(decode(encode(tune))) == same_music(tune)


def test_silence_comes_back() -> None:
    tune = [Note(60, 0, 0.5), Note(64, 1.25, 1 / 3), Note(64, 7, 2)]
    assert same_music(decode(encode(tune))) == same_music(tune)


@pytest.mark.parametrize("semitones", [-5, 3, 12])
def test_a_tune_is_the_same_in_every_key(melodies: list[list[Note]], semitones: int) -> None:
    for tune in melodies[:20]:
        assert encode(transpose(tune, semitones))[1:] == encode(tune)[1:]


def test_a_trigram_is_less_surprised(melodies: list[list[Note]]) -> None:
    theirs, yours = (trigram_nats_per_note(melodies, spelling) for spelling in (plain_tokens, encode))
    assert yours < theirs, f"{yours:.2f} nats a note with your tokens, {theirs:.2f} with plain ones"


def trigram_nats_per_note(melodies: list[list[Note]], spelling: Callable[[list[Note]], list[str]]) -> float:
    """Trained on nine of ten tunes, scored on the others.  Every token is known, so nobody gains by rare ones."""
    sentences = [spelling(tune) for tune in melodies]
    vocabulary = Vocabulary.build({token: 1 for sentence in sentences for token in sentence})
    ids = [vocabulary.ids(["<start>", *sentence, "<end>"]) for sentence in sentences]
    train, held_out = Songs.of(ids[: len(ids) * 9 // 10]), Songs.of(ids[len(ids) * 9 // 10 :])
    nats = NGrams(train, len(vocabulary)).nats(held_out)["trigram"]
    return float(np.sum(nats)) / sum(len(tune) for tune in melodies[len(ids) * 9 // 10 :])
