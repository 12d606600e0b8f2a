"""Generation: what is drawn, what cannot be, and that nothing but the seed decides."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_numpy.model import Stepper, forward
from lstm_numpy.parameters import ModelConfig, init_params
from lstm_numpy.sampling import LONGEST_PERIOD, STRETCH, Sampling, generate, longest_loop, narrowed

Array = npt.NDArray[Any]

V, START, END = 7, 0, 1
NO_GUARD = Sampling(repeats=0)


def network(seed: int = 0, dtype: npt.DTypeLike = np.float64, **config: Any) -> dict[str, Array]:
    """A network with strong opinions: its weights are those of a fresh one, made larger."""
    params = init_params(ModelConfig(vocab_size=V, hidden_size=6, **config), np.random.default_rng(seed), dtype)
    return {name: p * 4 for name, p in params.items()}


def always(p: list[float]) -> dict[str, Array]:
    """A network that gives the same probabilities whatever it has read."""
    params = init_params(ModelConfig(vocab_size=len(p), hidden_size=2), np.random.default_rng(0))
    with np.errstate(divide="ignore"):
        params["dense.b"] = np.maximum(np.log(np.array(p, np.float32)), -1e4)
    params["dense.W"][:] = 0
    return params


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def reread(params: dict[str, Array], ids: list[int]) -> Array:
    """The logits after a song so far, by reading all of it again."""
    return forward(params, np.array(ids)[:, None])[0][-1, 0]


@pytest.mark.parametrize("config", [{}, {"layers": 2}, {"input": "scalar"}])
def test_carrying_the_state_is_reading_the_whole_song(config: dict[str, Any]) -> None:
    params = network(**config)
    (song,) = generate(params, [START, 3], 30, seeded(), end=END, banned=[END], sampling=Sampling(0, repeats=0))
    ids = [START, 3]
    for _ in range(30):
        logits = reread(params, ids)
        logits[END] = -np.inf
        ids.append(int(logits.argmax()))
    assert song.ids.tolist() == ids
    assert not song.ended


def test_a_long_prime_is_read_to_its_end() -> None:
    params = network()
    prime = [START, *seeded(1).integers(2, V, 700).tolist()]
    (song,) = generate(params, prime, 1, seeded(), end=END, sampling=Sampling(0))
    assert song.ids.tolist() == [*prime, int(reread(params, prime).argmax())]


def test_the_same_seed_gives_the_same_songs() -> None:
    params = network(dtype=np.float32)
    songs = [generate(params, [START], 40, seeded(5), 6, end=END) for _ in range(2)]
    for one, other in zip(*songs, strict=True):
        np.testing.assert_array_equal(one.ids, other.ids)
        assert one[1:] == other[1:]
    assert len({song.ids.tobytes() for song in songs[0]}) == 6
    others = generate(params, [START], 40, seeded(6), 6, end=END)
    assert [song.ids.tolist() for song in others] != [song.ids.tolist() for song in songs[0]]


def test_a_song_does_not_depend_on_the_songs_beside_it() -> None:
    """Nor on when they end and leave the batch."""
    params = network()
    many = generate(params, [START, 4], 600, seeded(5), 70, end=END)
    few = generate(params, [START, 4], 600, seeded(5), 4, end=END)
    assert [song.ids.tolist() for song in many[:4]] == [song.ids.tolist() for song in few]
    assert [song.entropy for song in many[:4]] == pytest.approx([song.entropy for song in few])
    assert len({len(song.ids) for song in many}) > 3


def test_a_song_stops_at_its_end_or_at_its_length() -> None:
    songs = generate(always([0, 0.2, 0, 0.8]), [START], 5, seeded(), 50, end=END, sampling=NO_GUARD)
    for song in songs:
        assert song.ids[0] == START
        assert song.ended == (END in song.ids)
        if song.ended:
            assert song.ids.tolist().index(END) == len(song.ids) - 1
        else:
            assert len(song.ids) == 6
    assert {song.ended for song in songs} == {True, False}
    (nothing,) = generate(network(), [START, 2], 0, seeded(), end=END)
    assert nothing.ids.tolist() == [START, 2]
    assert not nothing.ended


def shares(params: dict[str, Array], sampling: Sampling, **options: Any) -> Array:
    """How often each id is the first to be drawn, in 5000 songs."""
    songs = generate(params, [START], 1, seeded(), 5000, end=END, sampling=sampling, **options)
    return np.bincount([song.ids[1] for song in songs], minlength=len(params["dense.b"])) / 5000


PROBABILITIES = [0.0, 0.1, 0.4, 0.2, 0.3]


@pytest.mark.parametrize(
    ("sampling", "banned", "expected"),
    [
        (Sampling(), [], PROBABILITIES),
        (Sampling(), [2, 0], [0, 1 / 6, 0, 2 / 6, 3 / 6]),
        (Sampling(temperature=0.5), [], [0, 1 / 30, 16 / 30, 4 / 30, 9 / 30]),
        (Sampling(temperature=2), [1, 0], np.sqrt([0, 0, 0.4, 0.2, 0.3]) / np.sqrt([0.4, 0.2, 0.3]).sum()),
        (Sampling(top_k=2), [], [0, 0, 4 / 7, 0, 3 / 7]),
        (Sampling(top_k=9), [], PROBABILITIES),
        (Sampling(top_p=0.65), [], [0, 0, 4 / 7, 0, 3 / 7]),
        (Sampling(top_p=0.75), [], [0, 0, 4 / 9, 2 / 9, 3 / 9]),
        (Sampling(top_p=0.75), [2], [0, 0, 0, 2 / 5, 3 / 5]),
        (Sampling(top_p=1e-9), [], [0, 0, 1, 0, 0]),
        (Sampling(temperature=2, top_k=3, top_p=0.7), [], [0, 0, 2 / (2 + 3**0.5), 0, 3**0.5 / (2 + 3**0.5)]),
        (Sampling(temperature=2, top_k=1, sure=0.3), [], PROBABILITIES),  # the most probable has 0.4
        (Sampling(top_k=1, sure=0.5), [], [0, 0, 1, 0, 0]),
        (Sampling(temperature=0), [], [0, 0, 1, 0, 0]),
        (Sampling(temperature=1e-300), [], [0, 0, 1, 0, 0]),
        (Sampling(temperature=1e300), [0], [0, 1 / 4, 1 / 4, 1 / 4, 1 / 4]),
        (Sampling(temperature=math.inf), [0, 2], [0, 1 / 3, 0, 1 / 3, 1 / 3]),
    ],
)
def test_ids_are_drawn_as_often_as_they_should(sampling: Sampling, banned: list[int], expected: list[float]) -> None:
    found = shares(always(PROBABILITIES), sampling, banned=banned)
    np.testing.assert_allclose(found, expected, atol=0.025)
    assert (found[np.array(expected) == 0] == 0).all()


def test_top_k_keeps_k_among_equals() -> None:
    for k in range(1, 6):
        assert np.isfinite(narrowed(np.zeros((3, 6), np.float32), Sampling(top_k=k))).sum() == 3 * k


def test_a_large_vocabulary_is_drawn_from_to_its_last_id() -> None:
    found = shares(always([0.0] + [1 / 9999] * 9999), Sampling())
    assert found[:1].sum() == 0
    np.testing.assert_allclose(found.reshape(10, 1000).sum(axis=1), 0.1, atol=0.02)


def test_the_entropy_is_that_of_what_could_follow() -> None:
    for sampling in (NO_GUARD, Sampling(temperature=0.1, top_k=1, repeats=0)):
        (song,) = generate(always([1 / 8] * 8), [START], 9, seeded(), end=END, banned=[0, 1, 2], sampling=sampling)
        assert song.entropy == pytest.approx(math.log(5), rel=1e-5)
    p = np.array([0.5, 0.25, 0.25])
    (song,) = generate(always(p.tolist()), [START], 50, seeded(), end=9, sampling=NO_GUARD)
    assert song.entropy == pytest.approx(-(p * np.log(p)).sum(), rel=1e-5)


# What may follow.


def rising() -> Callable[[int], Array]:
    """A walk along one song: after an id only larger ones may follow, and at the top only <end>."""
    told: list[int] = []

    def allowed(token: int) -> Array:
        told.append(token)
        assert told[0] == START, "a walk begins at the song's first id"
        assert len(told) == 1 or told[-1] > told[-2]
        mask = np.arange(V) > token if token < V - 1 else np.arange(V) == END
        return mask & ((np.arange(V) != END) | (token == V - 1))

    return allowed


def test_what_cannot_follow_is_never_drawn() -> None:
    songs = generate(network(), [START, 2], 30, seeded(), 200, end=END, walk=rising)
    assert len({song.ids.tobytes() for song in songs}) > 3
    for song in songs:
        assert song.ended
        assert (np.diff(song.ids[:-1]) > 0).all()
        assert song.ids[-2] == V - 1


def test_a_song_that_nothing_may_follow_is_an_error() -> None:
    with pytest.raises(ValueError, match="no token may follow"):
        generate(network(), [START], 3, seeded(), end=END, banned=range(V))
    for bad in (np.nan, np.inf):
        params = network()
        params["dense.b"][3] = bad
        with pytest.raises(ValueError, match="not finite"):
            generate(params, [START], 3, seeded(), end=END)


@pytest.mark.parametrize("prime", [[], [V], [-1]])
def test_a_prime_outside_of_the_vocabulary_is_an_error(prime: list[int]) -> None:
    with pytest.raises(ValueError, match="ids must"):
        generate(network(), prime, 3, seeded(), end=END)


@pytest.mark.parametrize(
    "numbers",
    [{"temperature": -1}, {"temperature": math.nan}, {"top_k": -1}, {"top_p": 0}, {"top_p": 1.1}, {"top_p": math.nan},
     {"repeats": 1}, {"repeats": -2}],
)  # fmt: skip
def test_numbers_that_make_no_sense_are_refused(numbers: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(numbers))):
        Sampling(**numbers)


# Loops.


def loop_by_counting(ids: list[int]) -> int:
    longest = 0
    for p in range(1, LONGEST_PERIOD + 1):
        for begin in range(len(ids)):
            end = begin + p
            while end < len(ids) and ids[end] == ids[end - p]:
                end += 1
            longest = max(longest, end - begin if end - begin >= 3 * p else 0)
    return longest


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(0, 2), max_size=60))
def test_the_longest_loop(ids: list[int]) -> None:
    assert longest_loop(np.array(ids)) == loop_by_counting(ids)


def test_a_phrase_said_twice_is_no_loop_and_one_note_is() -> None:
    phrase = list(range(10))
    assert longest_loop(np.array(phrase * 2)) == 0
    assert longest_loop(np.array([50, *phrase * 3, 0, 50])) == 31
    assert longest_loop(np.array([1, 2, 5, 5, 5, 5, 2])) == 4
    assert longest_loop(np.array(list(range(LONGEST_PERIOD + 1)) * 5)) == 0


def test_the_guard_ends_a_loop_and_no_guard_lets_it_run() -> None:
    one_note = always([0, 0, 1 - 1e-3, 1e-3])
    (stuck,) = generate(one_note, [START], 60, seeded(), end=END, sampling=Sampling(0, repeats=0))
    assert stuck.longest_loop == 60
    (song,) = generate(one_note, [START], 60, seeded(), end=END, banned=[START, END], sampling=Sampling(0))
    assert song.ids[1:8].tolist() == [2] * 7
    assert song.ids[8] == 3
    assert song.longest_loop == 40  # [2] * 7 + [3], five times: with two ids there is no other choice

    for seed in range(20):  # greedy networks run into loops of all kinds
        free, guarded = (
            generate(
                network(seed), [START], 300, seeded(), end=END, banned=[END], sampling=Sampling(0, repeats=repeats)
            )
            for repeats in (0, 4)
        )
        assert guarded[0].longest_loop == longest_loop(guarded[0].ids)
        if free[0].longest_loop > 100:
            assert guarded[0].longest_loop <= 4 * LONGEST_PERIOD + LONGEST_PERIOD - 1


def test_the_guard_lets_the_only_id_that_may_follow() -> None:
    (song,) = generate(always([0.25] * 4), [START], 40, seeded(), end=END, banned=[0, 1, 2])
    assert song.ids[1:].tolist() == [3] * 40


def test_a_loop_of_the_prime_is_not_gone_on_with() -> None:
    prime = [START, *[2, 3] * 4, 2]
    (song,) = generate(always([0, 0, 0.1, 0.9]), prime, 1, seeded(), end=END, sampling=Sampling(0))
    assert song.ids[-1] == 2


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_share_of_each_song_is_written_without_what_is_withheld(
    share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whole stretches, from the first column of ids on; other stretches in each song."""
    told: list[Array] = []  # what the network reads

    class Reader(Stepper):
        def __call__(self, ids: Array, context: Array | None = None) -> Array:
            assert context is not None
            told.append(context.copy())
            return super().__call__(ids, context)

    monkeypatch.setattr("lstm_numpy.sampling.Stepper", Reader)

    def context(count: int, total: int) -> Callable[[Array, Array], Array]:
        return lambda ids, songs: np.stack([ids % 3, ids, ids % 3], axis=1)

    sampling = Sampling(withheld=share, repeats=0)
    params = network(context=(3, V, 3))
    songs = generate(
        params, [3], 80 * STRETCH, seeded(), 5, end=END, banned=[END, 0], sampling=sampling, context=context,
        context_ids=[1],
    )  # fmt: skip
    rows = np.array(told)  # of each id but the last, for each song
    read = np.array([song.ids[:-1] for song in songs]).T
    np.testing.assert_array_equal(rows[:, :, 0], read % 3)
    silent = rows[:, :, 1] == 0
    np.testing.assert_array_equal(rows[:, :, 1:], np.where(silent[..., None], 0, np.stack([read, read % 3], axis=2)))
    stretches = silent.reshape(-1, STRETCH, 5)
    assert (stretches.all(axis=1) == stretches.any(axis=1)).all()
    assert silent.mean() == pytest.approx(share, abs=0.06)
    assert share in (0, 1) or len({song.tobytes() for song in silent.T}) == 5


