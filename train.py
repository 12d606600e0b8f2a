#!/usr/bin/env python3
"""Learn music from a folder of MIDI files: read the songs, train the LSTM, keep its figures, and write a tune.

python train.py                             # the embedded tunes, about a minute on two cores
python train.py --midi ~/my/midi --out runs/mine
python train.py --resume --out runs/mine    # go on where it stopped
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from experiment.command.flags import MAY_CHANGE, NO_END, TUNES, not_given, parse_arguments, sizes_for

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
from experiment.command.outcome import FailedError, Interrupts, Stopped, outcome
from experiment.crew import conducted, crew
from experiment.folder import RunError, RunFolder, held_folder, how_to_go_on, newest_run, next_run, write_json
from experiment.history import close_look
from experiment.log import Log
from experiment.page import write_run_page
from experiment.plots import draw_run
from experiment.report import final_figures, final_tables, goal, repeats_of, tunes_beside_songs
from experiment.run import Run
from experiment.songs import RunSongs, read_songs
from experiment.state import TrainingState
from experiment.tunes import Composer, Opening, compose, usual_bpm, usual_length
from lstm_numpy.batches import UNKNOWN
from lstm_numpy.checkpoint import CheckpointError, load_checkpoint
from lstm_numpy.dropout import dropout_masks, hold_masks
from lstm_numpy.files import reading
from lstm_numpy.model import loss_and_gradients
from lstm_numpy.optimizer import clip_by_global_norm, cosine
from lstm_numpy.parameters import ModelConfig, reset
from lstm_numpy.speed.machine import useful_threads
from midi_io.music.instruments import programs_of


def main(argv: Sequence[str]) -> int:
    began = time.monotonic()
    args = parse_arguments(argv, __doc__)
    saved = "nothing was saved"

    def one_run(interrupts: Interrupts) -> None:
        nonlocal saved
        crew().held = interrupts.held
        where = Path(args.out) if args.out else newest_run() if args.resume else next_run()
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
        ranks = crew().ranks
        share = (os.cpu_count() or 1) // ranks.on_this_machine  # of the cores of this machine
        useful = min(useful_threads(args.batch // ranks.size, args.hidden), share)
        args.threads = ranks.size * (args.threads or max(1, useful))
        argv = [*argv, "--threads", str(args.threads)]  # the same when it goes on on other machines
        folder.begin(argv)  # before anything else: killed from here on, the run goes on with these flags
    print(f"reading {one_line(', '.join(args.midi))}")
    chosen = {"genres": args.genres, "genre": args.genre, "file_list": args.list, "max_songs": args.max_songs}
    songs, vocabulary, told, lines = read_songs(
        folder, args.midi, args.valid, args.test, seed=args.seed, context=args.context, min_count=args.min_count,
        chosen=chosen, scheme=args.tokens, grid=args.grid,
        programs={program for name in args.instrument for program in programs_of(name)} or None,
        velocities=args.velocities, snap=args.snap, families=args.families, meters=args.meters,
        drums=not args.no_drums, max_bytes=int(args.max_size * 1e6), progress=shows_progress(args),
    )  # fmt: skip
    print("\n".join(lines))
    vars(args).update(vocabulary.played._asdict())
    if args.minutes and [Path(place).resolve() for place in args.midi] != [TUNES] and not args.preset:
        sizes = sizes_for(songs.of("train").songs.targets, args.minutes)
        for name in not_given(argv):
            setattr(args, name, sizes[name])
        if args.epochs == NO_END:
            args.epochs = sizes.get("epochs", NO_END)
        print("for this folder and these minutes: " + " ".join(f"--{name} {getattr(args, name)}" for name in sizes))
    if args.transpose:
        print(f"train songs are moved by up to {args.transpose} semitones, where all their tokens are then known")
    if songs.of("valid").songs.targets_per_song.max(initial=0) < (args.window if args.predict == "next" else 1):
        print("no song of valid can be scored: the model is chosen by its loss on the train songs")
    config = ModelConfig(
        len(vocabulary), args.hidden, args.layers, args.dropout, args.recurrent_dropout, args.input,
        context=told.sizes,
    )  # fmt: skip
    training = TrainingState.fresh(config, args.lr, args.seed)
    return Run(settings(**vars(args)), folder, songs, vocabulary, config, training)


def settings(**flags: Any) -> dict[str, Any]:
    """The flags that a run is begun with, and continues with."""
    return {name: value for name, value in sorted(flags.items()) if name not in ("out", "resume", "quiet")}


def shows_progress(args: argparse.Namespace) -> bool:
    return not args.quiet and sys.stderr.isatty()


def resume(args: argparse.Namespace, argv: Sequence[str], folder: RunFolder) -> Run:
    """The run in a folder, where it stopped.  args are the flags given now, argv the same as text."""
    composer = Composer.load(folder.last) if os.path.lexists(folder.last) else None
    begun = [] if composer else folder.argv()
    before = settings(**(composer.checkpoint.training["settings"] if composer else vars(parse_arguments(begun))))
    asked = parse_arguments(argv, begun=before)
    if args.threads:
        asked.threads *= crew().ranks.size
    for name, value in before.items():
        if name not in MAY_CHANGE and getattr(asked, name) != value:
            flag = f"--{name.replace('_', '-')}"
            raise RunError(f"{flag} was different when the run in {folder.path} was begun; leave it out to go on")
    if crew().ranks.size > asked.threads:
        asked.threads = crew().ranks.size
        print(f"a batch is cut in {asked.threads} parts now, one for each process; it was cut in {before['threads']}")
    if composer is None:
        return begin(asked, [*begun, *argv], folder)

    saved, vocabulary = composer.checkpoint, composer.vocabulary
    vars(asked).update(vocabulary.played._asdict())
    with reading(folder.last, CheckpointError):
        training = TrainingState.restored(saved.params, saved.config, saved.training)
    songs = RunSongs.load(folder.songs, saved)
    if training.progress.epoch:  # the best model so far, which the report needs
        best = load_checkpoint(folder.model)
        if best.config != saved.config or best.vocabulary != saved.vocabulary:
            raise RunError(f"{folder.model}: is a model of another network than {folder.last.name}")
    run = Run(settings(**vars(asked)), folder, songs, vocabulary, saved.config, training)
    if folder.reported and run.is_over:
        raise RunError(
            f"{folder.path}: this run is finished; begin a new one, or give more --epochs or --minutes to go on"
        )
    with reading(folder.last, CheckpointError):
        windows = run.windows
        training.check_place(windows.fresh.shape[1], len(windows))
    print(f"going on after step {training.progress.step} of {folder.path}")
    return run


# Training: one epoch after the other, one window after the other.


def train(run: Run, interrupts: Interrupts, *, show_bar: bool) -> None:
    flags = run.settings
    crew().keep(run)
    if run.is_over:
        return
    print(f"counting n-grams of {run.train_songs.targets:,} tokens")
    print(goal(run.counted["valid"]["trigram"]))
    windows, ranks = run.windows, crew().ranks
    if ranks.size > windows.B:
        raise RunError(f"{windows.B} songs at a time cannot be shared by {ranks.size} processes; start fewer of them")
    parts = crew().everywhere(Run.enter)
    now, progress = run.training, run.training.progress
    log = Log(run.folder, now.params, progress, show_bar=show_bar)
    run.folder.forget_report()  # all that is read was found good
    if progress.step == 0:
        of_ranks = f" of {ranks.size} processes, gradients added: {flags['reduce']}" if ranks.size > 1 else ""
        print(f"network: {sum(p.size for p in now.params.values()):,} parameters, {parts} threads{of_ranks}, "
              f"{windows.padding_share:.1%} of a batch is padding")  # fmt: skip
        print("the first step waits for numba, if the inner loops are not compiled yet")
        with interrupts.held():
            run.save_last(log)
    try:
        while not run.is_over:
            windows = run.windows
            while not run.epoch_is_over:
                with interrupts.held():
                    if flags["anneal"] == "cosine":
                        now.optimizer.learning_rate = flags["lr"] * cosine(run.share_done)
                    row = crew().everywhere(take_step, now.optimizer.learning_rate)
                    row["seconds"] = progress.seconds = log.seconds
                    run.set_aside(log)
                    log.step(row, run.share_done)
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
    finally:
        log.bar.close()


def take_step(run: Run, learning_rate: float) -> dict[str, float]:
    """Read one window in every lane, and learn from it, with all ranks.  Returns the step's row of history.csv."""
    now, params, progress, workspace = run.training, run.training.params, run.training.progress, run.workspace
    now.optimizer.learning_rate = learning_rate
    batch = run.windows.of(workspace.lanes)[progress.batch]

    state = reset(now.state or None, batch.fresh)
    masks = dropout_masks(run.config, workspace.T, workspace.whole_B, now.dropout, workspace=workspace)
    masks = hold_masks(masks, now.masks, batch.fresh)
    loss, grads, state, trace = loss_and_gradients(
        params, batch.ids, batch.targets, state, masks, context=batch.context, workspace=workspace
    )
    look = close_look(params, grads, trace, workspace.ranks.sum) if progress.step % LOOK_EVERY == 0 else dict
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
        "learning_rate": now.optimizer.learning_rate, "gradient_norm": norm, **look(),
    }  # fmt: skip


