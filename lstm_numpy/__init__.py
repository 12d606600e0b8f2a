"""An LSTM by hand, in NumPy.  Knows integers and floats, and no note.

    The letters
        T time steps, B sequences in a batch, V vocabulary, D inputs, H hidden units.
        Time comes first: x[t] is one step, and x.reshape(T * B, D) is a view.
        dX always means d loss / d X, and has the shape and the dtype of X.
        Gates stand in the order i, f, o, g, so that the three sigmoids are one slice.  (PyTorch has i, f, g, o;
        Keras i, f, c, o.)

    Read in this order
        plain.py         an LSTM and its loss in forty lines, forward and backward, as on a blackboard
        lstm.py          one layer over a sequence: equations (1) to (5), forward and backward
        kernels.py       the same equations, number by number
        layers.py        what surrounds it: the input, dropout, the dense layer, the loss
        parameters.py    the network's cells, its description, its parameters and its state
        dropout.py       its dropout masks
        model.py         the stack of layers: loss_and_gradients
        optimizer.py     clipping and RMSprop
        gradcheck/       is every gradient right?
        batches.py       songs to batches, for truncated backpropagation through time
        evaluation.py    what each token of a song costs
        sampling.py      from probabilities to a new song
    baselines.py counts n-grams, checkpoint.py saves and loads a network, and speed/ holds memory, threads and products.
    docs/lstm.md derives every equation.

The public names below are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lstm_numpy.batches import Songs, training_batches
    from lstm_numpy.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
    from lstm_numpy.dropout import dropout_masks
    from lstm_numpy.evaluation import evaluate
    from lstm_numpy.model import forward, loss_and_gradients
    from lstm_numpy.optimizer import RMSprop, clip_by_global_norm
    from lstm_numpy.parameters import ModelConfig, init_params, reset, zero_state
    from lstm_numpy.sampling import Sampling, generate
    from lstm_numpy.speed.workspace import Workspace

_NAMES = {
    "batches": ("Songs", "training_batches"),
    "checkpoint": ("CheckpointError", "load_checkpoint", "save_checkpoint"),
    "dropout": ("dropout_masks",),
    "evaluation": ("evaluate",),
    "model": ("forward", "loss_and_gradients"),
    "optimizer": ("RMSprop", "clip_by_global_norm"),
    "parameters": ("ModelConfig", "init_params", "reset", "zero_state"),
    "sampling": ("Sampling", "generate"),
    "speed.workspace": ("Workspace",),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lstm_numpy' has no attribute {name!r}")
    return getattr(import_module(f"lstm_numpy.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
