"""A command on the ranks that mpiexec has started: rank 0 runs it, and the others do what it asks them to.

So there is one story, one log and one writer, and signals, clocks and faults are those of one process.  With one
process all of this is a function that is called.
"""

from __future__ import annotations

import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from functools import cache
from typing import Any, TypeVar

from experiment.command.interrupts import SIGNALS
from experiment.command.outcome import FailedError
from lstm_numpy.speed.machine import mpi_rank
from lstm_numpy.speed.ranks import Alone, ranks
from midi_io.corpus.workers import in_processes

Result = TypeVar("Result")
ANSWER, STOP = 1, 2  # tags of messages: to rank 0, (result, error), and () after the last; and from rank 0


class Crew:
    """The ranks of this program.  Only rank 0 calls the methods; the others follow."""

    def __init__(self, of: Alone) -> None:
        self.ranks = of
        self.own: Any = None  # this rank's copy of what all keep
        self.held: Callable[[], AbstractContextManager[None]] = nullcontext  # inside, a signal waits
        self.broken = False  # rank 0 has left the others in the middle of an order

    def keep(self, value: Any) -> None:
        """Give each rank a copy of its own, which everywhere() will change."""
        self._all(Crew._keep, value)

    def everywhere(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """function(own, *arguments) on every rank at the same time, where own is its copy.  Returns what rank 0's does.

        A FailedError is one that every rank raises.  With many ranks, signals wait.
        """
        result: Result = self._all(Crew._do, function, arguments)
        return result

    def spread(
        self, work: Callable[[Any], Result], items: Sequence[Any], workers: int
    ) -> Generator[Result, None, None]:
        """work(item) for each item, in their order; each rank does its share, with `workers` processes on a machine."""
        if self.ranks.size == 1 or self.ranks.rank or len(items) < 2:
            yield from in_processes(work, items, workers)
            return
        begun = False
        own = in_processes(work, items[:: self.ranks.size], self._workers(workers))
        try:
            with self.held():
                self.ranks.share((Crew._work, (work, items, workers)))
                begun = True
            for k in range(len(items)):
                rank = k % self.ranks.size
                result, error = self.ranks.comm.recv(source=rank, tag=ANSWER) if rank else (next(own), None)
                if error:
                    raise error
                yield result
        finally:
            with self.held():  # a second signal waits, too: the others need their STOP
                own.close()
                for rank in range(1, self.ranks.size) if begun else ():
                    self.ranks.comm.send(None, rank, tag=STOP)
                    while self.ranks.comm.recv(source=rank, tag=ANSWER):
                        pass

    def _workers(self, on_a_machine: int) -> int:
        return max(1, on_a_machine // self.ranks.on_this_machine)

    def _all(self, order: Callable[..., Result], *arguments: Any) -> Result:
        with self.held() if self.ranks.size > 1 else nullcontext():
            try:
                self.ranks.share((order, arguments))
                return order(self, *arguments)
            except FailedError:
                raise
            except BaseException:
                self.broken = True
                raise

    # Orders: what every rank does.

    def _keep(self, value: Any) -> None:
        self.own = value

    def _do(self, function: Callable[..., Result], arguments: Sequence[Any]) -> Result:
        return function(self.own, *arguments)

    def _work(self, work: Callable[[Any], object], items: Sequence[Any], workers: int) -> None:
        """The share of a rank that is not 0.  It goes ahead of rank 0, which takes a result when it needs it."""
        comm = self.ranks.comm
        on_the_way: list[Any] = []  # messages
        with closing(in_processes(work, items[self.ranks.rank :: self.ranks.size], self._workers(workers))) as results:
            try:
                for result in results:
                    on_the_way = [sent for sent in on_the_way if not sent.test()[0]]
                    on_the_way.append(comm.isend((result, None), 0, tag=ANSWER))
                    if comm.iprobe(source=0, tag=STOP):
                        break
            except Exception as error:
                comm.send((None, error), 0, tag=ANSWER)
        for sent in on_the_way:
            sent.wait()
        comm.send((), 0, tag=ANSWER)
        comm.recv(source=0, tag=STOP)


@cache
def crew() -> Crew:
    """That of this program."""
    return Crew(ranks())


def conducted(program: str, command: Callable[[], int]) -> int:
    """Run a command on rank 0, while the others follow.  Returns its exit status, on every rank."""
    try:
        of = crew().ranks
    except (ImportError, RuntimeError) as error:
        if not mpi_rank():
            print(f"{program}: error: {error}; for mpiexec, pip install -r requirements-mpi.txt", file=sys.stderr)
        return 2
    if of.size == 1:
        return command()
    try:
        if of.rank:
            return _follow(program, crew())
        try:
            status = command()
        except SystemExit as error:
            status = int(error.code or 0)
        if crew().broken:
            of.abort(status)
        of.share((None, status))
        return status
    except BaseException:  # a mistake in the program: the other ranks would wait for ever
        traceback.print_exc()
        of.abort(1)
        return 1


def _follow(program: str, own: Crew) -> int:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # rank 0 hears them
    warnings.simplefilter("ignore", RuntimeWarning)  # as in outcome()
    while True:
        order, arguments = own.ranks.share()
        if order is None:
            return int(arguments)
        try:
            order(own, *arguments)
        except FailedError:  # rank 0 raises it, too
            pass
        except (OSError, MemoryError) as error:
            print(f"{program}: error: rank {own.ranks.rank}: {str(error) or 'not enough memory'}", file=sys.stderr)
            own.ranks.abort(1)
