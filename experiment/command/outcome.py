"""How a command ends: its exit status, one line that says what went wrong, and what a signal does.

Ctrl-C, SIGTERM and a closed terminal end a program, but never in the middle of a training step or a save.
"""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from experiment.command.console import lasting_output, one_line
from experiment.folder import RunError
from lstm_numpy.checkpoint import CheckpointError
from midi_io import MidiIoError

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


class FailedError(Exception):
    """The input was right, and the run cannot go on: one line that says why."""


def outcome(program: str, command: Callable[[Interrupts], None], saved: Callable[[], str] = lambda: "") -> int:
    """Run a command and return its exit status.

    0: done.  2: wrong input.  1: it failed.  130, 143: a signal stopped it.  What is wrong is printed to standard error
    as one line, "PROGRAM: error: ...".  saved() says what was saved; it ends the line where the input was right.
    An error that only a mistake in the program can cause is raised.
    """
    warnings.simplefilter("ignore", RuntimeWarning)  # numbers that are not finite have a line of their own
    with lasting_output():
        try:
            with Interrupts() as interrupts:
                command(interrupts)
            return 0
        except Stopped as stopped:
            print("; ".join(["stopped", *filter(None, [saved()])]), file=sys.stderr)
            return stopped.status
        except (CheckpointError, MidiIoError, RunError) as error:
            print(f"{program}: error: {one_line(str(error))}", file=sys.stderr)
            return 2
        except FailedError as error:
            fault = str(error)
        except ModuleNotFoundError as error:
            fault = f"{error}; pip install -r requirements.txt"
        except OSError as error:
            fault = f"{error.filename or 'a file'}: {error.strerror or error}"
        except MemoryError:
            fault = "not enough memory; take a smaller --batch, --hidden or --count"
        print(f"{program}: error: {one_line('; '.join(filter(None, [fault, saved()])))}", file=sys.stderr)
        return 1
