"""Where the time of a training step goes: python -m docs.stopwatch [--hidden N] [--vocabulary N] [--steps N]

Every NumPy function and every numba loop of the step is wrapped in a clock, and the rest is Python's.  One thread.
The loops that call other loops run as plain Python here, so that there is a clock on each call in them.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from lstm_numpy import kernels, layers, lstm
from lstm_numpy.dropout import dropout_masks
from lstm_numpy.model import loss_and_gradients
from lstm_numpy.optimizer import RMSprop, clip_by_global_norm
from lstm_numpy.parameters import ModelConfig, init_params
from lstm_numpy.speed import loops, products
from lstm_numpy.speed.workspace import Workspace

T, B = 64, 32  # as in train.py
MODULES = ("lstm", "speed.products", "layers", "model", "optimizer", "speed.workspace")


class Clocks:
    """Seconds and calls, by name."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()

    def on(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            begin = time.perf_counter()
            result = function(*args, **kwargs)
            self.seconds[name] += time.perf_counter() - begin  # type: ignore[assignment]  # a Counter may count seconds
            self.calls[name] += 1
            return result

        return timed


class TimedNumPy:
    """NumPy, with a clock on what a module calls directly: see `measure`."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    def __getattr__(self, name: str) -> Any:
        thing = getattr(np, name)
        if isinstance(thing, type) or not callable(thing):
            return thing
        return self._clocks.on(thing, "NumPy functions")


def measure(hidden_size: int, vocab_size: int, steps: int) -> tuple[Clocks, float]:
    """Clocks over `steps` training steps, and the seconds that these took in all."""
    rng = np.random.default_rng(0)
    config = ModelConfig(vocab_size, hidden_size)
    params = init_params(config, rng)
    optimizer, workspace = RMSprop(params), Workspace(config, T, B)
    ids, targets = rng.integers(0, vocab_size, (2, T, B))

    def step() -> None:
        masks = dropout_masks(config, T, B, rng, workspace=workspace)
        _, grads, _, _ = loss_and_gradients(params, ids, targets, None, masks, workspace=workspace)
        clip_by_global_norm(grads, 5.0)
        optimizer.step(params, grads)

    clocks = Clocks()
    compiled = [
        (home, name, loop)
        for home in (kernels, loops, products, layers, lstm)
        for name, loop in vars(home).items()
        if hasattr(loop, "py_func")
    ]
    modules = [importlib.import_module(f"lstm_numpy.{name}") for name in MODULES]
    of_steps = [loop for _, _, loop in compiled if loop.__module__ in (layers.__name__, lstm.__name__)]
    try:
        for home, name, loop in compiled:
            setattr(home, name, loop.py_func if loop in of_steps else loop)
        step()  # compiles
        for home, name, loop in compiled:
            if loop not in of_steps:
                setattr(home, name, clocks.on(loop, f"numba: {name}"))
        for module in modules:
            vars(module)["np"] = TimedNumPy(clocks)
        begin = time.perf_counter()
        for _ in range(steps):
            step()
        return clocks, time.perf_counter() - begin
    finally:
        for home, name, loop in compiled:
            setattr(home, name, loop)
        for module in modules:
            vars(module)["np"] = np


def table(clocks: Clocks, seconds: float, steps: int) -> str:
    lines = [f"{'':36} {'share':>6} {'ms':>8} {'calls':>7}   of one step"]
    rows = [
        *clocks.seconds.most_common(),
        ("random numbers, and Python itself", seconds - sum(clocks.seconds.values())),
    ]
    for name, its_seconds in rows:
        share, milliseconds = its_seconds / seconds, 1000 * its_seconds / steps
        calls = f"{clocks.calls[name] / steps:7.0f}" if name in clocks.calls else ""
        lines.append(f"{name:36} {share:6.1%} {milliseconds:8.2f} {calls}".rstrip())
    tokens = T * B * steps / seconds
    return "\n".join([*lines, "", f"{1000 * seconds / steps:.1f} ms a step, {tokens:,.0f} tokens a second"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m docs.stopwatch", description=__doc__.partition(":")[0])
    parser.add_argument("--hidden", type=int, default=256, metavar="N")
    parser.add_argument("--vocabulary", type=int, default=74, metavar="N")
    parser.add_argument("--steps", type=int, default=30, metavar="N")
    args = parser.parse_args()
    clocks, seconds = measure(args.hidden, args.vocabulary, args.steps)
    print(table(clocks, seconds, args.steps))


if __name__ == "__main__":
    main()
