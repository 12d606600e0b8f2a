"""Generated tunes beside songs that the network has not seen: the music in them, and how much of them is copied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from experiment.log import bar
from experiment.songs import RunSongs
from experiment.tunes import LENGTH, Composer
from lstm_numpy.baselines import CopyReport, copied
from lstm_numpy.batches import END, START, UNKNOWN, Songs
from lstm_numpy.sampling import SIDE_BY_SIDE, Tune, longest_loop
from midi_io.music.statistics import compare, figures, table

TUNES = 100  # that are written to be compared
MOST_HELD_OUT = 100  # songs to compare them with


def tunes_beside_songs(
    composer: Composer, songs: RunSongs, seed: int, count: int = TUNES, *, show_bar: bool = False
) -> tuple[dict[str, Any], str]:
    """What a musician would count in `count` new tunes, beside the same in valid songs: for summary.json, and as text.

    All are cut after LENGTH tokens.  Valid songs with unknown tokens are left out, because some of their time is
    missing.
    """
    with bar(f"writing {count} tunes", -(-count // SIDE_BY_SIDE), " parts", show=show_bar) as shown:
        tunes = composer.write(np.array([START]), np.random.default_rng(seed), count, told=shown.update)
    valid = songs.of("valid").songs
    held_out = [song[: LENGTH + 1] for song in valid if UNKNOWN not in song]
    left_out = len(valid) - len(held_out)
    held_out = held_out[:: -(-len(held_out) // MOST_HELD_OUT) or 1]
    decode, both = composer.vocabulary.decode, ([tune.ids for tune in tunes], held_out)
    music = compare(*([figures(decode(ids), whole=ids[-1] == END) for ids in pieces] for pieces in both))
    found = copies(composer, songs, [*_written(tunes, 1), *(song[1:-1] for song in held_out)])
    summary = {
        "music": {name: {"generated": one.written, "held_out": one.others} for name, one in music.items()},
        "tunes": count, "ended": sum(tune.ended for tune in tunes),
        "longest_loop": max(tune.longest_loop for tune in tunes),
        "longest_loop_held_out": max(map(longest_loop, held_out), default=0),
        "copied_8_grams": _share(found[:count]), "copied_8_grams_held_out": _share(found[count:]),
    }  # fmt: skip
    left = f"valid songs that are left out above, because they have unknown tokens: {left_out}\n" * (left_out > 0)
    return summary, (
        f"{table(music)}\n\n{left}{count} new tunes, {summary['ended']} of them ended by themselves; longest loop "
        f"{summary['longest_loop']} tokens (held-out songs: {summary['longest_loop_held_out']})\n"
        f"copied from the train songs: {_copies(found[:count])}; in held-out songs: {_copies(found[count:])}"
    )


def copies(composer: Composer, songs: RunSongs, pieces: Sequence[npt.NDArray[Any]]) -> list[CopyReport]:
    """How much of each piece stands in the train songs, in any key that the network heard."""
    keys = composer.vocabulary.transposition_table(range(-composer.transpose, composer.transpose + 1))
    keys[:, UNKNOWN] = -1  # it may stand for anything
    return copied(Songs.of(pieces), songs.of("train").songs, readings=keys)


def copy_report(composer: Composer, songs: RunSongs, tunes: Sequence[Tune], opening: int = 1) -> list[str]:
    """A line for each tune, and one for the valid songs.  opening: the ids that a tune began with do not count."""
    held_out = [song[1:-1] for song in songs.of("valid").songs]
    found = copies(composer, songs, [*_written(tunes, opening), *held_out])
    own, others = found[: len(tunes)], found[len(tunes) :]
    lines = [f"copied: longest run {one.longest} tokens, {one.shares[8]:.0%} of its 8-grams" for one in own]
    if len(tunes) > 1:
        lines = [f"{number}: {line}" for number, line in enumerate(lines, start=1)]
    return [*lines, f"songs that it has not seen ({len(others)}): {_copies(others)}"] if others else lines


def _written(tunes: Sequence[Tune], opening: int) -> list[npt.NDArray[Any]]:
    return [tune.ids[opening:-1] if tune.ended else tune.ids[opening:] for tune in tunes]


def _copies(found: Sequence[CopyReport]) -> str:
    longest = sorted(one.longest for one in found) or [0]
    return (
        f"longest run {longest[len(longest) // 2]} (median) to {longest[-1]} tokens, {_share(found):.0%} of the 8-grams"
    )


def _share(found: Sequence[CopyReport]) -> float:
    return sum(one.shares[8] for one in found) / max(len(found), 1)
