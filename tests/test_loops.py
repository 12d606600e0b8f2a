"""The loops that write songs and look for copies, each against the plain sentence that it stands for.

(The loops of the network are tested where they are used: test_lstm, test_layers, test_optimizer, test_dropout.)
"""

from __future__ import annotations

import numpy as np
import pytest

from lstm_numpy.baselines import copied
from lstm_numpy.batches import Songs
from lstm_numpy.plain import softmax
from lstm_numpy.speed import loops

pytestmark = pytest.mark.math

inf = np.inf


def test_a_row_is_told_from_its_largest_and_what_has_none_is_found() -> None:
    below = np.empty((2, 3))
    assert loops.below_largest(np.array([[1.0, 3.0, -inf], [-5.0, -5.0, -7.0]]), below)
    np.testing.assert_array_equal(below, [[-2, 0, -inf], [0, 0, -2]])
    for wrong in ([np.nan, 1.0, 2.0], [1.0, 2.0, np.nan], [1.0, inf, 2.0], [-inf, -inf, -inf]):
        assert not loops.below_largest(np.array([wrong, [1.0, 2.0, 3.0]]), below)
        assert not loops.below_largest(np.array([[1.0, 2.0, 3.0], wrong]), below)


def test_what_is_chosen_is_written_into_the_songs_that_go_on() -> None:
    ids, sums = np.zeros((3, 4), np.intp), np.array([1.0, 2.0, 3.0])
    runs, longest = np.zeros((3, 3), np.intp), np.zeros(3, np.intp)
    ids[:, :2] = [[5, 5], [6, 6], [7, 7]]
    songs, chosen = np.array([0, 2]), np.array([5, 1])
    assert loops.write_down(chosen, np.array([0.5, 0.25]), 1, songs, 2, ids, sums, runs, longest) == 1
    assert ids.tolist() == [[5, 5, 5, 0], [6, 6, 0, 0], [7, 7, 1, 0]]
    assert sums.tolist() == [1.5, 2, 3.25]
    assert runs[:, 1].tolist() == [1, 0, 0]


def test_entropy_is_the_mean_of_minus_ln_p() -> None:
    logits = np.array([[0.0, -1.0, -2.0, -inf], [0.0, 0.0, 0.0, 0.0], [0.0, -inf, -inf, -inf]])
    entropies = np.empty(3)
    loops.entropy_rows(logits, np.exp(logits), entropies)
    p = softmax(logits[0, :3])
    np.testing.assert_allclose(entropies, [-(p * np.log(p)).sum(), np.log(4), 0], rtol=1e-14, atol=1e-15)


def test_a_number_from_0_to_1_draws_in_proportion() -> None:
    p = np.array([[0.0, 2.0, 0.0, 1.0, 1.0, 0.0]])
    for uniform, wanted in ((0, 1), (0.49, 1), (0.5, 3), (0.74, 3), (0.75, 4), (0.99, 4), (1 - 2**-53, 4), (1.0, 4)):
        chosen = np.full(2, -1, np.intp)
        loops.draw_rows(np.repeat(p, 2, axis=0), np.array([uniform, 0.6]), chosen)
        assert chosen.tolist() == [wanted, 3]


LOOP = [7, 8, 5, 6, 5, 6, 5, 6, 5]  # from place 2 on, 5 6 is said three and a half times


def runs_after(ids: list[int], periods: int = 4) -> tuple[np.ndarray, np.ndarray]:
    runs, longest = np.zeros((2, periods + 1), np.intp), np.zeros(2, np.intp)
    for t in range(1, len(ids)):
        loops.extend_loops(np.array([[9] * len(ids), ids]), np.array([1]), t, runs, longest)
    return runs, longest


def test_a_loop_is_as_long_as_all_that_it_repeats() -> None:
    runs, longest = runs_after(LOOP)
    assert runs[1].tolist() == [0, 0, 5, 0, 3]  # the last five ids are those two places before them
    assert longest.tolist() == [0, 7]
    assert not runs[0].any()  # a song that was not asked for
    for end, wanted in ((7, 0), (8, 6), (9, 7)):  # 5 6 5 6 5 is no loop yet: three times, or none
        assert runs_after(LOOP[:end])[1][1] == wanted
    assert runs_after([5, 5, 5])[1][1] == 3
    assert runs_after([5, 5, 1, 5, 5])[1][1] == 0
    assert runs_after([*LOOP, 1, 2])[1][1] == 7  # the longest there was
    assert runs_after([1, 1, 1, 1, 2, 3, 3, 3])[1][1] == 4
    assert runs_after([1, 2, 3, 4, 5] * 3)[1][1] == 0  # a pattern of five is longer than what is looked for
    assert runs_after([1, 2, 3, 4] * 3)[1][1] == 12


