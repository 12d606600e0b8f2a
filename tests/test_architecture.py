"""The house is in order: imports point one way, files stay small, and equations and lines of code name each other.

Whoever adds a module says here where it stands.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 350  # lines: what can be read in one go

# Each module imports only modules that stand before it.  A folder's own name is its __init__.py.
ORDER = {
    "midi_io": """
        notes disk reader writer played
        tokens.words tokens.chord tokens.note tokens vocabulary .
        music music.instruments corpus.files corpus.workers corpus corpus.dataset
        music.meter music.statistics tokens.echo tokens.hearing tokens.context music.picture music.sound __main__
    """,
    "lstm_numpy": """
        speed . plain speed.buffers speed.compiled speed.loops kernels speed.products
        lstm layers parameters speed.machine speed.ranks speed.workspace dropout model optimizer
        gradcheck gradcheck.numeric gradcheck.checks gradcheck.bugs gradcheck.__main__
        batches baselines evaluation sampling
        files checkpoint
    """,
    "experiment": """
        . command command.console command.arguments
        command.flags folder command.outcome crew history state log
        songs tunes report plots describe
        listening page.embed page.learning page.reading page.units page run __main__
    """,
}
ALLOWED = {  # and nothing else; sys.stdlib_module_names is always there
    "midi_io": {"midi_io", "mido", "numpy", "numba", "tqdm", "matplotlib"},
    "lstm_numpy": {
        "lstm_numpy",
        "numpy",
        "numba",
        "llvmlite",
        "mpi4py",
    },  # llvmlite is the half of numba below Python
    "experiment": {"experiment", "lstm_numpy", "midi_io", "numpy", "matplotlib", "tqdm"},
}
HEAVY = {"numpy", "numba", "mido", "matplotlib", "tqdm", "mpi4py"}
SOURCES = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    if not name.startswith("tests/")
]


def modules(package: str) -> dict[str, ast.Module]:
    """The modules of a package by their names inside of it: "kernels", "speed.products"; "." is its __init__.py."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT / package).with_suffix("").parts
        found[".".join(parts).removesuffix("__init__").rstrip(".") or "."] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imported(tree: ast.AST, *, at_once: bool = False) -> Iterator[str]:
    """Full names of what is imported when the program runs; at_once: when the module is."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module
            assert node.level == 0
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        elif not (at_once and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            yield from imported(node, at_once=at_once)


@pytest.mark.parametrize("package", ORDER)
def test_every_module_has_its_place(package: str) -> None:
    assert sorted(ORDER[package].split()) == sorted(modules(package))


@pytest.mark.parametrize("package", ORDER)
def test_imports_point_one_way(package: str) -> None:
    order = ORDER[package].split()
    for name, tree in modules(package).items():
        for target in imported(tree):
            first, _, inner = target.partition(".")
            if first == package:
                while inner not in order:
                    inner = inner.rpartition(".")[0] or "."
                assert order.index(inner) < order.index(name), f"{package}: {name} imports {inner}, further down"


@pytest.mark.parametrize("package", ALLOWED)
def test_neither_wing_knows_the_other(package: str) -> None:
    for name, tree in modules(package).items():
        foreign = {target.partition(".")[0] for target in imported(tree)} - sys.stdlib_module_names
        assert foreign <= ALLOWED[package], f"{package}/{name}.py"


@pytest.mark.parametrize("package", ORDER)
def test_pictures_are_imported_where_they_are_drawn(package: str) -> None:
    for name, tree in modules(package).items():
        assert not any(target.startswith("matplotlib") for target in imported(tree, at_once=True)), name


@pytest.mark.parametrize("door", ["train.py", "generate.py"])
@pytest.mark.parametrize(("flag", "status"), [("--help", 0), ("--what", 2)])
def test_a_door_answers_before_anything_heavy_is_loaded(door: str, flag: str, status: int) -> None:
    command = [sys.executable, "-X", "importtime", door, flag]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == status
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in told.stderr.splitlines()}
    assert not loaded & HEAVY


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_can_be_read_in_one_go(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST
    assert ast.get_docstring(ast.parse(text)), "what is this file?"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_data_is_never_executed(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not calls & {"eval", "exec", "compile", "os.system"}
    assert not {target.partition(".")[0] for target in imported(tree)} & {"pickle", "marshal", "shelve", "dill"}
    assert "allow_pickle=True" not in ast.unparse(tree)


# Equations and lines of code.

NUMBER = re.compile(r"\(([1-9][0-9]?)\)")


def numbered() -> list[int]:
    """The equations of docs/lstm.md, in their order: numbers at the end of the lines of its blocks."""
    text = (ROOT / "docs" / "lstm.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    equations = "".join(block for language, block in blocks if not language)
    return [int(number) for number in re.findall(r" \(([0-9]+)\)$", equations, re.MULTILINE)]


def cited(path: Path) -> set[int]:
    """Numbers in the comments and docstrings of a file."""
    with tokenize.open(path) as file:
        texts = [
            token.string
            for token in tokenize.generate_tokens(file.readline)
            if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and token.string.startswith('"""'))
        ]
    return {int(number) for text in texts for number in NUMBER.findall(text)}


def test_equations_are_numbered_without_gaps_or_twins() -> None:
    assert sorted(numbered()) == list(range(1, len(numbered()) + 1))
    assert len(numbered()) >= 22


def test_every_equation_has_its_line_of_code() -> None:
    lines = {number for path in (ROOT / "lstm_numpy").rglob("*.py") if path.name != "bugs.py" for number in cited(path)}
    assert lines == set(numbered())


def test_the_course_cites_equations_that_are_there() -> None:
    for page in [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "course").glob("*.md")]:
        prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        assert set(map(int, NUMBER.findall(prose))) <= set(numbered()), page.name
