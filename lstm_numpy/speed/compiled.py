"""The decorator that turns a loop of scalar equations into machine code."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile on first use, and keep the result on disk where some folder for it can be written.

    `contract` and `reassoc` allow fused multiply-adds and sums in SIMD order; NaN and infinity keep their meaning.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc"}}
    try:
        compiled = numba.njit(cache=True, **options)(function)
        if hasattr(compiled, "_cache"):  # numba looks at the function's own file, but a loop may call one of another
            file = compiled._cache._cache_file
            file._source_stamp = file._source_stamp, _loops_stamp()
        return compiled  # type: ignore[no-any-return]
    except RuntimeError:  # neither the source tree nor a home folder can be written: compile anew in each process
        return numba.njit(**options)(function)  # type: ignore[no-any-return]


@cache
def _loops_stamp() -> tuple[tuple[str, float, int], ...]:
    """Changes whenever a file does that loops are called from."""
    here = Path(__file__).parent
    files = [here.parent / "kernels.py", *sorted(here.glob("*.py"))]
    return tuple((file.name, file.stat().st_mtime, file.stat().st_size) for file in files)
