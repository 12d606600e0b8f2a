"""Chords under a melody: for each bar or half bar the triad that carries it best.

The whole tune is chosen at once, by dynamic programming (Viterbi).  A choice costs what the melody notes outside the
chord weigh (long notes and strong beats weigh most), plus what the chord itself and the step to it cost in the mode.
Cadences cost less than nothing, and the last chord is the tonic's.  The numbers were set by reading chord sheets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from songs.build.abc_notation import Tone

CHORD_ROOTS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


class Chord(NamedTuple):
    """A triad: the pitch class of its root, and whether its third is minor."""

    root: int
    minor: bool

    @property
    def pitch_classes(self) -> tuple[int, int, int]:
        return self.root, (self.root + 4 - self.minor) % 12, (self.root + 7) % 12

    def __str__(self) -> str:
        return CHORD_ROOTS[self.root] + "m" * self.minor


class Mode(NamedTuple):
    """A tonic (pitch class), and "major", "mixolydian", "dorian" or "aeolian"."""

    tonic: int
    name: str

    @property
    def home(self) -> Chord:
        """The tonic's chord."""
        return Chord(self.tonic, self.name in ("dorian", "aeolian"))

    def degree(self, chord: Chord) -> int:
        """How many semitones the chord's root is above the tonic."""
        return (chord.root - self.tonic) % 12


SCALES = {  # semitones above the tonic; the minor modes know their leading tone too
    "major": (0, 2, 4, 5, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10, 11),
    "aeolian": (0, 2, 3, 5, 7, 8, 10, 11),
}

# The chords of each mode: semitones of the root above the tonic, minor or not, cost per slot.
PALETTE: dict[str, dict[tuple[int, bool], float]] = {
    "major": {
        (0, False): 0.0,
        (5, False): 0.05,
        (7, False): 0.05,
        (9, True): 0.15,
        (2, True): 0.15,
        (4, True): 0.5,
        (2, False): 0.7,
    },
    "mixolydian": {
        (0, False): 0.0,
        (10, False): 0.05,
        (5, False): 0.1,
        (7, True): 0.3,
        (2, True): 0.4,
        (9, True): 0.4,
        (7, False): 0.4,
    },
    "dorian": {(0, True): 0.0, (10, False): 0.05, (5, False): 0.15, (3, False): 0.2, (7, True): 0.25, (7, False): 0.5},
    "aeolian": {
        (0, True): 0.0,
        (10, False): 0.1,
        (8, False): 0.1,
        (5, True): 0.1,
        (3, False): 0.2,
        (7, True): 0.3,
        (7, False): 0.15,
    },
}

# Steps worth making, and steps to avoid: roots in semitones above the tonic, from and to, and what that is worth.
PROGRESSIONS = {
    (7, 0): 0.35,
    (10, 0): 0.3,
    (5, 7): 0.25,
    (2, 7): 0.3,
    (5, 0): 0.1,
    (9, 2): 0.1,
    (9, 5): 0.1,
    (8, 10): 0.2,
    (4, 9): 0.1,
    (4, 5): 0.1,
}
AWKWARD = {(7, 5): 0.4, (7, 2): 0.5, (2, 0): 0.4, (9, 0): 0.2, (4, 0): 0.5, (10, 2): 0.4, (10, 7): 0.1}
# The tonic after these, in the bar that ends a part: semitones of the root above the tonic, minor or not, reward.
CADENCES = {(7, False): 1.0, (10, False): 0.9, (7, True): 0.6, (5, False): 0.2, (5, True): 0.2}
LAST_CADENCE = 2.5  # how many times the reward counts in the last bar

SAME = 0.15  # the same chord for another bar
CHANGE = 0.2  # a new chord on the bar line
CHANGE_INSIDE = 0.55  # a new chord inside the bar
OUTSIDE = 1.0  # a beat of melody outside the chord
GRATING = 1.5  # the same, a semitone above a note of the chord
SEVENTH = 0.55  # the same, as the seventh of a dominant
FOREIGN_START = 0.6  # to begin elsewhere than on the tonic
HALF_CLOSE = 0.4  # to end a part on the dominant
OPEN_END = 1.0  # or on another chord
BARRED = 1e6


@dataclass(frozen=True)
class Slot:
    """A stretch of the melody that has one chord.  Times are in beats, from the first bar line."""

    start: Fraction
    bar: int
    inside: bool  # not at the beginning of a bar
    strike: Fraction | None  # where a melody note begins that a new chord can come with; None: the chord before goes on
    weights: dict[int, float]  # pitch class -> how much of the slot it is


def find_mode(tones: Sequence[Tone], tonic: int) -> Mode | None:
    """The mode of a melody on that tonic, by its third, sixth and seventh; None if the melody is not at home in any."""
    weight = [0.0] * 12
    for pitch, length in tones:
        if pitch is not None:
            weight[(pitch - tonic) % 12] += float(length)
    if weight[4] > weight[3]:
        name = "mixolydian" if weight[10] > weight[11] else "major"
    else:
        name = "dorian" if weight[9] > weight[8] else "aeolian"
    at_home = sum(weight[degree] for degree in SCALES[name])
    return Mode(tonic, name) if at_home >= 0.94 * sum(weight) else None


