"""Notes as sound: a small synthesiser, so that a tune can be heard where no MIDI player is.

A pitched note is a sum of partials, each r times as strong as the one below it.  The sum has a closed form:

    sin x + r sin 2x + r^2 sin 3x + ...  =  sin x / (1 - 2 r cos x + r^2),    x = 2 pi frequency time

so one line makes dull and bright tones, and an r that falls sounds like a plucked string.  A timbre is that r, and how
the loudness rises and falls.  Drums are noise, and tones that fall.
"""

import io
import wave
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from midi_io.disk import Array, StrPath, write_whole
from midi_io.notes import Note

MAX_SECONDS = 900.0  # longer songs are cut
RELEASE = 0.08  # seconds in which a note dies away after its end
PEAK = 0.9  # of the largest sample; 1 is as loud as a file can be
QUIET = 0.01  # how strong partials may still be at half the rate, above which they would fold back


class Timbre(NamedTuple):
    """How the notes of an instrument sound."""

    attack: float  # seconds until a note is at its loudest
    decay: float  # seconds until it has fallen to 1/e; inf: it stays
    brightness: float  # r: how strong each partial is beside the one below it, 0..1
    fading: float  # seconds until the brightness has fallen to 1/e
    vibrato: float = 0.0  # semitones


PLUCKED = Timbre(0.003, 0.7, 0.75, 0.5)
STRUCK = Timbre(0.002, 0.5, 0.5, 0.1)
BOWED = Timbre(0.06, np.inf, 0.65, np.inf, 0.12)
BLOWN = Timbre(0.03, np.inf, 0.45, np.inf, 0.04)
FAMILIES = [  # of General MIDI, 8 programs each
    PLUCKED, STRUCK, BLOWN, PLUCKED, PLUCKED, BOWED, BOWED, BLOWN,
    BLOWN, BLOWN, BOWED, BOWED, BOWED, PLUCKED, STRUCK, STRUCK,
]  # fmt: skip
OTHERS = {45: PLUCKED, 46: PLUCKED, 47: STRUCK, 109: BLOWN, 110: BOWED, 111: BLOWN}  # unlike their families
DRUMS = {  # frequency when struck and afterwards, loudness of the noise, seconds
    **dict.fromkeys((35, 36), (160.0, 45.0, 0.05, 0.25)),  # bass drum
    **dict.fromkeys((37, 38, 39, 40), (240.0, 170.0, 0.8, 0.18)),  # snare, rim, clap
    **{pitch: (2.5 * pitch + 40, 1.6 * pitch, 0.1, 0.3) for pitch in (41, 43, 45, 47, 48, 50)},  # toms
    **dict.fromkeys((46, 49, 51, 52, 53, 55, 57, 59), (0.0, 0.0, 0.6, 0.9)),  # open hi-hat, cymbals
}
OTHER_DRUMS = 0.0, 0.0, 0.6, 0.07  # closed hi-hat, shakers, wood


def render(notes: Iterable[Note], rate: int = 44100, bpm: float = 120.0) -> Array:
    """(samples,) float32 of a mix of all notes, between -0.9 and 0.9; the same notes give the same samples.

    rate: samples a second, 25,088 or more for the highest pitch.  A song is cut after 15 minutes.
    """
    strokes = []
    for note in notes:
        start, length = note.start * 60 / bpm, note.duration * 60 / bpm
        if start < MAX_SECONDS:
            samples = 0 if note.drum else round(min(length, MAX_SECONDS - start) * rate)
            strength = np.float32((note.velocity / 127) ** 1.5)
            strokes.append((note.drum, note.program, note.pitch, samples, round(start * rate), strength))
    mix = np.zeros(max((stroke[3] + stroke[4] for stroke in strokes), default=0) + 4 * rate, np.float32)
    end = 0  # the longest drum sounds 3.6 s
    for drum, program, pitch, samples, begin, strength in sorted(strokes):
        sound = drum_sound(pitch, rate) if drum else tone(pitch, program, samples, rate)
        mix[begin : begin + len(sound)] += strength * sound
        end = max(end, begin + len(sound))
    loudest = float(np.abs(mix).max())
    return np.asarray(mix[:end] * np.float32(PEAK / loudest if loudest > 0 else 1))


@lru_cache(maxsize=1)  # equal notes stand together in render
def tone(pitch: int, program: int, length: int, rate: int) -> Array:
    """(length + release,) float32: one note of an instrument, `length` samples and what dies away after it."""
    timbre = OTHERS.get(program, FAMILIES[program // 8])
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    release = round(RELEASE * rate)
    seconds = np.arange(length + release) / rate
    loudness = np.minimum(1, seconds / timbre.attack) * np.exp(-seconds / (timbre.decay * (262 / frequency) ** 0.5))
    loudness[length:] *= np.linspace(1, 0, release)
    wobble = (2 ** (timbre.vibrato / 12) - 1) / (2 * np.pi * 5.5) * np.sin(2 * np.pi * 5.5 * seconds)
    x = (2 * np.pi * ((frequency * (seconds + wobble)) % 1)).astype(np.float32)
    brightness = min(timbre.brightness, QUIET ** (2 * frequency / rate))
    r = (brightness * np.exp(-seconds / timbre.fading)).astype(np.float32)
    same_power = (1 - brightness**2) ** 0.5
    return np.asarray(same_power * loudness * np.sin(x) / (1 - 2 * r * np.cos(x) + r * r), np.float32)


@lru_cache(maxsize=1)
def drum_sound(pitch: int, rate: int) -> Array:
    """(n,) float32: one stroke on a key of the drum kit."""
    high, low, noise, lasts = DRUMS.get(pitch, OTHER_DRUMS)
    seconds = np.arange(round(4 * lasts * rate)) / rate
    hiss = np.diff(np.random.default_rng(pitch).uniform(-1, 1, len(seconds) + 1))  # more of the high than of the low
    body = np.sin(2 * np.pi * (low * seconds + (high - low) * 0.04 * (1 - np.exp(-seconds / 0.04))))
    return np.asarray((body + noise * hiss) * np.exp(-1.5 * seconds / lasts), np.float32)


def write_wav(samples: Array, path: StrPath, rate: int = 44100) -> None:
    """Write (samples,) between -1 and 1 as a .wav file of 16 bits, whole or not at all.

    Raises MidiError if it cannot be written.
    """
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, rate, 0, "NONE", "not compressed"))
        sound.writeframes(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    write_whole(path, file.getvalue())
