"""A run from folder to tune: what it leaves, whatever stops it, and that it goes on as if nothing had."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import reference
from conftest import SMALL, tune

import train
from experiment.folder import RunFolder, held_folder
from experiment.run import PICTURES
from experiment.tunes import Composer, opening_of
from lstm_numpy.checkpoint import load_checkpoint
from midi_io import Song, write_song
from midi_io.played import Played

ROOT = Path(train.__file__).parent
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and locks")


@pytest.fixture
def run(music, tmp_path, monkeypatch, no_pictures):
    """run(flags...) trains in tmp_path/run, as a command would; it returns the exit status."""
    monkeypatch.chdir(tmp_path)

    def command(*flags, midi=music, out="run"):
        where = ["--midi", str(midi)] if midi else []
        return train.main([*where, *SMALL, "--out", str(out), *map(str, flags)])

    return command


def error_of(capsys):
    """The one line on standard error."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("train.py: error: ")
    return lines[0]


def step_of(folder):
    return load_checkpoint(folder / "last.npz").training["progress"]["step"]


def arrays_of(path):
    """The SHA-256 of every array in a checkpoint."""
    with np.load(path) as file:
        return {name: hashlib.sha256(file[name].tobytes()).hexdigest() for name in file.files if name != "header.json"}


def rows_of(folder, name):
    """history.csv or epochs.csv, without the seconds that have passed."""
    lines = [line.split(",") for line in (folder / name).read_text().splitlines()]
    seconds = lines[0].index("seconds")
    return [cells[:seconds] + cells[seconds + 1 :] for cells in lines]


def assert_same_run(folder, other):
    for name in ("last.npz", "model.npz"):
        assert arrays_of(folder / name) == arrays_of(other / name), name
    for name in ("history.csv", "epochs.csv"):
        assert rows_of(folder, name) == rows_of(other, name)
    for name in ("distributions.npz", "sample.mid", "songs.npz"):
        assert (folder / name).read_bytes() == (other / name).read_bytes(), name


# What a run leaves ----------------------------------------------------------------------------------------------------


def test_a_run_says_what_it_reads_and_what_it_learns(finished):
    folder, printed = finished
    assert "read 12 of 12 files" in printed
    assert re.search(r"train +10 songs +[\d,]+ tokens, .*% unknown", printed)
    assert "more than 10 % of the valid tokens are unknown; --tokens note" in printed
    loss, uniform = re.search(r"first loss ([\d.]+) \(ln V = ln \d+ = ([\d.]+)\)", printed).groups()
    assert abs(float(loss) - float(uniform)) < 0.01 * float(uniform)
    assert printed.count("saved step ") == 3
    assert re.search(r"epoch +2  train loss [\d.]+, accuracy +[\d.]+%   valid loss [\d.]+, accuracy", printed)
    assert re.search(r"trigram +[\d.]+ +[\d.]+\n +network +[\d.]+ +[\d.]+\n", printed)
    assert "the network predicts no better than counting does: " in printed
    assert {"learning.png", "gradients.png", "gates.png", "distributions.png", "sample.mid", "sample.png"} <= {
        file.name for file in folder.iterdir()
    }
    assert not [file.name for file in folder.iterdir() if file.name.startswith(".")]


