"""What a run depends on besides its settings: the processors, and the versions of what it is made with."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version


def cores() -> int:
    """The processors that this process may use, 8 at most: a batch cut in more parts gains nothing."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def versions() -> dict[str, str]:
    """Of Python and the packages that decide the result."""
    return {"python": platform.python_version(), **{name: version(name) for name in ("numpy", "numba", "mido")}}
