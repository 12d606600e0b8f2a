"""What a run keeps and shows while it trains: two .csv files, distributions.npz, a line for each epoch, and a bar."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import NoReturn

from tqdm import tqdm

from experiment.folder import RunError, RunFolder
from experiment.history import EPOCH_COLUMNS, CsvLog, load_spread, save_spread, step_columns, with_epoch
from experiment.state import Progress
from lstm_numpy.evaluation import Evaluation
from lstm_numpy.files import Array
from lstm_numpy.parameters import layer_names

EVERY = 30.0  # seconds between two checkpoints


def bar(what: str, total: int, unit: str, *, show: bool) -> tqdm[NoReturn]:
    """A bar for work that may take longer than two seconds; it goes when the work is done."""
    return tqdm(desc=what, total=total, unit=unit, unit_scale=True, delay=2, leave=False, disable=not show)


class Log:
    """Opens the files of a run where the progress says that it is, and keeps them up to date."""

    def __init__(self, folder: RunFolder, params: Mapping[str, Array], progress: Progress, *, show_bar: bool) -> None:
        columns = step_columns([*layer_names(params), "dense"])
        self.folder, self.progress = folder, progress
        self.history = CsvLog(folder.history, columns, progress.step)
        self.epochs = CsvLog(folder.epochs, EPOCH_COLUMNS, progress.epoch)
        self.spread = with_epoch({}, 0, params)
        if progress.step:
            before = load_spread(folder.distributions, progress.epoch)
            if before and before.keys() != self.spread.keys():
                raise RunError(f"{folder.distributions}: is of another network; remove it to go on")
            self.spread = before
        self.started = time.monotonic()
        self.begun = self.started - progress.seconds
        self.first: tuple[float, int] | None = None  # the seconds and tokens of the first step here, which compiles
        self.saved_at = -math.inf
        look = {"unit_scale": True, "mininterval": 0.5, "smoothing": 0.05, "disable": not show_bar}
        self.bar = tqdm(initial=progress.tokens, unit=" tokens", **look)

    @property
    def seconds(self) -> float:
        """Of training, since the run began."""
        return time.monotonic() - self.begun

    @property
    def rate(self) -> float:
        """Tokens a second, in this process; 0 after the first step."""
        if self.first is None:
            self.first = self.seconds, self.progress.tokens
        return (self.progress.tokens - self.first[1]) / max(self.seconds - self.first[0], 1e-9)

    @property
    def save_is_due(self) -> bool:
        return time.monotonic() - self.saved_at > EVERY

    def flush(self) -> None:
        """Bring all that is known to the disk.  To be called before a checkpoint is written."""
        self.history.flush()
        self.epochs.flush()
        save_spread(self.folder.distributions, self.spread)
        self.saved_at = time.monotonic()

    def step(self, row: Mapping[str, float], share_done: float) -> None:
        """A step is done: its row of history.csv, and the bar."""
        self.history.append(step=self.progress.step, **row)
        self.bar.total = round(self.progress.tokens / share_done)
        self.bar.set_postfix(loss=f"{row['loss']:.3f}", accuracy=f"{row['accuracy']:.0%}", refresh=False)
        self.bar.update(self.progress.tokens - self.bar.n)

    def epoch(self, valid: Evaluation, params: Mapping[str, Array], learning_rate: float, read: float) -> None:
        """An epoch is done: its row of epochs.csv, its line, and the distributions.  Before the progress counts it.

        read: the share of its batches that were read before the time was up.
        """
        now, number, scored = self.progress, self.progress.epoch + 1, max(self.progress.epoch_tokens, 1)
        loss, accuracy = now.epoch_nats / scored, now.epoch_correct / scored
        row = number, now.step, loss, accuracy, valid.nats_per_token, valid.accuracy, learning_rate, now.seconds
        self.epochs.append(**dict(zip(EPOCH_COLUMNS, row, strict=True)))
        tqdm.write(
            f"epoch {number:3}  train loss {loss:.3f}, accuracy {accuracy:5.1%}   "
            f"valid loss {valid.nats_per_token:.3f}, accuracy {valid.accuracy:5.1%}"
            + ("" if read == 1 else f"   the time is up: {read:.0%} of the epoch was read")
        )
        self.spread = with_epoch(self.spread, number, params)
