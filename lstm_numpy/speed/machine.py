"""What a run depends on besides its settings: the processors, and the versions of what it is made with."""

import os
import platform
from importlib.metadata import version

_ENOUGH = 512  # hidden units of all its sequences: with fewer, to begin and to end takes a thread longer than its work


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def mpi_rank() -> int | None:
    """The number of this process among those that mpiexec has started; None without mpiexec."""
    names = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")  # of MPICH and its kin, PMIx, Open MPI
    found = [os.environ[name] for name in names if name in os.environ]
    return int(found[0]) if found else None


def useful_threads(B: int, H: int) -> int:
    """In how many parts a batch of B sequences is cut: one for each processor, fewer for a small network, 8 at most."""
    return max(1, min(8, cores(), B * H // _ENOUGH))


def versions() -> dict[str, str]:
    """Of Python and the packages that decide the result."""
    return {"python": platform.python_version(), **{name: version(name) for name in ("numpy", "numba", "mido")}}
