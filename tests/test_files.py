"""Files are written whole or not at all, and an array file is read only if it is one."""

from __future__ import annotations

import errno
import io
import os
import signal
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import REPLACEMENTS

from lstm_numpy.files import (
    read_arrays,
    read_whole,
    reading,
    write_arrays,
    write_whole,
)


class RefusedError(Exception):
    pass


def refused(path: Path) -> str:
    with pytest.raises(RefusedError) as error, reading(path, RefusedError):
        read_arrays(path)
    line = str(error.value)
    assert line.startswith(str(path))
    assert "\n" not in line
    return line


ARRAYS = {
    "b": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a/c.d": np.arange(3, dtype=np.uint8),
    "e": np.zeros((0, 2)),
}


def test_arrays_come_back_and_equal_arrays_give_equal_bytes(tmp_path: Path) -> None:
    write_arrays(tmp_path / "one.npz", ARRAYS)
    found = read_arrays(tmp_path / "one.npz")
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    found["b"] += 1  # it belongs to nobody else
    turned = {name: np.asfortranarray(array.astype(array.dtype.newbyteorder(">"))) for name, array in ARRAYS.items()}
    write_arrays(tmp_path / "two.npz", turned)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with np.load(tmp_path / "one.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["a/c.d"], ARRAYS["a/c.d"])


def test_a_flipped_bit_is_refused_or_changes_no_number(tmp_path: Path) -> None:
    """A flip can leave unnoticed a date, or hide an array, which check_arrays finds; but no number and no name."""
    path = tmp_path / "one.npz"
    write_arrays(path, {"a": ARRAYS["b"], "b": np.arange(4)})
    data, wanted, harmless = bytearray(path.read_bytes()), read_arrays(path), 0
    for place in range(len(data)):
        data[place] ^= 1 << place % 8
        path.write_bytes(data)
        try:
            with reading(path, RefusedError):
                found = read_arrays(path)
            assert all(a.dtype == wanted[name].dtype and np.array_equal(a, wanted[name]) for name, a in found.items())
            harmless += 1
        except RefusedError:
            pass
        data[place] ^= 1 << place % 8
    assert harmless < len(data) / 3


def test_truncations_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    write_arrays(path, ARRAYS)
    data = path.read_bytes()
    for length in range(0, len(data), 3):
        path.write_bytes(data[:length])
        refused(path)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and links")
@pytest.mark.parametrize("replace", REPLACEMENTS)
def test_only_a_regular_file_is_opened(tmp_path: Path, replace: Any) -> None:
    replace(tmp_path / "one.npz")
    refused(tmp_path / "one.npz")


def test_a_file_has_a_bound_on_its_size(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"12345")
    assert read_whole(tmp_path / "text", 5) == b"12345"
    with pytest.raises(ValueError, match="larger than 4 bytes"):
        read_whole(tmp_path / "text", 4)


def stored(path: Path, *members: tuple[str, bytes], **options: Any) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), **options)
    return file.getvalue()


def test_nothing_is_unpacked_or_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    np.savez_compressed(path, a=np.zeros(10**6))
    assert "compressed" in refused(path)
    whole = npy(np.arange(9.0))
    for content in (
        npy(np.array([print], dtype=object)),
        whole[:-8],
        whole.replace(b"(9,), ", b"(10,),"),
        whole.replace(b"(9,)", b"(-1)"),
        b"text",
    ):
        refused(stored(path, ("a.npy", content)))


def test_an_array_in_another_order_comes_back_in_ours(tmp_path: Path) -> None:
    turned = np.asfortranarray(np.arange(6.0).reshape(2, 3).astype(">f8"))
    found = read_arrays(stored(tmp_path / "one.npz", ("a.npy", npy(turned))))["a"]
    np.testing.assert_array_equal(found, turned)
    assert found.flags.c_contiguous
    assert found.dtype.isnative


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """Ten thousand members of the same megabyte would take ten gigabytes."""
    path = stored(tmp_path / "one.npz", *[(f"{k}.npy", npy(np.zeros(1000 if k == 0 else 0))) for k in range(5)])
    data = bytearray(path.read_bytes())
    entries = [at for at in range(len(data)) if data[at : at + 4] == b"PK\1\2"]
    for entry in entries[1:]:
        data[entry + 10 : entry + 28] = data[entries[0] + 10 : entries[0] + 28]
        data[entry + 42 : entry + 46] = struct.pack("<L", 0)
    path.write_bytes(data)
    assert "directory is damaged" in refused(path)


# Nothing lost.


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def no_space(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FullDisk:
    """A file of which one call fails."""

    def __init__(self, file: Any, failing: str) -> None:
        self.file, self.failing = file, failing

    def __getattr__(self, name: str) -> Any:
        return no_space if name == self.failing else getattr(self.file, name)

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        if self.failing == "close":
            no_space()


@pytest.mark.parametrize("call", ["write", "flush", "fsync", "close", "replace"])
def test_a_failing_write_or_flush_or_rename_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "last.npz"
    path.write_bytes(b"old")
    if call == "fsync":
        monkeypatch.setattr(os, "fsync", no_space)
    elif call == "replace":
        monkeypatch.setattr(Path, "replace", no_space)
    else:
        open_file = Path.open
        monkeypatch.setattr(Path, "open", lambda path, mode: FullDisk(open_file(path, mode), call))
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, [b"new"])
    monkeypatch.undo()
    assert names_in(tmp_path) == ["last.npz"]
    assert path.read_bytes() == b"old"


def test_ctrl_c_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.npz"
    path.write_bytes(b"old")

    def chunks() -> Any:
        yield b"new"
        assert path.read_bytes() == b"old"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, chunks())
    assert names_in(tmp_path) == ["last.npz"]
    assert path.read_bytes() == b"old"


SAVING_FOR_EVER = """
import sys
from pathlib import Path
from lstm_numpy.files import write_whole
for n in range(10**9):
    write_whole(Path(sys.argv[1]), [bytes([n % 256]) * 400_000] * 3)
    print(n, flush=True)
"""


def test_kill_9_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "last.npz"
    for delay in range(4):
        process = subprocess.Popen([sys.executable, "-c", SAVING_FOR_EVER, path], stdout=subprocess.PIPE, text=True)
        assert process.stdout
        reported = [int(process.stdout.readline()) for _ in range(5 + 7 * delay)][-1]
        process.send_signal(signal.SIGKILL)
        reported = max([reported, *map(int, process.stdout.read().split())])
        process.wait()
        process.stdout.close()
        data = path.read_bytes()
        assert len(data) == 1_200_000
        assert len(set(data)) == 1
        assert data[0] in (reported % 256, (reported + 1) % 256)
    write_whole(path, [b"whole"])
    assert names_in(tmp_path) == ["last.npz"]
