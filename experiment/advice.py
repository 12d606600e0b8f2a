"""What would help a network that predicts no better than counting, and by how much: told from its own run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

FEWEST = 100  # steps that tell how a run goes on
WORTH = 0.05  # nats per token
HOPELESS = 7  # doublings of the steps


def advice(losses: npt.NDArray[np.float64], figures: Mapping[str, float]) -> list[str]:
    """A line for each thing that would help.  Empty where the network beats every n-gram on valid, or none is scored.

    losses: (steps,) of the train batches.  figures: those of final_figures.  The loss of a long run falls by about the
    same amount each time that its steps double; here from its second to its last half.
    """
    if "valid_nats_per_token" not in figures:
        return []
    valid = figures["valid_nats_per_token"]
    behind = valid - min(figures[f"{name}_nats_per_token"] for name in ("uniform", "unigram", "bigram", "trigram"))
    if behind < 0:
        return []
    lines = [f"the network predicts no better than counting does: {behind:.2f} nats per token are missing"]
    n = len(losses)
    if n < FEWEST:
        return [*lines, f"  more time: {n} steps are too few; give more --minutes or --epochs"]
    late = float(losses[n // 2 :].mean())
    gained = float(losses[n // 4 : n // 2].mean()) - late
    doublings = behind / gained if gained > WORTH else np.inf
    if doublings < HOPELESS:
        times = max(2**doublings, 1.5)
        lines.append(f"  more time: twice the steps gave {gained:.2f}, so it takes about {times:.1f} times as many")
    elif late < valid - WORTH:
        lines.append("  more time alone will not do")
    if late < valid - WORTH:
        lines.append(
            f"  more songs, or a larger --transpose or --dropout: songs that it knows cost {valid - late:.2f} less"
        )
    spelled = figures["valid_spelling_nats_per_token"]
    if spelled > WORTH:
        lines.append(f"  a simpler spelling: tokens that the train songs lack cost {spelled:.2f}; see --tokens, --grid")
    return lines
