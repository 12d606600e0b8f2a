"""What a run reports at its end: the network's score on valid and test songs beside that of counting, and its tunes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

from experiment.comparison import TunesBesideSongs
from experiment.crew import crew
from experiment.repeats import RepeatRow, repeat_table, repeats_of
from experiment.songs import RunSongs
from lstm_numpy.baselines import NGrams
from lstm_numpy.batches import END
from lstm_numpy.evaluation import Evaluation, evaluate
from lstm_numpy.parameters import ModelConfig
from lstm_numpy.speed.ranks import Alone
from midi_io.music.statistics import table
from midi_io.vocabulary import Vocabulary

Array = npt.NDArray[Any]


def evaluate_part(
    params: Mapping[str, Array],
    config: ModelConfig,
    part: RunSongs,
    T: int,
    B: int,
    threads: int = 1,
    *,
    next_only: bool = False,
    ranks: Alone | None = None,
) -> Evaluation:
    """lstm_numpy's evaluate, and what it takes to spell the unknown tokens is added to their nats."""
    found = evaluate(params, config, part.songs, T, B, threads, next_only=next_only, ranks=ranks)
    return found._replace(nats=found.nats + part.spelling_nats)


def final_figures(
    params: Mapping[str, Array],
    config: ModelConfig,
    vocabulary: Vocabulary,
    songs: RunSongs,
    T: int,
    B: int,
    threads: int = 1,
    *,
    next_only: bool = False,
) -> tuple[dict[str, float], list[RepeatRow]]:
    """What summary.json says of the valid and test songs: the network's nats beside those of n-grams, and accuracy.

    And what valid tokens cost by the length of the passage before them that the song has repeated.

    Each model is scored on the same targets, and pays the same to spell a token that the vocabulary lacks.  The
    n-grams are counted on the train songs in their own keys.  Nats per beat leave <end> out, and so does the sum
    `..._nats_of_notes`: for measures that are counted in beats or frames.
    """
    figures: dict[str, float] = {}
    repeats: list[RepeatRow] = []
    ngrams = NGrams(songs.of("train").songs, config.vocab_size)
    for name in ("valid", "test"):
        part = songs.of(name)
        found = crew().everywhere(_scored, params, config, part, T, B, threads, next_only)
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
        for baseline, nats in ngram_nats(ngrams, part).items():
            prefix = "" if name == "valid" else f"{name}_"
            figures[f"{prefix}{baseline}_nats_per_token"] = float(nats[found.scored].mean())
    return figures, repeats


def _scored(_: object, *arguments: Any) -> Evaluation:
    return evaluate_part(*arguments[:-1], next_only=arguments[-1], ranks=crew().ranks)


def ngram_nats(ngrams: NGrams, songs: RunSongs) -> dict[str, Array]:
    """The same of each n-gram model as Evaluation.nats: (ids,), spelling included; of first ids it says nothing."""
    every = {}
    for name, nats in ngrams.nats(songs.songs).items():
        every[name] = songs.spelling_nats
        every[name][songs.is_target] += nats
    return every


def final_tables(figures: Mapping[str, float], repeats: Sequence[RepeatRow], beside: TunesBesideSongs) -> str:
    """What train.py prints at the end."""
    tables = [table(beside.music), beside.text(), repeat_table(repeats), figures_table(figures)]
    return "\n\n".join(filter(None, tables))


def figures_table(figures: Mapping[str, float]) -> str:
    """The final table: the network's nats per token beneath those of the n-grams, and a warning if it is not below."""
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
        if figures["valid_nats_per_token"] >= min(figures[f"{name}_nats_per_token"] for name in names):
            lines.append(
                "warning: the network predicts no better than counting does; train it longer, or on more songs"
            )
    return "\n".join(lines)
