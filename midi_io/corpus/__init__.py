"""From folders of MIDI files to songs of ids: in parallel, and remembered, so that the next run is there at once.

The files are cut into batches of a second's work.  A worker reads a batch into a few bytes, and those go into the
cache, under a name that follows from the files, the options and the text of this package.  So what comes from the
cache is what would be read; a run that was killed goes on after its last batch; two runs may share a cache; and
whatever is in it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zlib
from collections import Counter
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import mido
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from midi_io.corpus.batch import DEADLY, Batch, Ids, Options, read_batch, smallest, unpack
from midi_io.corpus.files import (
    CorpusError,
    FoundFile,
    Skipped,
    choose_by_genre,
    choose_by_list,
    find_files,
    in_fair_order,
)
from midi_io.corpus.workers import cores, run_batches
from midi_io.plain import printable
from midi_io.reader import MAX_BYTES

__all__ = ["Corpus", "CorpusError", "CorpusSong", "Skipped", "read_corpus", "write_skipped"]

BATCH_FILES, BATCH_BYTES = 128, 1_000_000  # at most
_COUNTED_AT_ONCE = 1_000_000  # ids
WORTH_PROCESSES = 500_000  # bytes: what can be read while processes start
PASSING = {"missing", "unreadable", DEADLY}  # faults that the next run may not meet


class CorpusSong(NamedTuple):
    """One song: where it is from, what its file says about it, and its ids in Corpus.tokens."""

    path: str
    sha256: str  # of the file
    content: str  # SHA-256 of the tokens: the same for the same music in another file
    title: str
    bpm: float
    meter: tuple[int, int]
    ids: Ids


@dataclass(frozen=True)
class Corpus:
    """Songs as ids.

    songs: in the order of the files; no two with the same tokens.
    tokens: what the ids stand for, in the order of first use.
    counts: (len(tokens),) int64, how often each token occurs.
    skipped: every file that is no song here, and why.
    never_off: notes of the songs that were never switched off, and are left out.
    """

    songs: list[CorpusSong]
    tokens: list[str]
    counts: npt.NDArray[np.int64]
    skipped: list[Skipped]
    never_off: int

    def report(self) -> str:
        """What was read and what was not, in one line: read 4 of 6 files (2 skipped: 1 cut short, 1 not MIDI)."""
        line = f"read {len(self.songs):,} of {len(self.songs) + len(self.skipped):,} files"
        if not self.skipped:
            return line
        return f"{line} ({len(self.skipped):,} skipped: {_kinds(self.skipped)})"


def read_corpus(
    folders: Iterable[str | os.PathLike[str]],
    *,
    scheme: str = "chord",
    grid: int = 12,
    programs: Collection[int] | None = None,
    drums: bool = True,
    genres: str | os.PathLike[str] | None = None,
    genre: Collection[str] = (),
    file_list: str | os.PathLike[str] | None = None,
    max_songs: int | None = None,
    max_bytes: int = MAX_BYTES,
    cache: Path | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Corpus:
    """Read the MIDI files of some folders.  The same files give the same corpus, whatever the machine is busy with.

    scheme, grid: of the tokens; see tokens.py.
    programs, drums: keep only the notes of these programs (0..127; None: all), and drums or not.
    genres, genre: only files of these genres; see choose_by_genre.  file_list: only these; see choose_by_list.
    max_songs: stop after so many songs, a fair sample of the files.  max_bytes: skip larger files.
    cache: a folder to remember results in; None: remember nothing.
    executor: where to read; None: in `workers` processes of this machine (None: one for each core; 1: in this one).
        With an executor, `workers` is how many of it there are.

    Raises CorpusError, one line, if there is nothing to read, nothing usable, or the cache cannot be written.
    """
    folders = list(folders)
    files, skipped = find_files(folders)
    names = ", ".join(printable(os.fspath(folder)) for folder in folders)
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
    merger = _Merger(skipped)
    with (
        tqdm(total=len(files), desc="reading", unit=" files", disable=not progress) as bar,
        closing(_read_batches(list(_cut(files)), options, cache, executor, workers or cores())) as batches,
    ):
        for batch, content in batches:
            bar.update(len(batch))
            if merger.add(batch, content, max_songs):
                break
    if not merger.songs:
        raise CorpusError(f"{names}: none of {len(files):,} MIDI files is usable ({_kinds(skipped)})")
    return merger.corpus()


def write_skipped(skipped: Iterable[Skipped], path: str | os.PathLike[str]) -> None:
    """Write the table of what was skipped (path, kind, reason; tab-separated, safe to print)."""
    rows = [Skipped("path", "kind", "reason"), *skipped]
    text = "".join("\t".join(printable(field) for field in row) + "\n" for row in rows)
    Path(path).write_text(text, encoding="utf-8")


def _kinds(skipped: Iterable[Skipped]) -> str:
    counts = Counter(kind for _, kind, _ in skipped)
    return ", ".join(
        f"{count:,} {kind}" for kind, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )


class _Merger:
    """Batches become one corpus, with one list of tokens; a song that was there before is skipped."""

    def __init__(self, skipped: list[Skipped]) -> None:
        self.songs: list[CorpusSong] = []
        self.index: dict[str, int] = {}
        self.skipped = skipped
        self.never_off = 0
        self.first: dict[bytes, str] = {}  # the SHA-256 of a song's tokens: where it was first found

    def add(self, files: Sequence[FoundFile], batch: Batch, max_songs: int | None) -> bool:
        """Add a batch of files; True if there are enough songs now."""
        index = self.index
        table = np.array([index.setdefault(token, len(index)) for token in batch.tokens], np.uint32)
        ids = smallest(table[batch.ids], len(index))
        self.skipped += [Skipped(files[place].path, kind, reason) for place, kind, reason in batch.skipped]
        end = 0
        for place, length, content, sha256, title, bpm, meter, never_off in batch.songs:
            start, end = end, end + length
            path = files[place].path
            first = self.first.setdefault(bytes.fromhex(content), path)
            if first != path:
                self.skipped.append(Skipped(path, "found twice", f"is the same music as {printable(first)}"))
                continue
            self.songs.append(CorpusSong(path, sha256, content, title, bpm, (meter[0], meter[1]), ids[start:end]))
            self.never_off += never_off
            if len(self.songs) == max_songs:
                return True
        return False

    def corpus(self) -> Corpus:
        """The songs so far, with the tokens that occur in them."""
        flat = np.concatenate([song.ids for song in self.songs])
        counts = np.zeros(len(self.index), np.int64)
        for start in range(0, len(flat), _COUNTED_AT_ONCE):  # bincount takes 8 bytes an id
            counts += np.bincount(flat[start : start + _COUNTED_AT_ONCE], minlength=len(counts))
        used = np.flatnonzero(counts)
        flat = smallest(np.cumsum(counts > 0) - 1, len(used))[flat]
        ends = np.cumsum([len(song.ids) for song in self.songs]).tolist()
        places = zip(self.songs, [0, *ends[:-1]], ends, strict=True)
        songs = [CorpusSong(*song[:-1], ids=flat[start:end]) for song, start, end in places]
        tokens = list(self.index)
        return Corpus(songs, [tokens[i] for i in used], counts[used], self.skipped, self.never_off)


def _read_batches(
    batches: list[list[FoundFile]], options: Options, cache: Path | None, executor: Executor | None, workers: int
) -> Generator[tuple[list[FoundFile], Batch], None, None]:
    """Every batch in its order, from the cache or fresh; fresh ones go into the cache as soon as they are there."""
    memory = _Cache(cache, options) if cache else None
    names = [memory.name_of(batch) for batch in batches] if memory else []
    known = memory.names() if memory else set()
    missing = [number for number in range(len(batches)) if not memory or names[number] not in known]
    paths = [[file.path for file in batch] for batch in batches]
    if executor is None and sum(file.size for number in missing for file in batches[number]) < WORTH_PROCESSES:
        workers = 1
    work = partial(read_batch, options=options)
    ready: dict[int, Batch] = {}
    with closing(run_batches(work, [paths[number] for number in missing], executor, workers)) as fresh:
        for number, batch in enumerate(batches):
            if memory and names[number] in known:
                content = memory.load(names[number])
                ready[number] = content or unpack(read_batch(paths[number], (), options))
            while number not in ready:
                index, data = next(fresh)
                content = ready[missing[index]] = unpack(data)
                if memory and not any(kind in PASSING for _, kind, _ in content.skipped):
                    memory.save(names[missing[index]], data)
            yield batch, ready.pop(number)


class _Cache:
    """A folder of batches, each under a name that no other files, options or program would give it."""

    def __init__(self, folder: Path, options: Options) -> None:
        self.folder = folder
        program = hashlib.sha256(f"{mido.version_info} {options}".encode())
        for source in sorted(Path(__file__).parents[1].rglob("*.py")):
            program.update(source.read_bytes())
        self.program = program.digest()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            where = printable(os.fspath(folder))
            raise CorpusError(
                f"{where}: no cache can be kept there ({error.strerror}); choose another folder"
            ) from None

    def name_of(self, batch: Sequence[FoundFile]) -> str:
        return hashlib.sha256(self.program + "\n".join([file.stamp for file in batch]).encode()).hexdigest() + ".npz"

    def names(self) -> set[str]:
        with suppress(OSError):
            return {entry.name for entry in os.scandir(self.folder)}
        return set()

    def load(self, name: str) -> Batch | None:
        with suppress(OSError, ValueError):
            return unpack((self.folder / name).read_bytes())
        return None

    def save(self, name: str, data: bytes) -> None:
        """Keep a batch: written beside its place and then moved there, so that nobody reads half of it."""
        with suppress(OSError):  # a full disk costs time, and nothing else
            descriptor, unfinished = tempfile.mkstemp(dir=self.folder, prefix="unfinished-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                Path(unfinished).replace(self.folder / name)
            except OSError:
                Path(unfinished).unlink(missing_ok=True)


def _cut(files: Iterable[FoundFile]) -> Iterator[list[FoundFile]]:
    """Cut a list of files into batches, at places that follow from the names: a new file changes one batch only."""
    batch: list[FoundFile] = []
    size = 0
    for file in files:
        batch.append(file)
        size += file.size
        if (
            size >= BATCH_BYTES
            or len(batch) == BATCH_FILES
            or zlib.crc32(os.fsencode(file.path.rpartition(os.sep)[2])) % 64 == 0
        ):
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