def test_the_summary_can_be_recounted(finished):
    folder, _ = finished
    summary = json.loads((folder / "summary.json").read_text())
    with np.load(folder / "songs.npz") as file:
        songs = np.split(file["ids"].astype(int), file["offsets"][1:-1])
        told = np.split(file["context"].astype(int), file["offsets"][1:-1])
        split, unknown_costs = (
            file["split"],
            np.split(file["spelling"], np.cumsum([(s == 2).sum() for s in songs])[:-1]),
        )
    with np.load(folder / "model.npz") as file:
        weights = {name: file[name].astype(float) for name in file.files if name != "header.json"}
    V, H = len(weights["dense.b"]), len(weights["lstm1.Wh"])
    for number, name in enumerate(["train", "valid", "test"]):
        assert summary[f"{name}_tokens"] == sum(
            len(song) - 1 for song, part in zip(songs, split, strict=True) if part == number
        )

    nats, right, spelled, targets = [], 0, 0.0, 0
    rows = [weights["lstm1.Wx"], *(weights[f"lstm1.Wx{k}"] for k in range(1, 1 + told[0].shape[1]))]
    for song, context, part, costs in zip(songs, told, split, unknown_costs, strict=True):
        if part == 1:
            ones = [song[:-1], *context[:-1].T]
            x = np.hstack([np.eye(len(W))[which] for W, which in zip(rows, ones, strict=True)])
            Wx, Wh, b = np.vstack(rows), weights["lstm1.Wh"], weights["lstm1.b"]
            h = reference.lstm(x, Wx, Wh, b, np.zeros(H), np.zeros(H))["h"][1:]
            logits = h @ weights["dense.W"] + weights["dense.b"]
            logp = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
            nats += (-logp[np.arange(len(x)), song[1:]]).tolist()
            right += int(((logits.argmax(axis=1) == song[1:]) & (song[1:] != 2)).sum())
            spelled, targets = spelled + costs.sum(), targets + len(x)
    assert summary["valid_nats_per_token"] == pytest.approx((sum(nats) + spelled) / targets, rel=1e-5)
    assert summary["valid_spelling_nats_per_token"] == pytest.approx(spelled / targets)
    assert summary["uniform_nats_per_token"] == pytest.approx(np.log(V) + spelled / targets)
    assert summary["valid_accuracy"] == pytest.approx(right / targets)
    assert summary["unknown_share"] == sum((songs[k] == 2).sum() for k in np.flatnonzero(split == 1)) / targets

    assert summary["vocabulary"] == V
    assert summary["songs"] == len(songs) == 12
    assert summary["epochs"] == 2
    assert summary["threads"] == 1
    history = (folder / "history.csv").read_text().splitlines()
    assert len(history) - 1 == step_of(folder)
    assert summary.keys() >= {
        "tokens", "test_nats_per_token", "unigram_nats_per_token", "bigram_nats_per_token", "trigram_nats_per_token",
        "test_uniform_nats_per_token", "tokens_per_second", "padding_share", "seconds", "versions", "command",
    }  # fmt: skip


def test_the_tables_name_every_song_and_every_file_that_is_none(run, music, tmp_path, capsys):
    folder = tmp_path / "music"
    shutil.copytree(music, folder)
    (folder / "00.mid").rename(folder / "a\x1b[31mred\nname.mid")
    (folder / "broken.mid").write_bytes((folder / "01.mid").read_bytes()[:60])
    assert run(midi=folder) == 0
    printed = capsys.readouterr().out
    assert "read 12 of 13 files (1 skipped: 1 cut short)" in printed
    assert "\x1b" not in printed
    skipped = (tmp_path / "run" / "skipped.tsv").read_text().splitlines()
    assert [line.split("\t")[1] for line in skipped] == ["kind", "cut short"]
    songs = (tmp_path / "run" / "songs.tsv").read_text().splitlines()
    assert len(songs) == 13
    red = next(line for line in songs if "red" in line).split("\t")
    assert red[0].endswith("a\\x1b[31mred\\nname.mid")
    assert red[1] == hashlib.sha256((music / "00.mid").read_bytes()).hexdigest()
    with np.load(tmp_path / "run" / "songs.npz") as file:
        assert [line.split("\t")[2:] for line in songs[1:]] == [
            [["train", "valid", "test"][part], str(length - 1)]
            for part, length in zip(file["split"], np.diff(file["offsets"]), strict=True)
        ]


def test_what_stands_in_another_folder_is_not_trained_on(run, music, tmp_path, capsys):
    folders = [tmp_path / "valid", tmp_path / "test"]
    for folder, numbers in zip(folders, [(0, 1, 2), (2, 3)], strict=True):
        folder.mkdir()
        for number in numbers:
            shutil.copy(music / f"{number:02}.mid", folder / f"again {number}.mid")
    assert run("--valid", folders[0], "--test", folders[1]) == 0
    rows = [line.split("\t") for line in (tmp_path / "run" / "songs.tsv").read_text().splitlines()[1:]]
    parts = {part: [Path(row[0]).stem for row in rows if row[2] == part] for part in ("train", "valid", "test")}
    assert parts == {
        "train": [f"{number:02}" for number in range(4, 12)],
        "valid": ["again 0", "again 1"],
        "test": ["again 2", "again 3"],
    }


