"""distributions.npz: the quantiles are right, the histograms are those of the values, and a resumed run loses none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import REPLACEMENTS, damaged_arrays

from experiment.distributions import (
    EPOCHS,
    PERCENT,
    QUANTILES,
    Distributions,
    histogram,
    quantiles,
)
from experiment.folder import RunError
from lstm_numpy.files import Array, ArraySpec, read_arrays
from lstm_numpy.parameters import ModelConfig, init_params


def params_after(epoch: int) -> dict[str, Array]:
    params = init_params(ModelConfig(vocab_size=9, hidden_size=5), np.random.default_rng(0))
    return {name: values * (1 + np.float32(epoch)) for name, values in params.items()}


def distributions_until(epoch: int) -> Distributions:
    distributions = Distributions()
    for number in range(epoch + 1):
        distributions.add(number, params_after(number))
    return distributions


def same(one: Distributions, other: Distributions) -> bool:
    return (
        one.epochs.tolist() == other.epochs.tolist()
        and one.quantiles.keys() == other.quantiles.keys()
        and all(np.array_equal(rows, other.quantiles[name]) for name, rows in one.quantiles.items())
    )


def test_quantiles_are_numpys() -> None:
    values = np.random.default_rng(0).standard_normal((37, 11))
    np.testing.assert_allclose(quantiles(values), np.percentile(values, PERCENT), rtol=1e-6)
    assert quantiles(np.float32([7])).tolist() == [7] * len(PERCENT)


def test_histogram_is_that_of_the_values() -> None:
    values = np.random.default_rng(0).standard_normal(50_000)
    edges = np.linspace(-3, 3, 31)
    counted = np.histogram(values, edges)[0] / values.size
    np.testing.assert_allclose(histogram(quantiles(values)[None], edges)[0], counted, atol=2e-3)


def test_histogram_of_a_bias_that_is_all_zero_is_one_bin() -> None:
    assert histogram(quantiles(np.zeros(12))[None], np.array([-1, -0.1, 0.1, 1])).tolist() == [[0, 1, 0]]


def test_biases_are_told_apart_by_gate() -> None:
    distributions = distributions_until(1)
    assert distributions.at("lstm1.b.f", 50).tolist() == [1, 2]  # open at first
    assert distributions.at("lstm1.b.i", 100).tolist() == [0, 0]
    assert distributions.at("lstm1.b", 100).tolist() == [1, 2]
    assert distributions.at("dense.W", 0)[0] == params_after(0)["dense.W"].min()


def test_file_comes_back_and_can_be_read_without_this_package(tmp_path: Path) -> None:
    distributions = distributions_until(3)
    distributions.save(tmp_path / "d.npz")
    assert same(Distributions.load(tmp_path / "d.npz"), distributions)
    with np.load(tmp_path / "d.npz", allow_pickle=False) as file:
        assert file["epochs"].tolist() == [0, 1, 2, 3]
        assert file["lstm1.Wx"].shape == (4, file["percent"].size)


def test_resumed_is_as_if_never_interrupted(tmp_path: Path) -> None:
    distributions_until(5).save(tmp_path / "d.npz")
    resumed = Distributions.resume(tmp_path / "d.npz", 3, params_after(0))
    assert resumed.epochs.tolist() == [0, 1, 2, 3]
    for epoch in (4, 5, 6):
        resumed.add(epoch, params_after(epoch))
    assert same(resumed, distributions_until(6))
    assert Distributions.resume(tmp_path / "none.npz", 3, params_after(0)).epochs.size == 0


def test_a_file_of_another_network_is_not_continued(tmp_path: Path) -> None:
    other = Distributions()
    other.add(0, {"lstm2.Wx": np.ones((2, 3), np.float32)})
    other.save(tmp_path / "d.npz")
    with pytest.raises(RunError, match=r"d\.npz: holds no .* of this network; remove it to go on"):
        Distributions.resume(tmp_path / "d.npz", 3, params_after(0))


def test_thinned_keeps_the_ends() -> None:
    assert distributions_until(9).thinned(4).epochs.tolist() == [0, 3, 6, 9]
    assert same(distributions_until(2).thinned(100), distributions_until(2))


def refused(path: Path) -> None:
    with pytest.raises(RunError, match=r"d\.npz: ") as refusal:
        Distributions.load(path)
    assert "\n" not in str(refusal.value)


def test_what_is_not_as_described_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    distributions_until(1).save(path)
    whole = read_arrays(path)
    specs = {name: EPOCHS if name == "epochs" else QUANTILES for name in whole if name != "percent"}
    for label, arrays in damaged_arrays(whole, {**specs, "percent": ArraySpec("f8", PERCENT.shape)}):
        if label not in [f"{name} missing" for name in whole if "." in name]:
            print(label)
            np.savez(path, **arrays)
            refused(path)
    for changed in ({"epochs": whole["epochs"][::-1]}, {"percent": PERCENT[::-1]}):
        np.savez(path, **{**whole, **changed})
        refused(path)


@pytest.mark.parametrize("replace", REPLACEMENTS)
def test_what_is_no_file_of_distributions_is_refused(tmp_path: Path, replace: Any) -> None:
    replace(tmp_path / "d.npz")
    refused(tmp_path / "d.npz")
