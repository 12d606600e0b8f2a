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
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from experiment.distributions import Spread, at, histogram, load_spread, thinned
from experiment.folder import RunError, RunFolder, read_json
from experiment.history import EPOCH_COLUMNS, GATES, read_log
from experiment.plots import panels
from lstm_numpy.files import Array, reading, write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (panels.BLUE, panels.VERMILION, panels.GREEN, panels.PURPLE, panels.ORANGE, panels.SKY)  # of gates, layers
GATE_NAMES = {"i": "input gate", "f": "forget gate", "o": "output gate", "g": "candidate"}
MOST_EPOCHS, WIDTH = 100, 4  # of a heat map: a column has to be seen; heat maps in a row
NGRAMS = ("uniform", "unigram", "bigram", "trigram")
RULE_OF_THUMB = 1e-3  # of update to weight: much more is restless, much less is slow


class Learned(NamedTuple):
    """What the files of a run hold of its training; empty where a file is missing."""

    history: dict[str, Array]  # the columns of history.csv
    epochs: dict[str, Array]  # the same of epochs.csv
    ngrams: dict[str, float]  # nats per token of "uniform", "unigram", ..., as far as summary.json has them
    spread: Spread

    @classmethod
    def read(cls, folder: Path) -> Learned:
        """Raises RunError where a file is damaged."""
        files = RunFolder(folder)
        with reading(files.summary, RunError):
            summary = read_json(files.summary) if os.path.lexists(files.summary) else {}
            ngrams = {name: float(summary[key]) for name in NGRAMS if (key := f"{name}_nats_per_token") in summary}
        return cls(
            read_log(files.history), read_log(files.epochs, EPOCH_COLUMNS), ngrams, load_spread(files.distributions)
        )


def draw_run(folder: Path) -> list[Path]:
    """Draw what the files in `folder` hold, and return the pictures written there.

    Raises RunError where there is nothing to draw, or a file is damaged, and OSError where a picture cannot be written.
    """
    history, epochs, ngrams, spread = Learned.read(folder)
    drawings: dict[str, Callable[[], Figure]] = {}
    if len(history.get("step", ())):
        drawings["learning.png"] = lambda: learning_picture(history, epochs, ngrams)
    if _sampled(history, "saturated_"):
        drawings |= {"gradients.png": lambda: gradients_picture(history), "gates.png": lambda: gates_picture(history)}
    if spread:
        drawings["distributions.png"] = lambda: distributions_picture(spread)
    if not drawings:
        raise RunError(f"{folder}: no run is here yet: neither history.csv nor distributions.npz has anything to draw")
    for name, draw in drawings.items():
        png = io.BytesIO()
        with panels.style():
            draw().savefig(png, format="png", dpi=100)
        write_whole(folder / name, [png.getvalue()])
    return [folder / name for name in drawings]


def learning_picture(history: panels.Columns, epochs: panels.Columns, ngrams: Mapping[str, float]) -> Figure:
    """Loss and accuracy.  ngrams: nats per token of "uniform", "unigram", ..., as far as they are known."""
    figure, (upper, lower) = panels.stacked_panels(2, history["step"][-1])
    titles = ["Loss", "Accuracy"]
    heights = [
        np.quantile(history["loss"], 0.99),
        *ngrams.values(),
    ]  # a rare leap may leave the picture
    if epochs and len(epochs["epoch"]):
        heights += epochs["valid_loss"].tolist()
        best = int(epochs["valid_loss"].argmin())
        nats, share, epoch = (epochs[name][best] for name in ("valid_loss", "valid_accuracy", "epoch"))
        titles = [
            f"Loss: at best {nats:.2f} nats per token on valid songs (epoch {epoch:.0f})",
            f"Accuracy: {share:.0%} of valid tokens were the network's first guess (epoch {epoch:.0f})",
        ]
    for axes, name, scale, title in zip((upper, lower), ("loss", "accuracy"), (1, 100), titles, strict=True):
        step, values = history["step"], scale * history[name]
        axes.plot(step, values, color=panels.SKY, linewidth=0.6, alpha=0.5, label="train, each step")
        axes.plot(step, panels.smooth(values), color=panels.BLUE, linewidth=1.8, label="train, smoothed")
        if epochs:
            train, valid = scale * epochs[f"train_{name}"], scale * epochs[f"valid_{name}"]
            axes.plot(epochs["step"], train, "o", color=panels.BLUE, markersize=3, label="train, mean of an epoch")
            axes.plot(epochs["step"], valid, "D-", color=panels.VERMILION, markersize=3, label="valid, after an epoch")
        axes.set_title(title)
    for nats in ngrams.values():
        upper.axhline(nats, **panels.DASHED)
    upper.set(ylabel="nats per token", ylim=(0, 1.06 * max(heights) or 1))
    lower.set(ylabel="% of tokens", ylim=(0, min(100, lower.get_ylim()[1])))
    panels.label_right(upper, [(nats, f"{name} {nats:.2f}", panels.GREY) for name, nats in ngrams.items()])
    panels.legend_below(figure, upper)
    panels.mark_epochs(upper, history)
    return figure


