"""Fiddle tunes out of the ABC collections that come with music21: which ones, and how they become songs with chords."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from midi_io import Note, Song, quantise
from midi_io.tokens import encode
from songs.build.abc_notation import AbcError, Tone, Tune, parse_tune, tunes_of
from songs.build.harmony import Chord, Mode, Slot, find_mode, harmonise, make_slots, strikes, voicing

GRID = 12  # positions per beat; tunes with notes between them are left out
SLOTS = {
    (2, 2): Fraction(2),
    (4, 4): Fraction(2),
    (2, 4): Fraction(1),
    (6, 8): Fraction(3, 2),
    (9, 8): Fraction(3, 2),
    (3, 4): Fraction(3),
}
MELODY_VELOCITY, CHORD_VELOCITY = 90, 60
RING = 4  # beats a chord sounds at most: the scheme `chord` reads the same length back

# O'Neill's book is in order of kinds: the first number of each.
ONEILL_KINDS = (
    (1, "air"),
    (626, "carolan"),
    (701, "jig"),
    (1116, "slip jig"),
    (1176, "reel"),
    (1556, "hornpipe"),
    (1781, "dance"),
    (1801, "march"),
)
# Quarter notes a minute.  A jig at 110 dotted quarters is one at 165 quarters.
TEMPI = {
    "air": 92,
    "carolan": 120,
    "jig": 165,
    "slip jig": 165,
    "reel": 200,
    "hornpipe": 160,
    "dance": 160,
    "march": 150,
    "strathspey": 130,
    "clog": 150,
    "fling": 140,
}

TRANSCRIBERS = {  # how they sign in the Z: field -> their name
    r"Paap": "Norbert Paap",
    r"[Nn]orbeck": "Henrik Norbeck",
    r"Safranek": "Bob Safranek",
    r"Trish s?O'Nei": "Trish O'Neil",
    r"Chambers": "John Chambers",
    r"Petersen": "Dan G. Petersen",
    r"Hogan": "Michael Hogan",
    r"Foy": "Stephen Foy",
    r"Walsh": "John B. Walsh",
    r"Keays": "Tom Keays",
    r"Falt": "Chris Falt",
    r"Wooldridge": "Dave Wooldridge",
    r"Thorpe": "Robert Thorpe",
    r"WORMAN": "A. Lee Worman",
    r"Terhorst": "Nick Terhorst",
    r"Michael D\. Long": "Michael D. Long",
    r"Hastings": "Ted Hastings",
    r"Ray Davies": "Ray Davies",
    r"Puckette": "Bob Puckette",
    r"Ivan Bradley": "Ivan Bradley",
    r"de Grae": "Paul de Grae",
}


# Songs of the minstrel stage, which mocked black people; Ryan's book has some.  They stay away.
MINSTREL = re.compile(r"(?i)\bcoon\b|\bin de\b")


@dataclass(frozen=True)
class Setting:
    """A tune with its chords, and what the list of sources says about it."""

    tune: Tune
    mode: Mode
    slots: list[Slot]
    chords: list[Chord]
    title: str
    kind: str
    collection: str  # "oneill" or "ryan"
    number: int  # O'Neill's own; Ryan's tunes bear none, so the place among the corpus' files
    source: str  # the file in music21's corpus
    transcriber: str

    @property
    def name(self) -> str:
        """Of the MIDI file."""
        return f"{self.collection}-{self.number:04d}-{slug(self.title)}.mid"

    @property
    def book(self) -> str:
        oneill = self.collection == "oneill"
        return f"O'Neill's Music of Ireland, {self.number}" if oneill else "Ryan's Mammoth Collection"


def slug(title: str) -> str:
    """The title in lower-case ASCII letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "").lower()).strip("-")


def clean_title(text: str) -> str:
    """A title as one writes it.

    ABC has "Hunt, The" and "ADMIRAL'S -- HORNPIPE."; the corpus has "Nat:ional", as if "at" had once been a sign.
    """
    title = re.sub(r"at:+", "at", text.removeprefix("T:")).replace('"', "").replace("_", " ")
    title = re.sub(r"[\[(].*", "", title)
    title = re.sub(r"\s*--?\s+|\s+", " ", title).replace(".,", ",").strip(" .,-")
    title = re.sub(r"\. (?=\d\w\w Setting)", ", ", title)
    title = re.sub(r"(?<=[a-z])(?<!Mc)(?<!Mac)(?=[A-Z])", " ", title)  # "MorningFair"
    if title.isupper():
        title = re.sub(r"[A-Z]+('[A-Z]+)*", lambda word: word[0].capitalize(), title)
    found = re.fullmatch(r"(.*), (The|A|An)\b(.*)", title)
    if found:
        title = f"{found[2]} {found[1]}{found[3]}"
    return title[:1].upper() + title[1:]


