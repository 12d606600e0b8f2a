"""New tunes from a run: the same seed writes the same file, and every way to ask for one is understood."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import generate
from experiment import crew
from experiment.report import end_anywhere, music_of, some_of, tunes_beside_songs
from experiment.songs import RunSongs
from experiment.tunes import Composer, opening_of, random_place
from lstm_numpy.checkpoint import load_checkpoint, save_checkpoint
from midi_io import Note, Song, Vocabulary, encode, read_notes, read_song, write_song
from midi_io.played import AS_WRITTEN, Played, simplified
from midi_io.tokens import hearing


@pytest.fixture
def write(finished, tmp_path, monkeypatch, no_pictures):
    """write(flags...) writes tune.mid with the finished run, and returns the bytes."""
    monkeypatch.chdir(tmp_path)

    def command(*flags, run=finished[0], out="tune.mid"):
        assert generate.main([str(run), "--out", out, "--length", "60", *map(str, flags)]) == 0
        return Path(out).read_bytes() if Path(out).exists() else b""

    return command


def test_a_tune_that_ends_after_its_length_has_not_ended_by_itself(finished):
    tunes = Composer.load(finished[0]).write(np.array([0]), np.random.default_rng(2), 40, length=12)
    assert {len(tune.ids) > 13 for tune in tunes} == {True, False}
    assert any(len(tune.ids) > 13 and tune.ids[-1] == 1 for tune in tunes)
    for tune in tunes:
        assert len(tune.ids) <= 1 + 12 + 3
        assert tune.ended == (tune.ids[-1] == 1 and len(tune.ids) <= 13)


def error_of(capsys):
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("generate.py: error: ")
    return lines[0]


def test_the_same_seed_writes_the_same_file(write):
    assert write() == write("--seed", 1) != write("--seed", 2)
    assert read_notes("tune.mid")


def test_each_of_several_tunes_is_what_it_would_be_among_fewer(write, tmp_path):
    write("--count", 2)
    two = [(tmp_path / f"tune-{number}.mid").read_bytes() for number in (1, 2)]
    write("--count", 5)
    five = [(tmp_path / f"tune-{number}.mid").read_bytes() for number in (1, 2, 3, 4, 5)]
    assert five[:2] == two
    assert len(set(five)) == 5


def test_many_pictures_are_drawn_by_several_processes(finished, tmp_path):
    count = crew.WORTH_A_PROCESS
    command = [str(finished[0]), "--count", str(count), "--length", "20", "--out", str(tmp_path / "tune.mid")]
    assert generate.main(command) == 0
    pictures = [(tmp_path / f"tune-{number}.png").read_bytes() for number in range(1, count + 1)]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert len(set(pictures)) > 1


def test_a_tune_can_be_heard(write, tmp_path):
    write("--wav", "--bpm", 90)
    with wave.open(str(tmp_path / "tune.wav")) as sound:
        seconds = sound.getnframes() / sound.getframerate()
    last = max(note.start + note.duration for note in read_notes(tmp_path / "tune.mid"))
    assert last * 60 / 90 <= seconds < last * 60 / 90 + 1


def test_a_tune_goes_on_where_its_prime_stops(write, music, capsys):
    prime = music / "03.mid"
    write("--prime", prime, "--bpm", 90)
    printed = capsys.readouterr().out
    tokens = encode(read_notes(prime), "chord")
    assert f"{len(tokens)} tokens" in printed
    written = read_song("tune.mid")
    assert written.bpm == pytest.approx(90)
    assert len(encode(written.notes, "chord")) > len(tokens)


def test_a_tune_is_as_fast_as_most_train_songs_are(write, finished, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(finished[0], run)
    songs, model = RunSongs.load(run / "songs.npz"), load_checkpoint(run / "model.npz")
    songs = songs._replace(bpm=np.where(songs.split == 0, 72.0, 180.0))
    songs.save(run / "songs.npz")
    assert generate.main([str(run), "--out", "tune.mid"]) == 2
    assert "songs.npz: these are not the songs that the run was begun with" in error_of(capsys)
    save_checkpoint(run / "model.npz", *model[:3], {**model.training, "songs_sha256": songs.sha256()})
    write(run=run)
    assert read_song("tune.mid").bpm == pytest.approx(72)
    (run / "songs.npz").unlink()
    write(run=run)
    assert read_song("tune.mid").bpm == pytest.approx(120)


@pytest.mark.parametrize(("meter", "number"), [((4, 4), 0), ((3, 4), 1), ((6, 8), 2), ((7, 8), 0)])
def test_the_network_is_told_the_meter_of_the_prime(write, music, monkeypatch, meter, number):
    """While it writes, and on the page; 4/4 and what is not known is for the notes to tell."""
    told, blank = [], hearing.blank
    monkeypatch.setattr(hearing, "blank", lambda *args: told.append(args[2]) or blank(*args))
    write_song(replace(read_song(music / "03.mid"), meter=meter), "prime.mid")
    write("--prime", "prime.mid", "--length", 5)
    assert read_song("tune.mid").meter == meter
    assert set(told) == {number}


def test_the_bars_of_a_prime_are_those_of_the_whole_song(finished, tmp_path):
    """Sixteenths a little before the beat, and a first bar that is softer than the rest: the song decides both."""
    notes = [Note(60 + k % 12, k / 4 + (-0.04 if k else 0), 0.25, 40 if k < 16 else 90) for k in range(64)]
    write_song(Song(notes), tmp_path / "song.mid")
    composer = Composer.load(finished[0])
    tokens = encode(simplified(notes, Played(4, snap=True)))
    known = Vocabulary.build(dict.fromkeys(tokens, 1), played=Played(4, snap=True))
    opening = opening_of(tmp_path / "song.mid", replace(composer, vocabulary=known), bars=1)
    assert known.tokens_of(opening.ids[1:]) == tokens[: len(opening.ids) - 1]
    assert len(known.decode(opening.ids)) == 16


def test_a_run_of_0_2_0_is_heard_as_it_was_spelled(finished, tmp_path):
    model = load_checkpoint(finished[0] / "model.npz")
    settings = {name: value for name, value in model.training["settings"].items() if name not in Played._fields}
    save_checkpoint(tmp_path / "old.npz", *model[:3], {**model.training, "settings": settings})
    assert Composer.load(tmp_path / "old.npz").vocabulary.played == AS_WRITTEN


def test_tunes_end_as_most_train_songs_do(finished, tmp_path, monkeypatch):
    composer = Composer.load(finished[0])
    music = music_of(composer, some_of(composer.songs().of("train").songs, 3000, 100))
    assert composer.anywhere == (np.mean([one["ends_at_home"] for one in music]) < 0.5)
    pieces = [{"ends_at_home": value} for value in (1.0, math.nan, 0.0, 0.0)]
    assert end_anywhere(pieces)
    assert not end_anywhere(pieces[:3])
    monkeypatch.setattr("experiment.report.end_anywhere", lambda music: True)
    composer, summary, _ = tunes_beside_songs(composer, composer.songs(), 1)
    assert summary["end_anywhere"]
    free, home = (
        sum(
            len(tune.ids)
            for tune in replace(composer, anywhere=anywhere).write(np.array([0]), np.random.default_rng(1), 20)
        )
        for anywhere in (True, False)
    )
    assert free < home, "the end may come sooner"
    shutil.copytree(finished[0], tmp_path / "run")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    for asked in (True, False):
        (tmp_path / "run" / "summary.json").write_text(json.dumps({**summary, "end_anywhere": asked}))
        assert Composer.load(tmp_path / "run").anywhere == asked


def test_a_prime_can_be_moved_to_another_key(write, music):
    write("--prime", music / "03.mid", "--length", 1)
    here = read_notes("tune.mid")
    write("--prime", music / "03.mid", "--length", 1, "--key", -12)
    assert read_notes("tune.mid") != here


def test_a_random_place_begins_with_what_stands_in_a_train_song(write, finished):
    write("--start", "random", "--length", 1)
    run_songs = RunSongs.load(finished[0] / "songs.npz")
    opening = random_place(run_songs, np.random.default_rng(1)).ids
    songs = [song.tolist() for song in run_songs.of("train").songs]
    run = opening[1:].tolist()
    assert len(run) >= 15
    assert any(run == song[k : k + len(run)] for song in songs for k in range(len(song)))


@pytest.mark.parametrize(
    "flags",
    [["--temperature", 0], ["--temperature", 1e-9], ["--temperature", 1e9], ["--top-k", 1], ["--top-p", 1e-6],
     ["--repeats", 0], ["--instrument", "violin"]],
)  # fmt: skip
def test_every_way_to_choose_writes_music(write, flags):
    assert write(*flags) == write(*flags)
    notes = read_notes("tune.mid")
    assert notes
    assert {note.program for note in notes} == ({40} if "violin" in flags else {0})


def test_what_is_withheld_changes_the_tune(write):
    assert write("--withheld", 1) != write("--withheld", 0) == write()


def test_ways_to_draw_that_withhold_are_tried_for_long_songs_only(finished, monkeypatch):
    composer, tried = Composer.load(finished[0]), []
    write = Composer.write
    monkeypatch.setattr(
        Composer, "write", lambda self, *args, **kw: tried.append(self.sampling.withheld) or write(self, *args, **kw)
    )
    tunes_beside_songs(composer, composer.songs(), 1)
    assert set(tried) == {0}
    monkeypatch.setattr("experiment.report.LONG", 5)
    tunes_beside_songs(composer, composer.songs(), 1)
    assert max(tried) > 0


def test_the_coldest_choices_are_the_same(write):
    always = ("--sure", 1)
    assert write("--temperature", 0) == write("--temperature", 1e-9, *always) == write("--top-k", 1, *always)


def test_it_shows_the_tune_and_how_much_of_it_is_copied(write, capsys):
    write()
    printed = capsys.readouterr().out
    assert printed.startswith("tune.mid: ")
    assert "●" in printed
    assert "copied: longest run" in printed
    assert "songs that it has not seen (1): longest run" in printed


def test_a_checkpoint_alone_is_enough(write, finished, tmp_path, capsys):
    shutil.copy(finished[0] / "model.npz", tmp_path / "mine.npz")
    shutil.copy(finished[0] / "last.npz", tmp_path / "last.npz")
    shutil.copytree(finished[0], tmp_path / "unreported")
    (tmp_path / "unreported" / "summary.json").unlink()  # it says how tokens are drawn best
    assert write(run="mine.npz") == write(run="unreported")
    capsys.readouterr()
    assert write(run="last.npz")
    assert "copied" not in capsys.readouterr().out
    (tmp_path / "young").mkdir()
    shutil.copy(finished[0] / "last.npz", "young")
    assert write(run="young") == write(run="last.npz")


def test_the_newest_run_is_taken(finished, tmp_path, monkeypatch, no_pictures):
    monkeypatch.chdir(tmp_path)
    for number in (1, 2, 3):
        shutil.copytree(finished[0], f"runs/{number}")
    os.utime("runs/2/model.npz", (4e9, 4e9))
    assert generate.main(["--length", "9"]) == 0
    assert Path("runs/2/tune.mid").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["nowhere"], "no run is there"),
        (["junk.npz"], "junk.npz: not a file of this program"),
        (["strange.npz"], "strange.npz: does not say what its tokens are"),
        (["--prime", "nowhere.mid"], "nowhere.mid: "),
        (["--prime", "junk.npz"], "junk.npz: is not a MIDI file"),
        (["--out", "nowhere/x.mid"], "nowhere/x.mid: cannot be written"),
        (["--out", "x.png"], "ends in .mid"),
        (["--instrument", "kazoo"], "no instrument 'kazoo'"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(finished, tmp_path, monkeypatch, capsys, flags, words):
    monkeypatch.chdir(tmp_path)
    Path("junk.npz").write_text("nothing of the kind")
    params, config, vocabulary, _ = load_checkpoint(finished[0] / "model.npz")
    save_checkpoint("strange.npz", params, config, vocabulary)
    before = sorted(tmp_path.iterdir())
    run = [] if flags[0][0] != "-" else [str(finished[0])]
    assert generate.main([*run, "--out", "x.mid", *flags]) == 2
    assert words in error_of(capsys)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "flags",
    [
        ["--repeats", "1"],
        ["--bpm", "1"],
        ["--prime", ""],
        ["--temperature", "-1"],
        ["--top-p", "0"],
        ["--count", "0"],
        ["--key", "3"],
        ["--prime", "x", "--start", "random"],
    ],
)
def test_wrong_use_is_one_line(flags, capsys):
    with pytest.raises(SystemExit) as left:
        generate.main(flags)
    assert left.value.code == 2
    assert "--help" in error_of(capsys)


def test_ctrl_c_is_130(finished, tmp_path, monkeypatch):
    monkeypatch.setattr("experiment.tunes.generate", lambda *_, **__: os.kill(os.getpid(), signal.SIGINT))
    assert generate.main([str(finished[0]), "--out", str(tmp_path / "x.mid")]) == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="Ctrl-C reaches a group of processes on POSIX")
def test_ctrl_c_while_other_processes_start_to_draw_says_one_line(finished, tmp_path):
    options = ["--count", "16", "--length", "9", "--out", "tune.mid"]
    with subprocess.Popen(
        [sys.executable, "-u", generate.__file__, str(finished[0]), *options], cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    ) as run:  # fmt: skip
        assert any(
            line.startswith(b"tune-16.mid") or line.endswith(b"tune-16.mid: ") or b"tune-16.mid" in line
            for line in run.stdout
        )
        time.sleep(0.3)
        os.killpg(run.pid, signal.SIGINT)
        assert b"Traceback" not in run.stderr.read()
    assert run.returncode == 130
    assert len(list(tmp_path.glob("*.mid"))) == 16


def test_where_no_process_can_be_started_pictures_are_drawn_here(finished, tmp_path, monkeypatch, no_pictures):
    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("midi_io.corpus.workers.ProcessPoolExecutor", refuse)
    command = [str(finished[0]), "--count", "8", "--length", "9", "--out", str(tmp_path / "tune.mid")]
    assert generate.main(command) == 0
    assert len(list(tmp_path.glob("*.png"))) == 8
