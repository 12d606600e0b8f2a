"""Dropout masks: drawn for one training step, or held while a song lasts (docs/lstm.md, section 5)."""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from lstm_numpy import kernels
from lstm_numpy.parameters import DROPOUTS, Array, Arrays, ModelConfig
from lstm_numpy.speed.buffers import Buffers
from lstm_numpy.speed.workspace import Workspace


def dropout_masks(
    config: ModelConfig,
    T: int,
    B: int,
    rng: np.random.Generator,
    *,
    dtype: npt.DTypeLike = np.float32,
    workspace: Workspace | None = None,
) -> Arrays:
    """The masks of one training step: "lstm1.output" (T, B, H), and "lstm1.m", "lstm1.s", "lstm1.r" (B, H) as needed.

    Kept units are scaled by 1/keep, all but m.  The probability to drop is rounded to 16 bits.  With a workspace the
    large arrays are reused from step to step, and the masks are those of its lanes, drawn for all B.
    """
    buffers, lanes = (workspace.masks, workspace.lanes) if workspace else (Buffers(), slice(0, B))
    H, masks = config.hidden_size, Arrays()
    own = (lanes.stop - lanes.start) * H  # units of these lanes at one time step

    def draw(name: str, *shape: int) -> Array:
        mask = buffers.empty(name, (*shape[:-2], lanes.stop - lanes.start, H), dtype)
        keep, drop_below = mask.dtype.type(1 / (1 - config.dropout)), round(config.dropout * 2**16)
        # Unit k of all lanes has the k-th 16 bits of the stream, four units a draw.  Those of other ranks are left out.
        drawn = 0
        for row, units in enumerate(mask.reshape(1, -1) if own == B * H else mask.reshape(-1, own)):
            first = row * B * H + lanes.start * H
            rng.bit_generator.advance(first // 4 - drawn)  # type: ignore[attr-defined]
            drawn = -(-(first + units.size) // 4)
            bits = rng.integers(2**64, size=drawn - first // 4, dtype=np.uint64).view(np.uint16)
            kernels.threshold_mask(bits[first % 4 :], drop_below, keep, units)
        rng.bit_generator.advance(-(-math.prod(shape) // 4) - drawn)  # type: ignore[attr-defined]
        return mask

    for layer in config.layer_names if config.dropout else ():
        for field in DROPOUTS[config.recurrent_dropout]:
            name = f"{layer}.{field}"
            if field == "m":
                masks[name] = np.sign(masks[f"{layer}.s"])
            else:
                masks[name] = draw(name, T, B, H) if field == "output" else draw(name, B, H)
    return masks


def hold_masks(masks: Arrays, previous: Mapping[str, Array], fresh: Array) -> Arrays:
    """masks, but lanes whose song goes on (not fresh) keep their (B, H) rows of `previous`: one mask for a song."""
    return {
        name: mask if mask.ndim == 3 or name not in previous else np.where(fresh[:, None], mask, previous[name])
        for name, mask in masks.items()
    }
