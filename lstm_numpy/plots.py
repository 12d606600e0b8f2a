"""The pictures of a run, from its files.  `python -m lstm_numpy.plots RUN` draws them again.

    learning.png        loss and accuracy per step and per epoch, train and valid, with the n-grams to beat
    gradients.png       how large the gradients, and the steps that follow from them, are in each layer
    gates.png           how much of each gate is saturated
    distributions.png   how the weights and biases are spread, from epoch to epoch

Colours are Okabe and Ito's, which the colour-blind can tell apart.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import accumulate, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lstm_numpy.distributions import Distributions, DistributionsError, histogram
from lstm_numpy.files import write_whole
from lstm_numpy.history import GATES, HistoryError, read_history

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[Any]
Columns = Mapping[str, npt.NDArray[np.float64]]  # of a history, by name

BLACK, GREY = "#222222", "#767676"
BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
GATE_COLOURS = dict(zip(GATES, (BLUE, VERMILION, GREEN, PURPLE), strict=True))
GATE_NAMES = {"i": "input gate", "f": "forget gate", "o": "output gate", "g": "candidate"}
MEDIAN: dict[str, Any] = {"color": BLACK, "linewidth": 1.4}
OUTER: dict[str, Any] = {"color": BLACK, "linewidth": 0.9, "linestyle": (0, (4, 2))}
MOST_EPOCHS = 100  # of a heat map: a column has to be seen
NGRAMS = ("uniform", "unigram", "bigram", "trigram")
RULE_OF_THUMB = 1e-3  # of update to weight: much more is restless, much less is slow


class PlotError(Exception):
    """There is nothing to draw, or it cannot be drawn; the message is one line."""


def draw_run(folder: Path) -> list[Path]:
    """Draw what the files in `folder` hold, and return the pictures written there.

    history.csv gives learning.png, gradients.png and gates.png (with summary.json's n-grams, if they are there);
    distributions.npz gives distributions.png.  Raises PlotError where there is none of them, or one is damaged, and
    OSError where a picture cannot be written.
    """
    drawings: dict[str, Callable[[], Figure]] = {}
    try:
        if (folder / "history.csv").exists():
            history = read_history(folder / "history.csv")
            ngrams = _read_ngrams(folder / "summary.json")
            if len(history["step"]):
                drawings["learning.png"] = lambda: learning_picture(history, ngrams)
            if any((history[name] > 0).any() for name in _sampled(history, "gradient_")):
                drawings["gradients.png"] = lambda: gradients_picture(history)
            if _sampled(history, "saturated_"):
                drawings["gates.png"] = lambda: gates_picture(history)
        if (folder / "distributions.npz").exists():
            distributions = Distributions.load(folder / "distributions.npz")
            if len(distributions.epochs):
                drawings["distributions.png"] = lambda: distributions_picture(distributions)
    except (HistoryError, DistributionsError) as error:
        raise PlotError(str(error)) from None
    if not drawings:
        raise PlotError(f"{folder}: no run is here yet: neither history.csv nor distributions.npz has anything to draw")
    for name, draw in drawings.items():
        with _style():
            png = io.BytesIO()
            draw().savefig(png, format="png", dpi=100, pil_kwargs={"compress_level": 9})
        write_whole(folder / name, [png.getvalue()])
    return [folder / name for name in drawings]


# The pictures.


def learning_picture(history: Columns, ngrams: Mapping[str, float]) -> Figure:
    """Loss and accuracy.  ngrams: nats per token of "uniform", "unigram", ..., as far as they are known."""
    figure, (upper, lower) = _figure(2, history["step"][-1], height=7.5, heights=(3, 2))
    best = _best_epoch(history)
    _draw_measure(upper, history, "loss", 1.0)
    _draw_measure(lower, history, "accuracy", 100.0)

    labels = []
    for name, nats in ngrams.items():
        upper.axhline(nats, color=GREY, linewidth=1, linestyle=(0, (6, 3)), zorder=1)
        labels.append((nats, f"{name} {nats:.2f}", GREY))
    losses = _finite(history["loss"])  # a rare leap beyond the rest may leave the picture
    heights = [*ngrams.values(), *_finite(history["valid_loss"]), *(np.quantile(losses, [0.99]) if losses.size else [])]
    upper.set_ylim(0, 1.06 * max(heights, default=0) or 1)
    _label_right(upper, labels, inches=3.5)

    upper.set_title("Loss")
    lower.set_title("Accuracy")
    if best is not None:
        nats, share, epoch = (history[name][best] for name in ("valid_loss", "valid_accuracy", "epoch"))
        upper.set_title(f"Loss: at best {nats:.2f} nats per token on valid songs (epoch {epoch:.0f})")
        lower.set_title(
            f"Accuracy: {100 * share:.0f} % of valid tokens were the network's first guess (epoch {epoch:.0f})"
        )
    upper.set_ylabel("nats per token")
    lower.set_ylabel("% of tokens")
    lower.set_ylim(0, min(100, lower.get_ylim()[1]))
    lower.legend(loc="lower right", ncols=2)
    _epochs_on_top(upper, history)
    return figure


def _draw_measure(axes: Axes, history: Columns, name: str, scale: float) -> None:
    step, values = history["step"], scale * history[name]
    axes.plot(step, values, color=SKY, linewidth=0.6, alpha=0.5, label="train, each step")
    axes.plot(step, _smooth(values), color=BLUE, linewidth=1.8, label="train, smoothed")
    last = _last_rows(history["epoch"])
    size = 5 if len(last) <= 50 else 2
    axes.plot(
        step[last], _epoch_means(history, values), "o", color=BLUE, markersize=size, label="train, mean of an epoch"
    )
    valid = np.isfinite(history[f"valid_{name}"])
    axes.plot(
        step[valid],
        scale * history[f"valid_{name}"][valid],
        "D-",
        color=VERMILION,
        markersize=size,
        label="valid, after an epoch",
    )


def gradients_picture(history: Columns) -> Figure:
    """Norms of gradients, of updates, and of updates relative to weights, layer by layer."""
    figure, (gradients, updates, ratios) = _figure(3, history["step"][-1], height=9)
    layers = [name.removeprefix("gradient_") for name in _sampled(history, "gradient_")]
    gradients.plot(
        history["step"],
        _positive(history["gradient_norm"]),
        color=GREY,
        linewidth=0.5,
        alpha=0.5,
        label="all layers, each step",
    )
    for layer, colour in zip(layers, _colours(len(layers)), strict=True):
        gradient, update = history[f"gradient_{layer}"], history[f"update_{layer}"]
        ratio = update / _positive(history[f"weight_{layer}"])
        for axes, values in ((gradients, gradient), (updates, update), (ratios, ratio)):
            _draw_sampled(axes, history["step"], _positive(values), colour, layer)
    ratios.axhline(RULE_OF_THUMB, color=GREY, linewidth=1, linestyle=(0, (6, 3)))
    gradients.set_title("Gradients: norm by layer, before clipping")
    updates.set_title("Updates: norm of what RMSprop changes in one step")
    ratios.set_title("Updates relative to weights (dashed: the rule of thumb, a thousandth)")
    gradients.set_ylabel("‖gradient‖  (nats per token)")
    updates.set_ylabel("‖update‖")
    ratios.set_ylabel("‖update‖ / ‖weight‖")
    for axes in (gradients, updates, ratios):
        _logarithmic(axes)
    handles, names = gradients.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(6, len(names)))
    _epochs_on_top(gradients, history)
    return figure


def gates_picture(history: Columns) -> Figure:
    """The share of saturated values of each gate, a panel for each LSTM layer."""
    columns = _sampled(history, "saturated_")
    layers = list(dict.fromkeys(name.split("_")[1] for name in columns))
    highest = min(100, 110 * max(float(np.nanmax(history[name])) for name in columns) + 5)
    figure, panels = _figure(len(layers), history["step"][-1], height=1.5 + 3.2 * len(layers))
    for layer, axes in zip(layers, panels, strict=True):
        labels = []
        for gate in GATES:
            values = 100 * history[f"saturated_{layer}_{gate}"]
            _draw_sampled(axes, history["step"], values, GATE_COLOURS[gate], None)
            if len(seen := _finite(values)):
                labels.append((float(_smooth(seen)[-1]), f"{gate}, {GATE_NAMES[gate]}", GATE_COLOURS[gate]))
        axes.set_title(f"{layer}: how much of each gate is saturated (i, f, o below 0.1 or above 0.9; |g| above 0.9)")
        axes.set_ylabel("% of the gate's values")
        axes.set_ylim(0, highest)
        _label_right(axes, labels, inches=2.6)
    _epochs_on_top(panels[0], history)
    return figure


def distributions_picture(distributions: Distributions) -> Figure:
    """A heat map over epochs for every weight and bias of each layer: a row for a layer."""
    distributions = distributions.thinned(MOST_EPOCHS)
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    layers: dict[str, list[str]] = {}
    for name in distributions.quantiles:
        if name.count(".") == 1:
            layers.setdefault(name.partition(".")[0], []).append(name)
    width = max(3, *map(len, layers.values()))
    figure = _empty_figure(4.2 * width, 1 + 2.7 * len(layers))
    grid = figure.subplots(len(layers), width, squeeze=False)
    for row, names in zip(grid, layers.values(), strict=True):
        for axes, name in zip(row, names, strict=False):
            _draw_heat_map(axes, distributions, name)
        for axes in row[len(names) :]:
            axes.axis("off")
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
    for axes in grid[:, 0]:
        axes.set_ylabel("value")
    key = [
        Patch(color=_heat_colours()(1.0), label="most common values of an epoch"),
        Patch(color=_heat_colours()(0.25), label="rarer values"),
        Line2D([], [], **MEDIAN, label="median"),
        Line2D([], [], **OUTER, label="5 % and 95 %"),
        *(
            Line2D([], [], color=colour, linewidth=1.8, label=f"median of {gate}, {GATE_NAMES[gate]}")
            for gate, colour in GATE_COLOURS.items()
        ),
    ]
    grid[-1, -1].legend(handles=key, loc="center", frameon=False)
    figure.suptitle("How weights and biases are spread, from epoch to epoch (0: before training)")
    return figure


def _draw_heat_map(axes: Axes, distributions: Distributions, name: str) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs, rows = distributions.epochs, distributions.quantiles[name]
    low, high = float(distributions.at(name, 0.1).min()), float(distributions.at(name, 99.9).max())
    margin = max(0.05 * (high - low), 1e-3)
    bins = np.linspace(low - margin, high + margin, 81)
    gates = [gate for gate in GATES if f"{name}.{gate}" in distributions.quantiles]
    parts = [distributions.quantiles[f"{name}.{gate}"] for gate in gates] or [rows]
    shares = np.mean([histogram(part, bins) for part in parts], axis=0)
    shares = shares / shares.max(axis=1, keepdims=True)
    middles = (epochs[1:] + epochs[:-1]) / 2
    edges = np.concatenate([[epochs[0] - 0.5], middles, [epochs[-1] + 0.5]])
    axes.pcolormesh(edges, bins, np.sqrt(shares).T, cmap=_heat_colours(), vmin=0, vmax=1)
    for gate in gates:
        axes.plot(epochs, distributions.at(f"{name}.{gate}", 50), color=GATE_COLOURS[gate], linewidth=1.8)
    if not gates:
        axes.plot(epochs, distributions.at(name, 50), **MEDIAN)
        for percent in (5, 95):
            axes.plot(epochs, distributions.at(name, percent), **OUTER)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bins[0], bins[-1])
    axes.set_title(f"{name}  (epoch {epochs[-1]}: {rows[-1, 0]:.2g} to {rows[-1, -1]:.2g})")
    axes.grid(visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


# What the pictures share.


def _style() -> AbstractContextManager[None]:
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


def _empty_figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _figure(
    rows: int, last_step: float, *, height: float, heights: Sequence[float] | None = None
) -> tuple[Figure, list[Axes]]:
    """Panels one above the other over the same steps."""
    from matplotlib.ticker import MaxNLocator

    figure = _empty_figure(10, height)
    panels = figure.subplots(rows, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    panels[-1].set_xlabel("training step")
    panels[-1].set_xlim(0, 1.01 * last_step)
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    panels[-1].xaxis.set_major_formatter("{x:,.0f}")
    return figure, list(panels)


def _logarithmic(axes: Axes) -> None:
    """A logarithmic scale upwards, with as many plain numbers as its range has room for."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 50 * low else (1.0, 2.0, 5.0)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")


