"""New tunes from a trained network: how they begin, which tokens follow, and the files that come of them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiment.command.console import one_line
from experiment.crew import run_all
from experiment.folder import RunError, read_json
from experiment.songs import RunSongs
from lstm_numpy.batches import END, START, UNKNOWN
from lstm_numpy.checkpoint import Checkpoint, CheckpointError, load_checkpoint
from lstm_numpy.files import Array, reading
from lstm_numpy.sampling import SIDE_BY_SIDE, Sampling, Tune, generate
from midi_io.disk import read_bytes
from midi_io.music.meter import on_bars
from midi_io.music.picture import draw_piano_roll
from midi_io.music.sound import render, write_wav
from midi_io.notes import Note, Song, piano_roll, transpose
from midi_io.played import AS_WRITTEN, Played, simplified
from midi_io.reader import MAX_BYTES, read_song
from midi_io.tokens import encode
from midi_io.tokens.context import Context
from midi_io.tokens.words import Word
from midi_io.vocabulary import Vocabulary, may_follow
from midi_io.writer import write_song

PRIME_TOKENS = 50  # from a random place: the paper's window
MARK = "written by lstm-numpy"  # in every tune: it tells our files from the user's
LENGTH, MOST = 3000, 10_000  # tokens, after which a tune that has not ended by itself is ended: see usual_length
ROOM = 4  # so long a part of them more, at most, until it can end
SAMPLING = Sampling(temperature=0.85, top_p=0.97, sure=0.8, repeats=2)  # where a run has not chosen


@dataclass(frozen=True)
class Composer:
    """A trained network, and what its ids stand for."""

    path: Path  # of the checkpoint
    checkpoint: Checkpoint
    vocabulary: Vocabulary
    transpose: int  # semitones that its train songs were moved by, up and down
    context: Context  # what the network is told beside its tokens
    sampling: Sampling = SAMPLING  # as the run chose it, at its end
    anywhere: bool = False  # tunes may end over any bass; else over their tonic

    @classmethod
    def load(cls, run: Path) -> Composer:
        """From a run's folder (its best model) or one of its checkpoints.  Raises CheckpointError and RunError."""
        best = run / "model.npz"  # it is not there before the end of the first epoch
        path = (best if os.path.lexists(best) else run / "last.npz") if run.is_dir() else run
        if not os.path.lexists(path):
            raise RunError(f"{one_line(str(run))}: no run is there; train one first: python train.py")
        checkpoint = load_checkpoint(path)
        with reading(path, CheckpointError):
            settings = checkpoint.training.get("settings")
            if not settings:
                raise ValueError("does not say what its tokens are; is it from train.py?")
            played = AS_WRITTEN.asked(*map(settings.get, Played._fields))  # a run of 0.2.0 kept everything
            vocabulary = Vocabulary(checkpoint.vocabulary, settings["tokens"], settings["grid"], played)
            _ = vocabulary.words  # each token is one of the scheme
            context = Context(vocabulary, settings["context"])
            if context.sizes != checkpoint.config.context:
                raise ValueError("its network is told other features than its settings say")
            summary = read_json(found) if os.path.lexists(found := path.with_name("summary.json")) else {}
            sampling = Sampling(**summary.get("sampling", asdict(SAMPLING)))
            anywhere = bool(summary.get("end_anywhere", False))
            return cls(path, checkpoint, vocabulary, settings["transpose"], context, sampling, anywhere)

    @property
    def params(self) -> dict[str, Array]:
        return self.checkpoint.params

    def words(self, ids: Array) -> list[Word]:
        """Each token of a tune, taken apart."""
        return [self.vocabulary.words[token] for token in ids]

    def in_meter(self, meter: tuple[int, int] | None) -> Composer:
        """The same network where the meter of the tune is told; see Context."""
        return replace(self, context=Context(self.vocabulary, self.context.kind, meter))

    def on_bars(self, ids: Array, notes: list[Note]) -> tuple[list[Note], tuple[int, int]]:
        """The notes of a tune, moved so that whole bars end on bar lines, and its meter; as the network hears them."""
        told = self.vocabulary.meter_of(ids)
        return (notes, told) if told and self.context.barred else on_bars(notes, told)

    def songs(self) -> RunSongs | None:
        """The songs of the run, from the checkpoint's folder; None where the checkpoint stands alone."""
        path = self.path.parent / "songs.npz"
        return RunSongs.load(path, self.checkpoint) if os.path.lexists(path) else None

    def write(
        self,
        prime: Array,
        rng: np.random.Generator,
        count: int = 1,
        *,
        length: int = LENGTH,
        sampling: Sampling | None = None,
        bars: int | None = None,
        told: Callable[[int], object] = lambda written: None,
    ) -> list[Tune]:
        """`count` tunes that begin with the ids of prime, each until it ends by itself, or of `bars` bars.

        One that has `length` tokens more ends over its next tonic, and is cut where that is too far.
        told(1) is called each time that SIDE_BY_SIDE of them are written.
        Raises RunError where the sampling makes no sense, or the network's output is not finite.
        """
        jobs = []
        for written in range(0, count, SIDE_BY_SIDE):  # each job begins where the seeds of those before it end
            some = min(SIDE_BY_SIDE, count - written)
            jobs.append(partial(self._write, prime, deepcopy(rng), some, length, sampling or self.sampling, bars))
            rng.integers(2**63, size=some)
        return [tune for tunes in run_all(jobs, told) for tune in tunes]

    def _write(
        self, prime: Array, rng: np.random.Generator, count: int, length: int, sampling: Sampling, bars: int | None
    ) -> list[Tune]:
        allowed, latest = may_follow(self.vocabulary), len(prime) + length
        walk = self.context.endings(allowed, bars, latest, anywhere=self.anywhere)
        context = self.context.begin if self.context.sizes else None
        try:
            tunes = generate(
                self.params, prime, length + length // ROOM, rng, count, sampling=sampling, end=END,
                banned=(START, UNKNOWN), walk=walk, context=context, context_ids=self.context.id_columns,
            )  # fmt: skip
        except ValueError as error:
            raise RunError(str(error)) from None
        return [tune._replace(ended=tune.ended and len(tune.ids) <= len(prime) + length) for tune in tunes]


