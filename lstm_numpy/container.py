"""The file that a checkpoint is: a header's text and arrays, in a zip of stored members with nothing left open.

Every byte follows from the text and the arrays, and the zip's comment ends in the SHA-256 of all bytes before it.  So
reading takes no zip parser: the arrays are read from where they must be, and the rest is compared.  To other programs
it is a plain .npz: `np.load(path)["lstm1.Wx"]`.  Nothing is unpickled, decompressed or executed.
"""

from __future__ import annotations

import hashlib
import math
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Chunk: TypeAlias = bytes | memoryview

MAX_BYTES = 2**31 - 1  # of a file; a zip without extensions holds no more
MAX_TEXT_BYTES = 2**24
TEXT_NAME = "header.json"
COMMENT = b"The SHA-256 of all bytes before it: "
DIGEST_LENGTH = 64
LOCAL_LENGTH, CENTRAL_LENGTH, END_LENGTH = 30, 46, 22  # of a zip's records, without names


class Spec(NamedTuple):
    """What is known of an array before it is read."""

    dtype: str  # "float32", ...
    shape: tuple[int, ...]


def pack(text: bytes, arrays: Mapping[str, Array]) -> Iterator[Chunk]:
    """The bytes of a file, piece by piece.  Names are ASCII."""
    digest = hashlib.sha256()
    for chunk in _unsigned(text, arrays):
        digest.update(chunk)
        yield chunk
    yield digest.hexdigest().encode("ascii")


def packed_size(text: bytes, specs: Mapping[str, Spec]) -> int:
    """How many bytes pack gives, without the arrays."""
    size = LOCAL_LENGTH + CENTRAL_LENGTH + 2 * len(TEXT_NAME) + len(text) + END_LENGTH + len(COMMENT) + DIGEST_LENGTH
    for name, spec in specs.items():
        size += LOCAL_LENGTH + CENTRAL_LENGTH + 2 * len(_member_name(name)) + len(_npy_prefix(spec))
        size += math.prod(spec.shape) * np.dtype(spec.dtype).itemsize
    return size


def unpack_text(file: BinaryIO) -> bytes:
    """The header's text, once all of the file is known to be as it was written.  Raises ValueError if it is not."""
    size = file.seek(0, os.SEEK_END)
    if size > MAX_BYTES:
        raise ValueError(f"not a checkpoint: larger than {MAX_BYTES:,} bytes")
    file.seek(0)
    local = file.read(LOCAL_LENGTH)
    if not local.startswith(b"PK\3\4"):
        raise ValueError("not a checkpoint of this program")
    ending = len(COMMENT) + DIGEST_LENGTH
    file.seek(max(size - ending, 0))
    end = file.read(ending)
    if not end.startswith(COMMENT) or len(end) != ending:
        raise ValueError("not a checkpoint of this program, or cut short, or damaged at its end")
    if _digest(file, size - DIGEST_LENGTH) != end[len(COMMENT) :]:
        raise ValueError("damaged: its SHA-256 does not fit; copy it again, or take an earlier checkpoint")
    file.seek(LOCAL_LENGTH + len(TEXT_NAME))
    return file.read(min(int.from_bytes(local[18:22], "little"), MAX_TEXT_BYTES))


def unpack_arrays(file: BinaryIO, text: bytes, specs: Mapping[str, Spec]) -> dict[str, Array]:
    """The arrays that the text tells of.  Raises ValueError if that is not what the file holds, and all that it
    holds."""
    if packed_size(text, specs) != file.seek(0, os.SEEK_END):  # so nothing is allocated that the file does not fill
        raise ValueError("not a checkpoint: the file is not as large as its header says")
    file.seek(LOCAL_LENGTH + len(TEXT_NAME) + len(text))
    arrays: dict[str, Array] = {}
    for name, spec in specs.items():
        file.seek(LOCAL_LENGTH + len(_member_name(name)) + len(_npy_prefix(spec)), os.SEEK_CUR)
        arrays[name] = np.empty(spec.shape, spec.dtype)
        file.readinto(_bytes_of(arrays[name]))  # type: ignore[attr-defined]
    file.seek(0)
    for chunk in _unsigned(text, arrays):
        if file.read(len(chunk)) != chunk:
            raise ValueError("not a checkpoint: the file holds what its header does not tell of")
    return arrays


def _digest(file: BinaryIO, size: int) -> bytes:
    file.seek(0)
    digest = hashlib.sha256()
    while size and (chunk := file.read(min(size, 2**20))):
        digest.update(chunk)
        size -= len(chunk)
    return digest.hexdigest().encode("ascii")


def _unsigned(text: bytes, arrays: Mapping[str, Array]) -> Iterator[Chunk]:
    members: list[tuple[str, list[Chunk]]] = [(TEXT_NAME, [text])]
    for name, array in arrays.items():
        prefix = _npy_prefix(Spec(array.dtype.name, array.shape))
        members.append((_member_name(name), [prefix, _bytes_of(array)]))
    directory, offset = b"", 0
    for name, parts in members:
        crc, size = 0, sum(map(len, parts))
        for part in parts:
            crc = zlib.crc32(part, crc)
        # zip 2.0, no flags, stored, on 1 January 1980, no extra field
        common = struct.pack("<HHHHHLLLHH", 20, 0, 0, 0, 0x21, crc, size, size, len(name), 0)
        yield b"PK\3\4" + common + name.encode("ascii")
        yield from parts
        directory += b"PK\1\2\x14\0" + common + struct.pack("<HHHLL", 0, 0, 0, 0, offset) + name.encode("ascii")
        offset += LOCAL_LENGTH + len(name) + size
    comment_length = len(COMMENT) + DIGEST_LENGTH
    end = struct.pack("<HHHHLLH", 0, 0, len(members), len(members), len(directory), offset, comment_length)
    yield directory + b"PK\5\6" + end + COMMENT


def _member_name(name: str) -> str:
    return f"{name}.npy"


def _npy_prefix(spec: Spec) -> bytes:
    """What stands before the numbers in a .npy file (format 1.0), padded to 64 bytes."""
    text = repr({"descr": np.dtype(spec.dtype).str, "fortran_order": False, "shape": spec.shape})
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode("ascii")


def _bytes_of(array: Array) -> memoryview:
    """The numbers of an array as a row of bytes: of the array itself, if it is contiguous."""
    return np.ascontiguousarray(array, dtype=array.dtype.name).reshape(-1).view(np.uint8).data
