"""What a musician would count of each instrument of a band: families of instruments, and the drums as one more."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from midi_io.music.instruments import FAMILIES
from midi_io.music.meter import PATTERNS, PLACES, find_meter
from midi_io.music.statistics import bars_heard_before
from midi_io.notes import Note

MOST = 4  # families that are shown beside the drums
WHAT = {  # the same of each: what it is in words, and how its mean and standard deviation are written
    "share": ("share of the notes", "{:.0%} ± {:.0%}"),
    "pitch": ("mean pitch", "{:.0f} ± {:.0f}"),
    "on_eighths": ("begins on an eighth", "{:.0%} ± {:.0%}"),
    "bars_repeated": ("bars heard before", "{:.0%} ± {:.0%}"),
}


def band_rows(pieces: Iterable[Sequence[Note]]) -> dict[str, tuple[str, str]]:
    """The rows of a table, as statistics.ROWS has them: for the drums, and for the families that play most notes.

    None where one family plays alone.
    """
    played: dict[str, int] = {}
    for note in (note for piece in pieces for note in piece):
        played[_name(note)] = played.get(_name(note), 0) + 1
    if len(played) < 2:
        return {}
    names = sorted(played, key=lambda name: (name != "drums", -played[name]))[: MOST + ("drums" in played)]
    return {
        f"{name}_{key}": (f"{name}: {words}", form)
        for name in names
        for key, (words, form) in WHAT.items()
        if (name, key) != ("drums", "pitch")
    }


def band_figures(notes: Iterable[Note]) -> dict[str, float]:
    """The figures of one piece by the names of band_rows; all that a family which does not play has is a share of 0.

    Bars are find_meter's, which hears the pitched notes.
    """
    notes = sorted(notes, key=lambda note: (note.start, note.pitch))
    meter, first = find_meter(notes)
    bar = len(PATTERNS[meter]) / PLACES
    found = {f"{name}_share": 0.0 for name in (*FAMILIES, "drums")}
    of_family: dict[str, list[Note]] = {}
    for note in notes:
        of_family.setdefault(_name(note), []).append(note)
    for name, own in of_family.items():
        found[f"{name}_share"] = len(own) / len(notes)
        found[f"{name}_pitch"] = sum(note.pitch for note in own) / len(own)
        found[f"{name}_on_eighths"] = sum(
            math.isclose(2 * n.start, round(2 * n.start), abs_tol=1e-3) for n in own
        ) / len(own)
        found[f"{name}_bars_repeated"] = bars_heard_before(own, first, bar)
    return found


def _name(note: Note) -> str:
    return "drums" if note.drum else tuple(FAMILIES)[note.program // 8]
