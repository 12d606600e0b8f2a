"""songs.npz: every song of a run as ids, so that nothing needs the folder of MIDI again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiment.crew import crew
from experiment.folder import RunError, RunFolder
from lstm_numpy.batches import UNKNOWN, Songs
from lstm_numpy.checkpoint import Checkpoint
from lstm_numpy.files import Array, read_arrays, reading, write_arrays, write_whole
from lstm_numpy.speed.machine import cores
from midi_io.corpus import read_corpus, write_skipped
from midi_io.corpus.dataset import build_dataset, cache_folder, split_corpora
from midi_io.disk import printable
from midi_io.tokens.context import Context
from midi_io.vocabulary import Vocabulary

SPLITS = ("train", "valid", "test")
MOST_TOKENS = 2**18  # of a vocabulary: more would need a very large network


class RunSongs(NamedTuple):
    """The songs, and what their ids do not tell."""

    songs: Songs  # all of them
    split: Array  # (songs,) the place of its part in SPLITS
    beats: Array  # (songs,) length in beats
    bpm: Array  # (songs,) beats per minute
    spelling: Array  # (unknown ids,) nats to spell each token that has no id, in the order of the ids

    def of(self, name: str) -> RunSongs:
        """The songs of one part: "train", "valid" or "test"."""
        inside = self.split == SPLITS.index(name)
        of_unknown = np.repeat(inside, np.diff(self.songs.offsets))[self.songs.flat == UNKNOWN]
        others = (self.split[inside], self.beats[inside], self.bpm[inside], self.spelling[of_unknown])
        return RunSongs(self.songs.take(np.flatnonzero(inside)), *others)

    @property
    def spelling_nats(self) -> Array:
        """(ids,) what to add to each id's -ln p, so that a small vocabulary, with more <unk>, gains nothing."""
        nats = np.zeros(len(self.songs.flat))
        nats[self.songs.flat == UNKNOWN] = self.spelling
        return nats

    @property
    def unknown_share(self) -> float:
        """The share of targets that the vocabulary lacks."""
        return len(self.spelling) / max(self.songs.targets, 1)

    def sha256(self) -> str:
        """Equal for equal songs, and for nothing else."""
        return _digest(self._arrays())

    def save(self, path: Path) -> None:
        """Write the file, in one piece or not at all.  Raises OSError.

        ids, split, beats, bpm, spelling: as above.  Song k is ids[offsets[k] : offsets[k + 1]].  Where the network has
        features, context is what it is told beside each of ids, and context_ids are its columns that hold ids.
        """
        write_arrays(path, self._arrays())

    @classmethod
    def load(cls, path: Path, model: Checkpoint | None = None) -> RunSongs:
        """Raises RunError where there is no such file, or it is not one, or its songs are not those of the model."""
        with reading(path, RunError):
            arrays = read_arrays(path)
            if model and model.training.get("songs_sha256") != _digest(arrays):
                raise ValueError("these are not the songs that the run was begun with; put back the run's own file")
            context, columns = arrays.pop("context", None), arrays.pop("context_ids", np.zeros(0, np.int64))
            songs = Songs(arrays.pop("ids"), arrays.pop("offsets"), context, tuple(columns.tolist()))
            return cls(songs, **arrays)

    def _arrays(self) -> dict[str, Array]:
        """In the types of the file, so that equal songs are equal bytes."""

        def small(array: Array) -> Array:
            return array.astype(np.min_scalar_type(int(array.max(initial=0))))

        arrays = {"ids": small(self.songs.flat), "offsets": self.songs.offsets.astype(np.int64)}
        arrays["split"] = self.split.astype(np.uint8)
        arrays |= {name: getattr(self, name).astype(np.float64) for name in ("beats", "bpm", "spelling")}
        if self.songs.context is not None:
            arrays |= {"context": small(self.songs.context), "context_ids": np.array(self.songs.context_ids, np.int64)}
        return arrays


def _digest(arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


# Folders of MIDI files become the songs of a run: tokens, ids, and three parts that share no song.


def read_songs(
    folder: RunFolder,
    midi: Sequence[str],
    valid: str | None,
    test: str | None,
    *,
    seed: int,
    context: str,
    min_count: int,
    chosen: Mapping[str, Any],
    **options: Any,
) -> tuple[RunSongs, Vocabulary, Context, list[str]]:
    """Read the songs of `midi`, and write songs.npz, songs.tsv and skipped.tsv into the run's folder.

    Returns the songs, what their ids stand for, what the network is told beside them, and what there is to say.

    valid, test: folders with the songs of these parts; None: a tenth of `midi` each, drawn with `seed`.
    options: as for read_corpus; what to keep of a performance is None where it is to suit `midi`.  chosen: the same,
    of `midi` alone.  Raises MidiIoError, RunError and OSError.
    """
    options |= {"cache": cache_folder(), "workers": cores(), "executor": crew().spread}
    corpus = read_corpus(midi, **options, **chosen)
    options |= corpus.played._asdict()
    others = [read_corpus([place], **options) if place else None for place in (valid, test)]
    parts = split_corpora(corpus, others[0], others[1], np.random.default_rng([seed, 0]))
    corpora = [corpus, *filter(None, others)]
    data = build_dataset(parts, min_count=min_count)
    if len(data.vocabulary) > MOST_TOKENS:
        raise RunError(f"{len(data.vocabulary):,} tokens are too many; raise --min-count, or take --tokens note")

    told = Context(data.vocabulary, context)
    context_rows = told.of_songs(data.flat, data.offsets) if told.sizes else None
    ids = Songs(data.flat, data.offsets, context_rows, told.id_columns)
    songs = RunSongs(ids, data.split, data.beats, data.bpm, data.spelling)
    songs.save(folder.songs)
    rows = zip(data.files, data.split, ids.targets_per_song, strict=True)
    lines = [f"{printable(file.path)}\t{file.sha256}\t{SPLITS[part]}\t{targets}\n" for file, part, targets in rows]
    table = "".join(["path\tsha256\tsplit\ttokens\n", *lines])
    write_whole(folder.songs_table, [table.encode("utf-8", "backslashreplace")])
    write_skipped([skipped for corpus in corpora for skipped in corpus.skipped], folder.skipped)
    lines = [corpus.report() for corpus in corpora]
    if corpus.found:
        lines.append(f"{corpus.found}: {' '.join(corpus.played.flags())}")
    for name in SPLITS:
        part = songs.of(name)
        unknown = f", {part.unknown_share:.1%} unknown" if part.songs.targets else ""
        lines.append(f"{name:5} {len(part.songs):7,} songs {part.songs.targets:10,} tokens{unknown}")
    if songs.of("valid").unknown_share > 0.1 and data.vocabulary.scheme != "note":
        lines.append("more than 10 % of the valid tokens are unknown; --tokens note, note by note, knows all")
    return songs, data.vocabulary, told, lines
