"""The same work on many items, in other processes or in this one.

What does it is an Executor: executor(work, items, workers) gives work(item) for each item, in their order.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Executor: TypeAlias = Callable[[Callable[[Any], Any], Sequence[Any], int], Generator[Any, None, None]]


def in_processes(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Generator[Result, None, None]:
    """work(item) for each item, in their order, done by `workers` new processes; 1: in this process.

    If a process dies or none can be started, the rest is done in this one.  Closing the generator ends the processes.
    """
    items = list(items)
    done = 0
    pool = None
    try:
        if workers > 1 and len(items) > 1:
            # Spawned, not forked: the threads of a BLAS or a progress bar do not survive a fork.
            pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _prepare)
            with _ctrl_c_waits():
                results = pool.map(work, items)
            for result in results:
                yield result
                done += 1
    except (BrokenExecutor, OSError, NotImplementedError):
        pass
    finally:
        if pool:
            pool.shutdown(cancel_futures=True)
    yield from map(work, items[done:])


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Ctrl-C interrupts this process after the block, and never the processes that are started in it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare() -> None:
    """In a new process: ignore Ctrl-C, which the parent handles, and end when the parent ends, even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
