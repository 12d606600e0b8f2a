"""Independent jobs side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TypeVar

from experiment.crew import crew
from lstm_numpy.speed.machine import cores

Result = TypeVar("Result")
WORTH_A_PROCESS, MOST_PROCESSES = 8, 8  # fewer jobs are done sooner than another process has started


def run_all(jobs: Sequence[Callable[[], Result]]) -> list[Result]:
    """Do each job: here, or many in other processes, and on all ranks.  What they return; raises what a job raises."""
    workers = min(cores(), MOST_PROCESSES) if len(jobs) >= WORTH_A_PROCESS else 1
    with closing(crew().spread(_call, jobs, workers)) as results:
        return list(results)


def _call(job: Callable[[], Result]) -> Result:
    return job()
