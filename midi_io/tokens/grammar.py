"""Which tokens may follow, so that whatever a network samples is a song.

Every encoded song obeys the rules of its scheme, so a mask takes nothing from music.  `<start>` and `<unk>` never
follow.  What an `<unk>` stood for is not known, so everything may follow it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cache

import numpy as np
import numpy.typing as npt

from midi_io.tokens import SCHEMES
from midi_io.tokens.words import END
from midi_io.vocabulary import Vocabulary

Mask = npt.NDArray[np.bool_]


class Grammar:
    """The rules of a vocabulary's scheme over its tokens.

    What is found for a state of the rules is kept.  Several threads may walk at the same time.
    Raises TokenError if the vocabulary holds a token that is none of its scheme's.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        words, rules = vocabulary.words, SCHEMES[vocabulary.scheme].rules

        @cache
        def after(state: Hashable, token_id: int) -> tuple[Hashable, Mask]:
            state = rules.after(state, words[token_id])
            return state, mask(state)

        @cache
        def mask(state: Hashable) -> Mask:
            found = np.array(rules.allowed(state, words), bool)
            if not found.any():  # the song has ended, or the vocabulary is too small to go on
                found = np.array([word.kind == END for word in words])
            found.setflags(write=False)
            return found

        self._start, self._after = rules.start, after

    def walk(self) -> Callable[[int], Mask]:
        """A function for one song: called with each id in turn, from `<start>` on, it returns what may come next.

        That is a mask, (V,) bool, read-only.
        """
        state = self._start

        def allowed(token_id: int) -> Mask:
            nonlocal state
            state, mask = self._after(state, token_id)
            return mask

        return allowed
