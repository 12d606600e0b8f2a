"""The network: recurrent layers, dropout, a dense layer, softmax.  Loss and gradients of the whole stack, by hand."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from lstm_numpy import layers
from lstm_numpy.parameters import Array, Arrays, Cell, State, cell_of, each_array, input_weights, layer_names
from lstm_numpy.speed.buffers import Buffers
from lstm_numpy.speed.products import in_blocks
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
    Ws: tuple[Array, ...]  # Wx (D, gates * H), and for features Wx1, Wx2, ... (size, gates * H)
    Wx: Callable[[], Array]  # Ws[0] as in_blocks lays it out, when it is first asked for: ids do without
    xWx: Array  # (T, B, gates * H)  # noqa: N815
    weights: Any  # the cell's weights and masks
    masks: Any
    output_mask: Array | None  # (T, B, H) dropout of the output
    trace: Any
    h: Array  # (T, B, H) what it gives to the layer above
    steps: Callable[[int, int], None]  # runs time steps first to last - 1
    buffers: Buffers


class Stack:
    """All layers, for T time steps of B sequences that begin in `state` (None: zeros)."""

    def __init__(
        self, params: Mapping[str, Array], T: int, B: int, state: State | None, masks: Mapping[str, Array],
        buffers: Buffers,
    ) -> None:  # fmt: skip
        self.W, self.b, self.T, self.buffers = params["dense.W"], params["dense.b"], T, buffers
        self.W_in_blocks = in_blocks(self.W, "W", buffers)
        (H, self.V), dtype = self.W.shape, self.W.dtype
        self.logits = buffers.empty("logits", (T, B, self.V), dtype)
        self.trace: dict[str, Any] = {}  # every intermediate of the last run by name
        self.layers: list[Layer] = []
        ones, zeros = np.ones((B, H), dtype), np.zeros((B, H), dtype)
        for name in layer_names(params):
            cell, room, Ws = cell_of(name), buffers.within(name), tuple(input_weights(params, name).values())
            weights = cell.weights(*(params[f"{name}.{field}"] for field in cell.weights._fields))
            cell_masks = cell.masks(*(masks.get(f"{name}.{field}", ones) for field in cell.masks._fields))
            first = state[name] if state else cell.state(*(zeros for _ in cell.state._fields))
            xWx = room.empty("xWx", (T, B, len(cell.gates) * H), dtype)
            trace, steps = cell.steps(xWx, weights, first, cell_masks, room)
            mask = masks.get(f"{name}.output")
            Wx, h = cache(partial(in_blocks, Ws[0], "Wx", room)), trace.h[1:]
            self.layers.append(Layer(name, cell, Ws, Wx, xWx, weights, cell_masks, mask, trace, h, steps, room))
        self.not_yet = np.empty(0, dtype)

    def run(self, x: Array, t: int | None = None) -> Array:
        """All time steps, from x to logits (T, B, V).  x is what few_hot gives, or numbers (T, B, D).

        With t, time step t alone: from its x, without the axis T, to logits (B, V), valid until the next step.
        """
        rows, logits = (slice(None), self.logits) if t is None else (t, self.logits[0])
        first, last = (0, self.T) if t is None else (t, t + 1)
        for layer in self.layers:
            x = layers.input_forward(x, layer.Ws, self.V, layer.xWx[rows], layer.Wx)  # xWx = x @ Wx               (6)
            self.trace[f"{layer.name}.input"], self.trace[layer.name] = InputTrace(x, self.not_yet), layer.trace
            layer.steps(first, last)  # (1) to (5)
            x = layer.h[rows]
            if layer.output_mask is not None:
                x = layers.dropout_forward(x, layer.output_mask[rows], layer.buffers)  # y = h * mask              (7)
        self.trace["dense.input"] = InputTrace(x, self.not_yet)
        layers.dense_forward(x, self.W_in_blocks, self.b, logits)  # logits = y @ W + b                            (8)
        return logits

    def backward(self, dlogits: Array) -> Arrays:
        """The gradients of all parameters, by name, after `run`; fills the d... of `trace`."""
        grads: Arrays = {}
        y = self.trace["dense.input"].x
        dy, grads["dense.W"], grads["dense.b"] = layers.dense_backward(
            dlogits, y, self.W, self.buffers.within("dense")
        )  # (19)
        self.trace["dense.input"] = InputTrace(y, dy)
        for layer in reversed(self.layers):
            name, room, x = layer.name, layer.buffers, self.trace[f"{layer.name}.input"].x
            if layer.output_mask is not None:
                dy = layers.dropout_backward(dy, layer.output_mask, room)  # (7)
            trace, d_weights = layer.cell.backward(dy, layer.weights, layer.masks, layer.trace, room)  # (11) to (17)
            self.trace[name] = trace
            grads.update({f"{name}.{field}": gradient for field, gradient in d_weights._asdict().items()})
            if x.dtype.kind in "iu":
                d_rows = layers.few_hot_backward(trace.dz, x, layer.Ws, room)  # (24)
                grads.update({f"{name}.Wx{j or ''}": d_row for j, d_row in enumerate(d_rows)})
            else:
                dy, grads[f"{name}.Wx"] = layers.linear_backward(trace.dz, x, layer.Ws[0], room)  # (18)
                self.trace[f"{name}.input"] = InputTrace(x, dy)
        return grads

    def state(self, t: int) -> State:
        """What the sequences carry after t steps: views."""
        return {
            layer.name: layer.cell.state(*(getattr(layer.trace, field)[t] for field in layer.cell.state._fields))
            for layer in self.layers
        }


class Stepper:
    """What `forward` does without dropout, one row of ids after the other, for writing.

    It begins in a state of B sequences (None: zeros).  What does not change from step to step is prepared once.
    """

    ROWS = 64  # time steps that are kept

    def __init__(self, params: Mapping[str, Array], B: int, state: State | None, buffers: Buffers) -> None:
        self._stack, self._t = Stack(params, self.ROWS, B, state, {}, buffers), 0

    def __call__(self, ids: Array, context: Array | None = None) -> Array:
        """ids (B,), and features (B, F) if the network has any, to logits (B, V), valid until the next call."""
        if self._t == self.ROWS:
            for first, last in zip(self._stack.state(0).values(), self.state.values(), strict=True):
                for row, last_row in zip(first, last, strict=True):
                    row[:] = last_row
            self._t = 0
        self._t += 1
        return self._stack.run(few_hot(ids, context), self._t - 1)

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

    def part(stack: Stack, x: Array, targets: Array) -> Any:
        return stack.run(x), stack.trace

    nothing_scored = np.full(ids.shape, -1)
    (logits, traces), last = _in_parts(part, params, ids, nothing_scored, state, masks, context, workspace)
    return (logits[0] if len(logits) == 1 else np.concatenate(logits, axis=1)), last, Trace(traces)


def token_nats(
    params: Mapping[str, Array],
    ids: Array,
    targets: Array,
    state: State | None = None,
    *,
    context: Array | None = None,
    workspace: Workspace | None = None,
) -> tuple[Array, Array, State]:
    """Evaluation: -ln p(target) in nats (T, B), 0 where the target is -1; whether it was the likeliest; the state."""

    def part(stack: Stack, x: Array, targets: Array) -> Any:
        score, _ = layers.cross_entropy_forward(stack.run(x), targets, stack.buffers.within("loss"))
        return score.nats, score.correct

    (nats, correct), last = _in_parts(part, params, ids, targets, state, None, context, workspace)
    return np.concatenate(nats, axis=1), np.concatenate(correct, axis=1), last


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
    scored = int(np.count_nonzero(targets >= 0))
    if workspace:
        scored = workspace.ranks.sum(scored)  # of the whole batch, of which other ranks may have a part

    def part(stack: Stack, x: Array, targets: Array) -> Any:
        buffers = stack.buffers.within("loss")
        score, loss = layers.cross_entropy_forward(stack.run(x), targets, buffers)  # -ln p(target)                (9)
        loss = layers.cross_entropy_backward(loss, targets, scored, buffers)  # dlogits                           (10)
        grads = stack.backward(loss.dlogits)
        return float(score.nats.sum(dtype=np.float64)), grads, {**stack.trace, "loss": loss, "score": score}

    (nats, grads, traces), last = _in_parts(part, params, ids, targets, state, masks, context, workspace)
    total = grads[0]
    if workspace:  # the gradient of the batch is the sum over its parts, each divided by all that is scored
        nats, total = workspace.ranks.in_order(nats), workspace.sum(grads)
    return sum(nats) / max(scored, 1), {name: total[name] for name in params}, last, Trace(traces)


def few_hot_input_gradient(params: Mapping[str, Array], trace: Trace) -> Array:
    """d loss / d x, (T, B, V + sizes of the features): what the loss would do if x were not quite few-hot.  (18)"""
    name = layer_names(params)[0]
    return np.asarray(trace[name].dz @ np.concatenate(list(input_weights(params, name).values())).T)


# A batch is cut into parts by its lanes: the second axis of (T, B), the last but one of states and masks.


def _in_parts(
    part: Callable[[Stack, Array, Array], Any], params: Mapping[str, Array], ids: Array, targets: Array,
    state: State | None, masks: Mapping[str, Array] | None, context: Array | None, workspace: Workspace | None,
) -> tuple[Iterable[Any], State]:  # fmt: skip
    """Call part(stack, x, targets) for each part of a batch.  Each of its results, of all parts; and the last state.

    ValueError where the arguments do not fit together.
    """
    check(params, ids, targets, state, masks, context, workspace)
    T, x = len(ids), few_hot(ids, context)

    def cut(lanes: slice, buffers: Buffers) -> Any:
        its_x, its_targets = (np.ascontiguousarray(whole[:, lanes], dtype=np.intp) for whole in (x, targets))
        its_state = state and each_array(state, lambda array: array[lanes])
        its_masks = {name: mask[..., lanes, :] for name, mask in (masks or {}).items()}
        stack = Stack(params, T, its_x.shape[1], its_state, its_masks, buffers)
        return part(stack, its_x, its_targets), each_array(stack.state(T), np.copy)

    results = workspace.run(cut, ids.shape) if workspace else [cut(slice(None), Buffers())]
    found, states = zip(*results, strict=True)
    last = {
        name: type(arrays)(*map(np.concatenate, zip(*(state[name] for state in states), strict=True)))
        for name, arrays in states[0].items()
    }
    return zip(*found, strict=True), last


def check(
    params: Mapping[str, Array], ids: Array, targets: Array | None = None, state: State | None = None,
    masks: Mapping[str, Array] | None = None, context: Array | None = None, workspace: Workspace | None = None,
) -> None:  # fmt: skip
    """ValueError where the arguments of one of the functions above do not fit together."""
    (H, V), names = params["dense.W"].shape, layer_names(params)
    if ids.ndim != 2 or ids.size == 0:
        raise ValueError(f"ids must be (T, B) and not empty, not {ids.shape}")
    T, B = ids.shape
    sizes = [len(array) for array in input_weights(params, names[0]).values()][1:]
    if (context.shape if context is not None else (T, B, 0)) != (T, B, len(sizes)):
        raise ValueError(f"context must be (T, B, F) for the {len(sizes)} features of this network")
    indices = [("ids", ids, 0, V), *([] if targets is None else [("targets", targets, -1, V)])]
    indices += [("context", context[:, :, k], 0, size) for k, size in enumerate(sizes) if context is not None]
    for name, array, least, end in indices:
        if array.shape != (T, B) or array.dtype.kind not in "iu" or array.min() < least or array.max() >= end:
            raise ValueError(
                f"{name} must be integers of shape {(T, B)} from {least} to {end - 1}; "
                f"found {array.dtype} of shape {array.shape} from {array.min()} to {array.max()}"
            )
    carried = [array for arrays in (state or {}).values() for array in arrays]
    if state is not None and (state.keys() != set(names) or any(array.shape != (B, H) for array in carried)):
        raise ValueError(f"state must have {', '.join(names)}, and each of its arrays must be (B, H), {(B, H)}")
    shapes: dict[str, tuple[int, ...]] = {f"{name}.output": (T, B, H) for name in names}
    shapes |= {f"{name}.{field}": (B, H) for name in names for field in cell_of(name).masks._fields}
    for name, mask in (masks or {}).items():
        if mask.shape != shapes.get(name):
            raise ValueError(f"mask {name} {mask.shape}: the masks of this network are {shapes}")
    if workspace and workspace.shapes != {name: array.shape for name, array in params.items()}:
        raise ValueError("this workspace was made for a network of another size")
