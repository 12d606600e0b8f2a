"""The checker is proved by breaking what it checks: each planted bug must be found, and named."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numba
import pytest

from lstm_numpy.gradcheck import checks as gradient_checks
from lstm_numpy.gradcheck.bugs import BUGS, Bug, plant

# fmt: off
EXPECTED = {  # check: {number of the bug: the first line that is wrong}
    "1 layer": {
        1: "lstm1.dz[3] gate i", 2: "lstm1.dz[3] gate g", 3: "lstm1.dz[3] gate o", 4: "lstm1.dz[3] gate i",
        5: "lstm1.dz[3] gate i", 6: "lstm1.dz[3] gate f", 7: "lstm1.dz[3] gate i", 8: "lstm1.dz[2] gate i",
        9: "lstm1.dz[2] gate i", 10: "lstm1.dz[2] gate i", 11: "lstm1.dz[2] gate i", 12: "lstm1.dz[2] gate i",
        13: "lstm1.dz[2] gate i", 14: "lstm1.dz[3] gate f", 15: "lstm1.Wh", 16: "lstm1.b", 17: "lstm1.b",
        18: "lstm1.Wx", 19: "loss.dlogits", 20: "loss.dlogits", 23: "dense.b", 25: "lstm1.dz[3] gate i",
        26: "lstm1.b", 27: "lstm1.dc[0]",
    },
    "2 layers, dropout, 3 targets not scored": {
        21: "loss.dlogits", 22: "loss.dlogits", 24: "lstm2.input.dx", 29: "lstm2.dz[3] gate i",
        30: "lstm2.dz[3] gate i",
    },
    "one sequence in two windows": {28: "lstm2.h carried"},
    "masks m, s, r of any numbers": {31: "lstm1.dz[3] gate i", 33: "lstm1.dz[3] gate f"},
    "rnndrop, 2 layers": {32: "lstm2.dz[3] gate i"},
    "scalar input, 2 layers, variational dropout": {34: "lstm2.Wh", 35: "lstm2.dh[0]"},
    "3 sequences in 2 threads, 4 targets not scored": {36: "loss.dlogits", 37: "dense.b"},
    "clipping": {38: "lstm1.Wx clipped"},
    "RMSprop": {39: "average of lstm1.Wh", 40: "lstm1.Wh after 3 steps"},
    "features beside the token, 2 threads": {41: "lstm1.Wx3", 42: "lstm1.Wx3"},
}
# fmt: on


@contextmanager
def planted(bug: Bug, folder: Path) -> Iterator[ModuleType]:
    """The gradient_checks of a copy of the package with the bug in it, as plain Python: nothing is compiled."""
    plant(bug, folder)
    ours = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "lstm_numpy"}
    compiling, numba.config.DISABLE_JIT = numba.config.DISABLE_JIT, True
    sys.path.insert(0, str(folder))
    try:
        checks = importlib.import_module("lstm_numpy.gradcheck.checks")
        assert Path(checks.__file__ or "").is_relative_to(folder)
        yield checks
    finally:
        sys.path.remove(str(folder))
        numba.config.DISABLE_JIT = compiling
        for name in [name for name in sys.modules if name.split(".")[0] == "lstm_numpy"]:
            del sys.modules[name]
        sys.modules.update(ours)


@pytest.mark.math
@pytest.mark.pinned
@pytest.mark.parametrize(
    ("number", "title", "wanted"), [(n, title, name) for title, names in EXPECTED.items() for n, name in names.items()]
)
def test_the_checker_finds_the_bug_and_names_it(number: int, title: str, wanted: str, tmp_path: Path) -> None:
    with planted(BUGS[number - 1], tmp_path) as checks:
        first = next((line.name for line in checks.CHECKS[title]() if not line.right), None)
    assert first == wanted


@pytest.mark.math
def test_a_copy_without_a_bug_is_found_to_be_right(tmp_path: Path) -> None:
    with planted(Bug("optimizer.py", "import math\n", "import math\n\n", "nothing"), tmp_path) as checks:
        assert all(line.right for line in checks.CHECKS["1 layer"]())
    assert sys.modules["lstm_numpy.gradcheck.checks"] is gradient_checks


@pytest.mark.math
def test_there_are_many_and_they_differ() -> None:
    assert len(BUGS) >= 25
    assert sorted(n for names in EXPECTED.values() for n in names) == [*range(1, 1 + len(BUGS))]
    assert len({(bug.file, bug.right, bug.wrong) for bug in BUGS}) == len(BUGS)


def test_a_bug_is_not_planted_where_its_text_does_not_stand_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"kernels\.py has been changed"):
        plant(Bug("kernels.py", "no such line", "", ""), tmp_path)
