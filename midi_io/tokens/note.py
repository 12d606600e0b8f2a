"""Scheme `note`: a song spelled note by note, without loss.

A moment is spelled program by program, first the one that played last, then the others by their numbers, drums at the
end; each from its low notes to its high ones.  Then `+1/2` moves on in time.
A note is its pitch, after whatever its instrument does differently from the note it played before:

    i40 v96 :1/2 G4 B4 +1/2 A4      a violin, a little louder, plays half a beat of G4 and B4, and then of A4

    C4      strike this pitch           drum36    strike this drum
    :1/2    notes last half a beat      v80       velocity 80
    i40     the instrument, a violin    kit8      the drum kit
    +1/2    half a beat passes

Program and drum kit are 0, and an instrument plays with velocity 80 for one beat, until a token changes that.  Each
instrument keeps its own velocity and duration, so that a band does not spell them anew at every change of instrument.
Drums need no `kit` before them unless it changes.  A length beyond four beats is a sum, longest part first: of 4, 16,
64 ... beats, and of the rest, if any.  So there are few tokens.
"""

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from midi_io.notes import Note
from midi_io.tokens.words import END, NAMES, START, UNK, Scheme, Word, parse_beats, spell_beats

PLAIN_VELOCITY = 80
PLAIN_DURATION = 1  # beat
LONG = 4  # beats; so are its powers
POWERS = {LONG**k for k in range(1, 21)}
_KINDS = {":": "duration", "+": "shift", "v": "velocity", "i": "program", "kit": "kit", "drum": "drum"}
_ATTRIBUTE = re.compile(r"(:|\+|v|i|kit|drum)([0-9/]+)", re.ASCII)


def encode_note(notes: Iterable[Note], grid: int) -> list[str]:
    """Spell quantised notes in scheme `note`."""
    played: dict[tuple[bool, int], tuple[int, int]] = {}  # instrument: its last velocity and duration
    instrument = {False: 0, True: 0}  # the program, the kit
    now = 0
    tokens: list[str] = []
    for start, moment in groupby(notes, key=attrgetter("start")):
        onset, first = round(start * grid), (False, instrument[False])
        if onset != now:
            tokens += _sum("+", onset - now, grid)
            now = onset
        in_order = sorted(moment, key=lambda n: ((n.drum, n.program) != first, n.drum, n.program, n.pitch))
        for pitch, _, beats, velocity, program, drum in in_order:
            if program != instrument[drum]:
                tokens.append(f"kit{program}" if drum else f"i{program}")
                instrument[drum] = program
            duration = round(beats * grid)
            last = played.get((drum, program), (PLAIN_VELOCITY, PLAIN_DURATION * grid))
            if last[0] != velocity:
                tokens.append(f"v{velocity}")
            if last[1] != duration:
                tokens += _sum(":", duration, grid)
            played[drum, program] = velocity, duration
            tokens.append(f"drum{pitch}" if drum else NAMES[pitch])
    return tokens


def decode_note(words: Iterable[Word]) -> list[Note]:
    """Notes of `note` words, in their order.  Words that no note follows have no effect."""
    played: dict[tuple[bool, int], tuple[int, float]] = {}
    instrument = {"notes": 0, "drum": 0}
    now = 0.0
    notes = []
    velocity, duration = 0, 0.0  # set since the last note
    for kind, pitches, value in words:
        if kind in instrument:
            drum, program = kind == "drum", instrument[kind]
            last = played.get((drum, program), (PLAIN_VELOCITY, PLAIN_DURATION))
            played[drum, program] = velocity, duration = velocity or last[0], duration or last[1]
            pitch = int(value) if drum else pitches[0]
            notes.append(Note(pitch, now, duration, velocity, program, drum))
            velocity, duration = 0, 0.0
        elif kind == "shift":
            now += float(value)
        elif kind == "duration":
            duration += float(value)
        elif kind == "velocity":
            velocity = int(value)
        else:
            instrument["drum" if kind == "kit" else "notes"] = int(value)
    return notes


@lru_cache(maxsize=1 << 14)
def _sum(prefix: str, positions: int, grid: int) -> tuple[str, ...]:
    """A duration or a shift as tokens."""
    part = LONG * grid
    if positions <= part:
        return (prefix + spell_beats(positions, grid),)
    while part * LONG <= positions:
        part *= LONG
    rest = _sum(prefix, positions - part, grid) if positions > part else ()
    return (prefix + spell_beats(part, grid), *rest)


