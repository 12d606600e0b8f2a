"""Independent jobs side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TypeVar

from experiment.crew import crew
from lstm_numpy.speed.machine import cores

Result = TypeVar("Result")
WORTH_A_PROCESS, MOST_PROCESSES = 8, 8  # fewer jobs are done sooner than another process has started


def run_all(jobs: Sequence[Callable[[], Result]], told: Callable[[int], object] = lambda done: None) -> list[Result]:
    """Do each job: here, or many in other processes, and on all ranks.  What they return; raises what a job raises.

    told(1) is called after each.
    """
    workers = min(cores(), MOST_PROCESSES) if len(jobs) >= WORTH_A_PROCESS else 1
    with closing(crew().spread(_call, jobs, workers)) as results:
        return [(result, told(1))[0] for result in results]


def _call(job: Callable[[], Result]) -> Result:
    return job()
