"""Songs become tokens and come back; the rules of the three schemes, by example and on random songs."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midi_io import Note, quantise, read_notes, transpose
from midi_io.tokens import (
    END,
    SCHEMES,
    START,
    UNK,
    TokenError,
    decode,
    encode,
    parse,
    spelling_cost,
    transpose_token,
)
from midi_io.tokens.words import spell_pitches

SONGS = sorted((Path(__file__).parent.parent / "songs").rglob("*.mid"))[::25]

grids = st.sampled_from([1, 2, 3, 4, 7, 12, 24, 480])
beats = st.fractions(0, 40, max_denominator=24).map(float) | st.floats(0, 300)
songs = st.lists(
    st.builds(
        Note,
        pitch=st.integers(0, 127),
        start=beats,
        duration=beats,
        velocity=st.integers(1, 127),
        program=st.sampled_from([0, 0, 8, 40, 127]),
        drum=st.booleans(),
    ),
    max_size=40,
)


lengths = st.fractions("1/12", 40, max_denominator=12)
pitch_names = st.integers(0, 127).map(lambda pitch: spell_pitches([pitch]))
chords = st.sets(st.integers(0, 127), min_size=1, max_size=5).map(spell_pitches)
TOKENS = {
    "chord": st.builds("{}:{}".format, chords | st.just("rest"), lengths),
    "paper": chords,
    "note": pitch_names
    | st.builds("{}{}".format, st.sampled_from(["drum", "i", "kit"]), st.integers(0, 127))
    | st.builds("v{}".format, st.integers(1, 127))
    | st.builds("{}{}".format, st.sampled_from([":", "+"]), lengths),
}


def texts(scheme):
    return st.lists(TOKENS[scheme] | st.sampled_from([START, UNK]), max_size=30)


def chord(pitches, start, duration, **how):
    return [Note(pitch, start, duration, **how) for pitch in pitches]


# scheme chord


def test_an_event_is_what_is_struck_together_and_the_beats_until_the_next():
    notes = [*chord([60, 64, 67], 0, 0.5), Note(72, 0.5, 1), *chord([62, 65], 1.5, 1 / 3)]
    assert encode(notes, "chord") == ["C4.E4.G4:1/2", "C5:1", "D4.F4:1/3"]


def test_a_melody_moves_over_a_held_chord():
    notes = [*chord([48, 55, 72], 0, 2), Note(74, 1, 1)]
    assert encode(notes, "chord") == ["C3.G3.C5:1", "D5:1"]


@pytest.mark.parametrize(
    ("silence", "tokens"),
    [(0.5, ["C4:3/2", "D4:1"]), (1, ["C4:1", "rest:1", "D4:1"]), (7 / 3, ["C4:1", "rest:7/3", "D4:1"])],
)
def test_a_rest_stands_only_where_nothing_sounds_for_a_beat(silence, tokens):
    assert encode([Note(60, 0, 1), Note(62, 1 + silence, 1)], "chord") == tokens


def test_a_bass_that_sounds_on_leaves_no_rest():
    assert encode([Note(36, 0, 4), Note(60, 0.5, 0.5), Note(62, 3, 1)], "chord") == ["C2:1/2", "C4:5/2", "D4:1"]


def test_the_last_event_lasts_until_all_has_ended():
    assert encode([Note(36, 0, 4), Note(60, 1, 1)], "chord") == ["C2:1", "C4:3"]


@pytest.mark.parametrize("scheme", ["chord", "paper"])
def test_drums_velocity_instruments_and_leading_silence_are_left_out(scheme):
    plain = [Note(60, 0, 1), Note(62, 1, 1)]
    played = [note._replace(start=note.start + 5, velocity=30, program=40) for note in plain]
    assert encode([*played, Note(36, 4, 1, drum=True)], scheme) == encode(plain, scheme)


def test_instruments_in_unison_strike_one_pitch():
    assert encode([Note(60, 0, 1), Note(60, 0, 2, program=40), Note(64, 0, 1)], "chord") == ["C4.E4:2"]


def test_the_lower_notes_of_a_chord_ring_on_under_a_melody():
    notes = decode(["C4.E4.G4:1", "A4:1/2", "B4:1/2", "D4.C5:1"], "chord")
    assert notes == [
        *[Note(60, 0, 2), Note(64, 0, 2), Note(67, 0, 1), Note(69, 1, 0.5), Note(71, 1.5, 0.5)],
        *[Note(62, 2, 1), Note(72, 2, 1)],
    ]


@pytest.mark.parametrize(
    ("after", "sounds"),
    [(["rest:1", "C5:1"], 1), (["A4:1"], 2), (["A4:1"] * 9, 4), ([END, "A4:1"], 1), (["C4:1", "A4:1"], 1)],
    ids=["a rest", "the end", "four beats", "<end>", "the same pitch again"],
)
def test_what_ends_a_ringing_note(after, sounds):
    assert decode(["C4.G4:1", *after], "chord")[0] == Note(60, 0, sounds)


# scheme paper


def test_paper_has_pitches_and_no_durations():
    assert encode([*chord([67, 60, 64], 0, 3), Note(72, 3, 0.5)], "paper") == ["C4.E4.G4", "C5"]


def test_every_event_of_paper_lasts_half_a_beat():
    assert decode(["C4.E4", "C5"], "paper") == [Note(60, 0, 0.5), Note(64, 0, 0.5), Note(72, 0.5, 0.5)]


# scheme note


def test_a_plain_chorale_needs_only_pitches_and_shifts():
    notes = [*chord([48, 55, 64, 72], 0, 1), *chord([50, 57, 65, 74], 1, 1), *chord([48, 60], 3, 1)]
    assert " ".join(encode(notes, "note")) == "C3 G3 E4 C5 +1 D3 A3 F4 D5 +2 C3 C4"


def test_what_changes_stands_before_the_pitch():
    notes = [Note(55, 0, 0.5, 96, 40), Note(59, 0, 0.5, 96, 40), Note(57, 0.5, 0.5, 96, 40), Note(57, 1, 0.5, 70, 40)]
    assert " ".join(encode(notes, "note")) == "i40 v96 :1/2 G3 B3 +1/2 A3 +1/2 v70 A3"


def test_each_instrument_keeps_its_velocity_and_duration():
    bass = [Note(36, start, 0.5, 100, 32) for start in (0, 1)]
    piano = [Note(60, start, 1, 60) for start in (0, 1)]
    assert " ".join(encode(bass + piano, "note")) == "v60 C4 i32 v100 :1/2 C2 +1 C2 i0 C4"


def test_drums_come_last_and_need_no_instrument():
    notes = [Note(60, 0, 1), Note(38, 0, 1, drum=True), Note(36, 0, 1, drum=True), Note(36, 0, 1, program=8, drum=True)]
    assert encode(notes, "note") == ["C4", "drum36", "drum38", "kit8", "drum36"]


def test_long_times_are_sums():
    notes = [Note(60, 2, 27.25), Note(60, 300, 4)]
    assert " ".join(encode(notes, "note")) == "+2 :16 :4 :4 :13/4 C4 +256 +16 +16 +4 +4 +2 :4 C4"


@given(songs, grids)
def test_no_quantised_note_is_lost(notes, grid):
    assert decode(encode(notes, "note", grid), "note", grid) == quantise(notes, grid)


@pytest.mark.parametrize("path", SONGS, ids=lambda path: path.name)
def test_real_songs_come_back(path):
    notes = read_notes(path)
    assert decode(encode(notes, "note"), "note") == quantise(notes, 12)
    for scheme in ("chord", "paper"):
        tokens = encode(notes, scheme)
        assert tokens
        assert encode(decode(tokens, scheme), scheme) == tokens


# all schemes


@pytest.mark.parametrize("scheme", SCHEMES)
@given(notes=songs, grid=grids)
def test_tokens_come_back_from_their_notes(scheme, notes, grid):
    tokens = encode(notes, scheme, grid)
    assert encode(decode(tokens, scheme, grid), scheme, grid) == tokens


@pytest.mark.parametrize("scheme", SCHEMES)
@given(notes=songs, grid=grids)
def test_tokens_are_plain_words_and_know_their_scheme(scheme, notes, grid):
    for token in encode(notes, scheme, grid):
        assert token.isascii()
        assert token.isprintable()
        assert " " not in token
        assert parse(token, scheme).kind not in (START, END, UNK)


@pytest.mark.parametrize("scheme", SCHEMES)
@given(data=st.data(), grid=grids)
def test_tokens_in_any_order_are_notes_that_stay_the_same_on_the_grid(scheme, data, grid):
    tokens = data.draw(texts(scheme))
    notes = decode(tokens, scheme, grid)
    assert notes == quantise(notes, grid * 2 if scheme == "paper" else grid)  # paper needs half beats
    assert bool(notes) == any(parse(token, scheme).kind in ("notes", "drum") for token in tokens)


@pytest.mark.parametrize("scheme", SCHEMES)
@given(notes=songs, semitones=st.integers(-24, 24))
def test_transposed_tokens_are_the_tokens_of_the_transposed_song(scheme, notes, semitones):
    notes = [note for note in notes if note.drum or 0 <= note.pitch + semitones <= 127]
    tokens = [transpose_token(token, semitones, scheme) for token in encode(notes, scheme)]
    assert tokens == encode(transpose(notes, semitones), scheme)


@pytest.mark.parametrize(
    ("scheme", "token", "semitones"), [("chord", "C4.G9:1", 1), ("paper", "C-1.C4", -1), ("note", "C-1", -1)]
)
def test_a_token_that_would_leave_the_keyboard_cannot_be_transposed(scheme, token, semitones):
    assert transpose_token(token, semitones, scheme) is None


@pytest.mark.parametrize(
    ("scheme", "token", "choices"),
    [
        *[("chord", "C4.E4.G4:1/2", [88, 88, 88, 10]), ("chord", "rest:3", [10]), ("paper", "C4.E4", [88, 88])],
        *[("note", "C4", [88]), ("note", "drum36", [88]), ("note", "+3/2", [10]), ("note", ":1/2", [10])],
        *[("note", "v80", [127]), ("note", "i40", [128]), ("note", "i0", [128]), ("chord", UNK, [1])],
    ],
)
def test_spelling_a_token_costs_the_logarithm_of_its_choices(scheme, token, choices):
    assert spelling_cost(token, scheme, durations=10) == pytest.approx(sum(map(math.log, choices)))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "token",
    [
        *["", " ", ":", "C4:", ":1:1", "C4.:1", "C4.E4:0", "C4:1/0", "C4:-1", "C4:1.5", "rest", "rest:0", "REST:1"],
        *["H4", "c4", "E#4", "Cb4", "C10", "G#9", "C-2", "E4.C4", "E4.C4:1", "C4.C4", "C4.C4:1", "C4 ", "C٤"],
        *["v0", "v128", "v080", "i128", "i-1", "kit", "drum128", "drum", "+0", "+-1", "+1/0", "+٤", ":1/2/3", "<pad>"],
    ],
)
def test_what_is_no_token_is_named(scheme, token):
    with pytest.raises(TokenError) as error:
        decode([START, UNK, token], scheme)
    assert str(error.value).startswith(f"{token!a} is no token of scheme {scheme!r}")


@pytest.mark.parametrize("token", ["x" * 10_000, "C4\n\x1b[31m"])
def test_an_error_is_one_short_printable_line(token):
    with pytest.raises(TokenError) as error:
        parse(token, "chord")
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 140


def test_the_tokens_of_one_scheme_are_none_of_another():
    for own, token in [("chord", "C4:1"), ("chord", "rest:1"), ("paper", "C4.E4"), ("note", "+1"), ("note", "v80")]:
        for scheme in set(SCHEMES) - {own}:
            with pytest.raises(TokenError):
                decode([token], scheme)


@pytest.mark.parametrize("call", [encode, decode])
def test_there_are_three_schemes(call):
    with pytest.raises(KeyError, match="words"):
        call([], "words")
