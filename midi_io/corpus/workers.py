"""Batches of work, done in other processes; a batch that ends its process loses nothing but the item that did it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from functools import partial
from typing import Any

from midi_io.corpus.files import CorpusError

WORTH_A_PROCESS, MOST_PROCESSES = 8, 8  # fewer jobs are done sooner than another process has started

Work = Callable[[Sequence[str], Collection[str]], bytes]  # items, and those of them that must be left alone


def run_batches(
    work: Work, batches: Iterable[Sequence[str]], executor: Executor | None, workers: int
) -> Generator[tuple[int, bytes], None, None]:
    """Yield (number of the batch, work(batch, ())) as the results come; a generator that may be closed early.

    executor: where to work; None: in `workers` new processes of this machine, or in this one if that is 1.
    If a worker process dies, its batches are done again in processes of their own; items that end those, too,
    are given to `work` as its second argument.  Raises CorpusError if no process can be started at all.
    """
    if executor is None and workers == 1:
        yield from ((number, work(batch, ())) for number, batch in enumerate(batches))
        return
    waiting = deque(enumerate(batches))
    under_way: dict[Future[bytes], tuple[int, Sequence[str]]] = {}
    pool = executor or processes(workers)
    try:
        while waiting or under_way:
            try:
                while waiting and len(under_way) < 2 * workers:
                    under_way[pool.submit(work, waiting[0][1], ())] = waiting[0]
                    waiting.popleft()
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    yield under_way.pop(future)[0], result
            except BrokenExecutor:
                suspects = list(under_way.values())
                under_way.clear()
                with ThreadPoolExecutor(workers) as threads:
                    results = threads.map(partial(_work_alone, work), [batch for _, batch in suspects])
                    yield from zip([number for number, _ in suspects], results, strict=True)
                if pool is not executor:
                    pool.shutdown()
                pool = processes(workers)
    finally:
        for future in under_way:
            future.cancel()
        if pool is not executor:
            pool.shutdown(cancel_futures=True)


def run_all(jobs: Sequence[Callable[[], object]]) -> None:
    """Do each job: here, or many in other processes side by side.

    Raises what a job raises, and BrokenExecutor if a process dies.
    """
    try:
        pool = processes(min(cores(), MOST_PROCESSES)) if len(jobs) >= WORTH_A_PROCESS and cores() > 1 else None
    except (OSError, NotImplementedError):  # there is no place for what processes share
        pool = None
    if pool is None:
        for job in jobs:
            job()
        return
    try:
        for done in [pool.submit(job) for job in jobs]:
            done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _work_alone(work: Work, batch: Sequence[str]) -> bytes:
    """The result of one batch, each attempt in a process of its own."""
    result = _attempt(work, batch)
    if result is None:
        if _attempt(work, ()) is None:
            raise CorpusError(
                'worker processes cannot be started; call from under `if __name__ == "__main__":`, or use 1'
            )
        result = _attempt(work, batch, _deadly(work, batch))
    if result is None:
        raise CorpusError("worker processes end again and again; use fewer of them (out of memory?)")
    return result


def _deadly(work: Work, batch: Sequence[str]) -> list[str]:
    """The items of a batch that end the process, found by halving it."""
    if _attempt(work, batch) is not None:
        return []
    if len(batch) == 1:
        return list(batch)
    half = len(batch) // 2
    return _deadly(work, batch[:half]) + _deadly(work, batch[half:])


def _attempt(work: Work, batch: Sequence[str], deadly: Collection[str] = ()) -> bytes | None:
    """The result of a batch in a new process; None if the process died."""
    with processes(1) as pool:
        try:
            return pool.submit(work, batch, deadly).result()
        except BrokenExecutor:
            return None


def processes(workers: int) -> ProcessPoolExecutor:
    """New processes, which leave Ctrl-C to this one, and end when it ends."""
    # Spawned, not forked: the threads of a BLAS or a progress bar do not survive a fork.
    return _Processes(workers, multiprocessing.get_context("spawn"), _follow_the_parent)


class _Processes(ProcessPoolExecutor):
    """Processes that Ctrl-C does not reach while they start, either.  What is blocked here, is blocked in a child."""

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        if not hasattr(signal, "pthread_sigmask"):  # Windows
            return super().submit(*args, **kwargs)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(*args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _follow_the_parent() -> None:
    """Leave Ctrl-C to the parent process, and end when it ends: even if it is killed, no worker stays behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
