"""Look at a song as tokens, and write tokens back as a song.

python -m midi_io tokens SONG.mid > TOKENS.txt
python -m midi_io midi TOKENS.txt AGAIN.mid
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from midi_io.reader import MidiError, printable, read_notes
from midi_io.tokens import SCHEMES, TokenError, decode, encode, guess_scheme
from midi_io.writer import write_notes


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {printable(message)} (--help tells more)\n")


def main(arguments: list[str] | None = None) -> int:
    """Carry out a command line; returns the exit status: 0 done, 2 wrong use or input, which one line explains."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        if options.command == "tokens":
            print_tokens(options.song, options.tokens or "chord", options.grid)
        else:
            write_tokens(options.text, options.song, options.tokens, options.grid, options.bpm)
    except BrokenPipeError:  # whoever reads, `head` perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or closing it would fail again
    except (MidiError, OSError) as error:
        message = str(error) if isinstance(error, MidiError) else f"{error.filename or 'output'}: {error.strerror}"
        parser.exit(2, f"{parser.prog}: error: {printable(message)}\n")
    except KeyboardInterrupt:
        return 130
    return 0


def print_tokens(song: str, scheme: str, grid: int) -> None:
    """Print the tokens of a MIDI file, one a line."""
    print("".join([f"{token}\n" for token in encode(read_notes(song), scheme, grid)]), end="", flush=True)


def write_tokens(text: str, song: str, scheme: str | None, grid: int, bpm: float) -> None:
    """Write a text of tokens, with white space between them, as a MIDI file.  Without a scheme, the tokens tell it."""
    lines = Path(text).read_text(encoding="utf-8", errors="replace").splitlines()
    tokens, places = [], []
    for place, line in enumerate(lines):
        for token in line.split():
            tokens.append(token)
            places.append(place)
    try:
        notes = decode(tokens, scheme or guess_scheme(tokens), grid)
    except TokenError as error:
        fault = TokenError(error.token, error.scheme, places[error.index or 0])
        raise MidiError(f"{text}: {fault}", "not tokens") from None
    if not notes:
        raise MidiError(f"{text}: no token in it is a note", "no notes")
    write_notes(notes, song, bpm=bpm)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m midi_io", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="tokens | midi")
    tokens = commands.add_parser(
        "tokens", help="print a song's tokens, one a line", description="Print a song's tokens."
    )
    midi = commands.add_parser("midi", help="write tokens as a song", description="Write tokens as a song.")
    midi.add_argument("text", metavar="TOKENS.txt", help="a text of tokens, as `tokens` prints them")
    tokens.add_argument("song", metavar="SONG.mid", help="the MIDI file to read")
    midi.add_argument("song", metavar="SONG.mid", help="the MIDI file to write")
    tokens.add_argument("--tokens", choices=SCHEMES, help="how to spell the song (default: chord)")
    midi.add_argument("--tokens", choices=SCHEMES, help="how the song is spelled (default: seen from the tokens)")
    for command in (tokens, midi):
        command.add_argument("--grid", type=_grid, default=12, help="positions in a beat (default: %(default)s)")
    midi.add_argument("--bpm", type=float, default=120.0, help="beats per minute (default: %(default)g)")
    return parser


def _grid(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 960):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 960")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
