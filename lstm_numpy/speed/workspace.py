"""Memory and threads that training steps share, and the trace that they leave."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from lstm_numpy.parameters import Array, ModelConfig, parameter_shapes
from lstm_numpy.speed.buffers import Buffers
from lstm_numpy.speed.ranks import Alone

Result = TypeVar("Result")


class Workspace:
    """Buffers, and threads, for loss_and_gradients of one network with ids of shape (T, B).

    The sequences of a batch do not depend on each other, so each thread takes an equal part of them through the whole
    network, forward and backward, with buffers of its own.  What a call returns (gradients and trace) lives in these
    buffers until the next call.

    With ranks, `threads` parts are cut from the `B` sequences of the whole batch, and shared by the ranks.  Then this
    one is for `lanes` of it, the sequences of this rank, and loss_and_gradients is called with these on every rank at
    the same time.  The same number of parts gives the same bits, if they are added in their order (ordered=True).
    """

    def __init__(
        self, config: ModelConfig, T: int, B: int, threads: int = 1, ranks: Alone | None = None, *, ordered: bool = True
    ) -> None:
        if min(T, B, threads) < 1:
            raise ValueError(f"T, B and threads must be at least 1, not {T}, {B} and {threads}")
        self.shapes, self.T = parameter_shapes(config), T  # of the network that it is for
        self.ranks, self.parts = ranks or Alone(), min(threads, B)
        firsts = [self.parts * rank // self.ranks.size for rank in range(self.ranks.size + 1)]
        self.counts = [end - first for first, end in pairwise(firsts)]  # parts of each rank
        edges = [B * k // self.parts for k in range(self.parts + 1)]
        own = edges[firsts[self.ranks.rank] : firsts[self.ranks.rank + 1] + 1]
        self.lanes, self.B, self.whole_B = slice(own[0], own[-1]), own[-1] - own[0], B
        self.threads, self._edges = len(own) - 1, [edge - own[0] for edge in own]
        self.masks = Buffers()
        self._add = self.ranks.sum_of_parts if ordered else self.ranks.allreduce
        self._buffers = [Buffers() for _ in range(self.threads)]
        self._others = ThreadPoolExecutor(max(1, self.threads - 1), "lstm")  # a thread begins with its first part

    def run(self, part: Callable[[slice, Buffers], Result], shape: tuple[int, ...]) -> list[Result]:
        """part(lanes, buffers) for each part of a batch of ids (T, B), side by side; results in the order of lanes."""
        if shape != (self.T, self.B):
            raise ValueError(f"this workspace is for ids of shape {(self.T, self.B)}, not {shape}")
        cuts = zip(pairwise(self._edges), self._buffers, strict=True)
        jobs = [(slice(*edges), buffers) for edges, buffers in cuts]
        others = [self._others.submit(part, *job) for job in jobs[1:]]
        try:
            first = part(*jobs[0])
        finally:
            wait(others)
        return [first, *(other.result() for other in others)]

    def sum(self, parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
        """The gradient of the whole batch: the sum over its parts, of which these are this rank's."""
        return self._add(parts, self.counts)


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
        fields = zip(*pieces, strict=True)
        return type(pieces[0])(*(np.concatenate(field, axis=1) if field[0].ndim > 1 else field[0] for field in fields))

    def parts(self, name: str) -> list[Any]:
        """What trace[name] puts side by side, as it lies in memory: one for each thread."""
        return [part[name] for part in self._parts]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts[0])

    def __len__(self) -> int:
        return len(self._parts[0])
