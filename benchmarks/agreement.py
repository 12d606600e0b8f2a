"""Do our notes agree with those of another reader?  symusic (pip install symusic) shares no line with mido or us.

    python benchmarks/agreement.py FOLDER ...

Compares pitch, onset, duration, velocity, program and drum of every note of every file that both read; then writes
each song again, quantised, and compares what both read there.  Exit status 1 if anything differs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import symusic

from midi_io import MidiError, Note, quantise, read_song, write_notes
from midi_io.corpus.files import find_files
from midi_io.disk import printable


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", help="folders of MIDI files")
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        for file in find_files(parser.parse_args().folders)[0]:
            ours, theirs = our_notes(file.path), their_notes(file.path)
            counts[
                f"{'read' if ours is not None else 'refused'} here, {'read' if theirs is not None else 'refused'} there"
            ] += 1
            if ours is None or theirs is None:
                continue
            counts["notes"] += len(ours)
            counts[compared(file.path, ours, theirs)] += 1
            again = Path(scratch) / "again.mid"
            quantised = quantise(ours, 12)
            write_notes(quantised, again)
            counts[compared(f"{file.path}, written again", quantised, their_notes(again) or [])] += 1
    for what, count in sorted(counts.items()):
        print(f"{count:12,} {what}")
    return 1 if counts["different"] else 0


def our_notes(path: str) -> list[Note] | None:
    try:
        return read_song(path).notes
    except MidiError:
        return None


def their_notes(path: str | Path) -> list[Note] | None:
    try:
        score = symusic.Score(path)
    except Exception:
        return None
    beat = score.ticks_per_quarter
    return [
        Note(note.pitch, note.time / beat, note.duration / beat, note.velocity, track.program, track.is_drum)
        for track in score.tracks
        for note in track.notes
    ]


def compared(name: str, ours: list[Note], theirs: list[Note]) -> str:
    only_ours, only_theirs = Counter(ours) - Counter(theirs), Counter(theirs) - Counter(ours)
    if not only_ours and not only_theirs:
        return "the same"
    print(f"{printable(name)}: {only_ours.total()} notes only here, {only_theirs.total()} only there")
    return "different"


if __name__ == "__main__":
    sys.exit(main())
