"""Generated tunes beside songs that the network has not seen: the music in them, and how much of them is copied."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiment.songs import RunSongs
from experiment.tunes import LENGTH, Composer
from lstm_numpy.baselines import copied
from lstm_numpy.batches import END, START, UNKNOWN, Songs
from lstm_numpy.sampling import Tune
from midi_io.music.statistics import Comparison, compare, figures

TUNES = 20  # that are written to be compared
MOST_HELD_OUT = 100  # songs to compare them with


def music_beside_held_out(composer: Composer, songs: RunSongs, seed: int, count: int = TUNES) -> dict[str, Comparison]:
    """What a musician would count in `count` new tunes, beside the same in valid songs.

    All are cut after LENGTH tokens.  Valid songs with unknown tokens are left out, because some of their time is
    missing.
    """
    tunes = composer.write(np.array([START]), np.random.default_rng(seed), count)
    held_out = [song for song in songs.of("valid").songs if UNKNOWN not in song]
    held_out = held_out[:: -(-len(held_out) // MOST_HELD_OUT) or 1]
    both = [[tune.ids for tune in tunes], [song[: LENGTH + 1] for song in held_out]]
    return compare(*[[figures(composer.notes(ids), whole=ids[-1] == END) for ids in pieces] for pieces in both])


def copy_report(composer: Composer, songs: RunSongs, tunes: Sequence[Tune], opening: int = 1) -> list[str]:
    """How much of each tune stands in the train songs, in any key that the network heard; last, of valid songs.

    opening: how many ids each tune was given to begin with.  They are not counted.
    """
    train, held_out = songs.of("train").songs, songs.of("valid").songs
    written = [tune.ids[opening:-1] if tune.ended else tune.ids[opening:] for tune in tunes]
    keys = composer.vocabulary.transposition_table(range(-composer.transpose, composer.transpose + 1))
    keys[:, UNKNOWN] = -1  # it may stand for anything
    found = copied(Songs.of([*written, *(song[1:-1] for song in held_out)]), train, readings=keys)
    lines = [f"copied: longest run {one.longest} tokens, {one.shares[8]:.0%} of its 8-grams" for one in found]
    if len(written) > 1:
        lines = [f"{number}: {line}" for number, line in enumerate(lines, start=1)]
    others = found[len(written) :]
    del lines[len(written) :]
    if others:
        longest = sorted(one.longest for one in others)
        share = sum(one.shares[8] for one in others) / len(others)
        lines.append(
            f"songs that it has not seen ({len(others)}): longest run {longest[len(longest) // 2]} (median) to "
            f"{longest[-1]} tokens, {share:.0%} of their 8-grams"
        )
    return lines
