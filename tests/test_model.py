"""The whole network: how it starts, that it learns, and what it does with what it is given."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

from lstm_numpy import (
    ModelConfig,
    RMSprop,
    Workspace,
    clip_by_global_norm,
    dropout_masks,
    forward,
    init_params,
    loss_and_gradients,
    reset,
    zero_state,
)
from lstm_numpy.gradcheck.checks import CASES, Case, build
from lstm_numpy.lstm import LSTMState
from lstm_numpy.model import few_hot_input_gradient, token_nats
from lstm_numpy.parameters import layer_names, parameter_shapes

math_test = pytest.mark.math

# Fresh parameters.


@math_test
def test_parameters_are_named_and_shaped_from_the_input_to_the_output() -> None:
    config = ModelConfig(vocab_size=7, hidden_size=3, layers=2)
    shapes = {
        "lstm1.Wx": (7, 12), "lstm1.Wh": (3, 12), "lstm1.b": (12,),
        "lstm2.Wx": (3, 12), "lstm2.Wh": (3, 12), "lstm2.b": (12,),
        "dense.W": (3, 7), "dense.b": (7,),
    }  # fmt: skip
    assert parameter_shapes(config) == shapes
    assert list(parameter_shapes(config)) == list(shapes)
    params = init_params(config, np.random.default_rng(0))
    assert {name: parameter.shape for name, parameter in params.items()} == shapes
    assert layer_names(params) == ["lstm1", "lstm2"]
    assert parameter_shapes(ModelConfig(7, 3, input="scalar"))["lstm1.Wx"] == (1, 12)
    told = parameter_shapes(ModelConfig(7, 3, layers=2, context=(4, 2)))
    assert told == {**shapes, "lstm1.Wx1": (4, 12), "lstm1.Wx2": (2, 12)}
    assert list(told)[:4] == ["lstm1.Wx", "lstm1.Wx1", "lstm1.Wx2", "lstm1.Wh"]


@math_test
def test_input_and_dense_weights_are_glorot_uniform() -> None:
    params = init_params(ModelConfig(60, 40, layers=2), np.random.default_rng(0), np.float64)
    for name, fan_in, fan_out in (("lstm1.Wx", 60, 160), ("lstm2.Wx", 40, 160), ("dense.W", 40, 60)):
        limit = math.sqrt(6 / (fan_in + fan_out))
        assert 0.99 * limit < params[name].max() <= limit
        assert -limit <= params[name].min() < -0.99 * limit
        assert params[name].var() == pytest.approx(limit**2 / 3, rel=0.06)


@math_test
def test_recurrent_weights_are_orthogonal_gate_by_gate_and_forget_biases_are_1() -> None:
    H = 8
    params = init_params(ModelConfig(5, H, layers=2), np.random.default_rng(0), np.float64)
    for layer in ("lstm1", "lstm2"):
        gates = np.split(params[f"{layer}.Wh"], 4, axis=1)
        for gate in gates:
            np.testing.assert_allclose(gate @ gate.T, np.eye(H), atol=1e-14)
        assert np.abs(gates[0] - gates[1]).max() > 0.1
        np.testing.assert_array_equal(params[f"{layer}.b"], np.repeat([0, 1, 0, 0], H))
    np.testing.assert_array_equal(params["dense.b"], 0)


@math_test
def test_the_same_seed_gives_the_same_bits() -> None:
    config = ModelConfig(5, 4, dropout=0.5, recurrent_dropout="variational")
    once, again, other = (init_params(config, np.random.default_rng(seed)) for seed in (1, 1, 2))
    for name, parameter in once.items():
        assert parameter.tobytes() == again[name].tobytes()
    assert once["dense.W"].tobytes() != other["dense.W"].tobytes()
    masks, same = (dropout_masks(config, 3, 2, np.random.default_rng(1)) for _ in range(2))
    assert {name: mask.tobytes() for name, mask in masks.items()} == {name: m.tobytes() for name, m in same.items()}


@math_test
@pytest.mark.parametrize("config", [ModelConfig(50, 24), ModelConfig(50, 24, 2), ModelConfig(50, 24, input="scalar")])
def test_the_first_loss_is_ln_of_the_vocabulary_within_one_percent(config: ModelConfig) -> None:
    rng = np.random.default_rng(0)
    ids, targets = rng.integers(0, 50, (2, 12, 4))
    loss = loss_and_gradients(init_params(config, rng), ids, targets)[0]
    assert loss == pytest.approx(math.log(50), rel=0.01)


# It learns.


def ten_losses(config: ModelConfig, dtype: type) -> list[float]:
    """Ten training steps on one small batch, the state carried on."""
    rng = np.random.default_rng(11)
    params, state = init_params(config, rng, dtype), zero_state(config, 2, dtype)
    ids = rng.integers(0, config.vocab_size, (7, 2))
    optimizer, losses = RMSprop(params, learning_rate=0.02), []
    for _ in range(10):
        masks = dropout_masks(config, 6, 2, rng, dtype=dtype)
        loss, grads, state, _ = loss_and_gradients(params, ids[:-1], ids[1:], state, masks)
        clip_by_global_norm(grads, 1.0)
        optimizer.step(params, grads)
        losses.append(loss)
    return losses


TRACES = {
    "onehot": ModelConfig(6, 5, 2, dropout=0.25),
    "scalar": ModelConfig(6, 5, 1, dropout=0.25, recurrent_dropout="variational", input="scalar"),
    "rnndrop": ModelConfig(6, 5, 1, dropout=0.25, recurrent_dropout="rnndrop"),
}
STORED = {
    "onehot": [
        1.797929619088, 1.756444228014, 1.68550251438, 1.639051727414, 1.615512085977,
        1.447928405985, 1.40015791209, 1.335517940886, 1.408010251629, 1.340251235024,
    ],
    "scalar": [
        1.798027808995, 1.737360312556, 1.597665859844, 1.656659373501, 1.620299774253,
        1.50562238009, 1.498837899235, 1.515953751908, 1.526767498578, 1.516405787906,
    ],
    "rnndrop": [
        1.797976290325, 1.714490898395, 1.731998812816, 1.647351147756, 1.593869868597,
        1.568963327903, 1.714747971688, 1.57490555598, 1.52512445259, 1.436227846748,
    ],
}  # fmt: skip


@math_test
@pytest.mark.pinned
@pytest.mark.parametrize("name", TRACES)
def test_the_first_ten_losses_are_the_ones_that_are_stored(name: str) -> None:
    """Anything that changes what a training step computes shows here.  float32 follows as far as it can."""
    assert ten_losses(TRACES[name], np.float64) == pytest.approx(STORED[name], rel=1e-9)
    assert ten_losses(TRACES[name], np.float32) != STORED[name]


@math_test
@pytest.mark.parametrize("config", [ModelConfig(6, 8, dropout=0), ModelConfig(6, 8, layers=2, dropout=0)])
def test_a_tiny_batch_is_learned_by_heart(config: ModelConfig) -> None:
    rng = np.random.default_rng(0)
    params, ids = init_params(config, rng), rng.integers(0, 6, (9, 2))
    ids[0] = 0, 1  # no two sequences begin alike, so every target can be known
    optimizer, loss = RMSprop(params, learning_rate=0.02), math.inf
    for _ in range(200):
        loss, grads, _, _ = loss_and_gradients(params, ids[:-1], ids[1:])
        clip_by_global_norm(grads, 5.0)
        optimizer.step(params, grads)
        if loss < 0.05:
            break
    assert loss < 0.05
    assert token_nats(params, ids[:-1], ids[1:])[1].sum() == 16


# State, dtypes, and what is returned.


@math_test
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_two_windows_with_the_state_carried_are_one_long_sequence_bit_for_bit(case: Case) -> None:
    _, params, ids, _, state, masks, context = build(case)
    first_masks, second_masks = (
        {name: mask[part] if mask.ndim == 3 else mask for name, mask in masks.items()}
        for part in (slice(None, 1), slice(1, None))
    )
    first_context, second_context = (None, None) if context is None else (context[:1], context[1:])
    logits, last, _ = forward(params, ids, state, masks, context=context)
    first, between, _ = forward(params, ids[:1], state, first_masks, context=first_context)
    second, end, _ = forward(params, ids[1:], between, second_masks, context=second_context)
    np.testing.assert_array_equal(logits, np.concatenate([first, second]))
    for name, (h, c) in last.items():
        np.testing.assert_array_equal(h, end[name].h)
        np.testing.assert_array_equal(c, end[name].c)


@math_test
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_float32_stays_float32_everywhere_and_agrees_with_float64(case: Case) -> None:
    _, params, ids, targets, state, masks, context = build(case)
    small = [{name: a.astype(np.float32) for name, a in arrays.items()} for arrays in (params, masks)]
    small_state = {name: type(s)(*(a.astype(np.float32) for a in s)) for name, s in state.items()}
    loss, grads, _, _ = loss_and_gradients(params, ids, targets, state, masks, context=context)
    loss_32, grads_32, last, trace = loss_and_gradients(small[0], ids, targets, small_state, small[1], context=context)
    assert loss_32 == pytest.approx(loss, abs=1e-6)
    for name, gradient in grads.items():
        assert grads_32[name].shape == gradient.shape
        np.testing.assert_allclose(grads_32[name], gradient, rtol=0, atol=1e-6)
    arrays = [*grads_32.values(), *(a for s in last.values() for a in s), few_hot_input_gradient(small[0], trace)]
    arrays += [a for part in trace.values() for a in part if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
    assert token_nats(small[0], ids, targets, small_state, context=context)[0].dtype == np.float32


@math_test
def test_states_begin_at_zero_in_the_dtype_that_is_asked_for() -> None:
    config = ModelConfig(5, 3, layers=2)
    state = zero_state(config, 4)
    assert list(state) == ["lstm1", "lstm2"]
    for h, c in state.values():
        assert h.shape == c.shape == (4, 3)
        assert h.dtype == c.dtype == np.float32
        assert not h.any()
        assert not c.any()
        assert not np.shares_memory(h, c)
    params, ids = init_params(config, np.random.default_rng(0)), np.arange(8).reshape(2, 4) % 5
    np.testing.assert_array_equal(forward(params, ids, state)[0], forward(params, ids)[0])


@math_test
def test_nothing_that_is_given_is_changed() -> None:
    _, params, ids, targets, state, masks, _ = build(CASES["2 layers, dropout, 3 targets not scored"])
    given = [ids, targets, *params.values(), *masks.values(), *(a for s in state.values() for a in s)]
    copies = [array.copy() for array in given]
    loss_and_gradients(params, ids, targets, state, masks)
    forward(params, ids, state, masks)
    for array, copy in zip(given, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@math_test
def test_the_carried_state_outlives_the_next_call() -> None:
    _, params, ids, targets, state, masks, _ = build(Case(carried=True))
    _, _, last, trace = loss_and_gradients(params, ids, targets, state, masks)
    np.testing.assert_array_equal(last["lstm1"].h, trace["lstm1"].h[-1])
    np.testing.assert_array_equal(last["lstm1"].c, trace["lstm1"].c[-1])
    assert not np.shares_memory(last["lstm1"].h, trace["lstm1"].h)
    assert not np.shares_memory(last["lstm1"].c, trace["lstm1"].c)


@math_test
def test_without_a_backward_pass_there_are_no_gradients() -> None:
    _, params, ids, _, _, _, _ = build(Case({"layers": 2}))
    trace = forward(params, ids)[2]
    step = trace["lstm2"]
    gradients = [step.dz, step.dh, step.dc, *(trace[f"{layer}.input"].dx for layer in ("lstm1", "lstm2", "dense"))]
    assert [gradient.size for gradient in gradients] == [0] * 6


@math_test
def test_targets_that_are_not_scored_do_not_count() -> None:
    """Padding behind a song leaves the loss and the gradients of the song as they are."""
    _, params, ids, targets, state, _, _ = build(Case(carried=True))
    padded_ids = np.concatenate([ids, np.zeros((3, 2), int)])
    padded_targets = np.concatenate([targets, np.full((3, 2), -1)])
    loss, grads, _, _ = loss_and_gradients(params, ids, targets, state)
    padded_loss, padded_grads, _, _ = loss_and_gradients(params, padded_ids, padded_targets, state)
    assert padded_loss == pytest.approx(loss, rel=1e-15)
    for name, gradient in grads.items():
        np.testing.assert_allclose(padded_grads[name], gradient, rtol=1e-12, atol=1e-16)


@math_test
def test_one_scored_target_is_its_own_mean() -> None:
    _, params, ids, targets, _, _, _ = build(Case())
    targets[:] = -1
    targets[2, 1] = 3
    loss, _, _, trace = loss_and_gradients(params, ids, targets)
    p = trace["loss"].probabilities[2, 1]
    assert loss == pytest.approx(-math.log(p[3]))
    np.testing.assert_allclose(trace["loss"].dlogits[2, 1], p - np.eye(5)[3], rtol=1e-13)


@math_test
def test_a_batch_without_a_scored_target_has_no_loss_and_no_gradient() -> None:
    _, params, ids, targets, _, _, _ = build(Case())
    loss, grads, _, _ = loss_and_gradients(params, ids, np.full_like(targets, -1))
    assert loss == 0
    assert not any(gradient.any() for gradient in grads.values())


@math_test
def test_ids_may_be_of_any_integer_type() -> None:
    _, params, ids, targets, _, _, _ = build(Case(unscored=2))
    loss = loss_and_gradients(params, ids, targets)[0]
    assert loss_and_gradients(params, ids.astype(np.uint8), targets.astype(np.int16))[0] == loss


def test_numba_on_and_off_agree_as_far_as_the_order_of_summation_allows(tmp_path: Path) -> None:
    script = "\n".join([
        "import sys, numpy as np",
        "from lstm_numpy.gradcheck.checks import CASES, build",
        "from lstm_numpy import loss_and_gradients",
        "network = build(CASES['3 layers'])",
        "np.savez(sys.argv[1], **loss_and_gradients(network.params, network.ids, network.targets, network.state)[1])",
    ])  # fmt: skip
    for flag in "01":
        environment = {**os.environ, "NUMBA_DISABLE_JIT": flag, "PYTHONPATH": str(Path(__file__).parent.parent)}
        command = [sys.executable, "-c", script, str(tmp_path / f"{flag}.npz")]
        subprocess.run(command, env=environment, check=True)
    with np.load(tmp_path / "0.npz") as on, np.load(tmp_path / "1.npz") as off:
        for name, gradient in on.items():
            np.testing.assert_allclose(off[name], gradient, rtol=0, atol=1e-15 * np.abs(gradient).max() * 100)


# Wrong use.


@math_test
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"vocab_size": 1}, "at least 2"),
        ({"hidden_size": 0}, "at least 1 hidden unit"),
        ({"layers": 0}, "1 layer"),
        ({"dropout": 1.0}, "probability to drop"),
        ({"dropout": -0.1}, "probability to drop"),
        ({"recurrent_dropout": "zoneout"}, "none or rnndrop or variational"),
        ({"input": "embedding"}, "onehot or scalar"),
        ({"context": (0,)}, "at least 1 value"),
        ({"context": (2,), "input": "scalar"}, "input onehot"),
        ({"cell": "elman"}, "cell is lstm, not elman"),
    ],
)
def test_a_network_that_cannot_be_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelConfig(**{"vocab_size": 5, **wrong})  # type: ignore[arg-type]


@math_test
def test_a_network_is_made_for_its_vocabulary_if_nothing_else_is_said() -> None:
    assert ModelConfig(5) == ModelConfig(5, 256, 1, 0.3, "none", "onehot")


@math_test
def test_the_smallest_network_is_a_network_and_a_config_cannot_be_changed() -> None:
    config = ModelConfig(2, 1, 1, dropout=0)
    params = init_params(config, np.random.default_rng(0))
    assert math.isfinite(loss_and_gradients(params, np.array([[1]]), np.array([[0]]))[0])
    with pytest.raises(FrozenInstanceError):
        config.layers = 2  # type: ignore[misc]


@math_test
@pytest.mark.parametrize(
    ("ids", "targets", "message"),
    [
        ([[5]], [[0]], r"ids must be integers .*from 0 to 4; found .* from 5 to 5"),
        ([[-1]], [[0]], "ids must be integers .*from 0 to 4"),
        ([[0]], [[5]], "targets must be integers .*from -1 to 4; found .* from 5 to 5"),
        ([[0]], [[-2]], "targets must be integers .*from -1 to 4"),
        ([[0, 1]], [[0]], r"targets must be integers of shape \(1, 2\)"),
        ([0, 1], [0, 1], r"ids must be \(T, B\)"),
        ([[]], [[]], "not empty"),
    ],
)
def test_ids_that_are_not_tokens_are_refused(ids: list[object], targets: list[object], message: str) -> None:
    params = init_params(ModelConfig(5, 2), np.random.default_rng(0))
    for call in (loss_and_gradients, token_nats):
        with pytest.raises(ValueError, match=message):
            call(params, np.array(ids), np.array(targets))
    edge = np.array([[0, 4]])
    assert math.isfinite(loss_and_gradients(params, edge, edge - 1)[0])
    assert math.isfinite(loss_and_gradients(params, edge, edge)[0])


@math_test
def test_arguments_that_do_not_fit_the_network_are_refused() -> None:
    config = ModelConfig(5, 2, layers=2)
    params, ids = init_params(config, np.random.default_rng(0)), np.zeros((3, 4), int)
    state, ones = zero_state(config, 4), np.ones((4, 2), np.float32)

    def call(ids=ids, targets=ids, state=state, masks=None, context=None, workspace=None) -> None:
        loss_and_gradients(params, ids, targets, state, masks, context=context, workspace=workspace)

    call(masks={"lstm1.m": ones, "lstm2.output": np.ones((3, 4, 2), np.float32)}, workspace=Workspace(config, 3, 4))
    for wrong, message in [
        ({"ids": ids.astype(float)}, "must be integers"),
        ({"targets": ids.astype(float)}, "must be integers"),
        ({"state": {}}, "state must have lstm1, lstm2"),
        ({"state": {"lstm1": state["lstm1"]}}, "state must have lstm1, lstm2"),
        ({"state": zero_state(config, 1)}, r"state must have .*\(4, 2\)"),
        ({"masks": {"lstm1.ouput": ones}}, "mask lstm1.ouput"),
        ({"masks": {"lstm3.m": ones}}, "mask lstm3.m"),
        ({"masks": {"lstm1.output": ones}}, "mask lstm1.output"),
        ({"masks": {"lstm1.m": ones[:1]}}, "mask lstm1.m"),
        ({"context": np.zeros((3, 4, 1), int)}, "the 0 features"),
        ({"workspace": Workspace(ModelConfig(5, 3, layers=2), 3, 4)}, "another size"),
        ({"workspace": Workspace(ModelConfig(5, 2, layers=1), 3, 4)}, "another size"),
        ({"workspace": Workspace(config, 3, 5)}, "for ids of shape"),
    ]:
        with pytest.raises(ValueError, match=message):
            call(**wrong)  # type: ignore[arg-type]


@math_test
def test_features_must_be_those_of_the_network() -> None:
    params = init_params(ModelConfig(5, 2, context=(3, 2)), np.random.default_rng(0))
    ids, edge = np.zeros((3, 4), int), np.zeros((3, 4, 2), int)
    edge[1, 2] = 2, 1
    assert math.isfinite(loss_and_gradients(params, ids, ids, context=edge.astype(np.uint8))[0])
    for wrong in (None, edge[:2], edge[:, :, :1], edge[:, :, ::-1], edge - 1, edge.astype(float)):
        with pytest.raises(ValueError, match="context must be"):
            loss_and_gradients(params, ids, ids, context=wrong)


@math_test
def test_a_state_is_reset_where_a_song_begins_and_no_state_stays_none() -> None:
    state = {"lstm1": LSTMState(np.ones((3, 2)), np.full((3, 2), 2.0))}
    h, c = reset(state, np.array([False, True, False]))["lstm1"]
    assert h.tolist() == [[1, 1], [0, 0], [1, 1]]
    assert c.tolist() == [[2, 2], [0, 0], [2, 2]]
    assert reset(None, np.array([True, False])) is None
