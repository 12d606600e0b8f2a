"""One tune, read by the network: what the page plays, and what the network expected, computed and remembered."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from experiment.listening import last_of_moments, sounding, token_beats
from experiment.page.embed import pack
from experiment.tunes import Composer
from lstm_numpy.batches import END
from lstm_numpy.files import Array
from lstm_numpy.layers import few_hot_forward
from lstm_numpy.model import forward, loss_and_gradients
from lstm_numpy.parameters import State, input_weights, layer_names
from midi_io.music.instruments import FAMILIES, INSTRUMENTS
from midi_io.music.meter import on_strong_beats
from midi_io.music.statistics import tonic_of
from midi_io.notes import PITCH_NAMES, Note, melody
from midi_io.tokens.echo import RUNS

BEST = 5  # most probable tokens that are shown
AT_ONCE = 256  # time steps of a forward pass
LANES = 16  # gradients of so many notes are computed side by side
SOUNDS = {  # how the page's synthesiser plays each family of instruments; all others are blown
    **dict.fromkeys(("piano", "chromatic", "percussive", "effects", "sounds"), "struck"),
    **dict.fromkeys(("guitar", "bass", "ethnic"), "plucked"),
    **dict.fromkeys(("strings", "ensemble", "pad"), "bowed"),
}
PLUCKED_STRINGS = (45, 46)  # pizzicato and harp


class PageTune(NamedTuple):
    """A tune that the page offers."""

    title: str
    group: str  # the heading that it stands under
    ids: Array  # from <start> on
    bpm: float = 120.0
    remark: str = ""  # a sentence beside it
    program: int | None = None  # plays everything but drums; None: the programs of the tokens


def read_tune(composer: Composer, tune: PageTune) -> dict[str, Any]:
    """All that the page needs to play the tune, and to say what the network expected before each token.

    "tokens" are the ids that are spoken of, with their texts.
    """
    vocabulary, ids = composer.vocabulary, tune.ids
    double = 2 * vocabulary.grid  # positions to a beat, half beats among them
    words = composer.words(ids)
    beats = token_beats(words, vocabulary.scheme)
    places: dict[tuple[int, int, bool], int] = {}  # which token strikes a pitch at a position
    for place, word in enumerate(words):
        for pitch in word.pitches or ([int(word.value)] if word.kind == "drum" else []):
            places.setdefault((round(beats[place] * double), pitch, word.kind == "drum"), place)
    notes = vocabulary.decode(ids)
    token_of = [places[round(note.start * double), note.pitch, note.drum] for note in notes]
    if tune.program is not None:
        notes = [note if note.drum else note._replace(program=tune.program) for note in notes]
    voices, voice_of = voices_of(notes)
    moved, meter = composer.on_bars(ids, notes)
    later = moved[0].start - notes[0].start if notes else 0.0
    nats, best, p = expectations(composer, ids)
    tonic, minor = tonic_of(notes)
    strong = on_strong_beats(notes)
    small = np.min_scalar_type(len(vocabulary) - 1)
    arrays = {
        "pitch": np.array([note.pitch for note in notes], np.uint8),
        "velocity": np.array([note.velocity for note in notes], np.uint8),
        "voice": np.array(voice_of, np.uint8),
        "start": np.array([note.start for note in moved], np.float32),
        "duration": np.array([note.duration for note in moved], np.float32),
        "place": np.array(token_of, np.int32), "at": np.array(beats, np.float32) + np.float32(later),
        "ids": ids.astype(small), "best": best.astype(small), "p": np.rint(p * 65535).astype(np.uint16), "cost": nats,
    }  # fmt: skip
    arrays |= what_the_echo_said(composer, ids)
    spoken_of = np.unique(np.concatenate([ids, best.ravel(), arrays.get("echo", ids)]))
    return {
        "title": tune.title, "group": tune.group, "remark": tune.remark, "bpm": tune.bpm, "meter": meter,
        "key": f"{PITCH_NAMES[tonic]} {'minor' if minor else 'major'}" if notes else "",
        "beats": max((note.start + note.duration for note in moved), default=0.0),
        "nats": float(nats[1:].mean()) if len(nats) > 1 else 0.0, "ended": bool(ids[-1] == END),
        "strong": None if math.isnan(strong) else strong, "voices": voices,
        **{name: pack(array) for name, array in arrays.items()},
        "tokens": {str(token): vocabulary.tokens[token] for token in spoken_of},
    }  # fmt: skip


def voices_of(notes: Sequence[Note]) -> tuple[list[dict[str, str]], list[int]]:
    """The voices, as name and sound; and the voice of each note.  One instrument alone is melody and chords."""
    programs = {note.program for note in notes if not note.drum}
    top = set(melody([note for note in notes if not note.drum])[0]) if len(programs) == 1 else set()

    def voice(note: Note) -> tuple[str, str]:
        if note.drum:
            return "drums", "drums"
        sound = SOUNDS.get(list(FAMILIES)[note.program // 8], "blown")
        name = INSTRUMENTS[note.program] if len(programs) > 1 else "melody" if note in top else "chords"
        return name, "plucked" if note.program in PLUCKED_STRINGS else sound

    every = [voice(note) for note in notes]
    voices = sorted(set(every), key=lambda voice: (voice[1] == "drums", -every.count(voice)))
    return [{"name": name, "sound": sound} for name, sound in voices], [voices.index(voice) for voice in every]


def expectations(composer: Composer, ids: Array) -> tuple[Array, Array, Array]:
    """Of each token (n,) float32 its nats, -ln p; (n, 5) the tokens that were most probable in its place, and their p.

    The first token, <start>, is not predicted: its rows are 0.
    """
    n, few = len(ids), min(BEST, len(composer.vocabulary))
    nats, best, p = np.zeros(n, np.float32), np.zeros((n, few), np.int64), np.zeros((n, few))
    state: State | None = None
    told = features(composer, ids)
    for begin in range(0, n - 1, AT_ONCE):
        read = slice(begin, min(begin + AT_ONCE, n - 1))
        part = None if told is None else told[read]
        logits, state, _ = forward(composer.params, column(ids[read]), state, context=part)
        z = logits[:, 0].astype(np.float64)
        log_p = z - np.logaddexp.reduce(z, axis=1, keepdims=True)
        rows = slice(read.start + 1, read.stop + 1)
        nats[rows] = -np.take_along_axis(log_p, column(ids[rows]), axis=1)[:, 0]
        best[rows] = np.argsort(-log_p, axis=1)[:, :few]
        p[rows] = np.exp(np.take_along_axis(log_p, best[rows], axis=1))
    return nats, best, p


def watch(composer: Composer, ids: Array, units: Sequence[int], most_moments: int, most_notes: int) -> dict[str, Any]:
    """What the last layer did: all its units at each moment, some units exactly, and the gradients of notes.

    A moment is what is struck together; the numbers are those after its last token has been read.
    """
    words, params = composer.words(ids), composer.params
    moments = last_of_moments(words, composer.vocabulary.scheme)[:most_moments]
    name = layer_names(params)[-1]
    Wh, b = params[f"{name}.Wh"], params[f"{name}.b"]
    read = ids[: moments[-1] + 1]
    trace = forward(params, column(read), context=features(composer, read))[2]
    step = trace[name]
    i, f, o, g, tanh_c = (gate[moments, 0] for gate in (step.i, step.f, step.o, step.g, step.tanh_c))
    h = step.h[moments + 1, 0]
    every = np.stack([i, f, o, (g + 1) / 2, (tanh_c + 1) / 2, (h + 1) / 2])

    columns = np.array([unit + len(Wh) * np.arange(4) for unit in units]).reshape(-1, 4)  # (units, 4) in i, f, o, g
    from_h = (step.h[moments, 0] @ Wh)[:, columns]
    x, Ws = trace[f"{name}.input"].x[moments, 0], tuple(input_weights(params, name).values())
    from_x = x @ Ws[0] if x.dtype.kind == "f" else np.empty((len(moments), len(b)), Wh.dtype)
    if x.dtype.kind != "f":  # the places of the ones
        few_hot_forward(x, Ws, from_x)
    z = np.concatenate([from_x[:, columns], from_h, np.broadcast_to(b[columns], from_h.shape)], axis=2)
    numbers = np.stack([i, f, o, g, step.c[moments, 0], step.c[moments + 1, 0], tanh_c, h], axis=2)[:, list(units)]

    places = np.array([place for place in sounding(words) if place <= moments[-1]])[:most_notes]
    by_h, by_c = note_gradients(composer, ids, places)
    return {
        "place": pack(moments.astype(np.int32)),
        "units": pack(np.rint(every * 255).astype(np.uint8)),
        "exact": pack(np.concatenate([z, numbers], axis=2).astype(np.float32)),  # (moments, units, 12 + 8)
        "notes": pack(places.astype(np.int32)), "by_h": pack(by_h), "by_c": pack(by_c),
    }  # fmt: skip


def note_gradients(composer: Composer, ids: Array, places: Array) -> tuple[Array, Array]:
    """(N, N) and (N, N): how far the nats of note k depend on what the network held when it had read note j.

    Row k, column j: the norm of d nats[k] / d h, and of d nats[k] / d c, of the last layer after token places[j]; 0
    where j is not before k.  places: of the notes' tokens in ids, ascending, none of them 0.  One backward pass for
    each note: lanes of a batch read the same ids, and each scores one target.
    """
    name, n, told = layer_names(composer.params)[-1], len(places), features(composer, ids)
    by_h, by_c = np.zeros((n, n), np.float32), np.zeros((n, n), np.float32)
    for first in range(0, n, LANES):
        rows = places[first : first + LANES]
        T, B = int(rows[-1]), len(rows)
        targets = np.full((T, B), -1)
        targets[rows - 1, np.arange(B)] = ids[rows]
        lanes = np.repeat(column(ids[:T]), B, axis=1)
        context = None if told is None else np.repeat(told[:T], B, axis=1)
        step = loss_and_gradients(composer.params, lanes, targets, context=context)[3][name]
        before = places[places < T] + 1  # what was read at t is in h[t+1]
        for found, gradient in ((by_h, step.dh), (by_c, step.dc)):  # times B: the loss is the mean over the lanes
            found[first : first + B, : len(before)] = B * np.linalg.norm(gradient[before], axis=2).T
    return by_h, by_c


def features(composer: Composer, ids: Array) -> Array | None:
    """What the network is told beside ids, as the batch of one song (n, 1, F); None if it is told nothing."""
    context = composer.context
    return context.of_songs(ids, np.array([0, len(ids)]))[:, None] if context.sizes else None


def what_the_echo_said(composer: Composer, ids: Array) -> dict[str, Array]:
    """For each token (n,) the echo's token, 0 where it is silent, and how many tokens at least stood before as now."""
    names, told = composer.context.names, features(composer, ids)
    if told is None or "echo" not in names:
        return {}
    said, run = (np.append(0, told[:-1, 0, names.index(name)]) for name in ("echo", "run"))
    lengths = np.array([0, *RUNS])[run]  # class k: RUNS[k - 1] tokens or more
    return {"echo": said.astype(np.int32), "equal": lengths.astype(np.uint8)}


def column(ids: Array) -> Array:
    """Ids (n,) as the batch of one song (n, 1)."""
    return ids.astype(np.intp)[:, None]
