"""Buffers that are used again and threads: the same numbers as without them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lstm_numpy import ModelConfig, Workspace, dropout_masks, forward, init_params, loss_and_gradients
from lstm_numpy.model import token_nats
from lstm_numpy.speed.buffers import Buffers

pytestmark = pytest.mark.math

T, B = 4, 5
CONFIG = ModelConfig(6, 3, 2, 0.4, "variational")


def batch(seed: int, dtype=np.float64) -> tuple[Any, ...]:
    """params, ids, targets, state, masks."""
    rng = np.random.default_rng(seed)
    params = init_params(CONFIG, rng, dtype)
    ids, targets = rng.integers(0, 6, (T, B)), rng.integers(-1, 6, (T, B))
    _, state, _ = forward(params, ids)
    return params, ids, targets, state, dropout_masks(CONFIG, T, B, rng, dtype=dtype)


def arrays_of(result: tuple[Any, ...]) -> dict[str, Any]:
    """Copies of every array in what loss_and_gradients returned, and its two numbers."""
    loss, grads, state, trace = result
    arrays = {"loss": loss, **grads}
    arrays |= {f"{layer} state {k}": part for layer in state for k, part in enumerate(state[layer])}
    for name, part in trace.items():
        arrays |= {f"{name}.{field}": value for field, value in part._asdict().items()}
    return {name: np.array(array) for name, array in arrays.items()}


@pytest.mark.parametrize("threads", [1, 2, 3, 5, 8])
def test_a_batch_cut_in_parts_has_the_gradients_of_the_whole(threads: int) -> None:
    whole = arrays_of(loss_and_gradients(*batch(0)))
    parts = arrays_of(loss_and_gradients(*batch(0), workspace=Workspace(CONFIG, T, B, threads)))
    assert parts.keys() == whole.keys()
    for name, array in whole.items():
        assert parts[name].dtype == array.dtype
        np.testing.assert_allclose(parts[name], array, rtol=0, atol=1e-15, err_msg=name)


@pytest.mark.parametrize("threads", [1, 2])
def test_used_buffers_leave_nothing_behind_and_give_the_same_bits(threads: int) -> None:
    workspace = Workspace(CONFIG, T, B, threads)
    for seed in (0, 1, 0):
        used = arrays_of(loss_and_gradients(*batch(seed), workspace=workspace))
        fresh = arrays_of(loss_and_gradients(*batch(seed), workspace=Workspace(CONFIG, T, B, threads)))
        for name, array in fresh.items():
            assert used[name].tobytes() == array.tobytes(), name


def test_a_workspace_hands_out_the_same_memory_and_without_one_arrays_are_yours() -> None:
    workspace = Workspace(CONFIG, T, B)
    first, second = (loss_and_gradients(*batch(0), workspace=workspace)[1] for _ in range(2))
    assert all(np.shares_memory(first[name], second[name]) for name in first)
    first, second = (loss_and_gradients(*batch(0))[1] for _ in range(2))
    assert not any(np.shares_memory(first[name], second[name]) for name in first)


@pytest.mark.parametrize("threads", [1, 2])
def test_forward_and_evaluation_in_threads(threads: int) -> None:
    params, ids, targets, state, masks = batch(0)
    workspace = Workspace(CONFIG, T, B, threads)
    logits, last, trace = forward(params, ids, state, masks, workspace=workspace)
    wanted, wanted_last, _ = forward(params, ids, state, masks)
    np.testing.assert_allclose(logits, wanted, rtol=0, atol=1e-15)
    np.testing.assert_allclose(last["lstm2"].c, wanted_last["lstm2"].c, rtol=0, atol=1e-15)
    assert trace["lstm1"].i.shape == (T, B, 3)
    nats, correct, last = token_nats(params, ids, targets, state, workspace=workspace)
    wanted_nats, wanted_correct, wanted_last = token_nats(params, ids, targets, state)
    np.testing.assert_allclose(nats, wanted_nats, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(correct, wanted_correct)
    np.testing.assert_allclose(last["lstm1"].h, wanted_last["lstm1"].h, rtol=0, atol=1e-15)


def test_float32_in_threads_stays_float32() -> None:
    for name, array in arrays_of(
        loss_and_gradients(*batch(0, np.float32), workspace=Workspace(CONFIG, T, B, 2))
    ).items():
        assert array.dtype == np.float32 or name == "loss" or array.dtype.kind in "ib", name


def test_the_trace_names_what_was_computed() -> None:
    for workspace in (None, Workspace(CONFIG, T, B, 2)):
        trace = loss_and_gradients(*batch(0), workspace=workspace)[3]
        names = ["lstm1.input", "lstm1", "lstm2.input", "lstm2", "dense.input", "loss", "score"]
        assert sorted(trace) == sorted(names)
        assert len(trace) == 7
        assert trace["lstm1"].f[3, 4].shape == (3,)
        with pytest.raises(KeyError):
            trace["lstm3"]


def test_ids_of_another_shape_than_the_workspaces_are_refused() -> None:
    params, ids, targets, _, _ = batch(0)
    with pytest.raises(ValueError, match=r"ids of shape \(4, 5\), not \(3, 5\)"):
        loss_and_gradients(params, ids[:3], targets[:3], workspace=Workspace(CONFIG, T, B))


@pytest.mark.parametrize("sizes", [(0, 5, 1), (4, 0, 1), (4, 5, 0)])
def test_a_workspace_needs_at_least_one_of_everything(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Workspace(CONFIG, *sizes)


@pytest.mark.parametrize("broken_lane", [0, B - 1])
def test_what_goes_wrong_in_a_thread_is_raised(broken_lane: int) -> None:
    def part(lanes: slice, buffers: Buffers) -> int:
        if lanes.start <= broken_lane < lanes.stop:
            raise ArithmeticError("in a thread")
        return lanes.stop - lanes.start

    workspace = Workspace(CONFIG, T, B, 2)
    with pytest.raises(ArithmeticError, match="in a thread"):
        workspace.run(part, (T, B))
    assert workspace.run(lambda lanes, buffers: (lanes.start, lanes.stop), (T, B)) == [(0, 2), (2, 5)]


def test_buffers_give_the_same_memory_for_the_same_name_shape_and_dtype_alone() -> None:
    buffers = Buffers()
    a = buffers.empty("a", (2, 3), np.float32)
    assert buffers.empty("a", (2, 3), np.float32) is a
    assert buffers.empty("b", (2, 3), np.float32) is not a
    assert buffers.within("room").empty("a", (2, 3), np.float32) is not a
    assert buffers.within("room") is buffers.within("room")
    assert buffers.empty("a", (3, 2), np.float32).shape == (3, 2)
    assert buffers.empty("a", (3, 2), np.float64).dtype == np.float64
