"""Arrays by name, to be reused from training step to training step."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

_CACHE_LINE = 64  # bytes


class Buffers:
    """Hands out the same memory each time that a name is asked for with the same shape and dtype.

    A training step needs the same large arrays every time.  Allocating them anew costs more than it seems: the
    operating system clears every page before it is used.  `within("lstm1")` gives a view in which names are prefixed.
    """

    def __init__(self) -> None:
        self._arrays: dict[str, Array] = {}
        self._rooms: dict[str, Buffers] = {}

    def within(self, room: str) -> Buffers:
        """The buffers of one layer, so that two layers may use the same names."""
        if room not in self._rooms:
            self._rooms[room] = Buffers()
        return self._rooms[room]

    def empty(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """An array with unspecified content, as np.empty gives it.

        It begins where a cache line does, so that no SIMD register is filled from two lines.
        """
        array = self._arrays.get(name)
        if array is None or array.shape != shape or array.dtype != dtype:
            count = math.prod(shape) * np.dtype(dtype).itemsize
            room = np.empty(count + _CACHE_LINE, np.uint8)
            start = -room.ctypes.data % _CACHE_LINE
            array = self._arrays[name] = room[start : start + count].view(dtype).reshape(shape)
        return array
