"""What the network reads: every target of every song once, in order, in one lane, and nothing of another song."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_numpy.batches import (
    LONG,
    WITHHELD,
    Batch,
    Songs,
    Windows,
    evaluation_batches,
    paper_windows,
    training_batches,
    transposed,
)

START, END = 0, 1


def numbered_songs(lengths: list[int]) -> Songs:
    """Songs between <start> and <end>; no other id stands twice, so a window tells where it comes from."""
    ids = iter(range(2, sum(lengths) + 2))
    return Songs.of([[START, *(next(ids) for _ in range(n - 2)), END][:n] for n in lengths])


def songs_read(batches: Windows) -> list[tuple[int, ...]]:
    """Put the songs together again from what the lanes read, and insist on the rules of a lane on the way."""
    read: list[tuple[int, ...]] = []
    lanes: dict[int, list[int]] = {}
    for batch in batches:
        for b in range(batch.ids.shape[1]):
            scored = batch.targets[:, b] >= 0
            n = int(scored.sum())
            assert scored[:n].all(), "padding stands at a window's end only"
            if n == 0:
                continue
            if batch.fresh[b]:
                assert b not in lanes, "a lane is reset only when its song is over"
                lanes[b] = [int(batch.ids[0, b])]
            assert lanes[b][-1] == batch.ids[0, b], "a window begins where the one before ended"
            np.testing.assert_array_equal(batch.ids[1:n, b], batch.targets[: n - 1, b])
            lanes[b] += batch.targets[:n, b].tolist()
            if lanes[b][-1] == END:
                read.append(tuple(lanes.pop(b)))
    assert not lanes, "every song is read to its end"
    return read


shapes = st.tuples(
    st.lists(st.integers(2, 40), min_size=1, max_size=30), st.integers(1, 12), st.integers(1, 8), st.integers(0, 99)
)


@settings(deadline=None, max_examples=60)
@given(shapes)
def test_an_epoch_reads_every_song_once_from_start_to_end(shape: tuple[list[int], int, int, int]) -> None:
    lengths, T, B, seed = shape
    songs = numbered_songs(lengths)
    for batches in (training_batches(songs, T, B, np.random.default_rng(seed)), evaluation_batches(songs, T, B)):
        assert sorted(songs_read(batches)) == sorted(tuple(song.tolist()) for song in songs)
        assert all(batch.ids.shape == batch.targets.shape == (T, min(B, len(songs))) for batch in batches)
        scored = sum(int((batch.targets >= 0).sum()) for batch in batches)
        assert scored == songs.targets
        assert batches.padding_share == pytest.approx(1 - scored / sum(batch.targets.size for batch in batches))


def test_the_next_song_goes_to_the_lane_that_is_free() -> None:
    songs = Songs.of([[0, 5, 6, 7, 8, 1], [0, 9, 1]])
    batches = evaluation_batches(songs, T=3, B=2)
    first, second = batches
    np.testing.assert_array_equal(first.ids.T, [[0, 5, 6], [0, 9, 1]])
    np.testing.assert_array_equal(first.targets.T, [[5, 6, 7], [9, 1, -1]])
    np.testing.assert_array_equal(second.targets.T, [[8, 1, -1], [-1, -1, -1]])
    np.testing.assert_array_equal([first.fresh, second.fresh], [[True, True], [False, False]])


def test_songs_that_hold_nothing_to_predict_are_passed_over() -> None:
    songs = Songs.of([[], [0, 5, 1], [0], []])
    assert songs_read(evaluation_batches(songs, T=4, B=3)) == [(0, 5, 1)]
    with pytest.raises(ValueError, match="not one song has a target"):
        training_batches(songs.take([0, 2]), 4, 3, np.random.default_rng(0))


def equal(ours: Batch, other: Batch) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(ours, other, strict=True))


def test_the_middle_of_an_epoch_is_found_again_from_the_generators_state() -> None:
    songs = numbered_songs(list(range(3, 40)))
    table = np.stack([np.arange(1000), np.arange(1000)[::-1]])
    rng = np.random.default_rng(3)
    state = rng.bit_generator.state
    read = list(training_batches(songs, 5, 4, rng, table))
    drawn_later = rng.random()

    again = np.random.default_rng(0)
    again.bit_generator.state = state
    batches = training_batches(songs, 5, 4, again, table)
    assert again.random() == drawn_later
    assert all(equal(batches[step], read[step]) for step in range(7, len(read)))
    assert not all(equal(*pair) for pair in zip(read, training_batches(songs, 5, 4, again), strict=False))


def test_epochs_are_shuffled_and_lanes_finish_together() -> None:
    lengths = np.random.default_rng(1).integers(60, 400, 400)
    songs = Songs.of([np.full(n, k) for k, n in enumerate(lengths)])
    epochs = [training_batches(songs, 50, 32, np.random.default_rng(seed)) for seed in (1, 2)]
    first = [epoch[0].ids[0].tolist() for epoch in epochs]
    assert first[0] != first[1]
    for epoch in epochs:
        inside_songs = 1 - songs.targets / (50 * np.ceil(songs.targets_per_song / 50).sum())
        assert epoch.padding_share < inside_songs + 0.03


@pytest.mark.parametrize(("T", "B"), [(4, 3), (7, 40), (30, 2)])
def test_a_long_song_is_read_in_passages_that_chance_cuts(T: int, B: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstm_numpy.batches.PASSAGE", 20)
    monkeypatch.setattr("lstm_numpy.batches.LONG", 30)
    songs = numbered_songs([31, 64, 200, 32, 2])
    cuts: set[int] = set()
    counts: set[int] = set()
    for seed in range(9):
        batches = training_batches(songs, T, B, np.random.default_rng(seed))
        lanes: dict[int, list[int]] = {}
        passages: list[list[int]] = []
        for batch in batches:
            for b in range(batches.B):
                n = int((batch.targets[:, b] >= 0).sum())
                if batch.fresh[b] and n:
                    passages.append([int(batch.ids[0, b])])
                    lanes[b] = passages[-1]
                assert not n or lanes[b][-1] == batch.ids[0, b]
                lanes[b] += batch.targets[:n, b].tolist()
        most = max(20 // T, 2) * T
        assert all(len(passage) - 1 <= max(30, 3 * most / 2 + T) for passage in passages)
        assert songs[0].tolist() in passages, "a short song stays whole"
        # Put one behind the other, a passage begins where another ended: nothing is left out, nothing read twice.
        rest = {passage[0]: passage for passage in passages if passage[0] != START}
        for whole in (passage for passage in passages if passage[0] == START):
            while whole[-1] != END:
                whole += rest.pop(whole[-1])[1:]
            assert whole in [song.tolist() for song in songs]
        assert not rest
        assert batches.lengths.sum() == songs.targets
        cuts |= {passage[0] for passage in passages} - {START}
        counts.add(len(passages) - len(songs))
        assert min(B, len(passages)) == batches.B
    assert len(counts) == 1, "the number of passages follows from the songs"
    assert len(cuts) > counts.pop(), "each epoch cuts at other places"


def test_a_song_is_shifted_as_a_whole_and_only_where_the_vocabulary_reaches() -> None:
    songs = Songs.of([[0, 2, 3, 4, 1], [0, 5, 5, 5, 1], []])
    table = np.array([[0, 1, -1, 2, 3, 4], [0, 1, 2, 3, 4, 5], [0, 1, 3, 4, 5, -1]])  # down, as it is, up
    rng = np.random.default_rng(0)
    read = {song for _ in range(50) for song in songs_read(training_batches(songs, 3, 2, rng, table))}
    assert read == {(0, 2, 3, 4, 1), (0, 3, 4, 5, 1), (0, 4, 4, 4, 1), (0, 5, 5, 5, 1)}

    first = [int(transposed(songs, table, rng).flat[1]) for _ in range(900)]  # as it is, or up
    assert first.count(2) / 900 == pytest.approx(1 / 2, abs=0.08)
    assert set(first) == {2, 3}
    with pytest.raises(ValueError, match="no shift that stays"):
        transposed(songs, table[[2]], rng)


def test_the_papers_windows_score_the_one_id_after_each() -> None:
    songs = Songs.of([[0, 5, 6, 7, 1], [0, 8, 1], [0, 9, 9, 1]])
    expected = {((0, 5, 6), 7), ((5, 6, 7), 1), ((0, 9, 9), 1)}
    for batches in (paper_windows(songs, 3, 2), paper_windows(songs, 3, 2, np.random.default_rng(4))):
        read = []
        for batch in batches:
            assert batch.fresh.all()
            assert (batch.targets[:-1] == -1).all()
            read += [
                (tuple(ids), last) for ids, last in zip(batch.ids.T.tolist(), batch.targets[-1].tolist(), strict=True)
            ]
        assert {window for window in read if window[1] >= 0} == expected
        assert len([window for window in read if window[1] >= 0]) == 3
    with pytest.raises(ValueError, match="more than 9 ids"):
        paper_windows(songs, 9, 2)


def test_the_papers_windows_are_transposed_song_by_song() -> None:
    songs, rng = Songs.of([[0, 2, 3, 4, 1], [0, 1], [0, 5, 5, 5, 1]]), np.random.default_rng(0)
    table = np.array([[0, 1, -1, 2, 3, 4], [0, 1, 2, 3, 4, 5], [0, 1, 3, 4, 5, -1]])  # down, as it is, up
    read = [
        (*ids, last)
        for _ in range(50)
        for batch in paper_windows(songs, 3, 2, rng, table)
        for ids, last in zip(batch.ids.T.tolist(), batch.targets[-1].tolist(), strict=True)
    ]
    keys = {
        (0, 2, 3, 4),
        (2, 3, 4, 1),
        (0, 3, 4, 5),
        (3, 4, 5, 1),
        (0, 5, 5, 5),
        (5, 5, 5, 1),
        (0, 4, 4, 4),
        (4, 4, 4, 1),
    }
    assert set(read) == keys


def test_songs_take_the_smallest_integers_and_give_views() -> None:
    songs = Songs.of([[0, 255, 1], [0, 1]])
    assert songs.flat.dtype == np.uint8
    assert Songs.of([[0, 256]]).flat.dtype == np.uint16
    assert np.shares_memory(songs[1], songs.flat)
    assert [song.tolist() for song in songs.take([1, 0, -1])] == [[0, 1], [0, 255, 1], [0, 1]]
    assert (len(songs), songs.targets) == (2, 3)


@pytest.mark.parametrize(
    ("flat", "offsets"),
    [([0, 5, 1], [0, 2]), ([0, 5, 1], [1, 3]), ([0, 5, 1], [0, 3, 2, 3]), ([0, 5, 1], []), ([0.5, 1.0], [0, 2])],
)
def test_songs_that_do_not_fit_their_offsets_are_refused(flat: list[int], offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="songs"):
        Songs(np.array(flat), np.array(offsets, dtype=np.int64))


def test_features_go_with_their_ids_and_those_that_hold_ids_are_transposed_like_ids() -> None:
    flat, offsets = np.array([0, 3, 4, 1, 0, 2, 3, 4, 1]), np.array([0, 4, 9])
    context = np.stack([flat, np.arange(9)], axis=1)
    songs = Songs(flat, offsets, context, context_ids=(0,))
    table = np.array([[0, 1, 3, 4, 2]])  # one shift, for every song
    for batch in training_batches(songs, 3, 2, np.random.default_rng(0), table):
        np.testing.assert_array_equal(batch.context[:, :, 0], batch.ids)
        np.testing.assert_array_equal(table[0][flat[batch.context[:, :, 1]]], batch.ids)
    (batch, *_) = evaluation_batches(songs.take([1]), 10, 2)
    np.testing.assert_array_equal(batch.context[:, 0, 1], [4, 5, 6, 7, 7, 7, 7, 7, 7, 7][:4] + [8] * 6)
    assert evaluation_batches(Songs(flat, offsets), 10, 2)[0].context is None


def test_a_fifth_of_what_a_long_song_tells_is_withheld_in_training() -> None:
    """In stretches, other ones in each epoch; what stands before the first column of ids is always told."""
    lengths = [LONG + 1, 30 * LONG]
    offsets = np.cumsum([0, *lengths])
    flat = np.tile(np.arange(3, 9), offsets[-1])[: offsets[-1]]
    context = np.stack([np.arange(len(flat)), flat, np.arange(len(flat)) % 5 + 1], axis=1)
    songs = Songs(flat, offsets, context, context_ids=(1,))
    shares, silences = [], []
    for seed in (0, 1, 0):
        told = np.zeros_like(context)
        for batch in training_batches(songs, 16, 8, np.random.default_rng(seed)):
            rows = batch.context.reshape(-1, 3)
            told[rows[:, 0]] = rows
        told = told[context[:, 0] == told[:, 0]]  # the last id of a song is not read
        silent = (told[:, 1:] == 0).all(axis=1)
        assert np.array_equal(told[~silent], context[told[:, 0]][~silent])
        assert not silent[: lengths[0] - 1].any(), "a short song is told all"
        shares.append(silent[lengths[0] :].mean())
        silences.append(silent.tolist())
        changes = np.count_nonzero(np.diff(silent))
        assert changes < 2 * silent.sum() / 16 + 2, "whole stretches of 16 ids"
    assert np.allclose(shares, WITHHELD, atol=0.03)
    assert silences[0] == silences[2] != silences[1]
    assert (evaluation_batches(songs, 16, 8)[0].context[:, :, 1] > 0).all()


@pytest.mark.parametrize(
    ("context", "ids"),
    [(np.zeros((2, 1), int), ()), (np.zeros((3, 1)), ()), (np.zeros((3, 1), int), (1,)), (None, (0,))],
)
def test_features_that_do_not_fit_are_refused(context: np.ndarray, ids: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="songs: context"):
        Songs(np.array([0, 2, 1]), np.array([0, 3]), context, ids)
