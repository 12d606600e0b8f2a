"""How long one waits: for the first loss, for the first tune, for --help.

    python benchmarks/start.py

Cold means that numba has compiled nothing yet and no song has been read (their caches are empty folders), warm that
both have happened.  The last line is a copy of the tree in which no cache can be kept, and a user without a home:
everything is read and compiled anew in every process.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("train.py", "generate.py", "experiment", "lstm_numpy", "midi_io", "songs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3, help="how often each is tried; the median counts (default: 3)")
    turns = parser.parse_args().turns
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)

        caches = {"NUMBA_CACHE_DIR": str(place / "numba"), "XDG_CACHE_HOME": str(place / "songs")}

        def cold() -> float:
            for folder in caches.values():
                shutil.rmtree(folder, ignore_errors=True)
            return first_loss(place, **caches)

        report("train.py, cold: first loss", 15, cold, turns)
        report("train.py, warm: first loss", 5, lambda: first_loss(place, **caches), turns)
        run(ROOT, "train.py", "--quiet", "--epochs", "1", "--out", str(place / "trained"))
        report("generate.py, warm: the first tune", 3, lambda: run(ROOT, "generate.py", str(place / "trained")), turns)
        for script in ("train.py", "generate.py"):
            report(f"{script} --help", 0.5, lambda script=script: run(ROOT, script, "--help"), turns)  # type: ignore[misc]
        tree = read_only_copy(place / "tree")
        report("train.py in a read-only tree: first loss", 15, lambda: first_loss(place, tree, HOME="/dev/null"), 1)


def report(what: str, limit: float, timed: Callable[[], float], turns: int) -> None:
    print(f"{what:42} {median(timed() for _ in range(turns)):6.2f} s   (wanted: {limit:g} s)", flush=True)


def run(tree: Path, *command: str) -> float:
    """Seconds until a command has ended."""
    started = time.perf_counter()
    subprocess.run([sys.executable, str(tree / command[0]), *command[1:]], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def first_loss(place: Path, tree: Path = ROOT, **environment: str) -> float:
    """Seconds until train.py prints its first loss; it is ended then."""
    out = place / "run"
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-u", str(tree / "train.py"), "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **environment}
    )  # fmt: skip
    assert process.stdout
    for line in process.stdout:
        if line.startswith("first loss"):
            break
    else:
        sys.exit("train.py ended before its first loss")
    seconds = time.perf_counter() - started
    process.terminate()
    process.communicate()
    shutil.rmtree(out)
    return seconds


def read_only_copy(tree: Path) -> Path:
    """A copy of the programs in which no cache can be kept."""
    tree.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, tree / part)
    for package in ("experiment", "lstm_numpy", "midi_io"):
        (tree / package / "__pycache__").touch()  # a file, where a folder would be: even root cannot write into it
    return tree


if __name__ == "__main__":
    main()