def forbidden(ids: list[int], possible: list[int], repeats: int = 3, shortest: int = 1) -> list[int]:
    """Which of the possible ids 0 to 9 may not follow."""
    runs, _ = runs_after(ids)
    before = np.full((2, 10), -inf)
    before[1, possible] = 0.5
    before[0] = 0.25  # another song, that is not stuck
    logits = before.copy()
    table = np.array([[9] * len(ids) + [0], [*ids, 0]])
    loops.forbid_loops(logits, table, np.array([0, 1]), len(ids), runs, repeats, shortest)
    np.testing.assert_array_equal(logits[0], before[0])
    return np.flatnonzero(logits[1] != before[1]).tolist()


def test_what_would_go_on_with_a_loop_becomes_impossible() -> None:
    every = list(range(10))
    assert forbidden([7, 5, 6, 5, 6, 5, 6], every) == []
    assert forbidden([7, 5, 6, 5, 6, 5, 6, 5], every) == [6]  # that would be the fourth time
    assert forbidden([7, 5, 6, 5, 6, 5, 6, 5], every, repeats=4) == []
    assert forbidden([7, 5, 6, 5, 6, 5], every, repeats=2) == [6]
    assert forbidden([5, 5], every, repeats=2) == [5]
    assert forbidden([3, 3], every) == []
    assert forbidden([3, 3, 3], every) == [3]
    assert forbidden([1, 2, 3, 4] * 3, every) == []
    assert forbidden([*[1, 2, 3, 4] * 3, 1, 2, 3], every) == [4]


def test_but_not_if_it_is_all_that_can_follow_or_the_loop_is_short() -> None:
    loop = [7, 5, 6, 5, 6, 5, 6, 5]
    assert forbidden(loop, [6]) == []
    assert forbidden(loop, [6, 9]) == [6]
    assert forbidden(loop, [0, 6]) == [6]
    assert forbidden(loop, list(range(10)), shortest=8) == [6]
    assert forbidden(loop, list(range(10)), shortest=9) == []


def longest_common_run(song: list[int], others: list[list[int]]) -> int:
    runs = [(b, e) for b in range(len(song)) for e in range(b + 1, len(song) + 1)]
    text = [",".join(map(str, other)) for other in others]
    return max(
        (e - b for b, e in runs if any(f",{','.join(map(str, song[b:e]))}," in f",{t}," for t in text)), default=0
    )


@pytest.mark.parametrize("seed", range(12))
def test_the_longest_copied_run_is_the_one_that_looking_everywhere_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    few = 2 + seed % 4  # ids: with two there are many long copies
    train, songs = ([rng.integers(0, few, rng.integers(1, 14)).tolist() for _ in range(5)] for _ in range(2))
    found = [one.longest for one in copied(Songs.of(songs), Songs.of(train))]
    assert found == [longest_common_run(song, train) for song in songs]


@pytest.mark.parametrize("n", [2, 4])
def test_every_run_of_n_ids_is_known_to_be_copied_or_not(n: int) -> None:
    rng = np.random.default_rng(n)
    train, songs = ([rng.integers(0, 3, rng.integers(4, 14)).tolist() for _ in range(8)] for _ in range(2))
    known = {tuple(song[k : k + n]) for song in train for k in range(len(song) - n + 1)}
    for song, one in zip(songs, copied(Songs.of(songs), Songs.of(train), n), strict=True):
        runs = [tuple(song[k : k + n]) for k in range(len(song) - n + 1)]
        assert one.share == pytest.approx(np.mean([run in known for run in runs]))


@pytest.mark.parametrize(
    ("songs", "train", "longest"),
    [
        ([[1, 2, 3, 5], [1, 2, 3, 6], [1, 2, 3, 7]], [[1, 2, 3, 4]], [3, 3, 3]),  # all three come after it in order
        ([[1, 2, 3, 5], [1, 2, 3, 6], [1, 2, 3, 7]], [[1, 2, 3, 8]], [3, 3, 3]),  # and before it
        ([[1, 2, 3, k] for k in range(5, 20)], [[1, 2, 3, 4]], [3] * 15),  # most are never looked at, but beside one
        ([[1, 2, 3, k] for k in range(5, 20)], [[1, 2, 3, 20]], [3] * 15),
        ([[7, 1], [7, 2]], [[7, 3]], [1, 1]),
        ([[1], [3], [5]], [[3]], [0, 1, 0]),
        ([[1, 2], [3, 4]], [[1, 2, 3, 4]], [2, 2]),
        ([[1, 2, 3, 4]], [[1, 2], [3, 4]], [2]),
    ],
)
def test_a_run_that_several_songs_share_is_found_in_each(songs, train, longest) -> None:
    assert [one.longest for one in copied(Songs.of(songs), Songs.of(train))] == longest
