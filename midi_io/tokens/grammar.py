"""Which tokens may follow, so that whatever a network samples is a song.

Every encoded song obeys the rules of its scheme, so a mask takes nothing from music.  `<start>` and `<unk>` never
follow.  What an `<unk>` stood for is not known, so everything may follow it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np
import numpy.typing as npt

from midi_io.tokens import SCHEMES
from midi_io.tokens.words import END
from midi_io.vocabulary import Vocabulary

Mask = npt.NDArray[np.bool_]


class _Place:
    """One state of the rules: the mask of what may follow, (V,) bool, and where each id leads, as far as known."""

    def __init__(self, state: Hashable, mask: Mask) -> None:
        self.state, self.mask, self.next = state, mask, dict[int, _Place]()


class Grammar:
    """The rules of a vocabulary's scheme over its tokens.

    The states that songs reach become a graph, which grows while it is walked: the mask of a state is computed once,
    and after that a step is one look-up.  Several threads may walk at the same time.

    Raises TokenError if the vocabulary holds a token that is none of its scheme's.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._words = vocabulary.words
        self._rules = SCHEMES[vocabulary.scheme].rules
        self._places: dict[Hashable, _Place] = {}
        self._start = self._place(self._rules.start)

    def walk(self) -> Callable[[int], Mask]:
        """A function for one song: called with each id in turn, from `<start>` on, it returns what may come next.

        That is a mask, (V,) bool, read-only.
        """
        here = self._start

        def allowed(token_id: int) -> Mask:
            nonlocal here
            if token_id not in here.next:
                here.next[token_id] = self._place(self._rules.after(here.state, self._words[token_id]))
            here = here.next[token_id]
            return here.mask

        return allowed

    def _place(self, state: Hashable) -> _Place:
        if state not in self._places:
            mask = np.array(self._rules.allowed(state, self._words), bool)
            if not mask.any():  # the song has ended, or the vocabulary is too small to go on
                mask = np.array([word.kind == END for word in self._words])
            mask.setflags(write=False)
            self._places[state] = _Place(state, mask)  # two threads may do this twice, with equal results
        return self._places[state]