@pytest.mark.parametrize(("songs", "flags"), [(1, []), (2, []), (2, ["--predict", "next"]), (3, ["--window", "500"])])
def test_few_and_short_songs_will_do(run, music, tmp_path, capsys, songs, flags):
    folder = tmp_path / "music"
    folder.mkdir()
    for number in range(songs):
        shutil.copy(music / f"{number:02}.mid", folder)
    assert run("--min-count", 1, *flags, midi=folder) == 0
    printed = capsys.readouterr().out
    assert ("chosen by its loss on the train songs" in printed) == (songs == 1)
    assert ("nothing to compare" in printed) == (songs == 1)


def test_the_same_seed_gives_the_same_bits(run, tmp_path):
    for out, flags in (("a", []), ("b", []), ("c", ["--seed", 2])):
        assert run("--epochs", 1, *flags, out=out) == 0
    assert_same_run(tmp_path / "a", tmp_path / "b")
    assert arrays_of(tmp_path / "a" / "model.npz") != arrays_of(tmp_path / "c" / "model.npz")


def test_the_papers_settings_are_a_preset_that_flags_change():
    paper = train.parse_arguments(["--preset", "paper"])
    assert (paper.tokens, paper.window, paper.predict, paper.input) == ("paper", 50, "next", "scalar")
    assert (paper.layers, paper.recurrent_dropout, paper.dropout, paper.lr) == (1, "rnndrop", 0.75, 1e-4)
    assert (paper.hidden, paper.min_count, paper.transpose, paper.anneal, paper.context) == (256, 1, 0, "none", "none")
    mine = train.parse_arguments(["--lr", "0.01", "--preset", "paper", "--window", "20"])
    assert (mine.lr, mine.window, mine.tokens) == (0.01, 20, "paper")


def test_a_run_goes_on_with_the_values_that_it_was_begun_with():
    begun = vars(train.parse_arguments(["--preset", "paper", "--window", "20", "--epochs", "7"]))
    assert vars(train.parse_arguments([], begun=begun)) == begun
    assert train.parse_arguments(["--epochs", "9"], begun=begun).epochs == 9
    assert train.parse_arguments(["--minutes", "5"], begun=begun).epochs > 10**6
    assert train.parse_arguments(["--minutes", "5", "--epochs", "9"], begun=begun).epochs == 9


def test_the_paper_end_to_end(run, tmp_path):
    assert run("--preset", "paper", "--tokens", "paper") == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["settings"]["tokens"] == "paper"
    assert summary["valid_nats_per_token"] > 0
    assert load_checkpoint(tmp_path / "run" / "model.npz").params["lstm1.Wx"].shape == (1, 32)


def test_minutes_end_a_run_within_an_epoch(run, tmp_path, capsys):
    assert train.parse_arguments(["--minutes", "5"]).epochs > 10**6
    assert train.parse_arguments(["--minutes", "5", "--epochs", "3"]).epochs == 3
    assert run("--minutes", 1e-6) == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (step_of(tmp_path / "run"), summary["epochs"]) == (1, 1)
    assert "valid_nats_per_token" in summary
    assert re.search(r"epoch   1 .*the time is up: \d+% of the epoch was read\n", capsys.readouterr().out)


def test_minutes_are_those_of_the_whole_command(run, tmp_path, monkeypatch):
    looks = iter(range(10**6))  # whoever looks at the clock finds it a hundredth of a second later
    monkeypatch.setattr(time, "monotonic", lambda: next(looks) / 100)
    assert run("--minutes", 0.8, "--epochs", 10**6, "--patience", 999) == 0
    progress = load_checkpoint(tmp_path / "run" / "last.npz").training["progress"]
    assert progress["aside"] > PICTURES
    assert progress["seconds"] == pytest.approx(48 - progress["aside"], abs=1)
    assert run("--resume") == 2  # it is finished, although it trained for less than the minutes


