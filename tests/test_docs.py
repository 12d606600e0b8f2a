"""The documentation is true: examples print what they show, links lead somewhere, pictures come from the code."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from docs import draw, drawings, experiments, stopwatch
from lstm_numpy import ModelConfig, init_params, kernels, loss_and_gradients, lstm
from lstm_numpy.gradcheck.bugs import BUGS
from lstm_numpy.gradcheck.numeric import compare, numeric_gradient

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
COURSE = sorted((DOCS / "course").glob("[0-9]*.md"))
BESIDE = [DOCS / "course" / "answers.md", DOCS / "course" / "lesson.md"]
PAGES = [
    page
    for pattern in ("*.md", "docs/**/*.md", "exercises/*.md", "songs/*.md", "benchmarks/*.md")
    for page in sorted(ROOT.glob(pattern))
]
PICTURES = sorted((DOCS / "pictures").glob("*.*"))


@pytest.mark.parametrize("page", [*COURSE, *BESIDE, DOCS / "lstm.md"], ids=lambda page: page.stem)
def test_examples_print_what_they_show(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert result.attempted > 0
    assert result.failed == 0


def anchors(page: Path) -> set[str]:
    """The names by which a page's headings can be linked to."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        place, _, anchor = unquote(link).partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), f"{page.relative_to(ROOT)}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.relative_to(ROOT)}: {link}"


def test_the_course_can_be_read_from_the_first_chapter_to_the_last() -> None:
    contents = re.findall(r"\]\(([0-9][^)]+\.md)\)", (DOCS / "course" / "README.md").read_text(encoding="utf-8"))
    assert contents == [page.name for page in COURSE]
    for page, following in zip(COURSE, contents[1:], strict=False):
        text = page.read_text(encoding="utf-8")
        assert "**Try.**" in text, page.name
        assert "](answers.md#" in text.partition("**Try.**")[2], f"{page.name}: its question has no answer"
        assert f"]({following})" in text.partition("\nNext: ")[2], page.name
        assert text.startswith(f"# {int(page.name[:2])}. "), page.name
        code = text.partition("The code: ")[2].partition("\n\n")[0]
        files = [page.parent / link for link in re.findall(r"\]\(([^)]+\.py)\)", code)]
        there = "".join(file.read_text(encoding="utf-8") for file in files)
        for name in re.findall(r"`(\w+)`", code):
            assert f"def {name}(" in there, f"{page.name}: {name} is in none of the files that are named there"


def test_every_picture_is_shown_somewhere_and_small() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for picture in PICTURES:
        assert f"pictures/{picture.name})" in text, picture.name
        assert picture.stat().st_size < 150_000, picture.name


