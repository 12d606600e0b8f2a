"""Files that are written whole or not at all, and read without a surprise.

An array file is a plain .npz whose members are stored, not compressed, so a small file cannot fill the memory.
"""

import io
import os
import stat
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

MOST_BYTES = 2**31 - 1  # of an array file


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


def read_whole(path: str | Path, most: int) -> bytes:
    """The bytes of a file.  Raises OSError, and ValueError for more than `most` bytes, a folder, a pipe ..."""
    found = Path(path).stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("not a file")
    if found.st_size > most:
        raise ValueError(f"larger than {most:,} bytes")
    return Path(path).read_bytes()


def read_arrays(path: str | Path) -> dict[str, Array]:
    """All arrays of an array file, by name.  Raises OSError, ValueError, and what zipfile and NumPy raise."""
    content = read_whole(path, MOST_BYTES)
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise ValueError("not a file of this program, or cut short")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members, arrays = archive.infolist(), dict[str, Array]()
        if any(m.compress_type for m in members) or sum(m.file_size for m in members) > len(content):
            raise ValueError("its arrays are compressed, which this program never does, or its directory is damaged")
        for member in members:
            array = np.lib.format.read_array(io.BytesIO(archive.read(member)), allow_pickle=False)
            arrays[member.filename.removesuffix(".npy")] = _plain(array)
        return arrays
