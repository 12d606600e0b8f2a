"""The gate microscope: what every unit of a trained network does at each note of a song, above its piano roll.

python -m docs.microscope runs/1                                # the first test song of a run
python -m docs.microscope runs/1 SONG.mid --out tune            # tune-gates.png, tune-cells.png, tune-units.png

Prints which units follow something that a musician would name; experiment/listening.py says how.  Draws three
slides of 16:9: the gates, the cells, and the units that follow something.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from experiment import plots
from experiment.command.arguments import Parser
from experiment.command.outcome import outcome
from experiment.folder import RunError
from experiment.listening import LEARNED, QUANTITIES, Finding, Reading, activations, hear, search
from experiment.tunes import Composer
from lstm_numpy.files import Array, reading
from lstm_numpy.parameters import init_params
from midi_io import read_song
from midi_io.notes import melody, pitch_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS_OF_A_HEAT_MAP = 12  # few, so that the file stays small
MOST_FOLLOWERS = 6  # on one slide
SLIDE = (12.8, 7.2)  # inches; at 125 dots an inch 1600 by 900 points
TITLES = {
    "i": "input gate i\nwrite",
    "f": "forget gate f\nkeep",
    "o": "output gate o\nshow",
    "g": "candidate g\nwhat to write",
    "c": "cell\ntanh(c)",
    "h": "hidden state h",
}


class Subject(NamedTuple):
    """A network, the song that is drawn, and the songs on which units are searched."""

    composer: Composer
    layer: int
    song: Reading
    valid: list[Reading]
    test: list[Reading]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog="python -m docs.microscope", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add, out = parser.add_argument, Path("microscope")
    add("run", type=Path, metavar="RUN", help="a run's folder")
    add("song", nargs="?", type=Path, metavar="SONG.mid", help="default: the first test song")
    add("--layer", type=int, metavar="N", help="which LSTM layer, from 1 (default: the last)")
    add(
        "--out",
        type=Path,
        default=out,
        metavar="NAME",
        help=f"the slides are NAME-gates.png and so on (default: {out})",
    )
    args = parser.parse_args(arguments)
    return outcome(parser.prog, lambda _: draw_song(args.run, args.out, args.song, args.layer))


def draw_song(run: Path, out: Path, song: Path | None = None, layer: int | None = None) -> None:
    """Print the findings and write the three slides.  RunError, CheckpointError, MidiError, OSError."""
    subject = load(run, song, layer)
    rng = np.random.default_rng(1)
    fresh = init_params(subject.composer.checkpoint.config, rng)
    findings = search(subject.composer.params, fresh, subject.layer, subject.valid, subject.test, rng)
    findings.sort(key=lambda finding: -abs(finding.heard))
    print(table(findings, subject))
    learned = [finding for finding in findings if finding.verdict == LEARNED]
    for name, png in slides(subject, learned).items():
        path = out.with_name(f"{out.name}-{name}.png")
        path.write_bytes(png)
        print(f"{path}: {len(png) / 1000:.0f} kB")


def load(run: Path, song: Path | None, layer: int | None) -> Subject:
    composer = Composer.load(run)
    layers = composer.checkpoint.config.layers
    layer = layers if layer is None else layer
    if not 1 <= layer <= layers:
        raise RunError(f"--layer {layer}: the network of {run} has layers 1 to {layers}")

    def read(path: Path) -> Reading:
        heard = read_song(path)
        with reading(path, RunError):
            return Reading.of(heard, composer.vocabulary, composer.context)

    with (run / "songs.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    valid, test = ([read(Path(row["path"])) for row in rows if row["split"] == part] for part in ("valid", "test"))
    if not valid or not test:
        raise RunError(f"{run}: the microscope needs valid and test songs; this run has none")
    return Subject(composer, layer, read(song) if song else test[0], valid, test)


def table(findings: Sequence[Finding], subject: Subject) -> str:
    """The findings, as lines."""
    notes = [sum(len(reading.onsets) for reading in part) for part in (subject.valid, subject.test)]
    lines = [
        f"Found on {len(subject.valid)} valid songs ({notes[0]:,} moments), heard on {len(subject.test)} test songs "
        f"({notes[1]:,} moments).",
        "",
        f"{'':23} {'best unit':10} {'r found':>8} {'r heard':>8} {'chance':>8} {'fresh':>8}",
    ]
    for finding in findings:
        unit = f"{finding.quantity} of {finding.unit}"
        numbers = f"{finding.r:8.2f} {finding.heard:8.2f} {finding.chance:8.2f} {finding.fresh:8.2f}"
        lines.append(f"{finding.name:23} {unit:10} {numbers}   {finding.verdict}".rstrip())
    return "\n".join(lines)


# The slides.


def slides(subject: Subject, followers: Sequence[Finding]) -> dict[str, bytes]:
    """PNG files by name: three heat maps and the piano roll, twice; and the units that follow something."""
    song = subject.song
    rows = activations(subject.composer.params, song, subject.layer)
    order = np.argsort(rows[:, QUANTITIES.index("f")].mean(axis=0))  # short memories first, so the longest on top
    best_of_its_unit = {(finding.quantity, finding.unit): finding for finding in reversed(followers)}
    shown = sorted(best_of_its_unit.values(), key=lambda finding: -abs(finding.heard))[:MOST_FOLLOWERS]
    with plots.style():
        pages = {}
        for name, title, quantities in (
            ("gates", "the gates of all units", "ifo"),
            ("cells", "what all units write, know and show", "gch"),
        ):
            figure, (*maps, last) = slide(song, title, [1.5] * 3 + [1.6])
            for panel, quantity in zip(maps, quantities, strict=True):
                heat_map(panel, song, rows[:, QUANTITIES.index(quantity), order], quantity)
            roll(last, song)
            pages[name] = figure
        if shown:
            figure, (*lines, last) = slide(song, "units that follow something", [0.75] * len(shown) + [1.6])
            for panel, finding in zip(lines, shown, strict=True):
                values = rows[:, QUANTITIES.index(finding.quantity), finding.unit]
                follower(panel, song, values, hear(song)[finding.name], finding)
            roll(last, song)
            pages["units"] = figure
        return {name: png(figure) for name, figure in pages.items()}


def slide(song: Reading, title: str, heights: Sequence[float]) -> tuple[Figure, list[Axes]]:
    """An empty slide: panels over the same beats, numbered by bars."""
    figure = plots.empty_figure(*SLIDE)
    axes = list(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights))
    bar = song.bar
    first = np.floor(song.onsets[0] / bar)
    bars = np.arange(first, np.ceil(song.ends[-1] / bar))
    bars = bars[:: -(-len(bars) // 24)]  # labels that do not overlap
    axes[-1].set_xticks(bars * bar, [f"{number - first + 1:.0f}" for number in bars])
    axes[-1].set_xlim(first * bar, song.ends[-1])
    axes[-1].set_xlabel(f"bar  (meter {song.song.meter[0]}/{song.song.meter[1]})", fontsize=14)
    figure.suptitle(f"{song.song.title}: {title}", x=0.01, ha="left", fontsize=18, parse_math=False)
    return figure, axes


def png(figure: Figure) -> bytes:
    """A small file: few colours."""
    import PIL.Image

    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=125)
    image = PIL.Image.open(drawn).convert("RGB").quantize(64, dither=PIL.Image.Dither.NONE)
    image.save(small, format="png", optimize=True)
    return small.getvalue()


def heat_map(panel: Axes, song: Reading, values: Array, quantity: str) -> None:
    """values (n, H), a row of the picture for each unit."""
    import matplotlib

    gate = quantity in "ifo"
    if quantity == "c":
        values = np.tanh(values)  # a few cells grow to 20 and more: beside them the others would be pale
    colours = matplotlib.colormaps["Blues" if gate else "RdBu_r"].resampled(COLOURS_OF_A_HEAT_MAP)
    edges = np.append(song.onsets, song.ends[-1])
    units = np.arange(values.shape[1] + 1)
    mesh = panel.pcolormesh(edges, units, values.T, cmap=colours, vmin=0 if gate else -1, vmax=1, rasterized=True)
    panel.figure.colorbar(mesh, ax=panel, pad=0.01, aspect=12, shrink=0.9)
    panel.set_ylabel(TITLES[quantity], fontsize=13)
    panel.set_yticks([])
    panel.grid(visible=False)


def follower(panel: Axes, song: Reading, values: Array, said: Array, finding: Finding) -> None:
    """The unit as a line, and what it follows as a shade."""
    edges = np.append(song.onsets, song.ends[-1])
    low, high = float(values.min()), float(values.max()) + 1e-9
    lightest, darkest = (float(said.min()), float(said.max()) + 1e-9) if said.max() > 1 else (0.0, 1.0)
    shade: Any = ((said - lightest) / (darkest - lightest))[None, :]
    panel.pcolormesh(edges, [low, high], shade, cmap="Greys", vmin=0, vmax=3, rasterized=True)
    panel.stairs(values, edges, baseline=None, color=plots.VERMILION, linewidth=1.3)
    panel.set_ylim(low, high)
    panel.set_yticks([])
    panel.grid(visible=False)
    label = f"{finding.name}\n{finding.quantity} of unit {finding.unit}\nr = {finding.heard:.2f}"
    panel.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=13)


def roll(panel: Axes, song: Reading) -> None:
    top, below = melody(note for note in song.song.notes if not note.drum)
    for notes, colour in ((below, plots.ORANGE), (top, plots.BLUE)):
        pitches = [note.pitch for note in notes]
        ends = [note.start + 0.92 * note.duration for note in notes]
        panel.hlines(pitches, [note.start for note in notes], ends, color=colour, linewidth=5)
    pitches = [note.pitch for note in top + below]
    named = [pitch for pitch in range(min(pitches), max(pitches) + 1) if pitch % 12 in (0, 7)]
    panel.set_yticks(named, [pitch_name(pitch) for pitch in named])
    panel.set_ylim(min(pitches) - 2, max(pitches) + 2)


if __name__ == "__main__":
    sys.exit(main())
