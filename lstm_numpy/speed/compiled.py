"""The decorator that turns a loop of scalar equations into machine code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile on first use, and keep the result on disk where some folder for it can be written.

    `contract` and `reassoc` allow fused multiply-adds and sums in SIMD order; NaN and infinity keep their meaning.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc"}}
    try:
        return numba.njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # neither the source tree nor a home folder can be written: compile anew in each process
        return numba.njit(**options)(function)  # type: ignore[no-any-return]
