#!/usr/bin/env python3
"""Write new music with a trained network.

python generate.py                              # the newest run, one tune
python generate.py runs/1 --count 8 --temperature 0.9
python generate.py runs/1 --prime SONG.mid      # go on where a song stops
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiment.command.arguments import Parser, above_zero, real, whole
from experiment.command.console import lasting_output, leave, one_line
from experiment.command.interrupts import Interrupts, Stopped
from lstm_numpy.speed.blas import prefer_avx512

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from experiment.songs import RunSongs
    from lstm_numpy.sampling import Tune
    from midi_io.music.statistics import Compared
    from midi_io.notes import Note, Song
    from midi_io.vocabulary import Vocabulary

PRIME_TOKENS = 50  # from a random place: the paper's window
MOST_HELD_OUT = 100  # songs are enough to compare with


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="generate.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # fmt: off
    add = parser.add_argument
    add("run", nargs="?", metavar="RUN", help="a run's folder, or a checkpoint in one (default: the newest run in runs/)")
    add("--out", metavar="FILE.mid", help="default: RUN/tune.mid; with --count, tune-1.mid, tune-2.mid, ...")
    add("--count", type=whole(1), default=1, metavar="N", help="tunes to write, side by side (default: %(default)s)")
    add("--length", type=whole(1), default=3000, metavar="N",
        help="a tune that has not ended by itself ends after N tokens (default: %(default)s)")
    add("--seed", type=whole(0), default=1, metavar="N", help="the same seed writes the same file (default: %(default)s)")

    add = parser.add_argument_group("beginning").add_argument
    add("--start", choices=["beginning", "random"], default="beginning",
        help=f"as songs begin; or with {PRIME_TOKENS} tokens from a random place in the train songs, as the paper does")
    add("--prime", metavar="SONG.mid", help="begin with this song; notes that the network does not know become the nearest")
    add("--key", type=whole(-60, 60), default=0, metavar="N", help="move --prime by N semitones first (default: %(default)s)")

    add = parser.add_argument_group("choosing the next token").add_argument
    add("--temperature", type=real(0), default=0.8, metavar="X",
        help="below 1 safer, above 1 wilder, 0 always the most probable (default: %(default)s)")
    add("--top-k", type=whole(0), default=0, metavar="N", help="only the N most probable tokens; 0: all (default: %(default)s)")
    add("--top-p", type=real(0, 1, open_below=True), default=0.95, metavar="X",
        help="only the most probable tokens that together have probability X (default: %(default)s)")
    add("--repeats", type=whole(0), default=4, metavar="N",
        help="a short pattern may stand N times in a row; 0: any number (default: %(default)s)")

    add = parser.add_argument_group("the MIDI file").add_argument
    add("--bpm", type=above_zero, metavar="X", help="beats per minute (default: that of --prime, or the median of the train songs)")
    add("--instrument", metavar="NAME", help="play everything but drums with this instrument: violin, harp, ..., or 0..127")
    # fmt: on
    args = parser.parse_args(argv)
    if args.key and not args.prime:
        parser.error("--key moves the song of --prime: give that, too")
    if args.prime and args.start == "random":
        parser.error("--prime and --start random are two beginnings: choose one")
    return args


@dataclass(frozen=True)
class Model:
    """A trained network, and what its ids stand for."""

    path: Path
    params: dict[str, Any]
    vocabulary: Vocabulary
    scheme: str
    grid: int
    transpose: int  # semitones that its train songs were moved by, up and down

    @classmethod
    def load(cls, run: Path) -> Model:
        """From a run's folder (its best model) or one of its checkpoints.  CheckpointError where there is none."""
        from lstm_numpy.checkpoint import CheckpointError, load_checkpoint
        from midi_io.vocabulary import Vocabulary

        path = run / "model.npz" if run.is_dir() else run
        if run.is_dir() and not path.exists():
            path = run / "last.npz"  # the run has not finished an epoch yet
        params, _, tokens, facts = load_checkpoint(path)
        try:
            settings = facts["settings"]
            scheme, grid, transpose = str(settings["tokens"]), int(settings["grid"]), int(settings["transpose"])
            return cls(path, params, Vocabulary(tokens), scheme, grid, transpose)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path}: does not say what its tokens are ({error}); is it from train.py?") from None

    def write(self, prime: npt.NDArray[Any], args: argparse.Namespace, rng: np.random.Generator) -> list[Tune]:
        """args.count tunes that begin with the ids of prime."""
        from lstm_numpy.batches import END, START, UNKNOWN
        from lstm_numpy.sampling import Sampling, generate
        from midi_io.tokens.grammar import Grammar

        return generate(
            self.params, prime, args.length, rng, args.count, end=END, banned=(START, UNKNOWN),
            sampling=Sampling(args.temperature, args.top_k, args.top_p, args.repeats),
            walk=Grammar(self.vocabulary.tokens, self.scheme).walk,
        )  # fmt: skip

    def notes(self, ids: npt.NDArray[Any]) -> list[Note]:
        from midi_io.tokens import decode

        return decode(self.vocabulary.tokens_of(ids), self.scheme, self.grid)


