"""Checkpoints: weights, and all that belongs to them, in one file.  Data, never code, and never half a file.

A header in JSON tells of the model, the vocabulary, the training state, and the dtype and shape of each array.  It is
validated as a whole before an array is read; container.py says how it stands in the file.
"""

from __future__ import annotations

import json
import math
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from lstm_numpy.container import MAX_BYTES, MAX_TEXT_BYTES, Spec, pack, packed_size, unpack_arrays, unpack_text
from lstm_numpy.files import write_whole
from lstm_numpy.parameters import ModelConfig, parameter_shapes

Array: TypeAlias = npt.NDArray[Any]

FORMAT, VERSION = "lstm_numpy checkpoint", 1
MAX_SIZES = {"vocab_size": 2**18, "hidden_size": 2**15, "layers": 2**8}
MAX_TOKEN_LENGTH = 1000
MAX_ARRAYS = 10_000
ARRAY_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.]{,80}(/[A-Za-z0-9_][A-Za-z0-9_.]{,80}){,8}")
DTYPES = ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


class CheckpointError(Exception):
    """A checkpoint cannot be read or written; the message is one line that says which and why."""


class Checkpoint(NamedTuple):
    params: dict[str, Array]
    config: ModelConfig
    vocabulary: tuple[str, ...]  # the token of each id
    training: dict[str, Any]  # JSON values and arrays, as they were given to save_checkpoint


def save_checkpoint(
    path: str | Path,
    params: Mapping[str, Array],
    config: ModelConfig,
    vocabulary: Sequence[str],
    training: Mapping[str, Any] | None = None,
) -> None:
    """Write a checkpoint in one piece: `path` is the old file or the new one, also after a power cut.

    vocabulary: the token of each id.  training: a nested dict of JSON values and NumPy arrays of numbers; an array
    stands in a dict of its own, so that its name has a slash: training["rmsprop"]["lstm1.Wx"] is "rmsprop/lstm1.Wx".
    Equal content gives equal bytes.  Raises CheckpointError, and then the old file stands, if what is given does not
    fit together, holds NaN or infinity, or cannot be written.
    """
    path = Path(path)
    try:
        facts, arrays = _split(training or {})
        arrays = dict(sorted({**arrays, **params}.items()))
        header = {
            "format": FORMAT,
            "version": VERSION,
            "config": asdict(config),
            "vocabulary": list(vocabulary),
            "arrays": {name: [array.dtype.name, list(array.shape)] for name, array in arrays.items()},
            "training": facts,
        }
        text = json.dumps(header, allow_nan=False, indent=1, sort_keys=True).encode("ascii")
        *_, specs = _validated(header)
        if len(text) > MAX_TEXT_BYTES or packed_size(text, specs) > MAX_BYTES:
            raise ValueError(f"too large: {len(text):,} bytes of facts, {packed_size(text, specs):,} in all")
        _check_finite(arrays)
        write_whole(path, pack(text, arrays))
    except OSError as error:
        raise CheckpointError(f"{_shown(path)}: cannot be saved: {error.strerror or error}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{_shown(path)}: not saved: {_one_line(error)}") from error


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint, or raise CheckpointError for whatever is wrong with it."""
    path = Path(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValueError("not a file")
        with path.open("rb") as file:
            return _read(file)
    except OSError as error:
        raise CheckpointError(f"{_shown(path)}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # whatever a hostile file provokes in a parser, it is the file's fault
        raise CheckpointError(f"{_shown(path)}: {_one_line(error)}") from error


# Reading: the digest, the header, the arrays, and that there is nothing else.


def _read(file: BinaryIO) -> Checkpoint:
    text = unpack_text(file)
    header = json.loads(
        text.decode("ascii"), object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refused_constant
    )
    config, vocabulary, specs = _validated(header)
    arrays = unpack_arrays(file, text, specs)
    _check_finite(arrays)
    params = {name: arrays.pop(name) for name in parameter_shapes(config)}
    return Checkpoint(params, config, vocabulary, _joined(header["training"], arrays))


def _validated(header: Any) -> tuple[ModelConfig, tuple[str, ...], dict[str, Spec]]:
    """The model, the vocabulary and the arrays that a header tells of.  ValueError unless all its parts fit."""
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError("not a checkpoint of this program")
    if header.get("version") != VERSION:
        found = f"{header.get('version')!r:.20}"
        raise ValueError(f"written by another version of this program (format {found}, this one reads {VERSION})")
    if header.keys() != {"format", "version", "config", "vocabulary", "arrays", "training"}:
        raise ValueError("its header has not the parts that it must have")
    config = _config(header["config"])

    vocabulary = header["vocabulary"]
    if not isinstance(vocabulary, list) or not all(isinstance(token, str) for token in vocabulary):
        raise ValueError("its vocabulary is not a list of tokens")
    if len(vocabulary) != config.vocab_size:
        raise ValueError(f"{len(vocabulary)} tokens do not belong to a network for {config.vocab_size}")
    if len(set(vocabulary)) != len(vocabulary):
        raise ValueError("a token stands twice in its vocabulary")
    if not all(0 < len(token) <= MAX_TOKEN_LENGTH and token.isprintable() for token in vocabulary):
        raise ValueError("a token of its vocabulary is empty, too long, or cannot be printed")

    specs = _specs(header["arrays"])
    shapes = {name: shape for name, (_, shape) in specs.items() if "/" not in name}
    wanted = parameter_shapes(config)
    for name in sorted(wanted.keys() | shapes.keys()):
        if shapes.get(name) != wanted.get(name):
            found, needed = (str(of.get(name, "nothing")) for of in (shapes, wanted))
            raise ValueError(f"the array {name} has the shape {found}, and its network needs {needed}")
    if {specs[name][0] for name in wanted} not in ({"float32"}, {"float64"}):
        raise ValueError("its parameters are not all float32, or all float64")
    if not isinstance(header["training"], dict):
        raise ValueError("its training state is not a dict")
    return config, tuple(vocabulary), specs


def _config(given: Any) -> ModelConfig:
    defaults = asdict(ModelConfig(vocab_size=2))
    if not isinstance(given, dict) or given.keys() != defaults.keys():
        raise ValueError("its model is not described by " + ", ".join(defaults))
    context = given["context"]
    if not isinstance(context, list | tuple) or not all(type(size) is int and 0 < size <= 2**18 for size in context):
        raise ValueError(f"its context is not a list of sizes: {context!r:.40}")
    for name, default in defaults.items():
        if name == "context":
            continue
        kinds = (float, int) if isinstance(default, float) else (type(default),)
        if type(given[name]) not in kinds:
            raise ValueError(f"its {name} is of the wrong kind: {given[name]!r:.40}")
        if name in MAX_SIZES and given[name] > MAX_SIZES[name]:
            raise ValueError(f"its {name} is larger than {MAX_SIZES[name]:,}")
    return ModelConfig(**given)


def _specs(given: Any) -> dict[str, Spec]:
    """Each array's dtype and shape by name, in the order of the file.  Names with a slash are of the training state."""
    if not isinstance(given, dict) or len(given) > MAX_ARRAYS:
        raise ValueError(f"it has no list of arrays, or one of more than {MAX_ARRAYS:,}")
    specs = {}
    for name, spec in given.items():
        match spec:
            case [str(dtype), [*shape]] if ARRAY_NAME.fullmatch(name) and dtype in DTYPES and all(map(_is_size, shape)):
                specs[name] = Spec(dtype, tuple(shape))
            case _:
                raise ValueError(f"an array cannot be named or described so: {name!r:.80}, {spec!r:.80}")
    return specs


