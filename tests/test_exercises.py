"""Exercises: a right solution passes, what is not solved fails, and so does each mistake that is easily made."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lstm_numpy.gradcheck.bugs import BUGS
from tests.solutions.parameter import EDITS

ROOT = Path(__file__).resolve().parents[1]
EXERCISES, SOLUTIONS = ROOT / "exercises", ROOT / "tests" / "solutions"
NAMES = ["hunt", "one_gate", "coupled_gate", "peephole", "gru", "own_tokens"]
MISTAKES = {  # of each exercise: what is right in the solution, and a mistake that is easily made there
    "one_gate": [
        ("dh_after * f\n", "dh_after\n"),  # the gate is not on the way back
        ("kept + dz[t] @ Wh.T", "kept"),  # nothing comes back through the gates
        ("np.tensordot(h[:-1], dz", "np.tensordot(h[1:], dz"),  # one step off
    ],
    "coupled_gate": [
        ("(1 - i) * c_before + i * g", "c_before + i * g"),  # everything is kept
        ("(g - c_before)", "g"),  # i writes, and does not forget
        ("dc * (1 - i)\n", "dc\n"),  # the gate is not on the way back
    ],
    "peephole": [
        (" + dz_i * p[0] + dz_f * p[1]", ""),  # no peephole on the way back
        ("p[2] * c[t + 1]", "p[2] * c[t]"),  # the output gate sees the cell before
        (" + dz_o * p[2]", ""),  # the output gate's peephole is not on the way back
    ],
    "gru": [
        ("(r[t] * h[t]) @ Wh[:, 2 * H :]", "r[t] * (h[t] @ Wh[:, 2 * H :])"),  # r stands behind the product
        (" + d_seen * r[t]", " + d_seen"),  # r is not on the way back
        ("np.tensordot(seen,", "np.tensordot(h[:-1],"),  # the candidate's weights saw r * h, not h
    ],
    "own_tokens": [
        ("{note.pitch - home:+d}", "{note.pitch:+d}"),  # tokens name pitches
        (
            'tokens.append(f"rest:{beats(note.start - now)}")\n        tokens.append(f"{note.pitch -',
            'pass\n        tokens.append(f"{note.pitch -',  # silence is left out
        ),
    ],
}


def solved(name: str) -> str:
    """The student's file and, behind it, the functions of the solution, which replace those that are to be written."""
    if name == "hunt":
        return unsolved(name) + f"\nFOUND.update({found()!r})\n"
    solution = (SOLUTIONS / f"{name}.py").read_text(encoding="utf-8")
    lines = [line for line in solution.splitlines() if not line.startswith(("from __future__", f"from {name} import"))]
    return "\n".join([unsolved(name), *lines, ""])


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
    outcomes: dict[str, set[str]] = {name: set() for name in files}
    for word, name in re.findall(r"^(PASSED|FAILED|ERROR) \S*test_(\w+)\.py", printed(folder, files), re.MULTILINE):
        outcomes[name].add(word)
    return outcomes


def printed(folder: Path, files: dict[str, str], *options: str) -> str:
    """What pytest prints about these files."""
    for test in EXERCISES.glob("test_*.py"):
        if test.stem.removeprefix("test_") in files:
            shutil.copy(test, folder)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    settings = [
        "-q",
        "-rA",
        *(options or ["--tb=no"]),
        "-p",
        "no:cacheprovider",
        "-c",
        str(ROOT / "pyproject.toml"),
        f"--rootdir={ROOT}",
    ]
    return pytest_in(folder, *settings)


def pytest_in(folder: Path, *settings: str) -> str:
    command = [sys.executable, "-m", "pytest", *settings, str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def test_right_solutions_pass(tmp_path: Path) -> None:
    assert outcome(tmp_path, {name: solved(name) for name in NAMES}) == {name: {"PASSED"} for name in NAMES}


def test_what_is_not_solved_fails(tmp_path: Path) -> None:
    for name, words in outcome(tmp_path, {name: unsolved(name) for name in NAMES}).items():
        assert "FAILED" in words, name
        assert "ERROR" not in words, name  # it is told what to do, and not that something broke


@pytest.mark.parametrize("number", range(3))
def test_mistakes_are_caught(number: int, tmp_path: Path) -> None:
    files = {}
    for name, mistakes in MISTAKES.items():
        right, wrong = mistakes[number % len(mistakes)]
        text = solved(name)
        assert text.count(right) == 1, (name, right)
        files[name] = text.replace(right, wrong)
    for name, words in outcome(tmp_path, files).items():
        assert "FAILED" in words, (name, MISTAKES[name][number % len(MISTAKES[name])])


def test_the_hunt_does_not_print_the_answer(tmp_path: Path) -> None:
    """A wrong line of the right file, a line of no file, and nothing: all fail, and no output shows the right line."""
    lines = found()
    first, *others = lines
    wrong = {number: lines[first] for number in others if lines[number] != lines[first]}
    wrong |= {first: (lines[first][0], "no such line"), others[-1]: ("", "")}
    text = unsolved("hunt") + f"\nFOUND.update({wrong!r})\n"
    shown = printed(tmp_path, {"hunt": text}, "-vv", "--showlocals", "--tb=long")
    assert len(set(re.findall(r"^FAILED \S*\[(\d+)\]", shown, re.MULTILINE))) == len(lines)
    for number in set(lines) - {first}:
        assert lines[number][1].partition("#")[0].strip() not in shown, number


def test_the_hunt_takes_a_line_without_its_comment_and_spaces(tmp_path: Path) -> None:
    bare = {
        number: ("lstm_numpy/" + file, " ".join(line.partition("#")[0].split()))
        for number, (file, line) in found().items()
    }
    assert any("#" in line for _, line in found().values())
    text = unsolved("hunt") + f"\nFOUND.update({bare!r})\n"
    assert outcome(tmp_path, {"hunt": text}) == {"hunt": {"PASSED"}}


@pytest.mark.parametrize("left_out", [None, 7])  # 7: what comes back from the output gate
def test_a_parameter_in_the_library(left_out: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the library with the solution passes; a copy without one of its edits fails, and so does the library.

    If an edit finds no place, its lines have been rewritten: then rewrite tests/solutions/parameter.py, too.
    """
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")  # the networks are small, and the copy is not compiled yet
    shutil.copytree(ROOT / "lstm_numpy", tmp_path / "lstm_numpy", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(EXERCISES / "test_parameter.py", tmp_path)
    for number, (file, before, after) in enumerate(EDITS):
        path = tmp_path / "lstm_numpy" / file
        text = path.read_text(encoding="utf-8")
        assert text.count(before) == 1, f"edit {number} has no place in {file}"
        if number != left_out:
            path.write_text(text.replace(before, after), encoding="utf-8")
    shown = pytest_in(tmp_path, "-q", "-rA", "--tb=short", "-p", "no:cacheprovider", "-o", f"pythonpath={tmp_path}")
    passed, failed = shown.count("\nPASSED "), shown.count("\nFAILED ")
    assert passed + failed == 4, shown
    assert bool(failed) == (left_out is not None), shown


def test_the_library_has_no_peepholes_yet(tmp_path: Path) -> None:
    shutil.copy(EXERCISES / "test_parameter.py", tmp_path)
    shown = pytest_in(tmp_path, "-q", "-p", "no:cacheprovider", "-o", f"pythonpath={ROOT}")
    assert "the network has no parameter lstm1.p yet" in shown
