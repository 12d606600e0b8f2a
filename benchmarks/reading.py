"""How long it takes to read a folder of MIDI, beside what mido alone, and other readers that are installed, take.

    python benchmarks/reading.py [FOLDER ...]

mido's time is that of mido.MidiFile and nothing else: a folder is read down to ids in less than that.
Every reader gets the same files, in this process or in one for each core, and the best of three turns counts.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import mido
from contest import CORES

from midi_io import MidiError, read_song
from midi_io.corpus import read_corpus
from midi_io.corpus.files import find_files

SONGS = Path(__file__).resolve().parents[1] / "songs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", default=[SONGS], help="folders of MIDI files (default: songs/)")
    parser.add_argument("--turns", type=int, default=3, help="how often each reader reads everything (default: 3)")
    arguments = parser.parse_args()
    folders = arguments.folders
    paths = [file.path for file in find_files(folders)[0]]
    print(f"{len(paths):,} files, {sum(Path(path).stat().st_size for path in paths) / 1e6:.1f} MB")

    def corpus(workers: int = 1, **options: Any) -> None:
        read_corpus(folders, workers=workers, progress=False, **options)

    pool = ProcessPoolExecutor(CORES, multiprocessing.get_context("spawn"))
    with tempfile.TemporaryDirectory() as cache, pool:
        readers: dict[str, Callable[[], object]] = {
            "mido.MidiFile": each(paths, mido.MidiFile, Exception),
            "midi_io.read_song": each(paths, read_song, MidiError),
            "folder to ids, tokens chord": corpus,
            "folder to ids, tokens note": lambda: corpus(scheme="note"),
            f"mido, {CORES} processes": lambda: list(pool.map(read_with_mido, [paths[k::CORES] for k in range(CORES)])),
            f"folder to ids, {CORES} processes": lambda: corpus(CORES),
        }
        for name, attribute in (("symusic", "Score"), ("pretty_midi", "PrettyMIDI"), ("music21", "converter.parse")):
            with suppress(ImportError):
                peer: Any = importlib.import_module(name)
                for part in attribute.split("."):
                    peer = getattr(peer, part)
                readers[f"{name}.{attribute}"] = each(paths, peer, Exception)
        seconds = best_of(arguments.turns, readers)
        corpus(cache=Path(cache))
        seconds |= best_of(arguments.turns, {"folder to ids, cached": lambda: corpus(cache=Path(cache))})
    for name, time_taken in seconds.items():
        print(f"{name:28} {time_taken:9.4f} s   {time_taken / seconds['mido.MidiFile']:8.3f} times mido")


def read_with_mido(paths: list[str]) -> None:
    each(paths, mido.MidiFile, Exception)()


def each(paths: list[str], reader: Callable[[str], object], faults: type[Exception]) -> Callable[[], None]:
    """A function that lets `reader` read every file, and passes over those that it refuses."""

    def read_all() -> None:
        for path in paths:
            with suppress(faults):
                reader(path)

    return read_all


def best_of(turns: int, readers: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The shortest time of each reader in seconds; they take turns, so that a busy machine is busy for all of them."""
    best = dict.fromkeys(readers, float("inf"))
    for _ in range(turns):
        for name, read_all in readers.items():
            started = time.perf_counter()
            read_all()
            best[name] = min(best[name], time.perf_counter() - started)
    return best


if __name__ == "__main__":
    main()
