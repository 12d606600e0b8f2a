"""Corpora become what a network is trained on: one vocabulary, and every song as its ids in one long row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from midi_io.corpus import Corpus, CorpusSong
from midi_io.tokens import spelling_cost, transpose_token
from midi_io.vocabulary import UNK_ID, Vocabulary
from midi_io.words import END, START, parse

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Dataset:
    """Songs as ids of one vocabulary, each from <start> to <end>."""

    vocabulary: Vocabulary
    files: list[CorpusSong]
    flat: Array  # (ids,) in the smallest unsigned type: song k is flat[offsets[k] : offsets[k + 1]]
    offsets: Array  # (songs + 1,)
    split: Array  # (songs,) 0 train, 1 valid, 2 test
    beats: Array  # (songs,) float64: how long each song is
    spelling_nats: Array  # (songs,) float64: what it costs to spell the song's tokens that the vocabulary lacks
    train_counts: dict[str, int]  # how often each token occurs in the train songs


def build_dataset(
    parts: Sequence[tuple[Corpus, Sequence[int] | Array]],
    scheme: str,
    *,
    min_count: int = 1,
    transpose: int = 0,
) -> Dataset:
    """One dataset of three parts, train, valid and test: each the songs of these numbers in a corpus.

    The vocabulary is that of the train songs, moved by -transpose..transpose semitones, and of them the tokens that
    occur at least min_count times.  Every other token becomes <unk>, and spelling_nats says what to add for it where a
    model is scored.
    """
    counts = _counts(parts[0], scheme, transpose)
    vocabulary = Vocabulary.build(counts, min_count)
    durations = max(len({parse(token, scheme).value for token in vocabulary.tokens[3:]}), 1)
    start, end = vocabulary.ids([START, END])

    rows: list[Array] = []
    beats: list[float] = []
    spelling: list[float] = []
    for corpus, numbers in parts:
        to_id = vocabulary.ids(corpus.tokens)
        token_beats = np.array([_beats(token, scheme) for token in corpus.tokens])
        costs = np.array([spelling_cost(token, scheme, durations) for token in corpus.tokens]) * (to_id == UNK_ID)
        for number in numbers:
            ids = corpus.songs[number].ids
            rows.append(np.concatenate([[start], to_id[ids], [end]]).astype(to_id.dtype))
            beats.append(float(token_beats[ids].sum()))
            spelling.append(float(costs[ids].sum()))
    return Dataset(
        vocabulary,
        files=[corpus.songs[number] for corpus, numbers in parts for number in numbers],
        flat=np.concatenate(rows),
        offsets=np.cumsum([0, *map(len, rows)], dtype=np.int64),
        split=np.repeat(np.arange(len(parts), dtype=np.uint8), [len(numbers) for _, numbers in parts]),
        beats=np.array(beats),
        spelling_nats=np.array(spelling),
        train_counts=_counts(parts[0], scheme, transpose=0),
    )


def _counts(part: tuple[Corpus, Sequence[int] | Array], scheme: str, transpose: int) -> dict[str, int]:
    """How often each token occurs in these songs, each of them heard in every transposition."""
    corpus, numbers = part
    occurrences = np.zeros(len(corpus.tokens), np.int64)
    for number in numbers:
        occurrences += np.bincount(corpus.songs[number].ids, minlength=len(occurrences))
    counts: dict[str, int] = {}
    for number in np.flatnonzero(occurrences):
        for semitones in range(-transpose, transpose + 1):
            token = transpose_token(corpus.tokens[number], semitones, scheme)
            if token is not None:
                counts[token] = counts.get(token, 0) + int(occurrences[number])
    return counts


def _beats(token: str, scheme: str) -> float:
    """How far a token moves on in time."""
    word = parse(token, scheme)
    if scheme == "paper":
        return 0.5
    if scheme == "note" and word.kind != "shift":
        return 0.0
    return float(word.value)
