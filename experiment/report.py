"""What a run reports at its end: its score beside that of counting, what it makes of repeats, and its tunes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiment.history import read_log
from experiment.log import bar
from experiment.songs import RunSongs
from experiment.tunes import SAMPLING, Composer, usual_length
from lstm_numpy.baselines import CopyReport, NGrams, copied
from lstm_numpy.batches import END, LONG, START, UNKNOWN, Songs
from lstm_numpy.evaluation import Evaluation
from lstm_numpy.files import Array
from lstm_numpy.sampling import SIDE_BY_SIDE, Tune, longest_loop
from midi_io.music.statistics import ROWS, band_figures, band_rows, compare, figures, table, unlike
from midi_io.tokens.context import Context
from midi_io.tokens.echo import RUNS
from midi_io.vocabulary import Vocabulary

TUNES, TOKENS = 100, 300_000  # that are written to be compared, at most
TRIED = [
    replace(SAMPLING, temperature=temperature, top_p=top_p, sure=sure, withheld=withheld)
    for temperature, top_p, sure, withheld in (
        (0.85, 0.97, 0.8, 0), (0.9, 0.97, 0.7, 0), (0.75, 0.9, 0.5, 0), (0.75, 0.9, 0.5, 0.03), (0.9, 0.97, 0.95, 0.1)
    )
]  # fmt: skip
FEWEST = 100  # steps that tell how a run goes on
WORTH = 0.05  # nats per token
LENGTHS = (4, 6, 8, 12, 16, 24, 32, 48)  # tokens of a repeat


# The network beside counting.


def final_figures(
    found: Mapping[str, Evaluation], songs: RunSongs, counted: Mapping[str, Mapping[str, Array]]
) -> dict[str, float]:
    """What summary.json says of valid and test songs: the network's nats beside those of n-grams.

    found: the network's scores of "valid" and "test".  counted: what count_nats gives.  Each model is scored on the
    same targets, and pays the same to spell a token that the vocabulary lacks.  Nats per beat and `..._nats_of_notes`,
    a sum, leave <end> out: for measures that are counted in beats or frames.
    """
    figures: dict[str, float] = {}
    for name, scores in found.items():
        part = songs.of(name)
        if not scores.scored.any():
            continue
        figures[f"{name}_nats_per_token"] = scores.nats_per_token
        figures[f"{name}_accuracy"] = scores.accuracy
        figures[f"{name}_spelling_nats_per_token"] = float(part.spelling_nats[scores.scored].mean())
        figures[f"{name}_nats_of_notes"] = float(scores.nats[scores.scored & (part.songs.flat != END)].sum())
        if np.count_nonzero(scores.scored) == part.songs.targets:  # not only those that follow a window
            figures[f"{name}_nats_per_beat"] = figures[f"{name}_nats_of_notes"] / max(float(part.beats.sum()), 1.0)
        for baseline, nats in counted[name].items():
            prefix = "" if name == "valid" else f"{name}_"
            figures[f"{prefix}{baseline}_nats_per_token"] = float(nats[scores.scored].mean())
    return figures


def count_nats(songs: RunSongs, V: int) -> dict[str, dict[str, Array]]:
    """What each n-gram model, counted on the train songs in their own keys, gives the valid and test songs.

    By part and model the same as Evaluation.nats: (ids,), spelling included; of first ids it says nothing.
    """
    ngrams = NGrams(songs.of("train").songs, V)
    every: dict[str, dict[str, Array]] = {}
    for name in ("valid", "test"):
        part = songs.of(name)
        every[name] = {}
        for model, nats in ngrams.nats(part.songs).items():
            every[name][model] = part.spelling_nats
            every[name][model][part.songs.flat != START] += nats
    return every


def goal(trigram: Array) -> str:
    """A line with what counting gives on the valid songs, from the trigram's nats for each id, 0 for first ids."""
    nats = trigram.sum() / max(np.count_nonzero(trigram), 1)
    return f"a trigram gives {nats:.3f} nats per token on valid; the network has to be below"


def final_tables(figures: Mapping[str, float], repeats: Sequence[RepeatRow], music: str, history: Path) -> str:
    """What train.py prints at the end; music: as tunes_beside_songs gives it.  Raises RunError."""
    helps = advice(read_log(history).get("loss", np.zeros(0)), figures)
    return "\n\n".join(filter(None, [music, repeat_table(repeats), figures_table(figures), "\n".join(helps)]))


