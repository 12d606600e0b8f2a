"""What can be asked of a run that is there: python -m experiment describe|plots|page RUN."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from experiment.command.arguments import Parser
from experiment.command.console import one_line
from experiment.command.outcome import outcome
from experiment.describe import describe_run
from experiment.page import write_run_page
from experiment.plots import draw_run

COMMANDS = {
    "describe": "a table of every parameter, intermediate and gradient, for one batch of a run's songs",
    "plots": "draw the pictures of a run again, from the files in its folder",
    "page": "write the page of a run again: hear its tunes, and watch its network",
}


def answer(args: argparse.Namespace) -> str:
    """Do what is asked, and return what is printed."""
    if args.command == "describe":
        return describe_run(args.run)
    if args.command == "plots":
        return "\n".join(one_line(str(picture)) for picture in draw_run(args.run))
    page = write_run_page(args.run, args.song)
    return f"{one_line(str(page))}: {page.stat().st_size / 1e6:.1f} MB; open it with a browser"


def main(arguments: Sequence[str]) -> int:
    parser = Parser(prog="python -m experiment", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, does in COMMANDS.items():
        command = commands.add_parser(name, help=does, description=does)
        command.add_argument("run", type=Path, metavar="RUN", help="the run's folder, as runs/NAME")
    commands.choices["page"].add_argument("--song", type=Path, metavar="MIDI", help="put this song first in the list")
    args = parser.parse_args(arguments)
    return outcome(f"python -m experiment {args.command}", lambda _: print(answer(args)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
