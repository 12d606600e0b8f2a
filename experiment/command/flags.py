"""The flags of train.py."""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiment.command.arguments import Parser, above_zero, real, some_text, whole

TUNES = Path(__file__).resolve().parents[2] / "songs" / "tunes"
PAPER = {  # "Music Generation Using LSTM Model" (Wanjari et al.); H is not in the paper
    "tokens": "paper", "min_count": 1, "hidden": 256, "layers": 1, "input": "scalar", "dropout": 0.75,
    "recurrent_dropout": "rnndrop", "window": 50, "predict": "next", "lr": 1e-4, "anneal": "none", "context": "none",
    "transpose": 0, "velocities": 127, "snap": False, "families": False, "meters": False,
}  # fmt: skip
SIZES: dict[str, float] = {
    "hidden": 256, "layers": 1, "window": 64, "batch": 32, "dropout": 0.25, "transpose": 2, "lr": 8e-3
}  # fmt: skip
TOKENS_A_MINUTE = 5_000_000  # that two cores learn from, about
OFTEN, VERY_OFTEN, TOO_OFTEN = 15, 40, 240  # times that 256 units can read the train songs
ENOUGH = 80  # times, for 512 units
EPOCHS, PATIENCE, NO_END = 16, 10, 10**9
ENDS = ("epochs", "patience")  # of a run, without --minutes
MAY_CHANGE = (*ENDS, "minutes")  # flags that may differ with --resume


def place(text: str) -> str:
    return os.path.normpath(some_text(text))


