"""Bar lines told by the notes alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midi_io import Note, read_song
from midi_io.music.meter import find_meter, on_bars, on_strong_beats
from midi_io.tokens import decode, encode

TUNES = sorted((Path(__file__).parent.parent / "songs" / "tunes").glob("*.mid"))


def bars(count: int, chords: list[float], melody: list[float], beats: float, first: float = 0.0) -> list[Note]:
    """Bars with chords and melody notes at the same beats of each, the first bar line at beat `first`."""
    ends = [*melody[1:], beats]
    notes = []
    for bar in range(count):
        at = first + bar * beats
        notes += [Note(pitch, at + beat, 1.0) for beat in chords for pitch in (48, 55)]
        notes += [Note(72, at + beat, end - beat) for beat, end in zip(melody, ends, strict=True)]
    return notes


WALTZ = ([0.0], [0.0, 1.0, 2.0], 3.0)
JIG = ([0.0, 1.5], [0.0, 1.0, 1.5, 2.5], 3.0)
SLIP_JIG = ([0.0, 1.5, 3.0], [0.0, 1.0, 1.5, 2.5, 3.0], 4.5)
REEL = ([0.0, 2.0], [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 3.5], 4.0)


@pytest.mark.parametrize(
    ("meter", "pattern"), [((3, 4), WALTZ), ((6, 8), JIG), ((4, 4), REEL)], ids=["waltz", "jig", "reel"]
)
@pytest.mark.parametrize("upbeat", [0.0, 0.5, 1.0])
def test_a_dance_is_known_by_its_chords(
    meter: tuple[int, int], pattern: tuple[list[float], list[float], float], upbeat: float
) -> None:
    notes = [Note(67, 0.0, upbeat)] * (upbeat > 0) + bars(8, *pattern, first=upbeat)
    assert find_meter(notes) == (meter, upbeat)
    assert on_strong_beats(notes) == 1
    moved, found = on_bars(notes)
    assert found == meter
    first_chord = next(note.start for note in moved if note.pitch == 48)
    assert first_chord % pattern[2] == 0
    assert moved[0].start >= 0


def test_drums_say_nothing() -> None:
    waltz = bars(8, *WALTZ)
    drums = [Note(36, beat / 2, 0.5, drum=True) for beat in range(48)]
    assert find_meter(waltz + drums) == ((3, 4), 0)


def test_a_chord_out_of_time_is_counted() -> None:
    notes = bars(8, *WALTZ)
    assert on_strong_beats([*notes, Note(40, 26.5, 0.5), Note(47, 26.5, 0.5)]) == pytest.approx(8 / 9)


@pytest.mark.parametrize(
    "notes",
    [[], [Note(60, 0, 1)], [Note(60, 5, 0)] * 40, [Note(60, beat, 1) for beat in range(40)], bars(1, *JIG)],
    ids=["nothing", "one note", "one moment", "even notes", "one bar"],
)
def test_where_nothing_speaks_for_a_meter_it_is_four_four(notes: list[Note]) -> None:
    assert find_meter(notes) == ((4, 4), 0)
    assert on_bars(notes) == (notes, (4, 4))


@given(
    st.lists(
        st.builds(
            Note,
            st.integers(0, 127),
            st.floats(0, 1e6, allow_nan=False),
            st.floats(0, 1e6, allow_nan=False),
            drum=st.booleans(),
        ),
        max_size=40,
    )
)
def test_any_notes_have_a_meter(notes: list[Note]) -> None:
    (beats, unit), first = find_meter(notes)
    assert 0 <= first < 4 * beats / unit


def test_embedded_tunes_come_out_as_they_are_written() -> None:
    """What a tune sounds like as tokens, without its upbeat's rest: bar lines where its file has them."""
    right, tunes = 0, TUNES[::10]
    assert len(tunes) >= 100
    for path in tunes:
        song = read_song(path)
        written = {(2, 2): (4, 4), (2, 4): (4, 4)}.get(song.meter, song.meter)
        meter, first = find_meter(decode(encode(song.notes, "chord"), "chord"))
        bar = 4 * song.meter[0] / song.meter[1]
        right += meter == written and (first + song.notes[0].start) % bar == 0
    assert right >= 0.95 * len(tunes)
