"""Look at a song as tokens, and write tokens back as a song.

python -m midi_io tokens SONG.mid > TOKENS.txt
python -m midi_io midi TOKENS.txt AGAIN.mid
"""

import argparse
import os
import sys
from typing import NoReturn

from midi_io.disk import MidiError, MidiIoError, printable, read_bytes
from midi_io.reader import read_notes
from midi_io.tokens import SCHEMES, decode, encode
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
            print(*encode(read_notes(options.song), options.tokens, options.grid), sep="\n", flush=True)
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
    try:
        notes = decode(read_bytes(text, MAX_TEXT).decode("utf-8", errors="replace").split(), scheme, grid)
    except MidiIoError as error:
        raise MidiError(f"{text}: {error}") from None
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
        add("--grid", type=_grid, default=12, help="positions in a beat (default: %(default)s)")
    midi.add_argument("--bpm", type=float, default=120.0, help="beats per minute (default: %(default)g)")
    return parser


def _grid(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 960):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 960")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
