"""How well a network predicts songs: nats for every single token, each song read whole and without dropout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from lstm_numpy.batches import Songs, evaluation_batches, paper_windows
from lstm_numpy.model import token_nats
from lstm_numpy.parameters import Array, ModelConfig, State, reset
from lstm_numpy.speed.ranks import Alone
from lstm_numpy.speed.workspace import Workspace


class Evaluation(NamedTuple):
    """What each token cost."""

    nats: Array  # (ids,) float64 in the order of songs.flat: -ln p(id | the ids before it); 0 where it is not scored
    scored: Array  # (ids,) bool: it was predicted
    correct: int  # how many of the scored were the most probable token

    @property
    def nats_per_token(self) -> float:
        return float(self.nats[self.scored].mean()) if self.scored.any() else 0.0

    @property
    def accuracy(self) -> float:
        return self.correct / max(int(np.count_nonzero(self.scored)), 1)


def evaluate(
    params: Mapping[str, Array],
    config: ModelConfig,
    songs: Songs,
    T: int,
    B: int,
    threads: int = 1,
    *,
    next_only: bool = False,
    ranks: Alone | None = None,
) -> Evaluation:
    """Score every id of every song but its first, in windows of T that carry the state, B songs side by side.

    The windows change nothing but the memory needed: the state is carried, so each song is read as a whole.
    next_only is the paper's protocol instead: only ids with T ids before them, each from a zero state.
    With ranks, each of them calls it, reads its share of the lanes, and returns the whole.
    """
    nats, scored, correct = np.zeros(len(songs.flat)), np.zeros(len(songs.flat), bool), 0
    if songs.targets_per_song.max(initial=0) < (T if next_only else 1):
        return Evaluation(nats, scored, correct)
    windows = (paper_windows if next_only else evaluation_batches)(songs, T, B)
    workspace = Workspace(config, T, windows.B, threads, ranks)
    state: State | None = None
    windows = windows.of(workspace.lanes)
    for step, batch in enumerate(windows if windows.B else ()):
        state = reset(state, batch.fresh)
        costs, right, state = token_nats(
            params, batch.ids, batch.targets, state, context=batch.context, workspace=workspace
        )
        rows, columns = np.nonzero(batch.targets >= 0)
        places = windows.starts[step, columns] + rows + 1
        nats[places] = costs[rows, columns]
        scored[places] = True
        correct += right
    add = workspace.ranks.sum  # each id is scored by one rank, and is 0 at the others
    return Evaluation(add(nats), add(scored.view(np.uint8)).view(bool), add(correct))
