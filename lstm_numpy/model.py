"""The network: recurrent layers, dropout, a dense layer, softmax.  Loss and gradients of the whole stack, by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lstm_numpy import layers
from lstm_numpy.cells import Cell, cell_of
from lstm_numpy.parameters import Array, Arrays, State, input_weights, layer_names
from lstm_numpy.speed.buffers import Buffers
from lstm_numpy.speed.workspace import Trace, Workspace


class InputTrace(NamedTuple):
    """What a layer was given, and d loss / d of it."""

    x: Array  # (T, B, D) numbers; or ids (T, B), with features (T, B, 1 + F)
    dx: Array  # (T, B, D), filled by the backward pass; empty for ids, see few_hot_input_gradient


# The stack of layers.  It stands once: training and evaluation run all its steps at once, writing runs one by one.


class Layer(NamedTuple):
    """One recurrent layer, ready to run."""

    name: str
    cell: Cell
    Ws: tuple[Array, ...]  # (D, gates * H) Wx; and for features (size, gates * H) Wx1, Wx2, ...
    xWx: Array  # (T, B, gates * H)  # noqa: N815
    weights: Any  # the cell's weights and masks
    masks: Any
    output_mask: Array | None  # (T, B, H) dropout of the output
    trace: Any
    h: Array  # (T, B, H) trace.h[1:], what the layer gives
    step: Callable[[int], None]
    buffers: Buffers


class Stack:
    """All layers, for T time steps of B sequences that begin in `state` (None: zeros)."""

    def __init__(
        self, params: Mapping[str, Array], T: int, B: int, state: State | None, masks: Mapping[str, Array],
        buffers: Buffers,
    ) -> None:  # fmt: skip
        self.W, self.b = params["dense.W"], params["dense.b"]
        self.T, self.V, dtype = T, self.b.size, self.b.dtype
        self.logits = buffers.empty("logits", (T, B, self.V), dtype)
        self.inputs: dict[str, Array] = {}  # what each layer was given in the last run
        self.layers: list[Layer] = []
        for name in layer_names(params):
            cell, room, H = cell_of(name), buffers.within(name), self.W.shape[0]
            ones, zeros = room.full("ones", 1, (B, H), dtype), room.full("zeros", 0, (B, H), dtype)
            Ws, weights = tuple(input_weights(params, name).values()), weights_of(params, name)
            cell_masks = masks_of(masks, name, ones)
            first = state[name] if state else cell.state(*(zeros for _ in cell.state._fields))
            xWx = room.empty("xWx", (T, B, Ws[0].shape[1]), dtype)
            trace, step = cell.steps(xWx, weights, first, cell_masks, room)
            mask = masks.get(f"{name}.output")
            self.layers.append(Layer(name, cell, Ws, xWx, weights, cell_masks, mask, trace, trace.h[1:], step, room))

    def run(self, x: Array) -> Array:
        """All time steps: from the first layer's input x to logits (T, B, V)."""
        return self._run(x, slice(None), range(self.T), self.logits)

    def run_step(self, x: Array, t: int) -> Array:
        """Time step t: from its x, without the axis T, to logits (B, V), valid until the next step."""
        return self._run(x, t, (t,), self.logits[0])

    def _run(self, x: Array, rows: slice | int, times: Iterable[int], logits: Array) -> Array:
        for layer in self.layers:
            x = self.inputs[layer.name] = layers.input_forward(x, layer.Ws, self.V, layer.xWx[rows])
            for t in times:
                layer.step(t)
            x = layer.h[rows]
            if layer.output_mask is not None:
                x = layers.dropout_forward(x, layer.output_mask[rows], layer.buffers)
        self.inputs["dense"] = x
        layers.dense_forward(x, self.W, self.b, logits)
        return logits

    def state(self, t: int) -> State:
        """What the sequences carry after t steps: views."""
        return {
            layer.name: layer.cell.state(*(getattr(layer.trace, field)[t] for field in layer.cell.state._fields))
            for layer in self.layers
        }

    def start_again(self) -> None:
        """The state after the last step becomes that before the first."""
        for first, last in zip(self.state(0).values(), self.state(self.T).values(), strict=True):
            for row, last_row in zip(first, last, strict=True):
                row[:] = last_row

    def trace(self) -> dict[str, Any]:
        """Every intermediate by name; gradients are empty until stack_backward has filled them."""
        found: dict[str, Any] = {}
        for layer in self.layers:
            found[f"{layer.name}.input"] = InputTrace(self.inputs[layer.name], np.empty(0, self.b.dtype))
            found[layer.name] = layer.trace
        return {**found, "dense.input": InputTrace(self.inputs["dense"], np.empty(0, self.b.dtype))}


