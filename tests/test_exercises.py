"""Exercises: a right solution passes, what is not solved fails, and so does each mistake that is easily made."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lstm_numpy.gradcheck.bugs import BUGS

ROOT = Path(__file__).resolve().parents[1]
EXERCISES, SOLUTIONS = ROOT / "exercises", ROOT / "tests" / "solutions"
NAMES = ["hunt", "one_gate", "peephole", "own_tokens"]
MISTAKES = {
    "the gate is not on the way back": ("one_gate", "dh_after * f\n", "dh_after\n"),
    "nothing comes back through the gates": ("one_gate", "kept + dz[t] @ Wh.T", "kept"),
    "one step off": ("one_gate", "np.tensordot(h[:-1], dz", "np.tensordot(h[1:], dz"),
    "no peephole on the way back": ("peephole", " + dz_i * p[0] + dz_f * p[1]", ""),
    "the output gate looks at the cell before": ("peephole", "p[2] * c[t + 1]", "p[2] * c[t]"),
    "the cell after is not told by the output gate": ("peephole", " + dz_o * p[2]", ""),
    "silence is left out": (
        "own_tokens",
        'tokens.append(f"rest:{beats(note.start - now)}")\n        tokens.append(f"{note.pitch -',
        'pass\n        tokens.append(f"{note.pitch -',
    ),
    "tokens name pitches": ("own_tokens", "{note.pitch - home:+d}", "{note.pitch:+d}"),
}


def solved(name: str) -> str:
    """The student's file, with the functions of the solution in the place of those that are to be written."""
    if name == "hunt":
        return unsolved(name) + f"\nFOUND.update({found()!r})\n"
    solution = (SOLUTIONS / f"{name}.py").read_text(encoding="utf-8")
    return unsolved(name) + "\n\n" + solution[solution.index("\ndef ") :]


def unsolved(name: str) -> str:
    return (EXERCISES / f"{name}.py").read_text(encoding="utf-8")


def found() -> dict[int, tuple[str, str]]:
    """What a student would write into hunt.py: of each bug's file the line that the bug changes."""
    numbers = map(int, re.findall(r"^    ([0-9]+): \(\"\"", unsolved("hunt"), re.MULTILINE))
    lines = {}
    for number in numbers:
        bug = BUGS[number - 1]
        text = (ROOT / "lstm_numpy" / bug.file).read_text(encoding="utf-8")
        lines[number] = bug.file, next(line for line in text.splitlines() if bug.right.splitlines()[0] in line)
    return lines


def outcome(folder: Path, files: dict[str, str]) -> dict[str, set[str]]:
    """Run the exercises' tests on these files: for each file which outcomes its tests had."""
    for test in EXERCISES.glob("test_*.py"):
        if test.stem.removeprefix("test_") in files:
            shutil.copy(test, folder)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    settings = [
        "-q",
        "-rA",
        "--tb=no",
        "-p",
        "no:cacheprovider",
        "-c",
        str(ROOT / "pyproject.toml"),
        f"--rootdir={ROOT}",
    ]
    command = [sys.executable, "-m", "pytest", *settings, str(folder)]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    outcomes: dict[str, set[str]] = {name: set() for name in files}
    for word, name in re.findall(r"^(PASSED|FAILED|ERROR) \S*test_(\w+)\.py", printed, re.MULTILINE):
        outcomes[name].add(word)
    return outcomes


def test_right_solutions_pass(tmp_path: Path) -> None:
    assert outcome(tmp_path, {name: solved(name) for name in NAMES}) == {name: {"PASSED"} for name in NAMES}


def test_what_is_not_solved_fails(tmp_path: Path) -> None:
    for name, words in outcome(tmp_path, {name: unsolved(name) for name in NAMES}).items():
        assert "FAILED" in words, name
        assert "ERROR" not in words, name  # it is told what to do, and not that something broke


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_caught(mistake: str, tmp_path: Path) -> None:
    name, right, wrong = MISTAKES[mistake]
    text = solved(name)
    assert text.count(right) == 1
    assert "FAILED" in outcome(tmp_path, {name: text.replace(right, wrong)})[name]


def test_a_wrong_line_is_not_the_bug(tmp_path: Path) -> None:
    lines = found()
    (first, line), *others = lines.items()
    swapped = {first: others[0][1], **dict(others)}
    assert line != others[0][1]
    text = unsolved("hunt") + f"\nFOUND.update({swapped!r})\n"
    assert outcome(tmp_path, {"hunt": text}) == {"hunt": {"PASSED", "FAILED"}}
