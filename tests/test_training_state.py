"""What a run changes as it goes comes back from a checkpoint to the last bit, and a schedule knows when it is over."""

import numpy as np
import pytest

from experiment.state import Progress, Schedule, TrainingState
from lstm_numpy.checkpoint import load_checkpoint, save_checkpoint
from lstm_numpy.lstm import LSTMState
from lstm_numpy.parameters import ModelConfig

CONFIG = ModelConfig(5, 3, layers=2, dropout=0.5, recurrent_dropout="variational")


def some_state():
    """A state in which nothing has the value that it begins with."""
    rng = np.random.default_rng(1)
    state = TrainingState.fresh(CONFIG, 0.01, seed=4)
    for average in state.optimizer.averages.values():
        average += rng.random(average.shape)
    state.optimizer.learning_rate = 0.1 + 0.2
    state.dropout.random(7, dtype=np.float32)  # an odd number: half a draw waits in the generator
    state.state = {name: LSTMState(*rng.random((2, 4, 3), dtype=np.float32)) for name in ("lstm1", "lstm2")}
    state.masks = {f"lstm{n}.r": rng.random((4, 3), dtype=np.float32) for n in (1, 2)}
    state.progress = Progress(2, 7, 31, 999, 12.25, 1, 2 / 3, 4.5, 10, 20)
    return state


def through_a_checkpoint(state, path):
    save_checkpoint(path, state.params, CONFIG, list("abcde"), state.saved())
    params, config, _, facts = load_checkpoint(path)
    return TrainingState.restored(params, config, facts)


def test_everything_comes_back(tmp_path):
    before = some_state()
    after = through_a_checkpoint(before, tmp_path / "last.npz")
    for name, parameter in before.params.items():
        assert np.array_equal(after.params[name], parameter)
        assert np.array_equal(after.optimizer.averages[name], before.optimizer.averages[name])
    assert list(after.params) == list(before.params)
    assert after.optimizer.learning_rate == before.optimizer.learning_rate
    assert after.progress == before.progress
    assert np.array_equal(after.masks["lstm1.r"], before.masks["lstm1.r"])
    for name in before.state:
        assert all(map(np.array_equal, after.state[name], before.state[name]))
    assert np.array_equal(after.dropout.random(9, dtype=np.float32), before.dropout.random(9, dtype=np.float32))


def test_a_fresh_state_comes_back(tmp_path):
    after = through_a_checkpoint(TrainingState.fresh(CONFIG, 0.01, seed=4), tmp_path / "last.npz")
    assert after.progress == Progress()
    assert after.state == {}


def test_the_seed_decides_everything():
    one, same, other = (TrainingState.fresh(CONFIG, 0.01, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.params["lstm1.Wh"], same.params["lstm1.Wh"])
    assert one.dropout.random() == same.dropout.random()
    assert not np.array_equal(one.params["lstm1.Wh"], other.params["lstm1.Wh"])


def test_a_place_that_the_epoch_does_not_have_is_refused():
    state = some_state()
    state.check_place(4, 7)
    with pytest.raises(ValueError, match="after batch 7 of an epoch of 6"):
        state.check_place(4, 6)
    with pytest.raises(ValueError, match="not of 5 lanes"):
        state.check_place(5, 7)


def test_the_best_epoch_is_remembered():
    state = TrainingState.fresh(CONFIG, 0.1, seed=1)
    best = []
    for valid in (3.0, 2.0, 2.0, 1.5, 1.6):
        state.progress.add(6.0, 1, 2)
        assert state.progress.scores == (3.0, 0.5)
        best.append(state.end_epoch(valid, lower_on_plateau=False))
    assert best == [True, True, False, True, False]
    assert (state.progress.best_epoch, state.progress.best_valid) == (4, 1.5)
    assert (state.progress.epoch, state.progress.batch, state.progress.step) == (5, 0, 5)
    assert state.optimizer.learning_rate == 0.1


def test_the_learning_rate_is_halved_on_a_plateau():
    state = TrainingState.fresh(CONFIG, 0.8, seed=1)
    rates = []
    for valid in (3.0, 3.0, 3.0, 2.0, 2.5, 2.5):
        state.end_epoch(valid, lower_on_plateau=True)
        rates.append(state.optimizer.learning_rate)
    assert rates == [0.8, 0.8, 0.4, 0.4, 0.4, 0.2]


def test_a_schedule_ends_by_epochs_minutes_or_patience():
    progress = Progress(epoch=3, batch=5, seconds=90.0, best_epoch=1)
    assert Schedule(4, None, 9).share_done(progress, batches=10) == 3.5 / 4
    assert Schedule(10**9, 2.0, 9).share_done(progress, batches=10) == 0.75
    assert Schedule(100, 2.0, 9).share_done(progress, batches=10) == 0.75
    progress.aside = 20.0  # of the 120 seconds
    assert Schedule(10**9, 2.0, 9).share_done(progress, batches=10) == 0.9
    progress.aside = 500.0  # a quarter is for training, whatever else there is to do
    assert Schedule(10**9, 8.0, 9).share_done(progress, batches=10) == 0.75
    ended = Progress(epoch=4, seconds=90.0, best_epoch=1)
    assert Schedule(4, None, 9).is_over(ended)
    assert not Schedule(5, None, 9).is_over(ended)
    assert Schedule(10**9, 1.5, 9).is_over(ended)
    assert Schedule(50, None, 3).is_over(ended)
    assert not Schedule(50, None, 4).is_over(ended)
    assert not Schedule(3, 1.0, 2).is_over(progress)  # in the middle of an epoch
    assert Schedule(9, None, 9).epoch_is_over(progress, batches=5)
    assert not Schedule(9, None, 9).epoch_is_over(progress, batches=6)
    assert Schedule(9, 1.5, 9).epoch_is_over(progress, batches=6)  # time is up
