"""Checkpoints: weights, and all that belongs to them, in one file.  Data, never code, and never half a file.

The file is a plain .npz: `np.load(path)["lstm1.Wx"]`.  Its array "header.json" is the bytes of a JSON text: the model,
the vocabulary and the training state.  Its array "probe" is what the weights make of a few fixed ids: a program with
other equations gives other numbers, and refuses the file.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lstm_numpy.files import one_line, read_arrays, reading, write_arrays
from lstm_numpy.model import forward
from lstm_numpy.parameters import Array, ModelConfig, parameter_shapes

FORMAT, VERSION = "lstm_numpy checkpoint", 2
HEADER, PROBE, PROBE_STEPS = "header.json", "probe", 8


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

    vocabulary: the token of each id.  training: JSON values, and dicts of NumPy arrays of numbers:
    training["optimizer"]["lstm1.Wx"] becomes the array "optimizer/lstm1.Wx" of the file.
    Equal content gives equal bytes.  Raises CheckpointError, and then the old file stands, if what is given does not
    fit together, holds NaN or infinity, or cannot be written.
    """
    try:
        facts, arrays = dict(training or {}), dict(params)
        for group, part in (training or {}).items():
            if isinstance(part, Mapping) and any(isinstance(array, np.ndarray) for array in part.values()):
                arrays |= {f"{group}/{name}": array for name, array in facts.pop(group).items()}
        header = {"format": FORMAT, "version": VERSION, "config": asdict(config)}
        header |= {"vocabulary": list(vocabulary), "training": facts}
        text = json.dumps(header, allow_nan=False, indent=1, sort_keys=True, default=np.generic.item)
        _check(json.loads(text), arrays)
        arrays |= {HEADER: np.frombuffer(text.encode("ascii"), np.uint8), PROBE: probe(params, config)}
        write_arrays(Path(path), dict(sorted(arrays.items())))
    except OSError as error:
        raise CheckpointError(f"{one_line(path)}: cannot be saved: {error.strerror or error}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{one_line(path)}: not saved: {one_line(error)}") from error


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint.  Raises CheckpointError for whatever is wrong with it, also if its equations are not ours."""
    with reading(path, CheckpointError):
        arrays = read_arrays(path)
        header = json.loads(arrays.pop(HEADER, np.zeros(0, np.uint8)).tobytes() or b"null")
        if not isinstance(header, dict) or (header.get("format"), header.get("version")) != (FORMAT, VERSION):
            raise ValueError("not a checkpoint of this program, or of another version of it")
        seen, config = arrays.pop(PROBE), _check(header, arrays)
        params = {name: arrays.pop(name) for name in parameter_shapes(config)}
        here = probe(params, config)
        worst = np.unravel_index(np.abs(seen - here).argmax(), here.shape)
        if not abs(seen[worst] - here[worst]) <= 1e-3 * np.abs(here).max():
            raise ValueError(
                "was trained with other equations than this program has, or its weights were changed "
                f"(its probe gives {seen[worst]:.4g}, here {here[worst]:.4g}); train again"
            )
        training = dict(header["training"])
        for name, array in arrays.items():
            group, _, rest = name.partition("/")
            training.setdefault(group, {})[rest] = array
    return Checkpoint(params, config, tuple(header["vocabulary"]), training)


def probe(params: Mapping[str, Array], config: ModelConfig) -> Array:
    """Logits of the 8 steps of a fixed sequence, 16 ids of each (8, 16) float64: they follow from the equations."""
    sizes = config.vocab_size, *config.context
    ids, *features = (np.linspace(0, size - 1, PROBE_STEPS).astype(int) for size in sizes)
    context = np.stack(features, axis=-1)[:, None] if features else None
    with np.errstate(all="ignore"):
        ordered = {name: np.ascontiguousarray(params[name]) for name in parameter_shapes(config)}
        logits, _, _ = forward(ordered, ids[:, None], context=context)
    return logits[:, 0, np.linspace(0, config.vocab_size - 1, 16).astype(int)].astype(np.float64)


def _check(header: Any, arrays: Mapping[str, Array]) -> ModelConfig:
    """The model that a header and the arrays beside it describe.  ValueError unless they fit together."""
    config, vocabulary = ModelConfig(**header["config"]), header["vocabulary"]
    if not len(set(vocabulary)) == len(vocabulary) == config.vocab_size:
        raise ValueError(f"{len(set(vocabulary))} tokens do not belong to a network for {config.vocab_size}")
    if not all(token.isprintable() for token in vocabulary):
        raise ValueError("a token of its vocabulary cannot be printed")
    shapes = parameter_shapes(config)
    if missing := ", ".join(sorted(shapes.keys() - arrays.keys())):
        raise ValueError(f"of its arrays these are missing: {missing}")
    for name, array in arrays.items():
        fits = "/" in name or (
            array.shape == shapes.get(name) and array.dtype == arrays["dense.b"].dtype in ("f4", "f8")
        )
        if not (fits and array.dtype.kind in "fiu" and np.isfinite(array).all()):
            raise ValueError(f"the array {name} ({array.dtype}, {array.shape}) is not of this network, or not finite")
    return config
