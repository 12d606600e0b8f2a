"""One run while it trains: its settings, its songs, its network, and how they are saved."""

import hashlib
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from experiment.command.outcome import FailedError
from experiment.crew import crew
from experiment.folder import RunError, RunFolder
from experiment.history import read_log
from experiment.log import Log, bar
from experiment.page.learning import keep_tune
from experiment.report import RepeatRow, count_nats
from experiment.songs import SPLITS, RunSongs
from experiment.state import TrainingState
from experiment.tunes import LENGTH, Composer
from lstm_numpy.batches import UNKNOWN, Songs, Windows, paper_windows, training_batches
from lstm_numpy.checkpoint import Checkpoint, CheckpointError, save_checkpoint
from lstm_numpy.evaluation import Evaluation, evaluate
from lstm_numpy.files import Array
from lstm_numpy.parameters import ModelConfig
from lstm_numpy.speed.machine import versions
from lstm_numpy.speed.workspace import Workspace
from midi_io.tokens.context import Context
from midi_io.vocabulary import Vocabulary

LEAST = 0.25  # of --minutes: for training, however long the rest takes
PICTURES, TUNES = 18.0, 280  # what the report takes: seconds; songs of the train songs' length


@dataclass
class Run:
    """One run: its settings, its songs, and its network with all that training changes."""

    settings: dict[str, Any]  # the value of each flag of train.py, by name
    folder: RunFolder
    songs: RunSongs
    vocabulary: Vocabulary
    config: ModelConfig
    training: TrainingState
    begun: float = field(default_factory=time.monotonic)  # when the command began

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Steps in a window, songs in a batch, threads of all ranks."""
        return self.settings["window"], self.settings["batch"], self.settings["threads"]

    @property
    def next_only(self) -> bool:
        """Only the token after each window is scored."""
        return bool(self.settings["predict"] == "next")

    @property
    def share_done(self) -> float:
        """How much of the run is done, by its epochs and minutes.  From 1 on, time is up, and the epoch ends early."""
        now, minutes = self.training.progress, self.settings["minutes"]
        by_epochs = (now.epoch + (now.batch / len(self.windows) if now.batch else 0)) / self.settings["epochs"]
        by_time = now.seconds / max(60 * minutes - now.aside, LEAST * 60 * minutes) if minutes else 0.0
        return float(max(by_epochs, by_time))

    @property
    def epoch_is_over(self) -> bool:
        """All batches of the present epoch are read, or the time is up."""
        return self.training.progress.batch >= len(self.windows) or self.share_done >= 1

    @property
    def is_over(self) -> bool:
        """A run ends at the end of an epoch: after its epochs or minutes, or when patience is exhausted."""
        now = self.training.progress
        return now.batch == 0 and (self.share_done >= 1 or now.epoch - now.best_epoch >= self.settings["patience"])

    @cached_property
    def songs_sha256(self) -> str:
        """Found once: the songs do not change, and a run saves often."""
        return self.songs.sha256()

    @cached_property
    def train_songs(self) -> Songs:
        return self.songs.of("train").songs

    @cached_property
    def transposition(self) -> Array | None:
        """The table that moves train songs up and down by so many semitones.  None: they stay."""
        most = self.settings["transpose"]
        return self.vocabulary.transposition_table(range(-most, most + 1)) if most else None

    @cached_property
    def counted(self) -> dict[str, dict[str, Array]]:
        """What each n-gram model gives the valid and test songs: what the network has to beat."""
        return count_nats(self.songs, len(self.vocabulary))

    def set_aside(self, log: Log) -> None:
        """Of --minutes: what has passed before training began, and what the report will take.

        The report takes as long as training with so many tokens: scoring, and tunes and page in one thread.  Long tunes
        are fewer: see report.TOKENS.
        """
        if self.settings["minutes"]:
            train = len(self.train_songs.flat)
            scored = len(self.songs.songs.flat) - train  # valid songs twice, and test songs once: of each about a half
            work = 1.5 * scored + TUNES * self.settings["threads"] * min(train / len(self.train_songs), 2 * LENGTH)
            report = PICTURES + work / log.rate if log.rate else 0.0
            self.training.progress.aside = log.started - self.begun + report

    @cached_property
    def windows(self) -> Windows:
        """What is read in the present epoch, in its order: this follows from the seed and the epoch's number.

        Raises RunError where no song is long enough.
        """
        (T, B, _), train = self.sizes, self.train_songs
        order = np.random.default_rng([self.settings["seed"], 3, self.training.progress.epoch])
        if not self.next_only:
            return training_batches(train, T, B, order, self.transposition)
        if train.targets_per_song.max() < T:
            raise RunError(f"--predict next: no train song has more than {T} tokens; give a smaller --window")
        return paper_windows(train, T, B, order, self.transposition)

    @cached_property
    def workspace(self) -> Workspace:
        """Where this rank trains."""
        T, _, threads = self.sizes
        ordered = self.settings["reduce"] == "ordered"
        return Workspace(self.config, T, self.windows.B, threads, crew().ranks, ordered=ordered)

    def evaluate(self, *, show_bar: bool) -> Evaluation:
        """The valid songs, scored by the network as it is now; the train songs where no valid song can be scored."""
        found: Evaluation = crew().everywhere(Run.score, "valid", show_bar)
        return found if found.scored.any() else crew().everywhere(Run.score, "train", show_bar)

    # What every rank does with its own copy of the run.

    def enter(self) -> int:
        """Take the lanes of this rank.  Returns the number of parts of a batch."""
        self.training = self.training.with_lanes(lambda rows: rows[self.workspace.lanes])
        return self.workspace.parts

    def end_epoch(self, valid: float) -> bool:
        """The valid songs cost so many nats per token now.  Returns whether these weights are the best so far."""
        digest = hashlib.sha256(b"".join(parameter.tobytes() for parameter in self.training.params.values())).digest()
        if len(set(crew().ranks.in_order([digest]))) > 1:
            raise FailedError("the processes have come to different weights; they need processors of one kind")
        best = self.training.end_epoch(valid, lower_on_plateau=self.settings["anneal"] == "plateau")
        del self.windows  # the next epoch has others
        return best

    def take_weights(self, params: dict[str, Array]) -> None:
        self.training.params = params

    def score(self, name: str, show_bar: bool) -> Evaluation:
        """One part of the songs, scored by all ranks together.

        An unknown token also costs what it takes to spell it, and is never guessed right.
        """
        part, ranks, (T, B, threads) = self.songs.of(name), crew().ranks, self.sizes
        own = part.songs.targets // ranks.size
        with bar(f"scoring {own:,} tokens", own, " tokens", show=show_bar and not ranks.rank) as shown:
            found = evaluate(
                self.training.params, self.config, part.songs, T, B, threads,
                next_only=self.next_only, told=shown.update, ranks=ranks,
            )  # fmt: skip
        return found._replace(
            nats=found.nats + part.spelling_nats, correct=found.correct & (part.songs.flat != UNKNOWN)
        )

    def all_lanes(self) -> TrainingState:
        """The training state with what the lanes of all ranks carry."""
        return self.training.with_lanes(lambda rows: crew().ranks.in_order(list(rows)))

    # What rank 0 does.

    def save_last(self, log: Log) -> None:
        """All that it takes to go on: first the other files, then last.npz."""
        now, flags = self.training, self.settings
        if now.progress.batch == 0:  # an epoch has ended, or none has begun
            network = Checkpoint(now.params, self.config, self.vocabulary.tokens, {})
            told = Context(self.vocabulary, flags["context"])
            writer = Composer(self.folder.last, network, self.vocabulary, flags["transpose"], told)
            keep_tune(self.folder.learning, now.progress.epoch, writer, flags["seed"])
        log.flush()
        self.save(self.folder.last, **crew().everywhere(Run.all_lanes).saved())
        tqdm.write(f"saved step {now.progress.step}")

    def save(self, path: Path, **facts: Any) -> None:
        """The weights and some facts, in one piece or not at all."""
        facts |= {"settings": self.settings, "songs_sha256": self.songs_sha256}
        try:
            save_checkpoint(path, self.training.params, self.config, self.vocabulary.tokens, facts)
        except CheckpointError as error:
            raise FailedError(str(error)) from None

    def summary(
        self, figures: Mapping[str, float], repeats: Sequence[RepeatRow], music: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What summary.json holds: the figures of the report, and what the run was.  Raises RunError."""
        steps = read_log(self.folder.history)
        rates = np.diff(steps["tokens"], prepend=0) / np.maximum(np.diff(steps["seconds"], prepend=0), 1e-9)
        settings, progress, songs = self.settings, self.training.progress, self.songs
        return {
            "tokens": settings["tokens"], "vocabulary": len(self.vocabulary), "songs": len(songs.songs),
            **{f"{part}_tokens": songs.of(part).songs.targets for part in SPLITS},
            "unknown_share": songs.of("valid").unknown_share, **figures,
            **music, "nats_by_repeat": [row._asdict() for row in repeats],
            "tokens_per_second": float(np.median(rates)), "padding_share": self.windows.padding_share,
            "epochs": progress.epoch, "best_epoch": progress.best_epoch, "seconds": progress.seconds,
            "threads": settings["threads"], "transpose": settings["transpose"], "versions": versions(),
            "command": shlex.join(["python", "train.py", *self.folder.argv()]), "settings": settings,
        }  # fmt: skip
