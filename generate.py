#!/usr/bin/env python3
"""Write new music with a trained network: one tune or many, from a seed.

python generate.py                          # with the newest run in runs/, to tune.mid in its folder
python generate.py runs/mine --count 8 --temperature 0.9
python generate.py --prime SONG.mid         # go on with a song
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from experiment.command.arguments import Parser, real, some_text, whole


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="generate.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    is_set = "(default: %(default)s)"
    # fmt: off
    add = parser.add_argument
    add("run", nargs="?", type=some_text, metavar="RUN", help="a run's folder, or a checkpoint in one (default: the newest run in runs/)")
    add("--force", action="store_true", help="write over files that this program did not write")
    add("--out", type=some_text, metavar="FILE.mid", help="default: RUN/tune.mid; with --count, tune-1.mid, tune-2.mid, ...")
    add("--count", type=whole(1, 10_000), default=1, metavar="N", help=f"tunes to write {is_set}")
    add("--length", type=whole(1, 10**6), metavar="N", help="a tune that has not ended by itself after N new tokens ends over its next tonic, or is cut after N/4 more (default: 3000, or more where songs are long)")
    add("--bars", type=whole(1, 10_000), metavar="N", help="end after N bars, an upbeat not counted")
    add("--seed", type=whole(0), default=1, metavar="N", help=f"the same seed writes the same file {is_set}")

    add = parser.add_argument_group("beginning").add_argument
    add("--start", choices=["beginning", "random"], default="beginning", help="as songs begin; or with 50 tokens from a random place in the train songs, as the paper does")
    add("--prime", type=some_text, metavar="SONG.mid", help="begin with this song; notes that the network does not know become the nearest")
    add("--prime-bars", type=whole(1, 10_000), metavar="N", help="take only the first N bars of --prime (default: 4)")
    add("--key", type=whole(-60, 60), default=0, metavar="N", help=f"move --prime by N semitones first {is_set}")

    add = parser.add_argument_group("choosing the next token").add_argument
    add("--temperature", type=real("a number from 0 up", lambda value: value >= 0), metavar="X", help="below 1 safer, above 1 wilder, 0 always the most probable (default: as for --sure)")
    add("--top-k", type=whole(0), metavar="N", help="only the N most probable tokens; 0: all (default)")
    add("--top-p", type=real("a number above 0, 1 at most", lambda value: 0 < value <= 1), metavar="X", help="only the most probable tokens that together have probability X (default: as for --sure)")
    add("--sure", type=real("a number above 0, 1 at most", lambda value: 0 < value <= 1), metavar="X", help="where the most probable token has more than X, the three above change nothing, so that a repeated passage ends (default: what made the most songlike tunes at the end of the run)")
    add("--withheld", type=real("a share, from 0 to 1", lambda value: 0 <= value <= 1), metavar="P", help="for so large a share of a tune the network is told nothing but the time, so that it goes on to something new; for networks that learned long songs (default: as for --sure)")
    add("--repeats", type=whole(0), metavar="N", help="a short pattern may stand N times in a row; 0: any number (default: 2)")

    add = parser.add_argument_group("the MIDI file").add_argument
    add("--bpm", type=real("a number from 4 to 10,000", lambda value: 4 <= value <= 10_000), metavar="X", help="beats per minute (default: that of --prime, or the median of the train songs)")
    add("--instrument", type=some_text, metavar="NAME", help="play everything but drums with this instrument: violin, harp, ..., or 0..127")
    add("--wav", action="store_true", help="write the sound of each tune, too: tune.wav")
    # fmt: on

    args = parser.parse_args(argv)
    if not args.prime and (args.key or args.prime_bars):
        parser.error("--key and --prime-bars are about the song of --prime: give that, too")
    if args.prime and args.start == "random":
        parser.error("--prime and --start random are two beginnings: choose one")
    if args.repeats == 1:
        parser.error("--repeats is 2 or more, or 0 to allow any loop")
    return args


if __name__ == "__main__":
    parse_arguments(sys.argv[1:])  # --help and a wrong flag are answered before NumPy and numba are loaded

from dataclasses import asdict, replace

import numpy as np

from experiment.command.outcome import outcome
from experiment.crew import conducted
from experiment.folder import RunError, newest_run
from experiment.page import write_page
from experiment.page.reading import PageTune
from experiment.report import copy_report
from experiment.tunes import Composer, Opening, compose, opening_of, random_place, tune_paths, usual_bpm, usual_length
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

    opening = Opening()
    if args.prime:
        opening = opening_of(args.prime, composer, args.key, args.prime_bars or 4)
    elif args.start == "random":
        if songs is None:
            raise RunError(f"{composer.path.parent}: has no songs.npz to take a random place from; leave --start out")
        opening = random_place(songs, rng)
    composer = composer.in_meter(opening.meter)
    bpm = args.bpm or opening.bpm or usual_bpm(songs)
    program = programs_of(args.instrument)[0] if args.instrument else None
    dials = {name: given for name in asdict(composer.sampling) if (given := getattr(args, name)) is not None}
    tunes = compose(
        composer, paths, opening, rng, bpm=bpm, program=program, wav=args.wav, bars=args.bars,
        length=args.length or usual_length(songs),
        sampling=replace(composer.sampling, **dials),
    )  # fmt: skip
    if songs:
        print("\n".join(copy_report(composer, songs, tunes, len(opening.ids))))

    page, group = out.with_suffix(".html"), "Written by the network"
    shown = [
        PageTune(path.stem, group, tune.ids, bpm, program=program) for path, tune in zip(paths, tunes, strict=True)
    ]
    write_page(page, out.stem, composer, shown)
    print(f"to hear {'it' if len(tunes) == 1 else 'them'}, open {page} in a browser")


if __name__ == "__main__":
    sys.exit(conducted("generate.py", lambda: main(sys.argv[1:])))
