"""Command-line arguments: their types, a parser that says in one line what is wrong, and what was given at all."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from experiment.command.console import one_line


def whole(least: int, most: float = math.inf) -> Callable[[str], int]:
    """A whole number from `least` to `most`."""

    def number(text: str) -> int:
        if not (re.fullmatch(r"[+-]?[0-9]{1,18}", text.strip()) and least <= int(text) <= most):
            upwards = f"from {least} up" if most == math.inf else f"from {least} to {most:,}"
            raise argparse.ArgumentTypeError(f"a whole number {upwards}, not {text!r:.40}")
        return int(text)

    return number


def real(
    least: float, most: float = math.inf, *, open_below: bool = False, open_above: bool = False
) -> Callable[[str], float]:
    """A finite number from `least` to `most`; open: these themselves are not allowed."""

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


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {one_line(message)} (--help tells more)\n")

    def parse_with_given(self, argv: Sequence[str]) -> tuple[argparse.Namespace, set[str]]:
        """The arguments, and the names of those that stand on the command line, with whatever value."""
        args = self.parse_args(argv)
        nothing = object()
        found = self.parse_args(argv, argparse.Namespace(**dict.fromkeys(vars(args), nothing)))
        return args, {name for name, value in vars(found).items() if value is not nothing}

    def changed(self, args: argparse.Namespace, before: argparse.Namespace, given: set[str]) -> str | None:
        """The flag of the first argument in `given` whose values are not the same."""
        for action in self._actions:
            if action.dest in given and getattr(args, action.dest) != getattr(before, action.dest):
                return action.option_strings[0]
        return None

    def checked(self, values: Mapping[str, Any]) -> argparse.Namespace:
        """Arguments that were stored as JSON, the default for each that is missing.

        Raises ValueError for a value that the command line could not have given.
        """
        args = self.parse_args([])
        for action in self._actions:
            value = values.get(action.dest, self.get_default(action.dest))
            if value == self.get_default(action.dest) or not hasattr(args, action.dest):
                continue
            if action.nargs == 0:
                if not isinstance(value, bool):
                    raise ValueError(f"its setting {action.dest} is {value!r:.40}")
            else:
                several = value if action.nargs == "+" and isinstance(value, list) else [value]
                try:
                    found = [self._get_value(action, str(one)) for one in several]
                    for one in found:
                        self._check_value(action, one)
                except argparse.ArgumentError as error:
                    raise ValueError(f"its setting {action.dest} is {value!r:.40}: {error.message}") from None
                value = found if action.nargs == "+" else found[0]
            setattr(args, action.dest, value)
        return args
