"""Movements of string quartets out of the scores (MusicXML) that come with music21, bar by bar."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from midi_io import Note, Song

PROGRAMS = (40, 40, 41, 42)  # two violins, viola, cello
VELOCITY = 80

# Folder: work, then movement and quarter notes a minute of each file.  Few of the files name a tempo: these are ours.
WORKS: dict[str, tuple[str, list[tuple[str, int]]]] = {
    "haydn/opus1no1": (
        "Haydn: String Quartet in B flat, Op. 1 No. 1",
        [("I. Presto", 165), ("II. Menuetto", 120), ("III. Adagio", 56), ("IV. Menuetto", 120), ("V. Presto", 132)],
    ),
    "haydn/opus74no1": (
        "Haydn: String Quartet in C, Op. 74 No. 1",
        [("I. Allegro", 132), ("II. Andantino grazioso", 60), ("III. Menuetto", 160), ("IV. Vivace", 138)],
    ),
    "mozart/k80": (
        "Mozart: String Quartet in G, K. 80",
        [("I. Adagio", 60), ("II. Allegro", 138), ("III. Menuetto", 120), ("IV. Rondeau", 160)],
    ),
    "mozart/k155": (
        "Mozart: String Quartet in D, K. 155",
        [("I. Allegro", 138), ("II. Andante", 72), ("III. Molto allegro", 138)],
    ),
    "mozart/k156": (
        "Mozart: String Quartet in G, K. 156",
        [("I. Presto", 140), ("II. Adagio", 50), ("III. Tempo di Menuetto", 120), ("Adagio, first version", 50)],
    ),
    "mozart/k458": (
        "Mozart: String Quartet in B flat, K. 458",
        [("I. Allegro vivace assai", 165), ("II. Menuetto", 108), ("III. Adagio", 46), ("IV. Allegro assai", 144)],
    ),
    "beethoven/opus18no1": (
        "Beethoven: String Quartet in F, Op. 18 No. 1",
        [
            ("I. Allegro con brio", 150),
            ("II. Adagio affettuoso ed appassionato", 69),
            ("III. Scherzo", 240),
            ("IV. Allegro", 120),
        ],
    ),
}


def movements(corpus: Path) -> Iterator[tuple[str, Song]]:
    """The file in music21's corpus, and the song, of every movement."""
    from music21 import converter

    for folder, (work, parts) in WORKS.items():
        for number, (name, bpm) in enumerate(parts, 1):
            source = f"{folder}/movement{number}.mxl"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the scores have repeat signs that do not match; we play each bar once
                score = converter.parse(corpus / source)
            meter = score.parts[0].recurse().getElementsByClass("TimeSignature")[0]
            notes = notes_of(score, Fraction(meter.barDuration.quarterLength))
            yield source, Song(notes, f"{work}, {name}", bpm, (meter.numerator, meter.denominator))


def notes_of(score, bar: Fraction) -> list[Note]:  # type: ignore[no-untyped-def]
    """The notes of the four parts, each bar once, without grace notes and first endings.

    The parts are set beside one another bar by bar, each bar as long as most of them have it: then a slip in one bar of
    one part does not push it away from the others for the rest of the movement.  An upbeat ends on a bar line.
    """
    parts = [list(part.getElementsByClass("Measure")) for part in score.parts]
    if len(parts) != len(PROGRAMS) or len({len(measures) for measures in parts}) != 1:
        raise ValueError("not four parts of as many bars")
    left_out = first_endings(score.parts[0])
    notes: list[Note] = []
    sounding: dict[tuple[int, int], tuple[Fraction, Fraction]] = {}  # part and pitch of a tied note: start, end
    now = Fraction(0)
    for index, measures in enumerate(zip(*parts, strict=True)):
        if index in left_out:
            continue
        length = bar_length(measures)
        if now == 0 and length < bar:
            now = bar - length
        for part, measure in enumerate(measures):
            for element in measure.flatten().notes:
                start, end = Fraction(element.offset), Fraction(element.offset) + Fraction(element.quarterLength)
                if element.duration.isGrace or start >= length:
                    continue
                start, end = now + start, now + min(end, length)
                for note in getattr(element, "notes", [element]):
                    key = part, note.pitch.midi
                    tie = note.tie.type if note.tie else None
                    if tie in ("stop", "continue") and key in sounding and sounding[key][1] == start:
                        start = sounding.pop(key)[0]
                    if tie in ("start", "continue"):
                        sounding[key] = start, end
                    else:
                        notes.append(played(key, start, end))
        now += length
        for key in [key for key, (_, end) in sounding.items() if end < now]:  # a tie to nothing
            notes.append(played(key, *sounding.pop(key)))
    notes += [played(key, start, end) for key, (start, end) in sounding.items()]
    return sorted(notes, key=lambda note: (note.start, note.program, note.pitch, note.duration))


def played(key: tuple[int, int], start: Fraction, end: Fraction) -> Note:
    part, pitch = key
    return Note(pitch, float(start), float(end - start), VELOCITY, PROGRAMS[part])


def bar_length(measures) -> Fraction:  # type: ignore[no-untyped-def]
    """What most of the parts say that this bar lasts; if they cannot agree, what the meter says."""
    lengths = Counter(Fraction(measure.highestTime) for measure in measures)
    length, votes = lengths.most_common(1)[0]
    return length if votes > len(measures) / 2 else Fraction(measures[0].barDuration.quarterLength)


def first_endings(part) -> set[int]:  # type: ignore[no-untyped-def]
    """The bars, counted from 0, under a bracket that another bracket follows."""
    index = {measure.id: place for place, measure in enumerate(part.getElementsByClass("Measure"))}
    spans = []
    for bracket in part.recurse().getElementsByClass("RepeatBracket"):
        places = [index[measure.id] for measure in bracket.getSpannedElements()]
        spans.append((min(places), max(places)))
    spans.sort()
    return {
        place
        for (first, last), (following, _) in pairwise(spans)
        if following == last + 1
        for place in range(first, last + 1)
    }
