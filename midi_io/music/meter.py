"""Finds the meter and the bar lines from the notes alone: tokens do not spell them, and files and pictures need them.

A bar has strong and weak places, and music tends to begin its long notes and its chords on the strong ones (Lerdahl and
Jackendoff 1983).  So every pattern of strong and weak is laid on the notes at every place, and the one that goes best
with them, as their correlation says, is the meter.
"""

import math
from collections import Counter
from collections.abc import Iterable

import numpy as np

from midi_io.notes import Note

PLACES = 4  # of a beat: sixteenth notes
PATTERNS = {  # how strong each sixteenth of a bar is
    (4, 4): [5, 1, 2, 1, 3, 1, 2, 1, 4, 1, 2, 1, 3, 1, 2, 1],
    (3, 4): [5, 1, 2, 1, 3, 1, 2, 1, 3, 1, 2, 1],
    (6, 8): [5, 1, 2, 1, 2, 1, 4, 1, 2, 1, 2, 1],
    (9, 8): [5, 1, 2, 1, 2, 1, 4, 1, 2, 1, 2, 1, 4, 1, 2, 1, 2, 1],
}
RARE = {(9, 8): 0.03}  # how much more it must correlate with the notes than the others
PLAIN = 0.03  # how much more any must correlate with them than 4/4 from the first beat on
LONG, CHORD = 2.0, 2.0  # the longest length that adds weight, in beats; the weight of a chord


def find_meter(notes: Iterable[Note], told: tuple[int, int] | None = None) -> tuple[tuple[int, int], float]:
    """The meter of some notes, and where its first bar line is, in beats after 0 and less than a bar.

    4/4 (for 2/2 and 2/4 too), 3/4, 6/8 or 9/8; 4/4 from 0 on where no other is clearly better.  Drums do not count.
    told: one of them; only the bar line is looked for.
    Of the embedded tunes, which have chords on the bar lines, it finds the written meter of 98 in 100; of their
    melodies without the chords, of a third.
    """
    together: dict[int, list[float]] = {}  # by sixteenths from 0 on: how long the notes are that begin there
    for note in notes:
        if not note.drum:
            together.setdefault(math.floor(note.start * PLACES + 0.5), []).append(note.duration)
    plain = (told or (4, 4), 0.0)
    if len(together) < 8:
        return plain
    places = np.array(list(together))
    accents = np.array([1 + min(max(beats), LONG) + CHORD * (len(beats) > 1) for beats in together.values()])
    total = int(places.max()) + PLACES
    spread = math.sqrt(max(float(accents @ accents) - float(accents.sum()) ** 2 / total, 0.0) * total)
    if spread == 0.0:
        return plain
    fits: dict[tuple[tuple[int, int], float], float] = {}
    for meter, strengths in PATTERNS.items() if told is None else [(told, PATTERNS[told])]:
        pattern = np.array(strengths) - np.mean(strengths)
        folded = np.bincount(places % len(pattern), accents, len(pattern))
        for shift in range(len(pattern)):
            fit = float(folded @ np.roll(pattern, shift)) / (spread * float(pattern.std()))
            fits[meter, shift / PLACES] = fit - RARE.get(meter, 0.0)
    best = max(fits, key=lambda place: fits[place])
    return best if fits[best] > fits[plain] + PLAIN else plain


def on_bars(notes: Iterable[Note], told: tuple[int, int] | None = None) -> tuple[list[Note], tuple[int, int]]:
    """The notes, moved later by less than a bar so that bar lines are where whole bars end, and their meter."""
    notes = list(notes)
    meter, first = find_meter(notes, told)
    later = -first % (4 * meter[0] / meter[1])
    return [note._replace(start=note.start + later) for note in notes], meter


def on_strong_beats(notes: Iterable[Note]) -> float:
    """The share of the chords that begin on a strong beat of find_meter's bars; nan if there is no chord.

    Strong are the first beat and, where a bar has two or three parts of the same length, the first of each.
    """
    notes = [note for note in notes if not note.drum]
    meter, first = find_meter(notes)
    chords = [start for start, count in Counter(note.start for note in notes).items() if count > 1]
    strong = [place / PLACES for place, strength in enumerate(PATTERNS[meter]) if strength >= 4]
    bar = len(PATTERNS[meter]) / PLACES
    kept = sum(any(abs((start - first - beat + bar / 2) % bar - bar / 2) < 1e-3 for beat in strong) for start in chords)
    return kept / len(chords) if chords else math.nan
