"""How long one training step takes, beside PyTorch, JAX and Keras, as far as they are installed.

    python benchmarks/step.py                                   # the sizes of the table in README.md
    python benchmarks/step.py 200,40,500 384,64,300,32          # H,B,V or H,B,V,T
    python benchmarks/step.py --python torchenv/bin/python jaxenv/bin/python

PyTorch's settings (embedding or one-hot, oneDNN on or off, 1 thread or all) are tried first, and the fastest of each
input takes part.  Where the processor multiplies bfloat16, a third entry takes its products in that (autocast), with an
embedding: they are less exact than ours.  The wall is what the matrix products of a step would take at the speed of one
large product.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from statistics import median
from typing import Any

from contest import CORES, Contestant, add_python_argument, in_turn, installed, ratio, table

SIZES = ("128,32,300", "256,64,300", "512,64,1000", "64,16,300", "384,64,300", "256,64,300,32", "256,64,2000")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", default=SIZES, metavar="H,B,V[,T]", help=f"default: {' '.join(SIZES)}")
    parser.add_argument("--rounds", type=int, default=5, help="how often everyone has a turn (default: 5)")
    parser.add_argument("--seconds", type=float, default=0.2, help="the least that a turn lasts (default: 0.2)")
    add_python_argument(parser)
    args = parser.parse_args()

    ours = Contestant("numpy", sys.executable)
    peers = installed(["torch", "jax", "keras"], args.python)
    print(f"{CORES} cores; NumPy {ours.version}", *(f"{name} {peer.version}" for name, peer in peers.items()), sep=", ")
    rows = []
    for given in args.sizes:
        H, B, V, T = (*map(int, given.split(",")), 50)[:4]
        request = {"kind": "step", "T": T, "B": B, "H": H, "V": V, "least_seconds": args.seconds}
        entries: dict[str, tuple[Contestant, dict[str, Any]]] = {"ours": (ours, {**request, "setting": None})}
        if "torch" in peers:
            for x in ("embedding", "onehot", *(("bfloat16",) if has_bfloat16() else ())):
                entries[f"torch, {x}"] = (peers["torch"], {**request, "setting": fastest(peers["torch"], x, request)})
        if "jax" in peers:
            entries["jax"] = (peers["jax"], {**request, "setting": None})
        if "keras" in peers:
            entries["keras"] = (peers["keras"], {**request, "setting": False})
        entries["sgemm"] = (ours, {"kind": "sgemm", "setting": None, "size": 2048, "least_seconds": args.seconds})
        seconds = in_turn(entries, args.rounds)

        products = 3 * 2 * T * B * H * (4 * H + V)  # one forward, two backward; an input of ids costs none
        shares = [products * flop / taken for flop, taken in zip(seconds["sgemm"], seconds["ours"], strict=True)]
        row = [f"{H}, {B}, {V}, {T}", f"{1e3 * median(seconds['ours']):.1f}", f"{100 * median(shares):.0f} %"]
        for peer in ("torch, embedding", "torch, onehot", "torch, bfloat16", "jax", "keras"):
            if peer in seconds:
                row.append(f"{1e3 * median(seconds[peer]):.1f} ({ratio(seconds[peer], seconds['ours']):.2f})")
        rows.append(row)
        print("  ".join(row), file=sys.stderr, flush=True)
    head = ["H, B, V, T", "ours, ms", "of the wall"]
    print("\n" + table([*head, *(name for name in seconds if name.split(",")[0] in peers)], rows))


def fastest(torch: Contestant, given: str, request: dict[str, Any]) -> tuple[str, bool, int]:
    """PyTorch's fastest setting for an input: each has two turns, and its better one counts."""
    with_or_without = (True,) if given == "bfloat16" else (True, False)  # without it bfloat16 takes 40 times as long
    settings = [(given, onednn, threads) for onednn, threads in itertools.product(with_or_without, sorted({1, CORES}))]
    quick = {**request, "least_seconds": request["least_seconds"] / 2}
    times = {setting: min(torch.seconds(**quick, setting=setting) for _ in range(2)) for setting in settings}
    best = min(times, key=times.__getitem__)
    print(f"  torch: {best[0]}, oneDNN {'on' if best[1] else 'off'}, threads {best[2]}", file=sys.stderr)
    return best


def has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies numbers in bfloat16.  (Elsewhere PyTorch only imitates it.)"""
    try:
        words = cpuinfo.read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return False
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(words)


if __name__ == "__main__":
    main()