def candidates(corpus: Path) -> Iterator[Setting]:
    """The tunes of both collections that are plain and credited, well formed, and end on their tonic."""
    seen: set[tuple[str, int]] = set()  # some of O'Neill's numbers were transcribed twice
    for collection, folder in (("oneill", "oneills1850"), ("ryan", "ryansMammoth")):
        for place, path in enumerate(sorted((corpus / folder).glob("*.abc")), 1):
            for text in tunes_of(path.read_text("utf-8", errors="replace")):
                try:
                    tune = in_eighths(without_last_rests(parse_tune(text)))
                except AbcError:
                    continue
                number = int(tune.fields["X"][0]) if collection == "oneill" else place
                transcriber = transcriber_of(tune)
                mode = mode_of(tune) if transcriber and well_formed(tune) else None
                title = clean_title(tune.fields["T"][0])
                if mode is None or MINSTREL.search(title) or (collection, number) in seen:
                    continue
                seen.add((collection, number))
                slots = make_slots(tune.tones, tune.pickup, tune.bar, SLOTS[tune.meter])
                chords = harmonise(slots, mode, tune.parts)
                kind = kind_of(tune, collection, number)
                yield Setting(
                    tune, mode, slots, chords, title, kind, collection, number, f"{folder}/{path.name}", transcriber
                )


def transcriber_of(tune: Tune) -> str:
    signed = " ".join(value for letter in "ZNS" for value in tune.fields.get(letter, []))
    if re.search(r"(?i)copyright|permission|licen[cs]e|restrict|may not|Fiddler.s Companion", signed):
        return ""
    return ", ".join(name for sign, name in TRANSCRIBERS.items() if re.search(sign, signed))


def kind_of(tune: Tune, collection: str, number: int) -> str:
    said = " ".join(tune.fields.get("R", [])).lower()
    if "slip" in said or tune.meter == (9, 8):
        return "slip jig"
    for kind in TEMPI:
        if kind in said:
            return kind
    if collection == "oneill":
        return [kind for first, kind in ONEILL_KINDS if first <= number][-1]
    return "jig" if tune.meter == (6, 8) else "dance"


def without_last_rests(tune: Tune) -> Tune:
    tones = list(tune.tones)
    while tones and tones[-1].pitch is None:
        tones.pop()
    return replace(tune, tones=tones)


