"""Is the line that was found the one that was changed?"""

from __future__ import annotations

from pathlib import Path

import pytest
from hunt import FOUND

import lstm_numpy
from lstm_numpy.gradcheck.bugs import BUGS, plant

HOME = Path(lstm_numpy.__file__).parent


@pytest.mark.parametrize("number", FOUND)
def test_bug_is_found(number: int, tmp_path: Path) -> None:
    file, line = FOUND[number]
    assert file, f"bug {number} is still at large: python -m lstm_numpy.gradcheck --bug {number}"
    assert (HOME / file).is_file(), f"there is no lstm_numpy/{file}"
    lines = (HOME / file).read_text(encoding="utf-8").splitlines()
    assert line.strip() in {text.strip() for text in lines}, f"no line of {file} is {line.strip()!r}"

    plant(BUGS[number - 1], tmp_path)
    spoiled = (tmp_path / "lstm_numpy" / file).read_text(encoding="utf-8").splitlines()
    changed = {right.strip() for right, wrong in zip(lines, spoiled, strict=True) if right != wrong}
    assert changed, f"bug {number} is not in {file}"
    assert line.strip() in changed, f"{file} is the file; bug {number} is in another line of it"