def _draw_sampled(axes: Axes, step: Array, values: Array, colour: str, label: str | None) -> None:
    there = np.isfinite(values)
    marker = "." if np.count_nonzero(there) < 30 else ""  # or a single one would not be seen
    axes.plot(step[there], values[there], color=colour, linewidth=0.6, alpha=0.4, marker=marker)
    axes.plot(step[there], _smooth(values[there]), color=colour, linewidth=1.8, label=label)


def _label_right(axes: Axes, labels: Sequence[tuple[float, str, str]], inches: float) -> None:
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


def _epochs_on_top(axes: Axes, history: Columns) -> None:
    """The ends of epochs as a second scale, above."""
    last = _last_rows(history["epoch"])
    every = next(every for every in _round_numbers() if len(last) <= 12 * every)
    last = last[history["epoch"][last] % every == 0]
    top = axes.secondary_xaxis("top")
    top.set_ticks(history["step"][last], [f"{epoch:.0f}" for epoch in history["epoch"][last]])
    top.set_xlabel("end of epoch")
    top.spines["top"].set_visible(False)


def _round_numbers() -> Iterator[int]:
    """1, 2, 5, 10, 20, 50, ..."""
    return (first * 10**zeros for zeros in count() for first in (1, 2, 5))


def _heat_colours() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("heat", ["#FFFFFF", "#CFE3F1", SKY, BLUE, "#08306B"])


