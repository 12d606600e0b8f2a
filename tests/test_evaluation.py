"""Scores: of each song as a whole, whatever the windows are, and on the same targets as the n-grams'."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import reference

import lstm_numpy
from experiment.folder import RunFolder
from experiment.report import count_nats, figures_table, final_figures, goal
from experiment.run import Run
from experiment.songs import RunSongs
from experiment.state import TrainingState
from lstm_numpy.batches import Songs
from lstm_numpy.model import token_nats
from lstm_numpy.parameters import ModelConfig, init_params
from midi_io.vocabulary import Vocabulary

V, H = 7, 5
RNG = np.random.default_rng(3)
LENGTHS = [3, 20, 9, 31, 2, 14]
SONGS = [np.array([0, *RNG.integers(2, V, length), 1]) for length in LENGTHS]
SPLIT = np.array([0, 0, 0, 1, 1, 2], np.uint8)
UNKNOWN = sum((song == 2).sum() for song in SONGS)
RUN = RunSongs(Songs.of(SONGS), SPLIT, np.arange(6.0), np.full(6, 120.0), RNG.random(UNKNOWN) * 9)
CONFIG = ModelConfig(V, H, layers=2)
VOCABULARY = Vocabulary(("<start>", "<end>", "<unk>", "C4", "D4", "E4", "+1"))
PARAMS = {name: array * 3 for name, array in init_params(CONFIG, RNG, np.float64).items()}


def evaluate(params, config, songs, T, B, threads=1, *, next_only=False):
    """As a run scores its songs."""
    flags = {"window": T, "batch": B, "threads": threads, "predict": "next" if next_only else "every"}
    state = TrainingState(params, None, RNG)
    everything = songs._replace(split=np.zeros(len(songs.split), np.uint8))
    return Run(flags, RunFolder(Path()), everything, VOCABULARY, config, state).score("train", show_bar=False)


def nats_of(song):
    """-ln p of each of the song's targets, by the textbook."""
    _, logits, _ = reference.network(PARAMS, song[:-1, None], song[1:, None])
    p = np.exp(logits[:, 0])
    return -np.log(p[np.arange(len(p)), song[1:]] / p.sum(axis=1))


@pytest.mark.parametrize(("T", "B", "threads"), [(4, 3, 1), (50, 6, 2), (1, 1, 1), (7, 2, 2)])
def test_windows_and_lanes_change_nothing(T, B, threads):
    found = evaluate(PARAMS, CONFIG, RUN, T, B, threads)
    expected = np.concatenate([np.r_[0, nats_of(song)] for song in SONGS]) + RUN.spelling_nats
    assert found.nats == pytest.approx(expected, rel=1e-6)
    assert np.array_equal(found.scored, RUN.songs.flat != 0)
    assert found.nats_per_token == pytest.approx(expected[RUN.songs.flat != 0].mean())


def test_each_id_is_read_with_its_features():
    config = ModelConfig(V, H, context=(2, 4))
    params = {name: array * 3 for name, array in init_params(config, RNG, np.float64).items()}
    flat, offsets = RUN.songs.flat, RUN.songs.offsets
    context = np.stack([RNG.integers(0, size, len(flat)) for size in config.context], axis=1)
    found = lstm_numpy.evaluate(params, config, Songs(flat, offsets, context), 4, 3)
    for begin, end in pairwise(offsets):
        ids, features = flat[begin:end], context[begin:end]
        nats, _, _ = token_nats(params, ids[:-1, None], ids[1:, None].astype(int), context=features[:-1, None])
        assert found.nats[begin + 1 : end] == pytest.approx(nats[:, 0], rel=1e-9)


def test_accuracy_counts_the_likeliest():
    logits = [reference.network(PARAMS, song[:-1, None], song[1:, None])[1][:, 0] for song in SONGS]
    right = np.concatenate([np.r_[False, a.argmax(axis=1) == b[1:]] for a, b in zip(logits, SONGS, strict=True)])
    found = lstm_numpy.evaluate(PARAMS, CONFIG, RUN.songs, 8, 4)
    np.testing.assert_array_equal(found.correct, right)
    assert found.accuracy == right.sum() / RUN.songs.targets


