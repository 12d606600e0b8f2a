"""What mpiexec starts in tests/test_ranks.py: python tests/ranks_job.py gradients|spread|train FOLDER [FLAGS].

train is train.py without pictures, saved at each step.
"""

import contextlib
import hashlib
import os
import resource
import signal
import sys
from pathlib import Path

import numpy as np

import experiment.log
import train
from experiment.crew import conducted, crew
from lstm_numpy import ModelConfig, Workspace, dropout_masks, init_params, loss_and_gradients, reset, zero_state
from lstm_numpy.speed.ranks import ranks

CONFIG, T, B = ModelConfig(7, 5, 2, 0.4, "variational", context=(3, 2)), 6, 7


def batch():
    """params, ids, targets, context, fresh, and the whole state; the last lanes are mostly padding."""
    rng = np.random.default_rng(0)
    params = init_params(CONFIG, rng, np.float64)
    ids, targets = rng.integers(0, 7, (T, B)), rng.integers(0, 7, (T, B))
    for lane, length in enumerate([6, 6, 5, 6, 2, 1, 0]):
        targets[length:, lane] = -1
    context = np.stack([rng.integers(0, size, (T, B)) for size in CONFIG.context], axis=-1)
    state = zero_state(CONFIG, B, np.float64)
    for arrays in state.values():
        for array in arrays:
            array[:] = rng.normal(size=array.shape)
    return params, ids, targets, context, rng.random(B) < 0.3, state


def gradients(workspace):
    """Of two steps, by name, with the loss and the state behind the second; workspace None: by one process at once."""
    params, ids, targets, context, fresh, state = batch()
    lanes, dropout = workspace.lanes if workspace else slice(0, B), np.random.default_rng(1)
    state = {layer: type(arrays)(*(array[lanes] for array in arrays)) for layer, arrays in state.items()}
    found = {}
    for step in range(2):
        masks = dropout_masks(CONFIG, T, B, dropout, dtype=np.float64, workspace=workspace)
        loss, grads, state, _ = loss_and_gradients(
            params, ids[:, lanes], targets[:, lanes], reset(state, fresh[lanes]), masks,
            context=context[:, lanes], workspace=workspace,
        )  # fmt: skip
        found |= {f"{step} {name}": array.copy() for name, array in {**grads, "loss": np.array(loss)}.items()}
    for layer, arrays in state.items():
        for field, array in arrays._asdict().items():
            found[f"{layer}.{field}"] = np.array(workspace.ranks.in_order(list(array)) if workspace else array)
    return found


def write_gradients(folder):
    """Those of the ranks: with 1 and 2 parts each, added as MPI likes, and with a mistake: the mean of the means."""
    own = ranks()
    found = {f"parts{n}": gradients(Workspace(CONFIG, T, B, n * own.size, own)) for n in (1, 2)}
    found["allreduce"] = gradients(Workspace(CONFIG, T, B, 2 * own.size, own, ordered=False))
    add = own.sum
    own.sum = lambda value: value * own.size if isinstance(value, int) else add(value)
    found["mean of means"] = gradients(Workspace(CONFIG, T, B, own.size, own))
    for name, arrays in found.items():
        np.savez(folder / f"{name}-{own.rank}.npz", **arrays)


def square(number):
    if number < 0:
        raise ValueError("below 0")
    return number**2, ranks().rank


def spread_work():
    """All items, then the first alone, then a fault of rank 1, then all again.  0: each came out as it should."""
    right = [(number**2, number // 3) for number in range(7)]
    every = list(crew().spread(square, range(7), 1))
    some = crew().spread(square, range(7), 1)
    first = next(some)
    some.close()
    with contextlib.suppress(ValueError):
        list(crew().spread(square, [0, -1, 2, 3], 1))
        return 1
    return int((every, first, list(crew().spread(square, range(7), 1))) != (right, right[0], right))


REAL_STEP, REAL_END, TRAP = train.take_step, train.Run.end_epoch, os.environ.get("TRAP", "none -1 -1").split()


def take_step(run, learning_rate):
    """TRAP="die 1 7": rank 1 is killed before step 8."""
    if [str(ranks().rank), str(run.training.progress.step)] == TRAP[1:]:
        if TRAP[0] == "full":  # the disk
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        else:
            os.kill(os.getpid(), {"die": signal.SIGKILL, "stop": signal.SIGTERM}[TRAP[0]])
    return REAL_STEP(run, learning_rate)


def end_epoch(run, valid):
    """Keeps the SHA-256 of this rank's weights."""
    weights = b"".join(array.tobytes() for array in run.training.params.values())
    name = f"weights-{run.training.progress.epoch}-{ranks().rank}"
    (FOLDER / name).write_text(hashlib.sha256(weights).hexdigest())
    return REAL_END(run, valid)


if __name__ == "__main__":
    what, FOLDER = sys.argv[1], Path(sys.argv[2])
    if what == "gradients":
        write_gradients(FOLDER)
        sys.exit()
    if what == "spread":
        sys.exit(conducted("spread", spread_work))
    (FOLDER / f"pid-{os.getpid()}").touch()
    experiment.log.EVERY, train.draw_run = -1.0, lambda _: []
    train.take_step, train.Run.end_epoch = take_step, end_epoch
    sys.exit(conducted("train.py", lambda: train.main(sys.argv[3:])))
