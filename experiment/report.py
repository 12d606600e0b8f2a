"""What a run reports at its end: the network's score on valid and test songs beside that of counting, and its tunes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from experiment.advice import advice
from experiment.history import read_log
from experiment.repeats import RepeatRow, repeat_table, repeats_of
from experiment.songs import RunSongs
from lstm_numpy.baselines import NGrams
from lstm_numpy.batches import END
from lstm_numpy.evaluation import Evaluation
from midi_io.vocabulary import Vocabulary

Array = npt.NDArray[Any]


def final_figures(
    found: Mapping[str, Evaluation],
    vocabulary: Vocabulary,
    songs: RunSongs,
    counted: Mapping[str, Mapping[str, Array]],
    *,
    next_only: bool = False,
) -> tuple[dict[str, float], list[RepeatRow]]:
    """What summary.json says of the valid and test songs: the network's nats beside those of n-grams, and accuracy.

    And what valid tokens cost by the length of the passage before them that the song has repeated.

    found: the network's scores of "valid" and "test".  counted: what count_nats gives.  Each model is scored on the
    same targets, and pays the same to spell a token that the vocabulary lacks.  Nats per beat leave <end> out, and so
    does the sum `..._nats_of_notes`: for measures that are counted in beats or frames.
    """
    figures: dict[str, float] = {}
    repeats: list[RepeatRow] = []
    for name, scores in found.items():
        part = songs.of(name)
        if not scores.scored.any():
            continue
        figures[f"{name}_nats_per_token"] = scores.nats_per_token
        figures[f"{name}_accuracy"] = scores.accuracy
        if name == "valid":
            repeats = repeats_of(vocabulary, part.songs, scores)
        figures[f"{name}_spelling_nats_per_token"] = float(part.spelling_nats[scores.scored].mean())
        figures[f"{name}_nats_of_notes"] = float(scores.nats[scores.scored & (part.songs.flat != END)].sum())
        if not next_only:
            figures[f"{name}_nats_per_beat"] = figures[f"{name}_nats_of_notes"] / max(float(part.beats.sum()), 1.0)
        for baseline, nats in counted[name].items():
            prefix = "" if name == "valid" else f"{name}_"
            figures[f"{prefix}{baseline}_nats_per_token"] = float(nats[scores.scored].mean())
    return figures, repeats


def count_nats(songs: RunSongs, V: int) -> dict[str, dict[str, Array]]:
    """What each n-gram model, counted on the train songs in their own keys, gives the valid and test songs.

    By part and model the same as Evaluation.nats: (ids,), spelling included; of first ids it says nothing.
    """
    ngrams = NGrams(songs.of("train").songs, V)
    every: dict[str, dict[str, Array]] = {}
    for name in ("valid", "test"):
        part = songs.of(name)
        every[name] = {}
        for model, nats in ngrams.nats(part.songs).items():
            every[name][model] = part.spelling_nats
            every[name][model][part.is_target] += nats
    return every


def goal(trigram: Array) -> str:
    """A line with what counting gives on the valid songs, from the trigram's nats for each id, 0 for first ids."""
    nats = trigram.sum() / max(np.count_nonzero(trigram), 1)
    return f"a trigram gives {nats:.3f} nats per token on valid; the network has to be below"


def final_tables(figures: Mapping[str, float], repeats: Sequence[RepeatRow], music: str, history: Path) -> str:
    """What train.py prints at the end; music: as tunes_beside_songs gives it.  Raises RunError."""
    losses = read_log(history).get("loss", np.zeros(0))
    helps = "\n".join(advice(losses, figures))
    tables = [music, repeat_table(repeats), figures_table(figures), helps]
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