@dataclass(frozen=True)
class Opening:
    """What a tune begins with; without arguments, as songs begin."""

    ids: Array = field(default_factory=lambda: np.array([START]))  # <start>, and what stands before the network writes
    bpm: float | None = None  # None: the median of the train songs
    meter: tuple[int, int] | None = None  # None: the tune itself tells


def random_place(songs: RunSongs, rng: np.random.Generator) -> Opening:
    """50 tokens from a random place in the train songs, as the paper does."""
    train = songs.of("train").songs
    ids = train[int(rng.integers(len(train)))]
    place = int(rng.integers(1, max(len(ids) - PRIME_TOKENS, 2)))
    return Opening(np.array([START, *ids[place : place + PRIME_TOKENS].tolist()]))


def opening_of(path: str | Path, composer: Composer, semitones: int = 0, bars: int | None = None) -> Opening:
    """The first bars of a MIDI file (None: all), moved by some semitones.  An unknown token becomes the nearest known.

    The bars are those of the file's meter.  The song is simplified whole, as the train songs were.  Raises MidiError,
    and RunError where the file has no note there.
    """
    song, name = read_song(path), one_line(str(path))
    end = math.inf if bars is None else bars * 4 * song.meter[0] / song.meter[1]
    played = composer.vocabulary.played
    notes = [note for note in simplified(song.notes, played) if note.start < end]
    told = song.told if played.meters else None
    tokens = encode(transpose(notes, semitones), composer.vocabulary.scheme, composer.vocabulary.grid, told)
    if len(tokens) == bool(told):  # there is nothing but the meter, if any
        raise RunError(f"{name}: has no notes to begin with; give more --prime-bars, or another song")
    known = [composer.vocabulary.nearest(token) for token in tokens]
    replaced = sum(token != other for token, other in zip(tokens, known, strict=True))
    changed = f"; {replaced} that the network does not know became the nearest known" if replaced else ""
    print(f"{name}: {'all' if bars is None else f'the first {bars} bars'}, {len(tokens)} tokens{changed}")
    return Opening(np.array([START, *composer.vocabulary.ids(known)]), song.bpm, song.meter)


