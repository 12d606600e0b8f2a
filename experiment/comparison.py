"""Generated tunes beside songs that the network has not seen: the music in them, and how much of them is copied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from experiment.log import bar
from experiment.songs import RunSongs
from experiment.tunes import Composer, usual_length
from lstm_numpy.baselines import CopyReport, copied
from lstm_numpy.batches import END, START, UNKNOWN, Songs
from lstm_numpy.sampling import SIDE_BY_SIDE, Tune, longest_loop
from midi_io.music.band import band_figures, band_rows
from midi_io.music.statistics import ROWS, Comparison, compare, figures

TUNES, TOKENS = 100, 300_000  # that are written to be compared, at most
MOST_HELD_OUT = 100  # songs to compare them with


class TunesBesideSongs(NamedTuple):
    """New tunes of a network beside held-out songs."""

    music: dict[str, Comparison]
    rows: dict[str, tuple[str, str]]  # what the figures of music are in words, and how they are written
    copies: list[CopyReport]  # of the tunes
    copies_held_out: list[CopyReport]
    ended: int  # tunes that ended by themselves
    loops: tuple[int, int]  # tokens of the longest loop in a tune, and in a song
    left_out: int  # valid songs that are not compared, because they have unknown tokens

    def text(self) -> str:
        """Two lines: what is copied, and how the tunes end; and one where songs are left out."""
        left_out = f"valid songs that are left out above, because they have unknown tokens: {self.left_out}\n"
        return left_out * (self.left_out > 0) + (
            f"{len(self.copies)} new tunes, {self.ended} of them ended by themselves; "
            f"longest loop {self.loops[0]} tokens (held-out songs: {self.loops[1]})\n"
            f"copied from the train songs: {_copies(self.copies)}; in held-out songs: {_copies(self.copies_held_out)}"
        )

    def summary(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "music": {name: {"generated": one.written, "held_out": one.others} for name, one in self.music.items()},
            "tunes": len(self.copies), "ended": self.ended, "longest_loop": self.loops[0],
            "longest_loop_held_out": self.loops[1], "copied_8_grams": _share(self.copies),
            "copied_8_grams_held_out": _share(self.copies_held_out),
        }  # fmt: skip


def tunes_beside_songs(composer: Composer, songs: RunSongs, seed: int, *, show_bar: bool = False) -> TunesBesideSongs:
    """What a musician would count in new tunes, TUNES of them where songs are short, beside the same in valid songs.

    All are cut after usual_length.  Valid songs with unknown tokens are left out, because some of their time is
    missing.
    """
    length = usual_length(songs)
    count = min(TUNES, TOKENS // length)
    with bar(f"writing {count} tunes", -(-count // SIDE_BY_SIDE), " parts", show=show_bar) as shown:
        tunes = composer.write(np.array([START]), np.random.default_rng(seed), count, length=length, told=shown.update)
    valid = songs.of("valid").songs
    held_out = [song[: length + 1] for song in valid if UNKNOWN not in song]
    left_out = len(valid) - len(held_out)
    held_out = held_out[:: -(-len(held_out) // MOST_HELD_OUT) or 1]
    both = [[tune.ids for tune in tunes], held_out]
    written, others = [[(composer.vocabulary.decode(ids), ids[-1] == END) for ids in pieces] for pieces in both]
    rows = ROWS | band_rows(notes for notes, _ in others)
    sides = [[figures(notes, whole=whole) | band_figures(notes) for notes, whole in side] for side in (written, others)]
    music = compare(sides[0], sides[1], rows)
    found = copies(composer, songs, [*_written(tunes, 1), *(song[1:-1] for song in held_out)])
    loops = max(tune.longest_loop for tune in tunes), max(map(longest_loop, held_out), default=0)
    ended = sum(tune.ended for tune in tunes)
    return TunesBesideSongs(music, rows, found[:count], found[count:], ended, loops, left_out)


def copies(composer: Composer, songs: RunSongs, pieces: Sequence[npt.NDArray[Any]]) -> list[CopyReport]:
    """How much of each piece stands in the train songs, in any key that the network heard."""
    keys = composer.vocabulary.transposition_table(range(-composer.transpose, composer.transpose + 1))
    keys[:, UNKNOWN] = -1  # it may stand for anything
    return copied(Songs.of(pieces), songs.of("train").songs, readings=keys)


def copy_report(composer: Composer, songs: RunSongs, tunes: Sequence[Tune], opening: int = 1) -> list[str]:
    """A line for each tune, and one for the valid songs.  opening: the ids that a tune began with do not count."""
    held_out = [song[1:-1] for song in songs.of("valid").songs]
    found = copies(composer, songs, [*_written(tunes, opening), *held_out])
    lines = [f"copied: longest run {one.longest} tokens, {one.shares[8]:.0%} of its 8-grams" for one in found]
    if len(tunes) > 1:
        lines = [f"{number}: {line}" for number, line in enumerate(lines, start=1)]
    others = found[len(tunes) :]
    return lines[: len(tunes)] + ([f"songs that it has not seen ({len(others)}): {_copies(others)}"] if others else [])


def _written(tunes: Sequence[Tune], opening: int) -> list[npt.NDArray[Any]]:
    return [tune.ids[opening:-1] if tune.ended else tune.ids[opening:] for tune in tunes]


def _copies(found: Sequence[CopyReport]) -> str:
    longest = sorted(one.longest for one in found) or [0]
    return (
        f"longest run {longest[len(longest) // 2]} (median) to {longest[-1]} tokens, {_share(found):.0%} of the 8-grams"
    )


def _share(found: Sequence[CopyReport]) -> float:
    return sum(one.shares[8] for one in found) / max(len(found), 1)
