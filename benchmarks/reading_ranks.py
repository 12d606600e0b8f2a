"""How long it takes to read many MIDI files by one process, by two of its own, and by two ranks of mpiexec.

    python benchmarks/reading_ranks.py                  # needs requirements-mpi.txt
    python benchmarks/reading_ranks.py --files 2000

The files are made from the embedded tunes: each of them in other keys.  Nothing is cached.  Turns are taken
A B C A B C, each in a process of its own, and the shortest counts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from experiment.crew import conducted, crew
from midi_io import Song, read_song, write_song
from midi_io.corpus import read_corpus
from midi_io.corpus.files import find_files
from midi_io.notes import transpose

MPIEXEC = Path(sys.executable).with_name("mpiexec")
WHO = {"1 process": (0, 1), "2 processes": (0, 2), "2 ranks": (2, 2)}  # ranks, and processes on a machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000, help="how many (default: 20000)")
    parser.add_argument("--turns", type=int, default=2, help="how often each reads everything (default: 2)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), args.files)
        best: dict[str, float] = {}
        for name, (ranks, workers) in list(WHO.items()) * args.turns:
            start = [str(MPIEXEC), "-n", str(ranks)] if ranks else []
            command = [*start, sys.executable, __file__, "--worker", folder, str(workers)]
            seconds = float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
            best[name] = min(seconds, best.get(name, seconds))
        print(f"{args.files:,} files")
    for name, seconds in best.items():
        rate, times = args.files / seconds, best["1 process"] / seconds
        print(f"{name:12} {seconds:8.1f} s   {rate:8,.0f} files/s   {times:6.2f} times as fast")


def make(folder: Path, count: int) -> None:
    tunes = [read_song(file.path) for file in find_files([ROOT / "songs" / "tunes"])[0]]
    for number in range(count):
        tune, shift = tunes[number % len(tunes)], number // len(tunes)
        moved = Song(transpose(tune.notes, shift % 2 * -12 + shift // 2), tune.title, tune.bpm, tune.meter)
        write_song(moved, folder / f"{number:06}.mid")


def read(folder: str, workers: int) -> int:
    begun = time.perf_counter()
    corpus = read_corpus([folder], workers=workers, executor=crew().spread, progress=False)
    print(time.perf_counter() - begun)
    print(corpus.report(), file=sys.stderr)
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        sys.exit(conducted("reading_ranks.py", partial(read, sys.argv[2], int(sys.argv[3]))))
    main()
