"""Flags: the types of their values, and a parser that says in one line what is wrong."""

import argparse
import math
from collections.abc import Callable
from typing import Any, NoReturn

from experiment.command.console import one_line
from lstm_numpy.speed.machine import mpi_rank


def whole(least: int, most: float = 10**18) -> Callable[[str], int]:
    """The type of a flag: a whole number from `least` to `most`."""
    upwards = f"from {least} up" if most == 10**18 else f"from {least} to {most:,}"
    return _number(int, f"a whole number {upwards}", lambda value: least <= value <= most)


def real(words: str, fits: Callable[[float], bool]) -> Callable[[str], float]:
    """The type of a flag: a finite number that fits; `words` say which do: "a number above 0"."""
    return _number(float, words, lambda value: fits(value) and math.isfinite(value))


def _number(kind: Callable[[str], Any], words: str, fits: Callable[[Any], bool]) -> Callable[[str], Any]:
    def number(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not fits(value):  # NaN fits nothing
            raise argparse.ArgumentTypeError(f"{words}, not {text!r:.40}")
        return value

    return number


above_zero = real("a number above 0", lambda value: value > 0)


def some_text(text: str) -> str:
    """The type of a flag that names something.  An unset shell variable gives "", which names nothing."""
    if not text:
        raise argparse.ArgumentTypeError("a name, not an empty text (is a variable of the shell not set?)")
    return text


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that says in one line what is wrong, and exits with status 2.  Of many ranks, one speaks."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if not mpi_rank():
            super()._print_message(message, file)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {one_line(message)} (--help tells more)\n")
