"""Signals end a program where it may be ended, and never in the middle of what must be whole."""

import contextlib
import os
import signal

import pytest

from experiment.command.outcome import Interrupts, Stopped


def send(number):
    os.kill(os.getpid(), number)


def status_of(program, *arguments):
    """The status that Stopped has when it comes out of the program, which is run with Interrupts."""
    with pytest.raises(Stopped) as stopped:
        run(program, *arguments)
    return stopped.value.status


def run(program, *arguments):
    with Interrupts() as interrupts:
        program(interrupts, *arguments)
        raise AssertionError("it was not stopped")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_stops_at_once(number, status):
    assert status_of(lambda _: send(number)) == status


def test_a_signal_waits_for_what_is_held():
    done = []

    def program(interrupts):
        with interrupts.held():
            send(signal.SIGTERM)
            done.append("whole")
        done.append("more")

    assert (status_of(program), done) == (143, ["whole"])


def test_a_save_is_done_whole_however_often_ctrl_c_is_pressed():
    saved = []

    def program(interrupts):
        try:
            send(signal.SIGTERM)
        except Stopped as stopped:
            with contextlib.suppress(Stopped), interrupts.held():
                for _ in range(50):
                    send(signal.SIGINT)
                saved.append("last.npz")
            raise stopped from None

    assert (status_of(program), saved) == (143, ["last.npz"])


def test_what_fails_inside_is_not_hidden_by_a_signal():
    def program(interrupts):
        with interrupts.held():
            send(signal.SIGTERM)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        run(program)


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with Interrupts():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