def main(argv: Sequence[str]) -> int:
    args = parse_arguments(argv)
    prefer_avx512()  # before NumPy is imported
    with lasting_output():
        try:
            with Interrupts():
                from experiment.folder import newest_run

                compose(Model.load(Path(args.run) if args.run else newest_run()), args)
            return 0
        except Stopped as stopped:
            return stopped.status
        except Exception as error:
            status, fault = explained(error)
            print(f"generate.py: error: {one_line(fault)}", file=sys.stderr)
            return status


def explained(error: Exception) -> tuple[int, str]:
    """The exit status and the line that an error deserves; raised again if it is nobody's fault but the program's."""
    if isinstance(error, ModuleNotFoundError):
        return 1, f"{error}; pip install -r requirements.txt"

    from concurrent.futures import BrokenExecutor

    from experiment.folder import RunError
    from lstm_numpy.checkpoint import CheckpointError
    from midi_io import MidiError

    match error:
        case CheckpointError() | MidiError() | RunError() | ValueError():
            return 2, str(error)
        case BrokenExecutor():
            return 1, "a process that draws pictures has died (out of memory?); the tunes are there"
        case OSError():
            return 1, f"{error.filename or 'the tune'}: {error.strerror or error}"
        case MemoryError():
            return 1, "not enough memory; take a smaller --count"
    raise error


def compose(model: Model, args: argparse.Namespace) -> None:
    """Write the tunes, show what was written, and draw it."""
    import numpy as np

    from midi_io.music.instruments import programs_of
    from midi_io.music.meter import on_bars
    from midi_io.notes import Song, piano_roll
    from midi_io.writer import write_song

    program = programs_of(args.instrument)[0] if args.instrument else None
    paths = tune_paths(Path(args.out) if args.out else model.path.parent / "tune.mid", args.count)
    rng = np.random.default_rng(args.seed)
    opening = begin(model, args, rng)
    written = model.write(opening.ids, args, rng)
    bpm = args.bpm or opening.bpm or usual_bpm(model)
    songs = []
    for path, tune in zip(paths, written, strict=True):
        notes = model.notes(tune.ids)
        if program is not None:
            notes = [note if note.drum else note._replace(program=program) for note in notes]
        beats = max((note.start + note.duration for note in notes), default=0)
        notes, meter = (notes, opening.meter) if opening.meter else on_bars(notes)
        songs.append(Song(notes, path.stem, bpm, meter))
        write_song(songs[-1], path)
        print(
            f"{one_line(str(path))}: {len(tune.ids)} tokens, {beats:g} beats, "
            f"{'ended by itself' if tune.ended else 'cut at --length'}; "
            f"entropy {tune.entropy:.2f} nats, longest loop {tune.longest_loop} tokens"
        )
    print(showable(piano_roll(songs[0].notes, meter=songs[0].meter)))
    for line in originality(model, written):
        print(line)
    draw(paths, songs)


def draw(paths: list[Path], songs: list[Song]) -> None:
    """A picture beside each tune; many of them in other processes, side by side."""
    from midi_io.corpus.workers import run_all
    from midi_io.music.picture import draw_piano_roll

    run_all([
        partial(draw_piano_roll, song.notes, path.with_suffix(".png"), title=path.stem, meter=song.meter)
        for path, song in zip(paths, songs, strict=True)
    ])  # fmt: skip


def compose_sample(folder: Path, seed: int) -> None:
    """The tune that a training run ends with: sample.mid."""
    compose(
        Model.load(folder), parse_arguments([str(folder), "--out", str(folder / "sample.mid"), "--seed", str(seed)])
    )