def weights_of(params: Mapping[str, Array], layer: str) -> Any:
    """The weights of a layer's cell."""
    weights = cell_of(layer).weights
    return weights(*(params[f"{layer}.{field}"] for field in weights._fields))


def masks_of(masks: Mapping[str, Array], layer: str, ones: Array) -> Any:
    """The masks of a layer's cell; ones where there is none."""
    fields = cell_of(layer).masks
    return fields(*(masks.get(f"{layer}.{field}", ones) for field in fields._fields))


def stack_forward(
    params: Mapping[str, Array], x: Array, state: State | None, masks: Mapping[str, Array], buffers: Buffers
) -> tuple[Array, State, dict[str, Any]]:
    """All layers, for one part of a batch.  x is what few_hot gives, or numbers (T, B, D)."""
    T, B = x.shape[:2]
    stack = Stack(params, T, B, state, masks, buffers)
    logits = stack.run(x)
    last = {name: type(arrays)(*(array.copy() for array in arrays)) for name, arrays in stack.state(T).items()}
    return logits, last, stack.trace()


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
    for name in reversed(layer_names(params)):
        cell, room, x = cell_of(name), buffers.within(name), trace[f"{name}.input"].x
        if f"{name}.output" in masks:
            dy = layers.dropout_backward(dy, masks[f"{name}.output"], room)
        ones = room.full("ones", 1, dy.shape[1:], dy.dtype)
        step, d_weights = cell.backward(dy, weights_of(params, name), masks_of(masks, name, ones), trace[name], room)
        grads.update({f"{name}.{field}": gradient for field, gradient in d_weights._asdict().items()})
        Ws = input_weights(params, name)
        if x.dtype.kind in "iu":
            grads.update(zip(Ws, layers.few_hot_backward(step.dz, x, tuple(Ws.values()), room), strict=True))
        else:
            dy, grads[f"{name}.Wx"] = layers.linear_backward(step.dz, x, Ws[f"{name}.Wx"], room)
            trace[f"{name}.input"] = InputTrace(x, dy)
        trace[name] = step
    return {name: grads[name] for name in params}


class Stepper:
    """What `forward` does without dropout, one row of ids after the other, from a state of B sequences, for writing.

    Everything that does not change from step to step is prepared once.
    """

    ROWS = 64  # time steps that are kept

    def __init__(self, params: Mapping[str, Array], state: State, buffers: Buffers) -> None:
        B = next(iter(state.values()))[0].shape[0]
        self._stack, self._t = Stack(params, self.ROWS, B, state, {}, buffers), 0

    def __call__(self, ids: Array, context: Array | None = None) -> Array:
        """ids (B,), and features (B, F) if the network has any, to logits (B, V), valid until the next call."""
        if self._t == self.ROWS:
            self._stack.start_again()
            self._t = 0
        self._t += 1
        return self._stack.run_step(few_hot(ids, context), self._t - 1)

    @property
    def state(self) -> State:
        """What the sequences carry now: views, until the next call."""
        return self._stack.state(self._t)


# What the world calls.


def few_hot(ids: Array, context: Array | None) -> Array:
    """The places of the ones in x: ids (...), and context (..., F) behind them, if there is any."""
    return ids if context is None else np.concatenate([ids[..., None], context], axis=-1)


