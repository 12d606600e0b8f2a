"""Is the line that was found the one that was changed?  What a failure prints does not show the line."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hunt import FOUND

import lstm_numpy
from lstm_numpy.gradcheck.bugs import BUGS, plant

HOME = Path(lstm_numpy.__file__).parent


def bare(line: str) -> str:
    """A line without its comment and its spaces: these do not matter."""
    return "".join(re.sub(r"#.*", "", line).split())


@pytest.mark.parametrize("number", FOUND)
def test_bug_is_found(number: int, tmp_path: Path) -> None:
    fault = what_is_wrong(number, *FOUND[number], tmp_path)
    if fault:
        pytest.fail(fault, pytrace=False)  # not an assert: pytest would show the values, and with them the answer


def what_is_wrong(number: int, file: str, line: str, folder: Path) -> str:
    """One line for the student; "" where the bug was found."""
    file = file.removeprefix("lstm_numpy/")
    if not file:
        return f"bug {number} is not found yet: python -m lstm_numpy.gradcheck --bug {number}"
    if not (HOME / file).is_file():
        return f"bug {number}: there is no file lstm_numpy/{file}"
    lines = (HOME / file).read_text(encoding="utf-8").splitlines()
    if not bare(line) or bare(line) not in map(bare, lines):
        return f"bug {number}: {line.strip()!r} is not a line of {file}"
    plant(BUGS[number - 1], folder)
    spoiled = (folder / "lstm_numpy" / file).read_text(encoding="utf-8").splitlines()
    changed = Counter(map(bare, lines)) - Counter(map(bare, spoiled))
    if not changed:
        return f"bug {number} is not in {file}"
    return "" if bare(line) in changed else f"{file} is the right file, but bug {number} is in another line"