def figures_table(figures: Mapping[str, float]) -> str:
    """The final table: the network's nats per token beneath those of the n-grams."""
    if not figures:
        return "no song of valid or test can be scored: there is nothing to compare the network with"
    lines = [f"nats per token{'valid':>10}{'test':>8}"]
    for name in ("uniform", "unigram", "bigram", "trigram", "network"):
        prefixes = ("valid_", "test_") if name == "network" else (f"{name}_", f"test_{name}_")
        cells = [figures.get(f"{prefix}nats_per_token") for prefix in prefixes]
        lines.append(f"  {name:14}" + "".join(f"{'-':>8}" if nats is None else f"{nats:8.3f}" for nats in cells))
    if "valid_nats_per_token" in figures:
        lines.append(f"accuracy on valid: {figures['valid_accuracy']:.1%}")
    missing = [part for part in ("valid", "test") if f"{part}_nats_per_token" not in figures]
    return "\n".join([*lines, *(f"-: no {part} song can be scored" for part in missing)])


def advice(losses: Array, figures: Mapping[str, float]) -> list[str]:
    """What would help a network that predicts no better than counting, and by how much: a line for each thing.

    Empty where the network beats every n-gram on valid, or none is scored.

    losses: (steps,) of the train batches.  figures: those of final_figures.  The loss of a long run falls by about the
    same amount each time that its steps double.
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
    before, late = float(losses[n // 4 : n // 2].mean()), float(losses[n // 2 :].mean())
    if before - late > WORTH:
        lines.append(f"  more time: twice the steps gave {before - late:.2f}; give more --minutes or --epochs")
    if late < valid - WORTH:
        lines.append(
            f"  more songs, or a larger --transpose or --dropout: songs that it knows cost {valid - late:.2f} less"
        )
    spelled = figures["valid_spelling_nats_per_token"]
    if spelled > WORTH:
        lines.append(f"  a simpler spelling: tokens that the train songs lack cost {spelled:.2f}; see --tokens, --grid")
    return lines


# What a network makes of repeats: its nats where a passage has come again, beside what a bare copy would get right.


class RepeatRow(NamedTuple):
    """The targets before which a number of tokens was the same as in an earlier passage of the song."""

    tokens: int  # at least so many were the same; 0: fewer than the shortest length
    share: float  # of all scored targets
    network: float  # nats per token
    copied: float  # the share of these targets that is the token which followed the earlier passage


def repeats_of(vocabulary: Vocabulary, songs: Songs, found: Evaluation) -> list[RepeatRow]:
    """A row for what has no such passage, and one for each of LENGTHS, up to the next; whatever the network is told."""
    context = Context(vocabulary, "echo")
    told = dict(zip(context.names, context.of_songs(songs.flat, songs.offsets).T, strict=True))
    about = np.flatnonzero(found.scored) - 1  # row n of what is told is about the target flat[n + 1]
    equal = np.array([0, *RUNS])[told["run"][about]]  # tokens; 0 also where an echo goes on after one that differs
    copied = (told["echo"][about] == songs.flat[about + 1]) & (told["run"][about] > 0)
    rows = []
    for least, above in pairwise((0, *LENGTHS, np.inf)):
        inside = (equal >= least) & (equal < above)
        if inside.any():
            network = found.nats[about + 1][inside].mean()
            rows.append(RepeatRow(int(least), *map(float, (inside.mean(), network, copied[inside].mean()))))
    return rows


def repeat_table(rows: Sequence[RepeatRow]) -> str:
    """The rows as text."""
    lines = ["tokens heard before   share   network: nats per token   a copy would be right"]
    labels = {0: f"fewer than {LENGTHS[0]}", LENGTHS[-1]: f"{LENGTHS[-1]} and more"}
    for tokens, share, network, right in rows:
        lines.append(f"  {labels.get(tokens, str(tokens)):18}{share:7.1%}{network:26.3f}{right:24.1%}")
    return "\n".join(lines)


# New tunes beside songs that the network has not seen: the music in them, and how much of them is copied.


def music_of(composer: Composer, pieces: Sequence[Array]) -> list[dict[str, float]]:
    """What a musician would count in each of some pieces, and in each instrument of it."""
    decoded = [(composer.vocabulary.decode(ids), ids[-1] == END) for ids in pieces]
    return [figures(notes, whole=whole) | band_figures(notes) for notes, whole in decoded]


def end_anywhere(music: Sequence[Mapping[str, float]]) -> bool:
    """Whether most pieces end over another bass than their tonic; those that were cut do not count."""
    at_home = [one["ends_at_home"] for one in music if not np.isnan(one["ends_at_home"])]
    return 2 * sum(at_home) < len(at_home)


def some_of(songs: Songs, length: int, most: int) -> list[Array]:
    """Songs without unknown tokens, some of whose time would be missing; each is cut, and no more than `most`."""
    known = [song[: length + 1] for song in songs if UNKNOWN not in song]
    return known[:: -(-len(known) // most) or 1]


def tunes_beside_songs(
    composer: Composer, songs: RunSongs, seed: int, *, show_bar: bool = False
) -> tuple[Composer, dict[str, Any], str]:
    """What a musician would count in new tunes, beside the same in valid songs: for summary.json, and as text.

    Before that, a few tunes are written with each of TRIED, and the composer, which is returned, keeps the one whose
    tunes are least unlike the train songs.  Tunes end over their tonic where most train songs do.
    TUNES are written, fewer where songs are long, and all are cut after usual_length.  Valid songs with unknown tokens
    are left out.
    """
    length = usual_length(songs)
    count = min(TUNES, TOKENS // length)
    few = count // 2
    train, held_out = (some_of(songs.of(part).songs, length, TUNES) for part in ("train", "valid"))
    theirs = music_of(composer, train)
    composer = replace(composer, anywhere=end_anywhere(theirs))
    rows = ROWS | band_rows(composer.vocabulary.decode(song) for song in held_out)
    withheld = composer.context.id_columns and np.median(songs.of("train").songs.targets_per_song) > LONG
    choices = [replace(composer, sampling=tried) for tried in TRIED if withheld or not tried.withheld]
    parts = len(choices) * -(-few // SIDE_BY_SIDE) + -(-count // SIDE_BY_SIDE)
    with bar(f"writing {count} tunes", parts, " parts", show=show_bar) as shown:

        def write(composer: Composer, count: int) -> list[Tune]:
            rng = np.random.default_rng(seed)
            tunes = composer.write(np.array([START]), rng, count, length=length, told=shown.update)
            return [tune if tune.ended else tune._replace(ids=tune.ids[: length + 1]) for tune in tunes]

        some = [music_of(one, [tune.ids for tune in write(one, few)]) for one in choices]
        composer = min(zip(choices, some, strict=True), key=lambda pair: unlike(compare(pair[1], theirs, rows)))[0]
        tunes = write(composer, count)

    music = compare(music_of(composer, [tune.ids for tune in tunes]), music_of(composer, held_out), rows)
    own, others = copies(composer, songs, tunes, held_out)
    summary = {
        "music": {name: {"generated": one.written, "held_out": one.others} for name, one in music.items()},
        "sampling": asdict(composer.sampling), "end_anywhere": composer.anywhere,
        "tunes": count, "ended": sum(tune.ended for tune in tunes),
        "longest_loop": max(tune.longest_loop for tune in tunes),
        "longest_loop_held_out": max(map(longest_loop, held_out), default=0),
        "copied_8_grams": _share(own), "copied_8_grams_held_out": _share(others),
    }  # fmt: skip
    left_out = sum(UNKNOWN in song for song in songs.of("valid").songs)
    left = f"valid songs that are left out above, because they have unknown tokens: {left_out}\n" * (left_out > 0)
    kept = composer.sampling
    chosen = f"--temperature {kept.temperature:g} --top-p {kept.top_p:g} --sure {kept.sure:g}"
    chosen += f" --withheld {kept.withheld:g}" if kept.withheld else ""
    text = (
        f"{table(music, rows=rows)}\n\n{left}{count} new tunes ({chosen}), {summary['ended']} of them ended by "
        f"themselves; longest loop {summary['longest_loop']} tokens "
        f"(held-out songs: {summary['longest_loop_held_out']})\n"
        f"copied from the train songs: {_copies(own)}; in held-out songs: {_copies(others)}"
    )
    return composer, summary, text


def copies(
    composer: Composer, songs: RunSongs, tunes: Sequence[Tune], held_out: Iterable[Array], opening: int = 1
) -> tuple[list[CopyReport], list[CopyReport]]:
    """How much of each tune, and of each held-out song, stands in the train songs, in any key that the network heard.

    opening: the ids that a tune began with do not count.
    """
    keys = composer.vocabulary.transposition_table(range(-composer.transpose, composer.transpose + 1))
    keys[:, UNKNOWN] = -1  # it may stand for anything
    pieces = [tune.ids[opening : len(tune.ids) - (tune.ids[-1] == END)] for tune in tunes]
    pieces += [song[1:-1] for song in held_out]
    found = copied(Songs.of(pieces), songs.of("train").songs, readings=keys)
    return found[: len(tunes)], found[len(tunes) :]


def copy_report(composer: Composer, songs: RunSongs, tunes: Sequence[Tune], opening: int = 1) -> list[str]:
    """A line for each tune, and one for the valid songs.  opening: as for copies."""
    own, others = copies(composer, songs, tunes, songs.of("valid").songs, opening)
    lines = [f"copied: longest run {one.longest} tokens, {one.share:.0%} of its 8-grams" for one in own]
    if len(tunes) > 1:
        lines = [f"{number}: {line}" for number, line in enumerate(lines, start=1)]
    return [*lines, f"songs that it has not seen ({len(others)}): {_copies(others)}"] if others else lines


def _copies(found: Sequence[CopyReport]) -> str:
    longest = sorted(one.longest for one in found) or [0]
    return (
        f"longest run {longest[len(longest) // 2]} (median) to {longest[-1]} tokens, {_share(found):.0%} of the 8-grams"
    )


def _share(found: Sequence[CopyReport]) -> float:
    return sum(one.share for one in found) / max(len(found), 1)
