"""The same work in several libraries: a training step, and writing one token after the other.

    python benchmarks/peers.py LIBRARY      # reads requests from standard input; see contest.py

A training step is: T time steps of B sequences through an embedding or a one-hot input, one LSTM layer of H units,
dropout of 0.3, a dense layer to V and cross-entropy; backward; gradients clipped to a global norm of 5; RMSprop.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

Job = Callable[[], int]  # runs, and returns how many steps or tokens that were
DROPOUT, CLIP, LEARNING_RATE, DECAY = 0.3, 5.0, 1e-3, 0.9


# This project.


def numpy_job(kind: str, setting: Any, **sizes: int) -> Job:
    from blas import prefer_avx512

    prefer_avx512()  # before NumPy is imported
    return {"step": numpy_step, "generate": numpy_generate, "sgemm": numpy_sgemm}[kind](setting, **sizes)


def numpy_step(threads: int | None, T: int, B: int, H: int, V: int) -> Job:
    import numpy as np

    import lstm_numpy as lstm
    from lstm_numpy.speed.machine import useful_threads

    rng = np.random.default_rng(0)
    config = lstm.ModelConfig(V, H, dropout=DROPOUT)
    params = lstm.init_params(config, rng)
    workspace = lstm.Workspace(config, T, B, threads or useful_threads(B, H))
    optimizer = lstm.RMSprop(params, LEARNING_RATE, DECAY)
    ids, targets = rng.integers(0, V, (2, T, B))
    state = lstm.zero_state(config, B)

    def step() -> int:
        nonlocal state
        masks = lstm.dropout_masks(config, T, B, rng, workspace=workspace)
        _, grads, state, _ = lstm.loss_and_gradients(params, ids, targets, state, masks, workspace=workspace)
        lstm.clip_by_global_norm(grads, CLIP)
        optimizer.step(params, grads)
        return 1

    return step


def numpy_generate(_: Any, count: int, length: int, H: int, V: int) -> Job:
    import numpy as np

    import lstm_numpy as lstm

    params = lstm.init_params(lstm.ModelConfig(V, H), np.random.default_rng(0))

    def write() -> int:
        lstm.generate(params, [0], length, np.random.default_rng(1), count, end=1, banned=[1])
        return length * count

    return write


def numpy_sgemm(_: Any, size: int) -> Job:
    """A large product on all cores: the wall that no LSTM on this BLAS can break through.  Returns operations."""
    import numpy as np

    a, b = np.random.default_rng(0).standard_normal((2, size, size), dtype=np.float32)
    out = np.empty_like(a)

    def product() -> int:
        np.matmul(a, b, out=out)
        return 2 * size**3

    return product


# PyTorch.  A setting is an input ("embedding", "onehot", or "bfloat16": an embedding, and products in that precision),
# oneDNN on or off, and threads; or, for writing, a module and threads.


def torch_job(kind: str, setting: Any, **sizes: int) -> Job:
    return {"step": torch_step, "generate": torch_generate}[kind](setting, **sizes)


def torch_step(setting: tuple[str, bool, int], T: int, B: int, H: int, V: int) -> Job:
    import torch

    given, onednn, threads = setting
    bfloat16 = given == "bfloat16"
    torch.manual_seed(0)
    embedding = torch.nn.Identity() if given == "onehot" else torch.nn.Embedding(V, H)
    network = torch.nn.LSTM(V if given == "onehot" else H, H)
    dense = torch.nn.Linear(H, V)
    parameters = [p for module in (embedding, network, dense) for p in module.parameters()]
    optimizer = torch.optim.RMSprop(parameters, lr=LEARNING_RATE, alpha=DECAY, foreach=True)
    ids, targets = torch.randint(0, V, (2, T, B))
    state = (torch.zeros(1, B, H), torch.zeros(1, B, H))

    def step() -> int:
        nonlocal state
        torch.set_num_threads(threads)
        torch.backends.mkldnn.enabled = onednn
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            x = torch.nn.functional.one_hot(ids, V).float() if given == "onehot" else embedding(ids)
            h, state = network(x, state)
            logits = dense(torch.nn.functional.dropout(h, DROPOUT))
        torch.nn.functional.cross_entropy(logits.float().reshape(-1, V), targets.reshape(-1)).backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP, foreach=True)
        optimizer.step()
        state = (state[0].detach().float(), state[1].detach().float())
        return 1

    return step


def torch_generate(setting: tuple[str, int], count: int, length: int, H: int, V: int) -> Job:
    import torch

    module, threads = setting
    torch.manual_seed(0)
    embedding, dense = torch.nn.Embedding(V, H), torch.nn.Linear(H, V)
    cell, network = torch.nn.LSTMCell(H, H), torch.nn.LSTM(H, H)

    @torch.inference_mode()
    def with_cell() -> int:
        ids, h, c = torch.zeros(count, dtype=torch.long), torch.zeros(count, H), torch.zeros(count, H)
        for _ in range(length):
            h, c = cell(embedding(ids), (h, c))
            ids = torch.multinomial(torch.softmax(dense(h), 1), 1)[:, 0]
        return length * count

    @torch.inference_mode()
    def with_lstm() -> int:
        ids, state = torch.zeros(count, dtype=torch.long), (torch.zeros(1, count, H), torch.zeros(1, count, H))
        for _ in range(length):
            h, state = network(embedding(ids)[None], state)
            ids = torch.multinomial(torch.softmax(dense(h[0]), 1), 1)[:, 0]
        return length * count

    def write() -> int:
        torch.set_num_threads(threads)
        return with_cell() if module == "LSTMCell" else with_lstm()

    return write


# JAX: lax.scan, compiled as a whole.


def jax_job(kind: str, setting: Any, T: int, B: int, H: int, V: int) -> Job:
    import jax
    import jax.numpy as jnp

    key = jax.random.key(0)
    shapes = {"Wx": (V, 4 * H), "Wh": (H, 4 * H), "b": (4 * H,), "W": (H, V), "d": (V,)}
    params = {name: 0.05 * jax.random.normal(key, shape) for name, shape in shapes.items()}
    averages = {name: jnp.zeros(shape) for name, shape in shapes.items()}
    ids, targets = jax.random.randint(key, (2, T, B), 0, V)

    def loss_of(params: Any, state: Any, key: Any) -> Any:
        def cell(state: Any, xWx: Any) -> Any:
            h, c = state
            i, f, o, g = jnp.split(xWx + h @ params["Wh"] + params["b"], 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        state, h = jax.lax.scan(cell, state, params["Wx"][ids])
        mask = jax.random.bernoulli(key, 1 - DROPOUT, h.shape) / (1 - DROPOUT)
        log_p = jax.nn.log_softmax((h * mask) @ params["W"] + params["d"])
        return -jnp.take_along_axis(log_p, targets[:, :, None], axis=2).mean(), state

    @jax.jit
    def update(params: Any, averages: Any, state: Any, key: Any) -> Any:
        key, now = jax.random.split(key)
        (_, state), grads = jax.value_and_grad(loss_of, has_aux=True)(params, state, now)
        norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in grads.values()))
        grads = {name: g * jnp.minimum(1, CLIP / norm) for name, g in grads.items()}
        averages = {name: DECAY * averages[name] + (1 - DECAY) * g**2 for name, g in grads.items()}
        params = {
            name: p - LEARNING_RATE * grads[name] / (jnp.sqrt(averages[name]) + 1e-7) for name, p in params.items()
        }
        return params, averages, state, key

    carried = params, averages, (jnp.zeros((B, H)), jnp.zeros((B, H))), key

    def step() -> int:
        nonlocal carried
        carried = jax.block_until_ready(update(*carried))
        return 1

    return step


# Keras on TensorFlow.  A setting is jit_compile; writing has none.


def keras_job(kind: str, setting: Any, **sizes: int) -> Job:
    os.environ["KERAS_BACKEND"], os.environ["TF_CPP_MIN_LOG_LEVEL"] = "tensorflow", "3"
    return {"step": keras_step, "generate": keras_generate}[kind](setting, **sizes)


def keras_model(H: int, V: int) -> Any:
    import keras

    return keras.Sequential([
        keras.layers.Embedding(V, H),
        keras.layers.LSTM(H, return_sequences=True),
        keras.layers.Dropout(DROPOUT),
        keras.layers.Dense(V),
    ])  # fmt: skip


def keras_step(jit_compile: bool, T: int, B: int, H: int, V: int) -> Job:
    import keras
    import numpy as np

    model = keras_model(H, V)
    model.compile(
        keras.optimizers.RMSprop(LEARNING_RATE, DECAY, global_clipnorm=CLIP),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=jit_compile,
    )  # fmt: skip
    ids, targets = np.random.default_rng(0).integers(0, V, (2, B, T))

    def step() -> int:
        model.train_on_batch(ids, targets)
        return 1

    return step


def keras_generate(_: Any, count: int, length: int, H: int, V: int) -> Job:
    """As its tutorials do: the whole window of 50 through predict() for every token."""
    import numpy as np

    model, rng = keras_model(H, V), np.random.default_rng(0)

    def write() -> int:
        window = np.zeros((count, 50), dtype=np.int32)
        for _ in range(length):
            logits = model.predict(window, verbose=0)[:, -1]
            ids = np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)
            window = np.concatenate([window[:, 1:], ids[:, None]], axis=1)
        return length * count

    return write


JOBS = {"numpy": numpy_job, "torch": torch_job, "jax": jax_job, "keras": keras_job}


def main(library: str) -> None:
    from importlib.metadata import version

    make = lru_cache(maxsize=4)(JOBS[library])
    answers, sys.stdout = sys.stdout, sys.stderr  # some libraries print
    print(json.dumps(version(library)), file=answers, flush=True)
    for line in sys.stdin:
        request = {name: tuple(it) if isinstance(it, list) else it for name, it in json.loads(line).items()}
        least, request = request.pop("least_seconds"), request
        job = make(**request)
        job()  # wakes threads and fills caches after the others' turns
        done, started = 0, time.perf_counter()
        while not done or time.perf_counter() - started < least:
            done += job()
        print(json.dumps((time.perf_counter() - started) / done), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
