"""How a command ends: its exit status, and one line that says what went wrong."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable

from experiment.command.console import lasting_output, one_line
from experiment.command.interrupts import Interrupts, Stopped
from experiment.folder import RunError
from lstm_numpy.checkpoint import CheckpointError
from midi_io import MidiIoError


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
