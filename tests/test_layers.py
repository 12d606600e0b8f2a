"""What surrounds the LSTM: each layer against the plain formula that it stands for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lstm_numpy import layers
from lstm_numpy.plain import softmax
from lstm_numpy.speed.buffers import Buffers
from lstm_numpy.speed.products import in_blocks

pytestmark = pytest.mark.math

T, B, H, V = 3, 2, 4, 5
rng = np.random.default_rng(0)
ids = np.array([[0, 4], [2, 2], [4, 2]])  # 2 and 4 stand more than once


def test_a_onehot_input_picks_rows_as_the_product_with_a_onehot_matrix_does() -> None:
    Wx, one_hot = rng.normal(size=(V, 4 * H)), np.eye(V)[ids]
    xWx = np.empty((T, B, 4 * H))
    assert layers.input_forward(ids, (Wx,), V, xWx, lambda: in_blocks(Wx, "Wx", Buffers())) is ids
    np.testing.assert_array_equal(xWx, one_hot @ Wx)
    dz = rng.normal(size=(T, B, 4 * H))
    wanted = np.einsum("tbv,tbk->vk", one_hot, dz)
    buffers = Buffers()
    for _ in range(2):  # the second time its buffer is full of the first
        np.testing.assert_allclose(layers.few_hot_backward(dz, ids, (Wx,), buffers)[0], wanted, rtol=1e-14, atol=0)


def test_a_few_hot_input_is_the_product_with_its_ones_and_zeros() -> None:
    sizes = (V, 3, 2)
    Ws = tuple(rng.normal(size=(size, 4 * H)) for size in sizes)
    x = np.stack([ids, [[0, 2], [2, 2], [1, 0]], [[1, 1], [0, 1], [1, 1]]], axis=2)
    few_hot = np.concatenate([np.eye(size)[x[:, :, k]] for k, size in enumerate(sizes)], axis=2)
    xWx, dz = np.empty((T, B, 4 * H)), rng.normal(size=(T, B, 4 * H))
    layers.few_hot_forward(x, Ws, xWx)
    np.testing.assert_allclose(xWx, few_hot @ np.concatenate(Ws), rtol=1e-13)
    wanted = np.split(np.einsum("tbv,tbk->vk", few_hot, dz), np.cumsum(sizes)[:-1])
    for dW, its_wanted in zip(layers.few_hot_backward(dz, x, Ws, Buffers()), wanted, strict=True):
        np.testing.assert_allclose(dW, its_wanted, rtol=1e-13)


def test_a_linear_input_and_its_gradients() -> None:
    x, Wx, dz = rng.normal(size=(T, B, 2)), rng.normal(size=(2, 4 * H)), rng.normal(size=(T, B, 4 * H))
    xWx = np.empty((T, B, 4 * H))
    assert layers.input_forward(x, (Wx,), V, xWx, lambda: in_blocks(Wx, "Wx", Buffers())) is x
    np.testing.assert_allclose(xWx, np.einsum("tbd,dk->tbk", x, Wx), rtol=1e-13)
    dx, dWx = layers.linear_backward(dz, x, Wx, Buffers())
    np.testing.assert_allclose(dx, np.einsum("tbk,dk->tbd", dz, Wx), rtol=1e-13)
    np.testing.assert_allclose(dWx, np.einsum("tbd,tbk->dk", x, dz), rtol=1e-13)


def test_the_papers_scalar_input_is_the_id_as_a_share_of_the_vocabulary() -> None:
    Wx, xWx = rng.normal(size=(1, 4 * H)), np.empty((T, B, 4 * H))
    np.testing.assert_array_equal(
        layers.input_forward(ids, (Wx,), V, xWx, lambda: in_blocks(Wx, "Wx", Buffers())), ids[:, :, None] / V
    )
    np.testing.assert_allclose(xWx, ids[:, :, None] / V * Wx[0], rtol=1e-15)


def test_the_dense_layer_and_its_gradients() -> None:
    y, W, b, dlogits = (rng.normal(size=shape) for shape in ((T, B, H), (H, V), (V,), (T, B, V)))
    logits = np.empty((T, B, V))
    layers.dense_forward(y, in_blocks(W, "W", Buffers()), b, logits)
    np.testing.assert_allclose(logits, np.einsum("tbh,hv->tbv", y, W) + b, rtol=1e-13)
    dy, dW, db = layers.dense_backward(dlogits, y, W, Buffers())
    np.testing.assert_allclose(dy, np.einsum("tbv,hv->tbh", dlogits, W), rtol=1e-13)
    np.testing.assert_allclose(dW, np.einsum("tbh,tbv->hv", y, dlogits), rtol=1e-13)
    np.testing.assert_allclose(db, dlogits.sum(axis=(0, 1)), rtol=1e-13)


def test_dropout_multiplies_by_its_mask_both_ways() -> None:
    h, mask = np.full((T, B, H), 3.0), np.where(rng.random((T, B, H)) < 0.5, 0, 2.0)
    np.testing.assert_array_equal(layers.dropout_forward(h, mask, Buffers()), 3 * mask)
    np.testing.assert_array_equal(layers.dropout_backward(h, mask, Buffers()), 3 * mask)


def test_the_loss_is_minus_the_logarithm_of_the_targets_probability() -> None:
    logits = rng.normal(0, 2, size=(T, B, V))
    score, trace = layers.cross_entropy_forward(logits, ids, Buffers())
    np.testing.assert_allclose(trace.probabilities, softmax(logits), rtol=1e-14)
    np.testing.assert_array_equal(trace.logits, logits)
    assert trace.dlogits.size == 0  # until the backward pass
    wanted = [[-math.log(softmax(logits[t, n])[ids[t, n]]) for n in range(B)] for t in range(T)]
    np.testing.assert_allclose(score.nats, wanted, rtol=1e-13)
    np.testing.assert_array_equal(score.correct, logits.argmax(axis=2) == ids)


def test_equal_logits_cost_ln_of_the_vocabulary() -> None:
    score, _ = layers.cross_entropy_forward(np.full((T, B, V), 7.0), ids, Buffers())
    np.testing.assert_allclose(score.nats, math.log(V), rtol=1e-15)


def test_a_target_whose_probability_has_become_0_costs_a_finite_loss() -> None:
    logits = np.array([[[1e4, 0.0], [0.0, -1e4]]])
    score, trace = layers.cross_entropy_forward(logits, np.array([[1, 1]]), Buffers())
    np.testing.assert_array_equal(score.nats, [[1e4, 1e4]])
    np.testing.assert_allclose(trace.probabilities, [[[1, 0], [1, 0]]], atol=1e-34)
    assert not score.correct.any()


def test_only_a_scored_target_is_a_correct_prediction() -> None:
    logits = np.array([[[3.0, 1.0], [1.0, 3.0], [3.0, 1.0], [1.0, 3.0]]])
    for targets, correct in (([0, 1, 0, 1], 4), ([0, 0, 0, 0], 2), ([1, 0, -1, -1], 0), ([-1, 1, 1, -1], 1)):
        assert layers.cross_entropy_forward(logits, np.array([targets]), Buffers())[0].correct.sum() == correct


def test_what_is_not_scored_costs_nothing_and_teaches_nothing() -> None:
    logits, targets = rng.normal(size=(T, B, V)), np.array([[-1, 0], [1, -1], [4, 2]])
    buffers = Buffers()
    buffers.empty("nats", (T, B), np.float64)[:] = np.nan  # as a used buffer may be
    buffers.empty("dlogits", (T, B, V), np.float64)[:] = np.nan
    score, trace = layers.cross_entropy_forward(logits, targets, buffers)
    trace = layers.cross_entropy_backward(trace, targets, 4, buffers)
    assert score.nats[0, 0] == score.nats[1, 1] == 0
    np.testing.assert_array_equal(trace.dlogits[[0, 1], [0, 1]], 0)
    wanted = (softmax(logits) - np.eye(V)[targets]) / 4
    wanted[targets < 0] = 0
    np.testing.assert_allclose(trace.dlogits, wanted, rtol=1e-13, atol=1e-17)


def test_no_scored_target_at_all_divides_by_nothing() -> None:
    _, trace = layers.cross_entropy_forward(np.ones((T, B, V)), np.full((T, B), -1), Buffers())
    np.testing.assert_array_equal(layers.cross_entropy_backward(trace, np.full((T, B), -1), 0, Buffers()).dlogits, 0)
