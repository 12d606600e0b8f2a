"""Look at a song as tokens, and write tokens back as a song.

python -m midi_io tokens SONG.mid > TOKENS.txt
python -m midi_io midi TOKENS.txt AGAIN.mid
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from midi_io.disk import MidiError, MidiIoError, printable, read_bytes
from midi_io.played import EVERY, Played, simplified
from midi_io.reader import read_notes
from midi_io.tokens import SCHEMES, decode, encode, parse
from midi_io.writer import write_notes

MAX_TEXT = 50_000_000  # bytes


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {printable(message)} (--help tells more)\n")


def main(arguments: list[str] | None = None) -> int:
    """Carry out a command line.  Returns the exit status: 0 done, 2 wrong use or input, with one line that says why."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        if options.command == "tokens":
            notes = simplified(read_notes(options.song), Played(options.velocities, options.snap, options.families))
            print(*encode(notes, options.tokens, options.grid), sep="\n", flush=True)
        else:
            write_tokens(options.text, options.song, options.tokens, options.grid, options.bpm)
    except BrokenPipeError:  # the reader, `head` perhaps, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or closing it would fail again
    except (MidiIoError, OSError) as error:
        fault = str(error) if isinstance(error, MidiIoError) else f"output: {error.strerror}"
        parser.exit(2, f"{parser.prog}: error: {printable(fault)}\n")
    except KeyboardInterrupt:
        return 130
    return 0


def write_tokens(text: str, song: str, scheme: str, grid: int, bpm: float) -> None:
    """Write a text of tokens, with white space between them, as a MIDI file.  Raises MidiError."""
    tokens: list[str] = []
    place = text
    try:
        for number, line in enumerate(read_bytes(text, MAX_TEXT).decode("utf-8", errors="replace").splitlines(), 1):
            place = f"{text}: line {number}"
            for token in line.split():
                parse(token, scheme)
                tokens.append(token)
    except MidiIoError as error:
        raise MidiError(f"{place}: {error}") from None
    notes = decode(tokens, scheme, grid)
    if not notes:
        raise MidiError(f"{text}: no token in it is a note")
    write_notes(notes, song, bpm=bpm)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m midi_io", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="tokens | midi")
    tokens = commands.add_parser("tokens", help="print a song's tokens, one a line")
    midi = commands.add_parser("midi", help="write tokens as a song")
    midi.add_argument("text", metavar="TOKENS.txt", help="a text of tokens, as `tokens` prints them")
    tokens.add_argument("song", metavar="SONG.mid", help="the MIDI file to read")
    midi.add_argument("song", metavar="SONG.mid", help="the MIDI file to write")
    for command in (tokens, midi):
        add = command.add_argument
        add("--tokens", choices=SCHEMES, default="note", help="how the song is spelled (default: %(default)s)")
        add("--grid", type=_whole_to(960, 1), default=12, help="positions in a beat (default: %(default)s)")
    tokens.add_argument("--velocities", type=_whole_to(EVERY), default=EVERY, metavar="N", help="levels (default: all)")
    tokens.add_argument("--snap", action="store_true", help="sixteenths, triplets and simple lengths alone")
    tokens.add_argument("--families", action="store_true", help="take the instruments of a family for one")
    midi.add_argument("--bpm", type=float, default=120.0, help="beats per minute (default: %(default)g)")
    return parser


def _whole_to(highest: int, lowest: int = 0) -> Callable[[str], int]:
    def whole(text: str) -> int:
        if not (text.isdecimal() and lowest <= int(text) <= highest):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {lowest} to {highest}")
        return int(text)

    return whole


if __name__ == "__main__":
    sys.exit(main())
