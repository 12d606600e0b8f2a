"""history.csv: nothing lost, nothing doubled, whatever interrupts it; and the numbers that it is given."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import REPLACEMENTS

from experiment.folder import RunError
from experiment.history import (
    EPOCH_COLUMNS,
    CsvLog,
    norms_by_layer,
    read_log,
    saturation,
    step_columns,
)
from lstm_numpy.model import loss_and_gradients
from lstm_numpy.optimizer import clip_by_global_norm
from lstm_numpy.parameters import ModelConfig, init_params
from lstm_numpy.speed.workspace import Workspace

COLUMNS = step_columns(["lstm1", "lstm2", "dense"])


def write_steps(history: CsvLog, first: int, last: int) -> None:
    for step in range(first, last + 1):
        history.append(step=step, epoch=(step + 4) // 5, loss=3 / step, tokens=100 * step)


def whole_file(folder: Path, steps: int) -> bytes:
    history = CsvLog(folder / "whole.csv", COLUMNS)
    write_steps(history, 1, steps)
    history.flush()
    return (folder / "whole.csv").read_bytes()


def test_numbers_come_back(tmp_path: Path) -> None:
    history = CsvLog(tmp_path / "history.csv", COLUMNS)
    history.append(step=1, epoch=1, loss=np.float32(0.1), tokens=np.int64(12_345_678_901), update_lstm2=1e-30)
    history.append(step=2, epoch=1, loss=math.inf, accuracy=None)
    history.flush()
    columns = read_log(tmp_path / "history.csv")
    assert list(columns) == COLUMNS
    assert np.float32(columns["loss"][0]) == np.float32(0.1)
    assert columns["loss"][1] == math.inf
    assert columns["tokens"][0] == 12_345_678_901
    assert columns["update_lstm2"][0] == 1e-30
    assert np.isnan(columns["accuracy"]).all()
    assert np.isnan(columns["saturated_lstm2_g"]).all()


def test_epochs_have_a_file_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "epochs.csv"
    epochs = CsvLog(path, EPOCH_COLUMNS)
    epochs.append(epoch=1, step=20, valid_loss=1.5)
    epochs.append(epoch=2, step=20, valid_loss=1.25)  # of no step, as where time was up
    epochs.flush()
    assert read_log(path, EPOCH_COLUMNS)["valid_loss"].tolist() == [1.5, 1.25]
    epochs = CsvLog(path, EPOCH_COLUMNS, after=1)  # the checkpoint knew of one
    epochs.append(epoch=2, step=20, valid_loss=1.125)
    epochs.flush()
    assert read_log(path, EPOCH_COLUMNS)["valid_loss"].tolist() == [1.5, 1.125]
    with pytest.raises(RunError, match="not a history"):
        read_log(path)


def test_rows_can_be_read_while_the_run_goes_on(tmp_path: Path) -> None:
    history = CsvLog(tmp_path / "history.csv", COLUMNS)
    write_steps(history, 1, 7)
    history.flush()
    assert read_log(tmp_path / "history.csv")["step"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    write_steps(history, 8, 9)


def test_resumed_history_has_no_gap_and_no_repeat(tmp_path: Path) -> None:
    whole = whole_file(tmp_path, 12)
    path = tmp_path / "history.csv"
    path.write_bytes(whole_file(tmp_path, 9))
    history = CsvLog(path, COLUMNS, after=6)  # steps 7 to 9 came after the checkpoint
    write_steps(history, 7, 12)
    history.flush()
    assert path.read_bytes() == whole


def test_killed_at_any_byte_it_goes_on(tmp_path: Path) -> None:
    whole = whole_file(tmp_path, 4)
    path = tmp_path / "history.csv"
    for cut in [*range(whole.index(b"\n") + 1, len(whole), 9), len(whole) - 1]:
        path.write_bytes(whole[:cut])
        complete = whole[:cut].count(b"\n") - 1
        history = CsvLog(path, COLUMNS, after=complete)
        write_steps(history, complete + 1, 4)
        history.flush()
        assert path.read_bytes() == whole, f"cut after {cut} bytes"


def test_a_half_written_row_is_not_read(tmp_path: Path) -> None:
    whole = whole_file(tmp_path, 4)
    (tmp_path / "history.csv").write_bytes(whole[:-10])
    assert read_log(tmp_path / "history.csv")["step"].tolist() == [1, 2, 3]


def test_no_file_is_a_new_one(tmp_path: Path) -> None:
    history = CsvLog(tmp_path / "history.csv", COLUMNS)
    write_steps(history, 1, 2)
    history.flush()
    assert len(read_log(tmp_path / "history.csv")["step"]) == 2


@pytest.mark.parametrize("room", [0, 1, 30, 100])
def test_after_a_full_disk_the_history_goes_on_from_the_checkpoint(tmp_path: Path, room: int) -> None:
    resource = pytest.importorskip("resource")
    whole = whole_file(tmp_path, 6)
    path = tmp_path / "history.csv"
    history = CsvLog(path, COLUMNS)
    write_steps(history, 1, 2)
    history.flush()
    write_steps(history, 3, 6)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + room, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            history.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    history = CsvLog(path, COLUMNS, after=2)
    write_steps(history, 3, 6)
    history.flush()
    assert path.read_bytes() == whole


HEADER = ",".join(COLUMNS)


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\xff\n",
        b"step,loss\n1,2\n",
        HEADER.replace("accuracy", "loss", 1).encode() + b"\n",
        HEADER.encode() + b"\n1,2,3\n",
        HEADER.encode() + b"\none" + b"," * HEADER.count(",") + b"\n",
        HEADER.encode() + (b"\n2" + b"," * HEADER.count(",")) * 2 + b"\n",
        HEADER.encode() + b"\n" + b"," * HEADER.count(",") + b"\n",
    ],
)
def test_what_is_no_history_is_refused_in_one_line_and_not_touched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "history.csv"
    path.write_bytes(content)
    for read in (lambda: read_log(path), lambda: CsvLog(path, COLUMNS, after=9)):
        with pytest.raises(RunError, match=r"history\.csv: ") as refusal:
            read()
        assert "\n" not in str(refusal.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize("replace", REPLACEMENTS)
def test_only_a_file_is_read(tmp_path: Path, replace: Any) -> None:
    replace(tmp_path / "history.csv")
    for read in (read_log, lambda path: CsvLog(path, COLUMNS, after=9)):
        with pytest.raises(RunError, match=r"history\.csv: "):
            read(tmp_path / "history.csv")


# The numbers that are looked at now and then.


@pytest.fixture(name="config")
def small_network() -> ModelConfig:
    return ModelConfig(vocab_size=11, hidden_size=6, layers=2, dropout=0)


def test_layers_norms_are_parts_of_the_global_norm(config: ModelConfig) -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(11, size=(7, 3))
    _, grads, _, _ = loss_and_gradients(init_params(config, rng, np.float64), ids, ids)
    norms = norms_by_layer(grads, "gradient_")
    assert list(norms) == ["gradient_lstm1", "gradient_lstm2", "gradient_dense"]
    assert math.hypot(*norms.values()) == pytest.approx(clip_by_global_norm(grads, math.inf))
    assert norms["gradient_dense"] == pytest.approx(math.hypot(*grads["dense.W"].ravel(), *grads["dense.b"]))


@pytest.mark.parametrize("threads", [1, 2])
def test_saturation_counts_gates_at_their_ends(config: ModelConfig, threads: int) -> None:
    ids = np.zeros((5, 4), np.int64)
    params = {name: np.zeros_like(array) for name, array in init_params(config, np.random.default_rng(0)).items()}
    # of lstm2's six units: i is shut in two, f is open in three, o is in the middle, g is at its ends in one
    params["lstm2.b"][:] = np.repeat([-9, 0, 9, 0, 9, 0], [2, 4, 3, 3 + 6, 1, 5])
    _, _, _, trace = loss_and_gradients(params, ids, ids, workspace=Workspace(config, 5, 4, threads))
    shares = saturation(trace)
    assert [shares[f"saturated_lstm1_{gate}"] for gate in "ifog"] == [0, 0, 0, 0]
    assert [shares[f"saturated_lstm2_{gate}"] for gate in "ifog"] == pytest.approx([2 / 6, 3 / 6, 0, 1 / 6])


def test_what_is_sampled_has_its_columns(config: ModelConfig) -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(11, size=(7, 3))
    params = init_params(config, rng)
    _, grads, _, trace = loss_and_gradients(params, ids, ids)
    sampled = norms_by_layer(grads, "gradient_") | norms_by_layer(params, "weight_") | saturation(trace)
    assert set(sampled) <= set(COLUMNS)
    assert "saturated_lstm2_o" in sampled
