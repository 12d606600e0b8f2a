"""A run's folder: one process in it at a time, nothing left where nothing was done, and songs that come back."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hostile import REPLACEMENTS

from experiment.folder import RunError, RunFolder, held_folder, how_to_go_on, newest_run, next_run, read_json
from experiment.songs import RunSongs
from lstm_numpy.batches import Songs
from lstm_numpy.checkpoint import Checkpoint
from lstm_numpy.parameters import ModelConfig


def test_new_runs_are_numbered(tmp_path):
    runs = tmp_path / "runs"
    for number in ("1", "2", "10", "mine", "²"):
        (runs / number).mkdir(parents=True)
    assert next_run(runs) == runs / "11"
    with held_folder(next_run(runs)) as folder:
        assert folder.path == runs / "11"
        folder.last.touch()
    assert sorted(file.name for file in folder.path.iterdir()) == ["last.npz"]


def test_the_newest_run_is_the_one_written_last(tmp_path):
    with pytest.raises(RunError, match="no run is there; train one first"):
        newest_run(tmp_path)
    for number, (name, when) in enumerate([("last.npz", 5e8), ("run.json", 9e8), ("last.npz", 7e8), ("x.npz", 4e9)]):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / name).touch()
        os.utime(tmp_path / str(number) / name, (when, when))
    assert newest_run(tmp_path) == tmp_path / "1"


def test_a_run_that_saved_nothing_is_removed(tmp_path):
    path = tmp_path / "a" / "b" / "c"
    with held_folder(path) as folder:
        folder.begin(["--lr", "1"])
        folder.songs.touch()
    assert list(path.parent.iterdir()) == []
    (path.parent / "notes.txt").touch()
    with held_folder(path.parent) as folder:
        folder.begin([])
    assert [file.name for file in path.parent.iterdir()] == ["notes.txt"]


def test_a_run_that_saved_something_stays(tmp_path):
    with held_folder(tmp_path / "run") as folder:
        folder.begin([])
        folder.last.touch()
        (folder.path / ".model.npz.tmp").touch()  # left by a process that was killed
    assert sorted(file.name for file in folder.path.iterdir()) == ["last.npz", "run.json"]


def test_the_flags_are_kept_before_anything_else(tmp_path):
    flags = ["--midi", "my \u266b\n\udcff music", "--lr", "0.1"]
    with pytest.raises(RunError, match="no run was begun there"):
        RunFolder(tmp_path).argv()
    RunFolder(tmp_path).begin(flags)
    with held_folder(tmp_path) as folder:  # as if the first process was killed
        assert folder.argv() == flags
        with pytest.raises(RunError, match="holds an unfinished run, which --resume continues"):
            folder.begin(flags)
    assert folder.argv() == flags
    for file in (folder.last, folder.summary, folder.sample, folder.picture, folder.sound, folder.page):
        file.touch()
    with pytest.raises(RunError, match="holds a finished run"):
        folder.begin(flags)
    folder.forget_report()
    folder.summary.touch()  # killed here, the run would have the tune of its earlier end
    assert not folder.reported


@pytest.mark.parametrize("replace", [lambda path: path.symlink_to("nowhere"), *REPLACEMENTS])
def test_nothing_of_the_users_is_overwritten_or_removed(tmp_path, replace):
    for name in ("model.npz", "songs.npz", "history.csv", "sample.mid", "index.html", "gates.png"):
        path = tmp_path / name
        replace(path)
        with pytest.raises(RunError, match=f"{name}: would be overwritten"), held_folder(tmp_path) as folder:
            folder.begin([])
        assert os.path.lexists(path)
        path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.parametrize("text", ["{}", '{"argv": null}', '{"argv": 5}', "[1]"])
def test_flags_that_cannot_be_are_refused(tmp_path, text):
    folder = RunFolder(tmp_path)
    folder.flags.write_text(text)
    with pytest.raises(RunError, match=r"run\.json: "):
        folder.argv()


@pytest.mark.parametrize("replace", REPLACEMENTS)
def test_a_json_file_that_is_none_is_refused(tmp_path, replace):
    replace(tmp_path / "summary.json")
    with pytest.raises(RunError, match=r"summary\.json: "):
        read_json(tmp_path / "summary.json")


def test_a_second_process_is_refused_until_the_first_one_ends(tmp_path):
    code = (
        "import sys; from pathlib import Path; from experiment.folder import held_folder\n"
        "with held_folder(Path(sys.argv[1])): print('in', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path.cwd()) as process:
        assert process.stdout.readline() == b"in\n"
        with pytest.raises(RunError, match="another run is training there"), held_folder(tmp_path / "run"):
            pass
        process.kill()
    with held_folder(tmp_path / "run"):
        pass


@pytest.mark.parametrize("place", ["file", "file/deeper", "/proc/nothing"])
def test_where_nothing_can_be_written(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot be written .*--out"), held_folder(tmp_path / place):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_the_command_to_go_on_can_be_copied():
    assert how_to_go_on(Path("runs/1")) == "python train.py --resume --out runs/1"
    assert how_to_go_on(Path("my run\x1b")) == "python train.py --resume --out 'my run\\x1b'"


# songs.npz ------------------------------------------------------------------------------------------------------------

SONGS = RunSongs(
    Songs.of([[0, 2, 5, 2, 1], [0, 4, 1], [0, 2, 3, 1], [0, 9, 1]]),
    np.array([0, 1, 0, 2], np.uint8),
    np.array([2.0, 1.0, 3.0, 4.0]),
    np.array([90.0, 120.0, 60.0, 120.0]),
    np.array([10.0, 11.0, 12.0]),
)


def test_parts_keep_what_belongs_to_their_songs():
    train = SONGS.of("train")
    assert [song.tolist() for song in train.songs] == [[0, 2, 5, 2, 1], [0, 2, 3, 1]]
    assert train.beats.tolist() == [2, 3]
    assert train.bpm.tolist() == [90, 60]
    assert train.spelling_nats.tolist() == [0, 10, 0, 11, 0, 0, 12, 0, 0]
    assert (train.songs.flat != 0).tolist() == [False, True, True, True, True, False, True, True, True]
    assert train.unknown_share == 3 / 7
    assert SONGS.of("valid").spelling_nats.tolist() == [0, 0, 0]
    assert SONGS.of("valid").unknown_share == 0


def test_songs_come_back_from_the_file(tmp_path):
    SONGS.save(tmp_path / "songs.npz")
    loaded = RunSongs.load(tmp_path / "songs.npz")
    assert loaded.sha256() == SONGS.sha256()
    for name in ("split", "beats", "bpm", "spelling"):
        assert np.array_equal(getattr(loaded, name), getattr(SONGS, name))
    assert [file.name for file in tmp_path.iterdir()] == ["songs.npz"]


def test_the_digest_tells_songs_apart(tmp_path):
    others = [
        SONGS._replace(split=np.array([0, 1, 0, 1], np.uint8)),
        SONGS._replace(bpm=np.array([90.0, 120.0, 60.0, 121.0])),
        SONGS._replace(songs=Songs(SONGS.songs.flat, np.array([0, 5, 8, 11, 15]))),
        SONGS._replace(songs=Songs.of([[0, 2, 5, 2, 1], [0, 4, 1], [0, 2, 4, 1], [0, 9, 1]])),
    ]
    assert len({songs.sha256() for songs in [SONGS, *others]}) == 5
    wide = SONGS._replace(songs=Songs(SONGS.songs.flat.astype(np.int64), SONGS.songs.offsets))
    assert wide.sha256() == SONGS.sha256()


def refused(path, model=None):
    with pytest.raises(RunError) as error:
        RunSongs.load(path, model)
    line = str(error.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    return line


def test_songs_that_are_cut_short_are_refused(tmp_path):
    path = tmp_path / "songs.npz"
    assert "No such file" in refused(path)
    SONGS.save(path)
    whole = path.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        refused(path)


def test_what_the_network_is_told_beside_the_ids_comes_back(tmp_path):
    path = tmp_path / "songs.npz"
    context = np.stack([np.arange(15) % 4, SONGS.songs.flat.astype(int)], axis=1)
    songs = SONGS._replace(songs=Songs(SONGS.songs.flat, SONGS.songs.offsets, context, (1,)))
    songs.save(path)
    model = Checkpoint({}, ModelConfig(10, context=(4, 10)), tuple("abcdefghij"), {"songs_sha256": songs.sha256()})
    loaded = RunSongs.load(path, model)
    assert loaded.songs.context.dtype == np.uint8
    assert np.array_equal(loaded.songs.context, context)
    assert loaded.songs.context_ids == (1,)
    assert np.array_equal(loaded.of("valid").songs.context, context[5:8])
    assert songs.sha256() != SONGS.sha256()


def test_songs_of_another_run_are_refused(tmp_path):
    path = tmp_path / "songs.npz"
    SONGS.save(path)
    model = Checkpoint({}, ModelConfig(10), tuple("abcdefghij"), {"songs_sha256": SONGS.sha256()})
    assert RunSongs.load(path, model).sha256() == SONGS.sha256()
    SONGS._replace(bpm=SONGS.bpm + 1).save(path)
    assert "not the songs that the run was begun with" in refused(path, model)


@pytest.mark.parametrize("replace", REPLACEMENTS)
def test_what_is_no_file_of_songs_is_refused(tmp_path, replace):
    replace(tmp_path / "songs.npz")
    refused(tmp_path / "songs.npz")
