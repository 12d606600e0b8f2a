"""Ctrl-C, SIGTERM and a closed terminal end a run, but never in the middle of what must be done whole."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """A signal asked the program to end; `status` is what the shell gets to see: 130 Ctrl-C, 143 SIGTERM."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Interrupts:
    """Within `with Interrupts() as interrupts`, a signal raises Stopped: at once, or where `held` ends.

    Only the first one does.  Who presses Ctrl-C again while the program saves and leaves does not break that.
    Where Python cannot raise (in a finaliser, say), the signal comes again a moment later.
    """

    def __init__(self) -> None:
        self.status = 0
        self._holding = False
        self._before: dict[signal.Signals, Any] = {}
        self._hook = sys.unraisablehook

    def __enter__(self) -> Interrupts:
        for number in SIGNALS:
            before = signal.getsignal(number)
            if number in (signal.SIGINT, signal.SIGTERM) or before is not signal.SIG_IGN:  # nohup means what it says
                self._before[number] = before
                signal.signal(number, self._handle)
        self._hook, sys.unraisablehook = sys.unraisablehook, self._raise_later
        return self

    def __exit__(self, *_: object) -> None:
        sys.unraisablehook = self._hook
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_IGN if self.status else handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """What is done inside is done whole: a signal waits for its end."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        if self.status:
            raise Stopped(self.status)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if not self.status:
            self.status = 128 + number
            if not self._holding:
                raise Stopped(self.status)

    def _raise_later(self, unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, Stopped):
            number, self.status = self.status - 128, 0
            threading.Timer(0.01, signal.pthread_kill, [threading.main_thread().ident, number]).start()
        else:
            self._hook(unraisable)