def _is_size(n: Any) -> bool:
    return type(n) is int and 0 <= n <= MAX_BYTES


def _check_finite(arrays: Mapping[str, Array]) -> None:
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} holds NaN or infinity")


# The training state: its arrays by path, and what is left of it as JSON.


def _split(tree: Mapping[str, Any], path: str = "") -> tuple[dict[str, Any], dict[str, Array]]:
    facts: dict[str, Any] = {}
    arrays: dict[str, Array] = {}
    for key, value in tree.items():
        if not isinstance(key, str) or "/" in key:
            raise ValueError(f"{key!r:.80} cannot be a key of the training state: it takes text without a slash")
        if isinstance(value, np.ndarray):
            if not path:
                raise ValueError(f"the array {key} of the training state has to stand in a dict of its own")
            arrays[path + key] = value
        elif isinstance(value, Mapping):
            facts[key], inner = _split(value, f"{path}{key}/")
            arrays.update(inner)
        else:
            facts[key] = value.item() if isinstance(value, np.generic) else value
    return facts, arrays


def _joined(facts: dict[str, Any], arrays: Mapping[str, Array]) -> dict[str, Any]:
    for name, array in arrays.items():
        *path, key = name.split("/")
        node = facts
        for part in path:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise ValueError(f"its training state has no room for the array {name}")
        if key in node:
            raise ValueError(f"its training state has two values for {name}")
        node[key] = array
    return facts


# Reading JSON strictly.


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key stands twice in its header")
    return dict(pairs)


def _finite(number: str) -> float:
    if not math.isfinite(value := float(number)):
        raise ValueError(f"its header holds a number that is too large: {number:.20}")
    return value


def _refused_constant(constant: str) -> None:
    raise ValueError(f"its header holds {constant}")


# Telling.


def _one_line(error: Exception) -> str:
    line = " ".join(str(error).split()) or type(error).__name__
    return line if line.isprintable() else ascii(line)


def _shown(path: Path) -> str:
    return str(path) if str(path).isprintable() else ascii(str(path))
