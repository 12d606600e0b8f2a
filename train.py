#!/usr/bin/env python3
"""Learn music from a folder of MIDI files: read the songs, train the LSTM, keep its figures, and write a tune.

python train.py                             # the embedded tunes, two to three minutes on two cores
python train.py --midi ~/my/midi --out runs/mine
python train.py --resume --out runs/mine    # go on where it stopped
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstm_numpy.arguments import above_zero, real, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from lstm_numpy.batches import Batch, Songs, Windows
    from lstm_numpy.model import ModelConfig
    from lstm_numpy.run_folder import RunFolder, RunSongs
    from lstm_numpy.training_state import TrainingState
    from lstm_numpy.workspace import Workspace
    from midi_io.corpus import Corpus
    from midi_io.vocabulary import Vocabulary

TUNES = Path(__file__).resolve().parent / "songs" / "tunes"

DEFAULTS: dict[str, Any] = {
    "midi": [str(TUNES)], "valid": None, "test": None, "list": None, "genres": None, "genre": [], "instrument": None,
    "drums": True, "max_songs": None, "max_size": 10.0, "tokens": "chord", "grid": 12, "min_count": 2, "transpose": 0,
    "preset": None, "hidden": 256, "layers": 1, "input": "onehot", "dropout": 0.3, "recurrent_dropout": "none",
    "window": 50, "batch": 32, "predict": "every", "lr": 2e-3, "anneal": "cosine", "clip": 5.0, "epochs": 40,
    "minutes": None, "patience": 10, "threads": None, "seed": 1, "out": None, "resume": False, "quiet": False,
}  # fmt: skip
PAPER = {  # "Music Generation Using LSTM Model" (Wanjari et al.); H is not in the paper
    "tokens": "paper", "min_count": 1, "hidden": 256, "layers": 1, "input": "scalar", "dropout": 0.75,
    "recurrent_dropout": "rnndrop", "window": 50, "predict": "next", "lr": 1e-4, "anneal": "none",
}  # fmt: skip
SAMPLE_EVERY = 25  # steps between two looks at norms and gates, which take time
SAVE_EVERY = 30.0  # seconds


def parse_arguments(argv: list[str]) -> tuple[argparse.Namespace, set[str]]:
    """The settings of a run, and the names of those that were given on the command line."""
    parser = argparse.ArgumentParser(
        prog="train.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )  # fmt: skip

    def default(name: str) -> str:
        return f"(default: {DEFAULTS[name]})"

    # fmt: off
    add = parser.add_argument_group("songs").add_argument
    add("--midi", nargs="+", metavar="DIR", help="folders of .mid files (default: the tunes that come with the program)")
    add("--valid", metavar="DIR", help="a folder of songs to choose the model by (default: a tenth of --midi)")
    add("--test", metavar="DIR", help="a folder of songs to report on at the end (default: a tenth of --midi)")
    add("--list", metavar="FILE", help="of --midi, read only the files named in FILE, one a line")
    add("--genres", metavar="FILE", help="lines of TRACK_ID<tab>genre; of --midi, read only the genres named by --genre")
    add("--genre", nargs="+", metavar="NAME", help="see --genres")
    add("--instrument", nargs="+", metavar="NAME", help="keep only notes of these: piano, violin, strings, ..., 0..127")
    add("--no-drums", dest="drums", action="store_false", help="leave out what is played on channel 10")
    add("--max-songs", type=whole(1), metavar="N", help="read at most N songs of --midi")
    add("--max-size", type=above_zero, metavar="MB", help=f"skip larger files {default('max_size')}")

    add = parser.add_argument_group("tokens").add_argument
    add("--tokens", choices=["chord", "note", "paper"],
        help="chord: what is struck together and its duration is one token; note: chords are spelled note by note, with "
             f"instruments; paper: as chord, without durations {default('tokens')}")
    add("--grid", type=whole(1), metavar="N", help=f"positions per beat that notes are put on {default('grid')}")
    add("--min-count", type=whole(1), metavar="N", help=f"rarer tokens become <unk> {default('min_count')}")
    add("--transpose", type=whole(0), metavar="N",
        help=f"each time that a train song is read, move it by -N..N semitones {default('transpose')}")

    add = parser.add_argument_group("network").add_argument
    add("--preset", choices=["paper"], help="begin with the paper's settings, which other flags change")
    add("--hidden", type=whole(1), metavar="N", help=f"LSTM units in a layer {default('hidden')}")
    add("--layers", type=whole(1), metavar="N", help=f"LSTM layers {default('layers')}")
    add("--input", choices=["onehot", "scalar"], help=f"a token as one of V, or as the number id / V {default('input')}")
    add("--dropout", type=real(0, 1, open_above=True), metavar="P", help=f"the probability to DROP a unit {default('dropout')}")
    add("--recurrent-dropout", choices=["none", "rnndrop", "variational"],
        help="none: drop outputs; rnndrop: drop cells instead, for a whole song; variational: drop outputs, and h on its "
             f"way to the next step for a whole song {default('recurrent_dropout')}")

    add = parser.add_argument_group("training").add_argument
    add("--epochs", type=whole(1), metavar="N", help=f"how often every train song is read {default('epochs')}")
    add("--minutes", type=above_zero, metavar="X", help="end after X minutes; not reproducible, for machines differ in speed")
    add("--window", type=whole(1), metavar="T", help=f"time steps from one update to the next {default('window')}")
    add("--batch", type=whole(1), metavar="B", help=f"songs read side by side {default('batch')}")
    add("--predict", choices=["every", "next"],
        help="score every token; or only the one after each window, from a zero state, a window beginning at every "
             f"token, as the paper does {default('predict')}")
    add("--lr", type=above_zero, metavar="X", help=f"RMSprop's learning rate {default('lr')}")
    add("--anneal", choices=["cosine", "plateau", "none"],
        help=f"lower the learning rate over the run, or when the valid loss stops falling {default('anneal')}")
    add("--clip", type=above_zero, metavar="X", help=f"the largest norm that a gradient may have {default('clip')}")
    add("--patience", type=whole(1), metavar="N",
        help=f"stop when the valid loss has not fallen for N epochs {default('patience')}")
    add("--threads", type=whole(1), metavar="N", help="parts that a batch is cut in, a thread each (default: the cores)")
    add("--seed", type=whole(0), metavar="N", help=f"where all randomness comes from {default('seed')}")

    add = parser.add_argument_group("run").add_argument
    add("--out", metavar="DIR", help="the run's folder (default: runs/1, runs/2, ...; with --resume: the newest)")
    add("--resume", action="store_true", help="continue the run in --out, with the settings that it was begun with")
    add("--quiet", action="store_true", help="no progress bar")
    # fmt: on
    given = vars(parser.parse_args(argv))
    preset = PAPER if given.get("preset") == "paper" else {}
    args = argparse.Namespace(**{**DEFAULTS, **preset, **given})
    if bool(args.genres) != bool(args.genre):
        parser.error("--genres FILE and --genre NAME go together: the table, and which of its genres to read")
    return args, set(given)


class Failed(Exception):  # noqa: N818  (it says what happened)
    """The run cannot go on: one line that says why, and what is saved."""


class Stopped(Exception):  # noqa: N818
    """A signal asked the run to end; `status` is what the shell gets to see."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def main(argv: list[str]) -> int:
    args, given = parse_arguments(argv)
    from lstm_numpy.checkpoint import CheckpointError
    from lstm_numpy.run_folder import RunError, RunFolder, newest_run, next_run
    from midi_io.files import CorpusError

    folder = None
    try:
        folder = RunFolder(Path(args.out) if args.out else newest_run() if args.resume else next_run())
        run = resume(args, given, folder) if args.resume and folder.last.exists() else begin(args, folder)
        train(run)
        report(run)
    except (CheckpointError, CorpusError, RunError) as error:
        print(f"train.py: error: {error}", file=sys.stderr)
        return 2
    except (Failed, OSError) as error:
        print(f"train.py: error: {error}", file=sys.stderr)
        return 1
    except Stopped as stopped:
        return stopped.status
    except KeyboardInterrupt:
        return 130
    finally:
        if folder:
            folder.close()
    return 0


