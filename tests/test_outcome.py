"""How a command ends: the exit status, and the one line on standard error."""

import os
import signal

import pytest

from experiment.command.outcome import FailedError, outcome
from experiment.folder import RunError
from lstm_numpy import CheckpointError
from midi_io import MidiError
from midi_io.corpus import CorpusError


def ends_with(error, capsys, saved=""):
    """The exit status and standard error of a command that raises this error."""

    def command(_):
        raise error

    return outcome("play.py", command, lambda: saved), capsys.readouterr().err


def test_a_command_that_does_its_work_ends_with_0(capsys):
    assert outcome("play.py", lambda _: print("music")) == 0
    assert capsys.readouterr() == ("music\n", "")


@pytest.mark.parametrize("error", [CheckpointError, CorpusError, MidiError, RunError])
def test_wrong_input_is_status_2_and_says_nothing_of_what_was_saved(error, capsys):
    assert ends_with(error("a.mid: is\n no MIDI file"), capsys, "step 3 is saved") == (
        2, "play.py: error: a.mid: is\\n no MIDI file\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FailedError("the loss is not finite"), "the loss is not finite"),
        (OSError(28, "No space left on device", "runs/1/last.npz"), "runs/1/last.npz: No space left on device"),
        (MemoryError(), "not enough memory"),
        (ModuleNotFoundError("No module named 'mido'"), "No module named 'mido'; pip install -r requirements.txt"),
    ],
)
def test_a_failure_is_status_1_and_says_what_was_saved(error, words, capsys):
    status, said = ends_with(error, capsys, "step 3 is saved")
    assert status == 1
    assert said.startswith(f"play.py: error: {words}")
    assert said.endswith("; step 3 is saved\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_no_error(number, status, capsys):
    assert outcome("play.py", lambda _: os.kill(os.getpid(), number), lambda: "step 3 is saved") == status
    assert capsys.readouterr().err == "stopped; step 3 is saved\n"


def test_a_mistake_of_the_program_is_not_hidden(capsys):
    with pytest.raises(KeyError):
        ends_with(KeyError("oops"), capsys)
