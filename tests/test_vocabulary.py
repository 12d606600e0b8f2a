"""Tokens and ids, and what stands in for an unknown token."""

from dataclasses import replace

import numpy as np
import pytest

from midi_io import Note
from midi_io.played import Played
from midi_io.tokens import END, START, UNK, TokenError, encode
from midi_io.vocabulary import Vocabulary

COUNTS = {"D4:1": 3, "C4:1": 7, "B3:1": 3, "C4.E4.G4:2": 1, START: 5, UNK: 9}


def vocabulary_of(*tokens, scheme="chord"):
    """The first token is the most frequent."""
    return Vocabulary((START, END, UNK, *tokens), scheme)


def test_ids_go_by_falling_count_then_alphabetically():
    assert Vocabulary.build(COUNTS).tokens == (START, END, UNK, "C4:1", "B3:1", "D4:1", "C4.E4.G4:2")


def test_rare_tokens_are_left_out():
    assert Vocabulary.build(COUNTS, min_count=3).tokens == (START, END, UNK, "C4:1", "B3:1", "D4:1")


def test_ids_name_tokens_and_unknown_ones_are_unk():
    vocabulary = Vocabulary.build(COUNTS)
    ids = vocabulary.ids([START, "D4:1", "A4:1", "C4:1", END])
    assert ids.tolist() == [0, 5, 2, 3, 1]
    assert vocabulary.tokens_of(ids) == [START, "D4:1", UNK, "C4:1", END]


@pytest.mark.parametrize(("size", "dtype"), [(3, np.uint8), (256, np.uint8), (257, np.uint16), (65537, np.uint32)])
def test_ids_are_as_small_as_can_be(size, dtype):
    vocabulary = vocabulary_of(*[f"token{number}" for number in range(size - 3)])
    ids = vocabulary.ids(vocabulary.tokens)
    assert len(vocabulary) == size
    assert ids.dtype == dtype
    assert ids.tolist() == list(range(size))
    assert vocabulary.ids([]).dtype == dtype


@pytest.mark.parametrize(
    "tokens", [(), ("C4",), (END, START, UNK), (START, END, UNK, "C4", "C4"), (START, END, UNK, UNK)]
)
def test_a_list_that_is_no_vocabulary_is_refused(tokens):
    with pytest.raises(ValueError, match="a vocabulary"):
        Vocabulary(tokens)


@pytest.mark.parametrize(
    ("known", "unknown", "nearest"),
    [
        # the pitches in common come before the duration
        (["C4.E4.A4:2", "C4.E4.G4.C5:4"], "C4.E4.G4:2", "C4.E4.G4.C5:4"),
        # then the duration, in beats
        (["C4:4", "C4:1/2", "C4:2"], "C4:1", "C4:1/2"),
        # then the mean pitch, and then the more frequent, even if a later letter
        (["G4.C5:1", "C4.C5:1"], "C4.G4.C5:1", "C4.C5:1"),
        (["G4.A4:1", "E4.F#4:1"], "F4.G#4:1", "G4.A4:1"),
        # no pitch in common: the semitones come before the duration
        (["E4:1", "D4:4"], "C4:1", "D4:4"),
        (["C5.E5:1", "C4.F4:1", "C#4.E4.G#4:1"], "B3.D#4:1", "C4.F4:1"),
        (["D4:1", "C4.E4.G4:1", "rest:1"], "rest:9", "rest:1"),
        (["C4:1", "C4.E4:1"], "C4.E4:1", "C4.E4:1"),
        # a rest is no note
        (["rest:1", "C9:8"], "C-1:1", "C9:8"),
        (["C4:1", "E4:1"], "rest:1", UNK),
        ([], "C4:1", UNK),
    ],
)
def test_the_nearest_chord(known, unknown, nearest):
    assert vocabulary_of(*known).nearest(unknown) == nearest


@pytest.mark.parametrize(
    ("unknown", "nearest"),
    [("C4", "D4"), (":3", ":2"), ("+3", "+4"), ("v70", "v80"), ("i43", "i40"), ("kit3", UNK), ("drum30", "drum36")],
)
def test_the_nearest_letter_is_of_the_same_kind(unknown, nearest):
    vocabulary = vocabulary_of(
        "v3", "D4", "G4", ":1", ":2", "+1", "+4", "v80", "i40", "i70", "drum42", "drum36", scheme="note"
    )
    assert vocabulary.nearest(unknown) == nearest


def test_paper_has_no_durations_to_compare():
    assert vocabulary_of("E4.G4", "C4.F4", scheme="paper").nearest("C4.E4") == "C4.F4"


def test_a_song_that_begins_with_its_meter():
    notes = [Note(60, 0.0, 0.5), Note(64, 0.5, 0.5)]
    silent = vocabulary_of("3/4", "C4", "E4", ":1/2", "+1/2", scheme="note")
    vocabulary = replace(silent, played=Played(meters=True))
    tokens = vocabulary.encode(notes, (3, 4))
    assert tokens == ["3/4", *silent.encode(notes, (3, 4))]
    ids = vocabulary.ids([START, *tokens, END])
    assert vocabulary.meter_of(ids) == (3, 4)
    assert vocabulary.meter_of(ids[[0]]) is vocabulary.meter_of(ids[[0, 2]]) is None
    assert vocabulary.decode(ids) == notes
    assert vocabulary.transposition_table([1])[0, 3] == 3
    assert vocabulary.nearest("6/8") == UNK  # a meter has no neighbours


def test_nothing_is_nearest_to_what_is_no_token():
    with pytest.raises(TokenError, match="'X4:1' is no token"):
        vocabulary_of("C4:1").nearest("X4:1")


def test_the_transposition_table_leads_from_id_to_id():
    vocabulary = vocabulary_of("C4:1", "D4:1", "rest:1", "E4:1", "C4.D4:1", "G9:1")
    table = vocabulary.transposition_table([0, 2, -2])
    assert table.tolist() == [
        [0, 1, 2, 3, 4, 5, 6, 7, 8],
        [0, 1, 2, 4, 6, 5, -1, -1, -1],
        [0, 1, 2, -1, 3, 5, 4, -1, -1],
    ]


def test_only_pitches_are_transposed():
    vocabulary = vocabulary_of("C4", "C#4", "drum36", "v80", ":1", "+1", "i40", "kit8", scheme="note")
    assert vocabulary.transposition_table([1]).tolist() == [[0, 1, 2, 4, -1, 5, 6, 7, 8, 9, 10]]


@pytest.mark.parametrize(("scheme", "grid"), [("note", 4), ("chord", 12), ("paper", 12)])
def test_a_vocabulary_knows_how_its_tokens_are_spelled(scheme, grid):
    notes = [Note(60, 0.0, 0.5), Note(64, 0.5, 0.5)]
    tokens = encode(notes, scheme, grid)
    vocabulary = Vocabulary.build(dict.fromkeys(tokens, 1), 1, scheme, grid)
    assert vocabulary.encode(notes) == tokens
    assert vocabulary.decode(vocabulary.ids([START, *tokens, END, *tokens])) == notes
