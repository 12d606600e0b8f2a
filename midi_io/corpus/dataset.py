"""What a network is trained on: one vocabulary, and all songs as ids in one long row."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from midi_io.corpus import CorpusError, CorpusSong
from midi_io.corpus.split import SplitPart
from midi_io.music.instruments import programs_of
from midi_io.tokens import END, SCHEMES, START, parse, spelling_cost
from midi_io.tokens.words import SPECIALS
from midi_io.vocabulary import UNK_ID, Vocabulary

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
    bpm: Array  # (songs,) float64: how fast it is
    spelling: Array  # (unknown ids,) float64, in the order of flat: nats to spell each token that the vocabulary lacks


def build_dataset(parts: Sequence[SplitPart], *, min_count: int = 1) -> Dataset:
    """One dataset of the parts train, valid and test.

    The vocabulary has the tokens that occur at least min_count times in the train songs.  Every other token becomes
    <unk>, and `spelling` is what to add for it where a model is scored.  Raises CorpusError if no token remains.
    """
    corpus = parts[0].corpus
    scheme = corpus.scheme
    counts = _counts(parts[0])
    vocabulary = Vocabulary.build(counts, min_count, scheme, corpus.grid, corpus.played)
    if len(vocabulary) == len(SPECIALS):
        most = max(counts.values(), default=0)
        raise CorpusError(f"no token occurs {min_count} times in the train songs (at most {most}); lower --min-count")
    durations = len(
        {word.value for word in vocabulary.words if word.kind in ("notes", "rest", "duration", "shift")} - {0}
    )
    start, end = vocabulary.ids([START, END])

    rows: list[Array] = []
    beats: list[float] = []
    spelling: list[Array] = []
    for corpus, numbers in parts:
        to_id = vocabulary.ids(corpus.tokens)
        token_beats = np.array([SCHEMES[scheme].beats(parse(token, scheme)) for token in corpus.tokens])
        costs = np.array([spelling_cost(token, scheme, max(durations, 1)) for token in corpus.tokens])
        for number in numbers:
            ids = corpus.songs[number].ids
            rows.append(np.concatenate([[start], to_id[ids], [end]]).astype(to_id.dtype))
            beats.append(float(token_beats[ids].sum()))
            spelling.append(costs[ids[to_id[ids] == UNK_ID]])
    return Dataset(
        vocabulary,
        files=[corpus.songs[number] for corpus, numbers in parts for number in numbers],
        flat=np.concatenate(rows),
        offsets=np.cumsum([0, *map(len, rows)], dtype=np.int64),
        split=np.repeat(np.arange(len(parts), dtype=np.uint8), [len(numbers) for _, numbers in parts]),
        beats=np.array(beats),
        bpm=np.array([corpus.songs[number].bpm for corpus, numbers in parts for number in numbers]),
        spelling=np.concatenate(spelling),
    )


def _counts(part: SplitPart) -> dict[str, int]:
    """How often each token occurs in these songs."""
    corpus, numbers = part
    occurrences = np.zeros(len(corpus.tokens), np.int64)
    for number in numbers:
        occurrences += np.bincount(corpus.songs[number].ids, minlength=len(occurrences))
    return {token: count for token, count in zip(corpus.tokens, occurrences.tolist(), strict=True) if count}


def programs_named(names: Sequence[str]) -> set[int] | None:
    """The MIDI programs that some names stand for; None, which means all, for no name.  Raises MidiIoError."""
    return {program for name in names for program in programs_of(name)} or None


def cache_folder() -> Path | None:
    """The user's folder for the cache of read_corpus; None if there is no place for it."""
    place = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        folder = Path(place).expanduser() / "lstm-numpy"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return None
    return folder if os.access(folder, os.W_OK) else None