def parse_letter(token: str) -> Word:
    """The word of a `note` token.  Raises ValueError."""
    match = _ATTRIBUTE.fullmatch(token)
    if not match:
        return Word("notes", (NAMES.index(token),))
    kind, text = _KINDS[match[1]], match[2]
    if kind in ("duration", "shift"):
        return Word(kind, (), parse_beats(text))
    if str(number := int(text)) != text or not (kind == "velocity") <= number <= 127:  # velocity 0 would end a note
        raise ValueError(token)
    return Word(kind, (), number)


# What may follow.  Before a pitch: program or kit, velocity, duration, at most once each and in this order.  Within a
# moment pitches rise, and so do the programs after the one that played last, then the kits.  A shift ends the moment;
# the end follows a note.

UNKNOWN = -1  # a program or kit that `<unk>` may have set
SILENCE = (False, -1, -1)  # below every sound
_SOUNDS = ("notes", "drum")
_PLACE = {"program": 1, "kit": 1, "velocity": 2, "duration": 3}  # the order before a pitch; other kinds have place 0
_SOUND_OF = {"program": "notes", "kit": "drum"}


class State(NamedTuple):
    """What the song so far means for its next token."""

    last: str = START  # kind of the last word
    longest: Fraction | int = 0  # beats that may still be added to the last word, a sum
    floor: tuple[bool, int, int] = SILENCE  # the last sound of this moment; the next is above it, see _height
    program: int = 0  # or UNKNOWN
    kit: int = 0
    home: int = UNKNOWN  # the program that opened this moment, unsaid: it has had its turn


def _height(state: State, sound: Word) -> tuple[bool, int, int]:
    """Drums are above all pitches.  The second place is the program or kit; -1 while nothing in this moment said it."""
    return (True, state.kit, int(sound.value)) if sound.kind == "drum" else (False, state.floor[1], sound.pitches[0])


def _after(state: State, word: Word) -> State:
    kind, number = word.kind, int(word.value)
    if kind in (START, END):
        return State(kind)
    if kind == UNK:
        return State(kind, program=UNKNOWN, kit=UNKNOWN)
    sum_goes_on = kind in ("duration", "shift") and word.value in POWERS
    state = state._replace(last=kind, longest=word.value if sum_goes_on else 0)
    if kind == "shift":
        return state._replace(floor=SILENCE, home=UNKNOWN)
    if kind == "program":
        return state._replace(floor=(False, number, -1), program=number)
    if kind == "kit":
        return state._replace(floor=(True, number, -1), kit=number)
    if kind in _SOUNDS:
        home = state.program if kind == "notes" and state.floor == SILENCE else state.home
        return state._replace(floor=_height(state, word), home=home)
    return state


def _allowed(state: State, words: Sequence[Word]) -> list[bool]:
    if state.last in (END, UNK):  # after an unknown token everything may follow
        return [state.last == UNK and word.kind not in (START, UNK) for word in words]
    drum, instrument, pitch = state.floor
    due = ("drum" if drum else "notes",) if pitch < 0 <= instrument else _SOUNDS  # after a program or kit: its sounds
    sounds = [word.kind in due and _height(state, word) > state.floor for word in words]
    some_sound = any(sounds)
    known = {word.kind for word in words}
    struck = state.last in _SOUNDS
    place = _PLACE.get(state.last, 0)
    said = {"program": (state.program, state.home), "kit": (state.kit,)}

    def leads_on(word: Word) -> bool:
        kind, _, value = word
        if kind in said:
            later = (kind == "kit", value) > (drum, instrument) and value not in said[kind]
            return place == 0 and later and _SOUND_OF[kind] in known
        goes_on = kind == state.last and 0 < value <= state.longest  # a sum of beats
        if kind in _PLACE:
            return some_sound and (place < _PLACE[kind] or goes_on)
        return goes_on or (struck and kind in ("shift", END)) or (state.last == START and kind == "shift")

    return [sound or leads_on(word) for sound, word in zip(sounds, words, strict=True)]


NOTE = Scheme(
    "note", "C4, drum36, :1/2, v80, i40, kit8 or +1/2", encode_note, decode_note, parse_letter,
    beats=lambda word: float(word.value) if word.kind == "shift" else 0.0, start=State(), after=_after,
    allowed=_allowed,
)  # fmt: skip
