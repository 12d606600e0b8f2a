"""What the pictures of a run share: panels over the same steps, scales, labels, smoothing, colours.

Colours are Okabe and Ito's, which the colour-blind can tell apart.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import accumulate, count
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[Any]
Columns = Mapping[str, npt.NDArray[np.float64]]  # of a history, by name

BLACK, GREY = "#222222", "#767676"
BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"


def style() -> AbstractContextManager[None]:
    """matplotlib as it comes, whatever the user's matplotlibrc says, with our sizes; and without a word on stderr."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it would speak of a HOME that it cannot write to
    import matplotlib

    return matplotlib.rc_context(
        {
            **{key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith("backend")},
            "agg.path.chunksize": 20_000,  # or a line of a million steps is too long to draw
            "font.size": 11,
            "axes.titlesize": 12,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.edgecolor": GREY,
            "grid.color": "#E4E4E4",
            "legend.fontsize": 10,
            "legend.framealpha": 0.9,
            "legend.edgecolor": "none",
        }
    )


def empty_figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def stacked_panels(
    rows: int, last_step: float, *, height: float, heights: Sequence[float] | None = None
) -> tuple[Figure, list[Axes]]:
    """Panels one above the other over the same steps."""
    from matplotlib.ticker import MaxNLocator

    figure = empty_figure(10, height)
    panels = figure.subplots(rows, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    panels[-1].set_xlabel("training step")
    panels[-1].set_xlim(0, 1.01 * last_step)
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    panels[-1].xaxis.set_major_formatter("{x:,.0f}")
    return figure, list(panels)


def make_logarithmic(axes: Axes) -> None:
    """A logarithmic scale upwards, with as many plain numbers as its range has room for."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 50 * low else (1.0, 2.0, 5.0)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")


def draw_sampled(axes: Axes, step: Array, values: Array, colour: str, label: str | None) -> None:
    there = np.isfinite(values)
    marker = "." if np.count_nonzero(there) < 30 else ""  # or a single one would not be seen
    axes.plot(step[there], values[there], color=colour, linewidth=0.6, alpha=0.4, marker=marker)
    axes.plot(step[there], smooth(values[there]), color=colour, linewidth=1.8, label=label)


def label_right(axes: Axes, labels: Sequence[tuple[float, str, str]], inches: float) -> None:
    """Texts of (value, text, colour) at the right edge, moved apart where they would overlap; inches: of the axis."""
    low, high = axes.get_ylim()
    room = (high - low) * 16 / (72 * inches)  # of a line of text
    labels = sorted(labels)
    pushed_up = list(accumulate((y for y, _, _ in labels), lambda below, y: max(y, below + room)))
    pushed_down = list(accumulate((y for y, _, _ in reversed(labels)), lambda above, y: min(y, above - room)))[::-1]
    for (_, text, colour), upper, lower in zip(labels, pushed_up, pushed_down, strict=True):
        axes.annotate(
            text,
            (1.01, (upper + lower) / 2),
            xycoords=("axes fraction", "data"),
            color=colour,
            va="center",
            annotation_clip=False,
        )


def legend_below(figure: Figure, axes: Axes) -> None:
    """What the lines of `axes` are, below all panels, where it covers nothing."""
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(6, len(names)))


def mark_epochs(axes: Axes, history: Columns) -> None:
    """The ends of epochs as a second scale, above."""
    last = last_rows(history["epoch"])
    every = next(every for every in round_numbers() if len(last) <= 12 * every)
    last = last[history["epoch"][last] % every == 0]
    top = axes.secondary_xaxis("top")
    top.set_ticks(history["step"][last], [f"{epoch:.0f}" for epoch in history["epoch"][last]])
    top.set_xlabel("end of epoch")
    top.spines["top"].set_visible(False)


def round_numbers() -> Iterator[int]:
    """1, 2, 5, 10, 20, 50, ..."""
    return (first * 10**zeros for zeros in count() for first in (1, 2, 5))


def heat_colours() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("heat", ["#FFFFFF", "#CFE3F1", SKY, BLUE, "#08306B"])


def layer_colours(count: int) -> list[str]:
    palette = (BLUE, GREEN, PURPLE, ORANGE, SKY)
    return [*(palette[k % len(palette)] for k in range(count - 1)), VERMILION]  # the last is the dense layer


def smooth(values: Array) -> Array:
    """A moving mean over a thirtieth of all values, around each; what is not finite is left out."""
    there = np.isfinite(values)
    rows, reach = np.arange(len(values)), len(values) // 60
    first, last = np.maximum(rows - reach, 0), np.minimum(rows + reach + 1, len(values))
    counts = np.append(0, np.cumsum(there))
    sums = np.append(0, np.cumsum(np.where(there, values, 0)))
    return ratio(sums[last] - sums[first], counts[last] - counts[first])


def ratio(above: Array, below: Array) -> Array:
    """above / below, NaN where below is 0."""
    return np.asarray(above / np.where(below == 0, np.nan, below))


def positive(values: Array) -> Array:
    """What a logarithmic scale can show; the rest becomes NaN."""
    return np.where(values > 0, values, np.nan)


def finite(values: Array) -> Array:
    return values[np.isfinite(values)]


def last_rows(epochs: Array) -> Array:
    """The row in which each epoch ends."""
    return np.flatnonzero(np.append(epochs[1:] != epochs[:-1], True))
