"""Independent jobs side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lstm_numpy.speed.machine import cores
from midi_io.corpus.workers import in_processes

WORTH_A_PROCESS, MOST_PROCESSES = 8, 8  # fewer jobs are done sooner than another process has started


def run_all(jobs: Sequence[Callable[[], object]]) -> None:
    """Do each job: here, or many in other processes.  Raises what a job raises."""
    workers = min(cores(), MOST_PROCESSES) if len(jobs) >= WORTH_A_PROCESS else 1
    for _ in in_processes(_call, jobs, workers):
        pass


def _call(job: Callable[[], object]) -> None:
    job()