def _colours(count: int) -> list[str]:
    palette = (BLUE, GREEN, PURPLE, ORANGE, SKY)
    return [*(palette[k % len(palette)] for k in range(count - 1)), VERMILION]  # the last is the dense layer


def _sampled(history: Columns, prefix: str) -> list[str]:
    return [
        name
        for name, values in history.items()
        if name.startswith(prefix) and name != "gradient_norm" and np.isfinite(values).any()
    ]


def _smooth(values: Array) -> Array:
    """A moving mean over a thirtieth of all values, around each; what is not finite is left out."""
    there = np.isfinite(values)
    rows, reach = np.arange(len(values)), len(values) // 60
    first, last = np.maximum(rows - reach, 0), np.minimum(rows + reach + 1, len(values))
    counts = np.append(0, np.cumsum(there))
    sums = np.append(0, np.cumsum(np.where(there, values, 0)))
    return _ratio(sums[last] - sums[first], counts[last] - counts[first])


def _ratio(above: Array, below: Array) -> Array:
    """above / below, NaN where below is 0."""
    return np.asarray(above / np.where(below == 0, np.nan, below))


def _positive(values: Array) -> Array:
    """What a logarithmic scale can show; the rest becomes NaN."""
    return np.where(values > 0, values, np.nan)


def _finite(values: Array) -> Array:
    return values[np.isfinite(values)]


