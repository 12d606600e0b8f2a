"""How large a network is and how it is trained, if nobody says: chosen for a folder and its minutes, by measurement."""

from __future__ import annotations

SIZES: dict[str, float] = {"hidden": 256, "layers": 1, "window": 64, "batch": 32, "dropout": 0.25, "transpose": 2}
TOKENS_A_MINUTE = 1_500_000  # that two cores train on with these sizes


def sizes_for(tokens: int, minutes: float) -> dict[str, float]:
    """The flags of SIZES for train songs of so many tokens.  Measured: README has the table."""
    readings = minutes * TOKENS_A_MINUTE / max(tokens, 1)  # how often the songs are read
    if readings < 6:
        return SIZES
    return SIZES | {"transpose": 5}
