"""The n-gram models and the copy meter, against implementations that are slow and plain."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_numpy.baselines import NGrams, Smoothing, copied
from lstm_numpy.batches import Songs

V = 12
song_lists = st.lists(st.lists(st.integers(2, V - 1), max_size=12), min_size=1, max_size=14)


def bounded(songs: list[list[int]]) -> Songs:
    """Songs between <start> (0) and <end> (1)."""
    return Songs.of([[0, *song, 1] for song in songs])


class PlainNGram:
    """Interpolated n-grams as the formula reads, with a dictionary of tuples and one probability at a time."""

    def __init__(self, songs: Songs, smoothing: dict[str, Smoothing]) -> None:
        self.smoothing = smoothing
        padded = [(song[0], *song) for song in (s.tolist() for s in songs) if song]
        self.counts = {
            n: Counter(song[k - n + 1 : k + 1] for song in padded for k in range(2, len(song))) for n in (1, 2, 3)
        }

    def counted(self, level: str, gram: tuple[int, ...]) -> int:
        if level.endswith("kinds"):
            return sum(longer[1:] == gram for longer in self.counts[len(gram) + 1])
        return self.counts[len(gram)][gram]

    def p(self, level: str, history: tuple[int, ...], w: int, lower: float) -> float:
        D = self.smoothing[level]
        discount = {0: 0.0, 1: D.once, 2: D.twice}
        counts = [self.counted(level, (*history, v)) for v in range(V)]
        if sum(counts) == 0:
            return lower
        given = D.theta + sum(discount.get(c, D.more) for c in counts)
        return (counts[w] - discount.get(counts[w], D.more) + given * lower) / (sum(counts) + D.theta)

    def nats(self, song: list[int]) -> dict[str, list[float]]:
        nats: dict[str, list[float]] = {name: [] for name in NGrams.names}
        padded = [song[0], *song]
        for k in range(2, len(padded)):
            a, b, w = padded[k - 2 : k + 1]
            kinds = self.p("1 kinds", (), w, 1 / V)
            nats["uniform"].append(math.log(V))
            nats["unigram"].append(-math.log(self.p("1", (), w, 1 / V)))
            nats["bigram"].append(-math.log(self.p("2", (b,), w, kinds)))
            nats["trigram"].append(-math.log(self.p("3", (a, b), w, self.p("2 kinds", (b,), w, kinds))))
        return nats


@settings(deadline=None, max_examples=25)
@given(song_lists, song_lists)
def test_ngrams_are_what_the_formula_says(train_songs: list[list[int]], valid_songs: list[list[int]]) -> None:
    train, valid = bounded(train_songs), bounded(valid_songs)
    model = NGrams(train, V)
    plain = PlainNGram(train, model.smoothing)
    nats = model.nats(valid)
    expected = [plain.nats(song.tolist()) for song in valid]
    assert tuple(nats) == NGrams.names
    for name in NGrams.names:
        np.testing.assert_allclose(nats[name], [x for song in expected for x in song[name]], rtol=1e-10)


def markov_songs(count: int, rng: np.random.Generator) -> tuple[Songs, float]:
    """Songs in which the next of 8 ids depends on the two before, and the entropy of a step in nats."""
    table = rng.dirichlet(np.full(8, 0.2), size=(8, 8))
    songs, entropies = [], []
    for _ in range(count):
        song = [2, 3]
        for _ in range(100):
            p = table[song[-2] - 2, song[-1] - 2]
            entropies.append(-(p * np.log(p + 1e-300)).sum())
            song.append(int(rng.choice(8, p=p)) + 2)
        songs.append(song)
    return bounded(songs), float(np.mean(entropies))


def test_a_longer_context_is_used_where_it_helps_and_not_where_it_does_not() -> None:
    rng = np.random.default_rng(0)
    songs, entropy = markov_songs(220, rng)
    train, valid = songs.take(range(200)), songs.take(range(200, 220))
    mean = {name: float(nats.mean()) for name, nats in NGrams(train, 10).nats(valid).items()}
    assert mean["uniform"] == pytest.approx(math.log(10))
    assert mean["uniform"] > mean["unigram"] > mean["bigram"] > mean["trigram"] + 0.1
    assert mean["trigram"] < entropy + 0.06

    noise = Songs.of([[0, *rng.integers(2, 10, 40), 1] for _ in range(100)])
    mean = {name: float(nats.mean()) for name, nats in NGrams(noise.take(range(80)), 10).nats(noise).items()}
    assert mean["trigram"] < mean["unigram"] + 0.02


def test_smoothing_is_tuned() -> None:
    """A trigram with the textbook's one discount of 3/4 is a weaker opponent."""
    songs, _ = markov_songs(60, np.random.default_rng(1))
    train, valid = songs.take(range(50)), songs.take(range(50, 60))
    model = NGrams(train, 10)
    tuned = model.nats(valid)["trigram"].mean()
    model.smoothing = dict.fromkeys(model.smoothing, Smoothing(0.75, 0.75, 0.75, 0))
    assert tuned < model.nats(valid)["trigram"].mean()