def forward(
    params: Mapping[str, Array],
    ids: Array,
    state: State | None = None,
    masks: Mapping[str, Array] | None = None,
    *,
    context: Array | None = None,
    workspace: Workspace | None = None,
) -> tuple[Array, State, Trace]:
    """ids (T, B) to logits (T, B, V), the state after the last step, and the trace.  Arguments as below."""
    _check(params, ids, None, state, masks, context, workspace)
    x = few_hot(ids, context)

    def part(lanes: slice, buffers: Buffers) -> tuple[Array, State, dict[str, Any]]:
        return stack_forward(params, _lanes(x, lanes), _state_of(state, lanes), _masks_of(masks, lanes), buffers)

    logits, states, traces = zip(*_run(part, ids, workspace), strict=True)
    return (logits[0] if len(logits) == 1 else np.concatenate(logits, axis=1)), _joined(states), Trace(traces)


def token_nats(
    params: Mapping[str, Array],
    ids: Array,
    targets: Array,
    state: State | None = None,
    *,
    context: Array | None = None,
    workspace: Workspace | None = None,
) -> tuple[Array, int, State]:
    """Evaluation: -ln p(target) in nats (T, B), 0 where the target is -1; how many predictions are right; the state."""
    _check(params, ids, targets, state, None, context, workspace)
    x = few_hot(ids, context)

    def part(lanes: slice, buffers: Buffers) -> tuple[Array, int, State]:
        logits, last_state, _ = stack_forward(params, _lanes(x, lanes), _state_of(state, lanes), {}, buffers)
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
    context: Array | None = None,
    workspace: Workspace | None = None,
) -> tuple[float, Arrays, State, Trace]:
    """The mathematics of one training step: forward, loss, and backward through time.

    ids and targets are integers (T, B); a target of -1 is not scored.  context: (T, B, F) integers, the features that
    go with each id, if the network has any.  state is where each layer begins, (B, H) arrays
    (None: zeros); masks come from dropout_masks (None: no dropout, as in evaluation).

    Returns (loss, grads, state, trace).  loss is the mean of -ln p(target) in nats over the scored targets (0 where
    none is); grads has the names, shapes and dtypes of params; state is each layer's last h and c, to be carried to the
    next window; trace holds every intermediate and its gradient by name.  With a workspace, grads and trace are valid
    until its next use.  Raises ValueError for ids or targets that are no integers or outside of the vocabulary, for
    shapes and names that do not fit, and for a workspace of another network.
    """
    _check(params, ids, targets, state, masks, context, workspace)
    x = few_hot(ids, context)
    scored = int(np.count_nonzero(targets >= 0))

    def part(lanes: slice, buffers: Buffers) -> tuple[float, Arrays, State, dict[str, Any]]:
        its_x, its_targets = _lanes(x, lanes), _lanes(targets, lanes)
        its_state, its_masks = _state_of(state, lanes), _masks_of(masks, lanes)
        logits, last_state, trace = stack_forward(params, its_x, its_state, its_masks, buffers)
        score, loss = layers.cross_entropy_forward(logits, its_targets, buffers.within("loss"))
        loss = layers.cross_entropy_backward(loss, its_targets, scored, buffers.within("loss"))
        grads = stack_backward(params, its_masks, loss.dlogits, trace, buffers)
        return float(score.nats.sum(dtype=np.float64)), grads, last_state, {**trace, "loss": loss, "score": score}

    nats, grads, states, traces = zip(*_run(part, ids, workspace), strict=True)
    for more in grads[1:]:  # the gradient of the batch is the sum over its parts, each divided by all that is scored
        for name in params:
            grads[0][name] += more[name]
    return sum(nats) / max(scored, 1), grads[0], _joined(states), Trace(traces)


