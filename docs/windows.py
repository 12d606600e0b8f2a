"""Which length of windows trains best?  python -m docs.windows compares three, in two minutes (chapter 7)."""

from __future__ import annotations

from typing import Any

import numpy as np

from docs.experiments import learn, side_by_side, tunes
from lstm_numpy.model import loss_and_gradients
from lstm_numpy.parameters import ModelConfig, init_params


def main() -> None:
    """Print the loss on 80 tunes after training on 320 others, for three lengths of windows and of training."""
    songs, vocabulary = tunes(400)
    ids, targets = side_by_side(songs.take(range(320, 400)), T=100)
    updates = 0

    def step(*arguments: Any) -> Any:
        nonlocal updates
        updates += 1
        return loss_and_gradients(*arguments)

    for T in (10, 50, 100):
        for epochs in (3, 12, 24):
            params, updates = init_params(ModelConfig(len(vocabulary), 64), np.random.default_rng(1)), 0
            learn(step, params, songs.take(range(320)), epochs, np.random.default_rng(2), T)
            loss = loss_and_gradients(params, ids, targets)[0]
            print(f"windows of {T:3}, {epochs:2} epochs: {updates:5,} updates, {loss:.2f} nats a token", flush=True)


if __name__ == "__main__":
    main()