# The end: the best weights, their score beside the n-grams', pictures, a tune, and the page.


def report(run: Run, *, show_bar: bool) -> str:
    """Write what is left to be written, and return the final tables."""
    flags, folder, songs = run.settings, run.folder, run.songs
    composer = Composer.load(folder.path)
    print("scoring the best network, and writing tunes to compare with songs")
    crew().everywhere(Run.take_weights, composer.params)
    found = {name: crew().everywhere(Run.score, name, show_bar) for name in ("valid", "test")}
    figures = final_figures(found, songs, run.counted)
    repeats = repeats_of(run.vocabulary, songs.of("valid").songs, found["valid"])
    composer, music, music_text = tunes_beside_songs(composer, songs, flags["seed"], show_bar=show_bar)
    write_json(folder.summary, run.summary(figures, repeats, music))
    print("pictures: " + ", ".join(picture.name for picture in draw_run(folder.path)))
    rng = np.random.default_rng(flags["seed"])
    compose(composer, [folder.sample], Opening(), rng, bpm=usual_bpm(songs), length=usual_length(songs), wav=True)
    print("writing the page")
    write_run_page(folder.path)
    tables = final_tables(figures, repeats, music_text, folder.history)
    return f"{tables}\n\nto hear it, open {folder.page} in a browser"


if __name__ == "__main__":
    sys.exit(conducted("train.py", lambda: main(sys.argv[1:])))
