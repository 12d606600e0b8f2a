"""Everything that a training run changes as it goes, so that it can be saved at any step and continued bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_numpy.files import ArraySpec, Fact, check_arrays, check_facts
from lstm_numpy.optimizer import Plateau, RMSprop
from lstm_numpy.parameters import ModelConfig, State, dropout_masks, each_array, init_params, zero_state

Array = npt.NDArray[Any]

LEAST = 0.25  # of --minutes: for training, however long the rest takes
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


COUNT, NUMBER = Fact(int, 0, 2**53), Fact(float, 0, 1e300)
FACTS = {  # what a checkpoint says of the training state
    **dict.fromkeys(("optimizer", "carried", "held"), Fact(dict)),  # arrays: see _array_specs
    "learning_rate": NUMBER,
    "plateau": {"best": NUMBER._replace(optional=True), "waited": COUNT},
    "dropout": {
        "bit_generator": Fact(str, 1, 20),
        "state": {"state": Fact(int, 0, 2**128 - 1), "inc": Fact(int, 0, 2**128 - 1)},
        "has_uint32": Fact(int, 0, 1),
        "uinteger": Fact(int, 0, 2**32 - 1),
    },
    "progress": {
        name: COUNT if isinstance(default, int) else NUMBER._replace(optional=default is None)
        for name, default in asdict(Progress()).items()
    },
}


@dataclass(frozen=True)
class Schedule:
    """When a run ends: after so many epochs or minutes, or when patience is exhausted."""

    epochs: int
    minutes: float | None  # of the whole command; None: no matter how many
    patience: int  # epochs without a better valid loss

    def share_done(self, progress: Progress, batches: int = 1) -> float:
        """How much of the run is done, from 0 to 1; batches: those of the present epoch."""
        by_epochs = (progress.epoch + progress.batch / batches) / self.epochs
        if not self.minutes:
            return by_epochs
        whole = 60 * self.minutes
        return max(by_epochs, progress.seconds / max(whole - progress.aside, LEAST * whole))

    def epoch_is_over(self, progress: Progress, batches: int) -> bool:
        """All batches of the present epoch are read, or the time is up."""
        return progress.batch >= batches or self.share_done(progress, batches) >= 1

    def is_over(self, progress: Progress) -> bool:
        """A run ends at the end of an epoch.  When time is up, the present epoch ends early."""
        waited = progress.epoch - progress.best_epoch
        return progress.batch == 0 and (self.share_done(progress) >= 1 or waited >= self.patience)


@dataclass
class TrainingState:
    """Weights, the optimizer, the schedule, dropout's random generator, what the lanes carry, and the progress."""

    params: dict[str, Array]
    optimizer: RMSprop
    plateau: Plateau
    dropout: np.random.Generator
    state: State = field(default_factory=dict)  # of the LSTM at the end of the last window; empty between two epochs
    masks: dict[str, Array] = field(default_factory=dict)  # (B, H), those that a song keeps to its end; empty as above
    progress: Progress = field(default_factory=Progress)

    @classmethod
    def fresh(cls, config: ModelConfig, learning_rate: float, seed: int) -> TrainingState:
        """As a run begins; everything random follows from the seed."""
        params = init_params(config, np.random.default_rng([seed, 1]))
        optimizer, dropout = RMSprop(params, learning_rate), np.random.default_rng([seed, 2])
        return cls(params, optimizer, Plateau(PLATEAU_EPOCHS), dropout)

    def begin_epoch(self, config: ModelConfig, B: int) -> None:
        """Nothing is carried into an epoch."""
        self.state, self.masks = zero_state(config, B), {}

    def end_epoch(self, valid: float, *, lower_on_plateau: bool) -> bool:
        """The valid songs cost so many nats per token now.  Returns whether these weights are the best so far."""
        self.state, self.masks = {}, {}
        if lower_on_plateau:
            self.optimizer.learning_rate *= self.plateau.factor_after(valid)
        return self.progress.end_epoch(valid)

    def saved(self) -> dict[str, Any]:
        """All but the weights, as save_checkpoint takes it."""
        best = self.plateau.best
        return {
            "optimizer": self.optimizer.state(),
            "learning_rate": self.optimizer.learning_rate,
            "plateau": {"best": best if np.isfinite(best) else None, "waited": self.plateau.waited},
            "dropout": self.dropout.bit_generator.state,
            "carried": _carried(self.state),
            "held": self.masks,
            "progress": asdict(self.progress),
        }

    @classmethod
    def restored(cls, params: dict[str, Array], config: ModelConfig, saved: Mapping[str, Any]) -> TrainingState:
        """What `saved` was.  ValueError unless it holds the values that FACTS describes, and arrays that fit."""
        check_facts({name: saved.get(name) for name in FACTS}, FACTS, "training state")
        optimizer, dropout = RMSprop(params, saved["learning_rate"]), np.random.default_rng(0)
        state = cls(params, optimizer, Plateau(PLATEAU_EPOCHS), dropout, progress=Progress(**saved["progress"]))
        best, state.plateau.waited = saved["plateau"]["best"], saved["plateau"]["waited"]
        state.plateau.best = np.inf if best is None else float(best)
        state.dropout.bit_generator.state = saved["dropout"]

        groups = ("optimizer", "carried", "held")
        arrays = {f"{group}/{name}": array for group in groups for name, array in saved[group].items()}
        check_arrays(arrays, _array_specs(state, config, carries=state.progress.batch > 0))
        state.optimizer.load_state(saved["optimizer"])
        state.masks = saved["held"]
        if saved["carried"]:
            for layer, parts in zero_state(config, 1).items():
                state.state[layer] = type(parts)(*(saved["carried"][f"{layer}.{name}"] for name in parts._fields))
        return state

    def with_lanes(self, rows: Callable[[Array], npt.ArrayLike]) -> TrainingState:
        """The same state, where the lanes' rows (B, H) are what `rows` makes of them: some of them, or more."""

        def changed(array: Array) -> Array:
            return np.array(rows(array))

        masks = {name: changed(mask) for name, mask in self.masks.items()}
        return replace(self, state=each_array(self.state, changed), masks=masks)

    def check_place(self, B: int, batches: int) -> None:
        """ValueError unless the state may stand in an epoch of so many batches, each of B lanes."""
        if self.progress.batch > batches:
            raise ValueError(f"it stands after batch {self.progress.batch:,} of an epoch of {batches:,}")
        if any(len(rows) != B for layer in self.state.values() for rows in layer):
            raise ValueError(f"what its lanes carry is not of {B} lanes")


def _carried(state: State) -> dict[str, Array]:
    """The arrays of a state by name: "lstm1.h", "lstm1.c", ..."""
    return {f"{layer}.{part}": rows for layer, parts in state.items() for part, rows in parts._asdict().items()}


def _array_specs(state: TrainingState, config: ModelConfig, *, carries: bool) -> dict[str, ArraySpec]:
    """The arrays of a saved state; carries: it stands in the middle of an epoch, and its lanes carry something."""
    specs = {f"optimizer/{name}": ArraySpec(a.dtype.str[1:], a.shape) for name, a in state.optimizer.state().items()}
    if carries:
        row = ArraySpec(state.params["dense.b"].dtype.str[1:], ("B", config.hidden_size))
        masks = dropout_masks(config, 1, 1, np.random.default_rng(0))
        specs |= {f"carried/{name}": row for name in _carried(zero_state(config, 1))}
        specs |= {f"held/{name}": row._replace(least=0) for name, mask in masks.items() if mask.ndim == 2}
    return specs
