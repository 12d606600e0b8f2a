#!/usr/bin/env python3
"""Learn music from a folder of MIDI files: read the songs, train the LSTM, keep its figures, and write a tune.

python train.py                             # the embedded tunes, one to three minutes on two cores
python train.py --midi ~/my/midi --out runs/mine
python train.py --resume --out runs/mine    # go on where it stopped
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import os
import shlex
import sys
import time
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiment.command.arguments import Parser, above_zero, real, whole
from experiment.command.console import lasting_output, leave, one_line
from experiment.command.interrupts import Interrupts, Stopped
from lstm_numpy.speed.blas import prefer_avx512

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from experiment.folder import RunFolder
    from experiment.songs import RunSongs
    from experiment.state import Schedule, TrainingState
    from lstm_numpy.batches import Batch, Transposition, Windows
    from lstm_numpy.evaluation import Evaluation
    from lstm_numpy.parameters import ModelConfig
    from lstm_numpy.speed.workspace import Workspace
    from midi_io.corpus.dataset import Dataset
    from midi_io.corpus.split import Part
    from midi_io.vocabulary import Vocabulary

TUNES = Path(__file__).resolve().parent / "songs" / "tunes"
PAPER = {  # "Music Generation Using LSTM Model" (Wanjari et al.); H is not in the paper
    "tokens": "paper", "min_count": 1, "hidden": 256, "layers": 1, "input": "scalar", "dropout": 0.75,
    "recurrent_dropout": "rnndrop", "window": 50, "predict": "next", "lr": 1e-4, "anneal": "none",
}  # fmt: skip
LOOK_EVERY = 25  # steps between two close looks, which take time
SAVE_EVERY = 30.0  # seconds
NO_END = 10**9  # epochs: it is --minutes that ends the run
SMALL = 1_000_000  # train tokens, up to which it is quick to say what other --min-counts would give


def flags() -> Parser:
    parser = Parser(prog="train.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    is_set = "(default: %(default)s)"
    # fmt: off
    add = parser.add_argument_group("songs").add_argument
    add("--midi", nargs="+", type=os.path.normpath, default=[str(TUNES)], metavar="DIR", help="folders of .mid files (default: the tunes that come with the program)")
    add("--valid", type=os.path.normpath, metavar="DIR", help="a folder of songs to choose the model by (default: a tenth of --midi)")
    add("--test", type=os.path.normpath, metavar="DIR", help="a folder of songs to report on at the end (default: a tenth of --midi)")
    add("--list", metavar="FILE", help="of --midi, read only the files named in FILE, one a line")
    add("--genres", metavar="FILE", help="lines of TRACK_ID<tab>genre; of --midi, read only the genres named by --genre")
    add("--genre", nargs="+", default=[], metavar="NAME", help="see --genres")
    add("--instrument", nargs="+", default=[], metavar="NAME", help="keep only notes of these: piano, violin, strings, ..., 0..127 (default: all)")
    add("--no-drums", dest="drums", action="store_false", help="leave out what is played on channel 10")
    add("--max-songs", type=whole(1), metavar="N", help="read at most N songs of --midi")
    add("--max-size", type=above_zero, default=10.0, metavar="MB", help=f"skip larger files {is_set}")

    add = parser.add_argument_group("tokens").add_argument
    add("--tokens", choices=["chord", "note", "paper"], default="note", help=f"chord: what is struck together and its duration is one token; note: chords are spelled note by note, with instruments; paper: as chord, without durations {is_set}")
    add("--grid", type=whole(1, 960), default=12, metavar="N", help=f"positions per beat that notes are put on {is_set}")
    add("--min-count", type=whole(1), default=2, metavar="N", help=f"rarer tokens become <unk> {is_set}")
    add("--transpose", type=whole(0, 60), default=0, metavar="N", help=f"each time that a train song is read, move it by -N..N semitones {is_set}")

    add = parser.add_argument_group("network").add_argument
    add("--preset", choices=["paper"], help="begin with the paper's settings, which other flags change")
    add("--hidden", type=whole(1, 2**15), default=256, metavar="N", help=f"LSTM units in a layer {is_set}")
    add("--layers", type=whole(1, 2**8), default=1, metavar="N", help=f"LSTM layers {is_set}")
    add("--input", choices=["onehot", "scalar"], default="onehot", help=f"a token as one of V, or as the number id / V {is_set}")
    add("--dropout", type=real(0, 1, open_above=True), default=0.25, metavar="P", help=f"the probability to DROP a unit {is_set}")
    add("--recurrent-dropout", choices=["none", "rnndrop", "variational"], default="rnndrop", help=f"none: drop outputs; rnndrop: drop cells instead, for a whole song; variational: drop outputs, and h on its way to the next step for a whole song {is_set}")

    add = parser.add_argument_group("training").add_argument
    add("--epochs", type=whole(1), default=24, metavar="N", help=f"how often every train song is read; another N with --resume moves the end, and with it the cosine of --anneal {is_set}")
    add("--minutes", type=above_zero, metavar="X", help="end after X minutes (with --epochs: or after N epochs); not reproducible, for machines differ in speed")
    add("--window", type=whole(1, 2**16), default=64, metavar="T", help=f"time steps from one update to the next {is_set}")
    add("--batch", type=whole(1, 2**16), default=32, metavar="B", help=f"songs read side by side {is_set}")
    add("--predict", choices=["every", "next"], default="every", help=f"score every token; or only the one after each window, from a zero state, a window beginning at every token, as the paper does {is_set}")
    add("--lr", type=above_zero, default=4e-3, metavar="X", help=f"RMSprop's learning rate {is_set}")
    add("--anneal", choices=["cosine", "plateau", "none"], default="cosine", help=f"lower the learning rate over the run, or halve it when the valid loss has not fallen for 2 epochs {is_set}")
    add("--clip", type=above_zero, default=5.0, metavar="X", help=f"the largest norm that a gradient may have {is_set}")
    add("--patience", type=whole(1), default=10, metavar="N", help=f"stop when the valid loss has not fallen for N epochs {is_set}")
    add("--threads", type=whole(1, 2**10), metavar="N", help="parts that a batch is cut in, a thread each (default: the cores, fewer for a small network)")
    add("--seed", type=whole(0), default=1, metavar="N", help=f"where all randomness comes from {is_set}")

    add = parser.add_argument_group("run").add_argument
    add("--out", metavar="DIR", help="the run's folder (default: runs/1, runs/2, ...; with --resume: the newest)")
    add("--resume", action="store_true", help="continue the run in --out; other flags must be those that it was begun with, but for --epochs, --minutes and --quiet")
    add("--quiet", action="store_true", help="print the result only")
    # fmt: on
    return parser


def parse_arguments(argv: Sequence[str]) -> tuple[argparse.Namespace, set[str]]:
    """The settings of a run, and the names of those that stand on the command line."""
    parser = flags()
    args, given = parser.parse_with_given(argv)
    if args.preset == "paper":
        parser.set_defaults(**PAPER)
        args = parser.parse_args(argv)
    if bool(args.genres) != bool(args.genre):
        parser.error("--genres FILE and --genre NAME go together: the table, and which of its genres to read")
    if args.minutes and "epochs" not in given:
        args.epochs = NO_END
    return args, given


class Failed(Exception):  # noqa: N818  (it says what happened)
    """The run cannot go on: one line that says why."""


def main(argv: Sequence[str]) -> int:
    args, given = parse_arguments(argv)
    prefer_avx512()  # before NumPy is imported
    saved = "nothing was saved"
    warnings.simplefilter("ignore", RuntimeWarning)  # what becomes too large ends the run with a line of its own
    with lasting_output():
        try:
            with Interrupts() as interrupts:
                from experiment.folder import held_folder, how_to_go_on, newest_run

                place = Path(args.out) if args.out else newest_run() if args.resume else None
                with held_folder(place) as folder:
                    try:
                        with contextlib.redirect_stdout(io.StringIO() if args.quiet else sys.stdout):
                            going_on = args.resume and folder.last.exists()
                            run = resume(args, given, folder) if going_on else begin(args, folder)
                            train(run, interrupts)
                            result = report(run)
                        print(result)
                    finally:
                        if folder.last.exists():
                            saved = f"to go on: {how_to_go_on(folder.path)}"
            return 0
        except Stopped as stopped:
            print(f"stopped; {saved}", file=sys.stderr)
            return stopped.status
        except Exception as error:
            status, fault = explained(error)
            print(f"train.py: error: {one_line(fault)}{'' if status == 2 else f'; {saved}'}", file=sys.stderr)
            return status


def explained(error: Exception) -> tuple[int, str]:
    """The exit status and the line that an error deserves; raised again if it is nobody's fault but the program's."""
    if isinstance(error, ModuleNotFoundError):
        return 1, f"{error}; pip install -r requirements.txt"

    from experiment.folder import RunError
    from lstm_numpy.checkpoint import CheckpointError
    from midi_io.corpus.files import CorpusError

    match error:
        case CheckpointError() | CorpusError() | RunError():
            return 2, str(error)
        case Failed():
            return 1, str(error)
        case OSError():
            return 1, f"{error.filename or 'a file of the run'}: {error.strerror or error}"
        case MemoryError():
            return 1, "not enough memory; take a smaller --batch, --window or --hidden"
    raise error


@dataclass
class Run:
    """One run: its settings, its songs, and its network with all that training changes."""

    args: argparse.Namespace
    folder: RunFolder
    songs: RunSongs
    vocabulary: Vocabulary
    config: ModelConfig
    training: TrainingState

    @cached_property
    def transposition(self) -> Transposition | None:
        """Where the train songs may be moved to."""
        from lstm_numpy.batches import Transposition

        if not self.args.transpose:
            return None
        shifts = range(-self.args.transpose, self.args.transpose + 1)
        table = self.vocabulary.transposition_table(shifts, self.args.tokens)
        return Transposition.of(self.songs.of("train").songs, table)

    def save(self, path: Path, **facts: Any) -> None:
        """The weights and some facts, in one piece or not at all."""
        from lstm_numpy.checkpoint import CheckpointError, save_checkpoint

        facts |= {"settings": settings(self.args), "songs_sha256": self.songs.sha256()}
        try:
            save_checkpoint(path, self.training.params, self.config, self.vocabulary.tokens, facts)
        except CheckpointError as error:
            raise Failed(f"{error}; what was saved before stands") from None


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """What a run is begun with, and continues with."""
    return {name: value for name, value in sorted(vars(args).items()) if name not in ("out", "resume", "quiet")}


# Beginning: folders of MIDI become ids, split by song.


def begin(args: argparse.Namespace, folder: RunFolder) -> Run:
    import numpy as np

    from experiment.folder import RunError
    from experiment.songs import SPLITS
    from experiment.state import TrainingState
    from lstm_numpy.checkpoint import MAX_SIZES
    from lstm_numpy.parameters import ModelConfig
    from lstm_numpy.speed.machine import useful_threads
    from midi_io.corpus import write_skipped
    from midi_io.corpus.dataset import build_dataset
    from midi_io.corpus.split import split_corpora
    from midi_io.plain import printable

    folder.check_unused()
    args.threads = args.threads or useful_threads(args.batch, args.hidden)
    songs, valid, test = corpora = read_corpora(args)
    parts = split_corpora(songs, valid, test, np.random.default_rng([args.seed, 0]))
    data = build_dataset(parts, args.tokens, min_count=args.min_count, transpose=args.transpose)
    if len(data.vocabulary) > MAX_SIZES["vocab_size"]:
        raise RunError(f"{len(data.vocabulary):,} tokens are too many; raise --min-count, or take --tokens note")

    numbers = run_songs(data)
    numbers.save(folder.songs)
    folder.write_songs_table([
        (printable(file.path), file.sha256, SPLITS[part], targets)
        for file, part, targets in zip(data.files, data.split, numbers.songs.targets_per_song, strict=True)
    ])  # fmt: skip
    write_skipped([skipped for corpus in corpora if corpus for skipped in corpus.skipped], folder.skipped)
    for line in [corpus.report() for corpus in corpora if corpus] + list(description(args, parts, data, numbers)):
        print(line)

    config = ModelConfig(
        len(data.vocabulary), args.hidden, args.layers, args.dropout, args.recurrent_dropout, args.input
    )
    return Run(args, folder, numbers, data.vocabulary, config, TrainingState.fresh(config, args.lr, args.seed))


def read_corpora(args: argparse.Namespace) -> list[Any]:
    """The songs of --midi, --valid and --test; None for the last two where they are not given."""
    from midi_io.corpus import read_corpus
    from midi_io.corpus.dataset import cache_folder, programs_named

    options: dict[str, Any] = {
        "scheme": args.tokens, "grid": args.grid, "max_bytes": int(args.max_size * 1e6), "drums": args.drums,
        "programs": programs_named(args.instrument), "cache": cache_folder(), "progress": shows_progress(args),
    }  # fmt: skip
    chosen = {"genres": args.genres, "genre": args.genre, "file_list": args.list, "max_songs": args.max_songs}
    held_out = [read_corpus([place], **options) if place else None for place in (args.valid, args.test)]
    return [read_corpus(args.midi, **options, **chosen), *held_out]


def shows_progress(args: argparse.Namespace) -> bool:
    return not args.quiet and sys.stderr.isatty()


def run_songs(data: Dataset) -> RunSongs:
    from experiment.songs import RunSongs
    from lstm_numpy.batches import Songs

    return RunSongs(Songs(data.flat, data.offsets), data.split, data.beats, data.bpm, data.spelling)


def description(args: argparse.Namespace, parts: list[Part], data: Dataset, songs: RunSongs) -> Iterator[str]:
    """How many songs and tokens there are, and what other choices of --min-count would mean."""
    from experiment.report import ngram_nats
    from experiment.songs import SPLITS
    from lstm_numpy.baselines import NGrams
    from midi_io.corpus.dataset import build_dataset
    from midi_io.vocabulary import coverage

    for name in SPLITS:
        part = songs.of(name)
        unknown = f", {100 * part.unknown_share:.1f} % unknown" if part.songs.targets else ""
        yield f"{name:5} {len(part.songs):7,} songs {part.songs.targets:10,} tokens{unknown}"
    if songs.of("valid").songs.targets_per_song.max(initial=0) < (args.window if args.predict == "next" else 1):
        yield "no song of valid can be scored: the model is chosen by its loss on the train songs"
    elif songs.of("valid").unknown_share > 0.1 and args.tokens != "note":
        yield "more than 10 % of the valid tokens are unknown; --tokens note spells chords note by note, and knows them all"
    if args.transpose:
        yield f"transposition: train songs are moved by -{args.transpose}..{args.transpose} semitones, others never"

    quick = songs.of("valid").songs.targets > 0 and songs.of("train").songs.targets <= SMALL
    yield "--min-count   tokens  of train songs" + ("   bigram and trigram: nats per token of valid" if quick else "")
    for row in coverage(data.counts, sorted({1, 2, 5, 10, args.min_count})):
        mark = "*" if row.min_count == args.min_count else " "
        line = f"{row.min_count:9} {mark}   {row.tokens:6,} {100 * row.share:12.1f} %"
        if quick and row.tokens:
            others = run_songs(build_dataset(parts, args.tokens, min_count=row.min_count))
            valid = others.of("valid")
            nats = ngram_nats(NGrams(others.of("train").songs, row.tokens + 3), valid)
            line += "".join(f"{nats[name][valid.is_target].mean():12.3f}" for name in ("bigram", "trigram"))
        yield line


# Going on where a run stopped.


def resume(args: argparse.Namespace, given: set[str], folder: RunFolder) -> Run:
    from experiment.folder import RunError
    from experiment.songs import RunSongs
    from experiment.state import TrainingState
    from lstm_numpy.checkpoint import CheckpointError, load_checkpoint
    from midi_io.vocabulary import Vocabulary

    params, config, tokens, saved = load_checkpoint(folder.last)
    parser = flags()
    try:
        before = parser.checked(saved["settings"])
        training = TrainingState.restored(params, config, saved["training"])
        vocabulary = Vocabulary(tokens)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder.last}: holds no training run that can be continued ({error})") from None
    songs = RunSongs.load(folder.songs)
    if songs.sha256() != saved["songs_sha256"]:
        raise RunError(f"{folder.songs}: these are not the songs that the run was begun with; begin a new one")
    flag = parser.changed(args, before, given - {"epochs", "minutes", "quiet", "resume", "out"})
    if flag:
        raise RunError(f"{flag} was different when the run in {folder.path} was begun; leave it out to go on")
    for name in {"epochs", "minutes"} & given:
        setattr(before, name, getattr(args, name))
    before.quiet = args.quiet
    run = Run(before, folder, songs, vocabulary, config, training)
    if folder.reported and schedule(run).is_over(training.progress):
        raise RunError(f"{folder.path}: this run is finished; begin a new one, or give more --epochs to go on")
    folder.summary.unlink(missing_ok=True)
    print(f"going on after step {training.progress.step} of {folder.path}")
    return run


# Training: one epoch after the other, one window after the other.


def train(run: Run, interrupts: Interrupts) -> None:
    from tqdm import tqdm

    from experiment.distributions import Distributions
    from experiment.history import History
    from lstm_numpy.optimizer import cosine
    from lstm_numpy.parameters import layer_names
    from lstm_numpy.speed.workspace import Workspace

    args, folder, now, progress, plan = run.args, run.folder, run.training, run.training.progress, schedule(run)
    if plan.is_over(progress):
        return
    windows = read_epoch(run)
    workspace = Workspace(run.config, args.window, windows.fresh.shape[1], args.threads)
    layers, logged = [*layer_names(now.params), "dense"], progress.step - bool(now.row)
    distributions = Distributions.resume(folder.distributions, progress.epoch) if progress.step else Distributions()
    history = History.resume(folder.history, layers, logged) if progress.step else History(folder.history, layers)
    begun, saved_at = time.monotonic() - progress.seconds, time.monotonic()

    def save() -> None:
        nonlocal saved_at
        history.flush()
        distributions.save(folder.distributions)
        run.save(folder.last, training=now.saved())
        saved_at = time.monotonic()
        tqdm.write(f"saved step {progress.step}")

    def step() -> None:
        if args.anneal == "cosine":
            now.optimizer.learning_rate = args.lr * cosine(plan.share_done(progress, len(windows)))
        row = take_step(run, windows[progress.batch], workspace)
        row["seconds"] = progress.seconds = time.monotonic() - begun
        share_done = plan.share_done(progress, len(windows))
        if progress.batch == len(windows) or share_done >= 1:
            now.row = row  # of the epoch's last step: it waits for the valid score
        else:
            history.append(step=progress.step, **row)
        if progress.step == 1:
            tqdm.write(f"first loss {row['loss']:.3f} (ln V = {math.log(len(run.vocabulary)):.3f})")
        bar.total = round(progress.tokens / share_done)
        bar.set_postfix(loss=f"{row['loss']:.3f}", accuracy=f"{row['accuracy']:.0%}", refresh=False)
        bar.update(progress.tokens - bar.n)

    def end_epoch(valid: Evaluation) -> None:
        history.append(step=progress.step, **now.row, valid_loss=valid.nats_per_token, valid_accuracy=valid.accuracy)
        loss, accuracy = progress.scores
        tqdm.write(f"epoch {progress.epoch + 1:3}  train loss {loss:.3f}, accuracy {accuracy:5.1%}   "
                   f"valid loss {valid.nats_per_token:.3f}, accuracy {valid.accuracy:5.1%}")  # fmt: skip
        if now.end_epoch(valid.nats_per_token, lower_on_plateau=args.anneal == "plateau"):
            run.save(folder.model, valid_nats_per_token=valid.nats_per_token, epoch=progress.epoch)
        distributions.add(progress.epoch, now.params)
        save()

    bar = tqdm(initial=progress.tokens, unit=" tokens", unit_scale=True, mininterval=0.5, smoothing=0.05,
               disable=not shows_progress(args))  # fmt: skip
    with history, bar:
        if progress.step == 0:
            print(f"network: {sum(p.size for p in now.params.values()):,} parameters, {workspace.threads} threads, "
                  f"{windows.padding_share:.1%} of a batch is padding")  # fmt: skip
            print("the first step waits for numba, if the inner loops are not compiled yet")
            with interrupts.held():
                distributions.add(0, now.params)
                save()
        try:
            while not plan.is_over(progress):
                windows = read_epoch(run)
                if progress.batch == 0:
                    now.begin_epoch(run.config, workspace.B)
                while not now.row:
                    with interrupts.held():
                        step()
                        if time.monotonic() - saved_at > SAVE_EVERY:
                            save()
                valid = score(run)  # changes nothing, so it may be left at any moment
                with interrupts.held():
                    end_epoch(valid)
        except Stopped:
            save()
            raise


def schedule(run: Run) -> Schedule:
    from experiment.state import Schedule

    return Schedule(run.args.epochs, run.args.minutes, run.args.patience)


def read_epoch(run: Run) -> Windows:
    """Which windows are read in the present epoch, and in which order: it follows from the seed and its number."""
    import numpy as np

    from experiment.folder import RunError
    from lstm_numpy.batches import paper_windows, training_batches

    args, songs = run.args, run.songs.of("train").songs
    order = np.random.default_rng([args.seed, 3, run.training.progress.epoch])
    if args.predict == "every":
        return training_batches(songs, args.window, args.batch, order, run.transposition)
    if songs.targets_per_song.max() < args.window:
        raise RunError(f"--predict next: no train song has more than {args.window} tokens; give a smaller --window")
    return paper_windows(songs, args.window, args.batch, order)


def take_step(run: Run, batch: Batch, workspace: Workspace) -> dict[str, float]:
    """Read one window in every lane, and learn from it.  Returns the step's row of history.csv."""
    import numpy as np

    from experiment.history import Look
    from lstm_numpy.model import loss_and_gradients
    from lstm_numpy.optimizer import clip_by_global_norm
    from lstm_numpy.parameters import dropout_masks, hold_masks, reset

    args, now, params, progress = run.args, run.training, run.training.params, run.training.progress

    state = reset(now.state, batch.fresh)
    masks = dropout_masks(run.config, workspace.T, workspace.B, now.dropout, workspace=workspace)
    masks = hold_masks(masks, now.masks, batch.fresh)
    loss, grads, state, trace = loss_and_gradients(params, batch.ids, batch.targets, state, masks, workspace=workspace)
    look = Look(params, grads, trace) if progress.step % LOOK_EVERY == 0 else None
    norm = clip_by_global_norm(grads, args.clip)
    if math.isfinite(loss) and math.isfinite(norm):
        now.optimizer.step(params, grads)
    if not all(map(math.isfinite, (loss, norm, *(p.sum() for p in params.values())))):
        raise Failed(
            f"step {progress.step + 1} leads beyond all numbers (loss {loss:.4g}, gradient norm {norm:.4g}); try a "
            f"smaller --lr than {args.lr:g}, or a smaller --clip than {args.clip:g}"
        )

    scored, correct = int(np.count_nonzero(batch.targets >= 0)), trace["score"].correct
    now.state = state
    now.masks = {name: mask.copy() for name, mask in masks.items() if mask.ndim == 2}  # the workspace draws anew
    progress.add(loss * scored, correct, scored)
    return {
        "epoch": progress.epoch + 1, "loss": loss, "accuracy": correct / max(scored, 1), "tokens": progress.tokens,
        "learning_rate": now.optimizer.learning_rate, "gradient_norm": norm, **(look.columns(params) if look else {}),
    }  # fmt: skip