@dataclass
class Run:
    """One run: its settings, its songs, and its network with all that training changes."""

    args: argparse.Namespace
    folder: RunFolder
    songs: RunSongs
    vocabulary: Vocabulary
    config: ModelConfig
    training: TrainingState

    def save(self, path: Path, **facts: Any) -> None:
        """The weights and some facts, in one piece or not at all."""
        from lstm_numpy.checkpoint import CheckpointError, save_checkpoint

        facts |= {"settings": settings(self.args), "songs_sha256": self.songs.sha256()}
        try:
            save_checkpoint(path, self.training.params, self.config, self.vocabulary.tokens, facts)
        except CheckpointError as error:
            raise Failed(f"{error}; what was saved before stands, and --resume goes on from there") from None


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """What a run is begun with, and continues with."""
    return {name: value for name, value in sorted(vars(args).items()) if name not in ("out", "resume", "quiet")}


# Beginning: folders of MIDI become ids, split by song.


def begin(args: argparse.Namespace, folder: RunFolder) -> Run:
    from lstm_numpy.batches import Songs
    from lstm_numpy.model import ModelConfig
    from lstm_numpy.run_folder import RunSongs
    from lstm_numpy.training_state import TrainingState
    from midi_io.corpus import write_skipped
    from midi_io.dataset import build_dataset
    from midi_io.plain import printable

    folder.check_unused()
    args.threads = args.threads or cores()
    corpora = read_corpora(args)
    parts = split(corpora, args)
    data = build_dataset(parts, args.tokens, min_count=args.min_count, transpose=args.transpose)
    songs = RunSongs(Songs(data.flat, data.offsets), data.split, data.beats, data.spelling_nats)
    songs.save(folder.songs)
    folder.write_songs_table([(printable(file.path), file.sha256) for file in data.files], songs)
    write_skipped([skip for corpus in corpora for skip in corpus.skipped], folder.path / "skipped.tsv")
    describe_songs(args, songs, data.vocabulary)

    config = ModelConfig(
        len(data.vocabulary), args.hidden, args.layers, args.dropout, args.recurrent_dropout, args.input
    )
    training = TrainingState.fresh(config, args.lr, args.patience, args.seed)
    return Run(args, folder, songs, data.vocabulary, config, training)


