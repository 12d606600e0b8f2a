"""Two ways to spell notes: what an instrument does differently from its note before, or everything for every note.

    python benchmarks/spellings.py --minutes 2

A network is trained on each for the same time, with the defaults of train.py, on the tunes (which have one instrument)
and on the quartets of songs/ensembles.  Nats per beat compare, because both spell the same notes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from contest import table

import train
from experiment import songs as run_songs
from midi_io import tokens
from midi_io.notes import Note
from midi_io.tokens import note as note_tokens
from midi_io.tokens.words import NAMES

FOLDERS = ("tunes", "ensembles")
SPELLINGS = {"only what changes": note_tokens.NOTE.encode}  # and encode_all, below


def encode_all(notes: Iterable[Note], grid: int) -> list[str]:
    """As NOTE.encode, with instrument, velocity and duration before every note.  It is decoded the same."""
    spelled, now = [], 0
    for note in sorted(notes, key=lambda note: (note.start, note.drum, note.program, note.pitch)):
        onset = round(note.start * grid)
        if onset != now:
            spelled += note_tokens._sum("+", onset - now, grid)
            now = onset
        spelled += [f"{'kit' if note.drum else 'i'}{note.program}", f"v{note.velocity}"]
        spelled += note_tokens._sum(":", round(note.duration * grid), grid)
        spelled.append(f"drum{note.pitch}" if note.drum else NAMES[note.pitch])
    return spelled


SPELLINGS["everything for every note"] = encode_all


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2.0, help="of training, for each network")
    parser.add_argument("--run", nargs=3, metavar=("SPELLING", "FOLDER", "OUT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        spelling, folder, out = args.run
        tokens.SCHEMES["note"] = note_tokens.NOTE._replace(encode=SPELLINGS[spelling])
        run_songs.cores = lambda: 1  # songs are read in this process, which spells like that
        songs = str(Path(train.__file__).parent / "songs" / folder)
        flags = ["--epochs", "10000", "--minutes", f"{args.minutes:g}", "--patience", "10000", "--quiet"]
        return train.main(["--midi", songs, "--context", "none", "--out", out, *flags])

    print(f"`python benchmarks/spellings.py --minutes {args.minutes:g}`\n")
    rows = []
    for folder in FOLDERS:
        for spelling in SPELLINGS:
            with tempfile.TemporaryDirectory() as scratch:
                run = [sys.executable, __file__, "--minutes", f"{args.minutes:g}"]
                out = f"{scratch}/run"
                subprocess.run(
                    [*run, "--run", spelling, folder, out], check=True, stdout=subprocess.DEVNULL,
                    env={**os.environ, "XDG_CACHE_HOME": scratch},  # what was read before is spelled the usual way
                )  # fmt: skip
                found = json.loads(Path(out, "summary.json").read_text())
            nats, per_token = found["valid_nats_per_beat"], found["valid_nats_per_token"]
            numbers = [f"{found['epochs']}", f"{nats / per_token:.1f}", f"{per_token:.3f}", f"{nats:.2f}"]
            rows.append([folder, spelling, *numbers])
            print(*rows[-1], file=sys.stderr)
    print(table(["songs", "spelled", "epochs", "tokens per beat", "nats per token", "nats per beat"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