def usual_bpm(songs: RunSongs | None) -> float:
    """The median over the train songs; MIDI's own 120 where they are not known."""
    return float(np.median(songs.of("train").bpm)) if songs else 120.0


def usual_length(songs: RunSongs | None) -> int:
    """Tokens, after which a tune that has not ended by itself is ended: a usual train song, from LENGTH to MOST."""
    usual = np.median(np.diff(songs.of("train").songs.offsets)) if songs else 0
    return int(np.clip(usual, LENGTH, MOST))


def compose(
    composer: Composer,
    paths: Sequence[Path],
    opening: Opening,
    rng: np.random.Generator,
    *,
    bpm: float,
    program: int | None = None,
    wav: bool = False,
    **choices: Any,
) -> list[Tune]:
    """Write a tune to each of the paths, with a picture beside it, and print what was written.

    Where one instrument plays all but the drums, melody and chords have a track each.
    program: what plays everything but drums; None: what the tokens say.  wav: write the sound, too.  choices: as for
    Composer.write.  Raises MidiIoError and RunError.
    """
    tunes = composer.write(opening.ids, rng, len(paths), **choices)
    songs = []
    for path, tune in zip(paths, tunes, strict=True):
        notes = composer.vocabulary.decode(tune.ids)
        if program is not None:
            notes = [note if note.drum else note._replace(program=program) for note in notes]
        beats = max((note.start + note.duration for note in notes), default=0)
        notes, meter = (notes, opening.meter) if opening.meter else composer.on_bars(tune.ids, notes)
        songs.append(Song(notes, path.stem, bpm, meter))
        write_song(songs[-1], path, melody_apart=True, comment=MARK)
        end = "ended by itself" if tune.ended else f"{'ended' if tune.ids[-1] == END else 'cut'} after --length"
        print(
            f"{one_line(str(path))}: {len(tune.ids)} tokens, {beats:g} beats, {end}; "
            f"entropy {tune.entropy:.2f} nats, longest loop {tune.longest_loop} tokens"
        )
    print(piano_roll(songs[0].notes, meter=songs[0].meter))
    run_all([partial(_show, song, path, wav) for path, song in zip(paths, songs, strict=True)])
    return tunes


def _show(song: Song, path: Path, wav: bool) -> None:
    """Draw a tune, and write how it sounds, beside its file."""
    draw_piano_roll(song.notes, path.with_suffix(".png"), title=path.stem, meter=song.meter)
    if wav:
        write_wav(render(song.notes, bpm=song.bpm), path.with_suffix(".wav"))


def tune_paths(path: Path, count: int, *, force: bool = False, prime: str | None = None) -> list[Path]:
    """tune.mid, or tune-1.mid, tune-2.mid, ... for several.

    Raises RunError where they cannot be written, where a file would be lost that this program did not write (unless
    `force`), and where the tune would take the place of the song `prime` that it begins with.
    """
    if path.suffix.lower() not in (".mid", ".midi"):
        raise RunError(f"{path}: the name of a MIDI file ends in .mid")
    if not os.access(path.parent, os.W_OK) or path.is_dir():
        raise RunError(f"{path}: cannot be written; name another file with --out, in a folder that exists")
    paths = [path] if count == 1 else [path.with_name(f"{path.stem}-{n}{path.suffix}") for n in range(1, count + 1)]
    for tune in paths:
        if prime and tune.exists() and Path(prime).exists() and tune.samefile(prime):
            raise RunError(f"{prime}: the song of --prime would be overwritten; name another file with --out")
        ours = tune.is_file() and MARK.encode() in read_bytes(tune, MAX_BYTES)[:1000]
        for file in (tune, *map(tune.with_suffix, (".png", ".wav", ".html"))):
            if os.path.lexists(file) and not (ours or force):
                raise RunError(f"{file}: exists and is not from this program; name another file, or give --force")
    return paths