@pytest.mark.parametrize("name", drawings.DRAWINGS)
def test_drawings_are_those_of_the_script(name: str) -> None:
    """The sheet with the equations is made from docs/lstm.md, so it is old when an equation has changed."""
    committed = (DOCS / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
    assert drawings.DRAWINGS[name]().svg() == committed, "run python -m docs.drawings"


def test_the_sheet_has_every_numbered_equation() -> None:
    text = (DOCS / "lstm.md").read_text(encoding="utf-8")
    numbers = re.findall(r"(?<= )\(\d+\)$", text, re.MULTILINE)
    sheet = drawings.equations().svg()
    assert len(numbers) >= 22
    assert [number for number in numbers if f"{number}</text>" not in sheet] == []


def test_figures_in_the_chapters_are_those_of_the_command() -> None:
    """Words are the same; numbers agree to 3 %, because the last digits depend on the machine."""
    text = "".join(page.read_text(encoding="utf-8") for page in COURSE)
    shown = re.findall(r"^(?:truncation|gates|dropout|temperature).*: .*$", text, re.MULTILINE)
    computed = draw.figures()
    assert [re.sub(r"[\d.]+", "#", line) for line in shown] == [re.sub(r"[\d.]+", "#", line) for line in computed]
    for line, again in zip(shown, computed, strict=True):
        mine, its = (np.array(re.findall(r"\d+\.?\d*", row), float) for row in (line, again))
        np.testing.assert_allclose(mine, its, rtol=0.03, atol=0.011, err_msg=line)


def test_the_bug_of_chapter_6_is_a_missing_plus() -> None:
    number = re.search(r"gradcheck --bug (\d+)", (DOCS / "course" / "06-backward-through-time.md").read_text("utf-8"))
    assert number
    bug = BUGS[int(number[1]) - 1]
    assert "+ r[n, k] * d_rh[n, k]" in bug.right
    assert "d_rh" not in bug.wrong


def test_the_same_code_draws_the_same_picture(tmp_path: Path) -> None:
    for name in ("once.png", "again.png"):
        draw.save(draw.a_unit_that_remembers(), tmp_path / name)
    assert (tmp_path / "once.png").read_bytes() == (tmp_path / "again.png").read_bytes()


def test_every_picture_but_the_microscope_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, small in {"H": 8, "T": 50, "EPOCHS": 1, "LAGS": (2, 3), "SEEDS": 1, "UPDATES": 5}.items():
        monkeypatch.setattr(draw, name, small)
    monkeypatch.setattr(sys, "argv", ["draw", "--out", str(tmp_path)])
    draw.main()
    drawn = {picture.name for picture in tmp_path.glob("*.png")}
    assert drawn == {p.name for p in PICTURES if p.suffix == ".png" and not p.stem.startswith("microscope")}


# The experiments: what the chapters say of the pictures.


def test_a_network_without_gates_has_right_gradients() -> None:
    rng = np.random.default_rng(1)
    params = {name: array.astype(np.float64) for name, array in experiments.tanh_rnn_params(5, 3, rng).items()}
    params["rnn.b"] += rng.normal(0, 0.5, 3)
    ids, targets = rng.integers(0, 5, (2, 4, 2))
    targets[1, 0] = -1
    _, grads, state, _ = experiments.tanh_rnn(params, ids, targets)
    for name, parameter in params.items():
        numeric = numeric_gradient(lambda: experiments.tanh_rnn(params, ids, targets, state)[0], parameter)
        grads_here = experiments.tanh_rnn(params, ids, targets, state)[1]
        assert compare(name, grads_here[name], numeric).right
        assert grads[name].shape == parameter.shape


def test_in_one_window_nothing_is_truncated() -> None:
    rng = np.random.default_rng(1)
    params = init_params(ModelConfig(9, 4), rng, np.float64)
    ids, targets = rng.integers(0, 9, (2, 12, 3))
    whole = loss_and_gradients(params, ids, targets)[1]
    for k in (12, 20):
        cut = experiments.truncated_gradients(params, ids, targets, k)
        assert all(np.allclose(cut[name], whole[name]) for name in whole)
    short = experiments.truncated_gradients(params, ids, targets, 5)  # 5 + 5 + 2 steps
    assert np.allclose(short["dense.W"], whole["dense.W"])
    assert experiments.cosine(short["lstm1.Wh"], whole["lstm1.Wh"]) < 0.999


def test_the_stopwatch_leaves_the_package_as_it_was() -> None:
    before = dict(vars(kernels))
    clocks, seconds = stopwatch.measure(hidden_size=8, vocab_size=20, steps=2)
    assert vars(kernels) == before
    assert lstm.np is np
    assert 0 < sum(clocks.seconds.values()) <= seconds
    products = clocks.calls["numba: add_product"] + clocks.calls["numba: add_transposed_product"]
    assert products >= 2 * (2 * stopwatch.T + 4)
    assert "add_product" in stopwatch.table(clocks, seconds, 2)


@pytest.mark.parametrize("command", ["draw", "drawings", "microscope", "stopwatch"])
def test_help_is_there(command: str) -> None:
    told = subprocess.run(
        [sys.executable, "-m", f"docs.{command}", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.startswith(f"usage: python -m docs.{command}")
