"""A run's folder of any content gives a run, or one line that names the file, and nothing of it is changed then."""

import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL
from hostile import REPLACEMENTS

import experiment.__main__
import generate
import train
from lstm_numpy.checkpoint import load_checkpoint, save_checkpoint
from lstm_numpy.files import read_arrays

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals, pipes and links")


@pytest.fixture(scope="module")
def stopped(music, tmp_path_factory):
    """A run that was stopped in the middle of its second epoch.  Not to be changed: copy it."""
    folder, real = tmp_path_factory.mktemp("stopped") / "run", train.take_step

    def stopping(run, *others):
        if run.training.progress.epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(run, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "take_step", stopping)
        assert train.main(["--midi", str(music), *SMALL, "--out", str(folder)]) == 143
    assert load_checkpoint(folder / "last.npz").training["progress"]["batch"] == 1
    return folder


@pytest.fixture
def folder(stopped, tmp_path, capsys):
    shutil.copytree(stopped, tmp_path / "run")
    capsys.readouterr()
    return tmp_path / "run"


def snapshot(folder):
    return {
        file.name: (file.lstat().st_mode, file.lstat().st_size, file.read_bytes() if file.stat().st_size < 1e6 else b"")
        for file in sorted(folder.iterdir())
        if not file.is_symlink() and file.is_file()
    }


def refused(capsys, folder, name, command=train.main, arguments=("--resume", "--out")):
    before = snapshot(folder)
    assert command([*arguments, str(folder)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert name in lines[0]
    assert snapshot(folder) == before
    return lines[0]


@pytest.mark.parametrize("replace", REPLACEMENTS)
@pytest.mark.parametrize(
    "name", ["last.npz", "model.npz", "songs.npz", "history.csv", "epochs.csv", "distributions.npz"]
)
def test_what_is_no_file_of_a_run_is_refused(folder, capsys, name, replace):
    (folder / name).unlink()
    replace(folder / name)
    refused(capsys, folder, name)
    if name in ("model.npz", "songs.npz"):
        refused(capsys, folder, name, generate.main, ())
        refused(capsys, folder, name, experiment.__main__.main, ("describe",))


@pytest.mark.parametrize("name", ["last.npz", "songs.npz"])
def test_files_of_another_run_are_refused(folder, finished, capsys, name):
    model = load_checkpoint(folder / "model.npz")
    if name == "songs.npz":
        arrays = read_arrays(folder / name)
        np.savez(folder / name, **{**arrays, "beats": arrays["beats"] + 1})
        assert "not the songs that the run was begun with" in refused(capsys, folder, name, generate.main, ())
    else:
        params = {n: np.zeros_like(a) for n, a in model.params.items()}
        vocabulary = [*model.vocabulary[:-1], "other"]
        save_checkpoint(folder / "model.npz", params, model.config, vocabulary, model.training)
    refused(capsys, folder, name)


def test_a_model_of_another_network_is_refused(folder, capsys):
    model = load_checkpoint(folder / "model.npz")
    save_checkpoint(folder / "model.npz", model.params, model.config, [*model.vocabulary[:-1], "C9:1"], model.training)
    assert "another network than last.npz" in refused(capsys, folder, "model.npz")


def test_distributions_of_another_network_are_refused(folder, capsys):
    arrays = read_arrays(folder / "distributions.npz")
    np.savez(folder / "distributions.npz", **{name: rows for name, rows in arrays.items() if name != "dense.W"})
    assert "another network" in refused(capsys, folder, "distributions.npz")


def test_a_training_state_that_cannot_be_is_refused(folder, capsys):
    params, config, vocabulary, whole = load_checkpoint(folder / "last.npz")
    changed = [{name: value for name, value in whole.items() if name != lost} for lost in whole if lost != "argv"]
    changed += [{**whole, "progress": {**whole["progress"], change: 10**9}} for change in ("batch", "more")]
    changed += [{**whole, "settings": other} for other in (None, 5, {**whole["settings"], "tokens": "note"})]
    for facts in changed:
        save_checkpoint(folder / "last.npz", params, config, vocabulary, facts)
        refused(capsys, folder, str(folder))


def test_tokens_that_cannot_be_are_refused(folder, capsys):
    params, config, vocabulary, whole = load_checkpoint(folder / "model.npz")
    for settings in ({**whole["settings"], "tokens": "note"}, {**whole["settings"], "context": "none"}, None, [], {}):
        save_checkpoint(folder / "model.npz", params, config, vocabulary, {**whole, "settings": settings})
        refused(capsys, folder, "model.npz", generate.main, ())


def test_a_run_goes_on_without_its_distributions(folder, capsys, no_pictures):
    (folder / "distributions.npz").write_bytes(b"PK")
    refused(capsys, folder, "distributions.npz")
    (folder / "distributions.npz").unlink()
    assert train.main(["--resume", "--out", str(folder)]) == 0


@pytest.mark.parametrize("replace", REPLACEMENTS[:5])
def test_what_stands_where_a_file_is_written_is_not_written_through(folder, capsys, no_pictures, replace):
    for name in (".last.npz.tmp", ".summary.json.tmp"):
        replace(folder / name)
    status = train.main(["--resume", "--out", str(folder)])
    printed = capsys.readouterr()
    if (folder / ".last.npz.tmp").is_dir():
        assert status == 1
        assert printed.err.count("\n") == 1
    else:
        assert status == 0
        assert not list(folder.glob(".*"))
    assert Path("/dev/zero").is_char_device()