def music_beside_held_out(folder: Path, seed: int, count: int = 20) -> dict[str, Compared]:
    """What a musician would count in `count` tunes of a run, beside the same in songs that the network has not seen.

    All are cut at generate.py's --length.  Held-out songs with unknown tokens are left out, for they miss some time.
    """
    import numpy as np

    from lstm_numpy.batches import END, START, UNKNOWN
    from midi_io.music.statistics import compare, figures

    model = Model.load(folder)
    args = parse_arguments([str(folder), "--count", str(count), "--seed", str(seed)])
    written = model.write(np.array([START]), args, np.random.default_rng(seed))
    held_out = [song for song in songs_of(model).of("valid").songs if UNKNOWN not in song]
    held_out = held_out[:: len(held_out) // MOST_HELD_OUT + 1]
    both = [[tune.ids for tune in written], [song[: args.length + 1] for song in held_out]]
    return compare(*[[figures(model.notes(ids), whole=ids[-1] == END) for ids in pieces] for pieces in both])


@dataclass(frozen=True)
class Opening:
    """What a tune begins with."""

    ids: npt.NDArray[Any]
    bpm: float | None = None  # None: that of the songs which the network learned from
    meter: tuple[int, int] | None = None  # None: told by the tune itself


def begin(model: Model, args: argparse.Namespace, rng: np.random.Generator) -> Opening:
    """<start>; or <start> and the tokens of a song, or of a random place in the train songs."""
    import numpy as np

    from lstm_numpy.batches import START
    from midi_io.notes import transpose
    from midi_io.reader import read_song
    from midi_io.tokens import encode

    if args.prime:
        song = read_song(args.prime)
        tokens = encode(transpose(song.notes, args.key), model.scheme, model.grid)
        known = [model.vocabulary.nearest(token, model.scheme) for token in tokens]
        replaced = sum(token != other for token, other in zip(tokens, known, strict=True))
        print(
            f"{one_line(args.prime)}: {len(tokens)} tokens, {replaced} of them unknown to the network: "
            "the nearest known are taken"
        )
        return Opening(np.array([START, *model.vocabulary.ids(known)]), song.bpm, song.meter)
    if args.start == "random":
        train = songs_of(model).of("train").songs
        ids = train[int(rng.integers(len(train)))]
        place = int(rng.integers(1, max(len(ids) - PRIME_TOKENS, 2)))
        return Opening(np.array([START, *ids[place : place + PRIME_TOKENS].tolist()]))
    return Opening(np.array([START]))


def songs_of(model: Model) -> RunSongs:
    """The songs of the run that the model belongs to.  RunError where they are not beside it."""
    from experiment.songs import RunSongs

    return RunSongs.load(model.path.parent / "songs.npz")


def usual_bpm(model: Model) -> float:
    """The median over the train songs; MIDI's own 120 where a checkpoint stands alone and knows no songs."""
    import numpy as np

    from experiment.folder import RunError

    try:
        return float(np.median(songs_of(model).of("train").bpm))
    except RunError:
        return 120.0


def originality(model: Model, written: list[Tune]) -> list[str]:
    """How much of each tune stands in the train songs, and last the same for songs that the network has not seen."""
    from experiment.folder import RunError
    from lstm_numpy.baselines import copied
    from lstm_numpy.batches import UNKNOWN, Songs

    try:
        songs = songs_of(model)
    except RunError:  # a checkpoint alone can write music, but knows no songs
        return []
    train, held_out = songs.of("train").songs, songs.of("valid").songs
    tunes = [tune.ids[1:-1] if tune.ended else tune.ids[1:] for tune in written]
    keys = model.vocabulary.transposition_table(range(-model.transpose, model.transpose + 1), model.scheme)
    keys[:, UNKNOWN] = -1  # what it stands for nobody knows
    found = copied(Songs.of([*tunes, *(song[1:-1] for song in held_out)]), train, readings=keys)
    lines = [f"copied: longest run {one.longest} tokens, {one.shares[8]:.0%} of its 8-grams" for one in found]
    if len(tunes) > 1:
        lines = [f"{number}: {line}" for number, line in enumerate(lines, start=1)]
    others = found[len(tunes) :]
    if others:
        longest = sorted(one.longest for one in others)
        share = sum(one.shares[8] for one in others) / len(others)
        lines[len(tunes) :] = [
            f"songs that it has not seen ({len(others)}): longest run {longest[len(longest) // 2]} (median) to "
            f"{longest[-1]} tokens, {share:.0%} of their 8-grams"
        ]
    return lines


def tune_paths(path: Path, count: int) -> list[Path]:
    """tune.mid, or tune-1.mid, tune-2.mid, ... where there are several.  RunError where they cannot be written."""
    from experiment.folder import RunError

    if path.suffix.lower() not in (".mid", ".midi"):
        raise RunError(f"{path}: the name of a MIDI file ends in .mid")
    if not os.access(path.parent, os.W_OK) or path.is_dir():
        raise RunError(f"{path}: cannot be written; name another file with --out, in a folder that there is")
    return [path] if count == 1 else [path.with_name(f"{path.stem}-{n}{path.suffix}") for n in range(1, count + 1)]


def showable(roll: str) -> str:
    """A piano roll in letters that the terminal has."""
    try:
        roll.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return roll.translate(str.maketrans("●━│·", "o-|."))
    return roll


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
