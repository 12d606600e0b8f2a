"""Folders of MIDI files become the songs of a run: tokens, ids, and three parts that share no song."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiment.crew import crew
from experiment.folder import RunError, RunFolder
from experiment.songs import SPLITS, RunSongs
from experiment.state import TrainingState
from lstm_numpy.batches import Songs
from lstm_numpy.checkpoint import CONFIG, Checkpoint, CheckpointError, load_checkpoint
from lstm_numpy.files import reading
from lstm_numpy.speed.machine import cores
from midi_io.corpus import read_corpus, write_skipped
from midi_io.corpus.dataset import Dataset, build_dataset, cache_folder, split_corpora
from midi_io.disk import printable
from midi_io.music.instruments import programs_of
from midi_io.played import Played
from midi_io.tokens.context import Context
from midi_io.vocabulary import Vocabulary


class SongsRead(NamedTuple):
    """The songs of a run, what their ids stand for, and what there is to say about them."""

    songs: RunSongs
    vocabulary: Vocabulary
    context: Context
    lines: list[str]


def read_songs(
    folder: RunFolder,
    midi: Sequence[str],
    valid: str | None = None,
    test: str | None = None,
    *,
    seed: int,
    scheme: str = "note",
    context: str = "both",
    grid: int = 12,
    velocities: int | None = None,
    snap: bool | None = None,
    families: bool | None = None,
    min_count: int = 1,
    instruments: Sequence[str] = (),
    drums: bool = True,
    max_bytes: int = 10**7,
    progress: bool = False,
    **chosen: Any,
) -> SongsRead:
    """Read the songs of `midi`, and write songs.npz, songs.tsv and skipped.tsv into the run's folder.

    valid, test: folders with the songs of these parts; None: a tenth of `midi` each, drawn with `seed`.
    velocities, snap, families: what to keep of a performance; None: what suits `midi`.
    instruments: names; only their notes are kept (none: all).  chosen: as for read_corpus, of `midi` alone.
    The others are those of read_corpus and build_dataset.  Raises MidiIoError, RunError and OSError.
    """
    options: dict[str, Any] = {
        "scheme": scheme, "grid": grid, "max_bytes": max_bytes, "drums": drums,
        "programs": {program for name in instruments for program in programs_of(name)} or None, "cache": cache_folder(),
        "workers": cores(), "executor": crew().spread, "progress": progress,
    }  # fmt: skip
    corpus = read_corpus(midi, velocities=velocities, snap=snap, families=families, **options, **chosen)
    options |= corpus.played._asdict()
    others = [read_corpus([place], **options) if place else None for place in (valid, test)]
    parts = split_corpora(corpus, others[0], others[1], np.random.default_rng([seed, 0]))
    corpora = [corpus, *filter(None, others)]
    data = build_dataset(parts, min_count=min_count)
    if len(data.vocabulary) > CONFIG["vocab_size"].most:
        raise RunError(f"{len(data.vocabulary):,} tokens are too many; raise --min-count, or take --tokens note")

    told = Context(data.vocabulary, context)
    ids = Songs(
        data.flat, data.offsets, told.of_songs(data.flat, data.offsets) if told.sizes else None, told.id_columns
    )
    songs = RunSongs(ids, data.split, data.beats, data.bpm, data.spelling)
    songs.save(folder.songs)
    folder.write_songs_table(_table(data, songs))
    write_skipped([skipped for corpus in corpora for skipped in corpus.skipped], folder.skipped)
    lines = [corpus.report() for corpus in corpora]
    if corpus.found:
        lines.append(f"{corpus.found}: {' '.join(corpus.played.flags())}")
    lines += _description(songs, scheme)
    return SongsRead(songs, data.vocabulary, told, lines)


def restore(
    folder: RunFolder, saved: Checkpoint, scheme: str, grid: int, played: Played
) -> tuple[RunSongs, Vocabulary, TrainingState]:
    """What a run needs to go on after its last.npz, `saved`.  CheckpointError or RunError unless its files fit."""
    with reading(folder.last, CheckpointError):
        training = TrainingState.restored(saved.params, saved.config, saved.training)
        vocabulary = Vocabulary(saved.vocabulary, scheme, grid, played)
        _ = vocabulary.words  # each token is one of the scheme
    songs = RunSongs.load(folder.songs, saved)
    if training.progress.epoch:  # the best model so far, which the report needs
        best = load_checkpoint(folder.model)
        if best.config != saved.config or best.vocabulary != saved.vocabulary:
            raise RunError(f"{folder.model}: is a model of another network than {folder.last.name}")
    return songs, vocabulary, training


def _table(data: Dataset, songs: RunSongs) -> list[Sequence[object]]:
    return [
        (printable(file.path), file.sha256, SPLITS[part], targets)
        for file, part, targets in zip(data.files, data.split, songs.songs.targets_per_song, strict=True)
    ]


def _description(songs: RunSongs, scheme: str) -> Iterator[str]:
    for name in SPLITS:
        part = songs.of(name)
        unknown = f", {part.unknown_share:.1%} unknown" if part.songs.targets else ""
        yield f"{name:5} {len(part.songs):7,} songs {part.songs.targets:10,} tokens{unknown}"
    if songs.of("valid").unknown_share > 0.1 and scheme != "note":
        yield "more than 10 % of the valid tokens are unknown; --tokens note spells chords note by note and knows all"
