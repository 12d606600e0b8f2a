"""Builds the embedded songs out of the scores that come with music21:

    pip install music21==10.5.1 && python -m songs.build [FOLDER]

FOLDER (songs/ by default) gets tunes/, ensembles/ and SOURCES.tsv, which says where each file comes from.
The same version of music21 gives the same bytes again.
"""

from __future__ import annotations

import sys
from pathlib import Path

from midi_io import write_song
from songs.build import fiddle, quartets

SONGS = Path(__file__).resolve().parents[1]

TUNES = 1000
ALIKE = 0.6  # two tunes that share a part to this extent are one, under two names


def build(folder: Path) -> None:
    try:
        from music21 import common
    except ImportError:
        print("build.py: error: music21 is missing: pip install music21==10.5.1", file=sys.stderr)
        raise SystemExit(2) from None
    corpus = Path(common.getCorpusFilePath())
    rows = ["file\ttitle\tbook\tin music21's corpus\ttranscriber\tkind\tkey in our reading"]
    for name in ("tunes", "ensembles"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for old in (folder / name).glob("*.mid"):
            old.unlink()
    found = fiddle.without_twins(fiddle.candidates(corpus), ALIKE)
    for setting in fiddle.most_common_speech(found, TUNES):
        write_song(fiddle.song_of(setting), folder / "tunes" / setting.name)
        key = f"{setting.mode.home} {setting.mode.name}"
        rows.append(
            "\t".join(
                [
                    f"tunes/{setting.name}",
                    setting.title,
                    setting.book,
                    setting.source,
                    setting.transcriber,
                    setting.kind,
                    key,
                ]
            )
        )
    for source, song in quartets.movements(corpus):
        name = f"{source.removesuffix('.mxl').replace('/', '-')}.mid"
        write_song(song, folder / "ensembles" / name)
        rows.append("\t".join([f"ensembles/{name}", song.title, "", source, "not named", "string quartet", ""]))
    (folder / "SOURCES.tsv").write_text("\n".join(rows) + "\n", "utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else SONGS)
