"""Is every gradient right?  python -m lstm_numpy.gradcheck compares each with what the loss does when a number moves.

Change a line of lstm.py or kernels.py, run it again, and read which gradient disagrees.  docs/lstm.md tells how to hunt
a mistake from what it prints.  With --bug N it checks a copy of this package with a mistake in it, for practice.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from lstm_numpy.gradcheck.bugs import BUGS, plant

if TYPE_CHECKING:
    from lstm_numpy.gradcheck.numeric import Line

COMMAND = [sys.executable, "-m", "lstm_numpy.gradcheck"]
UNCOMPILED = {**os.environ, "NUMBA_DISABLE_JIT": "1"}  # to compile would take longer than to check
HEADER = f"  {'':28} {'error':>7}  {'by hand':>18} {'numeric':>18}  {'':5}  where the error is largest"
GUIDE = """
How to read this.  Lines stand in the order of the backward pass, from the loss to the input.  So begin at the first
WRONG line: what stands below it may be wrong only because of it.
  dz wrong at the last step already      the lines of step_backward for the wrong gates; all but o: dc; all: dh
  dz right at the last step, then wrong  what a step hands to the one before it; all but o: dc_prev; all: d_rh
  every dz right, but Wh, b or Wx wrong  the products after the loop
  wrong in some cases only               what those have and the others do not: masks, a state carried in, threads, ...
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m lstm_numpy.gradcheck", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--bug", type=int, metavar="N", help=f"plant bug N (1 to {len(BUGS)}) in a copy of the package, and check that")
    add("--answer", action="store_true", help="with --bug: tell what the bug is")
    add("--watch", action="store_true", help="check again whenever a file of lstm_numpy is saved; stop with Ctrl-C")
    add("--quick", action="store_true", help="the checks that find most mistakes, in two seconds")
    args = parser.parse_args(arguments)
    if args.answer if args.bug is None else not 1 <= args.bug <= len(BUGS):
        parser.error(f"--bug N, which --answer needs, is a number from 1 to {len(BUGS)}")
    if args.watch:
        watch()
    if args.bug is None:
        return check(quick=args.quick)
    return answer(args.bug) if args.answer else check_with_bug(args.bug)


def check(*, quick: bool = False) -> int:
    """Print every comparison; return 0 if all are right, else 1."""
    from lstm_numpy.gradcheck.checks import CHECKS, QUICK

    print("The first table has a line for every gate and time step of dz; others show the worst one of a layer's dz.\n")
    lines: list[tuple[str, Line]] = []
    for title in QUICK if quick else CHECKS:
        own = list(CHECKS[title]())
        print(title, HEADER, *map(table_row, worth_showing(own) if lines else own), "", sep="\n", flush=True)
        lines += [(title, line) for line in own]
    wrong = [(title, line) for title, line in lines if not line.right]
    kinks = sum(line.kinks for _, line in lines)
    if kinks:
        print(f"{kinks} entries stand near a kink of the loss, and were checked on one side of it (docs/lstm.md, 7).")
    title, worst = max(wrong or lines, key=lambda entry: entry[1].error)
    if not wrong:
        print(f"All {len(lines)} are right.  Largest error: {worst.error:.1e}, {worst.name} ({title}).")
        return 0
    print(f"{len(wrong)} of {len(lines)} are WRONG.  First: {wrong[0][1].name} ({wrong[0][0]}).")
    print(f"Worst: {worst.name} {worst.where} ({title}): by hand {worst.by_hand:.11g}, numeric {worst.numeric:.11g}.")
    print(GUIDE, end="")
    return 1


def worth_showing(lines: Sequence[Line]) -> list[Line]:
    """Of a layer's dz that are right the worst one; all other lines."""
    right = [line for line in lines if ".dz[" in line.name and line.right]
    worst = {line.name.partition(".")[0]: line for line in sorted(right, key=lambda line: line.error)}
    return [line for line in lines if line not in right or line in worst.values()]


def table_row(line: Line) -> str:
    verdict = "WRONG" if not line.right else "kink" if line.kinks else "ok"
    numbers = f"{line.error:7.0e}  {line.by_hand:18.11g} {line.numeric:18.11g}"
    return f"  {line.name:28} {numbers}  {verdict:5}  {line.where}".rstrip()


def watch() -> NoReturn:
    """Check whenever a file is saved: the quick checks first, then all.  Prints what is wrong.  Ends with Ctrl-C."""
    while True:
        saved = saved_at()
        for name, arguments in (("quick checks", ["--quick"]), ("all checks", [])):
            with tempfile.TemporaryFile("w+") as output:
                with subprocess.Popen([*COMMAND, *arguments], stdout=output, stderr=output, env=UNCOMPILED) as child:
                    while child.poll() is None and saved_at() == saved:
                        time.sleep(0.05)
                    child.kill()
                output.seek(0)
                printed = output.read().splitlines()
            if saved_at() != saved:
                break
            told = [line for line in printed if any(word in line for word in (" WRONG", " kink ", "are right."))]
            told = told or printed[-1:]  # what stopped the child, such as a SyntaxError
            print(f"{time.strftime('%H:%M:%S')}  {name}", *told[:30], sep="\n", flush=True)
            if child.returncode:
                break
        while saved_at() == saved:
            time.sleep(0.1)


def saved_at() -> dict[Path, int]:
    """When each file of the package was saved last."""
    return {path: path.stat().st_mtime_ns for path in Path(__file__).parents[1].rglob("*.py")}


def check_with_bug(number: int) -> int:
    """Check a copy of the package that has a bug in it, without a word about what it is."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            plant(BUGS[number - 1], Path(folder))
        except ValueError as error:
            print(f"python -m lstm_numpy.gradcheck: error: {error}; put the file back first", file=sys.stderr)
            return 2
        return subprocess.run(COMMAND, cwd=folder, env={**UNCOMPILED, "PYTHONPATH": folder}, check=False).returncode


def answer(number: int) -> int:
    bug = BUGS[number - 1]
    lines = (Path(__file__).parents[1] / bug.file).read_text(encoding="utf-8").splitlines()
    right = next((line.strip() for line in lines if bug.right in line), bug.right)
    print(f"Bug {number}, in lstm_numpy/{bug.file}: {bug.why}\n")
    print(f"  right: {right}\n  wrong: {right.replace(bug.right, bug.wrong)}")
    return 0


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # the reader of the table, such as `head`, has seen enough
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
