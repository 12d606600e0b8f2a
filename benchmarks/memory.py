"""How much memory training takes over the interpreter and its libraries, and that it does not grow.

    python benchmarks/memory.py                             # ten million tokens, a thousand steps
    python benchmarks/memory.py --tokens 1000000 --steps 200

Linux only: the figures are the kernel's (VmRSS, and VmHWM for the peak).
"""

from __future__ import annotations

import argparse
import os
import sys
import tracemalloc
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import lstm_numpy as lstm
from lstm_numpy.batches import Batch, Songs, training_batches
from lstm_numpy.parameters import reset

CORES = len(os.sched_getaffinity(0))
SONG = 400  # tokens


class Training:
    """All that a training loop holds, and one step of it."""

    def __init__(self, T: int, B: int, H: int, V: int) -> None:
        self.rng = np.random.default_rng(0)
        self.config = lstm.ModelConfig(V, H)
        self.params = lstm.init_params(self.config, self.rng)
        self.optimizer = lstm.RMSprop(self.params)
        self.workspace = lstm.Workspace(self.config, T, B, CORES)
        self.state = lstm.zero_state(self.config, B)

    def step(self, batch: Batch) -> None:
        T, B = batch.ids.shape
        state = reset(self.state, batch.fresh)
        masks = lstm.dropout_masks(self.config, T, B, self.rng, workspace=self.workspace)
        _, grads, self.state, _ = lstm.loss_and_gradients(
            self.params, batch.ids, batch.targets, state, masks, workspace=self.workspace
        )
        lstm.clip_by_global_norm(grads, 5.0)
        self.optimizer.step(self.params, grads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=10_000_000)
    parser.add_argument("--steps", type=int, default=1000)
    args = parser.parse_args()

    small = songs_of(SONG * 8, 300)
    Training(4, 8, 8, 300).step(training_batches(small, 4, 8, np.random.default_rng(0))[0])
    base = status("VmRSS")
    print(f"interpreter, libraries and compiled loops: {base:.0f} MB")

    T, B, H, V = 50, 64, 256, 1000
    songs = songs_of(args.tokens, V)
    batches = training_batches(songs, T, B, np.random.default_rng(0))
    print(
        f"{args.tokens:,} tokens of {songs.flat.dtype}, and the plan of an epoch: {status('VmRSS') - base:.0f} MB more"
    )
    training = Training(T, B, H, V)
    for number in range(args.steps):
        training.step(batches[number])
        if number + 1 in (10, args.steps // 10, args.steps):
            print(f"after {number + 1:,} steps (T={T}, B={B}, H={H}, V={V}): {status('VmRSS') - base:.1f} MB more")
    print(f"peak: {status('VmHWM') - base:.0f} MB more")

    print("\nallocated inside a step, at most at one time:")
    for T, V in ((50, 1000), (200, 1000), (50, 4000)):
        songs = songs_of(100_000, V)
        batches = training_batches(songs, T, B, np.random.default_rng(0))
        training = Training(T, B, H, V)
        training.step(batches[0])
        tracemalloc.start()
        batch = batches[1]
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        training.step(batch)
        print(f"  T={T}, V={V}: {(tracemalloc.get_traced_memory()[1] - before) / 1e6:.2f} MB")
        tracemalloc.stop()


def songs_of(tokens: int, V: int) -> Songs:
    """Songs of random ids, in the smallest type that holds them."""
    flat = np.random.default_rng(1).integers(3, V, tokens, dtype=np.min_scalar_type(V))
    return Songs(flat, np.arange(0, tokens + 1, SONG))


def status(name: str) -> float:
    """A figure of this process in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024 / 1e6


if __name__ == "__main__":
    main()
