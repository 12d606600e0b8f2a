"""Some MIDI files as ids: what a worker sends back, and what the cache keeps, are the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from midi_io.notes import Note
from midi_io.plain import MidiError
from midi_io.reader import parse_song, read_bytes
from midi_io.tokens import encode

Ids = npt.NDArray[np.unsignedinteger[Any]]

SHORTEST_SONG = 8  # tokens: less is a test tone or a jingle
DEADLY = "ended the reader"


class Options(NamedTuple):
    """What the tokens of a file depend on, besides the file."""

    scheme: str
    grid: int
    programs: tuple[int, ...] | None  # None: all
    drums: bool
    max_bytes: int


class BatchSong(NamedTuple):
    """A song of a batch; `place` is that of its file in the batch, `content` the SHA-256 of its tokens."""

    place: int
    tokens: int
    content: str
    sha256: str
    title: str
    bpm: float
    meter: tuple[int, int]
    never_off: int


class Batch(NamedTuple):
    """What was found in some files.

    tokens: what the ids stand for.  ids: those of all songs, one after the other.
    skipped: (place of the file in the batch, kind, reason) of each file that is no song.
    """

    tokens: list[str]
    ids: Ids
    songs: list[BatchSong]
    skipped: list[tuple[int, str, str]]


def read_batch(paths: Sequence[str], deadly: Collection[str], options: Options) -> bytes:
    """Read MIDI files into the bytes of an .npz file, for `unpack`; those in `deadly` are named, and not read."""
    index: dict[str, int] = {}
    ids: list[int] = []
    songs: list[BatchSong] = []
    skipped: list[tuple[int, str, str]] = []
    for place, path in enumerate(paths):
        try:
            if path in deadly:
                raise MidiError("ends the process that reads it (out of memory?)", DEADLY)
            data = read_bytes(path, options.max_bytes)
            song = parse_song(data)
            tokens = encode(_chosen(song.notes, options), options.scheme, options.grid)
            if len(tokens) < SHORTEST_SONG:
                raise MidiError(f"has {len(tokens)} tokens; a song has {SHORTEST_SONG} or more", "too short")
        except MidiError as error:
            skipped.append((place, error.reason, str(error)))
            continue
        ids += [index.setdefault(token, len(index)) for token in tokens]
        content = hashlib.sha256("\n".join(tokens).encode()).hexdigest()
        sha256 = hashlib.sha256(data).hexdigest()
        songs.append(BatchSong(place, len(tokens), content, sha256, song.title, song.bpm, song.meter, song.never_off))
    about = json.dumps([list(index), songs, skipped]).encode()
    file = io.BytesIO()
    np.savez(file, ids=smallest(np.array(ids, np.int64), len(index)), about=np.frombuffer(about, np.uint8))
    return file.getvalue()


def unpack(data: bytes) -> Batch:
    """The batch in the bytes of read_batch.  Raises ValueError if they are damaged."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            ids = file["ids"]
            tokens, songs, skipped = json.loads(file["about"].tobytes())
        if ids.dtype.kind != "u" or len(ids) != sum(song[1] for song in songs) or ids.max(initial=0) > len(tokens):
            raise ValueError("ids and tokens do not fit")
        return Batch(tokens, ids, [BatchSong(*song) for song in songs], skipped)
    except (OSError, EOFError, KeyError, TypeError, IndexError, zipfile.BadZipFile) as error:
        raise ValueError(f"damaged batch: {error}") from error


def smallest(ids: npt.NDArray[Any], count: int) -> Ids:
    """Ids below `count` in the smallest unsigned type that holds them."""
    return ids.astype(np.min_scalar_type(max(count - 1, 0)), copy=False)


def _chosen(notes: list[Note], options: Options) -> list[Note]:
    if not notes:
        raise MidiError("has no notes", "no notes")
    wanted = set(range(128) if options.programs is None else options.programs)
    chosen = [note for note in notes if (options.drums if note.drum else note.program in wanted)]
    if not chosen or (options.programs is not None and all(note.drum for note in chosen)):
        raise MidiError("has no note of the chosen instruments", "other instruments")
    return chosen
