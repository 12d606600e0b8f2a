"""What other defaults would give: train.py on its tunes, one setting changed at a time, each for the same time.

    python benchmarks/defaults.py --minutes 1.5     # 25 minutes
    python benchmarks/defaults.py --minutes 10 --midi ~/midi     # beside what train.py chooses for this folder

Rows with the same tokens compare by nats per token.  Nats per beat compare all, except: chord tokens leave out
velocity and the length of each note, so they have less to predict.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from contest import table

TRAIN = Path(__file__).resolve().parents[1] / "train.py"
CHANGES = (
    "",
    "--context none",
    "--transpose 0",
    "--transpose 5",
    "--dropout 0",
    "--dropout 0.4",
    "--dropout 0.3 --recurrent-dropout none",
    "--recurrent-dropout variational",
    "--hidden 128",
    "--hidden 512",
    "--layers 2",
    "--lr 4e-3",
    "--lr 1.6e-2",
    "--tokens chord --window 50",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--minutes", type=float, default=2.0, help="for each network, with reading and the report (default: 2)"
    )
    parser.add_argument("--threads", type=int, help="for each network (default: that of train.py)")
    parser.add_argument("--midi", metavar="DIR", help="a folder of MIDI files (default: the tunes)")
    args = parser.parse_args()
    budget = ["--minutes", f"{args.minutes:g}", *(["--threads", f"{args.threads}"] if args.threads else [])]
    budget += ["--midi", args.midi] if args.midi else []
    print(f"`python benchmarks/defaults.py {' '.join(budget)}`\n")
    rows = []
    for change in CHANGES:
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch, "run")
            command = [sys.executable, str(TRAIN), *change.split(), *budget, "--out", str(out)]
            command += ["--epochs", "10000", "--patience", "10000", "--quiet"]  # only the time ends a run
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            found = json.loads((out / "summary.json").read_text())
        below = 1 - found["valid_nats_per_token"] / found["trigram_nats_per_token"]
        numbers = [f"{found['epochs']}", *(f"{found[f'valid_nats_per_{unit}']:.3f}" for unit in ("token", "beat"))]
        numbers.append(f"{below:.0%}")
        rows.append([f"`{change}`" if change else "the defaults", *numbers])
        print(*rows[-1], file=sys.stderr, flush=True)
    print(table(["changed", "epochs", "valid, nats per token", "valid, nats per beat", "below the trigram"], rows))


if __name__ == "__main__":
    main()
