"""What a run changes as it goes comes back from a checkpoint to the last bit, and a schedule knows when it is over."""

import numpy as np
import pytest

from experiment.run import Run
from experiment.state import Progress, TrainingState
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
        now = state.progress
        assert (now.epoch_nats, now.epoch_correct, now.epoch_tokens) == (6.0, 1, 2)
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


def test_a_run_ends_by_epochs_minutes_or_patience():
    def run(progress, epochs, minutes, patience, batches=10):
        flags = {"epochs": epochs, "minutes": minutes, "patience": patience}
        run = Run(flags, None, None, None, CONFIG, TrainingState({}, None, None, progress=progress))
        run.windows = range(batches)
        return run

    progress = Progress(epoch=3, batch=5, seconds=90.0, best_epoch=1)
    assert run(progress, 4, None, 9).share_done == 3.5 / 4
    assert run(progress, 10**9, 2.0, 9).share_done == 0.75
    assert run(progress, 100, 2.0, 9).share_done == 0.75
    progress.aside = 20.0  # of the 120 seconds
    assert run(progress, 10**9, 2.0, 9).share_done == 0.9
    progress.aside = 500.0  # a quarter is for training, whatever else there is to do
    assert run(progress, 10**9, 8.0, 9).share_done == 0.75
    ended = Progress(epoch=4, seconds=90.0, best_epoch=1)
    assert run(ended, 4, None, 9).is_over
    assert not run(ended, 5, None, 9).is_over
    assert run(ended, 10**9, 1.5, 9).is_over
    assert run(ended, 50, None, 3).is_over
    assert not run(ended, 50, None, 4).is_over
    assert not run(progress, 3, 1.0, 2).is_over  # in the middle of an epoch
    assert run(progress, 9, None, 9, batches=5).epoch_is_over
    assert not run(progress, 9, None, 9, batches=6).epoch_is_over
    assert run(progress, 9, 1.5, 9, batches=6).epoch_is_over  # time is up
