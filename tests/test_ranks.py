"""mpiexec, truly: ranks and threads are one idea, and what happens to one rank happens to the run."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import ranks_job
from conftest import SMALL
from test_train import assert_same_run, step_of

from lstm_numpy import Workspace

JOB, ROOT = Path(__file__).with_name("ranks_job.py"), Path(__file__).parents[1]
MPIEXEC = Path(sys.executable).with_name("mpiexec")
needs_mpi = pytest.mark.skipif(
    not (importlib.util.find_spec("mpi4py") and MPIEXEC.exists()), reason="pip install -r requirements-mpi.txt"
)


def job(ranks: int, *arguments: object, trap: str = "none -1 -1") -> subprocess.CompletedProcess[str]:
    """ranks_job.py by so many ranks; 0: without mpiexec."""
    start = [str(MPIEXEC), "-n", str(ranks)] if ranks else []
    command = [*start, sys.executable, str(JOB), *map(str, arguments)]
    environment = {**os.environ, "TRAP": trap, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


@needs_mpi
@pytest.mark.math
@pytest.mark.parametrize("size", [2, 3])
def test_the_gradients_of_all_ranks_are_those_of_one_process(size: int, tmp_path: Path) -> None:
    done = job(size, "gradients", tmp_path)
    assert done.returncode == 0, done.stderr
    whole = ranks_job.gradients(None)
    for name in ("parts1", "parts2", "allreduce"):
        for rank in range(size):
            with np.load(tmp_path / f"{name}-{rank}.npz") as found:
                assert found.keys() == whole.keys()
                for key, array in whole.items():
                    np.testing.assert_allclose(found[key], array, rtol=0, atol=1e-12, err_msg=f"{name} {key}")
    threads = ranks_job.gradients(Workspace(ranks_job.CONFIG, ranks_job.T, ranks_job.B, 2 * size))
    with np.load(tmp_path / "parts2-1.npz") as found:
        assert all(found[key].tobytes() == array.tobytes() for key, array in threads.items())
    with np.load(tmp_path / "mean of means-0.npz") as planted:  # found by each single gradient
        assert min(np.abs(planted[key] - array).max() for key, array in whole.items() if key[0] in "01") > 1e-6


@needs_mpi
def test_work_is_spread_and_comes_back_in_order_whatever_happens_to_it(tmp_path: Path) -> None:
    done = job(3, "spread", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def by_threads(music: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three threads, and the SHA-256 of its weights at the end of each epoch."""
    folder = tmp_path_factory.mktemp("threads")
    done = job(0, "train", folder, "--midi", music, *SMALL, "--threads", 3, "--out", folder / "run")
    assert done.returncode == 0, done.stderr
    return folder


def assert_same_weights(folder: Path, by_threads: Path) -> None:
    for epoch in (0, 1):
        wanted = (by_threads / f"weights-{epoch}-0").read_text()
        assert {path.read_text() for path in folder.glob(f"weights-{epoch}-*")} == {wanted}


@needs_mpi
def test_three_ranks_are_three_threads(music: Path, by_threads: Path, tmp_path: Path) -> None:
    done = job(3, "train", tmp_path, "--midi", music, *SMALL, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "3 threads of 3 processes, gradients added: ordered" in done.stdout
    assert done.stdout.count("first loss") == done.stdout.count("epoch   2") == 1
    assert len(list(tmp_path.glob("weights-1-*"))) == 3
    assert_same_weights(tmp_path, by_threads)
    assert_same_run(tmp_path / "run", by_threads / "run")


@needs_mpi
def test_a_killed_rank_ends_the_run_and_two_ranks_go_on_with_the_same_bits(
    music: Path, by_threads: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = job(3, "train", tmp_path, "--midi", music, *SMALL, "--out", run, trap="die 1 7")
    assert done.returncode != 0
    assert step_of(run) == 7
    for pid in tmp_path.glob("pid-*"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.name.removeprefix("pid-")), 0)
    done = job(2, "train", tmp_path, "--resume", "--out", run)  # three parts: one and two
    assert done.returncode == 0, done.stderr
    assert_same_weights(tmp_path, by_threads)
    assert_same_run(run, by_threads / "run")


@needs_mpi
@pytest.mark.parametrize(
    ("trap", "flags", "status", "line"),
    [
        ("none -1 -1", ["--hidden", "x"], 2, "train.py: error: argument --hidden: .*"),
        ("none -1 -1", ["--midi", "nowhere"], 2, "train.py: error: nowhere: is no folder of music, .*"),
        ("none -1 -1", ["--batch", "1"], 2, "train.py: error: 1 songs at a time cannot be shared by 2 processes; .*"),
        ("none -1 -1", ["--lr", "1e38"], 1, "train.py: error: step 1 gives NaN or infinity .* to go on: .*"),
        ("full 0 5", [], 1, "train.py: error: .*: File too large; .*to go on: python train.py --resume .*"),
        ("stop 0 5", [], 143, "stopped; to go on: .*"),
    ],
)
def test_all_ranks_end_with_one_line_and_the_status_of_one(
    music: Path, tmp_path: Path, trap: str, flags: list[str], status: int, line: str
) -> None:
    done = job(2, "train", tmp_path, "--midi", music, *SMALL, "--out", tmp_path / "run", *flags, trap=trap)
    assert re.fullmatch(line + "\\n", done.stderr), done.stderr
    assert done.returncode == status


def test_without_mpiexec_nothing_imports_mpi() -> None:
    script = "import sys, train; from experiment.crew import crew; crew(); sys.exit('mpi4py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0