@settings(deadline=None, max_examples=25)
@given(song_lists, st.lists(st.integers(2, V - 1), max_size=4))
def test_what_may_follow_has_probability_one_in_all(train_songs: list[list[int]], begin: list[int]) -> None:
    nats = NGrams(bounded(train_songs), V).nats(Songs.of([[0, *begin, w] for w in range(V)]))
    for name in NGrams.names:
        last = nats[name].reshape(V, -1)[:, -1]
        assert np.exp(-last).sum() == pytest.approx(1)
        assert np.isfinite(last).all()


def test_a_songs_nats_do_not_depend_on_the_songs_beside_it() -> None:
    songs, _ = markov_songs(12, np.random.default_rng(2))
    model = NGrams(songs.take(range(10)), 10)
    together = model.nats(songs)
    apart = [model.nats(songs.take([k])) for k in range(12)]
    for name in NGrams.names:
        np.testing.assert_array_equal(together[name], np.concatenate([nats[name] for nats in apart]))
        assert len(together[name]) == songs.targets


def test_large_vocabularies_and_ids_never_seen() -> None:
    train = Songs.of([[0, 9_999, 5, 9_998, 1], [0, 9_999, 5, 9_998, 1]])
    nats = NGrams(train, 10_000).nats(Songs.of([[0, 9_999, 5, 9_998, 1], [0, 7, 8, 9, 1]]))["trigram"]
    assert np.isfinite(nats).all()
    assert nats[:4].max() < 3 < nats[4:7].min()
    with pytest.raises(ValueError, match="id 9999 is beyond a vocabulary of 50"):
        NGrams(train, 50)


def test_nothing_to_learn_from_is_uniform() -> None:
    nats = NGrams(Songs.of([[0]]), 4).nats(Songs.of([[0, 2, 1], []]))
    for name in NGrams.names:
        np.testing.assert_allclose(nats[name], math.log(4))


# The copy meter.


def stands_in(gram: list[int], songs: Songs) -> bool:
    n = len(gram)
    return any(gram == song[k : k + n].tolist() for song in songs for k in range(len(song) - n + 1))


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.lists(st.integers(0, 2), max_size=14), max_size=5),
    st.lists(st.lists(st.integers(0, 3), max_size=20), max_size=5),
)
def test_copies_are_found_exactly(written: list[list[int]], train_songs: list[list[int]]) -> None:
    train = Songs.of(train_songs)
    meters = [copied(Songs.of(written), train, n) for n in (2, 3)]
    assert len(meters[0]) == len(written)
    for song, *of in zip(written, *meters, strict=True):
        runs = [song[a:b] for a in range(len(song)) for b in range(a + 1, len(song) + 1)]
        for n, meter in zip((2, 3), of, strict=True):
            assert meter.longest == max((len(run) for run in runs if stands_in(run, train)), default=0)
            grams = [song[k : k + n] for k in range(len(song) - n + 1)]
            share = sum(stands_in(gram, train) for gram in grams) / len(grams) if grams else 0
            assert meter.share == pytest.approx(share)


def test_a_copy_does_not_reach_over_the_end_of_a_song() -> None:
    train = Songs.of([[5, 6, 7], [8, 9]])
    assert [meter.longest for meter in copied(Songs.of([[5, 6, 7, 8, 9], [6, 7], [300]]), train)] == [3, 2, 0]


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.lists(st.integers(0, 3), max_size=14), max_size=4),
    st.lists(st.lists(st.integers(0, 3), max_size=20), max_size=4),
    st.lists(st.lists(st.integers(-1, 3), min_size=4, max_size=4), min_size=1, max_size=3),
)
def test_a_copy_is_found_in_every_reading(
    written: list[list[int]], train_songs: list[list[int]], readings: list[list[int]]
) -> None:
    train = Songs.of(train_songs)
    meters = copied(Songs.of(written), train, 2, readings=np.array(readings))
    for song, meter in zip(written, meters, strict=True):
        found = {
            (a, b)
            for a in range(len(song))
            for b in range(a + 1, len(song) + 1)
            if any(stands_in([reading[i] for i in song[a:b]], train) for reading in readings)
        }
        assert meter.longest == max((b - a for a, b in found), default=0)
        pairs = [(k, k + 2) in found for k in range(len(song) - 1)]
        assert meter.share == pytest.approx(sum(pairs) / len(pairs) if pairs else 0)


def test_one_note_a_thousand_times_is_no_trouble() -> None:
    (meter,) = copied(Songs.of([[4] * 2000]), Songs.of([[4] * 1500, [5, 4]]), 4)
    assert meter.longest == 1500
    assert meter.share == 1.0
