"""How a run learned, as numbers for the page's charts: learning curves, and how the weights are spread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from experiment.distributions import Distributions
from experiment.folder import read_json
from experiment.history import EPOCH_COLUMNS, read_log

Array = npt.NDArray[Any]

POINTS = 300  # of a curve at most
MOST_EPOCHS = 60
BANDS = (0, 1, 25, 50, 75, 99, 100)  # per cent
NGRAMS = ("uniform", "unigram", "bigram", "trigram")


def figures(folder: Path) -> dict[str, Any]:
    """What the files of a run's folder have: "curves", "ngrams" and "weights", each empty where there is no file."""
    found: dict[str, Any] = {"curves": {}, "ngrams": {}, "weights": {}}
    if (folder / "history.csv").exists():
        history = read_log(folder / "history.csv")
        for name in ("loss", "accuracy"):
            found["curves"][name] = averaged(history["step"], history[name])
    if (folder / "epochs.csv").exists():
        epochs = read_log(folder / "epochs.csv", EPOCH_COLUMNS)
        for name in ("valid_loss", "valid_accuracy"):
            found["curves"][name] = points(epochs["step"], epochs[name])
    if (folder / "summary.json").exists():
        summary = read_json(folder / "summary.json")
        names = {name: f"{name}_nats_per_token" for name in NGRAMS}
        found["ngrams"] = {name: summary[key] for name, key in names.items() if key in summary}
    if (folder / "distributions.npz").exists():
        spread = Distributions.load(folder / "distributions.npz").thinned(MOST_EPOCHS)
        for name in spread.quantiles:
            if not (name.startswith("lstm") and name.endswith(".b")):  # its parts by gate are there
                bands = [spread.at(name, percent).astype(float).tolist() for percent in BANDS]
                found["weights"][name] = {"epochs": spread.epochs.tolist(), "bands": bands}
    return found


def averaged(x: Array, y: Array) -> list[list[float]]:
    """At most POINTS points, each the mean of neighbours; what is not finite is left out."""
    kept = np.isfinite(y)
    parts = np.array_split(np.stack([x[kept], y[kept]]), max(1, min(POINTS, int(kept.sum()))), axis=1)
    return [[float(value) for value in part.mean(axis=1)] for part in parts if part.size]


def points(x: Array, y: Array) -> list[list[float]]:
    """The points that there are."""
    return [[float(a), float(b)] for a, b in zip(x, y, strict=True) if np.isfinite(b)]
