"""Files that are not what they should be.  They are made from the descriptions, so a new field needs no new test."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lstm_numpy.files import LARGEST, ArraySpec, Fact


def damaged_arrays(arrays: Mapping[str, Any], specs: Mapping[str, ArraySpec]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each array missing, of another type, of another shape, beyond each bound; and one too many."""
    yield "one too many", {**arrays, "more": np.zeros(3)}
    for name, spec in specs.items():
        array = arrays[name]
        yield f"{name} missing", {other: values for other, values in arrays.items() if other != name}
        for dtype in ("c16", "U3", "M8[s]", "V4"):
            yield f"{name} of type {dtype}", {**arrays, name: np.zeros(array.shape, dtype)}
        yield f"{name} with an axis more", {**arrays, name: array[..., None]}
        yield f"{name} longer", {**arrays, name: np.concatenate([array, array[:1] if len(array) else np.ones(1)])}
        for value in beyond(spec.least, spec.most, whole=array.dtype.kind != "f"):
            if array.size and (array.dtype.kind == "f" or 0 <= value <= np.iinfo(array.dtype).max):
                bad = array.copy()
                bad.flat[-1] = value
                yield f"{name} with {value}", {**arrays, name: bad}


def damaged_facts(facts: Mapping[str, Any], described: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each value missing, of another type, beyond each bound; and one too many; at every depth."""
    yield "one too many", {**facts, "more": 1}
    for name, fact in described.items():
        yield f"{name} missing", {other: value for other, value in facts.items() if other != name}
        flag = isinstance(fact, Fact) and fact.kind is bool
        others: list[Any] = [[], {}, "x" * 5000, 1 if flag else True]
        if isinstance(fact, Fact):
            if fact.many:
                others = [None, 5, "text", {}, [[]], [None], [True]]
            elif fact.kind is dict:
                others = [[], 5, "text"]
            elif fact.kind not in (str, bool):
                others += [-0.5 if fact.kind is int else "1", *beyond(fact.least, fact.most, whole=fact.kind is int)]
            if not fact.optional:
                others.append(None)
        else:
            others += [None, 3]
            for label, inner in damaged_facts(facts[name], fact):
                yield f"{name}.{label}", {**facts, name: inner}
        for value in others:
            yield f"{name} = {value!r:.20}", {**copy.deepcopy(dict(facts)), name: value}


def beyond(least: float, most: float, *, whole: bool) -> list[Any]:
    """Numbers that are just outside of the bounds, and far outside."""
    numbers: list[Any] = [] if whole else [np.nan, np.inf, -np.inf]
    numbers += [least - 1 if whole else least - abs(least) / 10 - 1e-3] if least > -LARGEST else []
    numbers += [most + 1 if whole else most * 1.1 + 1e-3, most * 2 + 7] if most < 1e200 else []
    return numbers


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
