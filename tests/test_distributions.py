"""distributions.npz: the quantiles are right, and a resumed run loses none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import REPLACEMENTS

from experiment.folder import RunError
from experiment.history import (
    PERCENT,
    Spread,
    at,
    load_spread,
    save_spread,
    with_epoch,
)
from lstm_numpy.files import Array, write_arrays
from lstm_numpy.parameters import ModelConfig, init_params


def params_after(epoch: int) -> dict[str, Array]:
    params = init_params(ModelConfig(vocab_size=9, hidden_size=5), np.random.default_rng(0))
    return {name: values * (1 + np.float32(epoch)) for name, values in params.items()}


def spread_until(epoch: int) -> Spread:
    spread: Spread = {}
    for number in range(epoch + 1):
        spread = with_epoch(spread, number, params_after(number))
    return spread


def same(one: Spread, other: Spread) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(rows, other[name]) for name, rows in one.items())


def test_quantiles_are_numpys() -> None:
    values = np.random.default_rng(0).standard_normal((37, 11))
    found = with_epoch({}, 0, {"dense.W": values})["dense.W"]
    np.testing.assert_allclose(found, [np.percentile(values, PERCENT)], rtol=1e-6)
    assert with_epoch({}, 0, {"dense.b": np.float32([7])})["dense.b"].tolist() == [[7] * len(PERCENT)]


def test_biases_are_told_apart_by_gate() -> None:
    spread = spread_until(1)
    assert at(spread, "lstm1.b.f", 50).tolist() == [1, 2]  # open at first
    assert at(spread, "lstm1.b.i", 100).tolist() == [0, 0]
    assert at(spread, "lstm1.b", 100).tolist() == [1, 2]
    assert at(spread, "dense.W", 0)[0] == params_after(0)["dense.W"].min()


def test_file_comes_back_and_can_be_read_without_this_package(tmp_path: Path) -> None:
    save_spread(tmp_path / "d.npz", spread_until(3))
    assert same(load_spread(tmp_path / "d.npz"), spread_until(3))
    with np.load(tmp_path / "d.npz", allow_pickle=False) as file:
        assert file["epochs"].tolist() == [0, 1, 2, 3]
        assert file["lstm1.Wx"].shape == (4, file["percent"].size)


def test_resumed_is_as_if_never_interrupted(tmp_path: Path) -> None:
    save_spread(tmp_path / "d.npz", spread_until(5))
    resumed = load_spread(tmp_path / "d.npz", until=3)
    assert resumed["epochs"].tolist() == [0, 1, 2, 3]
    for epoch in (4, 5, 6):
        resumed = with_epoch(resumed, epoch, params_after(epoch))
    assert same(resumed, spread_until(6))
    assert load_spread(tmp_path / "none.npz") == {}


def test_levels_are_found_among_more_and_missed_otherwise(tmp_path: Path) -> None:
    spread = spread_until(1)
    more = {name: rows if name == "epochs" else np.repeat(rows, 2, axis=1) for name, rows in spread.items()}
    write_arrays(tmp_path / "d.npz", {**more, "percent": np.sort(np.append(PERCENT, PERCENT + 0.25))})
    assert same(load_spread(tmp_path / "d.npz"), spread)
    write_arrays(tmp_path / "d.npz", {**spread, "percent": PERCENT + 0.25})
    with pytest.raises(RunError, match=r"d\.npz: "):
        load_spread(tmp_path / "d.npz")


@pytest.mark.parametrize("replace", REPLACEMENTS)
def test_what_is_no_file_of_distributions_is_refused(tmp_path: Path, replace: Any) -> None:
    replace(tmp_path / "d.npz")
    with pytest.raises(RunError, match=r"d\.npz: ") as refusal:
        load_spread(tmp_path / "d.npz")
    assert "\n" not in str(refusal.value)
