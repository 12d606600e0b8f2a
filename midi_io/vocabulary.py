"""The tokens that a network knows, by number; what replaces those that it does not know; and which may follow."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from statistics import fmean

import numpy as np

from midi_io.disk import Array
from midi_io.notes import Note
from midi_io.played import AS_WRITTEN, Played, simplified
from midi_io.tokens import SCHEMES, decode, encode, parse, transpose_token
from midi_io.tokens.words import END, METERS, SPECIALS, START, UNK, Word

UNK_ID = SPECIALS.index(UNK)


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id: `<start>`, `<end>`, `<unk>`, then the others, most frequent first; with how songs are spelled.

    Raises ValueError if the list does not begin with the special tokens or holds one token twice.
    """

    tokens: tuple[str, ...]
    scheme: str = "note"
    grid: int = 12  # positions per beat
    played: Played = AS_WRITTEN  # what is kept of a performance

    def __post_init__(self) -> None:
        if self.tokens[: len(SPECIALS)] != SPECIALS:
            raise ValueError(f"a vocabulary begins with {', '.join(SPECIALS)}")
        if len(self._id_of) != len(self.tokens):
            raise ValueError("a vocabulary holds each token once")

    @classmethod
    def build(
        cls, counts: Mapping[str, int], min_count: int = 1,
        scheme: str = "note", grid: int = 12, played: Played = AS_WRITTEN,
    ) -> "Vocabulary":  # fmt: skip
        """The tokens that occur at least `min_count` times, by falling count, then alphabetically."""
        frequent = [token for token, count in counts.items() if count >= min_count and token not in SPECIALS]
        return cls(SPECIALS + tuple(sorted(frequent, key=lambda token: (-counts[token], token))), scheme, grid, played)

    def __len__(self) -> int:
        return len(self.tokens)

    def ids(self, tokens: Iterable[str]) -> Array:
        """(n,) ids in the smallest unsigned type that holds them; a token that is not known has the id of `<unk>`."""
        numbers = [self._id_of.get(token, UNK_ID) for token in tokens]
        return np.array(numbers, dtype=np.min_scalar_type(len(self) - 1))

    def tokens_of(self, ids: Iterable[int] | Array) -> list[str]:
        """The tokens of some ids.  Raises IndexError for an id beyond the vocabulary."""
        return [self.tokens[number] for number in ids]

    def encode(self, notes: Iterable[Note], told: tuple[int, int] | None = None) -> list[str]:
        """The tokens of a song, spelled like these, known or not; no `<start>` and `<end>` among them.

        told: the meter that its file tells.
        """
        meter = told if self.played.meters else None
        return encode(simplified(notes, self.played), self.scheme, self.grid, meter)

    def decode(self, ids: Iterable[int] | Array) -> list[Note]:
        """The notes that ids stand for: those before `<end>`.  Raises IndexError for an id beyond the vocabulary."""
        return decode(self.tokens_of(ids), self.scheme, self.grid)

    def meter_of(self, ids: Array) -> tuple[int, int] | None:
        """The meter that a song, from `<start>` on, begins with; None where it says none."""
        token = self.tokens[ids[1]] if len(ids) > 1 else START
        return (int(token[0]), int(token[2])) if token in METERS else None

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """(V,) each token taken apart.  Raises TokenError for what is no token of the scheme."""
        return tuple([parse(token, self.scheme) for token in self.tokens])

    def nearest(self, token: str) -> str:
        """The known token nearest to a token of the scheme; one that is known is its own nearest.

        It has the same kind and the greatest share of pitches in common (their Jaccard index), then the nearest mean
        pitch, then the nearest number of beats (or MIDI number).  Among equals the more frequent, then the first in the
        alphabet; `<unk>` if none of its kind is known.  Raises TokenError for what is no token of the scheme.
        """
        if token in self._id_of:
            return token
        word = parse(token, self.scheme)
        alike = [number for number, other in enumerate(self.words) if other.kind == word.kind]

        def distance(number: int) -> tuple[float, float, float]:
            ours, theirs, value = set(word.pitches), set(self.words[number].pitches), self.words[number].value
            apart = len(ours ^ theirs) / max(len(ours | theirs), 1)
            return apart, abs(fmean(ours or [0]) - fmean(theirs or [0])), abs(float(word.value) - float(value))

        return self.tokens[min(alike, key=distance, default=UNK_ID)]

    def transposition_table(self, shifts: Sequence[int]) -> Array:
        """(len(shifts), V): in row k the id of every token `shifts[k]` semitones higher, -1 where there is none.

        What has no pitch (the special tokens, rests, drums ...) stays as it is.
        """
        moved = [[transpose_token(token, semitones, self.scheme) for token in self.tokens] for semitones in shifts]
        return np.array([[self._id_of.get(token or "", -1) for token in row] for row in moved], np.int32)

    @cached_property
    def _id_of(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.tokens)}


def may_follow(vocabulary: Vocabulary) -> Callable[[], Callable[[int], Array]]:
    """Which tokens of a vocabulary may follow, so that whatever a network samples is a song.

    may_follow(vocabulary)() begins a song: a function that is called with each id in turn, from `<start>` on, and
    returns what may come next: a mask, (V,) bool, read-only.  Several songs and threads may go side by side.

    Every encoded song obeys the rules of its scheme, so a mask takes nothing from music.  A meter may follow `<start>`;
    `<start>` and `<unk>` never follow.  What an `<unk>` stood for is not known, so everything may follow it.
    Raises TokenError if the vocabulary holds a token that is none of its scheme's.
    """
    words, scheme = vocabulary.words, SCHEMES[vocabulary.scheme]

    meters = np.array([word.kind in METERS for word in words])

    @cache
    def after(state: Hashable, token_id: int) -> Hashable:
        return state if meters[token_id] else scheme.after(state, words[token_id])

    @cache
    def mask(state: Hashable, begins: bool) -> Array:
        found = np.array(scheme.allowed(state, words), bool) | (meters & begins)
        if not found.any():  # the song has ended, or the vocabulary is too small to go on
            found = np.array([word.kind == END for word in words])
        found.setflags(write=False)
        return found

    def begin() -> Callable[[int], Array]:
        state = scheme.start

        def allowed(token_id: int) -> Array:
            nonlocal state
            state = after(state, token_id)
            return mask(state, words[token_id].kind == START)

        return allowed

    return begin