def few_hot_input_gradient(params: Mapping[str, Array], trace: Trace) -> Array:
    """d loss / d x, (T, B, V + sizes of the features): what the loss would do if x were not quite few-hot.  (18)"""
    name = layer_names(params)[0]
    return np.asarray(trace[name].dz @ np.concatenate(list(input_weights(params, name).values())).T)


# A batch is cut into parts by its lanes: the second axis of (T, B), the last but one of states and masks.


def _run(part: Any, ids: Array, workspace: Workspace | None) -> list[Any]:
    return workspace.run(part, ids.shape) if workspace else [part(slice(None), Buffers())]


def _lanes(integers: Array, lanes: slice) -> Array:
    return np.ascontiguousarray(integers[:, lanes], dtype=np.intp)


def _masks_of(masks: Mapping[str, Array] | None, lanes: slice) -> Arrays:
    return {name: mask[..., lanes, :] for name, mask in (masks or {}).items()}


def _state_of(state: State | None, lanes: slice) -> State | None:
    return state and {name: type(arrays)(*(array[lanes] for array in arrays)) for name, arrays in state.items()}


def _joined(states: Sequence[State]) -> State:
    if len(states) == 1:
        return states[0]
    return {
        name: type(arrays)(*map(np.concatenate, zip(*(state[name] for state in states), strict=True)))
        for name, arrays in states[0].items()
    }


def _check(
    params: Mapping[str, Array], ids: Array, targets: Array | None, state: State | None,
    masks: Mapping[str, Array] | None, context: Array | None, workspace: Workspace | None,
) -> None:  # fmt: skip
    """ValueError where the arguments of one of the functions above do not fit together."""
    H, V = params["dense.W"].shape
    if ids.ndim != 2 or ids.size == 0:
        raise ValueError(f"ids must be (T, B) and not empty, not {ids.shape}")
    T, B = ids.shape
    if ids.dtype.kind not in "iu" or (targets is not None and targets.dtype.kind not in "iu"):
        raise ValueError("ids and targets must be integers")
    if ids.min() < 0 or ids.max() >= V:
        raise ValueError(f"ids must lie in 0..{V - 1}, the vocabulary; found {ids.min()}..{ids.max()}")
    if targets is not None and targets.shape != ids.shape:
        raise ValueError(f"targets have shape {targets.shape}, ids {ids.shape}: they must be the same")
    if targets is not None and (targets.min() < -1 or targets.max() >= V):
        raise ValueError(f"targets must lie in -1..{V - 1}; found {targets.min()}..{targets.max()}")

    names = layer_names(params)
    if state is not None and state.keys() != set(names):
        raise ValueError(f"state has the layers {sorted(state)}, the network {names}")
    for name, arrays in (state or {}).items():
        if any(array.shape != (B, H) for array in arrays):
            raise ValueError(f"state of {name}: each array must be (B, H), {(B, H)}")
    sizes = [len(array) for array in input_weights(params, names[0]).values()][1:]
    if bool(sizes) != (context is not None) or (context is not None and context.shape != (T, B, len(sizes))):
        found = "there is none" if context is None else f"it is {context.shape}"
        raise ValueError(f"context must be (T, B, {len(sizes)}), as the network has {len(sizes)} features; {found}")
    if context is not None and not (
        context.dtype.kind in "iu" and context.min() >= 0 and (context.max(axis=(0, 1)) < sizes).all()
    ):
        raise ValueError(f"context must be integers from 0 to below {sizes}, the sizes of the features")
    shapes: dict[str, tuple[int, ...]] = {f"{name}.output": (T, B, H) for name in names}
    shapes |= {f"{name}.{field}": (B, H) for name in names for field in cell_of(name).masks._fields}
    for name, mask in (masks or {}).items():
        if mask.shape != shapes.get(name):
            raise ValueError(f"mask {name} {mask.shape}: the masks of this network are {shapes}")
    if workspace and workspace.shapes != {name: array.shape for name, array in params.items()}:
        raise ValueError("this workspace was made for a network of another size")
