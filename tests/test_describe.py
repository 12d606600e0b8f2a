"""Every number of a run by name, in a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiment.__main__ import main
from experiment.describe import Row, describe, row
from experiment.songs import RunSongs
from lstm_numpy import ModelConfig, init_params, loss_and_gradients, save_checkpoint
from lstm_numpy.batches import Songs
from midi_io.played import AS_WRITTEN
from midi_io.tokens.context import Context
from midi_io.vocabulary import Vocabulary

ROOT = Path(__file__).parent.parent
STEP = ("i", "f", "o", "g", "c", "tanh_c", "h", "rh", "dz", "dh", "dc")


@pytest.mark.parametrize("kind", ["onehot", "scalar"])
def test_every_array_has_a_row_with_its_name_shape_and_dtype(kind: str) -> None:
    config = ModelConfig(6, 3, layers=2, input=kind)  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    params, ids, targets = init_params(config, rng), *rng.integers(0, 6, (2, 4, 2))
    loss, headings = describe(params, ids, targets)
    wanted, grads, _, trace = loss_and_gradients(params, ids, targets)
    assert loss == wanted
    rows = {one.name: one for ones in headings.values() for one in ones}
    assert sum(map(len, headings.values())) == len(rows)  # no name twice
    names = set(params) | {f"{layer}.d{letter}" for layer, letter in (name.split(".") for name in params)}
    names |= {f"lstm{n}.{field}" for n in (1, 2) for field in STEP}
    names |= {f"{layer}.input.{field}" for layer in ("lstm1", "lstm2", "dense") for field in ("x", "dx")}
    names |= {"loss.logits", "loss.probabilities", "loss.dlogits", "score.nats"}
    assert rows.keys() == names
    for name, array in params.items():
        assert rows[name].shape == array.shape
        assert rows[name.replace(".", ".d")].largest == pytest.approx(np.abs(grads[name]).max())
    assert rows["lstm2.f"].rms == pytest.approx(np.sqrt((trace["lstm2"].f.astype(float) ** 2).mean()))
    assert rows["lstm1.input.dx"].shape == (4, 2, 6 if kind == "onehot" else 1)
    assert {one.dtype for one in rows.values()} <= {"float32", "int64"}
    assert {name for ones in headings["backward"] for name in [ones.name]} >= {"lstm1.dz", "loss.dlogits", "dense.dW"}


def test_what_counts_as_saturated() -> None:
    gate = np.array([0.05, 0.15, 0.85, 0.95], np.float32)
    assert row("lstm1.f", gate).saturated == 0.5
    tanh = np.array([-0.95, 0.05, 0.85, 0.95], np.float32)
    assert row("lstm1.g", tanh).saturated == row("lstm3.tanh_c", tanh).saturated == 0.5
    assert row("lstm1.h", gate).saturated is None
    assert row("x", np.array([-3.0, 4.0])) == Row("x", (2,), "float64", pytest.approx(12.5**0.5), 4.0, None)


TOKENS = ("<start>", "<end>", "<unk>", "C4:1", "E4:1", "G4:2")
NO_FEATURES = {"tokens": "chord", "grid": 12, "transpose": 0, "context": "none", **AS_WRITTEN._asdict()}


def facts(songs: RunSongs, **settings: str) -> dict[str, object]:
    """What a checkpoint of a run says, as far as the command reads it."""
    return {"settings": {**NO_FEATURES, **settings}, "songs_sha256": songs.sha256()}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run, as far as the command reads it."""
    config, rng = ModelConfig(6, 4), np.random.default_rng(0)
    songs = Songs.of([[0, *rng.integers(3, 6, n), 1] for n in (9, 5, 7)])
    run = RunSongs(songs, np.zeros(3, np.uint8), np.ones(3), np.full(3, 120.0), np.zeros(0))
    run.save(tmp_path / "songs.npz")
    save_checkpoint(tmp_path / "model.npz", init_params(config, rng), config, TOKENS, facts(run))
    return tmp_path


def test_the_command_prints_the_table(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", str(run)]) == 0
    printed = capsys.readouterr().out
    assert "3 of the run's songs, without dropout: 1." in printed
    for name in ("lstm1.Wx", "lstm1.f ", "loss.probabilities", "lstm1.dz", "dense.db"):
        assert f"\n{name}" in printed
    assert any(line.split() and line.split()[0] == "lstm1.f" and line.endswith("%") for line in printed.splitlines())


def test_what_is_no_run_is_one_line_and_status_2(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(folder: Path) -> str:
        assert main(["describe", str(folder)]) == 2
        message = capsys.readouterr().err
        assert message.startswith("python -m experiment describe: error: ")
        assert message.count("\n") == 1
        return message

    assert "none" in refused(run / "none")
    config, settings = ModelConfig(4, 4), {"settings": NO_FEATURES}
    save_checkpoint(run / "model.npz", init_params(config, np.random.default_rng(0)), config, TOKENS[:4], settings)
    assert "not the songs that the run was begun with" in refused(run)
    (run / "songs.npz").unlink()
    assert "No such file" in refused(run)
    (run / "model.npz").write_bytes(b"no checkpoint")
    assert "model.npz" in refused(run)


def test_features_have_their_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = Context(Vocabulary(TOKENS, "chord"), "clock")
    songs = Songs.of([[0, 3, 4, 5, 3, 1], [0, 4, 4, 5, 1]])
    rows = context.of_songs(songs.flat, songs.offsets)
    songs = Songs(songs.flat, songs.offsets, rows, context.id_columns)
    run = RunSongs(songs, np.zeros(2, np.uint8), np.ones(2), np.full(2, 120.0), np.zeros(0))
    run.save(tmp_path / "songs.npz")
    config = ModelConfig(6, 4, context=context.sizes)
    params = init_params(config, np.random.default_rng(0))
    save_checkpoint(tmp_path / "model.npz", params, config, TOKENS, facts(run, context="clock"))
    assert main(["describe", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    for name in ("lstm1.Wx1 place", "lstm1.Wx3 bar", "lstm1.Wx5 home", "lstm1.dWx4 phrase"):
        assert f"\n{name} " in printed
    save_checkpoint(tmp_path / "model.npz", params, config, TOKENS)
    assert main(["describe", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
