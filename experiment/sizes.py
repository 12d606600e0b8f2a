"""How large a network is and how it is trained, if nobody says: chosen for a folder and its minutes, by measurement."""

from __future__ import annotations

SIZES: dict[str, float] = {
    "hidden": 256, "layers": 1, "window": 64, "batch": 32, "dropout": 0.25, "transpose": 2, "lr": 8e-3
}  # fmt: skip
TOKENS_A_MINUTE = 5_000_000  # that two cores learn from, about
OFTEN, VERY_OFTEN = 15, 40  # times that the train songs are read


def sizes_for(tokens: int, minutes: float) -> dict[str, float]:
    """The flags of SIZES for train songs of so many tokens; README has the table.

    A song that is read again and again is learned by heart, and the network predicts others worse.  More keys and more
    dropout prevent it.  In few readings a network gets further with larger steps, and in many with smaller ones.
    """
    readings = minutes * TOKENS_A_MINUTE / max(tokens, 1)
    if readings < OFTEN:
        return SIZES
    return SIZES | {"transpose": 5, "dropout": 0.4 if readings >= VERY_OFTEN else 0.25, "lr": 4e-3}
