"""Checkpoints: what goes in comes out, nothing else comes in, and the equations must be those that trained it."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import REPLACEMENTS

from lstm_numpy.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from lstm_numpy.files import read_arrays, write_arrays
from lstm_numpy.model import forward
from lstm_numpy.parameters import ModelConfig, init_params

NETWORK = ModelConfig(vocab_size=4, hidden_size=2, layers=2, dropout=0.25, recurrent_dropout="rnndrop")
VOCABULARY = ("<start>", "<end>", "<unk>", "C4.E4:1/2")
PARAMS = init_params(NETWORK, np.random.default_rng(1))


def training_state() -> dict[str, Any]:
    rng = np.random.default_rng(8)
    rng.random(3)
    averages = {name: np.abs(p) for name, p in init_params(NETWORK, rng).items()}
    return {
        "scheme": "chord",
        "step": np.int64(12),
        "best": {"nats": 1.25, "epoch": None, "steps": [1, 2, [3.5, True]]},
        "rng": rng.bit_generator.state,
        "optimizer": averages,
        "carried": {"lstm1.h": np.zeros((0, 2)), "lanes": np.arange(3, dtype=np.uint16)},
        "held": {},
        "at": np.float64(0.5),
    }


def saved(path: Path, **changes: Any) -> Path:
    content = {
        "params": PARAMS,
        "config": NETWORK,
        "vocabulary": VOCABULARY,
        "training": training_state(),
    }
    save_checkpoint(path, **{**content, **changes})
    return path


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    for dtype in (np.float32, np.float64):
        params = init_params(NETWORK, np.random.default_rng(1), dtype)
        checkpoint = load_checkpoint(saved(tmp_path / "model.npz", params=params))
        assert checkpoint.config == NETWORK
        assert checkpoint.vocabulary == VOCABULARY
        assert list(checkpoint.params) == list(params)
        for name, p in params.items():
            assert checkpoint.params[name].dtype == dtype
            np.testing.assert_array_equal(checkpoint.params[name], p)
            checkpoint.params[name] += 1  # they can be trained on

        expected, found = training_state(), checkpoint.training
        np.testing.assert_equal(found, expected)
        assert found["carried"]["lanes"].dtype == np.uint16
        again, rng = np.random.default_rng(0), np.random.default_rng(0)
        again.bit_generator.state, rng.bit_generator.state = found["rng"], expected["rng"]
        assert again.random() == rng.random()


def test_a_learner_opens_it_with_numpy(tmp_path: Path) -> None:
    path = saved(tmp_path / "model.npz")
    checkpoint = load_checkpoint(path)
    with np.load(path, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["lstm1.Wx"], checkpoint.params["lstm1.Wx"])
        np.testing.assert_array_equal(file["optimizer/dense.b"], checkpoint.training["optimizer"]["dense.b"])
        assert json.loads(file["header.json"].tobytes())["config"]["hidden_size"] == 2


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    params = init_params(NETWORK, np.random.default_rng(1))
    turned = {name: np.asfortranarray(p) for name, p in reversed(params.items())}
    assert saved(tmp_path / "a.npz").read_bytes() == saved(tmp_path / "b.npz", params=turned).read_bytes()


# A checkpoint knows its mathematics.


@pytest.mark.parametrize("config", [NETWORK, ModelConfig(60, 5, input="scalar"), ModelConfig(9, 4, context=(5, 9))])
def test_a_model_of_other_equations_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: ModelConfig
) -> None:
    tokens = [f"t{n}" for n in range(config.vocab_size)]
    params = init_params(config, np.random.default_rng(1))
    path = saved(tmp_path / "model.npz", params=params, config=config, vocabulary=tokens)

    def gates_in_another_order(params: Any, ids: Any, **options: Any) -> Any:
        H = config.hidden_size
        return forward({n: np.roll(p, H, axis=-1) if "lstm" in n else p for n, p in params.items()}, ids, **options)

    def cells_that_forget_at_once(params: Any, ids: Any, **options: Any) -> Any:
        context = options["context"]
        parts = [None if context is None else context[t : t + 1] for t in range(len(ids))]
        results = [forward(params, ids[t : t + 1], context=part) for t, part in enumerate(parts)]
        return np.concatenate([logits for logits, _, _ in results]), *results[0][1:]

    def features_unheard(params: Any, ids: Any, **options: Any) -> Any:
        return forward({n: p * (n[:-1] != "lstm1.Wx") for n, p in params.items()}, ids, **options)

    for other in (gates_in_another_order, cells_that_forget_at_once, *[features_unheard] * bool(config.context)):
        monkeypatch.setattr("lstm_numpy.checkpoint.forward", other)
        assert "was trained with other equations than this program has" in refused(path)
    monkeypatch.setattr("lstm_numpy.checkpoint.forward", forward)
    load_checkpoint(path)


def test_rounding_is_no_other_equation(tmp_path: Path) -> None:
    """Another machine sums in another order."""
    path = saved(tmp_path / "model.npz")
    arrays = read_arrays(path)
    arrays["probe"] *= 1 + np.float32(1e-5)
    write_arrays(path, arrays)
    load_checkpoint(path)


# Nothing let in.


def refused(path: Path) -> str:
    """The one line that a file is refused with."""
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(path)
    line = str(error.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    assert len(line) < len(str(path)) + 400
    return line


def rewritten(path: Path, header: Any = None, arrays: Mapping[str, Any] | None = None) -> Path:
    """The same file except its header, or its arrays."""
    content = dict(arrays or read_arrays(path))
    if header is not None:
        text = header if isinstance(header, bytes) else json.dumps(header, indent=1, sort_keys=True).encode()
        content["header.json"] = np.frombuffer(text, np.uint8)
    np.savez(path, **content)  # type: ignore[arg-type]
    return path


def header_of(path: Path) -> Any:
    return json.loads(read_arrays(path)["header.json"].tobytes())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda h: {**h, "format": "something else"}, "not a checkpoint of this program"),
        (lambda h: {**h, "version": 3}, "of another version of it"),
        (lambda h: {**h, "config": {**h["config"], "hidden_size": 3}}, "is not of this network"),
        (lambda h: {**h, "config": {**h["config"], "more": 3}}, "more"),
        (lambda h: {**h, "config": {**h["config"], "dropout": "0.1"}}, ""),
        (lambda h: {**h, "config": None}, ""),
        (lambda h: {**h, "vocabulary": [[], 2, None, 0.5]}, ""),
        (lambda h: {name: value for name, value in h.items() if name != "training"}, "training"),
        (lambda h: {**h, "config": {**h["config"], "input": "pickle"}}, "input"),
        (lambda h: {**h, "vocabulary": ["a", "b", "c"]}, "3 tokens do not belong to a network for 4"),
        (lambda h: {**h, "vocabulary": ["a", "b", "c", "a"]}, "3 tokens do not belong to a network for 4"),
        (lambda h: {**h, "vocabulary": ["a", "b", "c", "\x1b[2J"]}, "cannot be printed"),
        (lambda h: {**h, "training": {"optimizer": 3}}, "int"),
        (lambda h: json.dumps({**h, "training": float("nan")}).encode(), ""),
        (lambda h: b"[" * 200_000, ""),
        (lambda h: b"9" * 5000, ""),
        (lambda h: b"\xff", ""),
        (lambda h: b"[]", "not a checkpoint"),
        (lambda h: b"", "not a checkpoint"),
    ],
)
def test_a_header_that_lies_is_refused_with_its_reason(tmp_path: Path, change: Any, reason: str) -> None:
    path = saved(tmp_path / "model.npz")
    assert reason in refused(rewritten(path, change(header_of(path))))


def test_arrays_that_are_not_of_the_network_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "model.npz")
    whole = read_arrays(path)
    for name in ("lstm1.Wx", "dense.b", "probe"):
        good = whole[name]
        for bad in (good[..., None], good.astype("U9"), good * np.nan, good + 1):
            refused(rewritten(path, arrays={**whole, name: bad}))
        refused(rewritten(path, arrays={other: array for other, array in whole.items() if other != name}))
    refused(rewritten(path, arrays={**whole, "lstm1.Wh": whole["lstm1.Wh"].astype("f8")}))
    refused(rewritten(path, arrays={**whole, "more": np.zeros(3)}))


@pytest.mark.parametrize("replace", REPLACEMENTS)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, replace: Any) -> None:
    replace(tmp_path / "model.npz")
    refused(tmp_path / "model.npz")


def test_other_files_are_refused_with_their_reason(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    assert "No such file" in refused(path)
    np.savez(path, W=np.zeros(3))
    assert "not a checkpoint" in refused(path)
    with pytest.raises(CheckpointError, match=r"\\x1b\[31m"):
        load_checkpoint(tmp_path / "\x1b[31m.npz")


# Nothing lost.


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"vocabulary": VOCABULARY[:3]}, "3 tokens do not belong"),
        ({"params": {}}, "missing: dense.W, dense.b"),
        (
            {"params": {**init_params(NETWORK, np.random.default_rng(1)), "dense.b": np.full(4, np.nan, "f4")}},
            "dense.b",
        ),
        ({"training": {"best": float("inf")}}, "not JSON compliant"),
        ({"training": {"done": {1, 2}}}, "'set'"),
        ({"training": {"h": np.zeros(3)}}, "ndarray"),
        ({"training": {"x": {"h": np.array(["text"])}}}, "x/h"),
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


def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "last.npz")
    before = path.read_bytes()

    def no_space(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(CheckpointError) as error:
        saved(path, training={})
    assert str(error.value) == f"{path}: cannot be saved: No space left on device"
    assert [file.name for file in tmp_path.iterdir()] == ["last.npz"]
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
    assert path.read_bytes() == before
