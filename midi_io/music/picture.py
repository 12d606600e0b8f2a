"""Notes as a picture: a piano roll, in rows of bars like the systems of a score."""

import io
import logging
import math
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from midi_io.disk import StrPath, printable, write_whole
from midi_io.music.instruments import INSTRUMENTS
from midi_io.notes import Note, melody, pitch_name

SYSTEMS, BARS, MOST_BARS = 6, 17, 32  # of a picture at most; of a system (16 and an upbeat); of one in a long song
BLACK_KEYS = (1, 3, 6, 8, 10)
# Okabe and Ito's colours, which the colour-blind can tell apart; the first two are melody and chords
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8C6BB1", "#767676")
DRUM_COLOUR = "#4D4D4D"
INCHES_PER_PITCH, MOST_INCHES = 0.075, 3.5  # of a system


@contextmanager
def drawing_style(sizes: Mapping[str, Any]) -> Iterator[None]:
    """Inside, matplotlib draws with its defaults and `sizes`, whatever the user's matplotlibrc or MPLBACKEND says."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns of a HOME that it cannot write to
    backend = os.environ.pop("MPLBACKEND", None)  # Jupyter names one that may not be installed here
    try:
        from matplotlib import style
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    with style.context(["default", dict(sizes)]):
        yield


def draw_piano_roll(notes: Iterable[Note], path: StrPath, *, title: str = "", meter: tuple[int, int] = (4, 4)) -> None:
    """Write a PNG: bars from left to right, pitches from low to high, a colour for each instrument.

    Where there is one instrument, the melody has a colour of its own.  Drums are drawn below, a line for each sound.
    Of a song too long for one picture, the beginning is drawn, and the title says so.  Letters that the font lacks
    become boxes.  Raises MidiError.
    """
    notes = sorted(notes, key=lambda note: (note.start, note.pitch))
    if not 0.5 <= meter[0] * 4 / meter[1] <= 32:  # a file may give any meter
        meter = (4, 4)
    beats = meter[0] * 4 / meter[1]  # of a bar
    bars = max(1, math.ceil(max((note.start + note.duration for note in notes), default=0) / beats - 1e-6))
    systems = min(SYSTEMS, math.ceil(bars / BARS))
    per_system = min(MOST_BARS, math.ceil(bars / systems))
    remark = f"(the first {systems * per_system:,} of {bars:,} bars)" if systems * per_system < bars else ""
    parts, rows = _parts(notes), _rows(notes)
    with drawing_style({"font.size": 10}):
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch

        height = min(MOST_INCHES, INCHES_PER_PITCH * (max(rows.values()) - min(rows.values()) + 2))
        figure = Figure(figsize=(13, 1.1 + systems * (height + 0.3)), layout="constrained")
        panels = figure.subplots(systems, squeeze=False)[:, 0]
        for system, axes in enumerate(panels):
            _draw_system(axes, parts, rows, system * per_system, per_system, beats)
        panels[-1].set_xlabel(f"bar  (meter {meter[0]}/{meter[1]})")
        heading = f"{printable(' '.join(title.split()))[:90]}   {remark if notes else '(no notes)'}"
        figure.suptitle(heading.strip(), x=0.01, ha="left", fontsize=13, parse_math=False)
        if len(parts) > 1:
            handles = [Patch(color=colour, label=name) for name, colour, _ in parts]
            figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(handles)), frameon=False)
        png = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # letters that the font lacks
            figure.savefig(png, format="png", dpi=100, pil_kwargs={"compress_level": 9})
    write_whole(path, png.getvalue())


Part = tuple[str, str, list[Note]]  # name, colour, notes


def _parts(notes: Sequence[Note]) -> list[Part]:
    """The notes by instrument, most notes first; or by melody and chord, where there is one instrument alone."""
    pitched = [note for note in notes if not note.drum]
    ranked = [program for program, _ in Counter(note.program for note in pitched).most_common()]
    if len(ranked) == 1:
        named = dict(zip(("highest voice", "below it"), melody(pitched), strict=True))
    else:
        named = {name: [] for name in [*(INSTRUMENTS[program] for program in ranked[: len(COLOURS) - 1]), "others"]}
        for note in pitched:
            named.get(INSTRUMENTS[note.program], named["others"]).append(note)
    parts = [(name, colour, its_notes) for (name, its_notes), colour in zip(named.items(), COLOURS, strict=False)]
    return [part for part in [*parts, ("drums", DRUM_COLOUR, [note for note in notes if note.drum])] if part[2]]


def _rows(notes: Sequence[Note]) -> dict[tuple[bool, int], int]:
    """The height of each pitch, by (drum, pitch): an octave at least, in semitones; drums stand below, without gaps."""
    pitches = [note.pitch for note in notes if not note.drum] or [60]
    low, high = min(pitches), max(pitches)
    spare = max(0, 12 - (high - low))
    low, high = low - spare // 2, high + spare - spare // 2
    drums = sorted({note.pitch for note in notes if note.drum}, reverse=True)
    rows = {(True, pitch): low - 3 - place for place, pitch in enumerate(drums)}
    return rows | {(False, pitch): pitch for pitch in range(low, high + 1)}


def _draw_system(
    axes: Any, parts: Sequence[Part], rows: dict[tuple[bool, int], int], bar: int, bars: int, beats: float
) -> None:
    """Bars `bar` to `bar + bars`."""
    from matplotlib.collections import PolyCollection

    first, last = bar * beats, (bar + bars) * beats
    span = min(rows.values()) - 1, max(rows.values()) + 1
    pitches = [pitch for drum, pitch in rows if not drum]
    black = [pitch for pitch in pitches if pitch % 12 in BLACK_KEYS]
    axes.barh(black, last - first, 1, first, color="#F0F0F0", zorder=0)
    axes.hlines([pitch - 0.5 for pitch in pitches if pitch % 12 == 0], first, last, color="#B0B0B0", linewidth=0.8)
    axes.vlines([first + k * beats for k in range(bars + 1)], *span, color="#9A9A9A", linewidth=0.9)
    for _, colour, notes in reversed(parts):
        boxes = []
        for note in notes:
            if note.start < last and note.start + note.duration >= first:
                # a gap between repeated notes, so that one can count them
                end = note.start + max(0.06, note.duration - min(0.08, 0.2 * note.duration))
                low = rows[note.drum, note.pitch] - 0.45
                boxes.append([(note.start, low), (end, low), (end, low + 0.9), (note.start, low + 0.9)])
        axes.add_collection(PolyCollection(boxes, facecolor=colour, linewidth=0, zorder=3), autolim=False)
    axes.set_yticks(named := [pitch for pitch in pitches if pitch % 12 == 0], list(map(pitch_name, named)))
    axes.set_xticks([first + k * beats for k in range(bars)], [str(bar + k + 1) for k in range(bars)])
    axes.tick_params(length=0)
    axes.set_xlim(first, last)
    axes.set_ylim(*span)
    axes.spines[:].set_visible(False)
