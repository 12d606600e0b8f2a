"""A strict reader of fiddle tunes in ABC: a tune that is not plain and well formed is turned away, never guessed at.

Read: pitches under the accidentals of key and bar, lengths, dotted pairs (> <), tuplets, ties, rests, double stops
(their upper note), repeats.  Passed over: grace notes, slurs, ornaments, fingerings.  Each part stands once, with its
last ending.  Turned away, with `AbcError`: da capo and dal segno, a change of key or meter, bars that do not add up,
accidentals of doubtful reach.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple


class AbcError(ValueError):
    """This tune is not plain enough; the text says why."""


class Tone(NamedTuple):
    """One note of a melody: its MIDI pitch, or None for a rest, and its length in beats (quarter notes)."""

    pitch: int | None
    length: Fraction


@dataclass(frozen=True)
class Tune:
    """A melody, each part once.  Its tones begin `pickup` beats before the first bar line."""

    tones: list[Tone]
    pickup: Fraction
    meter: tuple[int, int]
    parts: list[int]  # the bars, counted from 0 without the pickup, that begin a part
    tonic: int  # the pitch class that K: names
    fields: dict[str, list[str]]  # the header: letter -> its values in order

    @property
    def bar(self) -> Fraction:
        """Beats in a bar."""
        return Fraction(4 * self.meter[0], self.meter[1])


_NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SHARPS = "FCGDAEB"
_MODES = {"lyd": 1, "": 0, "maj": 0, "ion": 0, "mix": -1, "dor": -2, "m": -3, "min": -3, "aeo": -3, "phr": -4}
_ACCIDENTALS = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}
_TUPLETS = {2: 3, 3: 2, 4: 3, 6: 2}  # so many notes in the time of so many

_LENGTH = r"\d*(?:/+\d*)?"
_TOKEN = re.compile(
    rf"""(?P<skip>"[^"]*"|\{{[^}}]*\}}|![a-zA-Z]+!|[\s\\!~.uvTHMPkny()])
       | (?P<ending>\[?\s?[1-9](?![\d,-]))
       | (?P<barline>:*\|[|\]:]*|\[\||::)
       | (?P<note>(?P<accidental>[\^_]{{1,2}}|=)?(?P<letter>[A-Ga-g])(?P<octave>[,']*)(?P<length>{_LENGTH}))
       | (?P<rest>[zx](?P<rest_length>{_LENGTH}))
       | (?P<stop>\[(?=[\^=_]*[A-Ga-g]))
       | (?P<stopped>\](?P<stop_length>{_LENGTH}))
       | (?P<pair>>+|<+)
       | (?P<tie>-)""",
    re.VERBOSE,
)
_TUPLET = re.compile(r"\(([2-9])(?::(\d?)(?::(\d?))?)?")
_JUMPS = re.compile(
    r"(?i)\bD\.? ?[CS]\b|da ?capo|dal ?segno|\b(segno|sign|fine|end|coda)\b|\b8va|last time|break|chorus|variation"
)


def tunes_of(text: str) -> Iterator[str]:
    """The tunes of an .abc file, each from its X: to the line before the next."""
    return (part for part in re.split(r"(?m)^(?=X:)", text.replace("\r", "")) if part.startswith("X:"))


def parse_tune(text: str) -> Tune:
    """The tune written in `text`.  Raises AbcError."""
    fields, music = _header(text)
    for letter in "TMK":
        if letter not in fields:
            raise AbcError(f"no {letter}: field")
    for letter in "MKL":
        if len(set(fields.get(letter, []))) > 1:
            raise AbcError(f"more than one {letter}:")
    words = [*re.findall(r'"([^"]*)"', music), *(value for letter in "NZP" for value in fields.get(letter, []))]
    if any(_JUMPS.search(word) for word in words):
        raise AbcError("da capo, segno, or parts out of order")
    tonic, signature = _signature(fields["K"][0])
    meter = _meter(fields["M"][0])
    bars = _Reader(music, _unit(fields, meter), signature).bars
    tones, pickup, parts = _join(bars, Fraction(4 * meter[0], meter[1]))
    return Tune(tones, pickup, meter, parts, tonic, fields)


def _header(text: str) -> tuple[dict[str, list[str]], str]:
    fields: dict[str, list[str]] = {}
    music: list[str] = []
    for raw in text.splitlines():
        line = raw.partition("%")[0].rstrip()
        found = re.match(r"([A-Za-z]):(?![|:])\s*(.*)", line)
        if found and found[2]:
            fields.setdefault(found[1], []).append(found[2])
        elif not found and "K" in fields:
            music.append(line)
    return fields, "\n".join(music)


def _signature(key: str) -> tuple[int, dict[str, int]]:
    """The tonic's pitch class, and by how many semitones the key signature moves each letter."""
    found = re.fullmatch(r"([A-G])([#b]?)\s*([A-Za-z]*)", key.strip())
    mode = found[3].lower()[:3] if found and found[3] not in ("m", "M") else "m"
    if not found or found[3] == "M" or mode not in _MODES:  # M: major or minor?
        raise AbcError(f"cannot read the key {key!r}")
    raised = {"#": 1, "b": -1, "": 0}[found[2]]
    sharps = _SHARPS.index(found[1]) - 1 + 7 * raised + _MODES[mode]
    moved = dict.fromkeys(_NATURALS, 0)
    moved.update(dict.fromkeys(_SHARPS[: max(sharps, 0)], 1))
    moved.update(dict.fromkeys(_SHARPS[::-1][: max(-sharps, 0)], -1))
    return (_NATURALS[found[1]] + raised) % 12, moved


def _meter(text: str) -> tuple[int, int]:
    common = {"C": (4, 4), "C|": (2, 2)}
    if text in common:
        return common[text]
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found:
        raise AbcError(f"cannot read the meter {text!r}")
    return int(found[1]), int(found[2])


def _unit(fields: dict[str, list[str]], meter: tuple[int, int]) -> Fraction:
    """Beats of a note without a number.  If L: is missing: a sixteenth for meters under 3/4, else an eighth."""
    default = "1/16" if Fraction(*meter) < Fraction(3, 4) else "1/8"
    return 4 * Fraction(fields.get("L", [default])[0].replace(" ", ""))


def _multiple(text: str) -> Fraction:
    """'' is 1, '3' is 3, '/' is 1/2, '//' is 1/4, '3/2' is 3/2."""
    top, _, bottom = text.partition("/")
    return Fraction(int(top or 1), int(bottom) if bottom.isdigit() else 2 ** text.count("/"))


@dataclass
class _Bar:
    begins_part: bool = False
    tones: list[Tone] = field(default_factory=list)

    @property
    def length(self) -> Fraction:
        return sum((tone.length for tone in self.tones), Fraction(0))


class _Reader:
    """Goes through the music once; `bars` are those to be played, in order.

    A note tied to the one before is a tone of its own with pitch `TIED`, until the bars are known to add up.
    """

    TIED = -1

    def __init__(self, music: str, unit: Fraction, signature: dict[str, int]) -> None:
        self.bars = [_Bar(begins_part=True)]
        self.unit = unit
        self.signature = signature
        self.accidentals: dict[str, dict[int, int]] = {}  # letter -> octave -> semitones, until the bar line
        self.ending = 0  # the number of the ending we are in, 0 outside
        self.fork = 0  # the bar where the endings part
        self.tuplet, self.tuplet_ratio = 0, Fraction(1)  # notes left, and what their lengths are multiplied by
        self.pair = Fraction(1)  # what the second note of a dotted pair is multiplied by
        self.last: tuple[str, int, int] | None = None  # letter, octave and pitch of the last note
        self.tie = False
        self.stop: list[Tone] | None = None  # the notes of an open double stop
        position = 0
        while position < len(music):
            tuplet = _TUPLET.match(music, position)
            found = tuplet or _TOKEN.match(music, position)
            if not found:
                raise AbcError(f"cannot read {music[position : position + 8]!r}")
            position = found.end()
            if tuplet:
                self._begin_tuplet(*tuplet.groups())
            else:
                self._take(found)
        if self.ending == 1 or self.stop is not None or self.tuplet:
            raise AbcError("ends in the middle of something")
        if not self.bars[-1].tones:
            self.bars.pop()

    def _take(self, found: re.Match[str]) -> None:
        if found["barline"]:
            self._bar_line(found["barline"])
        elif found["ending"]:
            self._begin_ending(int(found["ending"].strip("[ ")))
        elif found["note"]:
            pitch = self._pitch(found["letter"], found["octave"], found["accidental"])
            tone = Tone(pitch, _multiple(found["length"]))
            if self.stop is None:
                self._add(tone)
            else:
                self.stop.append(tone)
        elif found["rest"]:
            self._add(Tone(None, _multiple(found["rest_length"])))
        elif found["stop"]:
            if self.stop is not None:
                raise AbcError("bracket within a bracket")
            self.stop = []
        elif found["stopped"] is not None:
            if not self.stop:
                raise AbcError("bracket closed that was not opened")
            top, self.stop = max(self.stop), None
            self._add(Tone(top.pitch, top.length * _multiple(found["stop_length"])))
        elif found["pair"]:
            self._dot(found["pair"])
        elif found["tie"]:
            self.tie = True

    def _pitch(self, letter: str, marks: str, accidental: str | None) -> int | None:
        octave = int(letter.islower()) + marks.count("'") - marks.count(",")
        letter = letter.upper()
        if self.tie and self.last and self.last[:2] == (letter, octave) and not accidental:
            return self.TIED
        here = self.accidentals.setdefault(letter, {})
        if accidental:
            here[octave] = _ACCIDENTALS[accidental]
        elif here and octave not in here:
            raise AbcError("an accidental whose letter comes again in another octave")
        pitch = 60 + _NATURALS[letter] + 12 * octave + here.get(octave, self.signature[letter])
        self.last = letter, octave, pitch
        return pitch

    def _add(self, tone: Tone) -> None:
        length = tone.length * self.unit * self.pair
        if self.tuplet:
            length *= self.tuplet_ratio
            self.tuplet -= 1
        self.pair, self.tie = Fraction(1), False
        self.bars[-1].tones.append(Tone(tone.pitch, length))

    def _dot(self, signs: str) -> None:
        if not self.bars[-1].tones or self.pair != 1:
            raise AbcError("a dotted pair without its first note")
        short = Fraction(1, 2 ** len(signs))
        first, self.pair = (2 - short, short) if signs[0] == ">" else (short, 2 - short)
        pitch, length = self.bars[-1].tones[-1]
        self.bars[-1].tones[-1] = Tone(pitch, length * first)

    def _begin_tuplet(self, size: str, time: str | None, count: str | None) -> None:
        if self.tuplet or (not time and int(size) not in _TUPLETS):
            raise AbcError("a tuplet of doubtful length")
        self.tuplet_ratio = Fraction(int(time) if time else _TUPLETS[int(size)], int(size))
        self.tuplet = int(count or size)

    def _bar_line(self, text: str) -> None:
        if self.tuplet or self.pair != 1 or self.stop is not None:
            raise AbcError("a bar line inside a tuplet, pair or double stop")
        self.accidentals.clear()
        seam = text != "|"
        if seam and self.ending > 1:
            self.ending = 0
        if self.bars[-1].tones:
            self.bars.append(_Bar(begins_part=seam))
        else:
            self.bars[-1].begins_part |= seam

    def _begin_ending(self, number: int) -> None:
        if self.bars[-1].tones or number != self.ending + 1:
            raise AbcError("endings out of order")
        if number == 1:
            self.fork = len(self.bars) - 1
        del self.bars[self.fork :]
        self.bars.append(_Bar(begins_part=self.fork == 0))
        self.ending = number


def _join(bars: list[_Bar], full: Fraction) -> tuple[list[Tone], Fraction, list[int]]:
    """The tones, the beats of the pickup, and the bars that begin a part.

    Where two parts meet, a short bar and the pickup that follows make one bar; a short bar alone is filled up by its
    last tone, and a pickup after a full bar takes its time from it, as players do.  Raises AbcError if a bar does not
    add up.
    """
    if len(bars) < 2:
        raise AbcError("too short")
    pickup = bars[0].length if bars[0].length < full else Fraction(0)
    tones: list[Tone] = list(bars[0].tones) if pickup else []
    parts: list[int] = []
    rest = bars[1:] if pickup else bars
    count = 0
    begins_part = True
    while rest:
        bar, *rest = rest
        begins_part |= bar.begins_part
        mended = list(bar.tones)
        if begins_part:
            parts.append(count)
        begins_part = False
        if rest and rest[0].begins_part and (rest[0].length < full and len(rest) > 1):
            upbeat, *rest = rest
            _resize(mended, full - bar.length - upbeat.length)
            mended += upbeat.tones
            begins_part = True
        elif rest and rest[0].begins_part:
            _resize(mended, full - bar.length)
        length = sum(tone.length for tone in mended)
        if length > full or (length < full and rest):
            raise AbcError("bars that do not add up")
        tones += mended
        count += 1
    return _tied(tones), pickup, parts


def _resize(tones: list[Tone], by: Fraction) -> None:
    """Lengthen or shorten the last of `tones`."""
    pitch, length = tones[-1]
    if by + length <= 0:
        raise AbcError("bars that do not add up")
    tones[-1] = Tone(pitch, length + by)


def _tied(tones: list[Tone]) -> list[Tone]:
    joined: list[Tone] = []
    for tone in tones:
        if tone.pitch == _Reader.TIED and joined:
            joined[-1] = Tone(joined[-1].pitch, joined[-1].length + tone.length)
        else:
            joined.append(tone)
    return joined
