"""Checkpoints: what goes in comes out, nothing else comes in, and nothing is lost."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstm_numpy.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from lstm_numpy.container import COMMENT, DIGEST_LENGTH, _digest, pack, unpack_text
from lstm_numpy.files import sweep_temporary_files, write_whole
from lstm_numpy.parameters import ModelConfig, init_params

CONFIG = ModelConfig(vocab_size=4, hidden_size=2, layers=2, dropout=0.25, recurrent_dropout="rnndrop")
VOCABULARY = ("<start>", "<end>", "<unk>", "C4.E4:1/2")


def training_state() -> dict[str, Any]:
    rng = np.random.default_rng(8)
    rng.random(3)
    averages = {name: np.abs(p) for name, p in init_params(CONFIG, rng).items()}
    return {
        "scheme": "chord",
        "step": np.int64(12),
        "best": {"nats": 1.25, "epoch": None, "steps": [1, 2, [3.5, True]]},
        "rng": rng.bit_generator.state,
        "rmsprop": averages,
        "state": {"lstm1": {"h": np.zeros((0, 2)), "lanes": np.arange(3, dtype=np.uint16)}, "at": np.float64(0.5)},
    }


def saved(path: Path, **changes: Any) -> Path:
    content = {
        "params": init_params(CONFIG, np.random.default_rng(1)),
        "config": CONFIG,
        "vocabulary": VOCABULARY,
        "training": training_state(),
    }
    save_checkpoint(path, **{**content, **changes})
    return path


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    for dtype in (np.float32, np.float64):
        params = init_params(CONFIG, np.random.default_rng(1), dtype)
        checkpoint = load_checkpoint(saved(tmp_path / "model.npz", params=params))
        assert checkpoint.config == CONFIG
        assert checkpoint.vocabulary == VOCABULARY
        assert list(checkpoint.params) == list(params)
        for name, p in params.items():
            assert checkpoint.params[name].dtype == dtype
            np.testing.assert_array_equal(checkpoint.params[name], p)
            checkpoint.params[name] += 1  # they can be trained on

        expected, found = training_state(), checkpoint.training
        np.testing.assert_equal(found, expected)
        assert found["state"]["lstm1"]["lanes"].dtype == np.uint16
        again, rng = np.random.default_rng(0), np.random.default_rng(0)
        again.bit_generator.state, rng.bit_generator.state = found["rng"], expected["rng"]
        assert again.random() == rng.random()


def test_a_learner_opens_it_with_numpy_and_with_unzip(tmp_path: Path) -> None:
    path = saved(tmp_path / "model.npz")
    checkpoint = load_checkpoint(path)
    with np.load(path) as file:
        np.testing.assert_array_equal(file["lstm1.Wx"], checkpoint.params["lstm1.Wx"])
        np.testing.assert_array_equal(file["rmsprop/dense.b"], checkpoint.training["rmsprop"]["dense.b"])
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert json.loads(archive.read("header.json"))["config"]["hidden_size"] == 2


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    params = init_params(CONFIG, np.random.default_rng(1))
    turned = {name: np.asfortranarray(p) for name, p in reversed(params.items())}
    assert saved(tmp_path / "a.npz").read_bytes() == saved(tmp_path / "b.npz", params=turned).read_bytes()
    swapped = {name: p.astype(">f4") for name, p in params.items()}
    assert saved(tmp_path / "c.npz", params=swapped).read_bytes() == (tmp_path / "a.npz").read_bytes()


# Nothing let in.


def refused(path: Path) -> str:
    """The one line that a file is refused with."""
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(path)
    line = str(error.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    assert len(line) < len(str(path)) + 300
    return line


@pytest.fixture
def small(tmp_path: Path) -> Path:
    config = ModelConfig(vocab_size=2, hidden_size=1)
    params = init_params(config, np.random.default_rng(0))
    save_checkpoint(tmp_path / "model.npz", params, config, ["<start>", "<end>"], {"rmsprop": {"dense.b": np.zeros(2)}})
    return tmp_path / "model.npz"


def test_a_flipped_bit_is_noticed_in_every_byte(small: Path) -> None:
    data = bytearray(small.read_bytes())
    for k in range(len(data)):
        data[k] ^= 1 << k % 8
        small.write_bytes(data)
        refused(small)
        data[k] ^= 1 << k % 8
    small.write_bytes(data)
    load_checkpoint(small)


def test_truncations_and_additions_are_noticed(small: Path) -> None:
    data = small.read_bytes()
    for length in range(0, len(data), 3):
        small.write_bytes(data[:length])
        refused(small)
    for longer in (data + b"\0", b"\0" + data, data + data):
        small.write_bytes(longer)
        refused(small)


def signed(data: bytes) -> bytes:
    """What somebody writes who changes a checkpoint and knows how its digest is made."""
    data = data[:-DIGEST_LENGTH]
    return data + _digest(io.BytesIO(data), len(data))


def test_nothing_is_hidden_between_the_parts_even_under_a_true_digest(small: Path) -> None:
    data = small.read_bytes()
    text_at = data.index(b"{")
    changed = [
        data[:text_at] + b" " + data[text_at:],
        data.replace(b"lstm1.Wh.npy", b"lstm1.Wq.npy"),
        data.replace(b"lstm1.Wh.npy", b"lstm1.Wq.npy", 1),
        data.replace(b"PK\1\2", b"PK\1\3", 1),
        data.replace(b"'<f4'", b"'<i4'", 1),
        data.replace(b"\x14\0\0\0\0\0", b"\x14\0\1\0\0\0", 1),  # says that a member is encrypted
        data[: -len(COMMENT) - DIGEST_LENGTH] + b"x" + data[-len(COMMENT) - DIGEST_LENGTH :],
    ]
    for hostile in changed:
        assert hostile != data
        small.write_bytes(signed(hostile))
        refused(small)
    small.write_bytes(signed(data))
    load_checkpoint(small)


def rewritten(path: Path, change: Callable[[dict[str, Any]], Any], arrays: dict[str, Any] | None = None) -> Path:
    """A file in perfect order but for its header (and arrays)."""
    checkpoint = load_checkpoint(path)
    with path.open("rb") as file:
        header = json.loads(unpack_text(file))
    header = change(header) or header
    flat = {"rmsprop/dense.b": checkpoint.training["rmsprop"]["dense.b"], **checkpoint.params, **(arrays or {})}
    flat = {name: flat[name] for name in header["arrays"] if name in flat} if isinstance(header, dict) else flat
    text = json.dumps(header) if not isinstance(header, str) else header
    path.write_bytes(b"".join(pack(text.encode("utf-8"), flat)))
    return path


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda h: h.update(format="something else"), "not a checkpoint of this program"),
        (lambda h: h.update(version=2), "format 2, this one reads 1"),
        (lambda h: h.update(more=1), "has not the parts"),
        (lambda h: h.__delitem__("training"), "has not the parts"),
        (lambda h: h["config"].update(units=3), "not described by"),
        (lambda h: h["config"].update(hidden_size=2), "dense.W has the shape (1, 2), and its network needs (2, 2)"),
        (lambda h: h["config"].update(hidden_size=True), "hidden_size is of the wrong kind: True"),
        (lambda h: h["config"].update(hidden_size=-1), "at least 1 hidden unit"),
        (lambda h: h["config"].update(hidden_size=10**9), "larger than 32,768"),
        (lambda h: h["config"].update(layers=10**6), "larger than 256"),
        (lambda h: h["config"].update(dropout=1.5), "dropout"),
        (lambda h: h["config"].update(input="pickle"), "input"),
        (lambda h: h["config"].update(vocab_size=3), "2 tokens do not belong to a network for 3"),
        (lambda h: h.update(vocabulary=["a", "b", "c"]), "3 tokens do not belong"),
        (lambda h: h.update(vocabulary=["a", "a"]), "stands twice"),
        (lambda h: h.update(vocabulary=["a", "\x1b[2J"]), "cannot be printed"),
        (lambda h: h.update(vocabulary=["a", ""]), "empty"),
        (lambda h: h.update(vocabulary=["a", 5]), "not a list of tokens"),
        (lambda h: h["arrays"].__delitem__("lstm1.b"), "the array lstm1.b has the shape nothing"),
        (lambda h: h["arrays"].update(extra=["float32", [2]]), "the array extra has the shape (2,)"),
        (lambda h: h["arrays"].update({"../x": ["float32", [2]]}), "cannot be"),
        (lambda h: h["arrays"].update({"a//b": ["float32", [2]]}), "cannot be"),
        (lambda h: h["arrays"].update({"a/b": ["object", [2]]}), "cannot be"),
        (lambda h: h["arrays"].update({"a/b": ["float32", [-1]]}), "cannot be"),
        (lambda h: h["arrays"].update({"a/b": ["float32", [2**40]]}), "cannot be"),
        (lambda h: h["arrays"].update({"a/b": ["float32", [2**31 - 1, 2**31 - 1]]}), "not as large as its header says"),
        (lambda h: h["arrays"].update({"lstm1.b": ["int32", [4]]}), "not all float32"),
        (lambda h: h.update(training=[]), "not a dict"),
        (lambda h: h["training"].update(rmsprop=3), "no room for the array rmsprop/dense.b"),
        (lambda h: h["training"].update(rmsprop={"dense.b": 3}), "two values for rmsprop/dense.b"),
        (lambda h: json.dumps({**h, "training": float("nan")}), "holds NaN"),
        (lambda h: json.dumps(h).replace('"training": {', '"training": {"x": 1e999, '), "too large: 1e999"),
        (lambda h: json.dumps(h)[:-1] + ', "version": 1}', "a key stands twice"),
        (lambda h: "[" * 200_000, ""),
        (lambda h: "9" * 5000, ""),
        (lambda h: "{", ""),
        (lambda h: '"\u00e9"', ""),
        (lambda h: "[]", "not a checkpoint"),
    ],
)
def test_a_header_that_lies_is_refused_with_its_reason(
    small: Path, change: Callable[[dict[str, Any]], Any], reason: str
) -> None:
    assert reason in refused(rewritten(small, change))


def test_a_well_made_header_is_let_in(small: Path) -> None:
    assert load_checkpoint(rewritten(small, lambda h: None)).vocabulary == ("<start>", "<end>")


def test_numbers_that_are_not_finite_are_refused(small: Path) -> None:
    for name, bad in (("lstm1.b", np.nan), ("rmsprop/dense.b", np.inf)):
        before = small.read_bytes()
        arrays = {"lstm1.b": np.zeros(4, np.float32), "rmsprop/dense.b": np.zeros(2)}
        arrays[name][1] = bad
        assert f"{name} holds NaN or infinity" in refused(rewritten(small, lambda h: None, arrays))
        small.write_bytes(before)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    assert "No such file" in refused(path)
    assert "not a file" in refused(tmp_path)
    np.savez(path, W=np.zeros(3))
    assert "not a checkpoint" in refused(path)
    np.savez(path, W=np.array([print], dtype=object))
    assert "not a checkpoint" in refused(path)
    for content in (b"", b"PK\3\4", b"MThd", os.urandom(500), b"PK\3\4" + COMMENT, COMMENT + b"0" * 64):
        path.write_bytes(content)
        assert "not a checkpoint" in refused(path)
    os.truncate(path, 2**31)
    assert "larger than" in refused(path)
    os.mkfifo(tmp_path / "pipe")
    assert "not a file" in refused(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match=r"\\x1b\[31m"):
        load_checkpoint(tmp_path / "\x1b[31m.npz")


# Nothing lost.


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def no_space(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FullDisk:
    """A file of which one call fails."""

    def __init__(self, file: Any, failing: str) -> None:
        self.file, self.failing = file, failing

    def __getattr__(self, name: str) -> Any:
        return no_space if name == self.failing else getattr(self.file, name)

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        if self.failing == "close":
            no_space()


@pytest.mark.parametrize("call", ["write", "flush", "fsync", "close", "replace"])
def test_a_failing_write_or_flush_or_rename_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = saved(tmp_path / "last.npz")
    before = path.read_bytes()
    if call == "fsync":
        monkeypatch.setattr(os, "fsync", no_space)
    elif call == "replace":
        monkeypatch.setattr(Path, "replace", no_space)
    else:
        open_file = Path.open
        monkeypatch.setattr(Path, "open", lambda path, mode: FullDisk(open_file(path, mode), call))
    with pytest.raises(CheckpointError) as error:
        saved(path, training={})
    monkeypatch.undo()
    assert str(error.value) == f"{path}: cannot be saved: No space left on device"
    assert names_in(tmp_path) == ["last.npz"]
    assert path.read_bytes() == before


def test_a_limit_on_file_size_is_a_full_disk(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = saved(tmp_path / "last.npz")
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(CheckpointError, match=r"cannot be saved: File too large"):
            saved(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names_in(tmp_path) == ["last.npz"]
    assert path.read_bytes() == before


def test_ctrl_c_while_saving_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "last.npz")
    before = path.read_bytes()

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        saved(path, training={})
    assert names_in(tmp_path) == ["last.npz"]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"vocabulary": VOCABULARY[:3]}, "3 tokens do not belong"),
        ({"params": {}}, "has the shape nothing"),
        ({"params": {**init_params(CONFIG, np.random.default_rng(1)), "dense.b": np.full(4, np.nan, "f4")}}, "NaN"),
        ({"training": {"best": float("inf")}}, "not JSON compliant"),
        ({"training": {"done": {1, 2}}}, "not JSON serializable"),
        ({"training": {"h": np.zeros(3)}}, "in a dict of its own"),
        ({"training": {"x": {"h": np.array(["text"])}}}, "x/h"),
        ({"training": {5: 1}}, "cannot be a key"),
        ({"training": {"a/b": 1}}, "cannot be a key"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    path = saved(tmp_path / "last.npz")
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="not saved") as error:
        saved(path, **changes)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)
    assert path.read_bytes() == before
    with pytest.raises(CheckpointError, match="No such file"):
        saved(tmp_path / "nowhere" / "last.npz")


SAVING_FOR_EVER = """
import sys
from pathlib import Path
import numpy as np
from lstm_numpy.files import write_whole
for n in range(10**9):
    write_whole(Path(sys.argv[1]), [bytes([n % 256]) * 400_000] * 3)
    print(n, flush=True)