def read_corpora(args: argparse.Namespace) -> list[Corpus]:
    """The songs of --midi, then those of --valid and --test if they are given."""
    from midi_io.corpus import read_corpus

    common: dict[str, Any] = {
        "scheme": args.tokens, "grid": args.grid, "max_bytes": int(args.max_size * 1e6), "drums": args.drums,
        "programs": instruments(args.instrument), "cache": cache_folder(),
        "progress": not args.quiet,
    }  # fmt: skip
    chosen = {"genres": args.genres, "genre": args.genre, "file_list": args.list, "max_songs": args.max_songs}
    corpora = [read_corpus(args.midi, **common, **chosen)]
    corpora += [read_corpus([path], **common) for path in (args.valid, args.test) if path]
    for corpus in corpora:
        print(corpus.report())
    return corpora


def instruments(names: list[str] | None) -> set[int] | None:
    """The MIDI programs that some names stand for; None: all.  RunError for a name that there is not."""
    from lstm_numpy.run_folder import RunError
    from midi_io.instruments import programs_of

    try:
        return {program for name in names for program in programs_of(name)} if names else None
    except ValueError as error:
        raise RunError(f"--instrument: {error}") from None


def split(corpora: list[Corpus], args: argparse.Namespace) -> list[tuple[Corpus, list[int]]]:
    """The train, valid and test songs: whole songs, and what stands in --valid or --test is not trained on."""
    import numpy as np

    from lstm_numpy.batches import split_songs

    contents = [[song.content for song in corpus.songs] for corpus in corpora]
    held_out = {content for others in contents[1:] for content in others}
    own = [number for number, content in enumerate(contents[0]) if content not in held_out]
    if len(own) < len(contents[0]):
        print(f"{len(contents[0]) - len(own)} songs of --midi also stand in --valid or --test: not trained on")
    shares = [0.0 if path else 0.1 for path in (args.valid, args.test)]
    numbers = split_songs(own, shares, np.random.default_rng([args.seed, 0]))
    parts = [(corpora[0], [own[k] for k in part]) for part in numbers]
    given = iter(corpora[1:])
    for place, path in ((1, args.valid), (2, args.test)):
        if path:
            corpus = next(given)
            parts[place] = (corpus, list(range(len(corpus.songs))))
    return parts


