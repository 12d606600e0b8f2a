"""What a command line may say, and what it is told when it may not."""

import argparse

import pytest

from experiment.command.arguments import Parser, above_zero, real, some_text, whole


@pytest.mark.parametrize(("text", "value"), [("3", 3), (" 10 ", 10), ("+4", 4)])
def test_whole_numbers(text, value):
    assert whole(3, 10)(text) == value


@pytest.mark.parametrize("text", ["2", "11", "1e3", "3.5", "", "-", "+-5", "9" * 5000, "nan", "0x4"])
def test_what_is_no_whole_number(text):
    with pytest.raises(argparse.ArgumentTypeError, match="a whole number from 3 to 10, not") as refused:
        whole(3, 10)(text)
    assert len(str(refused.value)) < 100


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e999", "one", ""])
def test_what_is_not_above_zero(text):
    with pytest.raises(argparse.ArgumentTypeError, match="a number above 0, not"):
        above_zero(text)


def test_numbers_have_ends_that_are_open_or_not():
    share = real("a number from 0 up, below 1", lambda value: 0 <= value < 1)
    assert share("0") == 0
    with pytest.raises(argparse.ArgumentTypeError, match="a number from 0 up, below 1, not '1'"):
        share("1")


def test_an_empty_text_names_nothing():
    assert some_text("a") == "a"
    with pytest.raises(argparse.ArgumentTypeError, match="is a variable of the shell not set"):
        some_text("")


@pytest.fixture
def parser():
    parser = Parser(prog="play")
    parser.add_argument("--tunes", nargs="+", default=["a"])
    parser.add_argument("--count", type=whole(1), default=2)
    parser.add_argument("--how", choices=["fast", "slow"], default="fast")
    parser.add_argument("--no-drums", dest="drums", action="store_false")
    parser.add_argument("--out")
    return parser


def test_a_complaint_is_one_line(parser, capsys):
    with pytest.raises(SystemExit) as left:
        parser.parse_args(["--what\x1b[2J\nis this"])
    assert left.value.code == 2
    assert capsys.readouterr().err == (
        "play: error: unrecognized arguments: --what\\x1b[2J\\nis this (--help tells more)\n"
    )
