"""Flags: the types of their values, and a parser that says in one line what is wrong."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

from experiment.command.console import one_line
from lstm_numpy.speed.machine import mpi_rank


def whole(least: int, most: float = math.inf) -> Callable[[str], int]:
    """The type of a flag: a whole number from `least` to `most`."""

    def number(text: str) -> int:
        if not (re.fullmatch(r"[+-]?[0-9]{1,18}", text.strip()) and least <= int(text) <= most):
            upwards = f"from {least} up" if most == math.inf else f"from {least} to {most:,}"
            raise argparse.ArgumentTypeError(f"a whole number {upwards}, not {text!r:.40}")
        return int(text)

    return number


def real(
    least: float, most: float = math.inf, *, open_below: bool = False, open_above: bool = False
) -> Callable[[str], float]:
    """The type of a flag: a finite number from `least` to `most`.  An open end is not allowed itself."""

    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        inside = (least < value if open_below else least <= value) and (value < most if open_above else value <= most)
        if not (inside and math.isfinite(value)):
            below = f"above {least:g}" if open_below else f"{least:g} or more"
            above = "" if most == math.inf else f", below {most:g}" if open_above else f", {most:g} at most"
            raise argparse.ArgumentTypeError(f"a number {below}{above}, not {text!r:.40}")
        return value

    return number


above_zero = real(0, open_below=True)


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
