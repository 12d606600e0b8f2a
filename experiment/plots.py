"""The pictures of a run, from its files.  `python -m experiment plots RUN` draws them again.

Colours are Okabe and Ito's, which the colour-blind can tell apart.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiment.folder import RunError, RunFolder, read_json
from experiment.history import EPOCH_COLUMNS, Spread, at, load_spread, read_log
from lstm_numpy.files import Array, reading, write_whole
from midi_io.music.picture import drawing_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Columns = Mapping[str, Array]  # of a history, by name

BLACK, GREY = "#222222", "#767676"
BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)  # of gates, and of layers
STYLE: dict[str, Any] = {
    "agg.path.chunksize": 20_000,  # or a line of a million steps is too long to draw
    "font.size": 11, "axes.titlesize": 12, "axes.titlelocation": "left", "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True, "axes.edgecolor": GREY,
    "grid.color": "#E4E4E4", "legend.fontsize": 10, "legend.edgecolor": "none",
}  # fmt: skip
style = partial(drawing_style, STYLE)  # with style(): ...

GATE_NAMES = {"i": "input gate", "f": "forget gate", "o": "output gate", "g": "candidate"}
NGRAMS = {"uniform": "-", "unigram": "--", "bigram": "-.", "trigram": ":"}  # how the line of each is drawn
BANDS = ((0, 100), (1, 99), (5, 95), (25, 75))  # per cent
WIDTH = 4  # panels of distributions in a row


def learned(folder: Path) -> tuple[dict[str, Array], dict[str, Array], dict[str, float], Spread]:
    """The columns of history.csv, of epochs.csv, the n-grams' nats per token, as far as summary.json has them, and
    distributions.npz; each empty where a file is missing.  Raises RunError where one is damaged.
    """
    files = RunFolder(folder)
    with reading(files.summary, RunError):
        summary = read_json(files.summary) if os.path.lexists(files.summary) else {}
        ngrams = {name: float(summary[key]) for name in NGRAMS if (key := f"{name}_nats_per_token") in summary}
    history, epochs = read_log(files.history), read_log(files.epochs, EPOCH_COLUMNS)
    return history, epochs, ngrams, load_spread(files.distributions)


def draw_run(folder: Path) -> list[Path]:
    """Draw what the files in `folder` hold, and return the pictures written there.

    Raises RunError where there is nothing to draw, or a file is damaged, and OSError where a picture cannot be written.
    """
    history, epochs, ngrams, spread = learned(folder)
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
        with style():
            draw().savefig(png, format="png", dpi=100, pil_kwargs={"compress_level": 9})
        write_whole(folder / name, [png.getvalue()])
    return [folder / name for name in drawings]


def learning_picture(history: Columns, epochs: Columns, ngrams: Mapping[str, float]) -> Figure:
    """Loss and accuracy.  ngrams: nats per token of "uniform", "unigram", ..., as far as they are known."""
    figure, panels = stacked_panels(2, history)
    for axes, name, scale, unit in zip(panels, ("loss", "accuracy"), (1, 100), ("nats per token", "%"), strict=True):
        draw_sampled(axes, history["step"], scale * history[name], BLUE, "train, smoothed")
        if epochs:
            valid = scale * epochs[f"valid_{name}"]
            axes.plot(epochs["step"], valid, "D-", color=VERMILION, markersize=3, label="valid, after an epoch")
        axes.set(title=name.capitalize(), ylabel=unit, ylim=(0, None))
    for name, nats in ngrams.items():
        panels[0].axhline(nats, color=GREY, linestyle=NGRAMS[name], label=f"{name} {nats:.2f}")
    legend_below(figure, panels[0])
    return figure


def gradients_picture(history: Columns) -> Figure:
    """Norms of gradients, of updates, and of updates relative to weights, layer by layer."""
    figure, panels = stacked_panels(3, history)
    for name, colour in zip(_sampled(history, "gradient_"), cycle(COLOURS), strict=False):
        layer = name.removeprefix("gradient_")
        update = history[f"update_{layer}"]
        for axes, values in zip(panels, (history[name], update, update / history[f"weight_{layer}"]), strict=True):
            draw_sampled(axes, history["step"], values, colour, layer)
    panels[2].axhline(1e-3, color=GREY, linestyle="--")
    titles = {
        "Gradients: norm by layer, before clipping": "‖gradient‖  (nats per token)",
        "Updates: norm of what RMSprop changes in one step": "‖update‖",
        "Updates relative to weights (dashed: the rule of thumb, a thousandth)": "‖update‖ / ‖weight‖",
    }
    for axes, (title, unit) in zip(panels, titles.items(), strict=True):
        axes.set(title=title, ylabel=unit, yscale="log")
    legend_below(figure, panels[0])
    return figure


def gates_picture(history: Columns) -> Figure:
    """The share of saturated values of each gate, a panel for each LSTM layer."""
    layers = list(dict.fromkeys(name.split("_")[1] for name in _sampled(history, "saturated_")))
    figure, panels = stacked_panels(len(layers), history)
    for layer, axes in zip(layers, panels, strict=True):
        for (gate, meaning), colour in zip(GATE_NAMES.items(), COLOURS, strict=False):
            values = 100 * history[f"saturated_{layer}_{gate}"]
            draw_sampled(axes, history["step"], values, colour, f"{gate}, {meaning}")
        title = f"{layer}: how much of each gate is saturated (i, f, o below 0.1 or above 0.9; |g| above 0.9)"
        axes.set(title=title, ylabel="% of the gate's values", ylim=(0, None))
    legend_below(figure, panels[0])
    return figure


def distributions_picture(spread: Spread) -> Figure:
    """How every weight and bias is spread over the epochs, as bands from quantile to quantile."""
    names = [name for name in spread if name.count(".") == 1]  # the others are parts of a bias
    rows = -(-len(names) // WIDTH)
    figure = empty_figure(4.2 * WIDTH, 1.5 + 2.7 * rows)
    for number, name in enumerate(names, start=1):
        axes = figure.add_subplot(rows, WIDTH, number)
        for low, high in BANDS:
            axes.fill_between(spread["epochs"], at(spread, name, low), at(spread, name, high), color=BLUE, alpha=0.25)
        axes.plot(spread["epochs"], at(spread, name, 50), ".-", color=BLACK, markersize=2)
        axes.set(xlabel="epoch", title=f"{name}  ({spread[name][-1, 0]:.2g} to {spread[name][-1, -1]:.2g})")
        axes.locator_params("x", integer=True, min_n_ticks=1)
    title = "How weights and biases are spread, from epoch to epoch (0: before training)\n"
    figure.suptitle(f"{title}line: median; bands: all values, and the middle 98 %, 90 % and 50 % of them")
    return figure


def _sampled(history: Columns, prefix: str) -> list[str]:
    """The columns with this prefix that have a value."""
    names = [name for name in history if name.startswith(prefix) and name != "gradient_norm"]
    return [name for name in names if np.isfinite(history[name]).any()]


def empty_figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def stacked_panels(rows: int, history: Columns) -> tuple[Figure, list[Axes]]:
    """Panels one above the other over the same steps."""
    figure = empty_figure(10, 1.5 + 3 * rows)
    panels = list(figure.subplots(rows, squeeze=False, sharex=True)[:, 0])
    panels[-1].set(xlabel="training step", xlim=(0, 1.01 * history["step"][-1]))
    panels[-1].locator_params("x", nbins=7, integer=True, min_n_ticks=1)
    panels[-1].xaxis.set_major_formatter("{x:,.0f}")
    return figure, panels


def draw_sampled(axes: Axes, step: Array, values: Array, colour: str, label: str) -> None:
    """A thin line through the values, and a thick one that is smooth; NaN is left out."""
    there = np.isfinite(values)
    axes.plot(step[there], values[there], ".-", color=colour, linewidth=0.6, markersize=1, alpha=0.4)
    axes.plot(step[there], smooth(values[there]), color=colour, linewidth=1.8, label=label)


def legend_below(figure: Figure, axes: Axes) -> None:
    """What the lines of `axes` are, below all panels, where it covers nothing."""
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4)


def smooth(values: Array) -> Array:
    """A moving mean, over a sixtieth of all values."""
    rows, reach = np.arange(len(values)), len(values) // 120
    first, last = np.maximum(rows - reach, 0), np.minimum(rows + reach + 1, len(values))
    sums = np.append(0, np.cumsum(values))
    return np.asarray((sums[last] - sums[first]) / (last - first))