def test_training_stops_when_patience_is_exhausted_and_keeps_the_best(run, tmp_path):
    assert run("--lr", 0.3, "--epochs", 30, "--patience", 2, "--anneal", "none") == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["epochs"] == summary["best_epoch"] + 2 < 30
    rows = (tmp_path / "run" / "epochs.csv").read_text().splitlines()
    column = rows[0].split(",").index("valid_loss")
    valid = [float(row.split(",")[column]) for row in rows[1:]]
    assert min(valid) == pytest.approx(summary["valid_nats_per_token"])
    assert np.argmin(valid) + 1 == summary["best_epoch"]


# What it refuses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--midi", "nowhere"], "nowhere: is no folder of music"),
        (["--midi", "empty"], "empty: none of 0 MIDI files is usable (give a folder"),
        (["--midi", "junk"], "junk: none of 1 MIDI files is usable (1 not MIDI)"),
        (["--valid", "nowhere"], "nowhere: is no folder of music"),
        (["--min-count", "10000"], "lower --min-count"),
        (["--predict", "next", "--window", "5000"], "smaller --window"),
        (["--instrument", "kazoo"], "no instrument 'kazoo'"),
        (["--list", "nothing"], "nothing: this list of files does not exist"),
        (["--out", "file"], "file: cannot be written"),
        (["--out", "/dev/null/deeper"], "cannot be written"),
        (["--out", "foreign"], "foreign: holds an unfinished run"),
        (["--out", "foreign", "--resume"], "foreign/last.npz: not a file of this program"),
        (["--out", "only_a_model"], "only_a_model/model.npz: would be overwritten"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(music, tmp_path, monkeypatch, capsys, flags, words):
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "junk", "foreign", "only_a_model"):
        (tmp_path / folder).mkdir()
    for file in ("junk/a.mid", "file", "foreign/last.npz", "only_a_model/model.npz"):
        (tmp_path / file).write_text("nothing of the kind")
    before = sorted(tmp_path.rglob("*"))
    assert train.main(["--midi", str(music), *SMALL, *flags]) == 2
    assert words in error_of(capsys)
    assert sorted(path for path in tmp_path.rglob("*") if path.name != "runs") == before
    assert not list(tmp_path.glob("runs/*"))


@pytest.mark.parametrize(
    "flags",
    [
        ["--out", ""],
        ["--midi", ""],
        ["--max-size", "1e300"],
        ["--epochs", "0"],
        ["--lr", "nan"],
        ["--dropout", "1"],
        ["--hidden", "1e3"],
        ["--genre", "x"],
        ["--fo\no"],
    ],
)
def test_wrong_use_is_one_line(flags, capsys):
    with pytest.raises(SystemExit) as left:
        train.main(flags)
    assert left.value.code == 2
    assert "--help" in error_of(capsys)


def test_a_finished_run_is_left_alone(finished, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished[0], "run")
    before = {file: file.read_bytes() for file in Path("run").iterdir()}
    assert train.main(["--out", "run"]) == 2
    assert "run: holds a finished run" in error_of(capsys)
    assert train.main(["--out", "run", "--resume"]) == 2
    assert "this run is finished" in error_of(capsys)
    assert {file: file.read_bytes() for file in Path("run").iterdir()} == before


# Stopping and going on ------------------------------------------------------------------------------------------------


def stop_at(monkeypatch, moments, name="take_step", module=train):
    """Send this process signals: {3: SIGINT} before the third call of the function, counted over all runs."""
    calls = iter(range(1, 10**6))
    real = getattr(module, name)

    def stopping(*arguments, **options):
        number = moments.get(next(calls))
        if number:
            os.kill(os.getpid(), number)
        return real(*arguments, **options)

    monkeypatch.setattr(module, name, stopping)


STYLES = {
    "plain": [],
    "two threads": ["--threads", "2", "--anneal", "none"],
    "rnndrop": ["--recurrent-dropout", "rnndrop", "--layers", "2", "--transpose", "2", "--anneal", "plateau"],
    "variational": ["--recurrent-dropout", "variational", "--layers", "2", "--tokens", "note"],
    "stops early": ["--lr", "0.3", "--epochs", "9", "--patience", "1", "--anneal", "none"],
    "minutes": ["--epochs", "9", "--minutes", "600", "--patience", "1", "--lr", "0.3", "--anneal", "none"],
    "passages": ["--tokens", "note", "--batch", "5"],
    "next token": ["--predict", "next", "--batch", "64", "--input", "scalar", "--recurrent-dropout", "rnndrop"],
}


