"""python -m midi_io: a song as tokens, tokens as a song, and what bad input gets."""

import subprocess
import sys
from pathlib import Path

import pytest

from midi_io import Note, read_notes, read_song, write_notes
from midi_io.__main__ import main

ROOT = Path(__file__).parent.parent
NOTES = [
    *[Note(60, 0, 1), Note(67, 0, 1.5), Note(72, 0, 0.5, 100, 40), Note(74, 1 / 3, 2 / 3, 90, 40)],
    *[Note(36, 0, 0.25, drum=True), Note(38, 4, 0.25, 60, 8, drum=True), Note(48, 5.5, 30)],
]


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.mid"
    write_notes(NOTES, path)
    return path


def run(capsys, *arguments):
    """The exit status, what was printed, and what was printed as an error."""
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as ended:
        status = ended.code
    return status, *capsys.readouterr()


def test_tokens_are_printed_one_a_line(song, capsys):
    assert run(capsys, "tokens", song, "--tokens", "chord") == (0, "C4.G4.C5:1/3\nD5:7/6\nrest:4\nC3:30\n", "")


@pytest.mark.parametrize("scheme", ["chord", "note", "paper"])
@pytest.mark.parametrize("grid", [1, 4, 7, 12])
def test_tokens_become_a_song_with_the_same_tokens(scheme, grid, song, tmp_path, capsys):
    how = ["--tokens", scheme, "--grid", grid]
    _, tokens, _ = run(capsys, "tokens", song, *how)
    text, again = tmp_path / "tokens.txt", tmp_path / "again.mid"
    text.write_text(tokens)
    assert run(capsys, "midi", text, again, *how) == (0, "", "")
    assert run(capsys, "tokens", again, *how) == (0, tokens, "")


def test_note_tokens_bring_back_every_note(song, tmp_path, capsys):
    text, again = tmp_path / "tokens.txt", tmp_path / "again.mid"
    text.write_text(run(capsys, "tokens", song)[1])
    assert run(capsys, "midi", text, again)[0] == 0
    assert read_notes(again) == read_notes(song)


def test_tokens_may_stand_in_one_line_and_be_bounded(tmp_path, capsys):
    text, again = tmp_path / "tokens.txt", tmp_path / "again.mid"
    text.write_text("<start> C4 E4\n\n  +1\tG4 <end>\n")
    assert run(capsys, "midi", text, again, "--bpm", 90) == (0, "", "")
    assert read_notes(again) == [Note(60, 0, 1), Note(64, 0, 1), Note(67, 1, 1)]
    assert read_song(again).bpm == pytest.approx(90, abs=1e-3)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"C4 +1\n\nD4 X9\x1b[31m:1\n", "'X9\\x1b[31m:1' is no token of scheme 'note'"),
        (b"MThd\0\0\0\6\xff\xfe", "'MThd"),
        (b"", "no token in it is a note"),
        (b"<start> <end> C4", "no token in it is a note"),
    ],
)
def test_a_text_that_is_no_song_is_explained_in_one_line(content, fault, tmp_path, capsys):
    text, again = tmp_path / "tokens.txt", tmp_path / "again.mid"
    text.write_bytes(content)
    status, printed, error = run(capsys, "midi", text, again)
    assert (status, printed) == (2, "")
    assert error.startswith(f"python -m midi_io: error: {text}: {fault}")
    assert error.rstrip("\n").isprintable()
    assert not again.exists()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "arguments are required"),
        (["tokens"], "SONG.mid"),
        (["tokens", "no-such.mid"], "no-such.mid"),
        (["tokens", "bad\x1b[31m.mid"], "bad\\x1b[31m.mid"),
        (["tokens", __file__], "test_midi_io_main.py"),
        (["tokens", "song.mid", "--grid", "0"], "'0' is not a whole number"),
        (["tokens", "song.mid", "--grid", "some"], "'some' is not a whole number"),
        (["tokens", "song.mid", "--tokens", "words"], "words"),
        (["midi", "no-such.txt", "again.mid"], "no-such.txt: does not exist"),
        (["midi", ".", "again.mid"], ".: is not a regular file"),
        (["midi", "tokens.txt", "no-such/again.mid"], "no-such/again.mid"),
        (["midi", "tokens.txt", "again.mid", "--bpm", "nan"], "nan"),
        (["midi", "tokens.txt", "again.mid", "--bpm", "0"], "0.0 beats per minute cannot be written"),
    ],
)
def test_wrong_use_gets_one_line_and_status_2(arguments, part, song, monkeypatch, capsys):
    monkeypatch.chdir(song.parent)
    Path("tokens.txt").write_text("C4")
    status, printed, error = run(capsys, *arguments)
    assert (status, printed) == (2, "")
    assert error.startswith("python -m midi_io")
    assert part in error
    assert error.count("\n") == 1
    assert error.rstrip("\n").isprintable()
    assert not Path("again.mid").exists()


def command(*arguments, **how):
    return subprocess.run([sys.executable, "-m", "midi_io", *map(str, arguments)], cwd=ROOT, **how)


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    song = tmp_path / "long.mid"
    write_notes([Note(60 + place % 2, place, 1) for place in range(30_000)], song)
    printing = subprocess.Popen(
        [sys.executable, "-m", "midi_io", "tokens", str(song)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with printing:
        assert printing.stdout.readline() == b"C4\n"
        printing.stdout.close()
        assert printing.stderr.read() == b""
    assert printing.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_finds_no_room_is_explained(song):
    with Path("/dev/full").open("w") as full:
        done = command("tokens", song, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (2, "python -m midi_io: error: output: No space left on device\n")


def test_help_names_both_commands():
    done = command("--help", capture_output=True, text=True)
    assert done.returncode == 0
    assert "tokens" in done.stdout
    assert "midi" in done.stdout
