"""Files that are never seen half written, and what is left of them where a process was killed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, chunks: Iterable[bytes | memoryview]) -> None:
    """Write a file beside its place, make sure that it is on the disk, then rename it into its place.

    Whoever looks at path finds the old file or the new one, also after a power cut.  Raises OSError; then the old one
    stands (the new one, if all that failed is to bring its name to the disk), and nothing is left beside it.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    if os.name == "posix":  # the folder holds the name: it has to be on the disk, too
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def sweep_temporary_files(folder: str | Path) -> list[str]:
    """Remove what write_whole left behind in processes that were killed, and return the names.

    To be called before this process writes in the folder: a file with its process number is left from an earlier one.
    """
    swept = []
    with suppress(OSError):
        for name in sorted(entry.name for entry in Path(folder).iterdir()):
            match = re.fullmatch(r"\..+\.([0-9]{1,18})\.tmp", name)
            if match and not _alive(int(match[1])):
                with suppress(OSError):
                    Path(folder, name).unlink()
                    swept.append(name)
    return swept


def _alive(process: int) -> bool:
    if process in (0, os.getpid()):
        return False
    if os.name != "posix":  # elsewhere there is no harmless signal
        return True
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