def describe_songs(args: argparse.Namespace, songs: RunSongs, vocabulary: Vocabulary) -> None:
    for name in ("train", "valid", "test"):
        part = songs.of(name)
        print(f"{name:5} {len(part.songs):7,} songs {part.songs.targets:10,} tokens", end="")
        print(f", {100 * part.unknown_share:.1f} % unknown" if part.songs.targets else "")
    print(f"vocabulary: {len(vocabulary):,} tokens that occur at least {args.min_count} times in the train songs")
    if args.transpose:
        print(
            f"transposition: train songs are moved by -{args.transpose}..{args.transpose} semitones, valid and test never"
        )
    if songs.of("valid").unknown_share > 0.1:
        print(
            "more than 10 % of the valid tokens are unknown: --tokens note spells chords note by note, and knows them all"
        )


# Going on where a run stopped.


def resume(args: argparse.Namespace, given: set[str], folder: RunFolder) -> Run:
    from lstm_numpy.checkpoint import CheckpointError, load_checkpoint
    from lstm_numpy.run_folder import RunError, RunSongs
    from lstm_numpy.training_state import TrainingState
    from midi_io.vocabulary import Vocabulary

    params, config, tokens, saved = load_checkpoint(folder.last)
    try:
        before = argparse.Namespace(**{**DEFAULTS, **saved["settings"]})
        training = TrainingState.restored(params, saved["training"], before.patience)
        vocabulary = Vocabulary(tokens)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder.last}: holds no training run that can be continued ({error})") from None
    for name in sorted(given - {"epochs", "minutes", "quiet", "resume", "out"}):
        if getattr(args, name) != getattr(before, name):
            flag = "--no-drums" if name == "drums" else "--" + name.replace("_", "-")
            raise RunError(f"{flag} was {getattr(before, name)} when {folder.path} was begun; leave it out to go on")
    for name in {"epochs", "minutes"} & given:
        setattr(before, name, getattr(args, name))
    before.quiet = args.quiet
    songs = RunSongs.load(folder.songs)
    if songs.sha256() != saved["songs_sha256"]:
        raise RunError(f"{folder.songs}: these are not the songs that the run was begun with; begin a new one")
    if folder.summary.exists() and training.progress.epoch >= before.epochs:
        raise RunError(f"{folder.path}: this run is finished; give more --epochs than {before.epochs} to go on")
    folder.summary.unlink(missing_ok=True)
    print(f"going on after step {training.progress.step} of {folder.path}")
    return Run(before, folder, songs, vocabulary, config, training)


# Training: one epoch after the other, one window after the other.