@pytest.mark.parametrize("style", STYLES)
def test_a_run_that_was_stopped_again_and_again_is_the_same_run(run, tmp_path, monkeypatch, capsys, style):
    flags = STYLES[style]
    if style == "passages":
        monkeypatch.setattr("lstm_numpy.batches.LONG", 32)
        monkeypatch.setattr("lstm_numpy.batches.PASSAGE", 32)
    assert run(*flags, out="whole") == 0
    steps = step_of(tmp_path / "whole")
    rng = np.random.default_rng(list(style.encode()))
    moments = sorted(rng.choice(np.arange(1, steps + 1), size=3, replace=False).tolist())
    stop_at(monkeypatch, dict(zip(moments, [signal.SIGINT, signal.SIGTERM, signal.SIGINT], strict=True)))
    statuses, resumed = [run(*flags, out="parts")], []
    while statuses[-1] and len(statuses) < 9:
        printed = capsys.readouterr()
        assert f"saved step {step_of(tmp_path / 'parts')}\n" in printed.out
        assert printed.err == "stopped; to go on: python train.py --resume --out parts\n"
        resumed.append(step_of(tmp_path / "parts"))
        statuses.append(train.main(["--resume", "--out", "parts"]))
    assert statuses == [130, 143, 130, 0]
    assert resumed == moments
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


