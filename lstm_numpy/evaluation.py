"""How well a network predicts songs: nats for every single token, each song read whole and without dropout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lstm_numpy.baselines import NGrams
from lstm_numpy.batches import Songs, Windows, evaluation_batches, paper_windows
from lstm_numpy.lstm import LSTMState
from lstm_numpy.model import ModelConfig, State, token_nats, zero_state
from lstm_numpy.run_folder import END, RunSongs
from lstm_numpy.workspace import Workspace

Array = npt.NDArray[Any]


class Evaluation(NamedTuple):
    """What predicting each token cost."""

    nats: Array  # (ids,) float32, in the order of songs.flat: -ln p(id | the ids before it); 0 where it is not scored
    scored: int  # targets
    correct: int  # of them, how many were the most probable token

    @property
    def nats_per_token(self) -> float:
        return float(self.nats.sum(dtype=np.float64)) / max(self.scored, 1)

    @property
    def accuracy(self) -> float:
        return self.correct / max(self.scored, 1)


def reset(state: State, fresh: Array) -> State:
    """The state that a window begins with: carried, but zero in lanes (B,) where a song begins."""
    carried = ~fresh[:, None]
    return {name: LSTMState(h * carried, c * carried) for name, (h, c) in state.items()}


def evaluate(
    params: Mapping[str, Array],
    config: ModelConfig,
    songs: Songs,
    T: int,
    B: int,
    threads: int = 1,
    *,
    next_only: bool = False,
) -> Evaluation:
    """Score every id of every song but its first, in windows of T that carry the state, B songs side by side.

    The windows change nothing but the memory needed: the state is carried, so each song is read as a whole.
    next_only is the paper's protocol instead: only ids with T ids before them, each from a zero state.
    """
    windows: Windows = (paper_windows if next_only else evaluation_batches)(songs, T, B)
    lanes = windows.fresh.shape[1]
    workspace = Workspace(config, T, lanes, threads)
    state = zero_state(config, lanes, params["dense.b"].dtype)
    nats, correct = np.zeros(len(songs.flat), np.float32), 0
    for step, batch in enumerate(windows):
        state = reset(state, batch.fresh)
        costs, right, state = token_nats(params, batch.ids, batch.targets, state, workspace=workspace)
        rows, columns = np.nonzero(batch.targets >= 0)
        nats[windows.starts[step, columns] + rows + 1] = costs[rows, columns]
        correct += right
    return Evaluation(nats, windows.targets, correct)


def final_figures(
    params: Mapping[str, Array],
    config: ModelConfig,
    songs: RunSongs,
    heard: Songs,
    T: int,
    B: int,
    threads: int = 1,
    *,
    next_only: bool = False,
) -> dict[str, float]:
    """What summary.json says of the valid and test songs: the network's nats beside those of n-grams, and accuracy.

    Each model is scored on the same targets, and pays the same to spell a token that the vocabulary lacks.  heard is
    what the n-grams are counted on: the train songs, as the network heard them.  Nats per beat leave <end> out, and so
    does the sum `..._nats_of_notes`: for measures that are counted in beats or frames.
    """
    figures: dict[str, float] = {}
    ngrams = NGrams(heard, config.vocab_size)
    for name in ("valid", "test"):
        part = songs.of(name)
        if not part.songs.targets:
            continue
        found = evaluate(params, config, part.songs, T, B, threads, next_only=next_only)
        spelling = float(part.spelling_nats.sum()) / part.songs.targets
        of_notes = float(found.nats[part.songs.flat != END].sum(dtype=np.float64) + part.spelling_nats.sum())
        figures[f"{name}_nats_per_token"] = found.nats_per_token + spelling
        figures[f"{name}_accuracy"] = found.accuracy
        figures[f"{name}_spelling_nats_per_token"] = spelling
        figures[f"{name}_nats_of_notes"] = of_notes
        figures[f"{name}_nats_per_beat"] = of_notes / max(float(part.beats.sum()), 1.0)
        place = np.arange(len(part.songs.flat)) - np.repeat(part.songs.offsets[:-1], np.diff(part.songs.offsets))
        scored = place[place > 0] >= (T if next_only else 1)
        for baseline, nats in ngrams.nats(part.songs).items():
            prefix = "" if name == "valid" else f"{name}_"
            figures[f"{prefix}{baseline}_nats_per_token"] = float(nats[scored].mean()) + spelling
    return figures
