"""Ctrl-C, SIGTERM and a closed terminal end a program, but never in the middle of a training step or a save."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """A signal asked the program to end.  `status` is the exit status: 130 after Ctrl-C, 143 after SIGTERM."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Interrupts:
    """Inside `with Interrupts() as interrupts`, a signal raises Stopped: at once, or at the end of `held`."""

    def __init__(self) -> None:
        self._holding = False
        self._waiting = 0  # the status of a signal that came while the program was holding
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        for number in SIGNALS:
            before = signal.getsignal(number)
            if number in (signal.SIGINT, signal.SIGTERM) or before is not signal.SIG_IGN:  # nohup ignores SIGHUP
                self._before[number] = before
                signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """What is done inside is done whole: a signal waits for its end, and for that of a block around it."""
        before, self._holding = self._holding, True
        try:
            yield
        finally:
            self._holding = before
        if self._waiting and not self._holding:
            status, self._waiting = self._waiting, 0
            raise Stopped(status)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if not self._holding:
            raise Stopped(128 + number)
        self._waiting = self._waiting or 128 + number
