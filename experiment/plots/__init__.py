"""The pictures of a run, from its files.  `python -m experiment plots RUN` draws them again.

learning.png        loss and accuracy per step and per epoch, train and valid, with the n-grams to beat
gradients.png       how large the gradients, and the steps that follow from them, are in each layer
gates.png           how much of each gate is saturated
distributions.png   how the weights and biases are spread, from epoch to epoch
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from experiment.distributions import Distributions, histogram
from experiment.folder import RunError, RunFolder, read_json
from experiment.history import EPOCH_COLUMNS, GATES, read_log
from experiment.plots import panels
from lstm_numpy.files import Array, reading, write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


GATE_COLOURS = dict(zip(GATES, (panels.BLUE, panels.VERMILION, panels.GREEN, panels.PURPLE), strict=True))
GATE_NAMES = {"i": "input gate", "f": "forget gate", "o": "output gate", "g": "candidate"}
LAYER_COLOURS = (panels.BLUE, panels.GREEN, panels.PURPLE, panels.ORANGE, panels.SKY)
MEDIAN: dict[str, Any] = {"color": panels.BLACK, "linewidth": 1.4}
OUTER: dict[str, Any] = {"color": panels.BLACK, "linewidth": 0.9, "linestyle": (0, (4, 2))}
MOST_EPOCHS, WIDTH = 100, 4  # of a heat map: a column has to be seen; heat maps in a row
NGRAMS = ("uniform", "unigram", "bigram", "trigram")
RULE_OF_THUMB = 1e-3  # of update to weight: much more is restless, much less is slow


class Learned(NamedTuple):
    """What the files of a run hold of its training; empty where a file is missing."""

    history: dict[str, Array]  # the columns of history.csv; what is not finite is NaN
    epochs: dict[str, Array]  # the same of epochs.csv
    ngrams: dict[str, float]  # nats per token of "uniform", "unigram", ..., as far as summary.json has them
    distributions: Distributions

    @classmethod
    def read(cls, folder: Path) -> Learned:
        """Raises RunError where a file is damaged."""
        files = RunFolder(folder)
        history, epochs = read_log(files.history), read_log(files.epochs, EPOCH_COLUMNS)
        for columns in (history, epochs):
            columns |= {name: np.where(np.isfinite(values), values, np.nan) for name, values in columns.items()}
        summary = read_json(files.summary) if os.path.lexists(files.summary) else {}
        with reading(files.summary, RunError):
            ngrams = {name: float(summary.get(f"{name}_nats_per_token", "nan")) for name in NGRAMS}
        ngrams = {name: nats for name, nats in ngrams.items() if 0 < nats < 1000}
        return cls(history, epochs, ngrams, Distributions.load(files.distributions))


def draw_run(folder: Path) -> list[Path]:
    """Draw what the files in `folder` hold, and return the pictures written there.

    history.csv and epochs.csv give learning.png, gradients.png and gates.png (with summary.json's n-grams, if they are
    there); distributions.npz gives distributions.png.  Raises RunError where there is none of them, or one is damaged,
    and OSError where a picture cannot be written.
    """
    history, epochs, ngrams, distributions = Learned.read(folder)
    drawings: dict[str, Callable[[], Figure]] = {}
    if len(history.get("step", ())):
        drawings["learning.png"] = lambda: learning_picture(history, epochs, ngrams)
    if any((history[name] > 0).any() for name in _sampled(history, "gradient_")):
        drawings["gradients.png"] = lambda: gradients_picture(history)
    if _sampled(history, "saturated_"):
        drawings["gates.png"] = lambda: gates_picture(history)
    if len(distributions.epochs):
        drawings["distributions.png"] = lambda: distributions_picture(distributions)
    if not drawings:
        raise RunError(f"{folder}: no run is here yet: neither history.csv nor distributions.npz has anything to draw")
    for name, draw in drawings.items():
        with panels.style():
            png = io.BytesIO()
            draw().savefig(png, format="png", dpi=100, pil_kwargs={"compress_level": 9})
        write_whole(folder / name, [png.getvalue()])
    return [folder / name for name in drawings]


def learning_picture(history: panels.Columns, epochs: panels.Columns, ngrams: Mapping[str, float]) -> Figure:
    """Loss and accuracy.  ngrams: nats per token of "uniform", "unigram", ..., as far as they are known."""
    figure, (upper, lower) = panels.stacked_panels(2, history["step"][-1])
    _draw_measure(upper, history, epochs, "loss", 1.0)
    _draw_measure(lower, history, epochs, "accuracy", 100.0)
    for nats in ngrams.values():
        upper.axhline(nats, **panels.DASHED)
    losses = panels.finite(history["loss"])  # a rare leap beyond the rest may leave the picture
    heights = [*ngrams.values(), *panels.finite(epochs.get("valid_loss", np.zeros(0)))]
    heights += [*np.quantile(losses, [0.99])] if losses.size else []
    upper.set_ylim(0, 1.06 * max(heights, default=0) or 1)
    panels.label_right(upper, [(nats, f"{name} {nats:.2f}", panels.GREY) for name, nats in ngrams.items()])
    upper.set_title("Loss")
    lower.set_title("Accuracy")
    if np.isfinite(epochs.get("valid_loss", np.nan)).any():
        best = int(np.nanargmin(epochs["valid_loss"]))
        nats, share, epoch = (epochs[name][best] for name in ("valid_loss", "valid_accuracy", "epoch"))
        upper.set_title(f"Loss: at best {nats:.2f} nats per token on valid songs (epoch {epoch:.0f})")
        lower.set_title(f"Accuracy: {share:.0%} of valid tokens were the network's first guess (epoch {epoch:.0f})")
    upper.set_ylabel("nats per token")
    lower.set_ylabel("% of tokens")
    lower.set_ylim(0, min(100, lower.get_ylim()[1]))
    panels.legend_below(figure, upper)
    panels.mark_epochs(upper, history)
    return figure


def _draw_measure(axes: Axes, history: panels.Columns, epochs: panels.Columns, name: str, scale: float) -> None:
    step, values = history["step"], scale * history[name]
    axes.plot(step, values, color=panels.SKY, linewidth=0.6, alpha=0.5, label="train, each step")
    axes.plot(step, panels.smooth(values), color=panels.BLUE, linewidth=1.8, label="train, smoothed")
    if epochs:
        size = 5 if len(epochs["epoch"]) <= 50 else 2
        train, valid = scale * epochs[f"train_{name}"], scale * epochs[f"valid_{name}"]
        axes.plot(epochs["step"], train, "o", color=panels.BLUE, markersize=size, label="train, mean of an epoch")
        axes.plot(epochs["step"], valid, "D-", color=panels.VERMILION, markersize=size, label="valid, after an epoch")


def gradients_picture(history: panels.Columns) -> Figure:
    """Norms of gradients, of updates, and of updates relative to weights, layer by layer."""
    figure, (gradients, updates, ratios) = panels.stacked_panels(3, history["step"][-1])
    layers = [name.removeprefix("gradient_") for name in _sampled(history, "gradient_")]
    line: dict[str, Any] = {"color": panels.GREY, "linewidth": 0.5, "alpha": 0.5, "label": "all layers, each step"}
    gradients.plot(history["step"], panels.positive(history["gradient_norm"]), **line)
    colours = [*islice(cycle(LAYER_COLOURS), len(layers) - 1), panels.VERMILION]  # the last is the dense layer
    for layer, colour in zip(layers, colours, strict=True):
        gradient, update = history[f"gradient_{layer}"], history[f"update_{layer}"]
        relative = panels.ratio(update, history[f"weight_{layer}"])
        for axes, values in ((gradients, gradient), (updates, update), (ratios, relative)):
            panels.draw_sampled(axes, history["step"], panels.positive(values), colour, layer)
    ratios.axhline(RULE_OF_THUMB, **panels.DASHED)
    for axes, title, unit in (
        (gradients, "Gradients: norm by layer, before clipping", "‖gradient‖  (nats per token)"),
        (updates, "Updates: norm of what RMSprop changes in one step", "‖update‖"),
        (ratios, "Updates relative to weights (dashed: the rule of thumb, a thousandth)", "‖update‖ / ‖weight‖"),
    ):
        axes.set_title(title)
        axes.set_ylabel(unit)
        panels.make_logarithmic(axes)
    panels.legend_below(figure, gradients)
    panels.mark_epochs(gradients, history)
    return figure


def gates_picture(history: panels.Columns) -> Figure:
    """The share of saturated values of each gate, a panel for each LSTM layer."""
    columns = _sampled(history, "saturated_")
    layers = list(dict.fromkeys(name.split("_")[1] for name in columns))
    highest = min(100, 110 * max(float(np.nanmax(history[name])) for name in columns) + 5)
    figure, rows = panels.stacked_panels(len(layers), history["step"][-1])
    for layer, axes in zip(layers, rows, strict=True):
        labels = []
        for gate in GATES:
            values = 100 * history[f"saturated_{layer}_{gate}"]
            panels.draw_sampled(axes, history["step"], values, GATE_COLOURS[gate], None)
            if len(seen := panels.finite(values)):
                labels.append((float(panels.smooth(seen)[-1]), f"{gate}, {GATE_NAMES[gate]}", GATE_COLOURS[gate]))
        axes.set_title(f"{layer}: how much of each gate is saturated (i, f, o below 0.1 or above 0.9; |g| above 0.9)")
        axes.set_ylabel("% of the gate's values")
        axes.set_ylim(0, highest)
        panels.label_right(axes, labels)
    panels.mark_epochs(rows[0], history)
    return figure


def distributions_picture(distributions: Distributions) -> Figure:
    """A heat map over epochs for every weight and bias."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    distributions = distributions.thinned(MOST_EPOCHS)
    names = [name for name in distributions.quantiles if name.count(".") == 1]  # the others are parts of a bias
    rows = -(-len(names) // WIDTH)
    figure = panels.empty_figure(4.2 * WIDTH, 1.5 + 2.7 * rows)
    grid = figure.subplots(rows, WIDTH).ravel()
    for axes, name in zip(grid, names, strict=False):
        _draw_heat_map(axes, distributions, name)
    for axes in grid[len(names) :]:
        axes.axis("off")
    key = [
        Patch(color=panels.heat_colours()(1.0), label="most common values of an epoch"),
        Patch(color=panels.heat_colours()(0.25), label="rarer values"),
        Line2D([], [], **MEDIAN, label="median"),
        Line2D([], [], **OUTER, label="5 % and 95 %"),
        *(
            Line2D([], [], color=colour, linewidth=1.8, label=f"median of {gate}, {GATE_NAMES[gate]}")
            for gate, colour in GATE_COLOURS.items()
        ),
    ]
    figure.legend(handles=key, loc="outside lower center", ncols=4)
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
    axes.pcolormesh(edges, bins, np.sqrt(shares).T, cmap=panels.heat_colours(), vmin=0, vmax=1)
    for gate in gates:
        axes.plot(epochs, distributions.at(f"{name}.{gate}", 50), color=GATE_COLOURS[gate], linewidth=1.8)
    if not gates:
        axes.plot(epochs, distributions.at(name, 50), **MEDIAN)
        for percent in (5, 95):
            axes.plot(epochs, distributions.at(name, percent), **OUTER)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bins[0], bins[-1])
    axes.set_title(f"{name}  (epoch {epochs[-1]}: {rows[-1, 0]:.2g} to {rows[-1, -1]:.2g})")
    axes.set_xlabel("epoch")
    axes.grid(visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _sampled(history: panels.Columns, prefix: str) -> list[str]:
    names = [name for name in history if name.startswith(prefix) and name != "gradient_norm"]
    return [name for name in names if np.isfinite(history[name]).any()]