def make_slots(tones: Sequence[Tone], pickup: Fraction, bar: Fraction, slot: Fraction) -> list[Slot]:
    """Cut the melody after its pickup into slots of `slot` beats, which divide a bar."""
    placed: list[tuple[Fraction, Fraction, int]] = []  # start, end, pitch class
    now = -pickup
    for pitch, length in tones:
        if pitch is not None:
            placed.append((now, now + length, pitch % 12))
        now += length
    slots = []
    for index in range(math.ceil(now / slot)):
        start, end = index * slot, (index + 1) * slot
        weights: dict[int, float] = {}
        for begun, ended, pitch_class in placed:
            length = min(end, ended) - max(start, begun)
            if length > 0:
                accent = _accent(begun, start, compound=slot.denominator > 1)
                weights[pitch_class] = weights.get(pitch_class, 0.0) + accent * float(length)
        begins = [begun for begun, _, _ in placed if start <= begun < end]
        held = any(begun < start < ended for begun, ended, _ in placed)
        strike = begins[0] if begins and (begins[0] == start or not held) else None
        slots.append(Slot(start, int(start // bar), start % bar != 0, strike, weights))
    return slots


def _accent(begun: Fraction, start: Fraction, compound: bool) -> float:
    """How much a note counts that began then, in a slot from `start`: most on the slot's beat, least off the beats."""
    if begun == start:
        return 1.4
    on_a_beat = begun % 1 == 0 and not compound
    return 1.0 if begun < start or on_a_beat else 0.75


def harmonise(slots: Sequence[Slot], mode: Mode, parts: Sequence[int]) -> list[Chord]:
    """One chord for each slot: of all sequences of the mode's chords, one that costs least.

    `parts` are the bars that begin a part; the bar before each closes with a cadence, as the last one does.
    """
    chords = sorted(_palette(mode))
    best = {chord: _place_cost(slots, 0, chord, mode, parts) for chord in chords}
    came_from: list[dict[Chord, Chord]] = []
    for index in range(1, len(slots)):
        arrivals = {
            chord: min(
                (best[before] + _step_cost(slots, index, before, chord, mode, parts), before) for before in chords
            )
            for chord in chords
        }
        best = {chord: arrivals[chord][0] + _place_cost(slots, index, chord, mode, parts) for chord in chords}
        came_from.append({chord: before for chord, (_, before) in arrivals.items()})
    path = [min(chords, key=lambda chord: best[chord])]
    for origin in reversed(came_from):
        path.append(origin[path[-1]])
    return path[::-1]


def cost(slots: Sequence[Slot], chords: Sequence[Chord], mode: Mode, parts: Sequence[int]) -> float:
    """What these chords cost, one for each slot: `harmonise` finds the least."""
    places = sum(_place_cost(slots, index, chord, mode, parts) for index, chord in enumerate(chords))
    steps = enumerate(pairwise(chords), 1)
    return places + sum(_step_cost(slots, index, before, chord, mode, parts) for index, (before, chord) in steps)


def _place_cost(slots: Sequence[Slot], index: int, chord: Chord, mode: Mode, parts: Sequence[int]) -> float:
    """What a chord costs in a slot, wherever it came from."""
    slot = slots[index]
    total = _palette(mode)[chord]
    inside = chord.pitch_classes
    for pitch_class, weight in slot.weights.items():
        above = (pitch_class - chord.root) % 12
        if pitch_class not in inside:
            grates = (pitch_class - 1) % 12 in inside or (above == 3 and not chord.minor)
            seventh = above == 10 and not chord.minor
            total += weight * (GRATING if grates else SEVENTH if seventh else OUTSIDE)
    if chord != mode.home:
        final = index == len(slots) - 1
        if index == 0:
            total += FOREIGN_START
        if final:
            total += BARRED
        elif slots[index + 1].bar in parts and slots[index + 1].bar != slot.bar:
            total += HALF_CLOSE if mode.degree(chord) == 7 else OPEN_END
    return total


def _step_cost(
    slots: Sequence[Slot], index: int, before: Chord, chord: Chord, mode: Mode, parts: Sequence[int]
) -> float:
    """What it costs that a chord follows another."""
    slot = slots[index]
    if before == chord:
        return 0.0 if slot.inside else SAME
    if slot.strike is None:
        return BARRED
    step = mode.degree(before), mode.degree(chord)
    total = CHANGE_INSIDE if slot.inside else CHANGE
    total += AWKWARD.get(step, 0.0) - PROGRESSIONS.get(step, 0.0)
    last_bar = slots[-1].bar
    if chord == mode.home and (slot.bar == last_bar or slot.bar + 1 in parts):
        cadence = CADENCES.get((mode.degree(before), before.minor), 0.0)
        total -= cadence * (LAST_CADENCE if slot.bar == last_bar else 1.0)
    return total


@cache
def _palette(mode: Mode) -> dict[Chord, float]:
    return {Chord((mode.tonic + above) % 12, minor): price for (above, minor), price in PALETTE[mode.name].items()}


def strikes(slots: Sequence[Slot], chords: Sequence[Chord]) -> list[tuple[Fraction, Chord]]:
    """When which chord is struck: with the first melody note of every bar, and inside a bar where the chord changes."""
    struck: list[tuple[Fraction, Chord]] = []
    bar = -1
    for slot, chord in zip(slots, chords, strict=True):
        if slot.strike is not None and (slot.bar != bar or chord != struck[-1][1]):
            struck.append((slot.strike, chord))
            bar = slot.bar
    return struck


def voicing(chord: Chord) -> tuple[int, int, int]:
    """The one place of a chord on the keyboard: root position, its bass from G2 to F#3.

    The lowest have their third an octave higher, as thirds growl down there.
    """
    bass = 43 + (chord.root - 43) % 12
    third = bass + 4 - chord.minor
    return (bass, bass + 7, third + 12) if bass < 48 else (bass, third, bass + 7)
