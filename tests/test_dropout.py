"""Dropout: how much is dropped, that evaluation needs none, and that the cell does not explode."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_numpy import ModelConfig, dropout_masks, forward, init_params, loss_and_gradients
from lstm_numpy.dropout import hold_masks
from lstm_numpy.kernels import threshold_mask
from lstm_numpy.lstm import LSTMState, LSTMWeights, RecurrentMasks, lstm_forward
from lstm_numpy.speed.buffers import Buffers
from lstm_numpy.speed.workspace import Workspace

pytestmark = pytest.mark.math

KINDS = {
    "none": {"lstm1.output", "lstm2.output"},
    "rnndrop": {"lstm1.m", "lstm1.s", "lstm2.m", "lstm2.s"},
    "variational": {"lstm1.output", "lstm1.r", "lstm2.output", "lstm2.r"},
}


def masks_of(kind: str, dropout: float = 0.75, T: int = 5, B: int = 20, H: int = 30, dtype=np.float32):
    config = ModelConfig(6, H, 2, dropout, kind)  # type: ignore[arg-type]
    return dropout_masks(config, T, B, np.random.default_rng(0), dtype=dtype)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_its_masks_and_p_is_the_probability_to_drop(kind: str) -> None:
    masks = masks_of(kind)
    assert masks.keys() == KINDS[kind]
    for name, mask in masks.items():
        assert mask.shape == ((5, 20, 30) if name.endswith("output") else (20, 30))
        assert mask.dtype == np.float32
        assert set(np.unique(mask)) == {0, 1 if name.endswith("m") else 4}  # kept units times 1/keep, all but m
        assert (mask == 0).mean() == pytest.approx(0.75, abs=0.06)


def test_rnndrop_drops_the_same_units_from_the_cell_and_from_h() -> None:
    masks = masks_of("rnndrop")
    np.testing.assert_array_equal(masks["lstm1.s"], 4 * masks["lstm1.m"])
    assert (masks["lstm1.m"] != masks["lstm2.m"]).any()
    assert (masks["lstm1.m"][0] != masks["lstm1.m"][1]).any()


def test_without_dropout_there_are_no_masks() -> None:
    assert masks_of("variational", dropout=0) == {}


def test_a_unit_is_kept_with_the_rest_of_the_probability() -> None:
    for dtype in (np.float32, np.float64):
        bits, mask = np.array([0, 2**14 - 1, 2**14, 2**15, 2**16 - 1], np.uint16), np.empty(5, dtype)
        threshold_mask(bits, 2**14, dtype(4 / 3), mask)
        np.testing.assert_allclose(mask, [0, 0, 4 / 3, 4 / 3, 4 / 3], rtol=1e-6)
    assert masks_of("none", dropout=0.2, dtype=np.float64)["lstm1.output"].max() == 1 / 0.8


def test_a_mask_is_random_to_its_end() -> None:
    mask = masks_of("none", dropout=0.25, T=5, B=30, H=451)["lstm1.output"].reshape(-1)
    assert mask.size % 4  # so the last draw is for fewer units
    assert set(np.unique(mask)) == {0, np.float32(4 / 3)}
    for part in np.array_split(mask, 3):
        assert (part == 0).mean() == pytest.approx(0.25, abs=0.06)
    assert (mask[:1000] != mask[2**15 : 2**15 + 1000]).any()


def test_outputs_are_dropped_anew_at_each_step() -> None:
    mask = masks_of("none")["lstm1.output"]
    assert all((mask[t] != mask[t + 1]).any() for t in range(4))


def test_evaluation_is_the_expected_training_pass() -> None:
    """Inverted scaling: the mean over masks of what the next layer sees is what it sees without dropout."""
    h = np.random.default_rng(1).normal(size=(20, 30))
    rng = np.random.default_rng(2)
    config = ModelConfig(6, 30, dropout=0.5)
    mean = np.mean([h * dropout_masks(config, 1, 20, rng)["lstm1.output"][0] for _ in range(2000)], axis=0)
    np.testing.assert_allclose(mean, h, atol=0.4)
    assert np.abs(mean - h).mean() < 0.03


def test_masks_of_a_workspace_reuse_its_memory_and_are_the_same_numbers() -> None:
    config = ModelConfig(6, 30, 2, 0.75, "variational")
    workspace = Workspace(config, 5, 20)
    first = dropout_masks(config, 5, 20, np.random.default_rng(3), workspace=workspace)
    second = dropout_masks(config, 5, 20, np.random.default_rng(0), workspace=workspace)
    for name, mask in masks_of("variational").items():
        assert second[name] is first[name]
        np.testing.assert_array_equal(second[name], mask)


# Inside the recurrence.


def cells(m: float, s: float, keep: float = 0.25, T: int = 50, B: int = 4, H: int = 48) -> np.ndarray:
    """rms of c at each time step of a fresh layer, where kept units have m and s in their masks."""
    rng = np.random.default_rng(0)
    params = init_params(ModelConfig(10, H), rng, np.float64)
    kept = rng.random((B, H)) < keep
    state = LSTMState(np.zeros((B, H)), rng.normal(0, 0.5, (B, H)))
    masks = RecurrentMasks(m * kept, s * kept, np.ones((B, H)))
    xWx = params["lstm1.Wx"][rng.integers(0, 10, (T, B))]
    weights = LSTMWeights(params["lstm1.Wh"], params["lstm1.b"])
    c = lstm_forward(xWx, weights, state, masks, Buffers()).c
    return np.sqrt((c**2).mean(axis=(1, 2)))


def test_inverted_scaling_of_the_cell_explodes() -> None:
    """c is multiplied by 1/keep = 4 at every step, and by a forget gate of about 0.7: 3^50 is 10^24."""
    rms = cells(m=4, s=1)
    assert rms[10] > 1e3
    assert rms[50] > 1e20


def test_one_over_keep_on_h_does_not() -> None:
    rms = cells(m=1, s=4)
    assert rms.max() < 2
    assert rms[50] > 0.01


def test_a_long_sequence_with_rnndrop_has_finite_gradients() -> None:
    config = ModelConfig(10, 16, dropout=0.75, recurrent_dropout="rnndrop")
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 10, (51, 2))
    masks = dropout_masks(config, 50, 2, rng)
    loss, grads, _, trace = loss_and_gradients(init_params(config, rng), ids[:-1], ids[1:], None, masks)
    assert loss < 5
    assert np.abs(trace["lstm1"].c).max() < 5
    assert all(np.abs(gradient).max() < 5 for gradient in grads.values())


def test_rnndrop_is_a_mask_on_h_and_nothing_else() -> None:
    """With the cell's mask left away, every h, every logit and every gradient is the same: largest difference 0."""
    config = ModelConfig(6, 8, 2, 0.5, "rnndrop")
    rng = np.random.default_rng(0)
    params = init_params(config, rng, np.float64)
    ids, targets = rng.integers(0, 6, (2, 12, 3))
    masks = dropout_masks(config, 12, 3, rng, dtype=np.float64)
    on_h = {name: mask for name, mask in masks.items() if name.endswith(".s")}
    loss, grads, _, trace = loss_and_gradients(params, ids, targets, None, masks)
    same_loss, same_grads, _, same_trace = loss_and_gradients(params, ids, targets, None, on_h)
    assert loss == same_loss
    assert np.abs(trace["lstm2"].h - same_trace["lstm2"].h).max() == 0
    assert max(np.abs(grads[name] - same_grads[name]).max() for name in grads) == 0


