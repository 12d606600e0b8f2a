"""What a network is trained on: songs split into train, valid and test, as ids of one vocabulary in one long row."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from midi_io.corpus import Corpus, CorpusError, CorpusSong
from midi_io.disk import Array
from midi_io.tokens import END, SCHEMES, START, parse, spelling_cost
from midi_io.tokens.words import SPECIALS
from midi_io.vocabulary import UNK_ID, Vocabulary

HELD_OUT = 0.1  # of the songs, for valid, and as many for test


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


def split_corpora(songs: Corpus, valid: Corpus | None, test: Corpus | None, rng: np.random.Generator) -> list[Corpus]:
    """The parts train, valid and test: whole songs.  Without a corpus for valid or test, a tenth of `songs` is it.

    A song that is in two corpora stays in test, or else in valid, and is not trained on.  Each part, train first, gets
    at least one song while there are enough.  Raises CorpusError if nothing is left to train on.
    """
    taken: set[str] = set()

    def untaken(corpus: Corpus) -> Corpus:
        own = [song for song in corpus.songs if song.content not in taken]
        taken.update(song.content for song in own)
        return replace(corpus, songs=own)

    test = test and untaken(test)
    valid = valid and untaken(valid)
    songs = untaken(songs)
    if not songs.songs:
        raise CorpusError("no song is left to train on: all songs of --midi are in --valid or --test, too")
    order = rng.permutation(len(songs.songs)).tolist()
    tenth = max(int(HELD_OUT * len(order)), 1)

    def drawn(first: int) -> Corpus:
        numbers = sorted(order[first:])
        del order[first:]
        return replace(songs, songs=[songs.songs[number] for number in numbers])

    valid, test = (part or drawn(max(len(order) - tenth, 1)) for part in (valid, test))
    return [drawn(0), valid, test]


def build_dataset(parts: Sequence[Corpus], *, min_count: int = 1) -> Dataset:
    """One dataset of the parts train, valid and test.

    The vocabulary has the tokens that occur at least min_count times in the train songs.  Every other token becomes
    <unk>, and `spelling` is what to add for it where a model is scored.  Raises CorpusError if no token remains.
    """
    train, scheme = parts[0], parts[0].scheme
    occurrences = np.zeros(len(train.tokens), np.int64)
    for song in train.songs:
        occurrences += np.bincount(song.ids, minlength=len(occurrences))
    counts = {token: count for token, count in zip(train.tokens, occurrences.tolist(), strict=True) if count}
    vocabulary = Vocabulary.build(counts, min_count, scheme, train.grid, train.played)
    if len(vocabulary) == len(SPECIALS):
        most = max(counts.values(), default=0)
        raise CorpusError(f"no token occurs {min_count} times in the train songs (at most {most}); lower --min-count")
    timed = {word.value for word in vocabulary.words if word.kind in ("notes", "rest", "duration", "shift")}
    start, end = vocabulary.ids([START, END])

    rows: list[Array] = []
    beats: list[float] = []
    spelling: list[Array] = []
    for part in parts:
        to_id = vocabulary.ids(part.tokens)
        token_beats = np.array([SCHEMES[scheme].beats(parse(token, scheme)) for token in part.tokens])
        costs = np.array([spelling_cost(token, scheme, max(len(timed - {0}), 1)) for token in part.tokens])
        for song in part.songs:
            ids = song.ids
            rows.append(np.concatenate([[start], to_id[ids], [end]]).astype(to_id.dtype))
            beats.append(float(token_beats[ids].sum()))
            spelling.append(costs[ids[to_id[ids] == UNK_ID]])
    files = [song for part in parts for song in part.songs]
    return Dataset(
        vocabulary,
        files,
        flat=np.concatenate(rows),
        offsets=np.cumsum([0, *map(len, rows)], dtype=np.int64),
        split=np.repeat(np.arange(len(parts), dtype=np.uint8), [len(part.songs) for part in parts]),
        beats=np.array(beats),
        bpm=np.array([song.bpm for song in files]),
        spelling=np.concatenate(spelling),
    )


def cache_folder() -> Path | None:
    """The user's folder for the cache of read_corpus; None if there is no home for it."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "lstm-numpy"
    except RuntimeError:
        return None
