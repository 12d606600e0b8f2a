"""An LSTM by hand, in NumPy.  Knows integers and floats, and no note.

    The letters
        T time steps, B sequences in a batch, V vocabulary, D inputs, H hidden units.
        Time comes first: x[t] is one step, and x.reshape(T * B, D) is a view.
        dX always means d loss / d X, and has the shape and the dtype of X.
        Gates stand in the order i, f, o, g, so that the three sigmoids are one slice.  (PyTorch has i, f, g, o;
        Keras i, f, c, o.)

    Read in this order
        activations.py   sigmoid and softmax
        lstm.py          one layer over a sequence: equations (1) to (5), forward and backward
        kernels.py       the same equations, scalar by scalar
        layers.py        what surrounds it: the input, dropout, the dense layer, the loss
        model.py         the stack: loss_and_gradients
        optimizer.py     clipping and RMSprop
        gradient_checks.py  is every gradient right?  (gradcheck.py prints it, bugs.py breaks it)
        batches.py       songs to batches, for truncated backpropagation through time
        sampling.py      from probabilities to a new song
    and then as you need: workspace.py, buffers.py, products.py, blas.py and stepper.py (memory, threads and speed),
    baselines.py (n-grams), checkpoint.py, describe.py, plots.py.  docs/lstm.md derives every equation.

The public names below are loaded when they are first used, so that a command can print its --help at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lstm_numpy.speed.blas import prefer_avx512

prefer_avx512()

if TYPE_CHECKING:
    from lstm_numpy.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
    from lstm_numpy.model import ModelConfig, dropout_masks, forward, init_params, loss_and_gradients, zero_state
    from lstm_numpy.optimizer import RMSprop, clip_by_global_norm
    from lstm_numpy.speed.workspace import Workspace

_HOME = {
    "CheckpointError": "checkpoint",
    "ModelConfig": "model",
    "RMSprop": "optimizer",
    "Workspace": "speed.workspace",
    "clip_by_global_norm": "optimizer",
    "dropout_masks": "model",
    "forward": "model",
    "init_params": "model",
    "load_checkpoint": "checkpoint",
    "loss_and_gradients": "model",
    "save_checkpoint": "checkpoint",
    "zero_state": "model",
}

__all__ = [
    "CheckpointError",
    "ModelConfig",
    "RMSprop",
    "Workspace",
    "clip_by_global_norm",
    "dropout_masks",
    "forward",
    "init_params",
    "load_checkpoint",
    "loss_and_gradients",
    "save_checkpoint",
    "zero_state",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lstm_numpy' has no attribute {name!r}")
    return getattr(importlib.import_module(f"lstm_numpy.{_HOME[name]}"), name)
