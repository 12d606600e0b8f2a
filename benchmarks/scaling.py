"""One training step by one thread, by two threads, and by two processes, ours and PyTorch's, in one run.

    python benchmarks/scaling.py                              # needs requirements-mpi.txt
    python benchmarks/scaling.py 128,32,300 --python torchenv/bin/python

Strong scaling: two do the step of one, and efficiency is the time of one / (2 * the time of two).  Weak: two do a step
of twice the batch, and efficiency is the time of one / the time of two.  PyTorch's processes are those of
DistributedDataParallel on gloo.  Each turn is a process of its own, turns are taken A B C A B C, and the shortest step
of all turns counts: it is the one that the machine's other work has disturbed least.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from contest import table

SIZES = ("64,16,300", "128,32,300", "256,64,300", "512,64,1000")
T, DROPOUT, CLIP, LEARNING_RATE, DECAY = 50, 0.3, 5.0, 1e-3, 0.9
MPIEXEC = Path(sys.executable).with_name("mpiexec")
WHO = {  # its name: (library, processes, threads in each, how gradients are added)
    "ours, 1": ("ours", 1, 1, "ordered"), "ours, 2 threads": ("ours", 1, 2, "ordered"),
    "ours, 2 ranks": ("ours", 2, 1, "ordered"), "ours, 2 ranks, Allreduce": ("ours", 2, 1, "allreduce"),
    "torch, 1": ("torch", 1, 1, ""), "torch, 2 threads": ("torch", 1, 2, ""), "torch, DDP on gloo": ("torch", 2, 1, ""),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", default=SIZES, metavar="H,B,V", help=f"default: {' '.join(SIZES)}")
    parser.add_argument("--rounds", type=int, default=3, help="how often everyone has a turn (default: 3)")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long a turn lasts (default: 1)")
    parser.add_argument("--python", default=sys.executable, help="a Python that has torch")
    args = parser.parse_args()
    best: dict[tuple[str, str, str], float] = {}  # (size, name, what): seconds
    for size in args.sizes:
        H, B, V = map(int, size.split(","))
        turns = [(name, what) for name in WHO for what in ("strong", "weak")]
        for name, what in turns * args.rounds:
            request = {"H": H, "B": B if what == "strong" else 2 * B, "V": V, "seconds": args.seconds}
            for found, seconds in turn(name, args.python, request).items():
                key = size, name, what if found == "step" else found
                best[key] = min(seconds, best.get(key, seconds))
        print(*((*key, f"{1e3 * best[key]:.2f} ms") for key in best if key[0] == size), sep="\n", file=sys.stderr)
    for what, least, title in (("strong", 2, "the same batch"), ("weak", 1, "twice the batch")):
        print(f"{what.capitalize()} scaling, {title}: ms a step (efficiency)\n")
        rows = [[size, *(cell(best, size, name, what, least) for name in WHO)] for size in args.sizes]
        print(table(["H, B, V", *WHO], rows))
        print()
    print("The sum of the gradients of two ranks alone: ms\n")
    names = [name for name in WHO if "ranks" in name]
    rows = [[size, *(f"{1e3 * best[size, name, 'sum']:.2f}" for name in names)] for size in args.sizes]
    print(table(["H, B, V", *names], rows))


def cell(best: dict[tuple[str, str, str], float], size: str, name: str, what: str, least: int) -> str:
    two, one = best[size, name, what], best[size, f"{WHO[name][0]}, 1", "strong"]
    return f"{1e3 * two:.2f}" + ("" if WHO[name][1:3] == (1, 1) else f" ({one / two / least:.0%})")


def turn(name: str, python: str, request: dict[str, Any]) -> dict[str, float]:
    """What one contestant measures in processes of its own."""
    library, processes, threads, reduce = WHO[name]
    request |= {"threads": threads, "reduce": reduce}
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29517"}
    command = [sys.executable if library == "ours" else python, __file__, f"--worker={library}", json.dumps(request)]
    if library == "ours":
        start = [str(MPIEXEC), "-n", str(processes)] if processes > 1 else []
        done = subprocess.run([*start, *command], env=environment, stdout=subprocess.PIPE, text=True, check=True)
        answers = [done.stdout]
    else:
        environment["WORLD_SIZE"] = str(processes)
        running = [
            subprocess.Popen(command, env={**environment, "RANK": str(rank)}, stdout=subprocess.PIPE, text=True)
            for rank in range(processes)
        ]
        answers = [process.communicate()[0] for process in running]
    return dict(json.loads(answers[0]))


def shortest(step: Callable[[], object], seconds: float, agreed: Callable[[bool], bool]) -> float:
    """Of the steps that begin in so many seconds; agreed: rank 0's answer, on every rank."""
    for _ in range(2):
        step()
    best, end = 1e9, time.perf_counter() + seconds
    while agreed(time.perf_counter() < end):
        begun = time.perf_counter()
        step()
        best = min(best, time.perf_counter() - begun)
    return best


