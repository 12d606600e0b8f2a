"""What may stand where a file should be."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.mkdir()


def _link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def _link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _gigabyte(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**30)


def _empty(path: Path) -> None:
    path.touch()


def _noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def _deep(path: Path) -> None:
    path.write_bytes(b"[" * 100_000)


REPLACEMENTS: list[Callable[[Path], None]] = [
    _pipe, _folder, _link_to_itself, _link_to_a_device, _gigabyte, _empty, _noise, _deep,
]  # fmt: skip
