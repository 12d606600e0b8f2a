"""Everything that a training run changes as it goes, so that it can be saved at any step and continued bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lstm_numpy.lstm import LSTMState
from lstm_numpy.model import ModelConfig, State, init_params
from lstm_numpy.optimizer import Plateau, RMSprop

Array = npt.NDArray[Any]


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

    def add(self, nats: float, correct: int, tokens: int) -> None:
        """A batch is finished."""
        self.batch, self.step, self.tokens = self.batch + 1, self.step + 1, self.tokens + tokens
        self.epoch_nats, self.epoch_correct = self.epoch_nats + nats, self.epoch_correct + correct
        self.epoch_tokens += tokens

    def end_epoch(self) -> None:
        """The epoch's last batch is finished."""
        self.epoch, self.batch = self.epoch + 1, 0
        self.epoch_nats, self.epoch_correct, self.epoch_tokens = 0.0, 0, 0


@dataclass
class TrainingState:
    """Weights, RMSprop's averages, the schedule, dropout's random generator, what the lanes carry, and the progress."""

    params: dict[str, Array]
    optimizer: RMSprop
    plateau: Plateau
    dropout: np.random.Generator
    state: State = field(default_factory=dict)  # of the LSTM, at the end of the last window; empty: an epoch begins
    masks: dict[str, Array] = field(default_factory=dict)  # (B, H) ones, which a song keeps to its end
    progress: Progress = field(default_factory=Progress)

    @classmethod
    def fresh(cls, config: ModelConfig, learning_rate: float, patience: int, seed: int) -> TrainingState:
        """As a run begins; everything random follows from the seed."""
        params = init_params(config, np.random.default_rng([seed, 1]))
        return cls(params, RMSprop(params, learning_rate), Plateau(patience), np.random.default_rng([seed, 2]))

    def saved(self) -> dict[str, Any]:
        """All but the weights, as save_checkpoint takes it."""
        return {
            "rmsprop": self.optimizer.averages,
            "learning_rate": self.optimizer.learning_rate,
            "plateau": {"best": _finite(self.plateau.best), "waited": self.plateau.waited},
            "dropout": self.dropout.bit_generator.state,
            "carried": {f"{name}.{part}": getattr(of, part) for name, of in self.state.items() for part in ("h", "c")},
            "held": {name: mask for name, mask in self.masks.items() if mask.ndim == 2},
            "progress": asdict(self.progress),
        }

    @classmethod
    def restored(cls, params: dict[str, Array], saved: Mapping[str, Any], patience: int) -> TrainingState:
        """What `saved` was; KeyError, TypeError or ValueError where it is no such thing."""
        dropout = np.random.default_rng()
        dropout.bit_generator.state = saved["dropout"]
        optimizer = RMSprop(params, saved["learning_rate"])
        if {name: average.shape for name, average in saved["rmsprop"].items()} != {
            name: parameter.shape for name, parameter in params.items()
        }:
            raise ValueError("RMSprop's averages do not belong to these weights")
        optimizer.averages = {name: saved["rmsprop"][name] for name in params}
        plateau = Plateau(patience)
        best = saved["plateau"]["best"]
        plateau.best, plateau.waited = (float("inf") if best is None else best), saved["plateau"]["waited"]
        carried = saved.get("carried", {})
        names = dict.fromkeys(name.rpartition(".")[0] for name in carried)
        state = {name: LSTMState(carried[f"{name}.h"], carried[f"{name}.c"]) for name in names}
        progress = Progress(**saved["progress"])
        return cls(params, optimizer, plateau, dropout, state, dict(saved.get("held", {})), progress)


def _finite(number: float) -> float | None:
    return number if np.isfinite(number) else None
