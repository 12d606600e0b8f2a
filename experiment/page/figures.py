"""How a run learned, as numbers for the page's charts: learning curves, and how the weights are spread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from experiment.distributions import Distributions
from experiment.folder import RunFolder, read_json
from experiment.history import EPOCH_COLUMNS, read_log

Array = npt.NDArray[Any]

POINTS = 300  # of a curve at most
MOST_EPOCHS = 60
BANDS = (0, 1, 25, 50, 75, 99, 100)  # per cent
NGRAMS = ("uniform", "unigram", "bigram", "trigram")


def figures(folder: Path) -> dict[str, Any]:
    """What the files of a run's folder have: "curves", "ngrams" and "weights", each empty where there is no file."""
    found: dict[str, Any] = {"curves": {}, "ngrams": {}, "weights": {}}
    files = RunFolder(folder)
    for path, columns in ((files.history, None), (files.epochs, EPOCH_COLUMNS)):
        if path.exists():
            log = read_log(path, columns)
            for name in ("loss", "accuracy") if columns is None else ("valid_loss", "valid_accuracy"):
                found["curves"][name] = (averaged if columns is None else points)(log["step"], log[name])
    if files.summary.exists():
        summary = read_json(files.summary)
        names = {name: f"{name}_nats_per_token" for name in NGRAMS}
        found["ngrams"] = {name: summary[key] for name, key in names.items() if key in summary}
    if files.distributions.exists():
        spread = Distributions.load(files.distributions).thinned(MOST_EPOCHS)
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
