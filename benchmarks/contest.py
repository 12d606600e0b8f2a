"""Run several programs in turn, in processes of their own, and compare their times pair by pair.

Machines slow down and speed up; what runs a moment later runs under the same conditions.  So each round lets everyone
run once, in the same order, ratios are taken within a round, and the median over the rounds is reported.  Processes of
their own keep one library's threads, which may wait actively, from another's time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
SETTLE = 0.5  # seconds: OpenMP's threads, for one, wait actively for 0.2 after the last work, on the next one's time
PEERS = Path(__file__).with_name("peers.py")


class Contestant:
    """A library in a process of its own, which waits for requests and answers with seconds."""

    def __init__(self, library: str, python: str, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [python, str(PEERS), library], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
        self.version = self._answer()

    def seconds(self, **request: Any) -> float:
        """Seconds for one step, or one token: the request names what is run, its sizes, and how often."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return float(self._answer())

    def close(self) -> None:
        self._process.communicate()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"{' '.join(map(str, self._process.args))} died")  # type: ignore[arg-type]
        return json.loads(line)


def add_python_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--python", nargs="+", default=[sys.executable], metavar="PATH",
        help="interpreters that may have PyTorch, JAX or Keras installed (default: this one)",
    )  # fmt: skip


def installed(libraries: Sequence[str], pythons: Sequence[str]) -> dict[str, Contestant]:
    """A contestant for each library that one of the interpreters has."""
    found = {}
    for library in libraries:
        for python in pythons:
            test = f"import importlib.util as u, sys; sys.exit(u.find_spec({library!r}) is None)"
            if subprocess.run([python, "-c", test], check=False).returncode == 0:
                found[library] = Contestant(library, python)
                break
    return found


def in_turn(entries: Mapping[str, tuple[Contestant, dict[str, Any]]], rounds: int) -> dict[str, list[float]]:
    """Everyone's seconds in each round.  A first round, in which everything is compiled and warmed up, is left out."""
    seconds: dict[str, list[float]] = {name: [] for name in entries}
    for turn in range(rounds + 1):
        for name, (contestant, request) in entries.items():
            time.sleep(SETTLE)
            taken = contestant.seconds(**request)
            if turn:
                seconds[name].append(taken)
    return seconds


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """The median over the rounds of theirs / ours."""
    return median(a / b for a, b in zip(theirs, ours, strict=True))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
