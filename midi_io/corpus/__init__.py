"""From folders of MIDI files to songs of ids, read by several processes, and kept in a cache for the next run.

The files are cut into batches.  Workers read them, and each writes its result into the cache,
so a run that was killed goes on after the batches that it finished.  Two runs may share a cache, and anything in it may
be deleted at any time.
"""

import hashlib
import json
import os
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from tqdm import tqdm

from midi_io.corpus.files import CorpusError, FoundFile, Skipped, choose_by_genre, choose_by_list, find_files
from midi_io.corpus.workers import Executor, in_processes
from midi_io.disk import Array, MidiError, StrPath, printable, read_bytes, write_whole
from midi_io.notes import Song
from midi_io.played import AS_WRITTEN, Played, simplified, suits
from midi_io.reader import MAX_BYTES, parse_song
from midi_io.tokens import encode

__all__ = ["Corpus", "CorpusError", "CorpusSong", "Skipped", "read_corpus", "write_skipped"]

SHORTEST_SONG = 8  # tokens: less is a test tone or a jingle
SAMPLE = 32  # files, which tell how songs like these are played
BATCH_FILES = 32  # on average
WORTH_PROCESSES = 3_000_000  # bytes: less is read here before other processes have started
MAX_ENTRY = 32_000_000  # bytes of a batch in the cache
SOURCES = sorted(Path(__file__).parents[1].rglob("*.py"))
PROGRAM = hashlib.sha256(b"".join([source.read_bytes() for source in SOURCES])).digest()  # of this package
NOT_KEPT = {"missing", "unreadable"}  # faults that may be gone next time


