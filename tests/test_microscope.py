"""The gate microscope: a unit that follows something is found, one that does not is not, and the picture is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from docs import microscope
from experiment import listening
from experiment.listening import Finding, Reading
from lstm_numpy.checkpoint import save_checkpoint
from lstm_numpy.model import forward
from lstm_numpy.parameters import ModelConfig, init_params
from midi_io import SCHEMES, Note, Song, Vocabulary, encode, write_song
from midi_io.notes import pitch_name
from midi_io.played import AS_WRITTEN
from midi_io.tokens.context import Context


def waltz(bars: int, *, upbeat: bool = False, tonic: int = 50, split: tuple[int, ...] = (9,)) -> Song:
    """In three: a chord on each first beat, and a melody of quarter notes, one for each beat.

    split: which beat of each bar has two eighths instead; 9 for none.
    """
    notes = []
    for bar in range(bars):
        at = 3.0 * bar + (1 if upbeat else 0)
        root = tonic + (0, 5, 7, 0)[bar % 4]
        notes += [Note(root, at, 3), Note(root + 7, at, 3)]
        for beat in range(3):
            parts = 1 + (beat == split[bar % len(split)])
            pitches = range(tonic + 24 + (bar + beat) % 5, 127)[:parts]
            notes += [Note(pitch, at + beat + k / parts, 1 / parts) for k, pitch in enumerate(pitches)]
    if upbeat:  # a bar of three begins at 3, so the first note at 2 stands on its last beat
        notes = [note._replace(start=note.start + 2) for note in notes]
        notes.insert(0, Note(tonic + 24, 2, 1))
    return Song(sorted(notes, key=lambda note: (note.start, note.pitch)), "A waltz", 120, (3, 4))


def reading(song: Song, scheme: str) -> Reading:
    tokens = encode(song.notes, scheme, 12)
    return Reading.of(song, Vocabulary.build(dict.fromkeys(tokens, 1), 1, scheme, 12))


def said(name: str, song: Song) -> list[float]:
    """What the musician says, who does not care how the song is spelled."""
    answers = [listening.hear(reading(song, scheme))[name].tolist() for scheme in SCHEMES]
    assert answers == [answers[0]] * len(SCHEMES)
    return answers[0]


def test_hear_of_a_waltz() -> None:
    song = waltz(4)
    first = [1.0, 0.0, 0.0]
    assert said("first in its bar", song) == first * 4
    assert said("on the beat", song) == [1.0] * 12
    assert said("a chord is struck", song) == said("a new chord", song) == first * 4
    assert said("the chord of home", song) == [1.0] * 3 + [0.0] * 6 + [1.0] * 3
    assert said("last bar of four", song) == [0.0] * 9 + [1.0] * 3
    assert said("last bar of all", song) == [0.0] * 9 + [1.0] * 3
    assert said("how long it has gone on", song) == list(range(12))
    assert said("in D", song) == [1.0] * 12
    assert said("in G", song) == [0.0] * 12
    assert said("counted in threes", song) == [0.0] * 12  # three beats; a jig's beat has three parts


def test_bars_are_where_they_are_also_after_an_upbeat() -> None:
    song = waltz(5, upbeat=True)
    assert song.notes[0].start == 2
    assert said("first in its bar", song)[:5] == [0.0, 1.0, 0.0, 0.0, 1.0]
    assert said("last bar of four", song)[:10] == [0.0] * 10
    assert said("last bar of four", song)[10:13] == [1.0] * 3


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_network_is_looked_at_when_it_has_read_all_of_a_moment(scheme: str) -> None:
    song = waltz(3, split=(0, 1, 9))
    tokens = encode(song.notes, scheme, 12)
    seen = reading(song, scheme)
    assert len(seen.last) == len(seen.onsets) == len(seen.pitches) == 11
    for place, pitches in zip(seen.last, seen.pitches, strict=True):
        assert pitch_name(pitches[-1]) in tokens[place - 1]  # ids begin with <start>
    params = init_params(ModelConfig(len(set(tokens)) + 3, 4), np.random.default_rng(1), np.float64)
    _, _, trace = forward(params, seen.ids[: seen.last[4] + 1, None].astype(int))
    h = listening.activations(params, seen, layer=1)[4, listening.QUANTITIES.index("h")]
    np.testing.assert_allclose(h, trace["lstm1"].h[-1, 0], rtol=1e-12)


def test_eighths_in_six_are_counted_in_threes() -> None:
    jig = Song([Note(60 + k % 3, 0.5 * k, 0.5) for k in range(12)], meter=(6, 8))
    assert said("on the beat", jig) == [1.0, 0.0, 0.0] * 4
    assert said("first in its bar", jig) == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0] * 2
    assert said("counted in threes", jig) == [1.0] * 12


def test_correlation_is_pearsons() -> None:
    rng = np.random.default_rng(1)
    units, names = rng.normal(0, 1, (50, 4)), rng.normal(0, 1, (50, 3))
    names[:, 2] = 5.0  # never moves: no correlation, and no warning
    r = listening.correlations(units, names)
    assert r[:, :2] == pytest.approx(np.corrcoef(units.T, names[:, :2].T)[:4, 4:], abs=1e-6)
    assert (r[:, 2] == 0).all()


def test_chance_is_what_noise_reaches_and_what_follows_exceeds_it() -> None:
    rng = np.random.default_rng(2)
    beats = [(rng.random((n, 1)) < 0.3).astype(float) for n in rng.integers(20, 60, 30)]
    heard = np.concatenate(beats)
    noise = rng.normal(0, 1, (len(heard), 40))
    follows = heard + rng.normal(0, 1, heard.shape)
    by_chance = listening.chance(np.concatenate([noise, follows], axis=1), beats, rng)
    r = np.abs(listening.correlations(np.concatenate([noise, follows], axis=1), heard))[:, 0]
    assert r[40] > by_chance[0] > r[:40].max() > 0.02


def test_a_finding_is_beyond_chance_has_one_sign_and_was_learned() -> None:
    finding = Finding("on the beat", "h", 3, r=-0.5, heard=-0.4, chance=0.2, fresh=0.1)
    assert finding.verdict == "learned"
    assert finding._replace(heard=0.4).verdict == "not beyond chance"
    assert finding._replace(heard=-0.1).verdict == "not beyond chance"
    assert finding._replace(r=-0.1).verdict == "not beyond chance"
    assert finding._replace(fresh=0.45).verdict == "not learned"


@pytest.fixture(scope="module", params=["none", "both"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run: a network of 8 units in 2 layers, of which one is set to follow the first beat.

    Once without a context, and once with clock and echo.
    """
    folder = tmp_path_factory.mktemp("run")
    rows = ["path\tsha256\tsplit\ttokens"]
    counts: dict[str, int] = {}
    for number in range(12):
        rhythm = np.random.default_rng(number).integers(0, 5, 30)
        song = waltz(12 + number, upbeat=number % 2 == 0, tonic=50 + number % 3, split=tuple(rhythm))
        write_song(song, folder / f"{number}.mid")
        counts |= dict.fromkeys(encode(song.notes, "chord", 12), 1)
        rows.append(f"{folder / f'{number}.mid'}\t0\t{('train', 'valid', 'test')[number % 3]}\t20")
    (folder / "songs.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    vocabulary = Vocabulary.build(counts, 1, "chord", 12)
    config = ModelConfig(len(vocabulary), 8, 2, context=Context(vocabulary, request.param).sizes)
    params = init_params(config, np.random.default_rng(1))
    strikes = ["." in token for token in vocabulary.tokens]  # chords stand on first beats
    params["lstm1.Wx"][:, 3] = np.where(strikes, 6, -6)  # input gate of unit 3
    settings = {"tokens": "chord", "grid": 12, "transpose": 0, "context": request.param, **AS_WRITTEN._asdict()}
    save_checkpoint(folder / "model.npz", params, config, vocabulary.tokens, {"settings": settings})
    return folder


def test_the_unit_is_found_and_drawn(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert microscope.main([str(run), str(run / "3.mid"), "--layer", "1", "--out", str(tmp_path / "tune")]) == 0
    table = capsys.readouterr().out
    line = next(line for line in table.splitlines() if line.startswith("first in its bar"))
    assert "i of 3 " in line
    assert "learned" in line  # or not learned, for chords stand on first beats: but beyond chance
    for name in ("gates", "cells", "units"):
        picture = tmp_path / f"tune-{name}.png"
        assert imread(picture).shape[:2] == (900, 1600), "a slide is 16:9"
        assert picture.stat().st_size < 150_000


def test_faults_are_told_in_one_line(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fault(*arguments: str | Path) -> str:
        assert microscope.main([*map(str, arguments), "--out", str(tmp_path / "no")]) == 2
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        return told

    assert "no run is there" in fault(tmp_path)
    assert "layers 1 to 2" in fault(run, "--layer", "3")
    assert "missing.mid" in fault(run, "missing.mid")
    assert not list(tmp_path.glob("no*"))
