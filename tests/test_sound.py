"""Notes become sound: of the right pitch and length, loud enough, never clipped, and always the same."""

import wave

import numpy as np
import pytest

from midi_io import MidiError, Note
from midi_io.music.sound import MAX_SECONDS, PEAK, RELEASE, render, tone, write_wav

RATE = 8000
PROGRAMS = [0, 9, 19, 24, 40, 46, 56, 68, 73, 81, 110, 118]  # all timbres
DRUMS = {"bass drum": 36, "snare": 38, "closed hi-hat": 42, "tom": 47, "crash": 49, "tambourine": 54}


def strongest(samples, rate=RATE):
    """The frequency of the strongest partial."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("pitch", [45, 69, 81])
def test_a_note_has_its_pitch(program, pitch):
    samples = render([Note(pitch, 0.0, 2.0, program=program)], RATE, bpm=60)
    assert strongest(samples) == pytest.approx(440 * 2 ** ((pitch - 69) / 12), rel=0.02)


@pytest.mark.parametrize("program", PROGRAMS)
def test_timbres_are_about_as_loud_as_each_other(program):
    power = float((tone(69, program, RATE // 2, RATE) ** 2).mean())
    assert 0.05 < power < 0.5


@pytest.mark.parametrize(("bpm", "seconds"), [(60, 4.0), (120, 2.0)])
def test_a_song_lasts_as_long_as_its_notes(bpm, seconds):
    samples = render([Note(60, 0.0, 1.0), Note(62, 3.0, 1.0)], RATE, bpm)
    assert len(samples) / RATE == pytest.approx(seconds + RELEASE, abs=1e-3)
    assert samples.dtype == np.float32
    silent = samples[round((seconds / 4 + RELEASE + 0.01) * RATE) : round(0.74 * seconds * RATE)]
    assert np.abs(silent).max() == 0
    assert np.abs(samples[round(0.76 * seconds * RATE) :]).max() > 0.1


def test_the_same_notes_give_the_same_samples_in_any_order():
    notes = [Note(60 + k % 12, k / 2, 1.0, 80, 40 * (k % 2), k % 7 == 0) for k in range(40)]
    assert np.array_equal(render(notes, RATE), render(notes, RATE))
    assert np.allclose(render(notes, RATE), render(notes[::-1], RATE), atol=1e-6)


def test_many_loud_notes_do_not_clip():
    notes = [Note(pitch, 0.0, 4.0, 127, program) for pitch in range(40, 90) for program in (0, 40, 73)]
    assert np.abs(render(notes, RATE)).max() == pytest.approx(PEAK, abs=1e-6)


def test_a_louder_note_is_louder():
    samples = render([Note(60, 0.0, 1.0, 40), Note(60, 2.0, 1.0, 120)], RATE, bpm=60)
    assert np.abs(samples[RATE * 2 :]).max() > 2 * np.abs(samples[:RATE]).max()


@pytest.mark.parametrize("pitch", DRUMS.values(), ids=DRUMS)
def test_drums_are_heard(pitch):
    melody = [Note(72, float(beat), 1.0) for beat in range(4)]
    alone, both = render(melody, RATE), render([*melody, Note(pitch, 2.0, 0.25, 100, drum=True)], RATE)
    start = round(1.0 * RATE)
    difference = both[start : start + 400] / PEAK - alone[start : start + 400] / PEAK
    assert np.sqrt((difference**2).mean()) > 0.05


def test_a_song_without_notes_is_silence():
    assert render([], RATE).shape == (0,)
    assert len(render([Note(60, 0.0, 0.0)], RATE)) > 0


def test_a_song_of_a_week_is_cut():
    notes = [Note(60, 0.0, 1e6), Note(60, 1e6, 1.0)]
    assert len(render(notes, 100)) == round((MAX_SECONDS + RELEASE) * 100)


def test_a_wav_file_holds_the_samples(tmp_path):
    write_wav(np.array([0.0, 0.5, -0.5, 1.0, -1.0, 2.0], np.float32), tmp_path / "a.wav", RATE)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert file.getparams()[:4] == (1, 2, RATE, 6)
        read = np.frombuffer(file.readframes(6), "<i2")
    assert read.tolist() == [0, 16384, -16384, 32767, -32767, 32767]


def test_a_wav_file_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(MidiError, match="cannot be written"):
        write_wav(np.zeros(4, np.float32), tmp_path / "none" / "a.wav")