def in_eighths(tune: Tune) -> Tune:
    """A tune in 2/4 and sixteenths, as Ryan's has reels, in cut time and eighths, as O'Neill's has them."""
    lengths = sorted(length for _, length in tune.tones)
    if tune.meter != (2, 4) or not lengths or lengths[len(lengths) // 2] > Fraction(1, 4):
        return tune
    return replace(
        tune, tones=[Tone(pitch, 2 * length) for pitch, length in tune.tones], pickup=2 * tune.pickup, meter=(2, 2)
    )


def well_formed(tune: Tune) -> bool:
    """Whether the tune has 12 to 48 bars in parts of four or a multiple, few rests, on the grid and on a fiddle."""
    pitches = [tone.pitch for tone in tune.tones if tone.pitch is not None]
    total = sum((tone.length for tone in tune.tones), Fraction(0))
    silent = sum((tone.length for tone in tune.tones if tone.pitch is None), Fraction(0))
    bars = math.ceil((total - tune.pickup) / tune.bar)
    return (
        tune.meter in SLOTS
        and 12 <= bars <= 48
        and bars % 4 == 0
        and not any(part % 4 for part in tune.parts)
        and all((tone.length * GRID).denominator == 1 for tone in tune.tones)
        and silent <= total / 20
        and bool(pitches)
        and min(pitches) >= 55
        and max(pitches) <= 88
    )


def mode_of(tune: Tune) -> Mode | None:
    """The mode on the melody's last note: the key that is written, or one that the notes bear out better.

    None for a tune that goes round: its last slot does not rest on the tonic.
    """
    last = tune.tones[-1].pitch
    mode = find_mode(tune.tones, last % 12) if last is not None else None
    if mode is None:
        return None
    slots = make_slots(tune.tones, tune.pickup, tune.bar, SLOTS[tune.meter])
    end = slots[-1].weights
    if end[mode.tonic] < sum(end.values()) / 2:
        return None
    if mode.tonic == tune.tonic:
        return mode
    written = find_mode(tune.tones, tune.tonic)
    weight: Counter[int] = Counter()
    for slot in slots:
        weight.update(slot.weights)
    ours, theirs = (sum(weight[p] for p in m.home.pitch_classes) if m else 0.0 for m in (mode, written))
    return mode if ours >= theirs else None


def song_of(setting: Setting) -> Song:
    """Melody and chords as a song whose first bar line is at a whole bar."""
    tune = setting.tune
    shift = tune.bar - tune.pickup if tune.pickup else Fraction(0)
    melody: dict[Fraction, tuple[int, Fraction]] = {}
    now = shift
    for pitch, length in tune.tones:
        if pitch is not None:
            melody[now] = pitch, length
        now += length
    notes = [Note(pitch, float(start), float(length), MELODY_VELOCITY) for start, (pitch, length) in melody.items()]
    struck = [(start + shift + tune.pickup, chord) for start, chord in strikes(setting.slots, setting.chords)]
    for (start, chord), (until, _) in zip(struck, [*struck[1:], (now, None)], strict=True):
        top = melody[start][0]
        length = min(until - start, Fraction(RING))
        notes += [Note(pitch, float(start), float(length), CHORD_VELOCITY) for pitch in voicing(chord) if pitch < top]
    tempo = 110 if setting.kind == "air" and tune.meter == (3, 4) else TEMPI[setting.kind]
    return Song(quantise(notes, GRID), setting.title, tempo, tune.meter)


def fingerprint(setting: Setting) -> list[npt.NDArray[np.int64]]:
    """The first eight bars of each part as degrees above the tonic at every half beat: the same in every key."""
    tune = setting.tune
    degrees: list[int] = []
    now = -tune.pickup
    for pitch, length in tune.tones:
        while Fraction(len(degrees), 2) < now + length:
            degrees.append(-1 if pitch is None else (pitch - setting.mode.tonic) % 12)
        now += length
    per_bar = int(tune.bar * 2)
    whole = np.array(degrees, dtype=np.int64)
    return [whole[bar * per_bar : (bar + 8) * per_bar] for bar in tune.parts]


def without_twins(settings: Iterable[Setting], alike: float) -> list[Setting]:
    """Of settings that share a part, whatever their title and key, the first.

    Parts are shared if more than `alike` of their notes at the half beats are the same.
    """
    kept: list[Setting] = []
    parts: dict[int, list[npt.NDArray[np.int64]]] = {}  # length -> the parts of that length seen so far
    for setting in settings:
        mine = fingerprint(setting)
        if any(
            len(part) in parts and np.max(np.mean(np.stack(parts[len(part)]) == part, axis=1)) > alike for part in mine
        ):
            continue
        kept.append(setting)
        for part in mine:
            parts.setdefault(len(part), []).append(part)
    return kept


def most_common_speech(settings: list[Setting], count: int) -> list[Setting]:
    """The `count` settings that use the words of others: a word is a token of the scheme `chord`.

    Left out, a few at a time, are those with the largest share of words used less than six times; so the network has a
    small vocabulary, each word of it often.
    """
    words = {setting.name: Counter(encode(song_of(setting).notes, "chord", GRID)) for setting in settings}
    used: Counter[str] = Counter()
    for mine in words.values():
        used.update(mine)

    def rare(setting: Setting) -> float:
        mine = words[setting.name]
        return sum(times / used[word] for word, times in mine.items() if used[word] < 6) / mine.total()

    kept = list(settings)
    while len(kept) > count:
        kept.sort(key=lambda setting: (rare(setting), setting.name))
        for setting in kept[max(count, len(kept) - 20) :]:
            used.subtract(words[setting.name])
        del kept[max(count, len(kept) - 20) :]
    return sorted(kept, key=lambda setting: setting.name)
