"""How a run learned, as numbers for the page's charts: learning curves, and how the weights are spread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from experiment.distributions import at, thinned
from experiment.plots import Learned
from lstm_numpy.files import Array

POINTS = 300  # of a curve at most
MOST_EPOCHS = 60
BANDS = (0, 1, 25, 50, 75, 99, 100)  # per cent


def figures(folder: Path) -> dict[str, Any]:
    """What the files of a run's folder have: "curves", "ngrams" and "weights", each empty where there is no file."""
    history, epochs, ngrams, spread = Learned.read(folder)
    curves = {name: averaged(history["step"], history[name]) for name in ("loss", "accuracy") if history}
    curves |= {name: averaged(epochs["step"], epochs[name]) for name in ("valid_loss", "valid_accuracy") if epochs}
    spread = thinned(spread, MOST_EPOCHS) if spread else {}
    weights = {
        name: {
            "epochs": spread["epochs"].tolist(),
            "bands": [at(spread, name, percent).astype(float).tolist() for percent in BANDS],
        }
        for name in spread
        if name != "epochs" and not (name.startswith("lstm") and name.endswith(".b"))  # its parts by gate are there
    }
    return {"curves": curves, "ngrams": ngrams, "weights": weights}


def averaged(x: Array, y: Array) -> list[list[float]]:
    """At most POINTS points, each the mean of neighbours."""
    parts = np.array_split(np.stack([x, y]), max(1, min(POINTS, len(x))), axis=1)
    return [[float(value) for value in part.mean(axis=1)] for part in parts if part.size]
