"""The pictures of a run: they show what was written, can be read, and come out of every run, also a bad one."""

from __future__ import annotations

import itertools
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import REPLACEMENTS

from experiment import plots
from experiment.__main__ import main
from experiment.folder import RunError
from experiment.history import (
    EPOCH_COLUMNS,
    CsvLog,
    Spread,
    load_spread,
    norms_by_layer,
    read_log,
    saturation,
    save_spread,
    step_columns,
    with_epoch,
)
from experiment.plots import (
    distributions_picture,
    draw_run,
    gates_picture,
    gradients_picture,
    learning_picture,
)
from lstm_numpy.model import loss_and_gradients
from lstm_numpy.optimizer import RMSprop, clip_by_global_norm
from lstm_numpy.parameters import ModelConfig, init_params

PICTURES = ["distributions.png", "gates.png", "gradients.png", "learning.png"]
NGRAMS = {"uniform": math.log(12), "unigram": 2.31, "bigram": 1.42, "trigram": 1.40}


@pytest.fixture(name="run", scope="module")
def real_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network, really trained on a pattern: three epochs of twenty steps."""
    folder = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    params = init_params(ModelConfig(vocab_size=12, hidden_size=16, layers=2), rng)
    optimizer = RMSprop(params, learning_rate=1e-2)
    song = np.tile([3, 5, 3, 7, 8, 8, 2, 11, 4], 30)
    ids = np.stack([song[start : start + 17] for start in range(0, 200, 25)], axis=1)
    spread = with_epoch({}, 0, params)
    history = CsvLog(folder / "history.csv", step_columns(["lstm1", "lstm2", "dense"]))
    epochs = CsvLog(folder / "epochs.csv", EPOCH_COLUMNS)
    losses = []
    for step in range(1, 61):
        loss, grads, _, trace = loss_and_gradients(params, ids[:-1], ids[1:])
        losses.append(loss)
        row: dict[str, float] = {}
        if step % 5 == 0:
            row |= norms_by_layer(grads, "gradient_") | norms_by_layer(params, "weight_") | saturation(trace)
        before = {name: values.copy() for name, values in params.items()}
        norm = clip_by_global_norm(grads, 1.0)
        optimizer.step(params, grads)
        if step % 5 == 0:
            row |= norms_by_layer({name: params[name] - before[name] for name in params}, "update_")
        if step % 20 == 0:
            epochs.append(
                epoch=step // 20, step=step, train_loss=np.mean(losses[-20:]), train_accuracy=0.5,
                valid_loss=loss + 0.1 * (step == 60), valid_accuracy=0.75, learning_rate=1e-2, seconds=0.1 * step,
            )  # fmt: skip
            spread = with_epoch(spread, step // 20, params)
        history.append(
            step=step, epoch=(step + 19) // 20, loss=loss, accuracy=trace["score"].correct.mean(),
            learning_rate=1e-2, gradient_norm=norm, tokens=128 * step, seconds=0.1 * step, **row,
        )  # fmt: skip
    history.flush()
    epochs.flush()
    save_spread(folder / "distributions.npz", spread)
    summary = {f"{name}_nats_per_token": nats for name, nats in NGRAMS.items()}
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def draw(make: Callable[[], Any]) -> Any:
    with plots.style():
        figure = make()
        figure.draw_without_rendering()
    return figure


@pytest.fixture(name="figures", scope="module")
def figures_of_the_run(run: Path) -> dict[str, Any]:
    history, epochs = read_log(run / "history.csv"), read_log(run / "epochs.csv", EPOCH_COLUMNS)
    spread = load_spread(run / "distributions.npz")
    return {
        "learning": draw(lambda: learning_picture(history, epochs, NGRAMS)),
        "gradients": draw(lambda: gradients_picture(history)),
        "gates": draw(lambda: gates_picture(history)),
        "distributions": draw(lambda: distributions_picture(spread)),
    }


def test_a_run_leaves_four_pictures_of_sensible_size(run: Path) -> None:
    assert sorted(path.name for path in draw_run(run)) == PICTURES
    first = {name: (run / name).read_bytes() for name in PICTURES}
    for name, content in first.items():
        assert content.startswith(b"\x89PNG")
        assert 10_000 < len(content) < 200_000, name
    draw_run(run)
    assert {name: (run / name).read_bytes() for name in PICTURES} == first


def assert_no_text_covers_another_or_leaves(figure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.text import Text

    drawn: list[Any] = []  # a figure holds more texts than it shows
    draw_text = Text.draw

    def draw_and_remember(text: Any, renderer: Any) -> None:
        drawn.append(text)
        draw_text(text, renderer)

    with monkeypatch.context() as patch:
        patch.setattr(Text, "draw", draw_and_remember)
        figure.draw_without_rendering()
    boxes = [(text.get_text(), text.get_window_extent()) for text in drawn if text.get_visible() and text.get_text()]
    assert len(boxes) > 10
    for text, box in boxes:
        for x, y in ((box.x0, box.y0), (box.x1, box.y1)):
            assert figure.bbox.padded(1).contains(x, y), text
    for (text, box), (other, other_box) in itertools.combinations(boxes, 2):
        assert not box.padded(-1).overlaps(other_box.padded(-1)), f"{text} and {other}"


@pytest.mark.parametrize("name", ["learning", "gradients", "gates", "distributions"])
def test_no_text_covers_another(figures: dict[str, Any], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert_no_text_covers_another_or_leaves(figures[name], monkeypatch)


@pytest.mark.parametrize(
    ("steps", "epochs", "scale"),
    [(1, 1, 1.0), (3, 3, 1.0), (700, 24, 1e-3), (1001, 11, 1e6), (40_000, 1000, 1.0), (3000, 30, 1e-8)],
)
def test_no_text_covers_another_in_runs_of_any_length(
    monkeypatch: pytest.MonkeyPatch, steps: int, epochs: int, scale: float
) -> None:
    """The last epoch is one step long, as where time was up."""
    step = np.arange(1.0, steps + 1)
    epoch = np.minimum(1 + (step - 1) * epochs // max(steps - 1, 1), epochs)
    spread = scale * np.exp(np.random.default_rng(0).normal(size=steps))
    history = {"step": step, "epoch": epoch, "loss": spread, "accuracy": spread / spread.max(), "gradient_norm": spread}
    for name in step_columns(["lstm1", "dense"])[8:]:
        history[name] = np.where(step % 7 == 1, history["accuracy" if "saturated" in name else "loss"], np.nan)
    last = np.flatnonzero(np.diff(epoch, append=np.inf))
    scores = dict.fromkeys(("train_loss", "valid_loss", "train_accuracy", "valid_accuracy"), spread[last])
    rows = {"epoch": epoch[last], "step": step[last], **scores}
    near = {name: nats * scale for name, nats in NGRAMS.items()}
    for figure in (
        draw(lambda: learning_picture(history, rows, near)),
        draw(lambda: gradients_picture(history)),
        draw(lambda: gates_picture(history)),
    ):
        assert_no_text_covers_another_or_leaves(figure, monkeypatch)


def test_learning_shows_every_step_and_the_ngrams(run: Path, figures: dict[str, Any]) -> None:
    history = read_log(run / "history.csv")
    upper, lower = figures["learning"].axes
    np.testing.assert_array_equal(upper.lines[0].get_ydata(), history["loss"])
    np.testing.assert_array_equal(lower.lines[0].get_ydata(), 100 * history["accuracy"])
    lines = {line.get_label(): line for line in upper.lines}
    np.testing.assert_array_equal(lines["valid, after an epoch"].get_xdata(), [20, 40, 60])
    valid = read_log(run / "epochs.csv", EPOCH_COLUMNS)["valid_loss"]
    np.testing.assert_array_equal(lines["valid, after an epoch"].get_ydata(), valid)
    assert {f"{name} {nats:.2f}" for name, nats in NGRAMS.items()} < lines.keys()
    assert upper.get_ylim()[0] == 0
    assert upper.get_ylim()[1] > NGRAMS["uniform"]


def test_gradients_show_each_layer(run: Path, figures: dict[str, Any]) -> None:
    history = read_log(run / "history.csv")
    gradients, updates, ratios = figures["gradients"].axes[:3]
    sampled = np.arange(4, 60, 5)
    for axes in (gradients, updates, ratios):
        assert [line.get_label() for line in axes.lines if line.get_label() in ("lstm1", "lstm2", "dense")] == [
            "lstm1", "lstm2", "dense",
        ]  # fmt: skip
    dense = next(line for line in ratios.lines if line.get_label() == "dense")
    np.testing.assert_array_equal(dense.get_xdata(), history["step"][sampled])
    np.testing.assert_allclose(
        dense.get_ydata(), (history["update_dense"] / history["weight_dense"])[sampled], rtol=1e-9
    )


def test_gates_show_shares_in_percent(run: Path, figures: dict[str, Any]) -> None:
    history = read_log(run / "history.csv")
    first, second = figures["gates"].axes[:2]
    assert first.get_title("left").startswith("lstm1")
    assert second.get_title("left").startswith("lstm2")
    colours = [line.get_color() for line in second.lines[1::2]]
    assert len(set(colours)) == 4
    np.testing.assert_allclose(second.lines[1].get_ydata()[-1], 100 * history["saturated_lstm2_i"][59])


def test_distributions_show_every_weight_and_bias(figures: dict[str, Any]) -> None:
    figure = figures["distributions"]
    titles = [axes.get_title("left").split()[0] for axes in figure.axes if axes.get_title("left")]
    assert titles == ["lstm1.Wx", "lstm1.Wh", "lstm1.b", "lstm2.Wx", "lstm2.Wh", "lstm2.b", "dense.W", "dense.b"]
    for axes in figure.axes[:8]:
        (median,) = axes.lines
        assert median.get_xdata().tolist() == [0, 1, 2, 3]  # 0: before training
        assert len(axes.collections) == 4
    whole = figure.axes[7].collections[0].get_datalim(figure.axes[7].transData)  # dense.b begins as one value
    assert whole.y0 < 0 < whole.y1


def test_features_have_panels_too(monkeypatch: pytest.MonkeyPatch) -> None:
    spread: Spread = {}
    config = ModelConfig(12, 8, context=(58, 8, 8, 12, 12, 13, 13))
    for epoch in range(3):
        spread = with_epoch(spread, epoch, init_params(config, np.random.default_rng(epoch)))
    figure = draw(lambda: distributions_picture(spread))
    titles = [axes.get_title("left").split()[0] for axes in figure.axes if axes.get_title("left")]
    assert titles == list(init_params(config, np.random.default_rng(0)))
    assert figure.get_figwidth() < 18
    assert_no_text_covers_another_or_leaves(figure, monkeypatch)


@pytest.mark.parametrize(
    "losses",
    [[2.5], [2.5, 2.4], list(np.linspace(3, 1, 500))],
    ids=["one step", "two steps", "many"],
)
def test_pictures_of_unusual_runs(tmp_path: Path, losses: list[float]) -> None:
    history = CsvLog(tmp_path / "history.csv", step_columns(["lstm1", "dense"]))
    for step, loss in enumerate(losses, 1):
        norms = {f"{kind}_{layer}": loss for kind in ("gradient", "update", "weight") for layer in ("lstm1", "dense")}
        gates = {f"saturated_lstm1_{gate}": 0.0 for gate in "ifog"}
        history.append(step=step, epoch=1, loss=loss, accuracy=0, gradient_norm=loss, tokens=step, **norms, **gates)
    history.flush()
    assert tmp_path / "learning.png" in draw_run(tmp_path)


def test_smooth_is_a_mean_around_each_value_without_gaps() -> None:
    values = np.random.default_rng(0).standard_normal(600)
    around = np.convolve(values, np.ones(11) / 11, "same")
    np.testing.assert_allclose(plots.smooth(values)[5:-5], around[5:-5])
    np.testing.assert_array_equal(plots.smooth(np.array([1.0, 5.0])), [1, 5])


# The command.


def run_command(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[1]
    command = [sys.executable, "-W", "error", "-m", "experiment", "plots", *arguments]
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(root), **environment}
    return subprocess.run(command, capture_output=True, text=True, env=bare, cwd=cwd or root, check=False)


def test_command_draws_without_noise(run: Path, tmp_path: Path) -> None:
    for name in PICTURES:
        (run / name).unlink(missing_ok=True)
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nbackend: TkAgg\nfont.size: 40\n")
    done = run_command(str(run), cwd=tmp_path, LANG="C", LC_ALL="C", HOME="/dev/null")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.split()) == [str(run / name) for name in PICTURES]
    assert all((run / name).stat().st_size < 200_000 for name in PICTURES)


def test_pictures_do_not_depend_on_a_backend_that_is_not_installed(run: Path) -> None:
    """Jupyter sets MPLBACKEND for all that is started in it."""
    done = run_command(str(run), MPLBACKEND="no_such_backend", HOME="/dev/null")
    assert (done.returncode, done.stderr) == (0, "")


def test_command_survives_a_reader_that_leaves(tmp_path: Path) -> None:
    history = CsvLog(tmp_path / "history.csv", step_columns([]))
    history.append(step=1, epoch=1, loss=1.0, accuracy=0.5)
    history.flush()
    root = Path(__file__).parents[1]
    script = f"{sys.executable} -m experiment plots '{tmp_path}' | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=root, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({}, "no run is here yet"),
        ({"history.csv": b"\x00\xff\n"}, "not a history"),
        ({"history.csv": b"step,loss\n"}, "not a history"),
        ({"distributions.npz": b"PK"}, "not a file of this program"),
    ],
)
def test_command_says_in_one_line_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], files: dict[str, bytes], fault: str
) -> None:
    folder = tmp_path / "a\x1b[31m run"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    assert main(["plots", str(folder)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("python -m experiment plots: error: ")
    assert fault in lines[0]
    assert "\x1b" not in lines[0]


@pytest.mark.parametrize("replace", REPLACEMENTS)
@pytest.mark.parametrize("name", ["history.csv", "epochs.csv", "summary.json", "distributions.npz"])
def test_a_damaged_file_is_named(run: Path, tmp_path: Path, name: str, replace: Any) -> None:
    for other in ("history.csv", "epochs.csv", "summary.json", "distributions.npz"):
        (tmp_path / other).write_bytes((run / other).read_bytes())
    (tmp_path / name).unlink()
    replace(tmp_path / name)
    with pytest.raises(RunError, match=f"{name}: "):
        draw_run(tmp_path)


@pytest.mark.parametrize("content", [b"{", b'{"uniform_nats_per_token": [1]}', b"\xff"])
def test_what_is_no_summary_is_named(run: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "history.csv").write_bytes((run / "history.csv").read_bytes())
    (tmp_path / "summary.json").write_bytes(content)
    with pytest.raises(RunError, match=r"summary\.json: "):
        draw_run(tmp_path)
