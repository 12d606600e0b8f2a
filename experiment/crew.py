"""A command on the ranks that mpiexec has started: rank 0 runs it, and the others do what it asks them to.

So there is one story, one log and one writer.  With one process all of this is a function that is called.
"""

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
        self.everywhere(_keep, value)

    def everywhere(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """function(own, *arguments) on every rank at the same time, where own is its copy.  Returns what rank 0's does.

        A FailedError is one that every rank raises.  With many ranks, signals wait.
        """
        with self.held() if self.ranks.size > 1 else nullcontext():
            try:
                self.ranks.share((function, arguments))
                return function(self.own, *arguments)
            except FailedError:
                raise
            except BaseException:
                self.broken = True
                raise

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
            for result, error in self.everywhere(_work, work, items[begin : begin + most], workers):
                if error:
                    raise error
                yield result


@cache
def crew() -> Crew:
    """That of this program."""
    return Crew(ranks())


def _keep(_: Any, value: Any) -> None:
    crew().own = value


def _work(_: Any, work: Callable[[Any], object], items: Sequence[Any], workers: int) -> list[tuple[Any, Any]]:
    """Of each item of this rank's share, in the order of the ranks, the result and the error, one of which is None."""
    ranks = crew().ranks
    n = -(-len(items) // ranks.size)
    share = items[ranks.rank * n : (ranks.rank + 1) * n]
    try:
        results = in_processes(work, share, max(1, workers // ranks.on_this_machine))
        found: list[tuple[Any, Any]] = [(result, None) for result in results]
    except Exception as error:
        found = [(None, error)] * len(share)
    return ranks.in_order(found)


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
            return _follow(program)
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


def _follow(program: str) -> int:
    own = crew()
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # rank 0 hears them
    warnings.simplefilter("ignore", RuntimeWarning)  # as in outcome()
    while True:
        function, arguments = own.ranks.share()
        if function is None:
            return int(arguments)
        try:
            function(own.own, *arguments)
        except FailedError:  # rank 0 raises it, too
            pass
        except (OSError, MemoryError) as error:
            print(f"{program}: error: rank {own.ranks.rank}: {str(error) or 'not enough memory'}", file=sys.stderr)
            own.ranks.abort(1)
