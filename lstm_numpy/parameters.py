"""What a network is made of: its description, its parameters, and the state that it carries."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from lstm_numpy import lstm

Array: TypeAlias = npt.NDArray[Any]
Arrays: TypeAlias = dict[str, Array]  # parameters, their gradients, or dropout masks, by name
State: TypeAlias = dict[str, Any]  # by each layer's name what it carries from window to window: an LSTMState
DROPOUTS = {"none": ["output"], "rnndrop": ["s", "m"], "variational": ["output", "r"]}  # the masks of a layer


class Cell(NamedTuple):
    """What a recurrent cell is made of.  weights, state and masks are NamedTuples of arrays.

    Their fields name the arrays: the parameter "lstm1.Wh" is the field Wh of the first layer's weights, and the mask
    "lstm1.m" the field m of its masks.  The trace has rows h[1:], the layer's output, dz, and each field of the state.
    """

    gates: str  # a row of xWx has H numbers for each, in this order
    weights: Any  # all weights but Wx, with their shapes and initial values
    state: Any  # what is carried from step to step, each (B, H)
    masks: Any  # dropout inside the recurrence, each (B, H); 1 where there is none
    steps: Callable[..., Any]  # (xWx, weights, state, masks, buffers) -> trace, and what runs steps first to last - 1
    backward: Callable[..., Any]  # (dy, weights, masks, trace, buffers) -> trace and the weights' gradients


CELLS = {
    "lstm": Cell(
        lstm.GATES, lstm.LSTMWeights, lstm.LSTMState, lstm.RecurrentMasks, lstm.lstm_steps, lstm.lstm_backward
    ),
}


def cell_of(layer: str) -> Cell:
    """The cell of a layer by the layer's name: "lstm2" is the second layer, made of the cell "lstm"."""
    return CELLS[layer.rstrip("0123456789")]


@dataclass(frozen=True)
class ModelConfig:
    """What it takes to build the network again.

    dropout is the probability to DROP a unit (the paper's 0.75 may be read either way).  recurrent_dropout says where:
    "none": each layer's output is dropped, anew at each time step;
    "rnndrop": the cells, one mask for a whole sequence, and nothing else (Moon et al. 2015);
    "variational": the hidden state on its way to the next step, one mask for a whole sequence, beside the output's
    dropout (Gal and Ghahramani 2016).
    input is "onehot", or "scalar": id / vocab_size as one number, as the paper has it.
    context: the sizes of the features that each step is told beside its token; a feature's values are 0..size - 1.
    cell is the name of the layers' cell in CELLS.
    """

    vocab_size: int
    hidden_size: int = 256
    layers: int = 1
    dropout: float = 0.3
    recurrent_dropout: Literal["none", "rnndrop", "variational"] = "none"
    input: Literal["onehot", "scalar"] = "onehot"
    cell: str = "lstm"
    context: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.vocab_size < 2 or self.hidden_size < 1 or self.layers < 1:
            raise ValueError("a network needs a vocabulary of at least 2, and at least 1 hidden unit and 1 layer")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is a probability to drop, from 0 to below 1, not {self.dropout}")
        choices = {"recurrent_dropout": DROPOUTS, "input": ("onehot", "scalar"), "cell": CELLS}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {' or '.join(allowed)}, not {getattr(self, name)}")
        object.__setattr__(self, "context", tuple(self.context))  # a list, as JSON has it, becomes a tuple
        if self.context and (self.input != "onehot" or min(self.context) < 1):
            raise ValueError("a network with context has input onehot, and each feature has at least 1 value")
        inside = set(DROPOUTS[self.recurrent_dropout]) - {"output"}
        if not inside <= set(CELLS[self.cell].masks._fields):
            raise ValueError(f"the cell {self.cell} cannot have recurrent_dropout {self.recurrent_dropout}")

    @property
    def layer_names(self) -> list[str]:
        """The names of the recurrent layers, from the input up: "lstm1", "lstm2", ..."""
        return [f"{self.cell}{number}" for number in range(1, self.layers + 1)]


def parameter_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """The name and shape of every parameter, from the input to the output."""
    V, H, cell = config.vocab_size, config.hidden_size, CELLS[config.cell]
    shapes: dict[str, tuple[int, ...]] = {}
    inputs = V if config.input == "onehot" else 1
    for layer in config.layer_names:
        shapes[f"{layer}.Wx"] = (inputs, len(cell.gates) * H)
        for number, size in enumerate(config.context if layer == config.layer_names[0] else (), start=1):
            shapes[f"{layer}.Wx{number}"] = (size, len(cell.gates) * H)
        shapes.update({f"{layer}.{name}": shape for name, shape in cell.weights.shapes(H).items()})
        inputs = H
    return {**shapes, "dense.W": (H, V), "dense.b": (V,)}


def init_params(config: ModelConfig, rng: np.random.Generator, dtype: npt.DTypeLike = np.float32) -> Arrays:
    """Fresh parameters: Wx and dense.W Glorot uniform, dense.b 0, and the others as their cell says.

    The dense layer is small, so that the first predictions are almost uniform and the first loss is ln V.  The rows of
    features are drawn like those of tokens, whatever the feature's size: each 1 of x then moves z by as much.
    """
    params: Arrays = {}
    for name, shape in parameter_shapes(config).items():
        layer, _, field = name.partition(".")
        if field.startswith("Wx") or name == "dense.W":
            fan_in = config.vocab_size if field.startswith("Wx") and field != "Wx" else shape[0]
            limit = math.sqrt(6 / (fan_in + shape[1]))
            params[name] = rng.uniform(-limit, limit, shape).astype(dtype)
        elif layer == "dense":
            params[name] = np.zeros(shape, dtype)
        else:
            params[name] = cell_of(layer).weights.initial(field, config.hidden_size, rng).astype(dtype)
    return params


def layer_names(params: Mapping[str, Array]) -> list[str]:
    """The names of the recurrent layers, from the input up: "lstm1", "lstm2", ...  Each has an array Wx."""
    return [name.removesuffix(".Wx") for name in params if name.endswith(".Wx")]


def input_weights(params: Mapping[str, Array], layer: str) -> dict[str, Array]:
    """By name, the arrays that hold the rows of a layer's Wx: "lstm1.Wx", and "lstm1.Wx1", ... for features."""
    return {name: array for name, array in params.items() if name.startswith(f"{layer}.Wx")}


def zero_state(config: ModelConfig, B: int, dtype: npt.DTypeLike = np.float32) -> State:
    """The state at the beginning of B songs."""
    state = CELLS[config.cell].state
    return {
        layer: state(*(np.zeros((B, config.hidden_size), dtype) for _ in state._fields)) for layer in config.layer_names
    }


def reset(state: State | None, fresh: Array) -> State | None:
    """The state that a window begins with: carried, but zero in the lanes where a song begins (fresh: (B,) bool).

    None stands for zeros in every lane, and stays None.
    """
    carried = ~fresh[:, None]
    return state and each_array(state, lambda array: array * carried)


def each_array(state: State, change: Callable[[Array], Array]) -> State:
    """A state in which each array is what `change` makes of it."""
    return {layer: type(arrays)(*map(change, arrays)) for layer, arrays in state.items()}
