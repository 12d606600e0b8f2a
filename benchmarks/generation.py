"""How long it takes to write a token: one tune, many side by side, and PyTorch and Keras beside it.

    python benchmarks/generation.py
    python benchmarks/generation.py --hidden 512 --vocabulary 1000 --count 16

PyTorch carries its state, through LSTMCell or nn.LSTM, with one thread (its best) and with all cores (its default).
Keras reads the whole window of 50 again for every token, as its tutorials do.  Every library draws from the softmax.
"""

from __future__ import annotations

import argparse
import sys
from statistics import median

from contest import CORES, Contestant, add_python_argument, in_turn, installed, ratio, table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--vocabulary", type=int, default=300)
    parser.add_argument("--count", type=int, default=64, help="tunes side by side (default: 64)")
    parser.add_argument("--rounds", type=int, default=7, help="how often everyone has a turn (default: 7)")
    add_python_argument(parser)
    args = parser.parse_args()

    ours, peers = Contestant("numpy", sys.executable), installed(["torch", "keras"], args.python)
    common = {"kind": "generate", "H": args.hidden, "V": args.vocabulary, "count": 1, "least_seconds": 0.2}
    ours_request = {**common, "length": 500, "setting": None}
    entries = {"ours": (ours, ours_request), f"ours, {args.count} tunes": (ours, {**ours_request, "count": args.count})}
    if "torch" in peers:
        for module in ("LSTMCell", "nn.LSTM"):
            for threads in sorted({1, CORES}):
                name = f"torch, {module}, {threads} thread{'s' * (threads > 1)}"
                entries[name] = (peers["torch"], {**common, "length": 200, "setting": [module, threads]})
    if "keras" in peers:
        entries["keras, predict on the window"] = (peers["keras"], {**common, "length": 3, "setting": None})
    seconds = in_turn(entries, args.rounds)
    print(f"H={args.hidden}, V={args.vocabulary}, {CORES} cores\n")
    rows = [
        [name, f"{1e6 * median(taken):,.1f}", f"{1 / median(taken):,.0f}", f"{ratio(taken, seconds['ours']):,.2f}"]
        for name, taken in seconds.items()
    ]
    print(table(["writer", "microseconds a token", "tokens a second", "times our one tune"], rows))


if __name__ == "__main__":
    main()
