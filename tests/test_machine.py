"""In how many parts a batch is cut."""

from __future__ import annotations

import os

import pytest

from lstm_numpy.speed.machine import useful_threads


@pytest.mark.parametrize(
    ("cores", "B", "H", "threads"),
    [
        (2, 32, 256, 2),
        (1, 32, 256, 1),
        (8, 32, 256, 8),
        (64, 256, 512, 8),
        (2, 16, 64, 2),
        (2, 8, 64, 1),
        (4, 12, 128, 3),
        (4, 1, 8, 1),
    ],
)
def test_each_processor_takes_a_part_if_there_is_enough_to_do(
    monkeypatch: pytest.MonkeyPatch, cores: int, B: int, H: int, threads: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert useful_threads(B, H) == threads