class CorpusSong(NamedTuple):
    """One song: its file, the tempo that the file gives, and its ids in the tokens of its Corpus."""

    path: str
    sha256: str  # of the file
    content: str  # SHA-256 of the tokens: the same for the same music in another file
    bpm: float
    high_bytes: int  # data bytes above 127, of which 7 bits were read
    ids: Array


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
    folders: Iterable[StrPath], *,
    scheme: str = "note", grid: int = 12,
    velocities: int | None = AS_WRITTEN.velocities, snap: bool | None = AS_WRITTEN.snap,
    families: bool | None = AS_WRITTEN.families, meters: bool | None = AS_WRITTEN.meters,
    programs: Collection[int] | None = None, drums: bool = True,
    genres: StrPath | None = None, genre: Collection[str] = (), file_list: StrPath | None = None,
    max_songs: int | None = None, max_bytes: int = MAX_BYTES,
    cache: Path | None = None, workers: int = 1, executor: Executor = in_processes, progress: bool = True,
) -> Corpus:  # fmt: skip
    """Read the MIDI files of some folders.  The same files give the same corpus, with any number of workers.

    scheme, grid: how to spell the songs; see midi_io.tokens.
    velocities, snap, families, meters: what to keep of a performance; see midi_io.played.  None: what suits the songs.
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
    if genres is not None:
        files = choose_by_genre(files, genres, genre)
    if file_list is not None:
        files, not_there = choose_by_list(files, file_list, folders)
        skipped += not_there
    if max_songs is not None:
        files = in_fair_order(files)
    options = _Options(scheme, grid, tuple(range(128) if programs is None else sorted(set(programs))), drums, max_bytes)
    asked = (velocities, snap, families, meters)
    played, found = suits(list(_sample(files, options))) if None in asked else (AS_WRITTEN, "")
    options = options._replace(played=played.asked(*asked))
    if cache:
        with suppress(OSError):
            cache.mkdir(parents=True, exist_ok=True)
    jobs = [(batch, cache and cache / _entry(batch, options)) for batch in _cut(files)]
    unread = sum(file.size for batch, entry in jobs if not (entry and entry.is_file()) for file in batch)
    how, workers = (executor, workers) if unread >= WORTH_PROCESSES else (in_processes, 1)
    with (
        tqdm(total=len(files), desc="reading", unit=" files", disable=not progress) as bar,
        closing(how(partial(_read_or_load, options=options), jobs, workers)) as batches,
    ):
        songs, tokens = _merge(batches, skipped, max_songs, bar)
    if not songs:
        names, why = ", ".join(map(printable, folders)), _kinds(skipped) or "give a folder with .mid files in it"
        raise CorpusError(f"{names}: none of {len(files):,} MIDI files is usable ({why})")
    return Corpus(songs, tokens, skipped, scheme, grid, options.played, found)


def write_skipped(skipped: Iterable[Skipped], path: StrPath) -> None:
    """Write the table of what was skipped (path, kind, reason; tab-separated, safe to print).  Raises MidiError."""
    rows = [Skipped("path", "kind", "reason"), *skipped]
    write_whole(path, "".join(["\t".join(map(printable, row)) + "\n" for row in rows]).encode())


def _kinds(skipped: Iterable[Skipped]) -> str:
    counts = Counter(kind for _, kind, _ in skipped)
    return ", ".join(f"{n:,} {kind}" for kind, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


class _Options(NamedTuple):
    """What the tokens of a file depend on, besides the file."""

    scheme: str
    grid: int
    programs: tuple[int, ...]
    drums: bool
    max_bytes: int
    played: Played = AS_WRITTEN


_Batch: TypeAlias = tuple[list[Any], Array]  # [tokens, songs without ids, their lengths, skipped]; the ids of all songs


def _cut(files: Sequence[FoundFile]) -> list[Sequence[FoundFile]]:
    """Cut a list of files into batches, at places that follow from the names: a new file changes one batch only."""
    names = [os.fsencode("/".join(Path(file.path).parts[-2:])) for file in files]
    ends = [n for n, name in enumerate(names, 1) if zlib.crc32(name) % BATCH_FILES == 0]
    return [files[begin:end] for begin, end in pairwise([0, *ends, len(files)]) if begin < end]


def _merge(
    batches: Iterable[_Batch], skipped: list[Skipped], max_songs: int | None, bar: "tqdm[Any]"
) -> tuple[list[CorpusSong], list[str]]:
    """Songs with one list of tokens.  Of files with the same music the first is kept; skipped gets the others."""
    index: dict[str, int] = {}
    first: dict[str, str] = {}  # the SHA-256 of a song's tokens: where it was first found
    songs: list[CorpusSong] = []
    for (tokens, rows, lengths, its_skipped), ids in batches:
        bar.update(len(rows) + len(its_skipped))
        skipped += [Skipped(*row) for row in its_skipped]
        new_id = np.array([index.setdefault(token, len(index)) for token in tokens])
        new_id = new_id.astype(np.min_scalar_type(len(index)))
        for row, its_ids in zip(rows, np.split(new_id[ids], np.cumsum(lengths)[:-1]), strict=False):
            song = CorpusSong._make([*row, its_ids])
            where = first.setdefault(song.content, song.path)
            if where != song.path:
                skipped.append(Skipped(song.path, "found twice", f"is the same music as {printable(where)}"))
                continue
            songs.append(song)
            if len(songs) == max_songs:
                return songs, list(index)
    return songs, list(index)


# One batch, in any process.


def _read(files: Sequence[FoundFile], options: _Options) -> _Batch:
    index: dict[str, int] = {}
    ids: list[int] = []
    songs, lengths, skipped = [], [], []
    for file in files:
        try:
            data = read_bytes(file.path, options.max_bytes)
            song = _chosen(data, options)
            told = song.told if options.played.meters else None
            tokens = encode(simplified(song.notes, options.played), options.scheme, options.grid, told)
            if len(tokens) < SHORTEST_SONG:
                raise MidiError(f"has {len(tokens)} tokens; a song has {SHORTEST_SONG} or more", "too short")
        except MidiError as error:
            skipped.append((file.path, error.reason, str(error)))
            continue
        content, sha256 = (hashlib.sha256(text).hexdigest() for text in ("\n".join(tokens).encode(), data))
        songs.append((file.path, sha256, content, song.bpm, song.high_bytes))
        lengths.append(len(tokens))
        ids += [index.setdefault(token, len(index)) for token in tokens]
    return [list(index), songs, lengths, skipped], np.array(ids, np.min_scalar_type(len(index)))


def _chosen(data: bytes, options: _Options) -> Song:
    """The song in a MIDI file, with its notes of the chosen instruments.  MidiError where there is none."""
    song = parse_song(data)
    if not song.notes:
        raise MidiError("has no notes", "no notes")
    wanted = set(options.programs)
    chosen = [note for note in song.notes if (options.drums if note.drum else note.program in wanted)]
    if not chosen or (len(wanted) < 128 and all(note.drum for note in chosen)):
        raise MidiError("has no note of the chosen instruments", "other instruments")
    return replace(song, notes=chosen)


def in_fair_order(files: Iterable[FoundFile]) -> list[FoundFile]:
    """The files shuffled, always in the same way: the first N are a sample of them all, and not of the letter A."""
    return sorted(files, key=lambda file: (zlib.crc32(os.fsencode(Path(file.path).name)), file.path))


def _sample(files: Iterable[FoundFile], options: _Options) -> Iterator[Song]:
    """The songs in a few files, a fair sample; what cannot be read is left out."""
    for file in in_fair_order(files)[:SAMPLE]:
        with suppress(MidiError):
            yield _chosen(read_bytes(file.path, options.max_bytes), options)


def _read_or_load(job: tuple[Sequence[FoundFile], Path | None], options: _Options) -> _Batch:
    """The batch of some files, from its entry in a cache if it is there, or read and kept there.

    An entry is a line of JSON and the ids of all its songs, packed and summed by zlib.  A cache that cannot be written
    or read costs time, and nothing else.
    """
    files, entry = job
    if entry:
        with suppress(MidiError, zlib.error):
            about, _, packed = zlib.decompress(read_bytes(entry, MAX_ENTRY)).partition(b"\n")
            found = json.loads(about)
            return found, np.frombuffer(packed, np.min_scalar_type(len(found[0])))
    found, ids = _read(files, options)
    if entry and not any(kind in NOT_KEPT for _, kind, _ in found[-1]):
        with suppress(MidiError):
            write_whole(entry, zlib.compress(json.dumps(found).encode() + b"\n" + ids.tobytes(), level=1))
    return found, ids


def _entry(files: Sequence[FoundFile], options: _Options) -> str:
    """The name in a cache of what these files hold: it follows from them, the options and the text of this package."""
    stamps = os.fsencode("\n".join([f"{options}", *(f"{file.path} {file.stamp}" for file in files)]))
    return f"{hashlib.sha256(PROGRAM + stamps).hexdigest()}.batch"
