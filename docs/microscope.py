"""The gate microscope: what every unit of a trained network does at each note of a song, above its piano roll.

python -m docs.microscope runs/1                                # the first test song of a run
python -m docs.microscope runs/1 SONG.mid --out microscope.png

Prints which units follow something that a musician would name (experiment/listening.py says how that is found), and
draws them and all others.
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

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from experiment.listening import Array, Finding, Reading
    from lstm_numpy.checkpoint import Checkpoint

COLOURS_OF_A_HEAT_MAP = 12  # few, so that the file stays small
INCHES = {"heat": 1.75, "follower": 0.42, "roll": 2.2}
TITLES = {
    "i": "input gate i\nwrite",
    "f": "forget gate f\nkeep",
    "o": "output gate o\nshow",
    "g": "candidate g\nwhat to write",
    "c": "cell\ntanh(c)",
    "h": "hidden state h",
}


class InputError(Exception):
    """What was given cannot be looked at: one line that says why."""


class Slide(NamedTuple):
    """A network, and songs for it to read."""

    checkpoint: Checkpoint
    layer: int
    song: Reading
    valid: list[Reading]
    test: list[Reading]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m docs.microscope", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder")
    parser.add_argument("song", nargs="?", type=Path, metavar="SONG.mid", help="default: the first test song")
    parser.add_argument("--layer", type=int, metavar="N", help="which LSTM layer, from 1 (default: the last)")
    parser.add_argument("--out", type=Path, default=Path("microscope.png"), metavar="FILE.png")
    args = parser.parse_args(arguments)
    try:
        draw_song(args.run, args.out, args.song, args.layer)
    except InputError as error:
        fault = str(error)
    except OSError as error:
        fault = f"{error.filename or args.out}: {error.strerror or error}"
    else:
        return 0
    print(f"{parser.prog}: error: {fault}", file=sys.stderr)
    return 2


def draw_song(run: Path, picture: Path, song: Path | None = None, layer: int | None = None) -> None:
    """Print the findings, and write the picture.  InputError or OSError where something is amiss."""
    from experiment.listening import LEARNED, search
    from lstm_numpy.parameters import init_params

    slide = load(run, song, layer)
    rng = np.random.default_rng(1)
    fresh = init_params(slide.checkpoint.config, rng)
    findings = search(slide.checkpoint.params, fresh, slide.layer, slide.valid, slide.test, rng)
    findings.sort(key=lambda finding: -abs(finding.heard))
    print(table(findings, slide))
    draw(slide, [finding for finding in findings if finding.verdict == LEARNED], picture)
    print(f"{picture}: {picture.stat().st_size / 1000:.0f} kB")


def load(run: Path, song: Path | None, layer: int | None) -> Slide:
    from experiment.listening import Reading
    from lstm_numpy.checkpoint import CheckpointError, load_checkpoint
    from midi_io import SCHEMES, MidiError, Vocabulary, read_song

    try:
        checkpoint = load_checkpoint(run / "model.npz")
    except CheckpointError as error:
        raise InputError(str(error)) from None
    settings = checkpoint.training.get("settings", {})
    if settings.get("tokens") not in SCHEMES or not isinstance(settings.get("grid"), int):
        raise InputError(f"{run}: does not say how its songs were spelled; is it the folder of a run of train.py?")
    layers = checkpoint.config.layers
    layer = layers if layer is None else layer
    if not 1 <= layer <= layers:
        raise InputError(f"--layer {layer}: the network of {run} has layers 1 to {layers}")

    vocabulary = Vocabulary(checkpoint.vocabulary)

    def reading(path: Path) -> Reading:
        try:
            return Reading.of(read_song(path), vocabulary, settings["tokens"], settings["grid"])
        except MidiError as error:
            raise InputError(str(error)) from None
        except ValueError as error:
            raise InputError(f"{path}: {error}") from None

    with (run / "songs.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    valid, test = ([reading(Path(row["path"])) for row in rows if row["split"] == part] for part in ("valid", "test"))
    if not valid or not test:
        raise InputError(f"{run}: the microscope needs songs that were not trained on, valid and test; there are none")
    return Slide(checkpoint, layer, reading(song) if song else test[0], valid, test)


def table(findings: Sequence[Finding], slide: Slide) -> str:
    """The findings, as lines."""
    notes = [sum(len(reading.onsets) for reading in part) for part in (slide.valid, slide.test)]
    lines = [
        f"Found on {len(slide.valid)} valid songs ({notes[0]:,} moments), heard on {len(slide.test)} test songs "
        f"({notes[1]:,} moments).",
        "",
        f"{'':23} {'best unit':10} {'r found':>8} {'r heard':>8} {'chance':>8} {'fresh':>8}",
    ]
    for finding in findings:
        unit = f"{finding.quantity} of {finding.unit}"
        numbers = f"{finding.r:8.2f} {finding.heard:8.2f} {finding.chance:8.2f} {finding.fresh:8.2f}"
        lines.append(f"{finding.name:23} {unit:10} {numbers}   {finding.verdict}".rstrip())
    return "\n".join(lines)


# The picture.


def draw(slide: Slide, followers: Sequence[Finding], path: Path) -> None:
    """Six heat maps, a line for each follower, and the piano roll, over the same beats."""
    import PIL.Image

    from experiment.listening import NAMES, QUANTITIES, activations, bar_length
    from experiment.plots import panels

    song = slide.song
    rows = activations(slide.checkpoint.params, song, slide.layer)
    order = np.argsort(rows[:, QUANTITIES.index("f")].mean(axis=0))  # short memories first, so the longest on top
    heights = [INCHES["heat"]] * 6 + [INCHES["follower"]] * len(followers) + [INCHES["roll"]]
    with panels.style():
        figure = panels.empty_figure(13, sum(heights) + 0.14 * len(heights) + 0.6)
        figure.set_layout_engine("constrained", rect=(0, 0, 0.88, 1))  # room for the followers' names
        axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
        for k, quantity in enumerate(QUANTITIES):
            heat_map(axes[k], song, rows[:, k, order], quantity)
        for panel, finding in zip(axes[6:], followers, strict=False):
            values = rows[:, QUANTITIES.index(finding.quantity), finding.unit]
            follower(panel, song, values, NAMES[finding.name](song).astype(float), finding)
        roll(axes[-1], song)
        bar = bar_length(song.song.meter)
        first = np.floor(song.onsets[0] / bar)
        bars = np.arange(first, np.ceil(song.ends[-1] / bar))
        axes[-1].set_xticks(bars * bar, [f"{number - first + 1:.0f}" for number in bars])
        axes[-1].set_xlim(first * bar, song.ends[-1])
        axes[-1].set_xlabel(f"bar  (meter {song.song.meter[0]}/{song.song.meter[1]})")
        figure.suptitle(song.song.title, x=0.01, ha="left", fontsize=14, parse_math=False)
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=100)
    image = PIL.Image.open(png).convert("RGB").quantize(64, dither=PIL.Image.Dither.NONE)
    image.save(path, optimize=True)


def heat_map(panel: Axes, song: Reading, values: Array, quantity: str) -> None:
    """values (n, H), a row of the picture for each unit."""
    import matplotlib

    gate = quantity in "ifo"
    if quantity == "c":
        values = np.tanh(values)  # a few cells count for a whole song, up to 20 and more: the others would be pale
    colours = matplotlib.colormaps["Blues" if gate else "RdBu_r"].resampled(COLOURS_OF_A_HEAT_MAP)
    edges = np.append(song.onsets, song.ends[-1])
    units = np.arange(values.shape[1] + 1)
    mesh = panel.pcolormesh(edges, units, values.T, cmap=colours, vmin=0 if gate else -1, vmax=1, rasterized=True)
    panel.figure.colorbar(mesh, ax=panel, pad=0.01, aspect=12, shrink=0.9)
    panel.set_ylabel(TITLES[quantity])
    panel.set_yticks([])
    panel.grid(visible=False)


def follower(panel: Axes, song: Reading, values: Array, said: Array, finding: Finding) -> None:
    """The unit as a line, and what it follows as a shade."""
    from experiment.plots import panels

    edges = np.append(song.onsets, song.ends[-1])
    low, high = float(values.min()), float(values.max()) + 1e-9
    lightest, darkest = (float(said.min()), float(said.max()) + 1e-9) if said.max() > 1 else (0.0, 1.0)
    shade: Any = ((said - lightest) / (darkest - lightest))[None, :]
    panel.pcolormesh(edges, [low, high], shade, cmap="Greys", vmin=0, vmax=3, rasterized=True)
    panel.stairs(values, edges, baseline=None, color=panels.VERMILION, linewidth=1.3)
    panel.set_ylim(low, high)
    panel.set_yticks([])
    panel.grid(visible=False)
    label = f"{finding.name}\n{finding.quantity} of unit {finding.unit}, r = {finding.heard:.2f}"
    note = panel.annotate(label, (1.005, 0.5), xycoords="axes fraction", va="center", fontsize=9, annotation_clip=False)
    note.set_in_layout(False)


def roll(panel: Axes, song: Reading) -> None:
    from experiment.plots import panels
    from midi_io.notes import melody, pitch_name

    top, below = melody(note for note in song.song.notes if not note.drum)
    for notes, colour in ((below, panels.ORANGE), (top, panels.BLUE)):
        pitches = [note.pitch for note in notes]
        ends = [note.start + 0.92 * note.duration for note in notes]
        panel.hlines(pitches, [note.start for note in notes], ends, color=colour, linewidth=4)
    pitches = [note.pitch for note in top + below]
    named = [pitch for pitch in range(min(pitches), max(pitches) + 1) if pitch % 12 in (0, 7)]
    panel.set_yticks(named, [pitch_name(pitch) for pitch in named])
    panel.set_ylim(min(pitches) - 2, max(pitches) + 2)


if __name__ == "__main__":
    sys.exit(main())
