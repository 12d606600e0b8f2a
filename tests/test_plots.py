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

from experiment.distributions import Distributions
from experiment.history import History, norms_by_layer, read_history, saturation
from experiment.plots import (
    PlotError,
    distributions_picture,
    draw_run,
    gates_picture,
    gradients_picture,
    learning_picture,
    main,
    panels,
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
    distributions = Distributions()
    distributions.add(0, params)
    with History(folder / "history.csv", ["lstm1", "lstm2", "dense"]) as history:
        for step in range(1, 61):
            loss, grads, _, trace = loss_and_gradients(params, ids[:-1], ids[1:])
            row: dict[str, float] = {}
            if step % 5 == 0:
                row |= norms_by_layer(grads, "gradient_") | norms_by_layer(params, "weight_") | saturation(trace)
            before = {name: values.copy() for name, values in params.items()}
            norm = clip_by_global_norm(grads, 1.0)
            optimizer.step(params, grads)
            if step % 5 == 0:
                row |= norms_by_layer({name: params[name] - before[name] for name in params}, "update_")
            if step % 20 == 0:
                row |= {"valid_loss": loss + 0.1 * (step == 60), "valid_accuracy": 0.75}
                distributions.add(step // 20, params)
            history.append(
                step=step, epoch=(step + 19) // 20, loss=loss, accuracy=trace["score"].correct / 128,
                learning_rate=1e-2, gradient_norm=norm, tokens=128 * step, seconds=0.1 * step, **row,
            )  # fmt: skip
    distributions.save(folder / "distributions.npz")
    summary = {f"{name}_nats_per_token": nats for name, nats in NGRAMS.items()}
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def draw(make: Callable[[], Any]) -> Any:
    with panels.style():
        figure = make()
        figure.draw_without_rendering()
    return figure


@pytest.fixture(name="figures", scope="module")
def figures_of_the_run(run: Path) -> dict[str, Any]:
    history = read_history(run / "history.csv")
    distributions = Distributions.load(run / "distributions.npz")
    return {
        "learning": draw(lambda: learning_picture(history, NGRAMS)),
        "gradients": draw(lambda: gradients_picture(history)),
        "gates": draw(lambda: gates_picture(history)),
        "distributions": draw(lambda: distributions_picture(distributions)),
    }


def test_a_run_leaves_four_pictures_of_sensible_size(run: Path) -> None:
    assert sorted(path.name for path in draw_run(run)) == PICTURES
    first = {name: (run / name).read_bytes() for name in PICTURES}
    for name, content in first.items():
        assert content.startswith(b"\x89PNG")
        assert 10_000 < len(content) < 200_000, name
    draw_run(run)
    assert {name: (run / name).read_bytes() for name in PICTURES} == first


def test_no_text_covers_another_or_leaves_the_picture(figures: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.text import Text

    drawn: list[Any] = []  # a figure holds more texts than it shows
    draw_text = Text.draw

    def draw_and_remember(text: Any, renderer: Any) -> None:
        drawn.append(text)
        draw_text(text, renderer)

    monkeypatch.setattr(Text, "draw", draw_and_remember)
    for name, figure in figures.items():
        drawn.clear()
        figure.draw_without_rendering()
        boxes = [
            (text.get_text(), text.get_window_extent()) for text in drawn if text.get_visible() and text.get_text()
        ]
        assert len(boxes) > 20
        for text, box in boxes:
            assert figure.bbox.padded(1).containsx(box.x0), f"{name}: {text}"
            assert figure.bbox.padded(1).containsx(box.x1), f"{name}: {text}"
            assert figure.bbox.padded(1).containsy(box.y0), f"{name}: {text}"
            assert figure.bbox.padded(1).containsy(box.y1), f"{name}: {text}"
        for (text, box), (other, other_box) in itertools.combinations(boxes, 2):
            assert not box.padded(-1).overlaps(other_box.padded(-1)), f"{name}: {text} and {other}"


def test_learning_shows_every_step_the_best_epoch_and_the_ngrams(run: Path, figures: dict[str, Any]) -> None:
    history = read_history(run / "history.csv")
    upper, lower = figures["learning"].axes[:2]
    lines = {line.get_label(): line for line in upper.lines}
    np.testing.assert_array_equal(lines["train, each step"].get_ydata(), history["loss"])
    np.testing.assert_allclose(
        lines["train, mean of an epoch"].get_ydata(), history["loss"].reshape(3, 20).mean(axis=1), rtol=1e-12
    )
    np.testing.assert_array_equal(lines["valid, after an epoch"].get_xdata(), [20, 40, 60])
    best = history["valid_loss"][[19, 39, 59]].argmin()
    assert f"{history['valid_loss'][[19, 39, 59]].min():.2f} nats per token" in upper.get_title("left")
    assert f"(epoch {best + 1})" in upper.get_title("left")
    assert "75 %" in lower.get_title("left")
    assert {text.get_text() for text in upper.texts} == {f"{name} {nats:.2f}" for name, nats in NGRAMS.items()}
    assert upper.get_ylim()[0] == 0
    assert upper.get_ylim()[1] > NGRAMS["uniform"]


def test_gradients_show_each_layer(run: Path, figures: dict[str, Any]) -> None:
    history = read_history(run / "history.csv")
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
    history = read_history(run / "history.csv")
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
    maps = [axes.collections[0].get_array() for axes in figure.axes if axes.get_title("left")]
    for heat in maps:
        assert heat.shape == (80, 4)  # values by epochs: 0, before training, to 3
        np.testing.assert_array_equal(heat.max(axis=0), 1)
    before, after = maps[7][:, 0], maps[7][:, 3]  # dense.b begins as one value, and spreads
    assert np.count_nonzero(before) == 1
    assert np.count_nonzero(after) > 5


@pytest.mark.parametrize(
    "losses",
    [[2.5], [2.5, 2.4], [math.nan] * 5, [2.0, math.inf, math.nan], [0.0, 0.0], list(np.linspace(3, 1, 500))],
    ids=["one step", "two steps", "nan", "infinite", "zero", "many"],
)
def test_pictures_of_unusual_runs(tmp_path: Path, losses: list[float]) -> None:
    with History(tmp_path / "history.csv", ["lstm1", "dense"]) as history:
        for step, loss in enumerate(losses, 1):
            norms = {
                f"{kind}_{layer}": loss for kind in ("gradient", "update", "weight") for layer in ("lstm1", "dense")
            }
            gates = {f"saturated_lstm1_{gate}": 0.0 for gate in "ifog"}
            history.append(step=step, epoch=1, loss=loss, accuracy=0, gradient_norm=loss, tokens=step, **norms, **gates)
    assert tmp_path / "learning.png" in draw_run(tmp_path)


def test_labels_on_one_height_are_moved_apart() -> None:
    with panels.style():
        figure, (axes,) = panels.stacked_panels(1, 10, height=4)
        panels.label_right(axes, [(0.5, name, panels.GREY) for name in "abc"] + [(0.9, "far", panels.GREY)], inches=3)
        figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    heights = {text.get_text(): text.xy[1] for text in axes.texts}
    assert heights["far"] == pytest.approx(0.9)
    assert heights["b"] == pytest.approx(0.5)


def test_smooth_is_the_mean_around_each_value_without_gaps() -> None:
    values = np.random.default_rng(0).standard_normal(200)
    values[[0, 50, 51]] = np.nan
    smooth = panels.smooth(values)
    for row in (0, 2, 50, 120, 199):
        assert smooth[row] == pytest.approx(np.nanmean(values[max(0, row - 3) : row + 4]))
    np.testing.assert_array_equal(panels.smooth(np.array([1.0, 5.0])), [1, 5])


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


def test_command_survives_a_reader_that_leaves(tmp_path: Path) -> None:
    with History(tmp_path / "history.csv", []) as history:
        history.append(step=1, loss=1.0)
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
        ({"distributions.npz": b"PK"}, "no distributions"),
    ],
)
def test_command_says_in_one_line_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], files: dict[str, bytes], fault: str
) -> None:
    folder = tmp_path / "a\x1b[31m run"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    with pytest.raises(SystemExit) as end:
        main([str(folder)])
    assert end.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("python -m experiment plots: error: ")
    assert fault in lines[0]
    assert "\x1b" not in lines[0]


def test_a_damaged_summary_is_named(run: Path, tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_bytes((run / "history.csv").read_bytes())
    for content in (b"{", b"[]", b'{"uniform_nats_per_token": [1]}', b"\xff"):
        (tmp_path / "summary.json").write_bytes(content)
        with pytest.raises(PlotError, match=r"summary\.json is not the summary of a run"):
            draw_run(tmp_path)