def train(run: Run) -> None:
    from tqdm import tqdm

    from lstm_numpy.distributions import Distributions
    from lstm_numpy.history import History
    from lstm_numpy.interrupts import Interrupts
    from lstm_numpy.model import lstm_names, zero_state
    from lstm_numpy.optimizer import cosine
    from lstm_numpy.workspace import Workspace

    args, folder, now = run.args, run.folder, run.training
    progress = now.progress
    plan = reading_plan(run)
    windows = plan(progress.epoch)
    workspace = Workspace(run.config, args.window, windows.fresh.shape[1], args.threads)
    history = History.resume(folder.history, [*lstm_names(now.params), "dense"], progress.step)
    distributions = Distributions.resume(folder.distributions, progress.epoch)
    if progress.step == 0:
        distributions.add(0, now.params)
        print(f"network: {sum(p.size for p in now.params.values()):,} parameters, {workspace.threads} threads, "
              f"{100 * windows.padding_share:.1f} % of a batch is padding")  # fmt: skip
        print("the first step waits for numba, if the inner loops are not compiled yet", flush=True)
    begun = time.monotonic() - progress.seconds
    saved_at = time.monotonic()

    def share_done() -> float:
        epochs = (progress.epoch + progress.batch / len(windows)) / args.epochs
        return max(epochs, progress.seconds / 60 / args.minutes if args.minutes else 0.0)

    def save() -> None:
        nonlocal saved_at
        history.flush()
        distributions.save(folder.distributions)
        run.save(folder.last, training=now.saved())
        saved_at = time.monotonic()
        if not args.quiet:
            tqdm.write(f"saved step {progress.step}")

    bar = tqdm(total=windows.targets * args.epochs, initial=progress.tokens, unit=" tokens", unit_scale=True,
               mininterval=0.5, smoothing=0.05, disable=args.quiet or not sys.stderr.isatty())  # fmt: skip
    with Interrupts() as interrupts, history, bar:
        while share_done() < 1 and progress.epoch - progress.best_epoch < args.patience:
            windows = plan(progress.epoch)
            if progress.batch == 0:
                now.state, now.masks = zero_state(run.config, windows.fresh.shape[1]), {}
            for number in range(progress.batch, len(windows)):
                if args.anneal == "cosine":
                    now.optimizer.learning_rate = args.lr * cosine(share_done())
                row = take_step(run, windows[number], workspace)
                progress.seconds = time.monotonic() - begun
                if progress.step == 1:
                    print(f"first loss {row['loss']:.3f} (ln V = {math.log(len(run.vocabulary)):.3f})", flush=True)
                if progress.batch == len(windows):
                    row |= end_epoch(run)
                    distributions.add(progress.epoch, now.params)
                history.append(step=progress.step, **row)
                bar.set_postfix(loss=f"{row['loss']:.3f}", accuracy=f"{100 * row['accuracy']:.0f}%", refresh=False)
                bar.update(progress.tokens - bar.n)
                if progress.batch == 0 or interrupts.status or time.monotonic() - saved_at > SAVE_EVERY:
                    save()
                if interrupts.status:
                    print(f"stopped after step {progress.step}; to go on: python train.py --resume --out {folder.path}")
                    raise Stopped(interrupts.status)
                if share_done() >= 1:
                    break


def reading_plan(run: Run) -> Callable[[int], Windows]:
    """Which windows are read in an epoch, and in which order: it follows from the seed and the epoch's number."""
    import numpy as np

    from lstm_numpy.batches import Transposition, paper_windows, training_batches

    args, songs, transposition = run.args, run.songs.of("train").songs, None
    if args.transpose:
        shifts = range(-args.transpose, args.transpose + 1)
        transposition = Transposition.of(songs, run.vocabulary.transposition_table(shifts, args.tokens))

    def plan(epoch: int) -> Windows:
        order = np.random.default_rng([args.seed, 3, epoch])
        if args.predict == "next":
            return paper_windows(songs, args.window, args.batch, order)
        return training_batches(songs, args.window, args.batch, order, transposition)

    return plan


