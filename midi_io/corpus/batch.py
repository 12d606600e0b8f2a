"""Some MIDI files as ids, and a cache of what was read.

Workers read batches of files, and each writes its result into the cache.  The name of an entry follows from the files,
the options and the text of this package, so an entry is always what would be read.  Two runs may share a cache, and
anything in it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import mido
import numpy as np
import numpy.typing as npt

from midi_io.corpus.files import CorpusError, FoundFile
from midi_io.disk import MidiError, printable, read_bytes, write_whole
from midi_io.notes import Note
from midi_io.reader import parse_song
from midi_io.tokens import encode, parse

Ids = npt.NDArray[np.unsignedinteger[Any]]

SHORTEST_SONG = 8  # tokens: less is a test tone or a jingle
MAX_ENTRY = 32_000_000  # bytes of a batch in the cache
NOT_KEPT = {"missing", "unreadable"}  # faults that may be gone next time


class Options(NamedTuple):
    """What the tokens of a file depend on, besides the file."""

    scheme: str
    grid: int
    programs: tuple[int, ...] | None  # None: all
    drums: bool
    max_bytes: int


class BatchSong(NamedTuple):
    """A song of a batch."""

    place: int  # of its file in the batch
    tokens: int  # how many
    content: str  # SHA-256 of its tokens
    sha256: str  # of its file
    title: str
    bpm: float
    meter: tuple[int, int]
    high_bytes: int


class Batch(NamedTuple):
    """What was found in some files."""

    tokens: list[str]  # what the ids stand for
    ids: Ids  # those of all songs, one after the other
    songs: list[BatchSong]
    skipped: list[tuple[int, str, str]]  # place of the file in the batch, kind, reason


def read_batch(files: Sequence[FoundFile], options: Options) -> Batch:
    """Read MIDI files."""
    index: dict[str, int] = {}
    ids: list[int] = []
    songs: list[BatchSong] = []
    skipped: list[tuple[int, str, str]] = []
    for place, file in enumerate(files):
        try:
            data = read_bytes(file.path, options.max_bytes)
            song = parse_song(data)
            tokens = encode(_chosen(song.notes, options), options.scheme, options.grid)
            if len(tokens) < SHORTEST_SONG:
                raise MidiError(f"has {len(tokens)} tokens; a song has {SHORTEST_SONG} or more", "too short")
        except MidiError as error:
            skipped.append((place, error.reason, str(error)))
            continue
        ids += [index.setdefault(token, len(index)) for token in tokens]
        content, sha256 = (hashlib.sha256(text).hexdigest() for text in ("\n".join(tokens).encode(), data))
        songs.append(BatchSong(place, len(tokens), content, sha256, song.title, song.bpm, song.meter, song.high_bytes))
    return Batch(list(index), smallest(np.array(ids, np.int64), len(index)), songs, skipped)


def smallest(ids: npt.NDArray[Any], count: int) -> Ids:
    """Ids below `count` in the smallest unsigned type that holds them."""
    return ids.astype(np.min_scalar_type(max(count - 1, 0)), copy=False)


class Cache:
    """A folder of batches, each under a name that no other files, options or program would give it.

    Raises CorpusError if there can be no such folder.
    """

    def __init__(self, folder: Path, options: Options) -> None:
        self.folder, self.options = folder, options
        program = hashlib.sha256(f"{mido.version_info} {options}".encode())
        for source in sorted(Path(__file__).parents[1].rglob("*.py")):
            program.update(source.read_bytes())
        self._program = program.digest()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CorpusError(
                f"{printable(folder)}: no cache can be kept there ({error.strerror}); choose another folder"
            ) from None

    def entry(self, files: Sequence[FoundFile]) -> Path:
        """Where the batch of these files is, or will be."""
        stamps = "\n".join([file.stamp for file in files])
        return self.folder / f"{hashlib.sha256(self._program + stamps.encode()).hexdigest()}.batch"

    def load(self, files: Sequence[FoundFile]) -> Batch | None:
        """The batch of these files; None if it is not there, or damaged."""
        with suppress(Exception):  # whatever is wrong with an entry, the files can be read
            return self._checked(read_bytes(self.entry(files), MAX_ENTRY), len(files))
        return None

    def read(self, files: Sequence[FoundFile]) -> Batch:
        """Read the files, and keep the batch.  A cache that cannot be written costs time, and nothing else."""
        batch = read_batch(files, self.options)
        data = json.dumps([batch.tokens, batch.songs, batch.skipped]).encode() + b"\n" + batch.ids.tobytes()
        if len(data) <= MAX_ENTRY and not any(kind in NOT_KEPT for _, kind, _ in batch.skipped):
            with suppress(MidiError):
                write_whole(self.entry(files), data)
        return batch

    def _checked(self, data: bytes, files: int) -> Batch:
        """The batch in the bytes of an entry.  Raises any exception if this is none of so many files."""
        about, _, flat = data.partition(b"\n")
        tokens, rows, skipped = json.loads(about)
        ids = np.frombuffer(flat, np.min_scalar_type(max(len(tokens) - 1, 0)))
        songs = [BatchSong(*row)._replace(meter=tuple(row[-2])) for row in rows]
        for token in tokens:
            parse(token, self.options.scheme)
        if not (
            len(ids) == sum(song.tokens for song in songs)
            and (ids < len(tokens)).all()
            and all([*map(type, song)] == [int, int, str, str, str, float, tuple, int] for song in songs)
            and all([*map(type, row)] == [int, str, str] for row in skipped)
            and sorted([song.place for song in songs] + [row[0] for row in skipped]) == [*range(files)]
            and all(math.isfinite(song.bpm) and song.bpm > 0 for song in songs)
            and all([*map(type, song.meter)] == [int, int] and min(song.meter) > 0 for song in songs)
        ):
            raise ValueError("this is no batch of these files")
        return Batch(tokens, ids, songs, skipped)


def _chosen(notes: list[Note], options: Options) -> list[Note]:
    if not notes:
        raise MidiError("has no notes", "no notes")
    wanted = set(range(128) if options.programs is None else options.programs)
    chosen = [note for note in notes if (options.drums if note.drum else note.program in wanted)]
    if not chosen or (options.programs is not None and all(note.drum for note in chosen)):
        raise MidiError("has no note of the chosen instruments", "other instruments")
    return chosen
