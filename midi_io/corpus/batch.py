"""Some MIDI files as ids, and a cache of what was read.

Workers read batches of files, and each writes its result into the cache.  The name of an entry follows from the files,
the options and the text of this package, so an entry is always what would be read.  Two runs may share a cache, and
anything in it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import mido
import numpy as np
import numpy.typing as npt

from midi_io.corpus.files import FoundFile, Skipped
from midi_io.disk import MidiError, read_bytes, write_whole
from midi_io.notes import Note
from midi_io.played import AS_WRITTEN, Played, simplified
from midi_io.reader import parse_song
from midi_io.tokens import encode

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
    played: Played = AS_WRITTEN


class CorpusSong(NamedTuple):
    """One song: its file, the tempo that the file gives, and its ids in the tokens of its Batch or Corpus."""

    path: str
    sha256: str  # of the file
    content: str  # SHA-256 of the tokens: the same for the same music in another file
    bpm: float
    high_bytes: int  # data bytes above 127, of which 7 bits were read
    ids: npt.NDArray[np.unsignedinteger[Any]]


class Batch(NamedTuple):
    """What was found in some files."""

    tokens: list[str]  # what the ids stand for
    songs: list[CorpusSong]
    skipped: list[Skipped]


def read_batch(files: Sequence[FoundFile], options: Options) -> Batch:
    """Read MIDI files."""
    index: dict[str, int] = {}
    songs: list[CorpusSong] = []
    skipped: list[Skipped] = []
    for file in files:
        try:
            data = read_bytes(file.path, options.max_bytes)
            song = parse_song(data)
            notes = simplified(chosen_notes(song.notes, options), options.played)
            tokens = encode(notes, options.scheme, options.grid)
            if len(tokens) < SHORTEST_SONG:
                raise MidiError(f"has {len(tokens)} tokens; a song has {SHORTEST_SONG} or more", "too short")
        except MidiError as error:
            skipped.append(Skipped(file.path, error.reason, str(error)))
            continue
        content, sha256 = (hashlib.sha256(text).hexdigest() for text in ("\n".join(tokens).encode(), data))
        ids = np.array([index.setdefault(token, len(index)) for token in tokens], np.uint32)
        songs.append(CorpusSong(file.path, sha256, content, song.bpm, song.high_bytes, ids))
    return Batch(list(index), songs, skipped)


class Cache:
    """A folder of batches.  An entry is a line of JSON and the ids of all its songs, packed and summed by zlib.

    A cache that cannot be written or read costs time, and nothing else.
    """

    def __init__(self, folder: Path, options: Options) -> None:
        self.folder, self.options = folder, options
        program = hashlib.sha256(f"{mido.version_info} {options}".encode())
        for source in sorted(Path(__file__).parents[1].rglob("*.py")):
            program.update(source.read_bytes())
        self._program = program.digest()
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)

    def entry(self, files: Sequence[FoundFile]) -> Path:
        """Where the batch of these files is, or will be."""
        stamps = os.fsencode("\n".join([f"{file.path} {file.stamp}" for file in files]))
        return self.folder / f"{hashlib.sha256(self._program + stamps).hexdigest()}.batch"

    def load(self, files: Sequence[FoundFile]) -> Batch | None:
        """The batch of these files; None if it is not there, or damaged."""
        try:
            about, _, flat = zlib.decompress(read_bytes(self.entry(files), MAX_ENTRY)).partition(b"\n")
        except (MidiError, zlib.error):
            return None
        tokens, rows, lengths, skipped = json.loads(about)
        ids = np.split(np.frombuffer(flat, np.min_scalar_type(len(tokens))), np.cumsum(lengths)[:-1])
        songs = [CorpusSong._make([*row, its_ids]) for row, its_ids in zip(rows, ids, strict=False)]
        return Batch(tokens, songs, [Skipped(*row) for row in skipped])

    def read(self, files: Sequence[FoundFile]) -> Batch:
        """Read the files, and keep the batch."""
        batch = tokens, songs, skipped = read_batch(files, self.options)
        about = [tokens, [song[:-1] for song in songs], [len(song.ids) for song in songs], skipped]
        flat = b"".join([song.ids.astype(np.min_scalar_type(len(tokens))).tobytes() for song in songs])
        data = zlib.compress(json.dumps(about).encode() + b"\n" + flat, level=1)
        if len(data) <= MAX_ENTRY and not any(kind in NOT_KEPT for _, kind, _ in skipped):
            with suppress(MidiError):
                write_whole(self.entry(files), data)
        return batch


def chosen_notes(notes: list[Note], options: Options) -> list[Note]:
    """The notes of the chosen instruments.  MidiError where there is none."""
    if not notes:
        raise MidiError("has no notes", "no notes")
    wanted = range(128) if options.programs is None else options.programs
    chosen = [note for note in notes if (options.drums if note.drum else note.program in wanted)]
    if not chosen or (options.programs is not None and all(note.drum for note in chosen)):
        raise MidiError("has no note of the chosen instruments", "other instruments")
    return chosen