def gradients_picture(history: panels.Columns) -> Figure:
    """Norms of gradients, of updates, and of updates relative to weights, layer by layer."""
    figure, rows = panels.stacked_panels(3, history["step"][-1])
    line: dict[str, Any] = {"color": panels.GREY, "linewidth": 0.5, "alpha": 0.5, "label": "all layers, each step"}
    rows[0].plot(history["step"], history["gradient_norm"], **line)
    for number, name in enumerate(_sampled(history, "gradient_")):
        layer = name.removeprefix("gradient_")
        update = history[f"update_{layer}"]
        for axes, values in zip(rows, (history[name], update, update / history[f"weight_{layer}"]), strict=True):
            panels.draw_sampled(axes, history["step"], values, COLOURS[number % len(COLOURS)], layer)
    rows[2].axhline(RULE_OF_THUMB, **panels.DASHED)
    titles = {
        "Gradients: norm by layer, before clipping": "‖gradient‖  (nats per token)",
        "Updates: norm of what RMSprop changes in one step": "‖update‖",
        "Updates relative to weights (dashed: the rule of thumb, a thousandth)": "‖update‖ / ‖weight‖",
    }
    for axes, (title, unit) in zip(rows, titles.items(), strict=True):
        axes.set(title=title, ylabel=unit, yscale="log")
    panels.legend_below(figure, rows[0])
    panels.mark_epochs(rows[0], history)
    return figure


def gates_picture(history: panels.Columns) -> Figure:
    """The share of saturated values of each gate, a panel for each LSTM layer."""
    layers = list(dict.fromkeys(name.split("_")[1] for name in _sampled(history, "saturated_")))
    figure, rows = panels.stacked_panels(len(layers), history["step"][-1])
    for layer, axes in zip(layers, rows, strict=True):
        for gate, colour in zip(GATES, COLOURS, strict=False):
            values = 100 * history[f"saturated_{layer}_{gate}"]
            panels.draw_sampled(axes, history["step"], values, colour, f"{gate}, {GATE_NAMES[gate]}")
        title = f"{layer}: how much of each gate is saturated (i, f, o below 0.1 or above 0.9; |g| above 0.9)"
        axes.set(title=title, ylabel="% of the gate's values", ylim=(0, None))
    panels.legend_below(figure, rows[0])
    panels.mark_epochs(rows[0], history)
    return figure


def distributions_picture(spread: Spread) -> Figure:
    """A heat map over epochs for every weight and bias."""
    spread = thinned(spread, MOST_EPOCHS)
    names = [name for name in spread if name.count(".") == 1]  # the others are parts of a bias
    rows = -(-len(names) // WIDTH)
    figure = panels.empty_figure(4.2 * WIDTH, 1.5 + 2.7 * rows)
    grid = figure.subplots(rows, WIDTH).ravel()
    for axes, name in zip(grid, names, strict=False):
        _draw_heat_map(axes, spread, name)
    for axes in grid[len(names) :]:
        axes.axis("off")
    title = "How weights and biases are spread, from epoch to epoch (0: before training)\n"
    figure.suptitle(f"{title}dark: the most common values of an epoch; line: median; dashed: 5 % and 95 %")
    return figure


def _draw_heat_map(axes: Axes, spread: Spread, name: str) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs, rows = spread["epochs"], spread[name]
    low, high = float(at(spread, name, 0.1).min()), float(at(spread, name, 99.9).max())
    margin = max(0.05 * (high - low), 1e-3)
    bins = np.linspace(low - margin, high + margin, 81)
    shares = histogram(rows, bins)
    edges = np.concatenate([[epochs[0] - 0.5], (epochs[1:] + epochs[:-1]) / 2, [epochs[-1] + 0.5]])
    colour = np.sqrt(shares / shares.max(axis=1, keepdims=True)).T
    axes.pcolormesh(edges, bins, colour, cmap="Blues", vmin=0, vmax=1)
    for percent, look in ((50, "-"), (5, "--"), (95, "--")):
        axes.plot(epochs, at(spread, name, percent), look, color=panels.BLACK, linewidth=1.2)
    axes.set_title(f"{name}  (epoch {epochs[-1]}: {rows[-1, 0]:.2g} to {rows[-1, -1]:.2g})")
    axes.set_xlabel("epoch")
    axes.grid(visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _sampled(history: panels.Columns, prefix: str) -> list[str]:
    """The columns with this prefix that have a value."""
    names = [name for name in history if name.startswith(prefix) and name != "gradient_norm"]
    return [name for name in names if np.isfinite(history[name]).any()]
