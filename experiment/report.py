"""What a run reports at its end: the network's score on valid and test songs beside that of counting, and its tunes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from experiment.advice import advice
from experiment.comparison import TOKENS, TUNES, TunesBesideSongs
from experiment.crew import crew
from experiment.history import read_log
from experiment.log import bar
from experiment.repeats import RepeatRow, repeat_table, repeats_of
from experiment.songs import SPLITS, RunSongs
from lstm_numpy.baselines import NGrams
from lstm_numpy.batches import END, UNKNOWN
from lstm_numpy.evaluation import Evaluation, evaluate
from lstm_numpy.parameters import ModelConfig
from lstm_numpy.speed.ranks import Alone
from midi_io.music.statistics import table
from midi_io.vocabulary import Vocabulary

Array = npt.NDArray[Any]

PICTURES, WRITING = 12.0, 1.6  # seconds; tokens of training that take as long as writing one


def evaluate_part(
    params: Mapping[str, Array],
    config: ModelConfig,
    part: RunSongs,
    T: int,
    B: int,
    threads: int = 1,
    *,
    next_only: bool = False,
    show_bar: bool = False,
    ranks: Alone | None = None,
) -> Evaluation:
    """lstm_numpy's evaluate; an unknown token also costs what it takes to spell it, and is never guessed right."""
    own = part.songs.targets // (ranks.size if ranks else 1)
    with bar(f"scoring {own:,} tokens", own, " tokens", show=show_bar and not (ranks and ranks.rank)) as shown:
        found = evaluate(params, config, part.songs, T, B, threads, next_only=next_only, told=shown.update, ranks=ranks)
    return found._replace(nats=found.nats + part.spelling_nats, correct=found.correct & (part.songs.flat != UNKNOWN))


def final_figures(
    params: Mapping[str, Array],
    config: ModelConfig,
    vocabulary: Vocabulary,
    songs: RunSongs,
    counted: Mapping[str, Mapping[str, Array]],
    T: int,
    B: int,
    threads: int = 1,
    *,
    next_only: bool = False,
    show_bar: bool = False,
) -> tuple[dict[str, float], list[RepeatRow]]:
    """What summary.json says of the valid and test songs: the network's nats beside those of n-grams, and accuracy.

    And what valid tokens cost by the length of the passage before them that the song has repeated.

    Each model is scored on the same targets, and pays the same to spell a token that the vocabulary lacks.  counted is
    what count_nats gives.  Nats per beat leave <end> out, and so does the sum `..._nats_of_notes`: for measures that
    are counted in beats or frames.
    """
    figures: dict[str, float] = {}
    repeats: list[RepeatRow] = []
    for name in ("valid", "test"):
        part = songs.of(name)
        found = crew().everywhere(_scored, params, config, part, T, B, threads, next_only, show_bar)
        if not found.scored.any():
            continue
        figures[f"{name}_nats_per_token"] = found.nats_per_token
        figures[f"{name}_accuracy"] = found.accuracy
        if name == "valid":
            repeats = repeats_of(vocabulary, part.songs, found)
        figures[f"{name}_spelling_nats_per_token"] = float(part.spelling_nats[found.scored].mean())
        figures[f"{name}_nats_of_notes"] = float(found.nats[found.scored & (part.songs.flat != END)].sum())
        if not next_only:
            figures[f"{name}_nats_per_beat"] = figures[f"{name}_nats_of_notes"] / max(float(part.beats.sum()), 1.0)
        for baseline, nats in counted[name].items():
            prefix = "" if name == "valid" else f"{name}_"
            figures[f"{prefix}{baseline}_nats_per_token"] = float(nats[found.scored].mean())
    return figures, repeats


def _scored(_: object, *arguments: Any) -> Evaluation:
    *plain, next_only, show_bar = arguments
    return evaluate_part(*plain, next_only=next_only, show_bar=show_bar, ranks=crew().ranks)


def count_nats(songs: RunSongs, V: int) -> dict[str, dict[str, Array]]:
    """What each n-gram model gives the valid and test songs: counted on the train songs in their own keys."""
    ngrams = NGrams(songs.of("train").songs, V)
    return {name: ngram_nats(ngrams, songs.of(name)) for name in ("valid", "test")}


def goal(trigram: Array) -> str:
    """A line with what counting gives on the valid songs, from the trigram's nats for each id, 0 for first ids."""
    nats = trigram.sum() / max(np.count_nonzero(trigram), 1)
    return f"a trigram gives {nats:.3f} nats per token on valid; the network has to be below"


def report_work(songs: RunSongs, threads: int) -> float:
    """What follows training, in tokens of training that take as long: scoring, and tunes and page, in one thread."""
    train, valid, test = (songs.of(name).songs for name in SPLITS)
    written = min(TUNES * train.targets / len(train), TOKENS)
    return 2 * valid.targets + test.targets + WRITING * threads * written


def ngram_nats(ngrams: NGrams, songs: RunSongs) -> dict[str, Array]:
    """The same of each n-gram model as Evaluation.nats: (ids,), spelling included; of first ids it says nothing."""
    every = {}
    for name, nats in ngrams.nats(songs.songs).items():
        every[name] = songs.spelling_nats
        every[name][songs.is_target] += nats
    return every


def final_tables(
    figures: Mapping[str, float], repeats: Sequence[RepeatRow], beside: TunesBesideSongs, history: Path
) -> str:
    """What train.py prints at the end.  Raises RunError."""
    losses = read_log(history).get("loss", np.zeros(0))
    helps = "\n".join(advice(losses, figures))
    tables = [
        table(beside.music, rows=beside.rows),
        beside.text(),
        repeat_table(repeats),
        figures_table(figures),
        helps,
    ]
    return "\n\n".join(filter(None, tables))


def figures_table(figures: Mapping[str, float]) -> str:
    """The final table: the network's nats per token beneath those of the n-grams."""
    if not figures:
        return "no song of valid or test can be scored: there is nothing to compare the network with"
    lines = [f"nats per token{'valid':>10}{'test':>8}"]
    names = ("uniform", "unigram", "bigram", "trigram")
    for name in (*names, "network"):
        valid, test = ("valid_", "test_") if name == "network" else (f"{name}_", f"test_{name}_")
        cells = [figures.get(f"{prefix}nats_per_token") for prefix in (valid, test)]
        lines.append(f"  {name:14}" + "".join(f"{'-':>8}" if nats is None else f"{nats:8.3f}" for nats in cells))
    if "valid_nats_per_token" in figures:
        lines.append(f"accuracy on valid: {figures['valid_accuracy']:.1%}")
    lines += [
        f"-: no {part} song can be scored" for part in ("valid", "test") if f"{part}_nats_per_token" not in figures
    ]
    return "\n".join(lines)
