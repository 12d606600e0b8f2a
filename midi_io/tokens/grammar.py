"""Which tokens may follow, so that whatever a network samples is a song.

The rules are what every encoded song obeys, so a mask takes nothing from music:

    chord, paper   a rest, and the end, follow only an event; events follow everything
    note           program or kit, velocity, duration: at most once each, in this order, and never without a pitch;
                   within a moment program follows program, then kit kit, and the pitches of each rise;
                   a shift ends the moment; the end follows only a note

`<start>` never follows, nor does `<unk>` except where songs are scored.  What an `<unk>` stands for nobody knows, so
after it everything may follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from midi_io.tokens.note import is_long
from midi_io.tokens.words import END, START, UNK, Word, checked, parse

Mask = npt.NDArray[np.bool_]

UNKNOWN = -1  # of a program or kit
SILENCE = (False, -1)  # below every sound

_SOUNDS = ("notes", "drum")
_PLACE = {"program": 1, "kit": 1, "velocity": 2, "duration": 3}  # on the way to a pitch; all else has place 0
_SOUND_OF = {"program": "notes", "kit": "drum"}


class State(NamedTuple):
    """All that a song so far has to say about its next token."""

    last: str = START  # kind of the last word
    longest: Fraction | int = 0  # beats that may still be added to the last word, a sum
    floor: tuple[bool, int] = SILENCE  # the last sound of this moment, (drum, pitch): the next is above it
    owed: str = ""  # kind of the sound that a program or kit waits for
    program: int = 0  # or UNKNOWN
    kit: int = 0


class Grammar:
    """The rules of one scheme over the tokens of one vocabulary.

    A finite automaton that is built while it is walked: each state's mask is worked out once, a step is a look-up.
    Several threads may walk at the same time.

    tokens: all tokens by id, with `<start>`, `<end>` and `<unk>`.
    unknown: whether `<unk>` may stand for any token, as it does in songs to be scored.

    Raises TokenError for a token that is none of the scheme's, ValueError if there is no such scheme.
    """

    def __init__(self, tokens: Sequence[str], scheme: str, *, unknown: bool = False) -> None:
        self._words = [parse(token, checked(scheme)) for token in tokens]
        self._unknown = unknown
        self._next, self._allowed = (
            (_after_letter, _letters_allowed) if scheme == "note" else (_after_event, _events_allowed)
        )
        self._numbers: dict[State, int] = {}
        self._states: list[State] = []
        self._masks: list[Mask] = []
        self._steps: dict[tuple[int, int], int] = {}
        self._building = Lock()
        self._begin = self._number(State())

    def walk(self) -> Callable[[int], Mask]:
        """A function that goes along with one song: told its next id, it answers with what may follow, (V,) bool.

        Tell it the ids in order, from `<start>` on.  Do not write into its answers.
        """
        here = self._begin

        def allowed(token_id: int) -> Mask:
            nonlocal here
            here = self._step(here, int(token_id))
            return self._masks[here]

        return allowed

    def masks_for(self, ids: Iterable[int]) -> Mask:
        """(n, V) bool for a song of n ids from `<start>` on: row t says what may follow `ids[: t + 1]`."""
        allowed = self.walk()
        return np.array([allowed(token_id) for token_id in ids], dtype=bool).reshape(-1, len(self._words))

    def _step(self, number: int, token_id: int) -> int:
        following = self._steps.get((number, token_id))
        if following is None:
            following = self._number(self._next(self._states[number], self._words[token_id]))
            self._steps[number, token_id] = following
        return following

    def _number(self, state: State) -> int:
        """The number of a state; of a new one, with its mask."""
        with self._building:
            if state not in self._numbers:
                mask = np.array(self._allowed(state, self._words, self._unknown))
                if not mask.any():  # the song has ended, or the vocabulary is too small to go on
                    mask = np.array([word.kind == END for word in self._words])
                mask.setflags(write=False)
                self._numbers[state] = len(self._states)
                self._states.append(state)
                self._masks.append(mask)
            return self._numbers[state]


def _after_event(state: State, word: Word) -> State:
    return State(word.kind)


def _events_allowed(state: State, words: list[Word], unknown: bool) -> list[bool]:
    struck = state.last in ("notes", UNK)
    going = state.last != END
    allowed = {"notes": going, "rest": struck, END: struck, UNK: going and unknown}
    return [allowed.get(word.kind, False) for word in words]


def _after_letter(state: State, word: Word) -> State:
    kind = word.kind
    if kind in (START, END):
        return State(kind)
    if kind == UNK:
        return State(kind, program=UNKNOWN, kit=UNKNOWN)
    longest = word.value if kind in ("duration", "shift") and is_long(word) else 0
    state = state._replace(last=kind, longest=longest)
    if kind == "shift":
        return state._replace(floor=SILENCE)
    if kind in _SOUNDS:
        return state._replace(floor=_height(word), owed="")
    if kind == "program":
        return state._replace(floor=SILENCE, owed="notes", program=int(word.value))
    if kind == "kit":
        return state._replace(floor=(True, -1), owed="drum", kit=int(word.value))
    return state


def _letters_allowed(state: State, words: list[Word], unknown: bool) -> list[bool]:
    impossible = (START,) if unknown else (START, UNK)
    if state.last in (END, UNK):
        return [state.last == UNK and word.kind not in impossible for word in words]
    sounds = [word.kind in _SOUNDS and state.owed in ("", word.kind) and _height(word) > state.floor for word in words]
    some_sound = unknown or any(sounds)
    known = set(_SOUNDS) if unknown else {word.kind for word in words}
    struck = state.last in _SOUNDS
    place = _PLACE.get(state.last, 0)
    playing = {"program": state.program, "kit": state.kit}
    drum = state.floor[0]
    last_instrument = (drum, playing["kit" if drum else "program"]) if struck else SILENCE

    def leads_on(word: Word) -> bool:
        kind, _, value = word
        if kind == UNK:
            return unknown
        if kind in playing:
            heard = (kind == "kit", value) > last_instrument and value != playing[kind]
            return place == 0 and heard and _SOUND_OF[kind] in known
        goes_on = kind == state.last and 0 < value <= state.longest  # a sum of beats
        if kind in _PLACE:
            return some_sound and (place < _PLACE[kind] or goes_on)
        return goes_on or (struck and kind in ("shift", END)) or (state.last == START and kind == "shift")

    return [sound or leads_on(word) for sound, word in zip(sounds, words, strict=True)]


def _height(sound: Word) -> tuple[bool, int]:
    """Drums stand above all pitches."""
    return (True, int(sound.value)) if sound.kind == "drum" else (False, sound.pitches[0])