def ours(H: int, B: int, V: int, seconds: float, threads: int, reduce: str) -> dict[str, float]:
    import numpy as np

    import lstm_numpy as lstm
    from lstm_numpy.speed.ranks import ranks

    own, rng = ranks(), np.random.default_rng(0)
    config = lstm.ModelConfig(V, H, dropout=DROPOUT)
    params = lstm.init_params(config, rng)
    workspace = lstm.Workspace(config, T, B, threads * own.size, own, ordered=reduce == "ordered")
    optimizer = lstm.RMSprop(params, LEARNING_RATE, DECAY)
    ids, targets = rng.integers(0, V, (2, T, B))[:, :, workspace.lanes]
    state = lstm.zero_state(config, workspace.B)
    order = np.zeros(1)

    def step() -> None:
        nonlocal state
        own.share(order)  # as train.py: rank 0 says what to do
        masks = lstm.dropout_masks(config, T, B, rng, workspace=workspace)
        _, grads, state, _ = lstm.loss_and_gradients(params, ids, targets, state, masks, workspace=workspace)
        lstm.clip_by_global_norm(grads, CLIP)
        optimizer.step(params, grads)

    found = {"step": shortest(step, seconds, own.share)}
    if own.size > 1:
        parts = [{name: np.zeros_like(array) for name, array in params.items()}]
        found["sum"] = shortest(lambda: workspace.sum(parts), seconds / 4, own.share)
    return found if own.rank == 0 else {}


def torch(H: int, B: int, V: int, seconds: float, threads: int, reduce: str) -> dict[str, float]:
    import torch
    import torch.distributed as dist

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    size, rank = int(os.environ["WORLD_SIZE"]), int(os.environ["RANK"])

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.lstm, self.dense = torch.nn.Embedding(V, H), torch.nn.LSTM(H, H), torch.nn.Linear(H, V)

        def forward(self, ids: Any, state: Any) -> Any:
            h, state = self.lstm(self.embedding(ids), state)
            return self.dense(torch.nn.functional.dropout(h, DROPOUT)), state

    network: Any = Network()
    if size > 1:
        dist.init_process_group("gloo")
        network = torch.nn.parallel.DistributedDataParallel(network)
    optimizer = torch.optim.RMSprop(network.parameters(), lr=LEARNING_RATE, alpha=DECAY, foreach=True)
    lanes = B // size
    ids, targets = torch.randint(0, V, (2, T, lanes))
    state = torch.zeros(1, lanes, H), torch.zeros(1, lanes, H)

    def step() -> None:
        nonlocal state
        optimizer.zero_grad()
        logits, state = network(ids, state)
        torch.nn.functional.cross_entropy(logits.reshape(-1, V), targets.reshape(-1)).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP, foreach=True)
        optimizer.step()
        state = state[0].detach(), state[1].detach()

    def agreed(answer: bool) -> bool:
        told = torch.tensor([int(answer)])
        if size > 1:
            dist.broadcast(told, 0)
        return bool(told)

    found = {"step": shortest(step, seconds, agreed)}
    return found if rank == 0 else {}


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1].startswith("--worker="):
        answer = {"ours": ours, "torch": torch}[sys.argv[1].partition("=")[2]](**json.loads(sys.argv[2]))
        if answer:
            print(json.dumps(answer))
    else:
        main()
