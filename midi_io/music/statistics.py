"""What a musician would count in a piece, and a table that sets generated pieces beside others.

In a whole piece drums count for its length alone.  The melody is what begins with no higher note sounding.
"""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from midi_io.disk import Array
from midi_io.music.instruments import FAMILIES
from midi_io.music.meter import PATTERNS, PLACES, find_meter, on_strong_beats
from midi_io.notes import Note, melody

PHRASE = 8  # bars
FEWEST = 10  # pieces on each side, below which a difference means nothing
RUN = 8  # notes: what is heard again after so many is heard as a repetition
MAJOR = (0, 2, 4, 5, 7, 9, 11)  # the white keys; every mode is one of the twelve places of this scale

# How much of a piece each degree above the tonic is, in major and in minor (Albrecht and Shanahan 2013)
_SHARES = np.array(
    [
        [0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081],
        [0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052],
    ]
)
_CENTRED = _SHARES - _SHARES.mean(axis=1, keepdims=True)
KEYS = np.stack([np.roll(fit, tonic) / np.linalg.norm(fit) for fit in _CENTRED for tonic in range(12)])  # major, minor

ROWS = {  # name: what it is in words, and how its mean and standard deviation are written
    "beats": ("length in beats", "{:.0f} ± {:.0f}"),
    "bars": ("length in bars, without an upbeat", "{:.0f} ± {:.0f}"),
    "whole_phrases": ("a multiple of 8 bars long", "{:.0%}"),
    "notes_per_beat": ("notes begun in a beat", "{:.2f} ± {:.2f}"),
    "on_strong_beats": ("chords that begin on a strong beat", "{:.0%} ± {:.0%}"),
    "note_length": ("melody: beats that a note lasts", "{:.2f} ± {:.2f}"),
    "note_lengths": ("melody: how many different lengths", "{:.1f} ± {:.1f}"),
    "interval": ("melody: semitones to the next note", "{:.2f} ± {:.2f}"),
    "same": ("melody: the same note again", "{:.0%} ± {:.0%}"),
    "steps": ("melody: steps (1 or 2 semitones)", "{:.0%} ± {:.0%}"),
    "leaps": ("melody: leaps (5 semitones or more)", "{:.0%} ± {:.0%}"),
    "repeated": (f"melody: {RUN} notes heard before", "{:.0%} ± {:.0%}"),
    "bars_repeated": ("melody: bars heard before", "{:.0%} ± {:.0%}"),
    "pitch_entropy": ("variety of pitch classes, in bits", "{:.2f} ± {:.2f}"),
    "in_key": ("notes in the key", "{:.1%} ± {:.1%}"),
    "begins_at_home": ("first chord stands on the tonic", "{:.0%}"),
    "ends_at_home": ("last bass note is the tonic", "{:.0%}"),
}

MOST = 4  # families of instruments that are shown beside the drums
BAND_ROWS = {  # the same of each
    "share": ("share of the notes", "{:.0%} ± {:.0%}"),
    "pitch": ("mean pitch", "{:.0f} ± {:.0f}"),
    "on_eighths": ("begins on an eighth", "{:.0%} ± {:.0%}"),
    "bars_repeated": ("bars heard before", "{:.0%} ± {:.0%}"),
}


