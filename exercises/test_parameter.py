"""Does the library have peepholes: forward, backward, and when a song is written?

The parameter lstm1.p is (3, H): p_i, p_f and p_o.  z_i += p_i * c[t], z_f += p_f * c[t], z_o += p_o * c[t+1].
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lstm_numpy.checkpoint import load_checkpoint, save_checkpoint
from lstm_numpy.dropout import dropout_masks
from lstm_numpy.gradcheck.__main__ import table_row
from lstm_numpy.gradcheck.numeric import compare, numeric_gradient
from lstm_numpy.model import forward, loss_and_gradients
from lstm_numpy.parameters import ModelConfig, init_params
from lstm_numpy.plain import sigmoid, softmax
from lstm_numpy.sampling import Sampling, generate

T, B, H, V = 5, 3, 4, 7
CONFIG = ModelConfig(V, H, layers=2, dropout=0.4, recurrent_dropout="rnndrop")


@pytest.fixture
def params() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    params = init_params(CONFIG, rng, np.float64)
    if "lstm1.p" not in params:
        pytest.fail("the network has no parameter lstm1.p yet: add it to LSTMWeights", pytrace=False)
    assert params["lstm1.p"].shape == params["lstm2.p"].shape == (3, H)
    return {name: array + rng.normal(0, 0.3, array.shape) for name, array in params.items()}


@pytest.fixture
def ids() -> np.ndarray:
    return np.random.default_rng(8).integers(0, V, (T + 1, B))


def logits_with_a_plain_loop(params: dict[str, np.ndarray], ids: np.ndarray) -> np.ndarray:
    """Two layers with peepholes, one sequence at a time."""
    logits = np.zeros((*ids.shape, V))
    for n in range(ids.shape[1]):
        x = np.eye(V)[ids[:, n]]
        for layer in ("lstm1", "lstm2"):
            Wx, Wh, b, p = (params[f"{layer}.{name}"] for name in ("Wx", "Wh", "b", "p"))
            h, c, rows = np.zeros(H), np.zeros(H), []
            for row in x:
                z_i, z_f, z_o, z_g = np.split(row @ Wx + h @ Wh + b, 4)
                c_before = c
                c = sigmoid(z_f + p[1] * c_before) * c_before + sigmoid(z_i + p[0] * c_before) * np.tanh(z_g)
                h = sigmoid(z_o + p[2] * c) * np.tanh(c)
                rows.append(h)
            x = np.array(rows)
        logits[:, n] = x @ params["dense.W"] + params["dense.b"]
    return logits


def test_forward(params: dict[str, np.ndarray], ids: np.ndarray) -> None:
    np.testing.assert_allclose(forward(params, ids)[0], logits_with_a_plain_loop(params, ids), rtol=1e-10)


@pytest.mark.parametrize("dropped", [False, True])
def test_backward(params: dict[str, np.ndarray], ids: np.ndarray, dropped: bool) -> None:
    masks = dropout_masks(CONFIG, T, B, np.random.default_rng(9), dtype=np.float64) if dropped else None
    grads = loss_and_gradients(params, ids[:-1], ids[1:], None, masks)[1]
    assert set(grads) == set(params)
    for name, parameter in params.items():
        numeric = numeric_gradient(lambda: loss_and_gradients(params, ids[:-1], ids[1:], None, masks)[0], parameter)
        line = compare(name, grads[name], numeric, "index index index")
        assert line.right, "name, error, by hand, numeric, where it is worst:\n" + table_row(line)


def test_a_song_is_written_with_them(params: dict[str, np.ndarray], tmp_path: Path) -> None:
    """The most probable tokens, one by one, from weights that were saved and loaded, are those of the plain loop."""
    save_checkpoint(tmp_path / "model.npz", params, CONFIG, [f"token{n}" for n in range(V)], {})
    loaded = load_checkpoint(tmp_path / "model.npz").params
    surest = Sampling(temperature=0, repeats=0)
    song = generate(loaded, [0], 12, np.random.default_rng(1), end=1, banned=[1], sampling=surest)[0].ids
    logits = softmax(logits_with_a_plain_loop(params, np.array(song)[:, None]))[:-1, 0]
    logits[:, 1] = 0
    assert np.array_equal(song[1:], logits.argmax(axis=1))
