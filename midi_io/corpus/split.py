"""Splits songs into train, valid and test: whole songs, and no music in two parts."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from midi_io.corpus import Corpus, CorpusError

HELD_OUT = 0.1  # of the songs, for valid, and as many for test


class SplitPart(NamedTuple):
    """Some songs of a corpus."""

    corpus: Corpus
    numbers: Sequence[int]


def split_corpora(
    songs: Corpus, valid: Corpus | None, test: Corpus | None, rng: np.random.Generator
) -> list[SplitPart]:
    """The parts train, valid and test.  Without a corpus for valid or test, a tenth of `songs` is held out for it.

    A song that is in two corpora stays in test, or else in valid, and is not trained on.  Raises CorpusError if nothing
    is left to train on.
    """
    taken: set[str] = set()
    given: dict[str, SplitPart] = {}
    for name, corpus in (("test", test), ("valid", valid)):
        if corpus:
            own = [number for number, song in enumerate(corpus.songs) if song.content not in taken]
            given[name] = SplitPart(corpus, own)
            taken |= {song.content for song in corpus.songs}
    own = [number for number, song in enumerate(songs.songs) if song.content not in taken]
    if not own:
        raise CorpusError("no song is left to train on: all songs of --midi are in --valid or --test, too")
    shares = [0 if corpus else HELD_OUT for corpus in (valid, test)]
    numbers = split_songs([songs.songs[number].content for number in own], shares, rng)
    train, *held_out = [SplitPart(songs, [own[k] for k in part]) for part in numbers]
    return [train, *(given.get(name, part) for name, part in zip(("valid", "test"), held_out, strict=True))]


def split_songs(keys: Sequence[Hashable], shares: Sequence[float], rng: np.random.Generator) -> list[list[int]]:
    """Split songs, never windows: a part for each of `shares` (0..1 of the songs), and before them what remains.

    keys: one for each song; songs with equal keys (the SHA-256 of their tokens, say) stay in one part.  Each part, the
    first included, gets at least one song while there are enough different ones.  Returns sorted song numbers.
    """
    alike: dict[Hashable, list[int]] = {}
    for song, key in enumerate(keys):
        alike.setdefault(key, []).append(song)
    groups = list(alike.values())
    shuffled = [groups[k] for k in rng.permutation(len(groups))]
    parts = []
    for share in shares:
        part: list[int] = []
        while share and len(shuffled) > 1 and (not part or len(part) + len(shuffled[-1]) <= share * len(keys)):
            part += shuffled.pop()
        parts.append(sorted(part))
    return [sorted(song for group in shuffled for song in group), *parts]