def figures(notes: Iterable[Note], *, whole: bool = True) -> dict[str, float]:
    """The figures of one piece, by the names of ROWS; nan for what it has none of (a single note has no interval).

    Bars and strong beats are those of find_meter.  A move goes from one melody note to the next.  "Heard before" means
    the same pitches in the same rhythm.  The key is the diatonic scale (of twelve) that holds most notes; the modes,
    natural minor among them, have the same notes.  The tonic is tonic_of's.  begins_at_home looks at the lowest note of
    the first chord (or of the first notes), ends_at_home at the lowest note that sounds when the last one begins.
    pitch_entropy and in_key are pitch_class_entropy and scale_consistency of MusPy (Dong et al. 2020).
    whole: False for a piece that was cut: then it has no length and no end.
    """
    everything = sorted(notes, key=lambda note: (note.start, note.pitch))
    pitched = [note for note in everything if not note.drum]
    if not pitched:
        return dict.fromkeys(ROWS, math.nan)
    beats = max(note.start + note.duration for note in everything) - everything[0].start
    top, _ = melody(pitched)
    moves = np.array([abs(after.pitch - note.pitch) for note, after in pairwise(top)])
    steps = [(note.pitch, round(after.start - note.start, 6)) for note, after in pairwise(top)]
    meter, first = find_meter(pitched)
    bar = len(PATTERNS[meter]) / PLACES
    end = max(note.start + note.duration for note in pitched)
    bars = math.ceil((end - first) / bar - 1e-6) - math.ceil((pitched[0].start - first) / bar - 1e-6)
    counts = np.bincount([note.pitch % 12 for note in pitched], minlength=12)
    p = counts[counts > 0] / counts.sum()
    tonic, _ = tonic_of(pitched)
    struck = Counter(note.start for note in pitched)
    chord = next((start for start, count in struck.items() if count > 1), pitched[0].start)
    bass = min(note.pitch for note in pitched if note.start == chord)
    last = pitched[-1].start
    sounding = [note.pitch for note in pitched if note.start == last or note.start + note.duration > last + 1e-6]
    found = {
        "beats": beats, "bars": bars, "whole_phrases": bars % PHRASE == 0,
        "notes_per_beat": len(pitched) / beats if beats > 0 else math.nan,
        "on_strong_beats": on_strong_beats(pitched),
        "note_length": _mean([note.duration for note in top]),
        "note_lengths": len({round(note.duration, 6) for note in top}),
        "interval": _mean(moves), "same": _mean(moves == 0),
        "steps": _mean((moves == 1) | (moves == 2)), "leaps": _mean(moves >= 5),
        "repeated": _heard_before([tuple(steps[k : k + RUN]) for k in range(len(steps) - RUN + 1)]),
        "bars_repeated": _bars_heard_before(top, first, bar),
        "pitch_entropy": max(0.0, -float(p @ np.log2(p))),
        "in_key": max(sum(counts[(home + above) % 12] for above in MAJOR) for home in range(12)) / len(pitched),
        "begins_at_home": bass % 12 == tonic, "ends_at_home": min(sounding) % 12 == tonic,
    }  # fmt: skip
    if not whole:
        found |= dict.fromkeys(("beats", "bars", "whole_phrases", "ends_at_home"), math.nan)
    return {name: float(value) for name, value in found.items()}


def tonic_of(notes: Iterable[Note]) -> tuple[int, bool]:
    """The key of some notes: its tonic (0 is C, 11 is B), and whether it is a minor key.

    Of 24 keys the one whose profile goes most with how long each pitch class sounds: the method of Krumhansl and
    Schmuckler with the profiles of Albrecht and Shanahan, which find 96 of 100 tonics of the embedded tunes, where
    those of Krumhansl and Kessler find 82.  Drums do not count; C major if nothing speaks.
    """
    sounds = np.zeros(12)
    for note in notes:
        if not note.drum:
            sounds[note.pitch % 12] += max(note.duration, 1e-3)
    minor, tonic = divmod(int(np.argmax(KEYS @ sounds)), 12)
    return tonic, bool(minor)


def _mean(values: Sequence[float] | Array) -> float:
    return float(sum(values) / len(values)) if len(values) else math.nan


def _heard_before(passages: Sequence[Hashable]) -> float:
    """The share of passages that stand earlier, too."""
    return 1 - len(set(passages)) / len(passages) if passages else math.nan


def _bars_heard_before(notes: Iterable[Note], first: float, bar: float) -> float:
    """The share of the bars with notes that repeat an earlier one; a bar lasts `bar` beats, one begins at `first`."""
    heard: dict[int, list[tuple[int, float]]] = {}
    for note in notes:
        number = math.floor((note.start - first) / bar + 1e-6)
        heard.setdefault(number, []).append((note.pitch, round(note.start - first - number * bar, 6)))
    return _heard_before([tuple(bar_notes) for bar_notes in heard.values()])