"""


def test_kill_9_leaves_a_whole_file_and_its_remains_are_swept(tmp_path: Path) -> None:
    path = tmp_path / "last.npz"
    for delay in range(4):
        process = subprocess.Popen([sys.executable, "-c", SAVING_FOR_EVER, path], stdout=subprocess.PIPE, text=True)
        assert process.stdout
        reported = [int(process.stdout.readline()) for _ in range(5 + 7 * delay)][-1]
        process.send_signal(signal.SIGKILL)
        reported = max([reported, *map(int, process.stdout.read().split())])
        process.wait()
        process.stdout.close()
        data = path.read_bytes()
        assert len(data) == 1_200_000
        assert len(set(data)) == 1
        assert data[0] in (reported % 256, (reported + 1) % 256)
    sweep_temporary_files(tmp_path)
    assert names_in(tmp_path) == ["last.npz"]


def test_only_the_remains_of_dead_processes_are_swept(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    kept = [f".last.npz.{os.getppid()}.tmp", "last.npz", "last.npz.1234.tmp", ".tmp", ".x.tmp", ".notes.txt"]
    swept = [f".last.npz.{ended.pid}.tmp", f".summary.json.{os.getpid()}.tmp", f".x.{10**17}.tmp"]
    for name in kept + swept:
        (tmp_path / name).touch()
    assert sweep_temporary_files(tmp_path) == sorted(swept)
    assert names_in(tmp_path) == sorted(kept)
    assert sweep_temporary_files(tmp_path / "nowhere") == []


def test_write_whole_keeps_what_stands_until_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_bytes(b"old")

    def chunks() -> Any:
        yield b"new"
        assert path.read_bytes() == b"old"
        yield b"er"

    write_whole(path, chunks())
    assert path.read_bytes() == b"newer"
