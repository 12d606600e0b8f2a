#!/usr/bin/env python3
"""Learn music from a folder of MIDI files: read the songs, train the LSTM, keep its figures, and write a tune.

python train.py                             # the embedded tunes, about two minutes on two cores
python train.py --midi ~/my/midi --out runs/mine
python train.py --resume --out runs/mine    # go on where it stopped
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from experiment.command.flags import MAY_CHANGE, TUNES, not_given, parse_arguments
from experiment.sizes import SIZES, sizes_for

LOOK_EVERY = 25  # steps between two close looks, which take time

if __name__ == "__main__":
    parse_arguments(sys.argv[1:], __doc__)  # --help and a wrong flag are answered before NumPy and numba are loaded

import contextlib
import io
import math
import time
from typing import Any

import numpy as np
from tqdm import tqdm

from experiment.command.console import one_line
from experiment.command.interrupts import Interrupts, Stopped
from experiment.command.outcome import FailedError, outcome
from experiment.comparison import tunes_beside_songs
from experiment.crew import conducted, crew
from experiment.folder import RunError, RunFolder, held_folder, how_to_go_on, newest_run, parsed_again, write_json
from experiment.history import SampledNorms
from experiment.log import Log
from experiment.page import write_run_page
from experiment.plots import draw_run
from experiment.reading import read_songs, restore
from experiment.report import final_figures, final_tables, goal
from experiment.run import Run
from experiment.state import TrainingState
from experiment.tunes import Composer, beginning, compose, usual_bpm
from lstm_numpy.batches import UNKNOWN
from lstm_numpy.checkpoint import CheckpointError, load_checkpoint
from lstm_numpy.files import reading
from lstm_numpy.model import loss_and_gradients
from lstm_numpy.optimizer import clip_by_global_norm, cosine
from lstm_numpy.parameters import ModelConfig, dropout_masks, hold_masks, reset
from lstm_numpy.speed.machine import useful_threads
from midi_io.played import AS_WRITTEN


def main(argv: Sequence[str]) -> int:
    began = time.monotonic()
    args = parse_arguments(argv, __doc__)
    saved = "nothing was saved"

    def one_run(interrupts: Interrupts) -> None:
        nonlocal saved
        crew().held = interrupts.held
        where = Path(args.out) if args.out else newest_run() if args.resume else None
        with held_folder(where) as folder:
            try:
                with contextlib.redirect_stdout(io.StringIO() if args.quiet else sys.stdout):
                    run = (resume if args.resume else begin)(args, argv, folder)
                    run.begun = began
                    train(run, interrupts, show_bar=shows_progress(args))
                    result = report(run, show_bar=shows_progress(args))
                print(result)
            finally:
                if folder.last.exists():
                    saved = f"to go on: {how_to_go_on(folder.path)}"

    return outcome("train.py", one_run, lambda: saved)


def begin(args: argparse.Namespace, argv: Sequence[str], folder: RunFolder) -> Run:
    if not args.resume:
        args.threads = crew().ranks.size * (args.threads or threads_of_a_rank(args))
        argv = [*argv, "--threads", str(args.threads)]  # the same when it goes on on other machines
        folder.begin(argv)  # before anything else: killed from here on, the run goes on with these flags
    print(f"reading {one_line(', '.join(args.midi))}")
    read = read_songs(
        folder, args.midi, args.valid, args.test, seed=args.seed, scheme=args.tokens, grid=args.grid, context=args.context,
        velocities=args.velocities, snap=args.snap, families=args.families,
        min_count=args.min_count, instruments=args.instrument, drums=not args.no_drums,
        max_bytes=int(args.max_size * 1e6), progress=shows_progress(args),
        genres=args.genres, genre=args.genre, file_list=args.list, max_songs=args.max_songs,
    )  # fmt: skip
    print("\n".join(read.lines))
    argv = [*argv, *read.vocabulary.played.flags()]  # the same when it goes on
    vars(args).update(read.vocabulary.played._asdict())
    if args.minutes and [Path(place).resolve() for place in args.midi] != [TUNES] and not args.preset:
        chosen = sizes_for(read.songs.of("train").songs.targets, args.minutes)
        for name in sorted(not_given(argv)):
            setattr(args, name, chosen[name])
            argv = [*argv, f"--{name}", str(chosen[name])]
        print("for this folder and these minutes: " + " ".join(f"--{name} {getattr(args, name)}" for name in SIZES))
    if args.transpose:
        print(f"train songs are moved by up to {args.transpose} semitones, where all their tokens are then known")
    if read.songs.of("valid").songs.targets_per_song.max(initial=0) < (args.window if args.predict == "next" else 1):
        print("no song of valid can be scored: the model is chosen by its loss on the train songs")
    config = ModelConfig(
        len(read.vocabulary), args.hidden, args.layers, args.dropout, args.recurrent_dropout, args.input,
        context=read.context.sizes,
    )  # fmt: skip
    training = TrainingState.fresh(config, args.lr, args.seed)
    return Run(settings(args), list(argv), folder, read.songs, read.vocabulary, config, training)


def threads_of_a_rank(args: argparse.Namespace) -> int:
    """The useful ones, but no more than this process's share of the cores of its machine."""
    ranks = crew().ranks
    share = (os.cpu_count() or 1) // ranks.on_this_machine
    return max(1, min(useful_threads(args.batch // ranks.size, args.hidden), share))


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """The flags that a run is begun with, and continues with."""
    return {name: value for name, value in sorted(vars(args).items()) if name not in ("out", "resume", "quiet")}


def shows_progress(args: argparse.Namespace) -> bool:
    return not args.quiet and sys.stderr.isatty()


def resume(args: argparse.Namespace, argv: Sequence[str], folder: RunFolder) -> Run:
    """The run in a folder, where it stopped.  args are the flags given now, argv the same as text."""
    saved = load_checkpoint(folder.last) if folder.saved else None
    begun = folder.argv(saved.training if saved else None)
    before, asked = parsed_again(parse_arguments, begun, folder.path), parse_arguments([*begun, *argv])
    if args.threads:
        asked.threads *= crew().ranks.size
    for name, value in vars(before).items():
        if name not in MAY_CHANGE and getattr(asked, name) != value:
            flag = f"--{name.replace('_', '-')}"
            raise RunError(f"{flag} was different when the run in {folder.path} was begun; leave it out to go on")
    if crew().ranks.size > asked.threads:
        asked.threads = crew().ranks.size
        print(f"a batch is cut in {asked.threads} parts now, one for each process; it was cut in {before.threads}")
    if any(getattr(asked, name) != getattr(before, name) for name in ("epochs", "minutes", "threads")):
        begun = [*begun, *argv, "--threads", str(asked.threads)]
    if saved is None:
        return begin(asked, begun, folder)

    played = AS_WRITTEN.asked(asked.velocities, asked.snap, asked.families)  # a run that did not say kept everything
    vars(asked).update(played._asdict())
    songs, vocabulary, training = restore(folder, saved, asked.tokens, asked.grid, played)
    run = Run(settings(asked), begun, folder, songs, vocabulary, saved.config, training)
    if folder.reported and run.schedule.is_over(training.progress):
        raise RunError(
            f"{folder.path}: this run is finished; begin a new one, or give more --epochs or --minutes to go on"
        )
    with reading(folder.last, CheckpointError):
        windows = run.windows()
        training.check_place(windows.fresh.shape[1], len(windows))
    print(f"going on after step {training.progress.step} of {folder.path}")
    return run


# Training: one epoch after the other, one window after the other.


def train(run: Run, interrupts: Interrupts, *, show_bar: bool) -> None:
    flags, schedule = run.settings, run.schedule
    if schedule.is_over(run.training.progress):
        return
    print(f"counting n-grams of {run.train_songs.targets:,} tokens")
    print(goal(run.counted["valid"]["trigram"]))
    windows, ranks = run.windows(), crew().ranks
    if ranks.size > windows.B:
        raise RunError(f"{windows.B} songs at a time cannot be shared by {ranks.size} processes; start fewer of them")
    crew().keep(run)
    parts = crew().everywhere(Run.enter)
    now, progress = run.training, run.training.progress
    with Log(run.folder, now.params, progress, show_bar=show_bar) as log:
        run.folder.forget_report()  # all that is read was found good
        if progress.step == 0:
            of_ranks = f" of {ranks.size} processes, gradients added: {flags['reduce']}" if ranks.size > 1 else ""
            print(f"network: {sum(p.size for p in now.params.values()):,} parameters, {parts} threads{of_ranks}, "
                  f"{windows.padding_share:.1%} of a batch is padding")  # fmt: skip
            print("the first step waits for numba, if the inner loops are not compiled yet")
            with interrupts.held():
                run.save_last(log)
        try:
            while not schedule.is_over(progress):
                windows = run.windows()
                if progress.batch == 0:
                    crew().everywhere(Run.begin_epoch)
                while not schedule.epoch_is_over(progress, len(windows)):
                    with interrupts.held():
                        if flags["anneal"] == "cosine":
                            now.optimizer.learning_rate = flags["lr"] * cosine(run.share_done(windows))
                        row = crew().everywhere(take_step, now.optimizer.learning_rate)
                        row["seconds"] = progress.seconds = log.seconds
                        run.set_aside(log)
                        log.step(row, run.share_done(windows))
                        if log.save_is_due:
                            run.save_last(log)
                valid = run.evaluate(show_bar=show_bar)  # changes nothing, so a signal may end it at any moment
                with interrupts.held():
                    log.epoch(valid, now.params, now.optimizer.learning_rate, progress.batch / len(windows))
                    if crew().everywhere(Run.end_epoch, valid.nats_per_token):
                        run.save(run.folder.model, valid_nats_per_token=valid.nats_per_token, epoch=progress.epoch)
                    run.save_last(log)
        except Stopped:
            with interrupts.held():
                run.save_last(log)
            raise


def take_step(run: Run, learning_rate: float) -> dict[str, float]:
    """Read one window in every lane, and learn from it, with all ranks.  Returns the step's row of history.csv."""
    now, params, progress, workspace = run.training, run.training.params, run.training.progress, run.workspace
    now.optimizer.learning_rate = learning_rate
    batch = run.windows().of(workspace.lanes)[progress.batch]

    state = reset(now.state, batch.fresh)
    masks = dropout_masks(run.config, workspace.T, workspace.whole_B, now.dropout, workspace=workspace)
    masks = hold_masks(masks, now.masks, batch.fresh)
    loss, grads, state, trace = loss_and_gradients(
        params, batch.ids, batch.targets, state, masks, context=batch.context, workspace=workspace
    )
    look = SampledNorms(params, grads, trace, workspace.ranks.sum) if progress.step % LOOK_EVERY == 0 else None
    norm = clip_by_global_norm(grads, run.settings["clip"])
    if math.isfinite(loss) and math.isfinite(norm):
        now.optimizer.step(params, grads)
    if not all(map(math.isfinite, (loss, norm, *(p.sum() for p in params.values())))):
        raise FailedError(
            f"step {progress.step + 1} gives NaN or infinity (loss {loss:.4g}, gradient norm {norm:.4g}); try a "
            f"smaller --lr than {run.settings['lr']:g}, or a smaller --clip than {run.settings['clip']:g}"
        )

    right = trace["score"].correct & (batch.targets != UNKNOWN)
    counts = np.array([np.count_nonzero(batch.targets >= 0), np.count_nonzero(right)])
    scored, correct = workspace.ranks.sum(counts).tolist()
    now.state = state
    now.masks = {name: mask.copy() for name, mask in masks.items() if mask.ndim == 2}  # the workspace draws anew
    progress.add(loss * scored, correct, scored)
    if progress.step == 1 and workspace.ranks.rank == 0:
        tqdm.write(f"first loss {loss:.3f} (ln V = ln {len(run.vocabulary)} = {math.log(len(run.vocabulary)):.3f})")
    return {
        "epoch": progress.epoch + 1, "loss": loss, "accuracy": correct / max(scored, 1), "tokens": progress.tokens,
        "learning_rate": now.optimizer.learning_rate, "gradient_norm": norm, **(look.columns(params) if look else {}),
    }  # fmt: skip


# The end: the best weights, their score beside the n-grams', pictures, a tune, and the page.


def report(run: Run, *, show_bar: bool) -> str:
    """Write what is left to be written, and return the final tables."""
    flags, folder, songs = run.settings, run.folder, run.songs
    composer = Composer.load(folder.path)
    print("scoring the best network, and writing tunes to compare with songs")
    figures, repeats = final_figures(
        composer.params, run.config, run.vocabulary, songs, run.counted, *run.sizes,
        next_only=run.next_only, show_bar=show_bar,
    )  # fmt: skip
    beside = tunes_beside_songs(composer, songs, flags["seed"], show_bar=show_bar)
    write_json(folder.summary, run.summary(figures, repeats, beside))
    print("pictures: " + ", ".join(picture.name for picture in draw_run(folder.path)))
    compose(
        composer, [folder.sample], beginning(), np.random.default_rng(flags["seed"]), bpm=usual_bpm(songs), wav=True
    )
    print("writing the page")
    write_run_page(folder.path)
    tables = final_tables(figures, repeats, beside, folder.history)
    return f"{tables}\n\nto hear it, open {folder.page} in a browser"


if __name__ == "__main__":
    sys.exit(conducted("train.py", lambda: main(sys.argv[1:])))