def test_an_unknown_token_is_never_guessed_right():
    sure = {name: array * 0 for name, array in PARAMS.items()}
    sure["dense.b"] = np.eye(V)[2]  # <unk>, whatever was read
    assert lstm_numpy.evaluate(sure, CONFIG, RUN.songs, 8, 4).accuracy == UNKNOWN / RUN.songs.targets > 0
    assert evaluate(sure, CONFIG, RUN, 8, 4).accuracy == 0


@pytest.mark.parametrize(("T", "B", "threads"), [(2, 6, 1), (2, 5, 3), (8, 3, 2)])
def test_lanes_that_have_nothing_to_read_are_left_out(T, B, threads, monkeypatch):
    read = []
    monkeypatch.setattr(
        "lstm_numpy.evaluation.token_nats", lambda *a, **k: (read.append(a[1].shape[1]), token_nats(*a, **k))[1]
    )
    scored = []
    found = lstm_numpy.evaluate(PARAMS, CONFIG, RUN.songs, T, B, threads, told=scored.append)
    whole = np.concatenate([np.r_[0, nats_of(song)] for song in SONGS])
    assert found.nats == pytest.approx(whole, rel=1e-6)
    assert sum(scored) == RUN.songs.targets
    assert read[0] == B
    assert read == sorted(read, reverse=True)
    longest_alone = -(-33 // T) - -(-22 // T)  # windows of the longest song, after the second longest has ended
    if len(SONGS) == B:
        assert read[-longest_alone + 1 :] == [1] * (longest_alone - 1)


def test_the_papers_protocol_sees_a_window_and_nothing_before():
    T = 6
    found = evaluate(PARAMS, CONFIG, RUN, T, 5, next_only=True)
    place = 0
    for song in SONGS:
        for t in range(len(song)):
            assert found.scored[place] == (t >= T)
            if t >= T:
                ids = song[t - T : t]
                nats, _, _ = reference.network(PARAMS, ids[:, None], np.array([*[-1] * (T - 1), song[t]])[:, None])
                assert found.nats[place] == pytest.approx(nats + RUN.spelling_nats[place], rel=1e-6)
            place += 1


def test_nothing_to_score_is_no_error():
    nothing = evaluate(PARAMS, CONFIG, RUN, 40, 5, next_only=True)
    assert (nothing.nats_per_token, nothing.accuracy, nothing.scored.any()) == (0.0, 0.0, np.False_)


@pytest.mark.parametrize("next_only", [False, True])
def test_everybody_is_scored_on_the_same_targets_and_pays_for_spelling(next_only):
    T = 6
    counted = count_nats(RUN, V)
    scores = {name: evaluate(PARAMS, CONFIG, RUN.of(name), T, 3, next_only=next_only) for name in ("valid", "test")}
    figures = final_figures(scores, RUN, counted)
    assert ("valid_nats_per_beat" in figures) is not next_only
    for name, prefix in (("valid", ""), ("test", "test_")):
        part = RUN.of(name)
        place = np.concatenate([np.arange(len(song)) for song in part.songs])
        scored = place >= (T if next_only else 1)
        spelling = part.spelling_nats[scored].mean()
        assert figures[f"{name}_spelling_nats_per_token"] == pytest.approx(spelling)
        assert figures[f"{prefix}uniform_nats_per_token"] == pytest.approx(np.log(V) + spelling)
        trigram = counted[name]["trigram"]
        assert figures[f"{prefix}trigram_nats_per_token"] == pytest.approx(trigram[scored].mean())
        if name == "valid" and not next_only:
            assert f" {trigram[scored].mean():.3f} nats" in goal(trigram)
        found = scores[name]
        assert figures[f"{name}_nats_per_token"] == pytest.approx(found.nats[scored].mean())
        notes = found.nats[scored & (part.songs.flat != 1)].sum()
        assert figures[f"{name}_nats_of_notes"] == pytest.approx(notes)
        if not next_only:
            assert figures[f"{name}_nats_per_beat"] == pytest.approx(notes / part.beats.sum())


COUNTING = {f"{name}_nats_per_token": 4.0 - k for k, name in enumerate(["uniform", "unigram", "bigram", "trigram"])}


def test_the_table_says_what_a_dash_means():
    lines = figures_table({**COUNTING, "valid_nats_per_token": 0.9, "valid_accuracy": 0.5}).splitlines()
    assert lines[-3:] == [
        "  network          0.900       -",
        "accuracy on valid: 50.0%",
        "-: no test song can be scored",
    ]
    assert "nothing to compare" in figures_table({})
