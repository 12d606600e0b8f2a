"""A run's folder: one process in it at a time, nothing left where nothing was done, and songs that come back."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from experiment.folder import RunError, held_folder, how_to_go_on, newest_run, next_run
from experiment.songs import RunSongs
from lstm_numpy.batches import Songs


def test_new_runs_are_numbered(tmp_path):
    runs = tmp_path / "runs"
    for number in ("1", "2", "10", "mine", "²"):
        (runs / number).mkdir(parents=True)
    assert next_run(runs) == runs / "11"
    with held_folder(None, runs) as folder:
        assert folder.path == runs / "11"
        folder.last.touch()
    assert sorted(file.name for file in folder.path.iterdir()) == ["last.npz"]


def test_runs_that_begin_together_get_folders_of_their_own(tmp_path):
    together, found = threading.Barrier(8), []

    def begin():
        together.wait()
        with held_folder(None, tmp_path / "runs") as folder:
            folder.last.touch()
            found.append(folder.path.name)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [str(number) for number in range(1, 9)]


def test_the_newest_run_is_the_one_written_last(tmp_path):
    with pytest.raises(RunError, match="no run is there; train one first"):
        newest_run(tmp_path)
    for number, (name, when) in enumerate([("last.npz", 5e8), ("model.npz", 9e8), ("last.npz", 7e8), ("x.npz", 4e9)]):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / name).touch()
        os.utime(tmp_path / str(number) / name, (when, when))
    assert newest_run(tmp_path) == tmp_path / "1"


def test_a_folder_in_which_nothing_was_done_is_gone(tmp_path):
    path = tmp_path / "a" / "b" / "c"
    with held_folder(path) as folder:
        folder.songs.touch()
    assert list(tmp_path.iterdir()) == []
    path.parent.mkdir(parents=True)
    with held_folder(path.parent) as folder:
        assert folder.path.is_dir()
    assert list(path.parent.iterdir()) == []


def test_a_folder_with_something_of_value_stays(tmp_path):
    with held_folder(tmp_path / "run") as folder:
        folder.last.touch()
        (folder.path / f".model.npz.{2**22 + 1}.tmp").touch()  # no process has that number
    with held_folder(tmp_path / "run"):
        pass
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["last.npz"]
    with held_folder(tmp_path / "mine") as folder:
        (folder.path / "notes.txt").touch()
    assert (tmp_path / "mine" / "notes.txt").exists()


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
    assert train.is_target.tolist() == [False, True, True, True, True, False, True, True, True]
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


def test_the_digest_tells_songs_parts_and_lengths_apart():
    others = [
        SONGS._replace(split=np.array([0, 1, 0, 1], np.uint8)),
        SONGS._replace(songs=Songs(SONGS.songs.flat, np.array([0, 5, 8, 11, 15]))),
        SONGS._replace(songs=Songs.of([[0, 2, 5, 2, 1], [0, 4, 1], [0, 2, 4, 1], [0, 9, 1]])),
    ]
    assert len({songs.sha256() for songs in [SONGS, *others]}) == 4
    assert (
        SONGS._replace(songs=Songs(SONGS.songs.flat.astype(np.int64), SONGS.songs.offsets)).sha256() == SONGS.sha256()
    )


def test_damaged_songs_are_refused(tmp_path):
    path = tmp_path / "songs.npz"
    with pytest.raises(RunError, match="no such file"):
        RunSongs.load(path)
    SONGS.save(path)
    whole = path.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(RunError, match="damaged"):
            RunSongs.load(path)
    SONGS._replace(spelling=np.zeros(2)).save(path)
    with pytest.raises(RunError, match="do not fit together"):
        RunSongs.load(path)
    np.savez(path, ids=np.array([{}], dtype=object))
    with pytest.raises(RunError, match="damaged"):
        RunSongs.load(path)
