"""Memory and threads that training steps share, and the trace that they leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from lstm_numpy.parameters import ModelConfig, parameter_shapes
from lstm_numpy.speed.buffers import Buffers

Result = TypeVar("Result")


class Workspace:
    """Buffers, and threads, for loss_and_gradients of one network with ids of shape (T, B).

    The sequences of a batch do not depend on each other, so each thread takes an equal part of them through the whole
    network, forward and backward, with buffers and one BLAS thread of its own.  The gradient of the batch is the sum
    over its parts, taken in a fixed order: the same number of threads gives the same bits.  What a call returns
    (gradients and trace) lives in these buffers until the next call.
    """

    def __init__(self, config: ModelConfig, T: int, B: int, threads: int = 1) -> None:
        if min(T, B, threads) < 1:
            raise ValueError(f"T, B and threads must be at least 1, not {T}, {B} and {threads}")
        self.shapes, self.T, self.B = parameter_shapes(config), T, B  # of the network that it is for
        self.threads = min(threads, B)
        self.masks = Buffers()
        self._buffers = [Buffers() for _ in range(self.threads)]
        self._others = ThreadPoolExecutor(max(1, self.threads - 1), "lstm")  # a thread begins with its first part
        self._blas = ThreadpoolController()

    def run(self, part: Callable[[slice, Buffers], Result], shape: tuple[int, ...]) -> list[Result]:
        """part(lanes, buffers) for each part of a batch of ids (T, B), side by side; results in the order of lanes."""
        if shape != (self.T, self.B):
            raise ValueError(f"this workspace is for ids of shape {(self.T, self.B)}, not {shape}")
        edges = [self.B * k // self.threads for k in range(self.threads + 1)]
        jobs = [(slice(lo, hi), buffers) for lo, hi, buffers in zip(edges, edges[1:], self._buffers, strict=False)]
        with self._blas.limit(limits=1, user_api="blas"):
            others = [self._others.submit(part, *job) for job in jobs[1:]]
            try:
                first = part(*jobs[0])
            finally:
                wait(others)
        return [first, *(other.result() for other in others)]


class Trace(Mapping[str, Any]):
    """Every intermediate of one step, by name: trace["lstm1"].f[5, 0] is the forget gate of step 5, sequence 0.

    Parts that several threads computed are put side by side when they are asked for, not before.
    """

    def __init__(self, parts: Sequence[dict[str, Any]]) -> None:
        self._parts = parts

    def __getitem__(self, name: str) -> Any:
        pieces = self.parts(name)
        if len(pieces) == 1:
            return pieces[0]
        return type(pieces[0])(*(_side_by_side(field) for field in zip(*pieces, strict=True)))

    def parts(self, name: str) -> list[Any]:
        """What trace[name] puts side by side, as it lies in memory: one for each thread."""
        return [part[name] for part in self._parts]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts[0])

    def __len__(self) -> int:
        return len(self._parts[0])


def _side_by_side(field: tuple[Any, ...]) -> Any:
    return np.concatenate(field, axis=1) if field[0].ndim > 1 else field[0]
