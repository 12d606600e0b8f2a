"""Types of command-line arguments: argparse refuses what they refuse, in words that say what is wanted."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def whole(least: int, most: float = math.inf) -> Callable[[str], int]:
    """A whole number from `least` to `most`."""

    def number(text: str) -> int:
        if not text.strip().lstrip("+-").isdecimal() or not least <= int(text) <= most:
            upwards = f"from {least} up" if most == math.inf else f"from {least} to {most:g}"
            raise argparse.ArgumentTypeError(f"a whole number {upwards}, not {text!r}")
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
            raise argparse.ArgumentTypeError(f"a number {below}{above}, not {text!r}")
        return value

    return number


above_zero = real(0, open_below=True)