def score(run: Run) -> Evaluation:
    """How well the network predicts the valid songs, as it is now; the train songs, if there is no other."""
    from experiment.report import evaluate_part

    args = run.args
    for name in ("valid", "train"):
        found = evaluate_part(
            run.training.params, run.config, run.songs.of(name), args.window, args.batch, args.threads,
            next_only=args.predict == "next",
        )  # fmt: skip
        if found.scored.any():
            break
    return found


# The end: the best weights, their score beside the n-grams', pictures, and a tune.


def report(run: Run) -> str:
    """Write what is left to be written, and return the final tables."""
    from experiment.history import steady_rate
    from experiment.plots import draw_run
    from experiment.report import figures_table, final_figures, heard_songs
    from experiment.songs import SPLITS
    from generate import compose_sample, music_beside_held_out
    from lstm_numpy.checkpoint import load_checkpoint
    from lstm_numpy.speed.machine import versions
    from midi_io.music.statistics import table

    args, folder, progress, songs = run.args, run.folder, run.training.progress, run.songs
    heard = heard_songs(songs.of("train").songs, run.transposition)
    figures = final_figures(
        load_checkpoint(folder.model).params, run.config, songs, heard, args.window, args.batch, args.threads,
        next_only=args.predict == "next",
    )  # fmt: skip
    music = music_beside_held_out(folder.path, args.seed)
    folder.write_summary({
        "tokens": args.tokens, "vocabulary": len(run.vocabulary), "songs": len(songs.songs),
        **{f"{part}_tokens": songs.of(part).songs.targets for part in SPLITS},
        "unknown_share": songs.of("valid").unknown_share, **figures,
        "music": {name: {"generated": one.written, "held_out": one.others} for name, one in music.items()},
        "tokens_per_second": steady_rate(folder.history), "padding_share": read_epoch(run).padding_share,
        "epochs": progress.epoch, "best_epoch": progress.best_epoch, "seconds": progress.seconds,
        "threads": args.threads, "transpose": args.transpose, "versions": versions(),
        "command": shlex.join(["python", "train.py", *sys.argv[1:]]), "settings": settings(args),
    })  # fmt: skip
    print("pictures: " + ", ".join(picture.name for picture in draw_run(folder.path)))
    compose_sample(folder.path, args.seed)
    remark = f"(trained in {2 * args.transpose + 1} keys)" if args.transpose else ""
    return "\n\n".join([table(music), figures_table(figures, remark)])


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
