"""Piano rolls: every note is where it belongs, in the colour it should have, whatever the song."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from midi_io import MidiError
from midi_io.music.picture import COLOURS, DRUM_COLOUR, _rows, draw_piano_roll
from midi_io.notes import Note, melody

MELODY, CHORD = COLOURS[:2]


def pixels(path: Path) -> Any:
    from matplotlib.image import imread

    return np.round(255 * imread(path)[:, :, :3]).astype(int)


def spots(image: Any, colour: str) -> Any:
    """Where in the picture a colour stands, above the legend and right of the names: (rows, columns)."""
    rgb = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    rows, columns = np.nonzero((image[:-80, 60:] == rgb).all(axis=2))
    return rows, columns + 60


def test_notes_stand_by_pitch_and_time(tmp_path: Path) -> None:
    draw_piano_roll([Note(72, 0, 2), Note(48, 0, 2), Note(60, 2, 2)], tmp_path / "a.png")
    image = pixels(tmp_path / "a.png")
    rows, columns = spots(image, MELODY)
    first = rows[columns < 600]  # C5, in the first half of the bar
    second = rows[columns > 700]  # C4, in the second
    low, its_columns = spots(image, CHORD)
    assert first.max() < second.min() < second.max() < low.min()
    assert its_columns.max() < 700
    assert second.min() - first.min() == pytest.approx(low.min() - second.min(), abs=2)


def test_bars_go_on_in_the_next_system(tmp_path: Path) -> None:
    tune = [Note(60 + beat % 12, beat, 1) for beat in range(4 * 32)]
    draw_piano_roll(tune[:64], tmp_path / "one.png")
    draw_piano_roll(tune, tmp_path / "two.png")
    one, two = pixels(tmp_path / "one.png"), pixels(tmp_path / "two.png")
    assert two.shape[1] == one.shape[1]
    assert 1.5 < two.shape[0] / one.shape[0] < 2
    rows = spots(two, MELODY)[0]
    for system in (rows < two.shape[0] // 2, rows > two.shape[0] // 2):
        assert np.count_nonzero(system) > 0.7 * spots(one, MELODY)[0].size


def test_the_melody_is_what_no_higher_note_sounds_above() -> None:
    held, below, later = Note(72, 0, 4), Note(60, 1, 1), Note(64, 4, 1)
    chord = [Note(55, 0, 4), Note(59, 0, 4)]
    assert melody([*chord, held, below, later]) == ([held, later], [*chord, below])


def test_instruments_have_colours_and_drums_stand_below(tmp_path: Path) -> None:
    violin, cello = Note(76, 0, 4, program=40), Note(48, 0, 4, program=42)
    drums = [Note(pitch, 0, 1, drum=True) for pitch in (36, 38, 99)]
    draw_piano_roll([violin, violin._replace(start=4), cello, *drums], tmp_path / "a.png")
    image = pixels(tmp_path / "a.png")
    heights = [spots(image, colour)[0] for colour in (COLOURS[0], COLOURS[1], DRUM_COLOUR)]
    assert all(rows.size for rows in heights)
    assert heights[0].max() < heights[1].min()
    assert heights[1].max() < heights[2].min()
    rows = _rows([violin, cello, *drums])
    assert sorted(rows, key=rows.__getitem__)[:3] == [(True, 36), (True, 38), (True, 99)]


@pytest.mark.parametrize(
    "title",
    [
        "",
        "$x^2$ $",
        "日本の歌 \U0001f3b5 \u0600",
        "two\nlines\tand \x1b[31m\x00 controls",
        "\ud800 half",
        "x" * 500,
        "\\frac{",
    ],
)
def test_any_title_will_do(tmp_path: Path, title: str) -> None:
    draw_piano_roll([Note(60, 0, 1)], tmp_path / "a.png", title=title)
    image = pixels(tmp_path / "a.png")
    assert (image[:, -2:] == 255).all(), "the title leaves the picture"
    assert ((image[:28] < 128).any()) == bool(title)


@pytest.mark.parametrize(
    "notes",
    [
        [],
        [Note(60, 0, 0)],
        [Note(0, 0, 1), Note(127, 1, 1)],
        [Note(35, 0, 1, drum=True)],
        [Note(60, 1_000_000, 1)],
        [Note(40 + k, k / 7, 1 / 3, program=k) for k in range(30)],
    ],
    ids=["none", "of no length", "widest", "drums alone", "far away", "thirty instruments"],
)
def test_every_song_gives_a_picture_of_bounded_size(tmp_path: Path, notes: list[Note]) -> None:
    draw_piano_roll(notes, tmp_path / "a.png")
    height, width, _ = pixels(tmp_path / "a.png").shape
    assert width == 1300
    assert 150 < height < 2600


@pytest.mark.parametrize("meter", [(6, 8), (0, 4), (255, 1), (1, 2**31)])
def test_every_meter_that_a_file_may_name_is_drawn(tmp_path: Path, meter: tuple[int, int]) -> None:
    draw_piano_roll([Note(60, 0, 30)], tmp_path / "a.png", meter=meter)
    assert spots(pixels(tmp_path / "a.png"), MELODY)[0].size


def test_a_note_of_no_length_can_be_seen(tmp_path: Path) -> None:
    draw_piano_roll([Note(60, 2, 0)], tmp_path / "a.png")
    assert spots(pixels(tmp_path / "a.png"), MELODY)[0].size


def test_the_same_notes_give_the_same_bytes(tmp_path: Path) -> None:
    notes = [Note(60 + k, k / 2, 1 / 2) for k in range(20)]
    draw_piano_roll(notes, tmp_path / "a.png", title="tune")
    draw_piano_roll(reversed(notes), tmp_path / "b.png", title="tune")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(MidiError, match="cannot be written"):
        draw_piano_roll([Note(60, 0, 1)], tmp_path / "none" / "a.png")


def test_a_picture_does_not_depend_on_a_backend_that_is_not_installed(tmp_path: Path) -> None:
    """Jupyter sets MPLBACKEND for all that is started in it."""
    code = (
        "import os, sys; from midi_io import Note; from midi_io.music.picture import draw_piano_roll\n"
        "draw_piano_roll([Note(60, 0, 1)], sys.argv[1]); assert os.environ['MPLBACKEND'] == 'no_such_backend'"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "tune.png")]
    root = Path(__file__).parents[1]
    subprocess.run(command, check=True, cwd=root, env={**os.environ, "MPLBACKEND": "no_such_backend"})
    assert (tmp_path / "tune.png").exists()
