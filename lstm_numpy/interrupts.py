"""Ctrl-C and SIGTERM ask a run to stop; it finishes the step that it is in, and saves."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any


class Interrupts:
    """Within `with Interrupts() as interrupts`, both signals only set `interrupts.status`: 130 or 143 (0: go on).

    The second Ctrl-C is not held back: who presses twice wants out now.
    """

    def __init__(self) -> None:
        self.status = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.status = 128 + number
        signal.signal(signal.SIGINT, signal.default_int_handler)
