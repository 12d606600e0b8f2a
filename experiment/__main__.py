"""What can be asked of a run that is there: python -m experiment describe|plots|page RUN."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

COMMANDS = {
    "describe": "a table of every parameter, intermediate and gradient",
    "plots": "draw the pictures of a run again",
    "page": "write the page of a run again: hear its tunes, and watch its network",
}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m experiment",
        description=__doc__,
        epilog="\n".join(f"{name:10} {does}" for name, does in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS)
    command = parser.parse_args(arguments[:1]).command
    return int(importlib.import_module(f"experiment.{command}").main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
