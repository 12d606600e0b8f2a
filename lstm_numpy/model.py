"""The network: ids, LSTM layers, dropout, a dense layer, softmax.  Loss and gradients of the whole stack, by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from lstm_numpy import kernels, layers
from lstm_numpy.lstm import LSTMState, RecurrentMasks, lstm_backward, lstm_forward
from lstm_numpy.speed.buffers import Buffers
from lstm_numpy.speed.workspace import Trace, Workspace

Array: TypeAlias = npt.NDArray[Any]
Arrays: TypeAlias = dict[str, Array]  # parameters, their gradients, or dropout masks, by name
State: TypeAlias = dict[str, LSTMState]  # what each layer carries from window to window, by the layer's name


@dataclass(frozen=True)
class ModelConfig:
    """What it takes to build the network again.

    dropout is the probability to DROP a unit (the paper's 0.75 may be read either way).  recurrent_dropout says where:
    "none": each layer's output is dropped, anew at each time step;
    "rnndrop": the cells, one mask for a whole sequence, and nothing else (Moon et al. 2015);
    "variational": the hidden state on its way to the next step, one mask for a whole sequence, beside the output's
    dropout (Gal and Ghahramani 2016).
    input is "onehot", or "scalar": id / vocab_size as one number, as the paper has it.
    """

    vocab_size: int
    hidden_size: int = 256
    layers: int = 1
    dropout: float = 0.3
    recurrent_dropout: Literal["none", "rnndrop", "variational"] = "none"
    input: Literal["onehot", "scalar"] = "onehot"

    def __post_init__(self) -> None:
        if self.vocab_size < 2 or self.hidden_size < 1 or self.layers < 1:
            raise ValueError("a network needs a vocabulary of at least 2, and at least 1 hidden unit and 1 layer")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is a probability to drop, from 0 to below 1, not {self.dropout}")
        if self.recurrent_dropout not in ("none", "rnndrop", "variational"):
            raise ValueError(f"recurrent_dropout is none, rnndrop or variational, not {self.recurrent_dropout}")
        if self.input not in ("onehot", "scalar"):
            raise ValueError(f"input is onehot or scalar, not {self.input}")


def parameter_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """The name and shape of every parameter, from the input to the output."""
    V, H = config.vocab_size, config.hidden_size
    shapes: dict[str, tuple[int, ...]] = {}
    inputs = V if config.input == "onehot" else 1
    for layer in range(1, config.layers + 1):
        shapes[f"lstm{layer}.Wx"] = (inputs, 4 * H)
        shapes[f"lstm{layer}.Wh"] = (H, 4 * H)
        shapes[f"lstm{layer}.b"] = (4 * H,)
        inputs = H
    return {**shapes, "dense.W": (H, V), "dense.b": (V,)}


def init_params(config: ModelConfig, rng: np.random.Generator, dtype: npt.DTypeLike = np.float32) -> Arrays:
    """Fresh parameters: Wx and dense.W Glorot uniform, Wh orthogonal gate by gate, biases 0, but forget biases 1.

    A forget gate that starts open keeps gradients alive from the first step (Jozefowicz et al. 2015).  The dense layer
    is small, so that the first predictions are almost uniform and the first loss is ln V.
    """
    params: Arrays = {}
    H = config.hidden_size
    for name, shape in parameter_shapes(config).items():
        if name.endswith(".Wh"):
            gates = [np.linalg.qr(rng.standard_normal((H, H)))[0] for _ in range(4)]
            params[name] = np.concatenate(gates, axis=1).astype(dtype)
        elif len(shape) == 2:
            limit = math.sqrt(6 / sum(shape))
            params[name] = rng.uniform(-limit, limit, shape).astype(dtype)
        else:
            params[name] = np.zeros(shape, dtype)
            if name != "dense.b":
                params[name][H : 2 * H] = 1
    return params


def zero_state(config: ModelConfig, B: int, dtype: npt.DTypeLike = np.float32) -> State:
    """The state at the beginning of B songs."""
    shape = (B, config.hidden_size)
    return {f"lstm{n}": LSTMState(np.zeros(shape, dtype), np.zeros(shape, dtype)) for n in range(1, config.layers + 1)}


# Dropout.

_DRAWN_AT_ONCE = 2**15  # units of a mask


def dropout_masks(
    config: ModelConfig,
    T: int,
    B: int,
    rng: np.random.Generator,
    *,
    dtype: npt.DTypeLike = np.float32,
    workspace: Workspace | None = None,
) -> Arrays:
    """The masks of one training step: "lstm1.output" (T, B, H), and "lstm1.m", "lstm1.s", "lstm1.r" (B, H) as needed.

    Kept units are scaled by 1/keep, all but m.  The probability to drop is rounded to 16 bits.  With a workspace the
    large arrays are reused from step to step.
    """
    buffers = workspace.masks if workspace else Buffers()
    H = config.hidden_size
    masks: Arrays = {}
    if config.dropout == 0:
        return masks

    def draw(name: str, shape: tuple[int, ...]) -> Array:
        mask = buffers.empty(name, shape, dtype)
        keep, drop_below = mask.dtype.type(1 / (1 - config.dropout)), round(config.dropout * 2**16)
        units = mask.reshape(-1)
        for begin in range(0, units.size, _DRAWN_AT_ONCE):  # four units from one draw of 64 bits, a cacheful at a time
            some = units[begin : begin + _DRAWN_AT_ONCE]
            bits = rng.integers(2**64, size=-(-some.size // 4), dtype=np.uint64).view(np.uint16)
            kernels.threshold_mask(bits, drop_below, keep, some)
        return mask

    for layer in (f"lstm{n}" for n in range(1, config.layers + 1)):
        if config.recurrent_dropout == "rnndrop":
            masks[f"{layer}.s"] = draw(f"{layer}.s", (B, H))
            masks[f"{layer}.m"] = np.sign(masks[f"{layer}.s"])
        else:
            masks[f"{layer}.output"] = draw(f"{layer}.output", (T, B, H))
        if config.recurrent_dropout == "variational":
            masks[f"{layer}.r"] = draw(f"{layer}.r", (B, H))
    return masks


def hold_masks(masks: Arrays, previous: Mapping[str, Array], fresh: Array) -> Arrays:
    """masks, but lanes whose song goes on (not fresh) keep their (B, H) rows of `previous`: one mask for a song."""
    return {
        name: mask if mask.ndim == 3 or name not in previous else np.where(fresh[:, None], mask, previous[name])
        for name, mask in masks.items()
    }


# Forward, and forward with backward.


class InputTrace(NamedTuple):
    """What a layer was given, and d loss / d of it."""

    x: Array  # (T, B, D) numbers, or (T, B) ids
    dx: Array  # (T, B, D), filled by the backward pass; empty for ids, see onehot_input_gradient


def lstm_names(params: Mapping[str, Array]) -> list[str]:
    """The names of the LSTM layers, from the input up: "lstm1", "lstm2", ..."""
    return [name.removesuffix(".Wh") for name in params if name.endswith(".Wh")]


def stack_forward(
    params: Mapping[str, Array], x: Array, state: State | None, masks: Mapping[str, Array], buffers: Buffers
) -> tuple[Array, State, dict[str, Any]]:
    """All layers, for one part of a batch.  x is ids (T, B), or numbers (T, B, D) as the first layer's input."""
    T, B = x.shape[:2]
    V, dtype = params["dense.b"].size, params["dense.b"].dtype
    trace: dict[str, Any] = {}
    last_state: State = {}
    for name in lstm_names(params):
        Wx, Wh, b = params[f"{name}.Wx"], params[f"{name}.Wh"], params[f"{name}.b"]
        room, H = buffers.within(name), Wh.shape[0]
        ones, zeros = room.full("ones", 1, (B, H), dtype), room.full("zeros", 0, (B, H), dtype)

        xWx = room.empty("xWx", (T, B, 4 * H), dtype)
        x = layers.input_forward(x, Wx, V, xWx)
        recurrent_masks = RecurrentMasks(*(masks.get(f"{name}.{letter}", ones) for letter in "msr"))
        first_state = state[name] if state else LSTMState(zeros, zeros)
        step = lstm_forward(xWx, Wh, b, first_state, recurrent_masks, room)
        trace[f"{name}.input"], trace[name] = InputTrace(x, np.empty(0, dtype)), step
        last_state[name] = LSTMState(step.h[T].copy(), step.c[T].copy())
        x = step.h[1:]
        if f"{name}.output" in masks:
            x = layers.dropout_forward(x, masks[f"{name}.output"], room)
    trace["dense.input"] = InputTrace(x, np.empty(0, dtype))
    logits = buffers.empty("logits", (T, B, V), dtype)
    layers.dense_forward(x, params["dense.W"], params["dense.b"], logits)
    return logits, last_state, trace


def stack_backward(
    params: Mapping[str, Array], masks: Mapping[str, Array], dlogits: Array, trace: dict[str, Any], buffers: Buffers
) -> Arrays:
    """The gradients of all parameters for one part of a batch; fills the d... of `trace`."""
    grads: Arrays = {}
    x = trace["dense.input"].x
    dy, grads["dense.W"], grads["dense.b"] = layers.dense_backward(
        dlogits, x, params["dense.W"], buffers.within("dense")
    )
    trace["dense.input"] = InputTrace(x, dy)
    for name in reversed(lstm_names(params)):
        Wx, Wh = params[f"{name}.Wx"], params[f"{name}.Wh"]
        room = buffers.within(name)
        if f"{name}.output" in masks:
            dy = layers.dropout_backward(dy, masks[f"{name}.output"], room)
        ones = room.full("ones", 1, dy.shape[1:], dy.dtype)
        recurrent_masks = RecurrentMasks(*(masks.get(f"{name}.{letter}", ones) for letter in "msr"))
        step, grads[f"{name}.Wh"], grads[f"{name}.b"] = lstm_backward(dy, Wh, recurrent_masks, trace[name], room)
        x = trace[f"{name}.input"].x
        if x.ndim == 2:
            grads[f"{name}.Wx"] = layers.onehot_backward(step.dz, x, Wx, room)
        else:
            dy, grads[f"{name}.Wx"] = layers.linear_backward(step.dz, x, Wx, room)
            trace[f"{name}.input"] = InputTrace(x, dy)
        trace[name] = step
    return {name: grads[name] for name in params}


def forward(
    params: Mapping[str, Array],
    ids: Array,
    state: State | None = None,
    masks: Mapping[str, Array] | None = None,
    *,
    workspace: Workspace | None = None,
) -> tuple[Array, State, Trace]:
    """ids (T, B) to logits (T, B, V), the state after the last step, and the trace.  Arguments as below."""
    _check(params, ids)

    def part(lanes: slice, buffers: Buffers) -> tuple[Array, State, dict[str, Any]]:
        return stack_forward(params, _lanes(ids, lanes), _state_of(state, lanes), _masks_of(masks, lanes), buffers)

    logits, states, traces = zip(*_run(part, ids, workspace), strict=True)
    return (logits[0] if len(logits) == 1 else np.concatenate(logits, axis=1)), _joined(states), Trace(traces)


def token_nats(
    params: Mapping[str, Array],
    ids: Array,
    targets: Array,
    state: State | None = None,
    *,
    workspace: Workspace | None = None,
) -> tuple[Array, int, State]:
    """Evaluation: -ln p(target) in nats (T, B), 0 where the target is -1; how many predictions are right; the state."""
    _check(params, ids, targets)

    def part(lanes: slice, buffers: Buffers) -> tuple[Array, int, State]:
        logits, last_state, _ = stack_forward(params, _lanes(ids, lanes), _state_of(state, lanes), {}, buffers)
        score, _ = layers.cross_entropy_forward(logits, _lanes(targets, lanes), buffers.within("loss"))
        return score.nats, score.correct, last_state

    nats, correct, states = zip(*_run(part, ids, workspace), strict=True)
    return np.concatenate(nats, axis=1), sum(correct), _joined(states)


def loss_and_gradients(
    params: Mapping[str, Array],
    ids: Array,
    targets: Array,
    state: State | None = None,
    masks: Mapping[str, Array] | None = None,
    *,
    workspace: Workspace | None = None,
) -> tuple[float, Arrays, State, Trace]:
    """The mathematics of one training step: forward, loss, and backward through time.

    ids and targets are integers (T, B); a target of -1 is not scored.  state is where each layer begins, (B, H) arrays
    (None: zeros); masks come from dropout_masks (None: no dropout, as in evaluation).

    Returns (loss, grads, state, trace).  loss is the mean of -ln p(target) in nats over the scored targets (0 where
    none is); grads has the names, shapes and dtypes of params; state is each layer's last h and c, to be carried to the
    next window; trace holds every intermediate and its gradient by name.  With a workspace, grads and trace are valid
    until its next use.  Raises ValueError for ids or targets outside of the vocabulary and for shapes that do not fit.
    """
    _check(params, ids, targets)
    scored = int(np.count_nonzero(targets >= 0))

    def part(lanes: slice, buffers: Buffers) -> tuple[float, Arrays, State, dict[str, Any]]:
        its_ids, its_targets = _lanes(ids, lanes), _lanes(targets, lanes)
        its_state, its_masks = _state_of(state, lanes), _masks_of(masks, lanes)
        logits, last_state, trace = stack_forward(params, its_ids, its_state, its_masks, buffers)
        score, loss = layers.cross_entropy_forward(logits, its_targets, buffers.within("loss"))
        loss = layers.cross_entropy_backward(loss, its_targets, scored, buffers.within("loss"))
        grads = stack_backward(params, its_masks, loss.dlogits, trace, buffers)
        return float(score.nats.sum(dtype=np.float64)), grads, last_state, {**trace, "loss": loss, "score": score}

    nats, grads, states, traces = zip(*_run(part, ids, workspace), strict=True)
    for more in grads[1:]:  # the gradient of the batch is the sum over its parts, each divided by all that is scored
        for name in params:
            grads[0][name] += more[name]
    return sum(nats) / max(scored, 1), grads[0], _joined(states), Trace(traces)


def onehot_input_gradient(params: Mapping[str, Array], trace: Trace) -> Array:
    """d loss / d onehot(ids), (T, B, V): what the loss would do if the input were not quite one-hot.  (18)"""
    return np.asarray(trace["lstm1"].dz @ params["lstm1.Wx"].T)


# A batch is cut into parts by its lanes: the second axis of (T, B), the last but one of states and masks.


def _run(part: Any, ids: Array, workspace: Workspace | None) -> list[Any]:
    return workspace.run(part, ids.shape) if workspace else [part(slice(None), Buffers())]


def _lanes(integers: Array, lanes: slice) -> Array:
    return np.ascontiguousarray(integers[:, lanes], dtype=np.intp)


def _masks_of(masks: Mapping[str, Array] | None, lanes: slice) -> Arrays:
    return {name: mask[..., lanes, :] for name, mask in (masks or {}).items()}


def _state_of(state: State | None, lanes: slice) -> State | None:
    return state and {name: LSTMState(h[lanes], c[lanes]) for name, (h, c) in state.items()}


def _joined(states: Sequence[State]) -> State:
    if len(states) == 1:
        return states[0]
    return {
        name: LSTMState(*(np.concatenate(part) for part in zip(*(state[name] for state in states), strict=True)))
        for name in states[0]
    }


def _check(params: Mapping[str, Array], ids: Array, targets: Array | None = None) -> None:
    V = params["dense.b"].size
    if ids.ndim != 2 or ids.size == 0:
        raise ValueError(f"ids must be (T, B) and not empty, not {ids.shape}")
    if ids.min() < 0 or ids.max() >= V:
        raise ValueError(f"ids must lie in 0..{V - 1}, the vocabulary; found {ids.min()}..{ids.max()}")
    if targets is None:
        return
    if targets.shape != ids.shape:
        raise ValueError(f"targets have shape {targets.shape}, ids {ids.shape}: they must be the same")
    if targets.min() < -1 or targets.max() >= V:
        raise ValueError(f"targets must lie in -1..{V - 1}; found {targets.min()}..{targets.max()}")