def test_dropped_cells_stay_empty_and_their_h_is_0() -> None:
    config = ModelConfig(6, 8, 1, 0.5, "rnndrop")
    rng = np.random.default_rng(0)
    masks = dropout_masks(config, 4, 3, rng)
    _, _, trace = forward(init_params(config, rng), rng.integers(0, 6, (4, 3)), None, masks)
    dropped = masks["lstm1.m"] == 0
    assert not trace["lstm1"].c[1:, dropped].any()
    assert not trace["lstm1"].h[1:, dropped].any()
    assert trace["lstm1"].h[1:, ~dropped].all()


def test_variational_dropout_hides_units_from_the_next_step_but_not_from_the_layer_above() -> None:
    config = ModelConfig(6, 8, 1, 0.5, "variational")
    rng = np.random.default_rng(0)
    masks = dropout_masks(config, 4, 3, rng)
    _, _, trace = forward(init_params(config, rng), rng.integers(0, 6, (4, 3)), None, masks)
    np.testing.assert_array_equal(trace["lstm1"].rh, masks["lstm1.r"] * trace["lstm1"].h)
    assert trace["lstm1"].h[1:].all()


def test_a_song_keeps_its_masks_from_window_to_window() -> None:
    old, new = (
        masks_of("variational"),
        dropout_masks(ModelConfig(6, 30, 2, 0.75, "variational"), 5, 20, np.random.default_rng(1)),
    )
    fresh = np.arange(20) % 3 == 0
    held = hold_masks(new, old, fresh)
    for layer in ("lstm1", "lstm2"):
        np.testing.assert_array_equal(held[f"{layer}.r"][fresh], new[f"{layer}.r"][fresh])
        np.testing.assert_array_equal(held[f"{layer}.r"][~fresh], old[f"{layer}.r"][~fresh])
        assert held[f"{layer}.r"].dtype == np.float32
        assert held[f"{layer}.output"] is new[f"{layer}.output"]
    first = hold_masks(new, {}, np.zeros(20, bool))  # before the first window there is nothing to hold
    assert all(first[name] is mask for name, mask in new.items())