def flags(description: str | None = None) -> Parser:
    parser = Parser(prog="train.py", description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    is_set = "(default: %(default)s)"
    # fmt: off
    add = parser.add_argument_group("songs").add_argument
    add("--midi", nargs="+", type=place, default=[str(TUNES)], metavar="DIR", help="folders of .mid files (default: the tunes that come with the program)")
    add("--valid", type=place, metavar="DIR", help="a folder of songs to choose the model by (default: a tenth of --midi)")
    add("--test", type=place, metavar="DIR", help="a folder of songs to report on at the end (default: a tenth of --midi)")
    add("--list", type=some_text, metavar="FILE", help="of --midi, read only the files named in FILE, one a line")
    add("--genres", type=some_text, metavar="FILE", help="lines of TRACK_ID<tab>genre; of --midi, read only the genres named by --genre")
    add("--genre", nargs="+", default=[], metavar="NAME", help="see --genres")
    add("--instrument", nargs="+", default=[], metavar="NAME", help="keep only notes of these: piano, violin, strings, ..., 0..127 (default: all)")
    add("--no-drums", action="store_true", help="leave out what is played on channel 10")
    add("--max-songs", type=whole(1), metavar="N", help="read at most N songs of --midi")
    add("--max-size", type=real("a number above 0, a million at most", lambda value: 0 < value <= 1e6), default=10.0, metavar="MB", help=f"skip larger files {is_set}")

    add = parser.add_argument_group("tokens").add_argument
    add("--tokens", choices=["chord", "note", "paper"], default="note", help=f"chord: what is struck together and its duration is one token; note: chords are spelled note by note, with instruments; paper: as chord, without durations {is_set}")
    add("--grid", type=whole(1, 960), default=12, metavar="N", help=f"positions per beat that notes are put on {is_set}")
    add("--velocities", type=whole(0, 127), metavar="N", help="levels of loudness, around that of each instrument in a song; 0: none; 127: as they are (default: 127; 4 where the songs have more than 16)")
    add("--snap", action=argparse.BooleanOptionalAction, help="begin notes on sixteenths and triplets, and give them simple lengths (default: where the songs have drums or uneven lengths)")
    add("--families", action=argparse.BooleanOptionalAction, help="take the instruments of a family for one (default: where there are more than 8 instruments)")
    add("--meters", action=argparse.BooleanOptionalAction, help="begin each song with the meter of its file (default: where half of the files name one, but not in plain music for one instrument)")
    add("--min-count", type=whole(1), default=2, metavar="N", help=f"rarer tokens become <unk> {is_set}")
    add("--transpose", type=whole(0, 60), default=2, metavar="N", help=f"each time that a train song is read, move it by -N..N semitones, where all its tokens are then known {is_set}")

    add = parser.add_argument_group("network").add_argument
    add("--preset", choices=["paper"], help="begin with the paper's settings, which other flags change")
    add("--hidden", type=whole(1, 2**15), default=256, metavar="N", help=f"LSTM units in a layer {is_set}")
    add("--layers", type=whole(1, 2**8), default=1, metavar="N", help=f"LSTM layers {is_set}")
    add("--input", choices=["onehot", "scalar"], default="onehot", help=f"a token as one of V, or as the number id / V {is_set}")
    add("--context", choices=["none", "clock", "echo", "both"], help="what each step is told beside its token: the place in the bar, what followed the same passage before, or both (default: both; with --input scalar: none)")
    add("--dropout", type=real("a number from 0 up, below 1", lambda value: 0 <= value < 1), default=0.25, metavar="P", help=f"the probability to DROP a unit {is_set}")
    add("--recurrent-dropout", choices=["none", "rnndrop", "variational"], default="rnndrop", help=f"none: drop outputs; rnndrop: drop cells instead, for a whole song; variational: drop outputs, and h on its way to the next step for a whole song {is_set}")

    add = parser.add_argument_group("training").add_argument
    add("--epochs", type=whole(1), metavar="N", help=f"how often every train song is read; another N with --resume moves the end, and with it the cosine of --anneal (default: {EPOCHS}; with --minutes: no end, or {ENOUGH} where a folder of yours would be read very often)")
    add("--minutes", type=above_zero, metavar="X", help="end after X minutes, with reading and the report (with --epochs: or after N epochs); not reproducible, for machines differ in speed; for a --midi of yours, sizes that you do not give are chosen")
    add("--window", type=whole(1, 2**16), default=64, metavar="T", help=f"time steps from one update to the next {is_set}")
    add("--batch", type=whole(1, 2**16), default=32, metavar="B", help=f"songs read side by side {is_set}")
    add("--predict", choices=["every", "next"], default="every", help=f"score every token; or only the one after each window, from a zero state, a window beginning at every token, as the paper does {is_set}")
    add("--lr", type=above_zero, default=8e-3, metavar="X", help=f"RMSprop's learning rate {is_set}")
    add("--anneal", choices=["cosine", "plateau", "none"], default="cosine", help=f"lower the learning rate over the run, or halve it when the valid loss has not fallen for 2 epochs {is_set}")
    add("--clip", type=above_zero, default=5.0, metavar="X", help=f"the largest norm that a gradient may have {is_set}")
    add("--patience", type=whole(1), metavar="N", help="stop when the valid loss has not fallen for N epochs (default: 10; with --minutes: no such end)")
    add("--threads", type=whole(1, 2**10), metavar="N", help="parts that a batch is cut in, a thread each; with mpiexec, the threads of each process (default: the cores, fewer for a small network)")
    add("--reduce", choices=["ordered", "allreduce"], default="ordered", help=f"with mpiexec, how gradients are added: in the order of the parts, which gives the same bits as threads do; or as MPI likes, which suits hundreds of processes {is_set}")
    add("--seed", type=whole(0), default=1, metavar="N", help=f"where all randomness comes from {is_set}")

    add = parser.add_argument_group("run").add_argument
    add("--out", type=some_text, metavar="DIR", help="the run's folder (default: runs/1, runs/2, ...; with --resume: the newest)")
    add("--resume", action="store_true", help="continue the run in --out; other flags must be those that it was begun with, except --epochs, --minutes, --patience and --quiet")
    add("--quiet", action="store_true", help="print the result only")
    # fmt: on
    return parser


def parse_arguments(
    argv: Sequence[str], description: str | None = None, begun: Mapping[str, Any] | None = None
) -> argparse.Namespace:
    """What a command line says; `context` and ENDS are never None.  Ends the program where it makes no sense.

    begun: the values that a run was begun with, by the flags' names; what the command line does not say is as there.
    """
    parser = flags(description)
    args = parser.parse_args(argv)
    if args.preset == "paper":
        parser.set_defaults(**PAPER)
    parser.set_defaults(
        **{name: value for name, value in (begun or {}).items() if name not in ENDS or not args.minutes}
    )
    args = parser.parse_args(argv)
    if bool(args.genres) != bool(args.genre):
        parser.error("--genres FILE and --genre NAME go together: the table, and which of its genres to read")
    args.context = args.context or ("none" if args.input == "scalar" else "both")
    if args.input == "scalar" and args.context != "none":
        parser.error("--input scalar is one number for a token: it goes with --context none")
    args.epochs = args.epochs or (NO_END if args.minutes else EPOCHS)
    args.patience = args.patience or (NO_END if args.minutes else PATIENCE)
    return args


def not_given(argv: Sequence[str]) -> set[str]:
    """The names of SIZES that a command line says nothing about."""
    parser = flags()
    parser.set_defaults(**dict.fromkeys(SIZES))
    return {name for name, value in vars(parser.parse_args(argv)).items() if name in SIZES and value is None}


def sizes_for(tokens: int, minutes: float) -> dict[str, float]:
    """The flags of SIZES for train songs of so many tokens, and perhaps an end by `epochs`; README has the table.

    A song that is read again and again is learned by heart, and the network predicts others worse.  More keys and more
    dropout prevent it, up to a point.  Time for more readings goes to a larger network, which needs no more than
    ENOUGH: while more are to come the steps stay large, and the best of them is not as good.  In few readings a network
    gets further with larger steps, and in many with smaller ones.
    """
    readings = minutes * TOKENS_A_MINUTE / max(tokens, 1)
    if readings < OFTEN:
        return SIZES
    often = SIZES | {"transpose": 5, "lr": 4e-3}
    if readings < VERY_OFTEN:
        return often
    if readings < TOO_OFTEN:
        return often | {"dropout": 0.4}
    return often | {"dropout": 0.5, "hidden": 512, "epochs": ENOUGH}
