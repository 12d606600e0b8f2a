"""The fast text computes what the plain one does, number by number: values and gradients."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_numpy import ModelConfig, init_params, loss_and_gradients, plain, zero_state
from lstm_numpy.model import few_hot_input_gradient

pytestmark = [pytest.mark.math, pytest.mark.pinned]

T, B, V, H = 6, 3, 7, 4


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("given", ["onehot", "scalar"])
def test_the_fast_network_is_the_plain_one(layers: int, given: str) -> None:
    rng = np.random.default_rng(layers)
    config = ModelConfig(V, H, layers, dropout=0, input=given)  # type: ignore[arg-type]
    params = {name: rng.normal(0, 0.7, array.shape) for name, array in init_params(config, rng).items()}
    ids, targets = rng.integers(0, V, (2, T, B))
    state = {name: type(s)(*rng.normal(0, 0.7, (2, B, H))) for name, s in zero_state(config, B).items()}
    loss, grads, last, trace = loss_and_gradients(params, ids, targets, state)

    x = np.eye(V)[ids] if given == "onehot" else ids[:, :, None] / V
    runs = []
    for name in config.layer_names:
        Wx, Wh, b = (params[f"{name}.{field}"] for field in ("Wx", "Wh", "b"))
        runs.append((name, x, Wx, Wh, plain.lstm_forward(x, Wx, Wh, b, *state[name])))
        x = runs[-1][4][0][1:]
    plain_loss, p = plain.loss_forward(x, params["dense.W"], params["dense.b"], targets)
    assert loss == pytest.approx(plain_loss, rel=1e-13)

    def same(fast, slow, what: str) -> None:
        np.testing.assert_allclose(fast, slow, rtol=0, atol=1e-13, err_msg=what)

    same(trace["loss"].probabilities, p, "p")
    dy, dW, db = plain.loss_backward(x, params["dense.W"], p, targets)
    same(grads["dense.W"], dW, "dense.W")
    same(grads["dense.b"], db, "dense.b")
    for name, x, Wx, Wh, values in reversed(runs):
        for field, value in zip("hcifog", values, strict=True):
            same(getattr(trace[name], field), value, f"{name}.{field}")
        same(last[name].h, values[0][T], f"{name}.h carried")
        same(last[name].c, values[1][T], f"{name}.c carried")
        dy, dWx, dWh, db, dh0, dc0 = plain.lstm_backward(dy, x, Wx, Wh, *values)
        for field, value in (("Wx", dWx), ("Wh", dWh), ("b", db)):
            same(grads[f"{name}.{field}"], value, f"{name}.{field}")
        same(trace[name].dh[0], dh0, f"{name}.dh[0]")
        same(trace[name].dc[0], dc0, f"{name}.dc[0]")
        dx = trace[f"{name}.input"].dx
        same(dx if dx.size else few_hot_input_gradient(params, trace), dy, f"{name}.dx")
