"""What docs/lstm.md says of the code beyond its examples, which pytest runs by itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_bugs import planted

from lstm_numpy.gradcheck.bugs import Bug

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "lstm.md").read_text("utf-8")


def test_every_equation_has_one_number_and_the_code_cites_it() -> None:
    numbers = [int(number) for number in re.findall(r" \((\d+)\)$", TEXT, re.MULTILINE)]
    assert sorted(numbers) == list(range(1, 25))
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "lstm_numpy").rglob("*.py") if path.name != "bugs.py")
    ranges = re.findall(r"\((\d+)\) to \((\d+)\)", code)
    cited = {int(number) for number in re.findall(r"\((\d+)\)", code)}
    cited |= {number for first, last in ranges for number in range(int(first), int(last) + 1)}
    assert cited >= set(numbers)


@pytest.mark.math
@pytest.mark.pinned
def test_the_change_that_it_suggests_shows_what_it_says(tmp_path: Path) -> None:
    change = Bug("kernels.py", "f * c_prev[n, k] + i * g", "f * c_prev[n, k] + i * g / 2", "")
    with planted(change, tmp_path) as checks:
        lines = list(checks.CHECKS["1 layer"]())
    wrong = [line for line in lines if not line.right]
    assert wrong[0].name == "lstm1.dz[3] gate i"
    assert wrong[0].by_hand == pytest.approx(2 * wrong[0].numeric)
    assert [line.name for line in wrong if "dz[3]" in line.name] == ["lstm1.dz[3] gate i", "lstm1.dz[3] gate g"]


def test_the_debugger_stops_where_the_gates_gradients_are_computed() -> None:
    (place,) = re.findall(r"\(Pdb\) b (\S+\.py):(\d+)", TEXT)
    line = (ROOT / place[0]).read_text(encoding="utf-8").splitlines()[int(place[1]) - 1]
    assert line.strip().startswith("dz[n, k] = ")
