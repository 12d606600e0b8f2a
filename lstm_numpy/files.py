"""Files that are written whole or not at all, and read only if they are what their description says.

An array file is a plain .npz whose members are stored, not compressed: reading it allocates no more than it is large.
A description names each array (ArraySpec) or each JSON value (Fact), its type and its bounds.  The writer and the
reader check the same description.
"""

from __future__ import annotations

import io
import os
import stat
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

MOST_BYTES = 2**31 - 1  # of an array file
LARGEST = sys.float_info.max  # so NaN and infinity are out of bounds


class ArraySpec(NamedTuple):
    """What an array must be.  A letter in the shape stands for the same size in all arrays of a file."""

    dtypes: str  # one or more of NumPy's short names: "f4 f8"
    shape: tuple[int | str, ...]
    least: float = -LARGEST
    most: float = LARGEST


class Fact(NamedTuple):
    """What a JSON value must be."""

    kind: type  # int, float (whole numbers count as float), str; dict: of anything
    least: float = -LARGEST  # of a number, or of the length of a text
    most: float = LARGEST
    optional: bool = False  # null is allowed
    many: bool = False  # a list of such values


@contextmanager
def reading(path: str | Path, error_class: type[Exception]) -> Iterator[None]:
    """Inside, any error becomes one line of error_class: the path, and the fault.

    A hostile file can make a parser raise nearly anything, so nearly anything is taken for the file's fault.
    """
    try:
        yield
    except (error_class, MemoryError):
        raise
    except OSError as error:
        raise error_class(f"{one_line(path)}: cannot be read: {error.strerror or error}") from None
    except Exception as error:
        raise error_class(f"{one_line(path)}: {one_line(error)}") from None


def one_line(text: object) -> str:
    """A path, or an error, as it can be printed on one line."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text) or type(text).__name__)


# Writing.


def write_whole(path: Path, chunks: Iterable[bytes | memoryview]) -> None:
    """Write a file beside its place, make sure that it is on the disk, then rename it into its place.

    At `path` stands the old file or the new one, also after a power cut.  Raises OSError; then the old one stands.
    The file beside is .NAME.tmp: two processes must not write the same path at the same time.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.unlink(missing_ok=True)  # left by a process that was killed; and no link or pipe is written through
        with temporary.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink()  # it is there only if something failed
    if os.name == "posix":  # the folder holds the name, which must reach the disk, too
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write an array file whole.  Equal arrays give equal bytes.  Raises OSError."""
    file = io.BytesIO()
    np.savez(file, **{name: _plain(array) for name, array in arrays.items()})  # type: ignore[arg-type]
    write_whole(path, [file.getbuffer()])


def _plain(array: Array) -> Array:
    """In C order, and the machine's own order of bytes."""
    return np.asarray(array, array.dtype.newbyteorder("="), order="C")


# Reading.


@contextmanager
def open_regular(path: str | Path, most: int) -> Iterator[BinaryIO]:
    """A file of at most `most` bytes, open for reading.  OSError; ValueError for a larger one, a folder, a pipe ..."""
    found = Path(path).stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("not a file")
    if found.st_size > most:
        raise ValueError(f"larger than {most:,} bytes")
    with Path(path).open("rb") as file:
        yield file


def read_whole(path: str | Path, most: int) -> bytes:
    """The bytes of a file, as open_regular opens it."""
    with open_regular(path, most) as file:
        return file.read(most)


def read_arrays(path: str | Path) -> dict[str, Array]:
    """All arrays of an array file, by name.  Raises OSError, ValueError, and what zipfile and NumPy raise."""
    with open_regular(path, MOST_BYTES) as file, zipfile.ZipFile(file) as archive:
        members, arrays = archive.infolist(), dict[str, Array]()
        if any(m.compress_type for m in members) or sum(m.file_size for m in members) > Path(path).stat().st_size:
            raise ValueError("its arrays are compressed, which this program never does, or its directory is damaged")
        for member in members:
            with archive.open(member) as content:
                array = np.lib.format.read_array(content, allow_pickle=False)
                content.read()  # to the end: zipfile compares the checksum there
            arrays[member.filename.removesuffix(".npy")] = _plain(array)
        return arrays


# Checking.


def check_arrays(arrays: Mapping[str, Array], specs: Mapping[str, ArraySpec]) -> dict[str, int]:
    """What each letter of the shapes stands for.  ValueError unless the arrays are exactly those described."""
    for name in sorted(arrays.keys() ^ specs.keys()):
        raise ValueError(f"the array {name:.80} is {'missing' if name in specs else 'unknown'}")
    sizes: dict[str, int] = {}
    for name, (dtypes, shape, least, most) in specs.items():
        array = np.asarray(arrays[name])
        pairs = zip(shape, array.shape, strict=False)
        wanted = tuple(sizes.setdefault(n, found) if isinstance(n, str) else n for n, found in pairs)
        if array.dtype.str[1:] not in dtypes.split() or array.ndim != len(shape) or array.shape != wanted:
            raise ValueError(f"the array {name} is {array.shape} {array.dtype}, not {shape} {dtypes}")
        if array.size and not (least <= array.min().item() and array.max().item() <= most):
            raise ValueError(f"the array {name} holds numbers that are not from {least:g} to {most:g}")
    return sizes


def check_facts(facts: Any, described: Mapping[str, Any], where: str) -> None:
    """ValueError unless facts is a dict of exactly the values described.  A dict in `described` describes a dict."""
    if not isinstance(facts, dict) or facts.keys() != described.keys():
        raise ValueError(f"its {where} is not a dict of {', '.join(described)}")
    for name, fact in described.items():
        if isinstance(fact, dict):
            check_facts(facts[name], fact, f"{where}.{name}")
            continue
        values = facts[name] if fact.many else [facts[name]]
        if not (isinstance(values, list) and all(_is(value, fact) for value in values)):
            raise ValueError(f"its {where} has {name} = {ascii(facts[name])[:60]}, which cannot be")


def _is(value: Any, fact: Fact) -> bool:
    if value is None:
        return fact.optional
    if type(value) not in ((int, float) if fact.kind is float else (fact.kind,)):
        return False
    size = len(value) if isinstance(value, str | dict) else value
    return bool(fact.least <= size <= fact.most)
