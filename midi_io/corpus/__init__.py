"""From folders of MIDI files to songs of ids, read by several processes, and kept in a cache for the next run.

The files are cut into batches of about a second's work; see batch.py.  A run that was killed goes on after the batches
that it finished.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from midi_io.corpus.batch import Batch, CorpusSong, Options, chosen_notes, entry_of, from_cache
from midi_io.corpus.files import (
    CorpusError,
    FoundFile,
    Skipped,
    choose_by_genre,
    choose_by_list,
    find_files,
    in_fair_order,
)
from midi_io.corpus.workers import Executor, in_processes
from midi_io.disk import MidiError, StrPath, printable, read_bytes, write_whole
from midi_io.notes import Note
from midi_io.played import AS_WRITTEN, Played, suits
from midi_io.reader import MAX_BYTES

__all__ = ["Corpus", "CorpusError", "CorpusSong", "Skipped", "read_corpus", "write_skipped"]

BATCH_FILES, BATCH_BYTES = 128, 1_000_000  # at most
SAMPLE = 32  # files, which tell how songs like these are played
WORTH_PROCESSES = 3_000_000  # bytes: less is read here before other processes have started


@dataclass(frozen=True)
class Corpus:
    """Songs as ids."""

    songs: list[CorpusSong]  # in the order of the files; no two with the same tokens
    tokens: list[str]  # what the ids stand for, in the order of first use
    skipped: list[Skipped]  # every file that is no song here, and why
    scheme: str  # how the songs are spelled, and on which grid
    grid: int
    played: Played = AS_WRITTEN  # what is kept of a performance
    found: str = ""  # why they are kept like this, in words; "" where it was asked for

    def report(self) -> str:
        """What was read and what was not, in one line: read 4 of 6 files (2 skipped: 1 cut short, 1 not MIDI)."""
        line = f"read {len(self.songs):,} of {len(self.songs) + len(self.skipped):,} files"
        if self.skipped:
            line += f" ({len(self.skipped):,} skipped: {_kinds(self.skipped)})"
        high = sum(song.high_bytes > 0 for song in self.songs)
        return line + (f"; {high:,} with data bytes above 127, of which 7 bits were read" if high else "")


def read_corpus(
    folders: Iterable[StrPath],
    *,
    scheme: str = "note",
    grid: int = 12,
    velocities: int | None = AS_WRITTEN.velocities,
    snap: bool | None = AS_WRITTEN.snap,
    families: bool | None = AS_WRITTEN.families,
    programs: Collection[int] | None = None,
    drums: bool = True,
    genres: StrPath | None = None,
    genre: Collection[str] = (),
    file_list: StrPath | None = None,
    max_songs: int | None = None,
    max_bytes: int = MAX_BYTES,
    cache: Path | None = None,
    workers: int = 1,
    executor: Executor = in_processes,
    progress: bool = True,
) -> Corpus:
    """Read the MIDI files of some folders.  The same files give the same corpus, with any number of workers.

    scheme, grid: how to spell the songs; see midi_io.tokens.
    velocities, snap, families: what to keep of a performance; see midi_io.played.  None: what suits the songs.
    programs, drums: keep only the notes of these programs (0..127; None: all), and drums or not.
    genres, genre: only files of these genres; see choose_by_genre.  file_list: only these; see choose_by_list.
    max_songs: stop after so many songs, a fair sample of the files.  max_bytes: skip larger files.
    cache: a folder to keep results in, where that is possible; None: keep nothing.
    workers: processes to read with.  More than 1 needs a script with `if __name__ == "__main__":`.
    executor: what starts them, if there is much to read; see midi_io.corpus.workers.

    Raises CorpusError, one line, if there is nothing to read or nothing usable.
    """
    folders = list(folders)
    files, skipped = find_files(folders)
    names = ", ".join(printable(folder) for folder in folders)
    if not files:
        also = f" ({_kinds(skipped)})" if skipped else ""
        raise CorpusError(f"{names}: no MIDI files there{also}; give a folder with .mid files in it")
    if genres is not None:
        files = choose_by_genre(files, genres, genre)
    if file_list is not None:
        files, not_there = choose_by_list(files, file_list, folders)
        skipped += not_there
    if max_songs is not None:
        files = in_fair_order(files)
    options = Options(scheme, grid, None if programs is None else tuple(sorted(set(programs))), drums, max_bytes)
    asked = (velocities, snap, families)
    played, found = suits(list(_sample(files, options))) if None in asked else (AS_WRITTEN, "")
    options = options._replace(played=played.asked(*asked))
    if cache:
        with suppress(OSError):
            cache.mkdir(parents=True, exist_ok=True)
    jobs = [(batch, cache and cache / entry_of(batch, options)) for batch in _cut(files)]
    unread = sum(file.size for batch, entry in jobs if not (entry and entry.is_file()) for file in batch)
    how, workers = (executor, workers) if unread >= WORTH_PROCESSES else (in_processes, 1)
    with (
        tqdm(total=len(files), desc="reading", unit=" files", disable=not progress) as bar,
        closing(how(partial(from_cache, options=options), jobs, workers)) as batches,
    ):
        songs, tokens = _merge(batches, skipped, max_songs, bar)
    if not songs:
        raise CorpusError(f"{names}: none of {len(files):,} MIDI files is usable ({_kinds(skipped)})")
    return Corpus(songs, tokens, skipped, scheme, grid, options.played, found)


def write_skipped(skipped: Iterable[Skipped], path: StrPath) -> None:
    """Write the table of what was skipped (path, kind, reason; tab-separated, safe to print).  Raises MidiError."""
    rows = [Skipped("path", "kind", "reason"), *skipped]
    write_whole(path, "".join(["\t".join(map(printable, row)) + "\n" for row in rows]).encode())


def _sample(files: Iterable[FoundFile], options: Options) -> Iterator[list[Note]]:
    """The chosen notes of a few files, a fair sample; what cannot be read is left out."""
    for file in in_fair_order(files)[:SAMPLE]:
        with suppress(MidiError):
            yield chosen_notes(read_bytes(file.path, options.max_bytes), options)[1]


def _kinds(skipped: Iterable[Skipped]) -> str:
    counts = Counter(kind for _, kind, _ in skipped)
    return ", ".join(f"{n:,} {kind}" for kind, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _merge(
    batches: Iterable[Batch], skipped: list[Skipped], max_songs: int | None, bar: tqdm[Any]
) -> tuple[list[CorpusSong], list[str]]:
    """Songs with one list of tokens.  Of files with the same music the first is kept; skipped gets the others."""
    index: dict[str, int] = {}
    first: dict[str, str] = {}  # the SHA-256 of a song's tokens: where it was first found
    songs: list[CorpusSong] = []
    for batch in batches:
        bar.update(len(batch.songs) + len(batch.skipped))
        skipped += batch.skipped
        new_id = np.array([index.setdefault(token, len(index)) for token in batch.tokens])
        for song in batch.songs:
            where = first.setdefault(song.content, song.path)
            if where != song.path:
                skipped.append(Skipped(song.path, "found twice", f"is the same music as {printable(where)}"))
                continue
            songs.append(song._replace(ids=new_id[song.ids].astype(np.min_scalar_type(len(index)))))
            if len(songs) == max_songs:
                return songs, list(index)
    return songs, list(index)


def _cut(files: Iterable[FoundFile]) -> Iterator[list[FoundFile]]:
    """Cut a list of files into batches, at places that follow from the names: a new file changes one batch only."""
    batch: list[FoundFile] = []
    for file in files:
        batch.append(file)
        full = len(batch) == BATCH_FILES or sum(file.size for file in batch) >= BATCH_BYTES
        if full or zlib.crc32(os.fsencode(Path(file.path).name)) % 64 == 0:
            yield batch
            batch = []
    if batch:
        yield batch
