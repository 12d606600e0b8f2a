"""What tests of whole runs share: a folder of small tunes, and one run that nobody changes."""

import contextlib
import io
import signal
from pathlib import Path

import pytest

import train
from experiment.command.outcome import SIGNALS
from midi_io import Note, Song, write_song

for _number in SIGNALS:  # a shell that starts the tests in the background has switched some of them off
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)

SMALL = ("--tokens", "chord", "--hidden", "8", "--window", "16", "--batch", "4", "--threads", "1", "--epochs", "2")


def tune(number):
    """A scale and its chords, in a way of its own: 40 to 70 notes over chords, 4 to 7 bars."""
    home = 55 + number % 5
    steps = [0, 2, 4, 5, 7, 9, 11, 12]
    notes, beat = [], 0.0
    for k in range(16 + number):
        notes.append(Note(home + 12 + steps[(k * (number + 1)) % 8], beat, 0.5 if k % 3 else 1.0))
        if k % 4 == 0:
            notes += [Note(home + steps[(k + third) % 7], beat, 2.0) for third in (0, 2, 4)]
        beat += notes[-1].duration if k % 4 else 1.0
    return notes


@pytest.fixture(scope="session")
def music(tmp_path_factory):
    """A folder of twelve tunes."""
    folder = tmp_path_factory.mktemp("music")
    for number in range(12):
        write_song(Song(tune(number), f"Tune {number}"), folder / f"{number:02}.mid")
    return folder


@pytest.fixture(autouse=True)
def _nothing_is_remembered(tmp_path_factory, monkeypatch):
    """No cache of MIDI files but the tests' own, and no run folder but in a folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def _signals_are_put_back():
    """A command that was stopped leaves the signals ignored, for its process would end now."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def no_pictures(monkeypatch):
    """Drawing takes longer than all the rest."""
    monkeypatch.setattr("train.draw_run", lambda folder: [])
    monkeypatch.setattr("experiment.tunes.draw_piano_roll", lambda notes, path, **_: Path(path).write_bytes(b"picture"))


@pytest.fixture(scope="session")
def finished(music, tmp_path_factory):
    """A run as it is left, pictures and all, and what it printed.  Not to be changed: copy it."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert train.main(["--midi", str(music), "--out", str(folder), *SMALL]) == 0
    return folder, printed.getvalue()


def pytest_terminal_summary(terminalreporter, config):
    """With -m math: which failures a change of the equations explains, and which show a mistake."""
    failed = terminalreporter.stats.get("failed", [])
    if "math" not in config.option.markexpr or not failed:
        return
    pinned = [report for report in failed if "pinned" in report.keywords]
    terminalreporter.section("what the failures mean")
    terminalreporter.line(f"{len(failed) - len(pinned)} prove that forward and backward fit together: they must pass.")
    for report in failed:
        if report not in pinned:
            terminalreporter.line(f"  {report.nodeid}")
    terminalreporter.line(
        f"{len(pinned)} hold for today's equations only (stored losses, plain.py, the textbook LSTM, planted bugs): "
        "after a change of the equations that you want, bring them up to date."
    )
