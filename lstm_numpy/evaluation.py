"""How well a network predicts songs: nats for every single token, each song read whole and without dropout."""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from lstm_numpy.batches import Songs, evaluation_batches, paper_windows
from lstm_numpy.model import token_nats
from lstm_numpy.parameters import Array, ModelConfig, State, each_array, reset
from lstm_numpy.speed.ranks import Alone
from lstm_numpy.speed.workspace import Workspace


class Evaluation(NamedTuple):
    """What each token cost: all (ids,), in the order of songs.flat."""

    nats: Array  # float64: -ln p(id | the ids before it); 0 where it is not scored
    scored: Array  # bool: it was predicted
    correct: Array  # bool: it was scored, and the most probable token

    @property
    def nats_per_token(self) -> float:
        return float(self.nats[self.scored].mean()) if self.scored.any() else 0.0

    @property
    def accuracy(self) -> float:
        return float(self.correct[self.scored].mean()) if self.scored.any() else 0.0


def evaluate(
    params: Mapping[str, Array],
    config: ModelConfig,
    songs: Songs,
    T: int,
    B: int,
    threads: int = 1,
    *,
    next_only: bool = False,
    told: Callable[[int], object] = lambda scored: None,
    ranks: Alone | None = None,
) -> Evaluation:
    """Score every id of every song but its first, in windows of T that carry the state, B songs side by side.

    The windows change nothing but the memory needed: the state is carried, so each song is read as a whole.
    next_only is the paper's protocol instead: only ids with T ids before them, each from a zero state.
    told(n) is called each time that n more are scored.  With ranks, each calls this function, reads its share of
    the lanes, and returns the whole.
    """
    found = np.zeros((3, len(songs.flat)))  # nats, scored, correct
    if songs.targets_per_song.max(initial=0) < (T if next_only else 1):
        return Evaluation(found[0], *found[1:] > 0)
    windows = (paper_windows if next_only else evaluation_batches)(songs, T, B)
    workspace = Workspace(config, T, windows.B, threads, ranks)
    add, windows = workspace.ranks.sum, windows.of(workspace.lanes)
    state: State | None = None
    for step in range(len(windows)):
        busy = np.flatnonzero(windows.lengths[step])
        if not len(busy):  # what is left is read by other ranks
            break
        if 2 * len(busy) <= windows.B:  # half of the lanes have read all their songs: the others go on alone
            state = state and each_array(state, itemgetter(busy))
            windows, workspace = windows.of(busy), Workspace(config, T, len(busy), workspace.threads)
        batch = windows[step]
        nats, correct, state = token_nats(
            params, batch.ids, batch.targets, reset(state, batch.fresh), context=batch.context, workspace=workspace
        )
        rows, columns = np.nonzero(batch.targets >= 0)
        places = windows.starts[step, columns] + rows + 1
        found[:, places] = nats[rows, columns], np.ones(len(places)), correct[rows, columns]
        told(len(places))
    nats, scored, correct = add(found)
    return Evaluation(nats, scored > 0, correct > 0)
