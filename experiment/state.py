"""Everything that a training run changes as it goes, so that it can be saved at any step and continued bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_numpy.files import Array
from lstm_numpy.optimizer import RMSprop
from lstm_numpy.parameters import ModelConfig, State, each_array, init_params, zero_state

PLATEAU_EPOCHS = 2  # without a better valid loss, after which the learning rate is halved


@dataclass
class Progress:
    """Where a run is."""

    epoch: int = 0  # epochs that are finished
    batch: int = 0  # batches of the present epoch that are finished
    step: int = 0  # batches since the run began
    tokens: int = 0  # scored since the run began
    seconds: float = 0.0  # of training since the run began
    best_epoch: int = 0
    best_valid: float | None = None  # nats per token; None: no epoch is finished yet
    epoch_nats: float = 0.0  # of the present epoch so far
    epoch_correct: int = 0
    epoch_tokens: int = 0
    aside: float = 0.0  # seconds of --minutes that are not for training: what came before it, and the report

    def add(self, nats: float, correct: int, tokens: int) -> None:
        """A batch is finished."""
        self.batch, self.step, self.tokens = self.batch + 1, self.step + 1, self.tokens + tokens
        self.epoch_nats, self.epoch_correct = self.epoch_nats + nats, self.epoch_correct + correct
        self.epoch_tokens += tokens


@dataclass
class TrainingState:
    """Weights, the optimizer, dropout's random generator, what the lanes carry, and the progress."""

    params: dict[str, Array]
    optimizer: RMSprop
    dropout: np.random.Generator
    state: State = field(default_factory=dict)  # of the LSTM at the end of the last window; empty between two epochs
    masks: dict[str, Array] = field(default_factory=dict)  # (B, H), those that a song keeps to its end; empty as above
    progress: Progress = field(default_factory=Progress)

    @classmethod
    def fresh(cls, config: ModelConfig, learning_rate: float, seed: int) -> TrainingState:
        """As a run begins; everything random follows from the seed."""
        params = init_params(config, np.random.default_rng([seed, 1]))
        return cls(params, RMSprop(params, learning_rate), np.random.default_rng([seed, 2]))

    def end_epoch(self, valid: float, *, lower_on_plateau: bool) -> bool:
        """The valid songs cost so many nats per token now.  Returns whether these weights are the best so far.

        lower_on_plateau: halve the learning rate after each 2 epochs without a better one (as Huang and Wu 2016 do).
        """
        self.state, self.masks, now = {}, {}, self.progress
        now.epoch, now.batch = now.epoch + 1, 0
        now.epoch_nats, now.epoch_correct, now.epoch_tokens = 0.0, 0, 0
        if now.best_valid is None or valid < now.best_valid:
            now.best_epoch, now.best_valid = now.epoch, valid
        waited = now.epoch - now.best_epoch
        if lower_on_plateau and waited and waited % PLATEAU_EPOCHS == 0:
            self.optimizer.learning_rate /= 2
        return waited == 0

    def saved(self) -> dict[str, Any]:
        """All but the weights, as save_checkpoint takes it."""
        carried = {f"{layer}.{name}": a for layer, parts in self.state.items() for name, a in parts._asdict().items()}
        return {
            "optimizer": self.optimizer.state(), "learning_rate": self.optimizer.learning_rate,
            "dropout": self.dropout.bit_generator.state, "carried": carried, "held": self.masks,
            "progress": asdict(self.progress),
        }  # fmt: skip

    @classmethod
    def restored(cls, params: dict[str, Array], config: ModelConfig, saved: Mapping[str, Any]) -> TrainingState:
        """What `saved` was.  Any error means that it is not from this program."""
        optimizer, dropout = RMSprop(params, saved["learning_rate"]), np.random.default_rng(0)
        optimizer.load_state(saved["optimizer"])
        dropout.bit_generator.state = saved["dropout"]
        state, carried = zero_state(config, 1) if saved["carried"] else {}, saved["carried"]
        for layer, parts in state.items():
            state[layer] = type(parts)(*(carried[f"{layer}.{name}"] for name in parts._fields))
        return cls(params, optimizer, dropout, state, saved["held"], Progress(**saved["progress"]))

    def with_lanes(self, rows: Callable[[Array], npt.ArrayLike]) -> TrainingState:
        """The same state, where the lanes' rows (B, H) are what `rows` makes of them: some of them, or more."""
        masks = {name: np.array(rows(mask)) for name, mask in self.masks.items()}
        return replace(self, state=each_array(self.state, lambda array: np.array(rows(array))), masks=masks)

    def check_place(self, B: int, batches: int) -> None:
        """ValueError unless the state may stand in an epoch of so many batches, each of B lanes."""
        if self.progress.batch > batches:
            raise ValueError(f"it stands after batch {self.progress.batch:,} of an epoch of {batches:,}")
        if any(len(rows) != B for layer in self.state.values() for rows in layer):
            raise ValueError(f"what its lanes carry is not of {B} lanes")
