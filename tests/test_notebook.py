"""The notebook is stored with its outputs, and a new run, as in front of a class, gives the same ones."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("nbclient", reason="nbclient is not installed: pip install -r requirements-dev.txt")

import nbformat

from docs.notebook import NOTEBOOK, run_notebook

if TYPE_CHECKING:
    from nbformat import NotebookNode

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def printed(notebook: NotebookNode) -> str:
    return "".join(output.get("text", "") for output in outputs(notebook))


def kinds(notebook: NotebookNode) -> list[tuple[str, ...]]:
    """What each output is: text, a picture, a player."""
    return [(output.output_type, *sorted(output.get("data", {}))) for output in outputs(notebook)]


@pytest.fixture(scope="module")
def stored() -> NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_stored_with_pictures_and_sound(stored: NotebookNode) -> None:
    found = Counter(kind for output in outputs(stored) for kind in output.get("data", {}))
    assert found["image/png"] == 7
    sounds = [output.data["text/html"] for output in outputs(stored) if "text/html" in output.get("data", {})]
    assert len(sounds) == 2
    assert all('src="data:audio/wav;base64,' in sound for sound in sounds)
    assert not any(output.output_type == "error" or output.get("name") == "stderr" for output in outputs(stored))
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "store it: python -m docs.notebook"


def test_nothing_of_a_machine_is_stored(stored: NotebookNode) -> None:
    assert NOTEBOOK.stat().st_size < 600_000
    assert not any(cell.metadata for cell in stored.cells)
    assert set(stored.metadata) == {"kernelspec", "language_info"}
    text = printed(stored) + "".join(cell.source for cell in stored.cells)
    for path in ("/home/", "/root/", "/tmp/", "/work/", "/usr/", "site-packages", "C:\\"):
        assert path not in text


@pytest.mark.filterwarnings("default")  # what Jupyter's own parts deprecate is not ours to keep
def test_a_new_run_gives_the_stored_outputs(stored: NotebookNode) -> None:
    new = run_notebook()
    assert kinds(new) == kinds(stored)
    assert NUMBER.sub("#", printed(new)) == NUMBER.sub("#", printed(stored)), "store it: python -m docs.notebook"
    theirs = [float(number) for number in NUMBER.findall(printed(stored))]
    ours = [float(number) for number in NUMBER.findall(printed(new))]
    assert ours == pytest.approx(theirs, rel=0.01, abs=0.002)  # other processors add in another order
