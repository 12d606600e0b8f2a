"""How much of the bare step's speed train.py reaches, and how fast evaluation is.

    python benchmarks/end_to_end.py
    python benchmarks/end_to_end.py --hidden 512 --batch 64 --midi FOLDER

train.py runs on the embedded songs, with everything that a run does: batches, dropout masks, evaluation after each
epoch, checkpoints, history.  Its tokens per second come from history.csv, from step 10 to the end; the bare step is
timed before and after it, for the same lanes, window and vocabulary.  Padding is work like any other, so the
comparison counts places (T * B a step); the last column is what the songs get of it.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from contest import CORES, Contestant, table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from experiment.songs import RunSongs
from lstm_numpy.checkpoint import load_checkpoint
from lstm_numpy.evaluation import evaluate

ROOT = Path(__file__).resolve().parents[1]
WARM_UP = 10  # steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--window", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--midi", nargs="+", metavar="DIR", help="default: the embedded songs")
    args = parser.parse_args()
    bare, rows = Contestant("numpy", sys.executable), []
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory() as scratch:
            run = Path(scratch) / "run"
            train(args, run)
            summary = json.loads((run / "summary.json").read_text())
            lanes = {"T": args.window, "B": args.batch, "H": args.hidden, "V": summary["vocabulary"]}
            step = bare.seconds(kind="step", setting=CORES, least_seconds=2, **lanes)
            trained = steady_rate(run) / (1 - summary["padding_share"])
            rows.append([
                args.window * args.batch / step, trained, trained * step / (args.window * args.batch),
                summary["padding_share"], steady_rate(run), evaluation_rate(args, run),
            ])  # fmt: skip
        print("  ".join(f"{number:,.2f}" for number in rows[-1]), file=sys.stderr, flush=True)
    places, trained, share, padding, rate, evaluated = (median(column) for column in zip(*rows, strict=True))
    head = ["H, B, T, V", "bare step, places/s", "train.py, places/s", "share", "padding", "train.py, tokens/s",
            "evaluation, tokens/s"]  # fmt: skip
    sizes = ", ".join(str(lanes[letter]) for letter in "HBTV")
    print("\n" + table(head, [[
        sizes, f"{places:,.0f}", f"{trained:,.0f}", f"{100 * share:.0f} %", f"{100 * padding:.1f} %", f"{rate:,.0f}",
        f"{evaluated:,.0f}",
    ]]))  # fmt: skip


def train(args: argparse.Namespace, run: Path) -> None:
    options = ["hidden", "batch", "window", "epochs"]
    command = [sys.executable, str(ROOT / "train.py"), "--quiet", "--out", str(run), "--threads", str(CORES)]
    command += [part for name in options for part in (f"--{name}", str(getattr(args, name)))]
    command += ["--midi", *args.midi] if args.midi else []
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def steady_rate(run: Path) -> float:
    """Scored tokens per second, by the clock: epoch's ends, evaluation and checkpoints included."""
    with (run / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    first, last = rows[WARM_UP], rows[-1]
    return (int(last["tokens"]) - int(first["tokens"])) / (float(last["seconds"]) - float(first["seconds"]))


def evaluation_rate(args: argparse.Namespace, run: Path) -> float:
    """Tokens per second of evaluating the songs that were trained on."""
    params, config = load_checkpoint(run / "model.npz")[:2]
    songs = RunSongs.load(run / "songs.npz").of("train").songs
    started = time.perf_counter()
    evaluate(params, config, songs, args.window, args.batch, CORES)
    return songs.targets / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
