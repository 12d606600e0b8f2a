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
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: str(1 + BUGS.index(bug)))
def test_the_checker_finds_the_bug_and_names_it(bug: Bug, tmp_path: Path) -> None:
    with planted(bug, tmp_path) as checks:
        first = next((line.name for line in checks.CHECKS[bug.case]() if not line.right), None)
    assert first == bug.first


@pytest.mark.math
def test_a_copy_without_a_bug_is_found_to_be_right(tmp_path: Path) -> None:
    with planted(Bug("optimizer.py", "import math\n", "import math\n\n", "nothing", "nothing"), tmp_path) as checks:
        assert all(line.right for line in checks.CHECKS["1 layer"]())
    assert sys.modules["lstm_numpy.gradcheck.checks"] is gradient_checks


@pytest.mark.math
def test_there_are_many_and_they_differ() -> None:
    assert len(BUGS) >= 25
    assert len({(bug.file, bug.right, bug.wrong) for bug in BUGS}) == len(BUGS)


def test_a_bug_is_not_planted_where_its_text_does_not_stand_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"kernels\.py has been changed"):
        plant(Bug("kernels.py", "no such line", "", "", ""), tmp_path)
