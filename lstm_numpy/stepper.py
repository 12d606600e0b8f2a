"""The stack one time step at a time, for writing: the ids of a step are drawn from the logits of the one before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from lstm_numpy import layers
from lstm_numpy.lstm import LSTMState, RecurrentMasks, lstm_steps
from lstm_numpy.model import State, lstm_names
from lstm_numpy.speed.buffers import Buffers

Array = npt.NDArray[Any]

_ROWS = 64  # time steps that are kept


class Stepper:
    """What model.forward does without dropout, for one row of ids after the other, from a state of B sequences.

    Everything that does not change from step to step is prepared once: with one sequence, a step is little more than
    reading the weights.
    """

    def __init__(self, params: Mapping[str, Array], state: State, buffers: Buffers) -> None:
        self._W, self._b = params["dense.W"], params["dense.b"]
        self._t, self._stack = 0, []
        for name in lstm_names(params):
            Wx, Wh, b = params[f"{name}.Wx"], params[f"{name}.Wh"], params[f"{name}.b"]
            room, (B, H) = buffers.within(name), state[name].h.shape
            xWx = room.empty("xWx", (_ROWS, B, 4 * H), Wx.dtype)
            ones = room.full("ones", 1, (B, H), Wx.dtype)
            trace, step = lstm_steps(xWx, Wh, b, state[name], RecurrentMasks(ones, ones, ones), room)
            self._stack.append((name, Wx, xWx, trace, step))
        self._logits = buffers.empty("logits", (B, self._b.size), self._b.dtype)

    def __call__(self, ids: Array) -> Array:
        """ids (B,) to logits (B, V), which are overwritten by the next call."""
        if self._t == _ROWS:
            self._t = 0
            for _, _, _, trace, _ in self._stack:
                for rows in (trace.h, trace.rh, trace.c):
                    rows[0] = rows[_ROWS]
        t, x = self._t, ids
        for _, Wx, xWx, trace, step in self._stack:
            layers.input_forward(x, Wx, self._b.size, xWx[t])
            step(t)
            x = trace.h[t + 1]
        layers.dense_forward(x, self._W, self._b, self._logits)
        self._t += 1
        return self._logits

    @property
    def state(self) -> State:
        """What the sequences carry now: views, until the next call."""
        return {name: LSTMState(trace.h[self._t], trace.c[self._t]) for name, _, _, trace, _ in self._stack}
