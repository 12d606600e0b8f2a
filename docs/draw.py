"""Draws the pictures of the course again: the same code gives the same pictures.

python -m docs.draw                      # all but the gate microscope, in about a minute
python -m docs.draw runs/1               # all; the microscope needs a trained network (python train.py makes one)
python -m docs.draw --figures            # draws nothing: prints the figures that the chapters tell, in 15 seconds
python -m docs.draw --out /tmp/pictures  # somewhere else
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from docs import experiments
from docs.microscope import draw_song
from experiment import plots
from lstm_numpy.model import forward, loss_and_gradients
from lstm_numpy.parameters import ModelConfig, init_params
from lstm_numpy.plain import softmax

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lstm_numpy.batches import Songs
    from lstm_numpy.parameters import Arrays
    from midi_io import Vocabulary

HERE = Path(__file__).resolve().parent
H, T, EPOCHS = 64, 100, 12
LAGS, SEEDS, UPDATES = (5, 10, 15, 20, 30, 40, 60), 3, 400
FRESH = {"linestyle": "--", "linewidth": 1.4}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m docs.draw", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", nargs="?", type=Path, metavar="RUN", help="a run's folder, for the gate microscope")
    parser.add_argument("--out", type=Path, default=HERE / "pictures", metavar="DIR", help="where the pictures go")
    parser.add_argument("--figures", action="store_true", help="draw nothing, print the figures of the chapters")
    args = parser.parse_args()
    if args.figures:
        with threadpool_limits(1, user_api="blas"):
            print(*figures(), sep="\n")
        return
    args.out.mkdir(parents=True, exist_ok=True)
    with threadpool_limits(1, user_api="blas"), plots.style():  # such small matrices do not need a second thread
        save(a_unit_that_remembers(), args.out / "remembering.png")
        save(valley(), args.out / "valley.png")
        networks, held_out, vocabulary = networks_and_tunes()
        save(truncation(networks, held_out), args.out / "truncation.png")
        save(gates(networks, held_out), args.out / "gates.png")
        save(dropout(networks, held_out), args.out / "dropout.png")
        save(temperature(networks["LSTM, trained"], held_out, vocabulary), args.out / "temperature.png")
    if args.run:
        draw_song(args.run, args.out / "microscope")


def save(figure: Figure, path: Path) -> None:
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=100, metadata={"Software": None}, pil_kwargs={"compress_level": 9})
    path.write_bytes(png.getvalue())
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB", flush=True)


def networks_and_tunes() -> tuple[dict[str, Arrays], Songs, Vocabulary]:
    """An LSTM and a plain tanh network of H units, fresh and trained on 320 tunes; and 80 other tunes.

    In float64, so that the figures of the chapters are the same on every machine.
    """
    songs, vocabulary = experiments.tunes(400)
    V = len(vocabulary)
    plain = experiments.tanh_rnn_params(V, H, np.random.default_rng(1))
    networks: dict[str, Arrays] = {}
    for name, step, params in (
        ("LSTM", loss_and_gradients, init_params(ModelConfig(V, H), np.random.default_rng(1), np.float64)),
        ("tanh", experiments.tanh_rnn, {key: parameter.astype(np.float64) for key, parameter in plain.items()}),
    ):
        networks[f"{name}, fresh"] = {key: parameter.copy() for key, parameter in params.items()}
        experiments.learn(step, params, songs.take(range(320)), EPOCHS, np.random.default_rng(2))
        networks[f"{name}, trained"] = params
    return networks, songs.take(range(320, 400)), vocabulary


def figures() -> list[str]:
    """What the chapters read off the pictures, as lines that stand there word for word."""
    networks, songs, _ = networks_and_tunes()
    ids, targets = experiments.side_by_side(songs, T)
    last = experiments.last_target_only(targets)
    lines = []
    for age in ("fresh", "trained"):
        params = networks[f"LSTM, {age}"]
        whole = experiments.truncated_gradients(params, ids, targets, T)["lstm1.Wh"]
        for k in (1, 10, 50):
            cut = experiments.truncated_gradients(params, ids, targets, k)["lstm1.Wh"]
            angle = np.degrees(np.arccos(experiments.cosine(cut, whole)))
            lines.append(f"truncation: {age + ',':8} windows of {k:2}: {angle:2.0f} degrees off")
    for name, network in networks.items():
        step = loss_and_gradients if name.startswith("LSTM") else experiments.tanh_rnn
        trace: Any = step(network, ids, last)[3]
        norms = experiments.norm_by_lag(trace["lstm1"].dc if name.startswith("LSTM") else trace)
        lines.append(
            f"gates: {name + ',':14} after {T - 1} steps {norms[T - 1] / norms[0]:.2g} of the gradient is left"
        )
    for name, step in (("LSTM", loss_and_gradients), ("tanh", experiments.tanh_rnn)):
        loss = step(networks[f"{name}, trained"], ids, targets)[0]
        lines.append(f"gates: {name}, trained: {loss:.2f} nats a token on tunes that it has not seen")
    for age in ("fresh", "trained"):
        schemes = experiments.dropout_schemes(H, ids.shape[1], 0.75, np.random.default_rng(3))
        sizes = experiments.cell_sizes(networks[f"LSTM, {age}"], ids, schemes[experiments.SCALED])
        factor = (sizes[60] / sizes[40]) ** (1 / 20)
        end = int(np.argmax(sizes > np.finfo(np.float32).max))
        lines.append(f"dropout: {age + ',':8} the scaled mask: times {factor:.2f} a step, float32 ends at step {end}")
    logits = forward(networks["LSTM, trained"], songs[0][:41, None].astype(np.intp))[0][-1, 0]
    for degree in (0.5, 1.0, 2.0):
        rest = np.sort(softmax(logits / degree))[:-12]
        lines.append(
            f"temperature {degree:.1f}: "
            f"all but the 12 most probable tokens, {len(rest)}, have {rest.sum():.2f} together"
        )
    return lines


# Chapters 2 and 10: no songs.


def a_unit_that_remembers() -> Figure:
    """One unit with weights set by hand: token 1 writes, token 2 shows, token 3 wipes, token 0 does nothing."""
    steps = experiments.remembering_unit()
    figure = plots.empty_figure(9, 4.4)
    axes = figure.subplots(len(steps.rows), 1, sharex=True)
    for panel, (letter, values) in zip(axes, steps.rows.items(), strict=True):
        colour = plots.VERMILION if letter in "ch" else plots.BLUE
        panel.bar(range(len(values)), values, width=0.8, color=colour)
        panel.set_ylim(-0.05, 2.3 if letter == "c" else 1.15)
        panel.set_yticks([0, 1, 2] if letter == "c" else [0, 1])
        panel.set_ylabel(letter, rotation=0, ha="right", va="center", fontsize=13)
    axes[-1].set_xticks(range(len(steps.tokens)), steps.tokens)
    axes[-1].set_xlabel("the token that is read")
    return figure


def valley() -> Figure:
    """Forty steps down a valley that is a hundred times as steep across as it is along."""
    figure = plots.empty_figure(9, 3.2)
    axes = figure.subplots()
    x, y = np.meshgrid(np.linspace(-11, 2, 200), np.linspace(-1.6, 1.6, 100))
    axes.contour(x, y, experiments.valley(x, y), levels=np.geomspace(0.1, 200, 12), colors="#C9C9C9", linewidths=0.8)
    for name, path, colour in (
        ("steepest descent, learning rate 0.019", experiments.steepest_descent(40, 0.019), plots.BLUE),
        ("RMSprop, learning rate 0.3", experiments.rmsprop_descent(40, 0.3), plots.VERMILION),
    ):
        axes.plot(*path.T, color=colour, marker=".", markersize=5, linewidth=1.2, label=name)
    axes.plot(0, 0, marker="*", color=plots.BLACK, markersize=12)
    axes.set_xlabel("along the valley")
    axes.set_ylabel("across")
    axes.grid(visible=False)
    axes.legend(loc="lower left")
    return figure


# Chapters 7 to 9 and 11: networks and tunes.


def truncation(networks: dict[str, Arrays], songs: Songs) -> Figure:
    ids, targets = experiments.side_by_side(songs, T)
    figure = plots.empty_figure(9, 4.6)
    axes = figure.subplots()
    windows = range(1, 51)
    for network, look in (("trained", {"linewidth": 1.8}), ("fresh", FRESH)):
        params = networks[f"LSTM, {network}"]
        whole = experiments.truncated_gradients(params, ids, targets, T)
        cut = [experiments.truncated_gradients(params, ids, targets, k) for k in windows]
        for name, colour in (("dense.W", plots.GREY), ("lstm1.Wx", plots.GREEN), ("lstm1.Wh", plots.VERMILION)):
            cosines = [experiments.cosine(grads[name], whole[name]) for grads in cut]
            axes.plot(windows, cosines, color=colour, label=f"{name}, {network}", **look)
    axes.set_xlabel("k: steps in a window, and so the most that a gradient flows back")
    axes.set_ylabel(f"cosine with the gradient\nthrough all {T} steps")
    axes.set_xlim(0, 51)
    axes.set_ylim(0.4, 1.02)
    axes.legend(ncols=2, loc="lower right")
    return figure


def gates(networks: dict[str, Arrays], songs: Songs) -> Figure:
    figure = plots.empty_figure(11, 4.4)
    left, right = figure.subplots(1, 2)
    ids, targets = experiments.side_by_side(songs, T)
    last = experiments.last_target_only(targets)
    for network, look in (("trained", {"linewidth": 1.8}), ("fresh", FRESH)):
        trace = loss_and_gradients(networks[f"LSTM, {network}"], ids, last)[3]["lstm1"]
        plain = experiments.tanh_rnn(networks[f"tanh, {network}"], ids, last)[3]
        for name, gradient, colour in (
            ("LSTM: d loss / d c", trace.dc[1:], plots.VERMILION),
            ("tanh: d loss / d h", plain[1:], plots.BLUE),
        ):
            left.plot(experiments.norm_by_lag(gradient), color=colour, label=f"{name}, {network}", **look)
    left.set_yscale("log")
    left.set_xlabel("lag: steps before the one that is scored")
    left.set_ylabel("mean norm of the gradient")
    left.legend(loc="lower left")

    for name, colour in (("LSTM", plots.VERMILION), ("tanh", plots.BLUE)):
        losses = np.array([[remembering(name, lag, seed) for lag in LAGS] for seed in range(SEEDS)])
        for lag, nats in zip(LAGS, losses.mean(axis=0), strict=True):
            print(f"remembering: {name} over {lag:2} steps: {nats:.1f} nats")
        right.plot(LAGS, losses.mean(axis=0), color=colour, linewidth=1.8, label=f"{name}, mean of {SEEDS}")
        right.plot(LAGS, losses.T, color=colour, marker=".", linewidth=0)
    right.axhline(np.log(4), color=plots.GREY, linestyle=":")
    right.annotate("ln 4: remembers nothing", (LAGS[0], np.log(4)), (0, 4), textcoords="offset points", fontsize=10)
    right.set_ylim(-0.05, 1.6)
    right.set_xlabel("lag: steps over which one of four ids is to be remembered")
    right.set_ylabel(f"loss after {UPDATES} updates (nats)")
    right.legend(loc=(0.42, 0.45))
    return figure


def remembering(name: str, lag: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    if name == "LSTM":
        params = init_params(ModelConfig(8, 32), rng)
        return experiments.loss_of_remembering(loss_and_gradients, params, lag, UPDATES, rng)
    params = experiments.tanh_rnn_params(8, 32, rng)
    return experiments.loss_of_remembering(experiments.tanh_rnn, params, lag, UPDATES, rng)


def dropout(networks: dict[str, Arrays], songs: Songs) -> Figure:
    ids, _ = experiments.side_by_side(songs, T)
    schemes = experiments.dropout_schemes(H, ids.shape[1], 0.75, np.random.default_rng(3))
    figure = plots.empty_figure(11, 4.4)
    left, right = figure.subplots(1, 2)
    colours = (plots.BLACK, plots.VERMILION, plots.ORANGE, plots.GREEN)
    for (name, masks_at), colour in zip(schemes.items(), colours, strict=True):
        sizes = experiments.cell_sizes(networks["LSTM, trained"], ids, masks_at)
        for axes in (left, right):
            axes.plot(sizes, color=colour, linewidth=1.8, label=name)
    left.set_yscale("log")
    left.set_ylim(0.05, 1e40)
    left.axhline(np.finfo(np.float32).max, color=plots.GREY, linestyle=":")
    left.annotate("float32 ends here", (0, 3.4e38), (0, -14), textcoords="offset points", fontsize=10)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    right.set_ylim(0, 30)
    for axes in (left, right):
        axes.set_xlabel("time step")
        axes.set_ylabel("root mean square of c")
    return figure


def temperature(params: Arrays, songs: Songs, vocabulary: Vocabulary) -> Figure:
    logits, _, _ = forward(params, songs[0][:41, None].astype(np.intp))
    most = np.argsort(-logits[-1, 0])[:12]
    figure = plots.empty_figure(9, 3.6)
    axes = figure.subplots()
    for k, (degree, colour) in enumerate(((0.5, plots.BLUE), (1.0, plots.GREEN), (2.0, plots.ORANGE))):
        p: Any = softmax(logits[-1, 0] / degree)
        label = f"temperature {degree:g}: the other {len(p) - len(most)} have {1 - p[most].sum():.2f} together"
        axes.bar(np.arange(len(most)) + 0.27 * (k - 1), p[most], width=0.25, color=colour, label=label)
    axes.set_xticks(range(len(most)), vocabulary.tokens_of(most), rotation=30, ha="right")
    axes.set_ylabel("probability to be next")
    axes.grid(axis="x", visible=False)
    axes.legend()
    return figure


if __name__ == "__main__":
    main()