def counted(count: int, total: int) -> Callable[[Array, Array], Array]:
    """Features that follow from a song so far: the sum of its ids modulo 3, and the id before the last one."""
    sums, last, read = np.zeros(count, int), np.zeros(count, int), np.zeros(count, int)

    def step(ids: Array, songs: Array) -> Array:
        sums[songs] += ids
        read[songs] += 1
        assert read.max() <= total
        features = np.stack([sums[songs] % 3, last[songs]], axis=1)
        last[songs] = ids
        return features

    return step


@pytest.mark.parametrize("count", [3, 40])
def test_each_id_is_read_with_the_features_of_its_own_song(count: int) -> None:
    params = network(context=(3, V))
    songs = generate(params, [START, 3, 4], 12, seeded(), count, end=END, context=counted)
    assert len({tuple(song.ids) for song in songs}) > 1
    for song in songs:
        step = counted(1, len(song.ids))
        context = np.stack([step(np.array([i]), np.array([0])) for i in song.ids])
        logits, _, _ = forward(params, song.ids[:, None], context=context)
        p = np.exp(logits - logits.max(axis=2, keepdims=True))[2:-1, 0]
        p /= p.sum(axis=1, keepdims=True)
        assert song.entropy == pytest.approx(-(p * np.log(p)).sum(axis=1).mean(), rel=1e-9)
