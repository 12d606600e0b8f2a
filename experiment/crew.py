"""A command on the ranks that mpiexec has started: rank 0 runs it, and the others do what it asks them to.

So there is one story, one log and one writer.  With one process all of this is a function that is called.
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

from experiment.command.outcome import SIGNALS, FailedError
from lstm_numpy.speed.machine import cores, mpi_rank
from lstm_numpy.speed.ranks import Alone, ranks
from midi_io.corpus.workers import in_processes

Result = TypeVar("Result")
ROUND = 64  # items of a rank, after which the ranks wait for each other
WORTH_A_PROCESS, MOST_PROCESSES = 8, 8  # fewer jobs are done sooner than another process has started


class Crew:
    """The ranks of this program.  Only rank 0 calls the methods; the others follow."""

    def __init__(self, of: Alone) -> None:
        self.ranks = of
        self.own: Any = None  # this rank's copy of what all keep
        self.held: Callable[[], AbstractContextManager[None]] = nullcontext  # inside, a signal waits
        self.broken = False  # rank 0 has left the others in the middle of an order

    def keep(self, value: Any) -> None:
        """Give each rank a copy of its own, which everywhere() will change."""
        self._all(setattr, "own", value)

    def everywhere(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """function(own, *arguments) on every rank at the same time, where own is its copy.  Returns what rank 0's does.

        A FailedError is one that every rank raises.  With many ranks, signals wait.
        """
        result: Result = self._all(Crew._do, function, arguments)
        return result

    def spread(
        self, work: Callable[[Any], Result], items: Sequence[Any], workers: int
    ) -> Generator[Result, None, None]:
        """work(item) for each item, in their order; each rank does its share, with `workers` processes on a machine.

        Many items take several rounds, between which a signal is heard.
        """
        if self.ranks.size == 1 or self.ranks.rank or len(items) < 2:
            yield from in_processes(work, items, workers)
            return
        most = ROUND * self.ranks.size
        for begin in range(0, len(items), most):
            for result, error in self._all(Crew._work, work, items[begin : begin + most], workers):
                if error:
                    raise error
                yield result

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

    def _do(self, function: Callable[..., Result], arguments: Sequence[Any]) -> Result:
        return function(self.own, *arguments)

    def _work(self, work: Callable[[Any], object], items: Sequence[Any], workers: int) -> list[tuple[Any, Any]]:
        """Of each item the result and the error, one of which is None."""
        n = -(-len(items) // self.ranks.size)
        share = items[self.ranks.rank * n : (self.ranks.rank + 1) * n]
        workers = max(1, workers // self.ranks.on_this_machine)
        try:
            found: list[tuple[Any, Any]] = [(result, None) for result in in_processes(work, share, workers)]
        except Exception as error:
            found = [(None, error)] * len(share)
        return self.ranks.in_order(found)


@cache
def crew() -> Crew:
    """That of this program."""
    return Crew(ranks())


def run_all(jobs: Sequence[Callable[[], Result]], told: Callable[[int], object] = lambda done: None) -> list[Result]:
    """What each job returns, done here, or many in other processes, and on all ranks.  told(1) is called after each."""
    workers = min(cores(), MOST_PROCESSES) if len(jobs) >= WORTH_A_PROCESS else 1
    with closing(crew().spread(_call, jobs, workers)) as results:
        return [(result, told(1))[0] for result in results]


def _call(job: Callable[[], Result]) -> Result:
    return job()


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
