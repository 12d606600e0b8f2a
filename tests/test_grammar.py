"""What the grammar lets follow: all that songs do, and nothing that is no song."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midi_io import Note
from midi_io.tokens import END, SCHEMES, START, UNK, TokenError, decode, encode, parse
from midi_io.vocabulary import UNK_ID, Vocabulary, may_follow

PITCHES, DRUMS = {"C4", "E4", "G4"}, {"drum36", "drum42"}
VELOCITIES, DURATIONS, SHIFTS = {"v80", "v100"}, {":1/2", ":1", ":4", ":16"}, {"+1/2", "+4", "+16"}
SOUNDS, MANNERS = PITCHES | DRUMS, VELOCITIES | DURATIONS
LETTERS = (START, END, UNK, *sorted(SOUNDS | MANNERS | SHIFTS | {"i0", "i40", "i70", "kit0", "kit8"}))
EVENTS = (START, END, UNK, "C4:1", "C4.E4:1/2", "rest:1", "rest:2")

halves = st.integers(0, 60).map(lambda number: number / 2)
songs = st.lists(
    st.builds(
        Note,
        pitch=st.integers(57, 62),
        start=halves,
        duration=halves,
        velocity=st.sampled_from([80, 100]),
        program=st.sampled_from([0, 40, 70]),
        drum=st.booleans(),
    ),
    min_size=1,
    max_size=30,
)


def masks(grammar, ids):
    """(n, V): row t is what may follow ids[: t + 1]."""
    allowed = grammar()
    return np.array([allowed(number) for number in ids])


def following(tokens, text, scheme):
    """The tokens that may follow a text of tokens."""
    mask = masks(may_follow(Vocabulary(tokens, scheme)), [tokens.index(token) for token in [START, *text.split()]])[-1]
    return {token for token, allowed in zip(tokens, mask, strict=True) if allowed}


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("", SOUNDS | MANNERS | SHIFTS | {"i40", "i70", "kit8"}),  # program and kit are 0 already
        ("C4", {"E4", "G4"} | DRUMS | MANNERS | SHIFTS | {END, "i40", "i70", "kit8"}),
        ("G4", DRUMS | MANNERS | SHIFTS | {END, "i40", "i70", "kit8"}),
        ("drum42", SHIFTS | {END, "kit8"}),  # no drum is left for another velocity
        ("drum36", {"drum42", END, "kit8"} | MANNERS | SHIFTS),
        ("i40", PITCHES | MANNERS),
        ("C4 i40", PITCHES | MANNERS),
        ("i40 C4", {"E4", "G4", END, "i70", "kit8"} | DRUMS | MANNERS | SHIFTS),
        ("i40 C4 +1/2", SOUNDS | MANNERS | {"i0", "i70", "kit8"}),
        ("i40 C4 +1/2 C4", {"E4", "G4", END, "i0", "i70", "kit8"} | DRUMS | MANNERS | SHIFTS),
        ("i40 C4 +1/2 C4 i0 C4", {"E4", "G4", END, "i70", "kit8"} | DRUMS | MANNERS | SHIFTS),  # 40 had its turn
        ("kit8", DRUMS | MANNERS),
        ("kit8 drum36", {"drum42", END} | MANNERS | SHIFTS),
        ("kit8 drum36 +1/2", SOUNDS | MANNERS | {"i40", "i70", "kit0"}),
        ("v100", SOUNDS | DURATIONS),
        ("E4 v100", {"G4"} | DRUMS | DURATIONS),
        ("i40 v100", PITCHES | DURATIONS),
        (":1/2", SOUNDS),
        ("E4 v100 :1", {"G4"} | DRUMS),
        (":4", SOUNDS | DURATIONS - {":16"}),
        (":16 :4 :1", SOUNDS),
        ("C4 +1/2", SOUNDS | MANNERS | {"i40", "i70", "kit8"}),
        ("C4 +4", SOUNDS | MANNERS | {"i40", "i70", "kit8", "+1/2", "+4"}),
        (UNK, set(LETTERS) - {START, UNK}),
        (f"i40 {UNK} C4", {"E4", "G4", END, "i0", "i40", "i70", "kit0", "kit8"} | DRUMS | MANNERS | SHIFTS),
        (f"C4 {END}", {END}),
        (f"C4 {END} {START} E4", {"G4", END, "i40", "i70", "kit8"} | DRUMS | MANNERS | SHIFTS),
    ],
)
def test_what_may_follow_in_scheme_note(text, allowed):
    assert following(LETTERS, text, "note") == allowed


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("", {"C4:1", "C4.E4:1/2"}),
        ("C4:1", set(EVENTS) - {START, UNK}),
        ("C4:1 rest:1", {"C4:1", "C4.E4:1/2"}),
        (UNK, set(EVENTS) - {START, UNK}),
        (f"C4:1 {END}", {END}),
    ],
)
def test_what_may_follow_in_scheme_chord(text, allowed):
    assert following(EVENTS, text, "chord") == allowed


@pytest.mark.parametrize(("scheme", "tokens"), [("note", LETTERS), ("chord", EVENTS)])
def test_a_meter_may_follow_the_start_and_nothing_else(scheme, tokens):
    with_meters = (*tokens, "3/4", "6/8")
    at_first = following(tokens, "", scheme)
    assert following(with_meters, "", scheme) == at_first | {"3/4", "6/8"}
    assert following(with_meters, "6/8", scheme) == at_first
    sound = "C4" if scheme == "note" else "C4:1"
    assert following(with_meters, f"3/4 {sound}", scheme) == following(tokens, sound, scheme)


def test_nothing_is_promised_that_the_vocabulary_cannot_keep():
    few = (START, END, UNK, "C4", "E4", "v90", ":1/2", "i5", "kit5")
    assert following(few, "C4", "note") == {END, "E4", "v90", ":1/2", "i5"}  # no drum: no kit
    assert following(few, "E4", "note") == {END, "i5"}  # no higher note: no velocity for it


@pytest.mark.parametrize("tokens", [(), ("+1",), ("v90", "i5")])
def test_a_song_without_notes_can_only_wait_and_end(tokens):
    vocabulary = (START, END, UNK, *tokens)
    assert following(vocabulary, "", "note") == {token for token in tokens if token == "+1"} or {END}


def test_two_songs_walk_side_by_side():
    grammar = may_follow(Vocabulary(LETTERS))
    songs = [[0, *map(LETTERS.index, text.split())] for text in ("C4 E4 +1/2 i40 G4", "v80 E4 kit8 drum36 +4")]
    walks = [grammar() for _ in songs]
    together = [[walk(ids[step]) for walk, ids in zip(walks, songs, strict=True)] for step in range(6)]
    for place, ids in enumerate(songs):
        assert np.array_equal([answers[place] for answers in together], masks(grammar, ids))


def test_threads_may_walk_at_the_same_time():
    rng = np.random.default_rng(0)
    songs = [[0, *rng.integers(3, len(LETTERS), 20).tolist()] for _ in range(8)]
    grammar = may_follow(Vocabulary(LETTERS))
    with ThreadPoolExecutor(len(songs)) as threads:
        found = list(threads.map(partial(masks, grammar), songs))
    for ids, answers in zip(songs, found, strict=True):
        assert np.array_equal(answers, masks(may_follow(Vocabulary(LETTERS)), ids))


def test_an_answer_cannot_be_spoilt():
    mask = may_follow(Vocabulary(LETTERS))()(0)
    with pytest.raises(ValueError, match="read-only"):
        mask[3] = False


def test_a_token_of_another_scheme_is_refused():
    with pytest.raises(TokenError, match="'C4:1' is no token of scheme 'note'"):
        may_follow(Vocabulary((START, END, UNK, "C4:1")))


@pytest.mark.parametrize("scheme", SCHEMES)
@given(notes=songs, other=songs)
def test_every_song_obeys(scheme, notes, other):
    tokens = encode(notes, scheme, 2)
    known = tokens + encode(other, scheme, 2)
    vocabulary = Vocabulary.build({token: known.count(token) for token in known}, 1, scheme)
    ids = vocabulary.ids([START, *tokens, END])
    if tokens:
        assert masks(may_follow(vocabulary), ids)[np.arange(len(ids) - 1), ids[1:]].all()


@pytest.mark.parametrize("scheme", SCHEMES)
@given(notes=songs, other=songs, seed=st.integers(0, 2**32 - 1))
def test_whatever_obeys_is_a_song(scheme, notes, other, seed):
    known = {*encode(notes, scheme, 2), *encode([*other, Note(60, 0, 1)], scheme, 2)}
    vocabulary = Vocabulary((START, END, UNK, *sorted(known)), scheme)
    tokens = sample(vocabulary, np.random.default_rng(seed), length=60)
    decoded = decode(tokens, scheme, 2)
    if scheme == "note":  # no letter is without effect
        assert len(decoded) == sum(parse(token, scheme).kind in ("notes", "drum") for token in tokens)
    elif tokens[-1] == END:
        assert encode(decoded, scheme, 2) == tokens[:-1]


def sample(vocabulary, rng, length):
    """At most `length` tokens, each any that the grammar lets follow."""
    allowed = may_follow(vocabulary)()
    ids = [0]
    while ids[-1] != 1 and len(ids) <= length:
        mask = allowed(ids[-1])
        assert mask.any()
        assert not mask[[0, UNK_ID]].any()
        ids.append(int(rng.choice(np.flatnonzero(mask))))
    return vocabulary.tokens_of(ids[1:])
