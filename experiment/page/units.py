"""Units that follow something a musician would name, shown along a tune; and what the network writes without them."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from experiment.listening import LEARNED, Finding, Reading, hear, search
from experiment.page.embed import pack
from experiment.songs import RunSongs
from experiment.tunes import Composer
from lstm_numpy.batches import UNKNOWN
from lstm_numpy.files import Array
from lstm_numpy.parameters import init_params, layer_names
from midi_io.notes import Song
from midi_io.tokens.hearing import CLOCK, COLUMNS

Arrays = dict[str, Array]

COUNTING = ("on the beat", "first in its bar")
SEARCHED, LONGEST = 20, 1500  # valid songs, and as many test songs, and tokens of each that are looked at
ECHO = COLUMNS[CLOCK:]  # the features that speak of it
HELD = 100.0  # the bias of a gate that is held


def find_units(composer: Composer, songs: RunSongs) -> list[Finding]:
    """Units of the last layer that follow something a musician would name: see listening.py.

    Those that count beats and bars come first, then the clearest.  Found on valid songs, confirmed on test songs; none
    where there are no such songs.
    """

    def readings(part: RunSongs) -> list[Reading]:
        begins = (ids[:LONGEST] for ids in part.songs)
        heard = (heard_song(composer, ids) for ids in begins if UNKNOWN not in ids and has_pitch(composer, ids))
        return list(islice(heard, SEARCHED))

    valid, test = readings(songs.of("valid")), readings(songs.of("test"))
    if not valid or not test:
        return []
    config, rng = composer.checkpoint.config, np.random.default_rng(1)
    findings = search(composer.params, init_params(config, rng), config.layers, valid, test, rng)
    learned = [finding for finding in findings if finding.verdict == LEARNED]
    return sorted(learned, key=lambda finding: (finding.name not in COUNTING, -abs(finding.heard)))


def has_pitch(composer: Composer, ids: Array) -> bool:
    """Whether there is more to hear than drums."""
    return any(word.pitches for word in composer.words(ids))


def heard_song(composer: Composer, ids: Array) -> Reading:
    """A tune as listening.py hears it, with its bar lines."""
    notes = composer.vocabulary.decode(ids)
    moved, meter = composer.on_bars(ids, notes)
    song = Song(notes, meter=meter, told=composer.vocabulary.meter_of(ids))
    heard = Reading.of(song, composer.vocabulary, composer.context)
    later = moved[0].start - notes[0].start
    return dataclasses.replace(heard, onsets=heard.onsets + later, ends=heard.ends + later)


def what_is_followed(composer: Composer, ids: Array, found: Sequence[Finding]) -> dict[str, Any]:
    """What a musician would say of a tune: for each finding a number 0..255 for each moment, and the moments' beats."""
    if not found or not has_pitch(composer, ids):
        return {}
    heard = heard_song(composer, ids)
    answers = hear(heard)
    said = np.stack([answers[finding.name] for finding in found])
    low = np.where(said.max(axis=1) > 1, said.min(axis=1), 0)[:, None]  # yes is 1 and no is 0; a pitch is any number
    high = np.maximum(said.max(axis=1, keepdims=True), low + 1)
    shades = np.rint(255 * (said - low) / (high - low)).astype(np.uint8)
    return {"said": pack(shades), "said_at": pack(heard.onsets.astype(np.float32))}


# The network with one thing changed.


def changes(
    params: Mapping[str, Array], found: Sequence[Finding], features: Sequence[str] = ()
) -> Iterator[tuple[str, Arrays]]:
    """What is changed, in words, and the changed parameters: no echo; two units silent; a forget gate open, and shut.

    features: the names of what the network is told beside its tokens.
    """
    if "echo" in features:
        yield "without the echo", without_echo(params, features)
    names = {finding.unit: f'unit {finding.unit} ("{finding.name}")' for finding in reversed(found)}
    seen = list(dict.fromkeys(finding.unit for finding in found))[:2]
    for unit in seen:
        yield f"{names[unit]} silent", silenced(params, unit)
    for unit in seen[:1]:
        gate = f"the forget gate of {names[unit]} held"
        yield f"{gate} open: it forgets nothing", forget_gate_held(params, unit, HELD)
        yield f"{gate} shut: it keeps nothing", forget_gate_held(params, unit, -HELD)


def without_echo(params: Mapping[str, Array], features: Sequence[str]) -> Arrays:
    """The echo is always silent: every row of its features is row 0, which stands for no echo."""
    first = layer_names(params)[0]
    rows = {f"{first}.Wx{number}" for number, name in enumerate(features, start=1) if name in ECHO}
    return {name: np.repeat(W[:1], len(W), axis=0) if name in rows else W for name, W in params.items()}


def silenced(params: Mapping[str, Array], unit: int) -> Arrays:
    """Nothing reads the unit of the last layer any more: its rows of Wh and of dense.W are 0."""
    changed = dict(params)
    for name in (f"{layer_names(params)[-1]}.Wh", "dense.W"):
        changed[name] = params[name].copy()
        changed[name][unit] = 0
    return changed


def forget_gate_held(params: Mapping[str, Array], unit: int, bias: float) -> Arrays:
    """The bias alone decides the unit's forget gate in the last layer: all that is added to it is far smaller."""
    name = layer_names(params)[-1]
    b = params[f"{name}.b"].copy()
    b[len(params[f"{name}.Wh"]) + unit] = bias  # gates stand in the order i, f, o, g
    return {**params, f"{name}.b": b}
