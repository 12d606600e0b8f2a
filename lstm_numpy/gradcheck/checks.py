"""What the gradient checker compares: each gradient computed by hand, and what the loss does when a number is moved.

It proves that backward belongs to forward, and not that forward is an LSTM; for that, tests/ has a textbook LSTM to
compare with.  numeric.py says how a slope is found.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from lstm_numpy import model, parameters
from lstm_numpy.dropout import dropout_masks
from lstm_numpy.gradcheck.numeric import H, Line, beside_kinks, compare, compare_gradient, numeric_gradient
from lstm_numpy.lstm import RecurrentMasks
from lstm_numpy.optimizer import RMSprop, clip_by_global_norm
from lstm_numpy.parameters import CELLS, Array, Arrays, ModelConfig, State, cell_of
from lstm_numpy.plain import softmax
from lstm_numpy.speed.buffers import Buffers
from lstm_numpy.speed.workspace import Workspace

V, T = 5, 4  # small, as H, so that every entry can be moved
AXES = {"Wx": "input gate", "Wh": "unit gate", "b": "gate", "W": "unit token"}


# One small network, and every gradient in it.


class Case(NamedTuple):
    """What is special about a small network, and about what it is run on."""

    network: Mapping[str, Any] = {}  # fields of its ModelConfig; no dropout, if nothing is said
    # draw m, s and r independently; in RnnDrop m and s are 0 at the same units, so a mistake in m could not show
    free_masks: bool = False
    carried: bool = False  # begin in some state, as a window in the middle of a song does
    unscored: int = 0  # how many targets are -1
    threads: int = 1
    B: int = 2


class Network(NamedTuple):
    """The arrays of a case, in float64: what is moved, and what stays (masks are frozen)."""

    config: ModelConfig
    params: Arrays
    ids: Array
    targets: Array
    state: State
    masks: Arrays
    context: Array | None


def build(case: Case, T: int = T) -> Network:
    """The same numbers every time.  Weights are larger than fresh ones and no mask is all 0: no gradient is tiny."""
    rng = np.random.default_rng(5)
    config = ModelConfig(V, H, **{"dropout": 0.0, **case.network})
    params = {name: rng.normal(0, 0.7, shape) for name, shape in parameters.parameter_shapes(config).items()}
    ids, targets = rng.integers(0, V, (2, T, case.B))
    targets.reshape(-1)[rng.permutation(targets.size)[: case.unscored]] = -1
    state = parameters.zero_state(config, case.B, np.float64)
    if case.carried:
        state = {name: type(arrays)(*rng.normal(0, 0.7, (len(arrays), case.B, H))) for name, arrays in state.items()}
    masks = dropout_masks(config, T, case.B, rng, dtype=np.float64)
    if case.free_masks:
        masks |= {f"lstm1.{field}": rng.uniform(0.5, 1.5, (case.B, H)) for field in RecurrentMasks._fields}
    features = [rng.integers(0, size, (T, case.B)) for size in config.context]
    context = np.stack(features, axis=2) if features else None
    return Network(config, params, ids, targets, state, masks, context)


def mean_nats(logits: Array, targets: Array) -> float:
    """The loss: the mean of -ln p(target) over the targets that are scored (0 where none is)."""
    scored = targets >= 0
    return float(-np.log(softmax(logits)[scored, targets[scored]]).sum() / max(scored.sum(), 1))


def stack_loss(params: Mapping[str, Array], x: Array, state: State | None, masks: Arrays, targets: Array) -> float:
    """The loss when x is what the first of these layers is given."""
    T, B = x.shape[:2]
    return mean_nats(model.Stack(params, T, B, state, masks, Buffers()).run(x), targets)


def network_lines(case: Case) -> Iterator[Line]:
    """Every gradient of a network, in the order in which the backward pass finds them: from the loss to the input."""
    config, params, ids, targets, state, masks, context = build(case)
    loss, grads, _, trace = model.loss_and_gradients(
        params, ids, targets, state if case.carried else None, masks, context=context,
        workspace=Workspace(config, T, case.B, case.threads) if case.threads > 1 else None,
    )  # fmt: skip
    logits = trace["loss"].logits

    loss_above = partial(stack_loss, state=state, masks=masks, targets=targets)
    yield compare("loss", loss, mean_nats(logits, targets))
    yield compare_gradient(
        "loss.dlogits", trace["loss"].dlogits, lambda: mean_nats(logits, targets), logits, "step sequence token"
    )

    for layer in ("dense", *reversed(parameters.layer_names(params))):
        own = [name for name in params if name.startswith(f"{layer}.")]
        above = dict(list(params.items())[list(params).index(own[0]) :])
        x, dx = trace[f"{layer}.input"]
        at_x = partial(loss_above, above, x)

        if layer != "dense":
            cell, step, Ws = cell_of(layer), trace[layer], list(parameters.input_weights(params, layer).values())
            if x.dtype.kind != "f":  # x with its ones and zeros, against all rows of Wx, one below the other
                places = x.reshape(T, case.B, len(Ws))
                x = np.concatenate([np.eye(len(W))[places[:, :, k]] for k, W in enumerate(Ws)], axis=2)
                dx = model.few_hot_input_gradient(params, trace)
            Wx = np.concatenate(Ws)
            xWx = x @ Wx
            moved_xWx = partial(loss_above, {**above, f"{layer}.Wx": np.eye(Wx.shape[1])}, xWx)
            # an input that Wx leaves as it is: so it is xWx that moves
            numeric, kinks = beside_kinks(moved_xWx, xWx, step.dz, numeric_gradient(moved_xWx, xWx))
            largest = float(np.abs(numeric).max())
            for t in reversed(range(T)):
                for k, gate in enumerate(cell.gates):
                    part = np.s_[t, :, k * H : (k + 1) * H]
                    title = f"{layer}.dz[{t}] gate {gate}"
                    yield compare(title, step.dz[part], numeric[part], "sequence unit", largest, int(kinks[part].sum()))
            for field, first in state[layer]._asdict().items():
                by_hand = getattr(step, f"d{field}")[0]
                yield compare_gradient(f"{layer}.d{field}[0]", by_hand, at_x, first, "sequence unit")

        for name in reversed(own):
            axes = "token" if name == "dense.b" else AXES.get(name.split(".")[1], "")
            yield compare_gradient(name, grads[name], at_x, params[name], axes)

        if layer != "dense":
            above = {**above, f"{layer}.Wx": Wx}
        yield compare_gradient(f"{layer}.input.dx", dx, partial(loss_above, above, x), x, "step sequence input")


# What a small network does not show.


def window_lines() -> Iterator[Line]:
    """A sequence in two windows, the state carried over, against the same sequence in one piece."""
    _, params, ids, _, state, *_ = build(Case({"layers": 2}, carried=True))
    half = T // 2
    in_one_piece, _, whole = model.forward(params, ids, state)
    _, carried, _ = model.forward(params, ids[:half], state)
    logits, _, _ = model.forward(params, ids[half:], carried)
    for name in reversed(parameters.layer_names(params)):
        for field, array in carried[name]._asdict().items():
            yield compare(f"{name}.{field} carried", array, getattr(whole[name], field)[half], "sequence unit")
    yield compare("logits of window 2", logits, in_one_piece[half:], "step sequence token")


def writing_lines() -> Iterator[Line]:
    """Songs are written one step at a time: what a Stepper gives, against forward, for longer than it keeps steps.

    The states that both end in must be the same, too: forward hands its own to the next window.
    """
    long = model.Stepper.ROWS + 2
    for case in (Case(), Case({"layers": 2}, carried=True), Case({"input": "scalar"}), Case({"context": (3, 2)})):
        config, params, ids, _, state, _, context = build(case, long)
        logits, last, _ = model.forward(params, ids, state, context=context)
        stepper = model.Stepper(params, ids.shape[1], state, Buffers())
        steps = [stepper(ids[t], None if context is None else context[t]).copy() for t in range(long)]
        name = f"{config.layers} layers, {config.input}{', features' if context is not None else ''}"
        yield compare(f"logits, {name}", np.stack(steps), logits, "step sequence token")
        for layer, arrays in stepper.state.items():
            for field, array in arrays._asdict().items():
                yield compare(f"{layer}.{field} at the end", array, getattr(last[layer], field), "sequence unit")


def clip_lines() -> Iterator[Line]:
    """Gradients that are scaled to a limit all by one factor, and gradients that need no clipping."""
    _, params, ids, targets, *_ = build(Case())
    for limit, what in ((0.1, "clipped"), (10.0, "short enough")):
        _, grads, _, _ = model.loss_and_gradients(params, ids, targets)
        before = {name: gradient.copy() for name, gradient in grads.items()}
        norm = math.sqrt(sum((gradient**2).sum() for gradient in before.values()))
        yield compare("norm before clipping", clip_by_global_norm(grads, limit), norm)
        for name, gradient in grads.items():
            yield compare(f"{name} {what}", gradient, before[name] * min(1, limit / norm))


def rmsprop_lines() -> Iterator[Line]:
    """Three steps of RMSprop against its formula (21), on gradients from very small to large."""
    rng = np.random.default_rng(2)
    learning_rate, decay, epsilon = 0.05, 0.7, 0.01
    parameter = rng.normal(0, 1, (H, 4 * H))
    wanted, average = parameter.copy(), np.zeros_like(parameter)
    optimizer = RMSprop({"lstm1.Wh": parameter}, learning_rate, decay, epsilon)
    for _ in range(3):
        gradient = rng.normal(0, 1, wanted.shape) * 10 ** rng.uniform(-4, 1, wanted.shape)
        optimizer.step({"lstm1.Wh": parameter}, {"lstm1.Wh": gradient})
        average = decay * average + (1 - decay) * gradient**2
        wanted = wanted - learning_rate * gradient / (np.sqrt(average) + epsilon)
    yield compare("average of lstm1.Wh", optimizer.averages["lstm1.Wh"], average)
    yield compare("lstm1.Wh after 3 steps", parameter, wanted)


def full_size_lines(hidden_size: int = 256, vocab_size: int = 500) -> Iterator[Line]:
    """A network as large as those that are trained: each array moved as a whole, along one direction.

    The direction has the signs of the gradient, so no two entries cancel each other, and random sizes.
    """
    rng = np.random.default_rng(4)
    config = ModelConfig(vocab_size, hidden_size, layers=2, dropout=0.3, recurrent_dropout="variational")
    shapes = parameters.parameter_shapes(config)
    params = {name: rng.normal(0, 1 / math.sqrt(hidden_size), shape) for name, shape in shapes.items()}
    ids, targets = rng.integers(0, vocab_size, (2, T, 2))
    masks = dropout_masks(config, T, 2, rng, dtype=np.float64)

    def loss() -> float:
        params[name][...] = start + moved * direction
        return stack_loss(params, ids, None, masks, targets)

    _, grads, _, _ = model.loss_and_gradients(params, ids, targets, None, masks)
    for name in reversed(params):
        direction = np.sign(grads[name]) * np.abs(rng.standard_normal(grads[name].shape))
        direction /= np.linalg.norm(direction)
        start, moved, by_hand = params[name].copy(), np.zeros(1), np.vdot(grads[name], direction).reshape(1)
        yield compare_gradient(f"{name} {grads[name].shape}", by_hand, loss, moved)
        params[name][...] = start


CASES = {
    "1 layer": Case(),
    "2 layers, dropout, 3 targets not scored": Case({"layers": 2, "dropout": 0.4}, carried=True, unscored=3),
    "3 layers": Case({"layers": 3}, carried=True),
    "scalar input, 2 layers, variational dropout": Case(
        {"layers": 2, "input": "scalar", "dropout": 0.4, "recurrent_dropout": "variational"}, carried=True
    ),
    "rnndrop, 2 layers": Case({"layers": 2, "dropout": 0.4, "recurrent_dropout": "rnndrop"}, carried=True),
    "masks m, s, r of any numbers": Case(free_masks=True, carried=True),
    "3 sequences in 2 threads, 4 targets not scored": Case({"dropout": 0.4}, carried=True, unscored=4, threads=2, B=3),
    "features beside the token, 2 threads": Case({"context": (3, 2, 4)}, carried=True, threads=2, B=3),
    "no target is scored": Case(unscored=2 * T),
    **{f"2 layers of {cell}": Case({"layers": 2, "dropout": 0.4, "cell": cell}, carried=True) for cell in [*CELLS][1:]},
}
QUICK = (
    "1 layer", "2 layers, dropout, 3 targets not scored", "masks m, s, r of any numbers", "writing, one step at a time",
)  # fmt: skip
CHECKS: dict[str, Callable[[], Iterator[Line]]] = {
    **{title: partial(network_lines, case) for title, case in CASES.items()},
    "one sequence in two windows": window_lines,
    "writing, one step at a time": writing_lines,
    "clipping": clip_lines,
    "RMSprop": rmsprop_lines,
    "full size (H=256, V=500), each array along one direction": full_size_lines,
}
