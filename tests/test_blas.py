"""Which processors are told to use OpenBLAS's AVX-512 kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lstm_numpy.speed.blas import prefer_avx512

FLAGS = "fpu sse avx avx2 avx512f avx512dq avx512cd avx512bw avx512vl"


def cpuinfo(folder: Path, vendor: str = "AuthenticAMD", flags: str = FLAGS) -> Path:
    path = folder / "cpuinfo"
    path.write_text(
        f"processor\t: 0\nvendor_id\t: {vendor}\nmodel name\t: Some Processor\nflags\t\t: {flags}\n\n", "ascii"
    )
    return path


@pytest.fixture
def _before_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "numpy")
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)


@pytest.mark.usefixtures("_before_numpy")
def test_amd_with_avx512_uses_it(tmp_path: Path) -> None:
    prefer_avx512(cpuinfo(tmp_path))
    assert os.environ.pop("OPENBLAS_CORETYPE") == "SkylakeX"


@pytest.mark.usefixtures("_before_numpy")
@pytest.mark.parametrize(
    "facts", [{"vendor": "GenuineIntel"}, {"flags": "fpu sse avx avx2"}, {"flags": FLAGS.replace(" avx512vl", "")}]
)
def test_all_others_are_left_to_openblas(tmp_path: Path, facts: dict[str, str]) -> None:
    prefer_avx512(cpuinfo(tmp_path, **facts))
    assert "OPENBLAS_CORETYPE" not in os.environ


@pytest.mark.usefixtures("_before_numpy")
def test_a_machine_without_cpuinfo_is_left_alone(tmp_path: Path) -> None:
    prefer_avx512(tmp_path / "none")
    assert "OPENBLAS_CORETYPE" not in os.environ


@pytest.mark.usefixtures("_before_numpy")
def test_the_users_own_choice_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    prefer_avx512(cpuinfo(tmp_path))
    assert os.environ["OPENBLAS_CORETYPE"] == "Haswell"


def test_it_is_too_late_once_numpy_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    monkeypatch.setitem(sys.modules, "numpy", sys)
    prefer_avx512(cpuinfo(tmp_path))
    assert "OPENBLAS_CORETYPE" not in os.environ


def test_it_can_be_imported_without_numpy_so_that_it_comes_in_time() -> None:
    script = (
        "import sys, lstm_numpy.speed.blas\nassert 'numpy' not in sys.modules\n"
        "lstm_numpy.ModelConfig\nassert 'numpy' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parent.parent)