def test_every_step_that_is_saved_can_be_gone_on_from(run, tmp_path, monkeypatch):
    """As if the process were killed after any step: what is on the disk then is copied, and continued."""
    monkeypatch.setattr("experiment.log.EVERY", -1.0)
    real, kept = train.Run.save, []

    def save(self, path, **facts):
        real(self, path, **facts)
        if path.name == "last.npz":
            kept.append(tmp_path / f"kept {len(kept)}")
            shutil.copytree(path.parent, kept[-1])

    monkeypatch.setattr(train.Run, "save", save)
    assert run() == 0
    monkeypatch.setattr(train.Run, "save", real)
    assert len(kept) > step_of(tmp_path / "run") > 5
    for folder in kept[:: max(len(kept) // 5, 1)]:
        assert train.main(["--resume", "--out", str(folder)]) == 0
        assert_same_run(folder, tmp_path / "run")


def test_a_stop_while_the_valid_songs_are_scored_repeats_no_step(run, tmp_path, monkeypatch, capsys):
    assert run(out="whole") == 0
    stop_at(monkeypatch, {1: signal.SIGTERM, 2: signal.SIGINT}, "evaluate", train.Run)
    assert [run(out="parts"), train.main(["--resume", "--out", "parts"])] == [143, 130]
    assert train.main(["--resume", "--out", "parts"]) == 0
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


def test_a_stop_while_the_report_is_written_repeats_the_report_only(run, tmp_path, monkeypatch, capsys):
    stop_at(monkeypatch, {1: signal.SIGINT}, "compose")
    assert run() == 130
    weights = (tmp_path / "run" / "model.npz").read_bytes()
    monkeypatch.setattr(train, "take_step", None)
    assert train.main(["--resume", "--out", "run"]) == 0
    assert (tmp_path / "run" / "model.npz").read_bytes() == weights
    assert (tmp_path / "run" / "sample.mid").exists()


@pytest.mark.parametrize("place", ["experiment.songs.read_corpus", "experiment.songs.build_dataset"])
def test_a_stop_before_training_leaves_nothing(run, tmp_path, monkeypatch, capsys, place):
    monkeypatch.setattr(place, lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    assert run(out="runs/1") == 143
    assert capsys.readouterr().err == "stopped; nothing was saved\n"
    assert list(tmp_path.rglob("*")) == [tmp_path / "runs"]


def test_resume_needs_the_same_flags_and_the_same_songs(run, tmp_path, monkeypatch, capsys):
    stop_at(monkeypatch, {4: signal.SIGINT})
    assert run("--no-drums") == 130
    folder = tmp_path / "run"
    before = (folder / "last.npz").read_bytes()
    capsys.readouterr()
    for flag, *value in (["--lr", "0.5"], ["--hidden", "9"], ["--seed", "7"], ["--midi", "."], ["--threads", "2"]):
        assert train.main(["--resume", "--out", "run", flag, *value]) == 2
        assert f"error: {flag} was different" in error_of(capsys)
    songs = (folder / "songs.npz").read_bytes()
    with np.load(folder / "songs.npz") as file:
        arrays = dict(file)
    arrays["ids"][7] += 1
    np.savez(folder / "songs.npz", **arrays)
    assert train.main(["--resume", "--out", "run"]) == 2
    assert "not the songs that the run was begun with" in error_of(capsys)
    (folder / "songs.npz").write_bytes(songs)
    assert (folder / "last.npz").read_bytes() == before
    assert train.main(["--resume", "--out", "run", "--hidden", "8", "--no-drums", "--epochs", "3", "--quiet"]) == 0
    assert json.loads((folder / "summary.json").read_text())["epochs"] == 3
    assert train.main(["--resume", "--out", "run", "--epochs", "4"]) == 0
    assert json.loads((folder / "summary.json").read_text())["epochs"] == 4


def test_a_run_says_what_it_keeps_of_a_performance_and_spells_a_prime_like_its_songs(run, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for number in range(12):
        notes = [note._replace(velocity=int(rng.integers(20, 120)), start=note.start + 0.1) for note in tune(number)]
        notes += [note._replace(program=40 + number, duration=0.45) for note in notes]
        path = tmp_path / "played" / f"{number}.mid"
        path.parent.mkdir(exist_ok=True)
        write_song(Song(notes, meter=(3, 4)), path)
    assert run("--tokens", "note", midi=path.parent) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "--velocities" in line]
    assert len(said) == 1
    assert re.fullmatch(
        r"\d+ velocities, .* instruments, 12 of 12 files name one meter: --velocities 4 --snap --families --meters",
        said[0],
    )
    composer = Composer.load(tmp_path / "run")
    assert composer.vocabulary.played == Played(4, snap=True, families=True, meters=True)
    opening = opening_of(path, composer, bars=2)
    assert not any(token in ("<unk>", "v0") for token in composer.vocabulary.tokens_of(opening.ids))
    assert composer.vocabulary.tokens_of(opening.ids)[:2] == ["<start>", "3/4"]
    assert composer.on_bars(opening.ids, composer.vocabulary.decode(opening.ids))[1] == (3, 4)
    assert "became the nearest known" not in capsys.readouterr().out
    assert train.main(["--resume", "--out", "run", "--velocities", "8"]) == 2
    assert "--velocities was different" in error_of(capsys)
    assert (
        run("--tokens", "note", "--velocities", 0, "--no-families", "--no-meters", midi=path.parent, out="other") == 0
    )
    assert Composer.load(tmp_path / "other").vocabulary.played == Played(0, snap=True)


def test_resume_goes_on_with_the_flags_of_a_run_that_was_killed_before_its_first_save(run, music, tmp_path, capsys):
    assert run(out="whole") == 0
    assert run("--resume", out="parts") == 2
    assert "no run was begun there" in error_of(capsys)
    (tmp_path / "parts").mkdir()
    RunFolder(tmp_path / "parts").begin(["--midi", str(music), *SMALL])
    (tmp_path / "parts" / "songs.npz").write_bytes(b"half")
    assert train.main(["--resume", "--out", "parts", "--lr", "0.5"]) == 2
    assert "--lr was different" in error_of(capsys)
    assert train.main(["--resume", "--out", "parts"]) == 0
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


def test_killed_at_any_moment_it_goes_on_from_what_it_said_it_saved(music, tmp_path, no_pictures, capsys):
    script = "import sys, train, experiment.log; experiment.log.EVERY = -1; sys.exit(train.main(sys.argv[1:]))"
    flags = ["--midi", str(music), *SMALL, "--epochs", "500", "--out", str(tmp_path / "run")]
    said = 0
    command = [sys.executable, "-c", script, *flags]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            if line.startswith("saved step"):
                said = int(line.split()[2])
            if said == 20:
                time.sleep(0.02)
                process.kill()
    reached = step_of(tmp_path / "run")
    assert reached >= said >= 20
    assert train.main(["--resume", "--out", str(tmp_path / "run"), "--epochs", "1"]) == 0
    assert f"going on after step {reached}" in capsys.readouterr().out


def test_one_folder_holds_one_run_at_a_time(run, tmp_path, capsys):
    with held_folder(tmp_path / "run"):
        assert run() == 2
        assert "another run is training there" in error_of(capsys)
    assert run("--epochs", 1) == 0


# Failing --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("owner", "call"), [(os, "fsync"), (Path, "replace")])
def test_each_failing_write_leaves_the_last_checkpoint(run, tmp_path, monkeypatch, capsys, owner, call):
    assert run(out="whole") == 0
    monkeypatch.setattr("experiment.log.EVERY", -1.0)
    folder, real = tmp_path / "parts", getattr(owner, call)
    statuses = []
    for doomed in (1, 2, 3, 5, 8, 13, 21):
        calls = iter(range(1, 10**6))

        def failing(*arguments, calls=calls, doomed=doomed):
            if next(calls) == doomed:
                raise OSError(28, "No space left on device")
            return real(*arguments)

        monkeypatch.setattr(owner, call, failing)
        saved = step_of(folder) if folder.exists() else -1
        capsys.readouterr()
        statuses.append(run(*["--resume"] * folder.exists(), out="parts"))
        if statuses[-1]:
            assert "No space left on device" in error_of(capsys)
            assert not list(tmp_path.glob("parts/.*"))
            assert (step_of(folder) if folder.exists() else -1) >= saved
    assert statuses.count(1) >= 5
    monkeypatch.setattr(owner, call, real)
    assert run("--resume", out="parts") in (0, 2)
    assert_same_run(folder, tmp_path / "whole")


FILLING = """
import resource, sys, train, experiment.log
experiment.log.EVERY, real = -1.0, train.take_step
def take_step(run, learning_rate):
    if run.training.progress.step == 5:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    return real(run, learning_rate)
train.take_step = take_step
sys.exit(train.main(sys.argv[1:]))
"""


def test_a_full_disk_ends_the_run_with_one_line(music, tmp_path, no_pictures):
    flags = ["--midi", str(music), *SMALL, "--out", str(tmp_path / "run")]
    done = subprocess.run([sys.executable, "-c", FILLING, *flags], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.fullmatch(r"train.py: error: .*: File too large; .*to go on: python train.py --resume .*\n", done.stderr)
    assert step_of(tmp_path / "run") == 5
    assert train.main(["--resume", "--out", str(tmp_path / "run")]) == 0


def test_a_poisoned_weight_stops_the_run_within_the_step(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("experiment.log.EVERY", -1.0)
    real = train.take_step

    def poisoned(current, learning_rate):
        if current.training.progress.step == 6:
            current.training.params["lstm1.Wx"][3, 5] = np.nan
        return real(current, learning_rate)

    monkeypatch.setattr(train, "take_step", poisoned)
    assert run() == 1
    line = error_of(capsys)
    assert "step 7 " in line
    assert "try a smaller --lr" in line
    assert step_of(tmp_path / "run") == 6


def test_a_learning_rate_that_is_too_large_ends_with_advice(run, capsys):
    assert run("--lr", 1e38, "--anneal", "none") == 1
    assert "try a smaller --lr than 1e+38" in error_of(capsys)


# Comfort --------------------------------------------------------------------------------------------------------------


def test_a_run_goes_on_when_nobody_listens_and_nothing_is_at_home(music, tmp_path):
    """Standard output is closed after a line, only knows ASCII, and there is no home to keep anything in."""
    plain = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), "--midi", str(music), *SMALL, "--out", "run"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**plain, "HOME": "/dev/null", "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout.readline().startswith(b"reading ")
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0
    assert (tmp_path / "run" / "summary.json").exists()


def test_help_is_grouped():
    done = subprocess.run([sys.executable, "train.py", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    for group in ("songs:", "tokens:", "network:", "training:", "run:"):
        assert f"\n{group}\n" in done.stdout


def test_quiet_prints_the_result_only(run, capsys):
    assert run("--quiet") == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("music ")
    assert "  network " in printed.out
    assert "epoch   1" not in printed.out
    assert printed.err == ""
