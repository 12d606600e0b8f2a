"""What it costs a network to say a note of played music, by how the note is spelled.

    python benchmarks/played.py FOLDER --songs 60 --seconds 60

A network of the same size is trained on each spelling for the same CPU seconds of one core, on pieces of the same
songs, and the best of four states is scored on whole songs that it has not seen.  Nats are counted per note of the
files, whatever a spelling makes of it.  What a spelling drops is charged for: -ln of how often, in the train songs, the
exact start, length and velocity stood for the spelled ones (48 to a beat), and which of its instruments plays for a
family.  That is the most that it can cost: a network that was asked would find some of it in what it
has read.

REMI, TSD and MMM are MidiTok's, with its defaults, all pitches, one stream, programs, and drums without a length, as
ours are.  What they read is moved into place, too.  MMM says one instrument after another, each from the beginning of
the song: its notes are the same, but a tune that is cut has few of its instruments.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean, median_low
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from contest import table

from experiment.tunes import SAMPLING
from lstm_numpy import (
    ModelConfig,
    RMSprop,
    Songs,
    clip_by_global_norm,
    evaluate,
    generate,
    init_params,
    training_batches,
)
from lstm_numpy.dropout import dropout_masks, hold_masks
from lstm_numpy.evaluation import Evaluation
from lstm_numpy.model import loss_and_gradients
from lstm_numpy.optimizer import cosine
from lstm_numpy.parameters import reset
from lstm_numpy.speed.workspace import Workspace
from midi_io.corpus import in_fair_order
from midi_io.corpus.files import find_files
from midi_io.disk import MidiError
from midi_io.music.statistics import figures
from midi_io.notes import Note
from midi_io.played import AS_WRITTEN, FAMILY, Played, in_place, simplified
from midi_io.reader import read_song
from midi_io.tokens import decode, encode
from midi_io.tokens.context import Context
from midi_io.vocabulary import Vocabulary, may_follow

try:
    import miditok
    import symusic
except ImportError:
    miditok = symusic = None

T, B, HIDDEN, LEARNING_RATE = 64, 32, 256, 4e-3
LOOKS = 4  # at the valid songs, as an epoch's end is one for train.py
PIECE = 512  # ids: long songs are trained in pieces, so that none drowns the others
FINE = 48  # places in a beat, where exact times are compared
UNKNOWN_NATS = math.log(100)  # to spell a token that the vocabulary lacks
MUSIC = ("on_strong_beats", "steps", "repeated", "in_key", "notes_per_beat")
TUNES, LENGTH = 8, 1500
MANNER = ("v", ":", "Velocity", "Duration")  # tokens of how a note is played; the others say who plays what, and when

Notes = list[Note]


class Spelling(NamedTuple):
    """A way from notes to tokens, and back; context: what the network is told beside them."""

    encode: Callable[[Notes], list[str]]
    decode: Callable[[Sequence[str]], Notes]
    context: str = "none"


def ours(played: Played, context: str = "both", *, moved: bool = True) -> Spelling:
    return Spelling(lambda notes: encode(simplified(notes, played) if moved else notes), decode, context)


def spellings() -> dict[str, Spelling]:
    found = {
        "as the file has it": ours(AS_WRITTEN, moved=False),
        "in place": ours(AS_WRITTEN),
        "in place --context none": ours(AS_WRITTEN, "none"),
        "--snap": ours(Played(snap=True)),
        "--velocities 8 --snap": ours(Played(8, snap=True)),
        "--velocities 4 --snap": ours(Played(4, snap=True)),
        "--velocities 0 --snap": ours(Played(0, snap=True)),
        "--snap --families": ours(Played(snap=True, families=True)),
        "--velocities 4 --snap --families": ours(Played(4, snap=True, families=True)),
        "--velocities 4 --snap --families --context none": ours(Played(4, snap=True, families=True), "none"),
    }
    for name in ("REMI", "TSD", "MMM") if miditok else ():
        base = {"base_tokenizer": "REMI"} if name == "MMM" else {}
        tokenizer = getattr(miditok, name)(
            miditok.TokenizerConfig(
                pitch_range=(0, 127),
                drums_pitch_range=(0, 127),
                use_programs=True,
                one_token_stream_for_programs=True,
                use_note_duration_programs=range(128),  # all but the drums, which are -1
                **base,
            )
        )
        found[f"MidiTok {name}"] = Spelling(partial(_their_tokens, tokenizer), partial(_their_notes, tokenizer))
    return found


def _their_tokens(tokenizer: Any, notes: Notes) -> list[str]:
    tracks: dict[tuple[bool, int], Any] = {}
    for note in in_place(notes):
        track = tracks.setdefault(note[4:], symusic.Track(program=note.program, is_drum=note.drum))
        length = max(round(note.duration * 480), 1)
        track.notes.append(symusic.Note(round(note.start * 480), length, note.pitch, note.velocity))
    score = symusic.Score(480)
    for track in tracks.values():
        score.tracks.append(track)
    return list(tokenizer(score).tokens)


def _their_notes(tokenizer: Any, tokens: Sequence[str]) -> Notes:
    ids = [tokenizer.vocab[token] for token in tokens if token in tokenizer.vocab]
    score = tokenizer.decode(miditok.TokSequence(ids=ids))
    beat = score.ticks_per_quarter
    return sorted(
        (
            Note(note.pitch, note.time / beat, note.duration / beat, note.velocity, track.program, track.is_drum)
            for track in score.tracks
            for note in track.notes
        ),
        key=lambda note: (note.start, note.pitch),
    )


# What a spelling drops.

Dropped = list[tuple[str, object, object]]  # what, its spelled value, how far the exact one is from that


def dropped(notes: Notes, spelled: Notes) -> Dropped:
    """How far each note is from the spelled note nearest to it.

    loudness is the velocity above the median of its instrument, which is charged for once.
    """
    heard, near = defaultdict(list), defaultdict(list)
    for note in notes:
        heard[note.drum, note.program].append(note.velocity)
    own = {instrument: median_low(velocities) for instrument, velocities in heard.items()}
    for note in spelled:
        near[note.drum, note.pitch].append(note)
        near[note.drum, note.pitch, not note.drum and note.program // FAMILY].append(note)
    found: Dropped = []
    for note in notes:
        family = near.get((note.drum, note.pitch, not note.drum and note.program // FAMILY))
        other = min(family or near[note.drum, note.pitch], key=lambda other: abs(other.start - note.start))
        found.append(("start", 0, round((note.start - other.start) * FINE)))
        if not note.drum:
            found.append(("length", round(other.duration * FINE), round((note.duration - other.duration) * FINE)))
        found.append(("velocity", other.velocity, note.velocity - other.velocity))
        found.append(("loudness", other.velocity, note.velocity - own[note.drum, note.program]))
    return found + [("median", 0, velocity) for velocity in own.values()]


def charge(train: Iterable[Dropped], valid: Iterable[Dropped]) -> float:
    """Nats to say the exact values of the valid notes, when the spelled ones are known."""
    counts: dict[object, Counter[object]] = defaultdict(Counter)
    for what, spelled, beside in (row for rows in train for row in rows):
        counts[what, spelled][beside] += 1
        counts[what][beside] += 1
    nats: dict[str, float] = defaultdict(float)
    for what, spelled, beside in (row for rows in valid for row in rows):
        every, alike = counts[what], counts[what, spelled]
        at_all = (every[beside] + 0.5) / (every.total() + 0.5 * len(every) + 0.5)
        nats[what] -= math.log((alike[beside] + at_all) / (alike.total() + 1))
    return nats["start"] + nats["length"] + min(nats["velocity"], nats["loudness"] + nats["median"])


def who_plays(notes: Notes) -> float:
    """Nats to say, note by note, which of its family's instruments plays, counting as the song goes on."""
    nats, counts = 0.0, defaultdict(Counter)
    for note in notes:
        count = counts[note.drum, note.program // FAMILY]
        nats -= math.log((count[note.program] + 1 / FAMILY) / (count.total() + 1))
        count[note.program] += 1
    return nats


# The network.


def pieces(songs: Songs) -> Songs:
    """The same ids in pieces of about PIECE."""
    ends = [
        np.linspace(begin, end, max(round((end - begin) / PIECE), 1) + 1)[1:]
        for begin, end in zip(songs.offsets[:-1], songs.offsets[1:], strict=True)
    ]
    offsets = np.concatenate([[0], *ends]).astype(np.int64)
    return Songs(songs.flat, offsets, songs.context, songs.context_ids)


def trained(
    songs: Songs, valid: Songs, config: ModelConfig, seconds: float, seed: int = 1
) -> tuple[Evaluation, dict[str, Any], float]:
    """Train for so many CPU seconds: the best of LOOKS at the valid songs, its weights, how often each id was read."""
    rng = np.random.default_rng(seed)
    params = init_params(config, rng)
    optimizer, workspace = RMSprop(params), Workspace(config, T, B)
    begun, scored, looks = math.nan, 0, []
    while True:
        held: dict[str, Any] = {}
        state = None
        for batch in training_batches(songs, T, B, rng):
            if math.isnan(begun) and scored > 3 * T * B:  # numba has compiled everything
                begun = time.process_time()
            share = 0.0 if math.isnan(begun) else (time.process_time() - begun) / seconds
            if share * LOOKS > len(looks) + 1:
                before = time.process_time()
                found = evaluate(params, config, valid, T, B)
                looks.append((found, {name: weight.copy() for name, weight in params.items()}, scored / songs.targets))
                begun += time.process_time() - before
                if len(looks) == LOOKS:
                    return min(looks, key=lambda look: look[0].nats_per_token)
            optimizer.learning_rate = LEARNING_RATE * cosine(min(share, 1.0))
            masks = dropout_masks(config, T, B, rng, workspace=workspace)
            masks = hold_masks(masks, held, batch.fresh)
            _, grads, state, _ = loss_and_gradients(
                params, batch.ids, batch.targets, reset(state, batch.fresh), masks,
                context=batch.context, workspace=workspace,
            )  # fmt: skip
            clip_by_global_norm(grads, 5.0)
            optimizer.step(params, grads)
            held = {name: mask.copy() for name, mask in masks.items() if mask.ndim == 2}
            scored += int(np.count_nonzero(batch.targets >= 0))


def row(spelling: Spelling, train: list[Notes], valid: list[Notes], seconds: float) -> list[str]:
    """The figures of one spelling."""
    tokens = [[spelling.encode(notes) for notes in part] for part in (train, valid)]
    known = Vocabulary.build(Counter(token for song in tokens[0] for token in song), 2)
    is_ours = spelling.decode is decode
    context = Context(known, spelling.context) if is_ours else None
    parts = []
    for songs in tokens:
        ids = Songs.of([[0, *known.ids(song), 1] for song in songs])
        told = context.of_songs(ids.flat, ids.offsets) if context and context.sizes else None
        parts.append(Songs(ids.flat, ids.offsets, told, context.id_columns if context else ()))
    config = ModelConfig(
        len(known), HIDDEN, dropout=0.25, recurrent_dropout="rnndrop", context=context.sizes if context else ()
    )
    found, params, epochs = trained(pieces(parts[0]), parts[1], config, seconds)

    count = sum(map(len, valid))
    unknown = np.count_nonzero(parts[1].flat == 2) * UNKNOWN_NATS
    back = [[spelling.decode(song) for song in part] for part in tokens]
    exact = [list(map(in_place, part)) for part in (train, valid)]
    lost = charge(*(map(dropped, part, spelled) for part, spelled in zip(exact, back, strict=True)))
    merged = {note.program % FAMILY for song in back[1] for note in song if not note.drum} <= {0}
    lost += sum(map(who_plays, valid)) if merged else 0.0
    said = (found.nats.sum() + unknown) / count
    manner = np.array([token.startswith(MANNER) for token in known.tokens])[parts[1].flat]

    rng = np.random.default_rng(1)
    tunes = generate(
        params, [0], LENGTH, rng, TUNES, end=1, banned=(0, 2), sampling=SAMPLING,
        walk=may_follow(known) if is_ours else None, context=context.begin if context and context.sizes else None,
    )  # fmt: skip
    written = [spelling.decode(known.tokens_of(tune.ids[1:])) for tune in tunes]
    return [
        f"{len(known)}", f"{found.scored.sum() / count:.2f}", f"{epochs:.1f}",
        f"{said - found.nats[manner].sum() / count:.2f}", f"{said:.2f}",
        f"{lost / count:.2f}", f"{said + lost / count:.2f}", *music(written),
    ]  # fmt: skip


def music(pieces: Iterable[Notes]) -> list[str]:
    """The means of a few figures, of pieces and tunes alike."""
    every = [figures(notes, whole=False) for notes in pieces]
    means = [[piece[name] for piece in every if not math.isnan(piece[name])] for name in MUSIC]
    return [(f"{fmean(of):.2f}" if name == "notes_per_beat" else f"{fmean(of):.0%}") if of else "-"
            for name, of in zip(MUSIC, means, strict=True)]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="with MIDI files")
    parser.add_argument("--songs", type=int, default=60, help="to read, an eighth of them to score (default: 60)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of one core, for each network (default: 60)")
    parser.add_argument(
        "--only", default="", metavar="PATTERN", help="the spellings whose name a regular expression finds"
    )
    args = parser.parse_args()
    songs: list[Notes] = []
    for file in in_fair_order(find_files([args.folder])[0]):
        try:
            song = read_song(file.path)
        except MidiError:
            continue
        if 50 <= len(song.notes) <= 20_000 and len(songs) < args.songs:
            songs.append(song.notes)
    valid, train = songs[: len(songs) // 8], songs[len(songs) // 8 :]
    rows = [["the valid songs", *["-"] * 7, *music(map(in_place, valid))]]
    for name, spelling in spellings().items():
        if re.search(args.only, name):
            rows.append([name, *row(spelling, train, valid, args.seconds)])
            print(*rows[-1], file=sys.stderr, flush=True)
    head = [
        "spelled",
        "V",
        "tokens a note",
        "epochs",
        "who, what, when",
        "all that is said",
        "dropped, at most",
        "both",
    ]
    print(f"{len(train)} songs to train on, {len(valid)} to score; nats are per note\n")
    print(table(head + [name.replace("_", " ") for name in MUSIC], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
