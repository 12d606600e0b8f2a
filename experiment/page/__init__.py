"""The page of a run: one HTML file that plays its tunes and shows what the network does, from the disk, offline.

python -m experiment page RUN writes RUN/index.html.  The template is in template/: HTML, CSS and JavaScript.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from experiment.listening import Finding, sounding
from experiment.page.embed import to_html, to_json
from experiment.page.learning import figures, kept_tunes, short_tune
from experiment.page.reading import PageTune, expectations, read_tune, watch
from experiment.page.units import changes, find_units, what_is_followed
from experiment.songs import RunSongs
from experiment.tunes import LENGTH, Composer, Opening, opening_of, usual_bpm
from lstm_numpy.batches import UNKNOWN
from lstm_numpy.files import write_whole
from lstm_numpy.parameters import layer_names

LARGEST = 2_900_000  # bytes of a page
FOR_TUNES = 2_000_000  # of them, for what every tune needs
MOST_TOKENS = 30_000  # of a tune; what comes after is left out
WATCHED, MOMENTS, NOTES = 3, 400, 150  # tunes with activations and gradients, and how much of each at most
UNIT_BYTES = 700_000  # of activations of a tune at most, before they are compressed
GRADIENT_WORK = 4e7  # notes with gradients, times H * H, at most: a wide network takes long for each
NAMED_UNITS = 6  # units whose numbers are kept exactly
WRITTEN, HELD_OUT = 3, 3  # tunes of a run's page
SAME_SEED = "the same seed"


def write_page(
    path: Path, title: str, composer: Composer, tunes: Sequence[PageTune], found: Sequence[Finding] = (), **parts: Any
) -> int:
    """Write one HTML file of less than 3 MB, and return how many of the tunes are in it.  OSError.

    tunes: the first ones are watched, as far as there is room; the last ones are left out where they are too many.
    found: units that follow something, offered by name.  parts, left out where they are not given: `learned`, as
    figures() gives it; `changes`, a mapping for each thing that "What if" offers: in words what is changed, the places
    of the tunes that one seed gives before and after, and the nats per token of the held-out songs of the page.
    """
    names = layer_names(composer.params)
    H = len(composer.params[f"{names[-1]}.Wh"])
    units = list(dict.fromkeys(finding.unit for finding in found))[:NAMED_UNITS] or [0]
    found = [finding for finding in found if finding.unit in units]
    data: dict[str, Any] = {
        "title": title, "tokens": {}, "layers": len(names), "hidden": H, "units": units,
        "features": composer.context.names, "found": [finding._asdict() for finding in found], "learned": None,
        "changes": [], "tunes": [], **parts,
    }  # fmt: skip
    size = len(to_html(data).encode())
    tunes = [tune._replace(ids=tune.ids[:MOST_TOKENS]) for tune in tunes]
    for tune in tunes:
        shown = read_tune(composer, tune)
        size += len(to_json(shown).encode())
        if size > FOR_TUNES and data["tunes"]:
            break
        data["tokens"] |= shown.pop("tokens")
        data["tunes"].append(shown)
    moments, notes = max(1, min(MOMENTS, UNIT_BYTES // (6 * H))), max(8, min(NOTES, int(GRADIENT_WORK // H**2)))
    for tune, shown in list(zip(tunes, data["tunes"], strict=False))[:WATCHED]:
        if sounding(composer.words(tune.ids)):
            watched = watch(composer, tune.ids, units, moments, notes) | what_is_followed(composer, tune.ids, found)
            size += len(to_json(watched))
            if size <= LARGEST:
                shown["watch"] = watched
    write_whole(path, [to_html(data).encode()])
    return len(data["tunes"])


def write_run_page(folder: Path, song: Path | None = None) -> Path:
    """Write the page of a run, index.html in its folder, from the files that are there.

    song: a MIDI file that is put first in the list.  RunError, CheckpointError, MidiError, OSError.
    """
    composer = Composer.load(folder)
    songs = RunSongs.load(folder / "songs.npz", composer.checkpoint)
    seed, bpm = composer.checkpoint.training["settings"].get("seed", 1), usual_bpm(songs)
    found, held_out = find_units(composer, songs), held_out_tunes(folder, songs)

    tunes = []
    if song:
        opening = opening_of(song, composer, 0)
        tunes.append(PageTune(song.stem, "Your song", opening.ids, opening.bpm or bpm))
    written = [
        PageTune(f"new tune {number}", "Written by the network", tune.ids, bpm)
        for number, tune in enumerate(composer.write(Opening().ids, np.random.default_rng(seed), WRITTEN), start=1)
    ]
    tunes += [*written[:1], *held_out[:1], *written[1:]]  # the first ones are watched
    for epoch, ids in kept_tunes(folder / "learning.npz", len(composer.vocabulary)).items():
        title = f"after {epoch} epoch{'s' * (epoch > 1)}" if epoch else "before training"
        tunes.append(PageTune(title, "Hear it learn", ids, bpm, SAME_SEED))
    before, nats = len(tunes), mean_nats(composer, held_out)
    tunes.append(PageTune("the trained network", "Hear it learn", short_tune(composer, seed), bpm, SAME_SEED))
    changed = []
    for words, params in changes(composer.params, found, composer.context.names):
        other = replace(composer, checkpoint=composer.checkpoint._replace(params=params))
        places = {"words": words, "before": before, "after": len(tunes)}
        changed.append(places | {"nats_before": nats, "nats_after": mean_nats(other, held_out)})
        tunes.append(PageTune(words, "What if", short_tune(other, seed), bpm, SAME_SEED))
    tunes += held_out[1:]
    page, title = folder / "index.html", f"Run {folder.resolve().name}"
    write_page(page, title, composer, tunes, found, changes=changed, learned=figures(folder))
    return page


def held_out_tunes(folder: Path, songs: RunSongs) -> list[PageTune]:
    """A few test songs, or valid songs where there are none, evenly spread; without unknown tokens, if possible."""
    rows = (folder / "songs.tsv").read_text(encoding="utf-8").splitlines()[1:]
    names = [Path(row.split("\t")[0]).stem for row in rows]
    inside = np.flatnonzero(songs.split == 2).tolist() or np.flatnonzero(songs.split == 1).tolist()
    inside = [k for k in inside if UNKNOWN not in songs.songs[k]] or inside
    return [
        PageTune(names[k], "Songs it has not seen", songs.songs[k][: LENGTH + 1], float(songs.bpm[k]))
        for k in inside[:: max(1, len(inside) // HELD_OUT)][:HELD_OUT]
    ]


def mean_nats(composer: Composer, tunes: Sequence[PageTune]) -> float:
    """Nats per token of some tunes; 0 where there is none."""
    every = [expectations(composer, tune.ids)[0][1:] for tune in tunes]
    return float(np.concatenate(every).mean()) if every else 0.0
