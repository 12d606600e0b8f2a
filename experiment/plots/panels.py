"""What the pictures of a run share: panels over the same steps, scales, labels, smoothing, colours.

Colours are Okabe and Ito's, which the colour-blind can tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lstm_numpy.files import Array
from midi_io.music.picture import drawing_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Columns = Mapping[str, npt.NDArray[np.float64]]  # of a history, by name

BLACK, GREY = "#222222", "#767676"
BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
DASHED: dict[str, Any] = {"color": GREY, "linewidth": 1, "linestyle": (0, (6, 3)), "zorder": 1}
STYLE: dict[str, Any] = {
    "agg.path.chunksize": 20_000,  # or a line of a million steps is too long to draw
    "font.size": 11, "axes.titlesize": 12, "axes.titlelocation": "left", "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True, "axes.edgecolor": GREY,
    "grid.color": "#E4E4E4", "legend.fontsize": 10, "legend.edgecolor": "none",
}  # fmt: skip
style = partial(drawing_style, STYLE)  # with style(): ...


def empty_figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def stacked_panels(rows: int, last_step: float) -> tuple[Figure, list[Axes]]:
    """Panels one above the other over the same steps."""
    from matplotlib.ticker import MaxNLocator

    figure = empty_figure(10, 1.5 + 3 * rows)
    panels = figure.subplots(rows, squeeze=False, sharex=True)[:, 0]
    panels[-1].set_xlabel("training step")
    panels[-1].set_xlim(0, 1.01 * last_step)
    panels[-1].xaxis.set_major_locator(MaxNLocator(7, integer=True, min_n_ticks=1))
    panels[-1].xaxis.set_major_formatter("{x:,.0f}")
    return figure, list(panels)


def draw_sampled(axes: Axes, step: Array, values: Array, colour: str, label: str | None = None) -> None:
    """A thin line through the values, and a thick one that is smooth; NaN is left out."""
    there = np.isfinite(values)
    axes.plot(step[there], values[there], ".-", color=colour, linewidth=0.6, markersize=1, alpha=0.4)
    axes.plot(step[there], smooth(values[there]), color=colour, linewidth=1.8, label=label)


def label_right(axes: Axes, labels: Sequence[tuple[float, str, str]]) -> None:
    """Texts of (value, text, colour) at the right edge of a panel, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    line = (high - low) * 16 / (72 * 2.4)  # the height of a line of text, in a panel of 2.4 inches
    labels = sorted(labels)
    heights = np.array([value for value, _, _ in labels])
    nth = line * np.arange(len(labels))
    up = np.maximum.accumulate(heights - nth) + nth  # moved up as far as it takes
    down = np.minimum.accumulate((heights - nth)[::-1])[::-1] + nth  # and down
    for (_, text, colour), height in zip(labels, (up + down) / 2, strict=True):
        place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center", "annotation_clip": False}
        axes.annotate(text, (1.01, height), color=colour, **place)


def legend_below(figure: Figure, axes: Axes) -> None:
    """What the lines of `axes` are, below all panels, where it covers nothing."""
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(6, len(names)))


def mark_epochs(axes: Axes, history: Columns) -> None:
    """Epochs as a second scale, above."""
    from matplotlib.ticker import MaxNLocator

    steps = np.count_nonzero(history["epoch"] == history["epoch"][0])
    scales: Any = (lambda step: step / steps, lambda epoch: epoch * steps)
    top = axes.secondary_xaxis("top", functions=scales)
    top.xaxis.set_major_locator(MaxNLocator(7, integer=True, prune="lower"))
    top.set_xlabel("epochs that are read")
    top.spines["top"].set_visible(False)


def smooth(values: Array) -> Array:
    """A moving mean, twice, each over a sixtieth of all values: weights that fall to both sides, as in a triangle.

    So one value far from the others becomes a small hill, not a plateau.
    """
    rows, reach = np.arange(len(values)), len(values) // 120
    first, last = np.maximum(rows - reach, 0), np.minimum(rows + reach + 1, len(values))
    for _ in range(2):
        sums = np.append(0, np.cumsum(values))
        values = (sums[last] - sums[first]) / (last - first)
    return values
