"""What a musician would count of each instrument of a band."""

import math

import pytest

from midi_io.music.statistics import band_figures, band_rows
from midi_io.notes import Note

BASS, GUITAR = 33, 27


def band(bars: int) -> list[Note]:
    """Four drum strokes in each bar, a bass with two bars in turn, a guitar in every other bar, off the beat."""
    drums = [Note(36, float(beat), 0.25, drum=True) for beat in range(4 * bars)]
    bass = [Note(40 + bar % 2, 4.0 * bar, 4.0, program=BASS) for bar in range(bars)]
    guitar = [Note(60 + bar, 4 * bar + 1.25, 1.0, program=GUITAR) for bar in range(0, bars, 2)]
    return drums + bass + guitar


def test_each_family_has_its_share_its_register_and_its_rhythm() -> None:
    found = band_figures(band(8))
    assert found["drums_share"] == pytest.approx(32 / 44)
    assert found["bass_share"] == pytest.approx(8 / 44)
    assert found["bass_pitch"] == pytest.approx(40.5)
    assert (found["bass_on_eighths"], found["guitar_on_eighths"]) == (1, 0)
    assert found["drums_bars_repeated"] == 7 / 8
    assert found["bass_bars_repeated"] == 6 / 8
    assert found["guitar_bars_repeated"] == 0


def test_a_family_that_does_not_play_has_a_share_of_nothing_and_no_more() -> None:
    found = band_figures(band(2))
    assert found["organ_share"] == 0
    assert "organ_pitch" not in found
    assert band_figures([])["drums_share"] == 0


def test_the_rows_are_of_the_drums_and_of_those_who_play_most() -> None:
    rows = band_rows([band(8), [Note(70, float(k), 1.0, program=73) for k in range(20)]])
    families = list(dict.fromkeys(name.split("_")[0] for name in rows))
    assert families == ["drums", "pipe", "bass", "guitar"]
    assert rows["bass_share"][0] == "bass: share of the notes"
    assert "drums_pitch" not in rows
    assert not math.isnan(band_figures(band(8))["drums_bars_repeated"])


def test_a_piece_for_one_family_needs_no_rows() -> None:
    assert band_rows([[Note(60, 0.0, 1.0), Note(64, 1.0, 1.0, program=3)]]) == {}
