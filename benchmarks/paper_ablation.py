"""What each choice of the paper costs: from its settings to the project's defaults, one choice at a time.

    python benchmarks/paper_ablation.py --minutes 0.5 --seeds 2        # 25 minutes

Every row is train.py with other flags, on the same tunes and with the same time.  All are scored on the same targets:
which pitches are struck next, for every event of a valid song that has 50 events before it.  Where a token also says a
duration, the probabilities of all tokens with the same pitches are added up.  Events whose pitches some network does
not know are left out.

The second table is the paper's future work: units by layers by songs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np
import numpy.typing as npt

from experiment.command.flags import SIZES
from experiment.songs import RunSongs
from lstm_numpy import forward, load_checkpoint
from lstm_numpy.plain import softmax
from midi_io.tokens import parse

Array = npt.NDArray[Any]

BEFORE = 50  # events that a target has before it: the paper's window
LADDER = [  # each row is the one above with one more flag changed
    ("the paper's settings", ["--preset", "paper", "--min-count", "2"]),
    ("a token is one of V, not the number id / V", ["--input", "onehot"]),
    ("every step of a window is scored, the state carried", ["--predict", "every"]),
    ("cells dropped by 0.25, not 0.75", ["--dropout", "0.25"]),
    ("learning rate 4e-3 falling along a cosine, not 1e-4", ["--lr", "4e-3", "--anneal", "cosine"]),
    ("rhythm in the tokens", ["--tokens", "chord"]),
    ("clock and echo", ["--context", "both"]),
    ("train songs moved by two semitones at most", ["--transpose", "2"]),
]
NETWORKS = [(units, layers) for layers in (1, 2) for units in (64, 256, 512)]
SONGS = (100, None)


class Scored(NamedTuple):
    """One network's answers: a song and the number of an event in it, to its nats and whether it was right."""

    nats: dict[tuple[int, int], float]
    right: dict[tuple[int, int], bool]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=0.5, help="for each network, with reading and the report")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-sizes", action="store_true", help="the first table only")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        songs = [*shared_split(Path(scratch)), "--threads", f"{args.threads}"]
        flags = f"--minutes {args.minutes:g} --seeds {args.seeds} --threads {args.threads}"
        print(f"`python benchmarks/paper_ablation.py {flags}`\n", flush=True)
        print_ladder(songs, args.minutes, args.seeds)
        if not args.no_sizes:
            print_sizes(songs, args.minutes)
    return 0


def shared_split(scratch: Path) -> list[str]:
    """Flags that give every run the same train, valid and test tunes."""
    tunes = sorted((ROOT / "songs" / "tunes").glob("*.mid"))
    order = np.random.default_rng(0).permutation(len(tunes))
    tenth = len(tunes) // 10
    for part, numbers in (("valid", order[:tenth]), ("test", order[tenth : 2 * tenth]), ("train", order[2 * tenth :])):
        (scratch / part).mkdir()
        for number in numbers:
            (scratch / part / tunes[number].name).symlink_to(tunes[number])
    return [
        "--midi", str(scratch / "train"), "--valid", str(scratch / "valid"), "--test", str(scratch / "test"),
    ]  # fmt: skip


def train(flags: list[str], minutes: float, seed: int) -> tuple[Path, dict[str, Any]]:
    """One run of train.py; its folder and its summary."""
    folder = Path(tempfile.mkdtemp(prefix="ablation-")) / "run"
    command = [sys.executable, str(ROOT / "train.py"), *flags, "--minutes", f"{minutes:g}"]
    subprocess.run([*command, "--patience", "1000", "--seed", f"{seed}", "--quiet", "--out", str(folder)], check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    return folder, json.loads((folder / "summary.json").read_text())


def print_ladder(songs: list[str], minutes: float, seeds: int) -> None:
    flags: list[str] = []
    runs: list[tuple[str, list[Scored]]] = []
    for name, change in LADDER:
        flags += change
        folders = [train([*songs, *flags], minutes, seed)[0] for seed in range(1, seeds + 1)]
        runs.append((name, [scored(folder, next_only="--predict" not in flags) for folder in folders]))
        print(f"{name}: done", file=sys.stderr)
    targets = set.intersection(*(set(one.nats) for _, several in runs for one in several))
    print(f"{len(targets):,} targets, {minutes:g} minutes each, {seeds} seeds (mean, and the standard deviation)\n")
    print("| from one row to the next | nats per event | right |\n|---|---|---|")
    for name, several in runs:
        nats = [np.mean([one.nats[target] for target in targets]) for one in several]
        right = [np.mean([one.right[target] for target in targets]) for one in several]
        print(f"| {name} | {np.mean(nats):.3f} ± {np.std(nats):.3f} | {100 * np.mean(right):.1f} % |", flush=True)


def scored(folder: Path, *, next_only: bool) -> Scored:
    """Which pitches come next in the valid songs: each song read whole, or the paper's windows from a zero state."""
    params, _, tokens, facts = load_checkpoint(folder / "model.npz")
    scheme = facts["settings"]["tokens"]
    pitches = [parse(token, scheme).pitches for token in tokens]
    chords = {chord: number for number, chord in enumerate(dict.fromkeys(filter(None, pitches)))}
    to_chord = np.array([[chord == mine for chord in chords] for mine in pitches], dtype=np.float32)  # (V, chords)
    result = Scored({}, {})
    songs = RunSongs.load(folder / "songs.npz").of("valid").songs
    for song, ids in enumerate(songs):
        places = [place for place, one in enumerate(ids) if pitches[one] or tokens[one] == "<unk>"]  # of the events
        targets = [event for event in range(BEFORE, len(places)) if pitches[ids[places[event]]]]
        if not targets:
            continue
        if next_only:
            windows = np.stack([ids[places[event] - BEFORE : places[event]] for event in targets], axis=1)
            logits = forward(params, windows)[0][-1]
        else:
            told = None if songs.context is None else songs.context[songs.offsets[song] :][: len(ids) - 1, None]
            logits = forward(params, ids[:-1, None], context=told)[0][[places[event] - 1 for event in targets], 0]
        p = softmax(logits) @ to_chord
        for row, event in zip(p, targets, strict=True):
            chord = chords[pitches[ids[places[event]]]]
            result.nats[song, event] = -float(np.log(max(row[chord], 1e-30)))
            result.right[song, event] = bool(row.argmax() == chord)
    return result


def print_sizes(songs: list[str], minutes: float) -> None:
    print(f"\nValid nats per token, {minutes:g} minutes each, 1 seed\n")
    print(
        "| units, layers | "
        + " | ".join(f"{count or 'all'} songs" for count in SONGS)
        + " |\n|---|"
        + "---|" * len(SONGS)
    )
    for units, layers in NETWORKS:
        cells = []
        for count in SONGS:
            few = ["--max-songs", str(count)] if count else []
            sizes = SIZES | {"hidden": units, "layers": layers}  # all are given, so that --minutes chooses none
            flags = [part for name, value in sizes.items() for part in (f"--{name}", str(value))]
            summary = train([*songs, *few, *flags], minutes, 1)[1]
            cells.append(f"{summary['valid_nats_per_token']:.3f}")
            print(f"{units} units, {layers} layers, {count} songs: {cells[-1]}", file=sys.stderr)
        print(f"| {units}, {layers} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
