"""How the time for a token of training grows with T, B, H, V, threads, and the number of tokens.

    python benchmarks/growth.py             # the table; and benchmarks/growth.png

One of the sizes changes at a time.  The rounds go through all sizes, so that a busy moment is not one size's alone; the
median over the rounds counts.  The wall is the time of a step's matrix products at the speed of one large product.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from blas import prefer_avx512

prefer_avx512()  # before NumPy is imported

import numpy as np  # isort: skip

from contest import CORES, table
from peers import numpy_sgemm, numpy_step

from lstm_numpy.batches import Songs, training_batches

BASE = {"T": 50, "B": 64, "H": 256, "V": 300, "threads": CORES}
VALUES = {
    "T": (10, 25, 50, 100, 200),
    "B": (8, 16, 32, 64, 128),
    "H": (64, 128, 256, 512, 1024),
    "V": (100, 300, 1000, 3000),
    "threads": tuple(range(1, CORES + 1)),
}
TOKENS = (100_000, 1_000_000, 10_000_000)
LEAST_SECONDS = 0.25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--picture", default=Path(__file__).with_name("growth.png"), metavar="FILE.png")
    args = parser.parse_args()

    sizes = {tuple(sorted({**BASE, name: value}.items())) for name, values in VALUES.items() for value in values}
    seconds: dict[Any, list[float]] = {size: [] for size in sizes}
    shares: dict[Any, list[float]] = {size: [] for size in sizes}
    batching: dict[int, list[float]] = {tokens: [] for tokens in TOKENS}
    product = numpy_sgemm(None, 2048)
    for turn in range(args.rounds):
        print(f"round {turn + 1} of {args.rounds}", file=sys.stderr)
        flop = timed(product)
        for size in sizes:
            one = dict(size)
            step = numpy_step(one["threads"], one["T"], one["B"], one["H"], one["V"])
            step()
            seconds[size].append(timed(step) / (one["T"] * one["B"]))
            products = 3 * 2 * one["H"] * (4 * one["H"] + one["V"])  # a token's: one forward, two backward
            shares[size].append(products * flop / seconds[size][-1])
        for tokens in TOKENS:
            batching[tokens].append(seconds_to_batch(tokens))

    rows = [
        [name, f"{value:,}", f"{1e6 * median(seconds[size]):.2f}", f"{100 * median(shares[size]):.0f} %"]
        for name, values in VALUES.items()
        for value in values
        for size in [tuple(sorted({**BASE, name: value}.items()))]
    ]
    rows += [["tokens, batching alone", f"{n:,}", f"{1e6 * median(taken):.3f}", ""] for n, taken in batching.items()]
    print(f"T=50, B=64, H=256, V=300, {CORES} threads, but for\n")
    print(table(["", "value", "microseconds a token", "of the wall"], rows))
    draw(rows, Path(args.picture))


def timed(job: Callable[[], int]) -> float:
    """Seconds for one of what a job counts."""
    done, started = 0, time.perf_counter()
    while not done or time.perf_counter() - started < LEAST_SECONDS:
        done += job()
    return (time.perf_counter() - started) / done


def seconds_to_batch(tokens: int) -> float:
    """For a token: planning an epoch over so many tokens, and gathering its batches (a hundred are tried)."""
    songs = Songs(np.zeros(tokens, np.uint16), np.arange(0, tokens + 1, 400))
    started = time.perf_counter()
    batches = training_batches(songs, BASE["T"], BASE["B"], np.random.default_rng(0))
    planned = (time.perf_counter() - started) / tokens
    few = min(100, len(batches))
    started = time.perf_counter()
    for number in range(few):
        batches[number]
    return planned + (time.perf_counter() - started) / (few * BASE["T"] * BASE["B"])


def draw(rows: list[list[str]], picture: Path) -> None:
    os.environ.setdefault("MPLBACKEND", "Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullLocator

    figure, panels = plt.subplots(2, 3, figsize=(11, 6), layout="constrained")
    for panel, name in zip(panels.ravel(), [*VALUES, "tokens, batching alone"], strict=True):
        points = [(int(row[1].replace(",", "")), float(row[2])) for row in rows if row[0] == name]
        xs, ys = zip(*points, strict=True)
        panel.plot(xs, ys, "o-", color="black")
        panel.set(xlabel=name, ylabel="microseconds a token", ylim=(0, None))
        if name == "H":  # a product of H by 4H for every token
            middle = xs.index(BASE["H"])
            panel.plot(xs, [ys[middle] * (x / xs[middle]) ** 2 for x in xs], ":", color="gray", label="as H squared")
            panel.legend(frameon=False)
        if name not in ("H", "V"):
            panel.set_xscale("log")
        panel.set_xticks(xs, [f"{x:,}" for x in xs])
        panel.xaxis.set_minor_locator(NullLocator())
    figure.suptitle("Time for a token of training; one size changes at a time")
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main()
