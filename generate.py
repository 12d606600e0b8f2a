#!/usr/bin/env python3
"""Write new music with a trained network: one tune or many, from a seed.

python generate.py                          # with the newest run in runs/, to tune.mid in its folder
python generate.py runs/mine --count 8 --temperature 0.9
python generate.py --prime SONG.mid         # go on with a song
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from experiment.command.arguments import Parser, real, some_text, whole


def flags() -> Parser:
    parser = Parser(prog="generate.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    is_set = "(default: %(default)s)"
    # fmt: off
    add = parser.add_argument
    add("run", nargs="?", type=some_text, metavar="RUN", help="a run's folder, or a checkpoint in one (default: the newest run in runs/)")
    add("--force", action="store_true", help="write over files that this program did not write")
    add("--out", type=some_text, metavar="FILE.mid", help="default: RUN/tune.mid; with --count, tune-1.mid, tune-2.mid, ...")
    add("--count", type=whole(1, 10_000), default=1, metavar="N", help=f"tunes to write {is_set}")
    add("--length", type=whole(1, 10**6), default=3000, metavar="N", help=f"a tune that has not ended by itself ends after N new tokens {is_set}")
    add("--bars", type=whole(1, 10_000), metavar="N", help="end after N bars, an upbeat not counted")
    add("--seed", type=whole(0), default=1, metavar="N", help=f"the same seed writes the same file {is_set}")

    add = parser.add_argument_group("beginning").add_argument
    add("--start", choices=["beginning", "random"], default="beginning", help="as songs begin; or with 50 tokens from a random place in the train songs, as the paper does")
    add("--prime", type=some_text, metavar="SONG.mid", help="begin with this song; notes that the network does not know become the nearest")
    add("--prime-bars", type=whole(1, 10_000), metavar="N", help="take only the first N bars of --prime (default: 4)")
    add("--key", type=whole(-60, 60), default=0, metavar="N", help=f"move --prime by N semitones first {is_set}")

    add = parser.add_argument_group("choosing the next token").add_argument
    add("--temperature", type=real(0), default=0.95, metavar="X", help=f"below 1 safer, above 1 wilder, 0 always the most probable {is_set}")
    add("--top-k", type=whole(0), default=0, metavar="N", help=f"only the N most probable tokens; 0: all {is_set}")
    add("--top-p", type=real(0, 1, open_below=True), default=0.97, metavar="X", help=f"only the most probable tokens that together have probability X {is_set}")
    add("--repeats", type=whole(0), default=2, metavar="N", help=f"a short pattern may stand N times in a row; 0: any number {is_set}")

    add = parser.add_argument_group("the MIDI file").add_argument
    add("--bpm", type=real(4, 10_000), metavar="X", help="beats per minute (default: that of --prime, or the median of the train songs)")
    add("--instrument", type=some_text, metavar="NAME", help="play everything but drums with this instrument: violin, harp, ..., or 0..127")
    add("--wav", action="store_true", help="write the sound of each tune, too: tune.wav")
    # fmt: on
    return parser


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = flags()
    args = parser.parse_args(argv)
    if args.key and not args.prime:
        parser.error("--key moves the song of --prime: give that, too")
    if args.prime and args.start == "random":
        parser.error("--prime and --start random are two beginnings: choose one")
    if args.prime_bars and not args.prime:
        parser.error("--prime-bars is about the song of --prime: give that, too")
    if args.repeats == 1:
        parser.error("--repeats is 2 or more, or 0 to allow any loop")
    return args


if __name__ == "__main__":
    parse_arguments(sys.argv[1:])  # --help and a wrong flag are answered before NumPy and numba are loaded

import numpy as np

from experiment.command.outcome import outcome
from experiment.comparison import copy_report
from experiment.crew import conducted
from experiment.folder import RunError, newest_run
from experiment.page import write_page
from experiment.page.reading import PageTune
from experiment.tunes import Composer, Opening, beginning, compose, opening_of, random_place, tune_paths, usual_bpm
from lstm_numpy.sampling import Sampling
from midi_io.music.instruments import programs_of


def main(argv: Sequence[str]) -> int:
    args = parse_arguments(argv)
    return outcome("generate.py", lambda _: write_tunes(args))


def write_tunes(args: argparse.Namespace) -> None:
    composer = Composer.load(Path(args.run) if args.run else newest_run())
    songs = composer.songs()
    out = Path(args.out) if args.out else composer.path.parent / "tune.mid"
    paths = tune_paths(out, args.count, force=args.force, prime=args.prime)
    rng = np.random.default_rng(args.seed)

    opening: Opening = beginning()
    if args.prime:
        opening = opening_of(args.prime, composer, args.key, args.prime_bars or 4)
    elif args.start == "random":
        if songs is None:
            raise RunError(f"{composer.path.parent}: has no songs.npz to take a random place from; leave --start out")
        opening = random_place(songs, rng)
    composer = composer.in_meter(opening.meter)
    bpm = args.bpm or opening.bpm or usual_bpm(songs)
    tunes = compose(
        composer, paths, opening, rng, length=args.length, bars=args.bars,
        sampling=Sampling(args.temperature, args.top_k, args.top_p, args.repeats),
        bpm=bpm, instrument=args.instrument or "", wav=args.wav,
    )  # fmt: skip
    if songs:
        print("\n".join(copy_report(composer, songs, tunes, len(opening.ids))))

    page, program = out.with_suffix(".html"), programs_of(args.instrument)[0] if args.instrument else None
    write_page(page, out.stem, composer, [
        PageTune(path.stem, "Written by the network", tune.ids, bpm, program=program)
        for path, tune in zip(paths, tunes, strict=True)
    ])  # fmt: skip
    print(f"to hear {'it' if len(tunes) == 1 else 'them'}, open {page} in a browser")


if __name__ == "__main__":
    sys.exit(conducted("generate.py", lambda: main(sys.argv[1:])))