def band_rows(pieces: Iterable[Sequence[Note]]) -> dict[str, tuple[str, str]]:
    """More ROWS: for the drums, and for the MOST families of instruments that play most notes; {} for one alone."""
    played = Counter(_family(note) for piece in pieces for note in piece)
    names = sorted(played, key=lambda name: (name != "drums", -played[name]))[: MOST + ("drums" in played)]
    return {
        f"{name}_{key}": (f"{name}: {words}", form)
        for name in names
        for key, (words, form) in BAND_ROWS.items()
        if len(played) > 1 and (name, key) != ("drums", "pitch")
    }


def band_figures(notes: Iterable[Note]) -> dict[str, float]:
    """The figures of one piece by the names of band_rows; all that a family which does not play has is a share of 0.

    Bars are find_meter's, which hears the pitched notes.
    """
    notes = sorted(notes, key=lambda note: (note.start, note.pitch))
    meter, first = find_meter(notes)
    found = {f"{name}_share": 0.0 for name in (*FAMILIES, "drums")}
    of_family: dict[str, list[Note]] = {}
    for note in notes:
        of_family.setdefault(_family(note), []).append(note)
    for name, own in of_family.items():
        found[f"{name}_share"] = len(own) / len(notes)
        found[f"{name}_pitch"] = _mean([note.pitch for note in own])
        found[f"{name}_on_eighths"] = _mean([abs(2 * n.start - round(2 * n.start)) <= 1e-3 for n in own])
        found[f"{name}_bars_repeated"] = _bars_heard_before(own, first, len(PATTERNS[meter]) / PLACES)
    return found


def _family(note: Note) -> str:
    return "drums" if note.drum else tuple(FAMILIES)[note.program // 8]


class Comparison(NamedTuple):
    """One figure over two sets of pieces: mean and standard deviation; None where no piece has it."""

    written: tuple[float, float] | None
    others: tuple[float, float] | None
    verdict: str  # higher or lower, where the means are further apart than one standard deviation of the others


def compare(
    written: Sequence[Mapping[str, float]], others: Sequence[Mapping[str, float]], rows: Iterable[str] = ROWS
) -> dict[str, Comparison]:
    """The figures of generated pieces beside those of others, by the names of rows.

    There is no verdict where one side has fewer than FEWEST pieces: too few to say anything.
    """
    compared = {}
    for name in rows:
        values = [[x for piece in side if not math.isnan(x := piece.get(name, math.nan))] for side in (written, others)]
        ours, theirs = [(float(np.mean(side)), float(np.std(side))) if side else None for side in values]
        verdict = ""
        if ours and theirs and min(map(len, values)) >= FEWEST and abs(ours[0] - theirs[0]) > theirs[1] + 1e-9:
            verdict = "higher" if ours[0] > theirs[0] else "lower"
        compared[name] = Comparison(ours, theirs, verdict)
    return compared


def unlike(compared: Mapping[str, Comparison]) -> float:
    """How far apart the means of a row are, on average, in standard deviations of the others, 3 at most.

    Rows that one side has not are left out.
    """
    both = [(one.written[0], *one.others) for one in compared.values() if one.written and one.others]
    apart = [abs(ours - theirs) / (deviation + 0.01 * abs(theirs) + 1e-9) for ours, theirs, deviation in both]
    return float(np.minimum(apart, 3).mean()) if apart else 0.0


def table(compared: Mapping[str, Comparison], rows: Mapping[str, tuple[str, str]] = ROWS) -> str:
    """The comparison as text: mean ± deviation (of yes or no the mean), a word where they differ, what a dash means."""
    lines = [f"{'music':40}{'generated':>14}{'held out':>16}"]
    for name, one in compared.items():
        words, form = rows[name]
        cells = [form.format(*spread) if spread else "-" for spread in one[:2]]
        lines.append(f"  {words:38}{cells[0]:>14}{cells[1]:>16}  {one.verdict}".rstrip())
    if any(None in one[:2] for one in compared.values()):
        lines.append("  -: no piece tells it; a piece that was cut has no length and no end")
    return "\n".join(lines)