def take_step(run: Run, batch: Batch, workspace: Workspace) -> dict[str, float]:
    """Read one window in every lane, and learn from it.  Returns the step's row of history.csv."""
    import numpy as np

    from lstm_numpy.evaluation import reset
    from lstm_numpy.history import norms_by_layer, saturation
    from lstm_numpy.model import dropout_masks, hold_masks, loss_and_gradients
    from lstm_numpy.optimizer import clip_by_global_norm

    args, now, params = run.args, run.training, run.training.params
    progress = now.progress

    state = reset(now.state, batch.fresh)
    masks = dropout_masks(run.config, workspace.T, workspace.B, now.dropout, workspace=workspace)
    masks = hold_masks(masks, now.masks, batch.fresh)
    loss, grads, state, trace = loss_and_gradients(params, batch.ids, batch.targets, state, masks, workspace=workspace)
    sampled = progress.step % SAMPLE_EVERY == 0
    columns = {**norms_by_layer(grads, "gradient_"), **saturation(trace)} if sampled else {}
    norm = clip_by_global_norm(grads, args.clip)
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise Failed(
            f"step {progress.step + 1} was not taken: its loss is {loss}, its gradient's norm {norm}; the last good "
            f"checkpoint stands; try a smaller --lr than {args.lr:g} or a smaller --clip than {args.clip:g}"
        )
    before = {name: parameter.copy() for name, parameter in params.items()} if sampled else {}
    now.optimizer.step(params, grads)
    if sampled:
        steps = {name: params[name] - old for name, old in before.items()}
        columns |= norms_by_layer(steps, "update_") | norms_by_layer(params, "weight_")

    scored = int(np.count_nonzero(batch.targets >= 0))
    now.state, now.masks = state, {name: mask for name, mask in masks.items() if mask.ndim == 2}
    progress.add(loss * scored, trace["score"].correct, scored)
    return {
        "epoch": progress.epoch + 1, "loss": loss, "accuracy": trace["score"].correct / max(scored, 1),
        "learning_rate": now.optimizer.learning_rate, "gradient_norm": norm, "tokens": progress.tokens, **columns,
    }  # fmt: skip


def end_epoch(run: Run) -> dict[str, float]:
    """Score the valid songs, keep the best weights, and lower the learning rate if it is time to."""
    from tqdm import tqdm

    args, now, progress = run.args, run.training, run.training.progress
    nats, accuracy = score(run, "valid" if (run.songs.split == 1).any() else "train")
    scored = max(progress.epoch_tokens, 1)
    tqdm.write(
        f"epoch {progress.epoch + 1:3}  train loss {progress.epoch_nats / scored:.3f}, accuracy "
        f"{100 * progress.epoch_correct / scored:4.1f} %   valid loss {nats:.3f}, accuracy {100 * accuracy:4.1f} %"
    )
    progress.end_epoch()
    if progress.best_valid is None or nats < progress.best_valid:
        progress.best_valid, progress.best_epoch = nats, progress.epoch
        run.save(run.folder.model, valid_nats_per_token=nats, epoch=progress.epoch)
    if args.anneal == "plateau":
        now.optimizer.learning_rate *= now.plateau.factor_after(nats)
    return {"valid_loss": nats, "valid_accuracy": accuracy}


def score(run: Run, part: str) -> tuple[float, float]:
    """Nats per token, what it takes to spell unknown tokens included, and accuracy."""
    from lstm_numpy.evaluation import evaluate

    songs = run.songs.of(part)
    found = evaluate(
        run.training.params, run.config, songs.songs, run.args.window, run.args.batch, run.args.threads,
        next_only=run.args.predict == "next",
    )  # fmt: skip
    spelling = float(songs.spelling_nats.sum()) / max(songs.songs.targets, 1)
    return found.nats_per_token + spelling, found.accuracy


