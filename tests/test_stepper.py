"""One step after the other gives what the whole sequence gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lstm_numpy import ModelConfig, forward, init_params, zero_state
from lstm_numpy.model import Stepper
from lstm_numpy.speed.buffers import Buffers

pytestmark = pytest.mark.math

T, B, V, H = 2 * Stepper.ROWS + 3, 5, 7, 4
rng = np.random.default_rng(0)


@pytest.mark.parametrize(
    "kind",
    [{}, {"layers": 3}, {"input": "scalar"}, {"context": (2, 3)}],
    ids=str,
)
def test_step_by_step_is_the_same_as_at_once(kind: dict[str, Any]) -> None:
    config = ModelConfig(V, H, **kind)
    params = init_params(config, rng, np.float64)
    ids = rng.integers(0, V, (T, B))
    begin = zero_state(config, B, np.float64)
    for name, layer in begin.items():
        begin[name] = layer._replace(h=rng.uniform(-1, 1, (B, H)), c=rng.normal(size=(B, H)))
    features = [rng.integers(0, size, (T, B)) for size in config.context]
    context = np.stack(features, axis=2) if features else None
    logits, last, _ = forward(params, ids, begin, context=context)

    stepper = Stepper(params, B, begin, Buffers())
    for t in range(T):
        now = None if context is None else context[t]
        np.testing.assert_allclose(stepper(ids[t], now), logits[t], rtol=1e-12, atol=1e-12)
    for name, (h, c) in stepper.state.items():
        np.testing.assert_allclose(h, last[name].h, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(c, last[name].c, rtol=1e-12, atol=1e-12)


def test_who_begins_anew_in_the_same_buffers_disturbs_nothing() -> None:
    config = ModelConfig(V, H)
    params, buffers, ids = init_params(config, rng, np.float64), Buffers(), rng.integers(0, V, (6, B))
    logits, _, _ = forward(params, ids)
    stepper = Stepper(params, B, None, buffers)
    for t in range(3):
        stepper(ids[t])
    kept = {name: layer._replace(h=layer.h[1:4].copy(), c=layer.c[1:4].copy()) for name, layer in stepper.state.items()}
    stepper = Stepper(params, 3, kept, buffers)  # as when songs have ended
    for t in range(3, 6):
        np.testing.assert_allclose(stepper(ids[t, 1:4]), logits[t, 1:4], rtol=1e-12, atol=1e-12)
