"""The sizes that nobody gave follow from the folder and the minutes, and are printed; what was given stays."""

import json

import pytest

import train
from experiment.command.flags import ENOUGH, SIZES, TOKENS_A_MINUTE, TOO_OFTEN, sizes_for
from lstm_numpy.checkpoint import load_checkpoint


@pytest.mark.parametrize(("tokens", "minutes"), [(1, 1e9), (10**9, 1e-6), (10**6, 10), (10**6, 60)])
def test_every_choice_is_complete_and_can_be_given_as_flags(tokens, minutes):
    chosen = sizes_for(tokens, minutes)
    assert chosen.keys() - {"epochs"} == SIZES.keys()
    args = train.parse_arguments([text for name, value in chosen.items() for text in (f"--{name}", str(value))])
    assert {name: getattr(args, name) for name in chosen} == chosen


def test_songs_that_would_be_read_too_often_are_read_often_enough_by_a_larger_network():
    minutes = TOO_OFTEN * 700_000 / TOKENS_A_MINUTE
    assert sizes_for(700_000, 0.99 * minutes) == sizes_for(700_000, 10)
    assert sizes_for(700_000, 1.01 * minutes) == sizes_for(700_000, 60)
    assert "epochs" not in sizes_for(700_000, 10)
    assert sizes_for(700_000, 60)["epochs"] == sizes_for(90_000, 10)["epochs"] == ENOUGH
    assert sizes_for(700_000, 60)["hidden"] > sizes_for(700_000, 10)["hidden"]


def test_the_defaults_of_the_command_are_those_of_the_embedded_tunes():
    args = train.parse_arguments([])
    assert {name: getattr(args, name) for name in SIZES} == SIZES


def test_a_folder_with_minutes_chooses_what_was_not_given(music, tmp_path, monkeypatch, capsys, no_pictures):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("train.sizes_for", lambda tokens, minutes: {**SIZES, "hidden": 20, "layers": 2, "batch": 3})
    folder = ["--midi", str(music), "--tokens", "chord", "--epochs", "2", "--batch", "4", "--out", "run"]
    assert train.main([*folder, "--minutes", "1e-6"]) == 0
    chosen = "--hidden 20 --layers 2 --window 64 --batch 4 --dropout 0.25 --transpose 2 --lr 0.008\n"
    assert f"for this folder and these minutes: {chosen}" in capsys.readouterr().out
    saved = load_checkpoint(tmp_path / "run" / "last.npz")
    assert (saved.config.hidden_size, saved.config.layers) == (20, 2)
    assert train.main(["--resume", "--out", "run", "--minutes", "9", "--epochs", "2"]) == 0

    assert train.main([*folder[:-1], "other", "--hidden", "8"]) == 0
    assert "for this folder" not in capsys.readouterr().out  # without --minutes nothing is chosen
    assert load_checkpoint(tmp_path / "other" / "last.npz").config.layers == 1


def test_a_run_with_more_time_than_it_needs_ends_when_the_songs_were_read_often_enough(
    music, tmp_path, monkeypatch, capsys, no_pictures
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("train.sizes_for", lambda tokens, minutes: {**SIZES, "hidden": 8, "epochs": 3})
    folder = ["--midi", str(music), "--tokens", "chord"]
    assert train.main([*folder, "--minutes", "9", "--out", "night"]) == 0  # long before its time
    assert "--lr 0.008 --epochs 3\n" in capsys.readouterr().out
    assert json.loads((tmp_path / "night" / "summary.json").read_text())["epochs"] == 3
    assert train.main([*folder, "--minutes", "9", "--epochs", "1", "--out", "short"]) == 0
    assert json.loads((tmp_path / "short" / "summary.json").read_text())["epochs"] == 1
