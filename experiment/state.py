"""Everything that a training run changes as it goes, so that it can be saved at any step and continued bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_numpy.lstm import LSTMState
from lstm_numpy.optimizer import Plateau, RMSprop
from lstm_numpy.parameters import ModelConfig, State, init_params, zero_state

Array = npt.NDArray[Any]

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

    @property
    def scores(self) -> tuple[float, float]:
        """Of the present epoch: nats per token, and accuracy, as they were when each batch was read."""
        return self.epoch_nats / max(self.epoch_tokens, 1), self.epoch_correct / max(self.epoch_tokens, 1)

    def add(self, nats: float, correct: int, tokens: int) -> None:
        """A batch is finished."""
        self.batch, self.step, self.tokens = self.batch + 1, self.step + 1, self.tokens + tokens
        self.epoch_nats, self.epoch_correct = self.epoch_nats + nats, self.epoch_correct + correct
        self.epoch_tokens += tokens

    def end_epoch(self, valid: float) -> bool:
        """The epoch is finished, and the valid songs cost so many nats per token.  Returns whether that is the best."""
        self.epoch, self.batch = self.epoch + 1, 0
        self.epoch_nats, self.epoch_correct, self.epoch_tokens = 0.0, 0, 0
        if self.best_valid is not None and valid >= self.best_valid:
            return False
        self.best_epoch, self.best_valid = self.epoch, valid
        return True


@dataclass(frozen=True)
class Schedule:
    """When a run ends: after so many epochs or minutes, or when patience is exhausted."""

    epochs: int
    minutes: float | None  # None: no matter how many
    patience: int  # epochs without a better valid loss

    def share_done(self, progress: Progress, batches: int = 1) -> float:
        """How much of the run is done, from 0 to 1; batches: those of the present epoch."""
        by_epochs = (progress.epoch + progress.batch / batches) / self.epochs
        return max(by_epochs, progress.seconds / 60 / self.minutes if self.minutes else 0.0)

    def is_over(self, progress: Progress) -> bool:
        """A run ends with an epoch, if only with one that was cut short."""
        waited = progress.epoch - progress.best_epoch
        return progress.batch == 0 and (self.share_done(progress) >= 1 or waited >= self.patience)


@dataclass
class TrainingState:
    """Weights, RMSprop's averages, the schedule, dropout's random generator, what the lanes carry, and the progress."""

    params: dict[str, Array]
    optimizer: RMSprop
    plateau: Plateau
    dropout: np.random.Generator
    state: State  # of the LSTM, at the end of the last window
    masks: dict[str, Array] = field(default_factory=dict)  # (B, H), those that a song keeps to its end
    progress: Progress = field(default_factory=Progress)
    row: dict[str, float] = field(
        default_factory=dict
    )  # of the epoch's last step, as long as its valid score is missing

    @classmethod
    def fresh(cls, config: ModelConfig, learning_rate: float, seed: int) -> TrainingState:
        """As a run begins; everything random follows from the seed."""
        params = init_params(config, np.random.default_rng([seed, 1]))
        optimizer, dropout = RMSprop(params, learning_rate), np.random.default_rng([seed, 2])
        return cls(params, optimizer, Plateau(PLATEAU_EPOCHS), dropout, state={})

    def begin_epoch(self, config: ModelConfig, B: int) -> None:
        """Nothing is carried into an epoch."""
        self.state, self.masks = zero_state(config, B), {}

    def end_epoch(self, valid: float, *, lower_on_plateau: bool) -> bool:
        """The valid songs cost so many nats per token now.  Returns whether these weights are the best so far."""
        self.row = {}
        if lower_on_plateau:
            self.optimizer.learning_rate *= self.plateau.factor_after(valid)
        return self.progress.end_epoch(valid)

    def saved(self) -> dict[str, Any]:
        """All but the weights, as save_checkpoint takes it."""
        best = self.plateau.best
        return {
            "rmsprop": self.optimizer.state(),
            "learning_rate": self.optimizer.learning_rate,
            "plateau": {"best": best if np.isfinite(best) else None, "waited": self.plateau.waited},
            "dropout": self.dropout.bit_generator.state,
            "carried": {f"{name}.{part}": getattr(of, part) for name, of in self.state.items() for part in ("h", "c")},
            "held": self.masks,
            "progress": asdict(self.progress),
            "row": self.row,
        }

    @classmethod
    def restored(cls, params: dict[str, Array], config: ModelConfig, saved: Mapping[str, Any]) -> TrainingState:
        """What `saved` was; KeyError, TypeError or ValueError where it is no such thing."""
        carried, held = saved["carried"], saved["held"]
        if len({(a.shape, a.dtype) for a in [*carried.values(), *held.values()]}) > 1:
            raise ValueError("what the lanes carry does not fit together")
        optimizer = RMSprop(params, float(saved["learning_rate"]))
        optimizer.load_state(saved["rmsprop"])
        plateau = Plateau(PLATEAU_EPOCHS)
        best = saved["plateau"]["best"]
        plateau.best, plateau.waited = float("inf") if best is None else float(best), int(saved["plateau"]["waited"])
        dropout = np.random.default_rng()
        dropout.bit_generator.state = saved["dropout"]
        names = zero_state(config, 1) if carried else {}
        state = {name: LSTMState(carried[f"{name}.h"], carried[f"{name}.c"]) for name in names}
        progress = Progress(**saved["progress"])
        if not all(isinstance(value, (int, float)) and value >= 0 for value in asdict(progress).values() if value):
            raise ValueError("its progress is not made of numbers")
        return cls(params, optimizer, plateau, dropout, state, held, progress, dict(saved["row"]))
