"""The recurrent cells that a network can be built of.  A new cell is its own file, its kernels, and a line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from lstm_numpy import lstm


class Cell(NamedTuple):
    """What model.py needs to know of a cell.  weights, state and masks are NamedTuples of arrays.

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
