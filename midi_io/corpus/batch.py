"""Some MIDI files as ids, and a cache of what was read.

Workers read batches of files, and each writes its result into the cache.  An entry is always what would be read.  Two
runs may share a cache, and anything in it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from midi_io.corpus.files import FoundFile, Skipped
from midi_io.disk import MidiError, read_bytes, write_whole
from midi_io.notes import Note, Song
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
            song, notes = chosen_notes(data, options)
            tokens = encode(simplified(notes, options.played), options.scheme, options.grid)
            if len(tokens) < SHORTEST_SONG:
                raise MidiError(f"has {len(tokens)} tokens; a song has {SHORTEST_SONG} or more", "too short")
        except MidiError as error:
            skipped.append(Skipped(file.path, error.reason, str(error)))
            continue
        content, sha256 = (hashlib.sha256(text).hexdigest() for text in ("\n".join(tokens).encode(), data))
        ids = np.array([index.setdefault(token, len(index)) for token in tokens], np.uint32)
        songs.append(CorpusSong(file.path, sha256, content, song.bpm, song.high_bytes, ids))
    return Batch(list(index), songs, skipped)


def chosen_notes(data: bytes, options: Options) -> tuple[Song, list[Note]]:
    """The song in a MIDI file, and its notes of the chosen instruments.  MidiError where there is none."""
    song = parse_song(data)
    if not song.notes:
        raise MidiError("has no notes", "no notes")
    wanted = range(128) if options.programs is None else options.programs
    chosen = [note for note in song.notes if (options.drums if note.drum else note.program in wanted)]
    if not chosen or (options.programs is not None and all(note.drum for note in chosen)):
        raise MidiError("has no note of the chosen instruments", "other instruments")
    return song, chosen


def entry_of(files: Sequence[FoundFile], options: Options) -> str:
    """The name in a cache of what these files hold: it follows from them, the options and the text of this package."""
    stamps = os.fsencode("\n".join([f"{options}", *(f"{file.path} {file.stamp}" for file in files)]))
    return f"{hashlib.sha256(_program() + stamps).hexdigest()}.batch"


def from_cache(job: tuple[Sequence[FoundFile], Path | None], options: Options) -> Batch:
    """The batch of some files, from its entry in a cache if it is there, or read and kept there.

    An entry is a line of JSON and the ids of all its songs, packed and summed by zlib.  A cache that cannot be written
    or read costs time, and nothing else.
    """
    files, entry = job
    if not entry:
        return read_batch(files, options)
    try:
        about, _, flat = zlib.decompress(read_bytes(entry, MAX_ENTRY)).partition(b"\n")
    except (MidiError, zlib.error):
        batch = tokens, songs, skipped = read_batch(files, options)
        about = json.dumps([tokens, [song[:-1] for song in songs], [len(song.ids) for song in songs], skipped]).encode()
        flat = b"".join([song.ids.astype(np.min_scalar_type(len(tokens))).tobytes() for song in songs])
        if not any(kind in NOT_KEPT for _, kind, _ in skipped):
            with suppress(MidiError):
                write_whole(entry, zlib.compress(about + b"\n" + flat, level=1))
        return batch
    tokens, rows, lengths, skipped = json.loads(about)
    ids = np.split(np.frombuffer(flat, np.min_scalar_type(len(tokens))), np.cumsum(lengths)[:-1])
    songs = [CorpusSong._make([*row, its_ids]) for row, its_ids in zip(rows, ids, strict=False)]
    return Batch(tokens, songs, [Skipped(*row) for row in skipped])


@cache
def _program() -> bytes:
    """The SHA-256 of this package."""
    sources = sorted(Path(__file__).parents[1].rglob("*.py"))
    return hashlib.sha256(b"".join([source.read_bytes() for source in sources])).digest()
