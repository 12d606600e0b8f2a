"""The functions that squash: sigmoid and softmax.  (tanh is NumPy's own.)"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), as (1 + tanh(z/2)) / 2: the same function, without overflow, branch or change of dtype."""
    half = z.dtype.type(0.5)
    return np.asarray(half * (1 + np.tanh(half * z)))


def softmax(logits: Array) -> Array:
    """exp(logits) / sum(exp(logits)) along the last axis, (..., V) -> (..., V), for logits of any size."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def log_softmax(logits: Array) -> Array:
    """log(softmax(logits)) along the last axis, without taking the logarithm of a number that has become 0."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
