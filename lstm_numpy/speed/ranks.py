"""One process, or the ranks that mpiexec has started: what they tell each other while they train one network.

A batch is cut into parts, and each rank has some of them, in order: rank 0 has the first.
"""

import os
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from lstm_numpy.speed.buffers import Array, Buffers
from lstm_numpy.speed.machine import mpi_rank

_YIELD, _NAP = 0.01, 0.001  # seconds: how long to look again and again; then between two looks


class Alone:
    """One process: rank 0 of 1.  There is nobody to exchange anything with."""

    rank, size, on_this_machine = 0, 1, 1
    comm: Any = None  # MPI's communicator

    def share(self, value: Any = None) -> Any:
        """Rank 0's value, on every rank.  Until it comes, the others sleep."""
        return value

    def sum(self, value: Any) -> Any:
        """A number, or an array of the same shape on every rank, added up over the ranks."""
        return value

    def in_order(self, own: Sequence[Any]) -> list[Any]:
        """The items of all ranks, on every rank: first those of rank 0."""
        return list(own)

    def sum_of_parts(self, own: Sequence[Mapping[str, Array]], counts: Sequence[int]) -> dict[str, Array]:
        """The sum of the gradients of all parts, by name: first plus second, plus third, ... whoever has them.

        own: of the parts of this rank, arrays of the same names, shapes and dtype everywhere.  counts: how many parts
        each rank has.  The result is valid until the next call.
        """
        total = dict(own[0])
        for part in own[1:]:
            for name, array in part.items():
                total[name] += array
        return total

    def allreduce(self, own: Sequence[Mapping[str, Array]], counts: Sequence[int]) -> dict[str, Array]:
        """The same sum in an order that MPI chooses: the sum over each rank's parts, then over the ranks."""
        return self.sum_of_parts(own, counts)

    def abort(self, status: int) -> None:
        """End all ranks, whatever they do."""


class Ranks(Alone):
    """What mpiexec has started, by MPI.  Each method but abort is called by all ranks at the same time.

    ImportError where mpi4py is missing, RuntimeError where it finds no MPI, or another than that of mpiexec.
    """

    def __init__(self) -> None:
        from mpi4py import MPI

        if MPI.COMM_WORLD.rank != mpi_rank():
            raise RuntimeError("mpiexec and mpi4py are not of the same MPI")
        self.comm, self._room = MPI.COMM_WORLD, Buffers()
        self.rank, self.size = self.comm.rank, self.comm.size
        self.on_this_machine = self.comm.Split_type(MPI.COMM_TYPE_SHARED).size

    def share(self, value: Any = None) -> Any:
        _wait(self.comm.Ibarrier())
        return self.comm.bcast(value)

    def sum(self, value: Any) -> Any:
        own = np.asarray(value)
        total = np.empty_like(own)
        _wait(self.comm.Iallreduce(own, total))
        return total if own.ndim else total.item()

    def in_order(self, own: Sequence[Any]) -> list[Any]:
        _wait(self.comm.Ibarrier())
        return [item for items in self.comm.allgather(list(own)) for item in items]

    def sum_of_parts(self, own: Sequence[Mapping[str, Array]], counts: Sequence[int]) -> dict[str, Array]:
        # All gradients of a part are one row of N numbers.  Rank r gets the r-th slice of every row, and adds the rows
        # in their order; then each rank gets all slices of the sum.  Each number travels as often as in an Allreduce
        # of one part a rank, and the order of the sum does not depend on who has which part.
        N, dtype = sum(array.size for array in own[0].values()), next(iter(own[0].values())).dtype
        n = -(-N // self.size)  # of a slice; the last one is padded
        row = self._room.empty("row", (self.size * n,), dtype)
        row[N:] = 0
        shape = self.size, max(counts), n
        sent, received = self._room.empty("sent", shape, dtype), self._room.empty("received", shape, dtype)
        for k, part in enumerate(own):
            np.concatenate([array.reshape(-1) for array in part.values()], out=row[:N])
            sent[:, k] = row.reshape(self.size, n)
        _wait(self.comm.Ialltoall(sent, received))
        first, *others = (received[rank, k] for rank, count in enumerate(counts) for k in range(count))
        for other in others:
            first += other
        _wait(self.comm.Iallgather(first, row))
        ends = np.cumsum([array.size for array in own[0].values()])
        pieces = zip(own[0].items(), ends, strict=True)
        return {name: row[end - array.size : end].reshape(array.shape) for (name, array), end in pieces}

    def allreduce(self, own: Sequence[Mapping[str, Array]], counts: Sequence[int]) -> dict[str, Array]:
        total = super().sum_of_parts(own, counts)
        found = {name: np.empty_like(array) for name, array in total.items()}
        for request in [self.comm.Iallreduce(total[name], found[name]) for name in total]:  # all at the same time
            _wait(request)
        return found

    def abort(self, status: int) -> None:
        self.comm.Abort(status)


def _wait(request: Any) -> None:
    """Until it is done, without taking the processor from a rank or a thread that has work."""
    begun = time.monotonic()
    while not request.Test():
        if time.monotonic() - begun > _YIELD:
            time.sleep(_NAP)
        else:
            os.sched_yield()


@cache
def ranks() -> Alone:
    """Those of this program.  mpi4py is imported where mpiexec has started it, and nowhere else."""
    return Alone() if mpi_rank() is None else Ranks()