# The end: the best weights, their score beside the n-grams', pictures, and a tune.


def report(run: Run) -> None:
    from generate import compose_sample
    from lstm_numpy.checkpoint import load_checkpoint
    from lstm_numpy.evaluation import final_figures
    from lstm_numpy.plots import draw_run

    args, folder, progress, songs = run.args, run.folder, run.training.progress, run.songs
    params = load_checkpoint(folder.model).params
    figures = final_figures(
        params, run.config, songs, heard_songs(run), args.window, args.batch, args.threads,
        next_only=args.predict == "next",
    )  # fmt: skip
    folder.write_summary({
        "tokens": args.tokens, "vocabulary": len(run.vocabulary), "songs": len(songs.songs),
        **{f"{part}_tokens": songs.of(part).songs.targets for part in ("train", "valid", "test")},
        "unknown_share": songs.of("valid").unknown_share, **figures,
        "tokens_per_second": progress.tokens / max(progress.seconds, 1e-9),
        "padding_share": reading_plan(run)(0).padding_share, "epochs": progress.epoch,
        "best_epoch": progress.best_epoch, "seconds": progress.seconds, "threads": args.threads,
        "transpose": args.transpose, "versions": versions(), "command": shlex.join(["python", "train.py", *sys.argv[1:]]),
        "settings": settings(args),
    })  # fmt: skip
    show_figures(figures, args.transpose)
    pictures = draw_run(folder.path)
    print("pictures: " + ", ".join(picture.name for picture in pictures))
    compose_sample(folder.path, args.seed)


def show_figures(figures: dict[str, float], transpose: int) -> None:
    """The network's loss beside the n-grams', and a warning if it has learned less than they."""
    print(
        f"\n{'nats per token':16}{'valid':>8}{'test':>8}"
        + (f"   (trained on {2 * transpose + 1} keys)" if transpose else "")
    )
    for name in ("uniform", "unigram", "bigram", "trigram", "network"):
        valid, test = ("valid_", "test_") if name == "network" else (f"{name}_", f"test_{name}_")
        row = [figures.get(f"{prefix}nats_per_token") for prefix in (valid, test)]
        print(f"  {name:14}" + "".join(f"{nats:8.3f}" if nats is not None else f"{'-':>8}" for nats in row))
    if "valid_accuracy" in figures:
        print(f"accuracy on valid: {100 * figures['valid_accuracy']:.1f} %")
    best = min((figures[f"{name}_nats_per_token"] for name in ("uniform", "unigram", "bigram", "trigram")
                if f"{name}_nats_per_token" in figures), default=math.inf)  # fmt: skip
    if figures.get("valid_nats_per_token", 0.0) >= best:
        print("warning: the network predicts no better than counting does; train it for longer, or on more songs")


def heard_songs(run: Run) -> Songs:
    """The train songs, in every transposition that the network may have heard them in."""
    import numpy as np

    from lstm_numpy.batches import Songs, Transposition

    songs, reach = run.songs.of("train").songs, run.args.transpose
    if not reach:
        return songs
    table = run.vocabulary.transposition_table(range(-reach, reach + 1), run.args.tokens)
    allowed = Transposition.of(songs, table).allowed
    return Songs.of(
        [row[song].astype(np.uint32) for song, shifts in zip(songs, allowed, strict=True) for row in table[shifts]]
    )


def versions() -> dict[str, str]:
    from importlib.metadata import version

    return {"python": sys.version.split()[0], **{name: version(name) for name in ("numpy", "numba", "mido")}}


# The machine.


def cores() -> int:
    """The processors that this process may use, 8 at most: more parts than that are too small to be worth it."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def cache_folder() -> Path | None:
    """Where what was read of MIDI files is remembered; None where there is no place for it."""
    place = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        folder = Path(place).expanduser() / "lstm-numpy"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return None
    return folder if os.access(folder, os.W_OK) else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
