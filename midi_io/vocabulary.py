"""Which tokens a network knows, and by which number; what to do with those that it does not know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from midi_io.tokens import transpose_token
from midi_io.tokens.words import SPECIALS, UNK, Word, parse

UNK_ID = SPECIALS.index(UNK)

Ids = npt.NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id: `<start>`, `<end>`, `<unk>`, then the others, the most frequent first.

    Raises ValueError if the list does not begin with the special tokens or holds one token twice.
    """

    tokens: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.tokens[: len(SPECIALS)] != SPECIALS:
            raise ValueError(f"a vocabulary begins with {', '.join(SPECIALS)}")
        if len(self._id_of) != len(self.tokens):
            raise ValueError("a vocabulary holds each token once")

    @classmethod
    def build(cls, counts: Mapping[str, int], min_count: int = 1) -> Vocabulary:
        """The tokens that occur at least `min_count` times, by falling count, then alphabetically."""
        frequent = [token for token, count in counts.items() if count >= min_count and token not in SPECIALS]
        return cls(SPECIALS + tuple(sorted(frequent, key=lambda token: (-counts[token], token))))

    def __len__(self) -> int:
        return len(self.tokens)

    def ids(self, tokens: Iterable[str]) -> Ids:
        """(n,) ids in the smallest unsigned type that holds them; a token that is not known has the id of `<unk>`."""
        numbers = [self._id_of.get(token, UNK_ID) for token in tokens]
        return np.array(numbers, dtype=np.min_scalar_type(len(self) - 1))

    def tokens_of(self, ids: Iterable[int] | Ids) -> list[str]:
        """The tokens of some ids.  Raises IndexError for an id beyond the vocabulary."""
        return [self.tokens[number] for number in ids]

    def nearest(self, token: str, scheme: str) -> str:
        """The known token nearest to a token of the scheme; one that is known is its own nearest.

        For notes: the greatest share of pitches in common (their Jaccard index), then the nearest duration; where no
        pitch is in common, fewest semitones before duration.  For everything else: the nearest number of its kind.
        Among equals the more frequent, then the first in the alphabet; `<unk>` if none of its kind is known.
        Raises TokenError for what is no token of the scheme.
        """
        if token in self._id_of:
            return token
        word = parse(token, scheme)
        known = [parse(other, scheme) for other in self.tokens]
        alike = [number for number, other in enumerate(known) if other.kind == word.kind]
        return self.tokens[min(alike, key=lambda number: _distance(word, known[number]), default=UNK_ID)]

    def transposition_table(self, shifts: Sequence[int], scheme: str) -> npt.NDArray[np.int32]:
        """(len(shifts), V): in row k the id of every token `shifts[k]` semitones higher, -1 where there is none.

        What has no pitch (the special tokens, rests, drums ...) stays as it is.
        """
        table = np.full((len(shifts), len(self)), -1, dtype=np.int32)
        for row, semitones in zip(table, shifts, strict=True):
            for number, token in enumerate(self.tokens):
                higher = transpose_token(token, semitones, scheme)
                row[number] = -1 if higher is None else self._id_of.get(higher, -1)
        return table

    @cached_property
    def _id_of(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.tokens)}


class Coverage(NamedTuple):
    """What a smallest count leaves of a vocabulary."""

    min_count: int
    tokens: int  # that remain, the special ones not counted
    share: float  # of all tokens in the songs, 0..1


def coverage(counts: Mapping[str, int], min_counts: Iterable[int] = (1, 2, 5, 10)) -> list[Coverage]:
    """For each smallest count, how many tokens remain and which share of the songs they cover."""
    whole = sum(counts.values())
    rows = []
    for min_count in min_counts:
        kept = [count for count in counts.values() if count >= min_count]
        rows.append(Coverage(min_count, len(kept), sum(kept) / whole if whole else 1.0))
    return rows


def _distance(word: Word, other: Word) -> tuple[float, float, float]:
    """How far two words of one kind are apart: share of pitches not in common, semitones, beats (or MIDI numbers)."""
    ours, theirs = set(word.pitches), set(other.pitches)
    apart = 1 - len(ours & theirs) / max(len(ours | theirs), 1)
    semitones = _semitones(ours, theirs) if apart == 1 and ours else 0.0
    return apart, semitones, abs(float(word.value) - float(other.value))


def _semitones(ours: set[int], theirs: set[int]) -> float:
    """The mean way from each pitch of two chords to the nearest of the other chord."""
    there = [min(abs(pitch - other) for other in theirs) for pitch in ours]
    back = [min(abs(pitch - other) for other in ours) for pitch in theirs]
    return (sum(there) + sum(back)) / (len(ours) + len(theirs))