def _last_rows(epochs: Array) -> Array:
    """The row in which each epoch ends."""
    return np.flatnonzero(np.append(epochs[1:] != epochs[:-1], True))


def _epoch_means(history: Columns, values: Array) -> Array:
    """The mean of each epoch's steps, each weighted by its tokens."""
    tokens = np.diff(history["tokens"], prepend=0)
    first = [0, *(_last_rows(history["epoch"])[:-1] + 1)]
    return _ratio(np.add.reduceat(values * tokens, first), np.add.reduceat(tokens, first))


def _best_epoch(history: Columns) -> int | None:
    """The row of the least valid loss."""
    valid = history["valid_loss"]
    return int(np.nanargmin(valid)) if np.isfinite(valid).any() else None


def _read_ngrams(path: Path) -> dict[str, float]:
    """The n-grams' nats per token, as far as the summary of the run tells them."""
    try:
        summary = json.loads(path.read_bytes())
        return {
            name: float(summary[f"{name}_nats_per_token"]) for name in NGRAMS if f"{name}_nats_per_token" in summary
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise PlotError(f"{path} is not the summary of a run: {error}") from None


# The command.


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lstm_numpy.plots", description="Draw the pictures of a run again, from the files in its folder."
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder, as runs/NAME")
    folder = parser.parse_args(arguments).run
    try:
        for picture in draw_run(folder):
            print(_printable(str(picture)), flush=True)
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or closing it would fail again
    except (PlotError, OSError) as error:
        message = str(error) if isinstance(error, PlotError) else f"{error.filename or 'output'}: {error.strerror}"
        parser.exit(2, f"{parser.prog}: error: {_printable(message)}\n")
    except KeyboardInterrupt:
        return 130
    return 0


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


if __name__ == "__main__":
    sys.exit(main())
