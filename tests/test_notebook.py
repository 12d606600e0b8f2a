"""The notebook runs from its first cell to its last, as in front of a class."""

from __future__ import annotations

from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "from-midi-to-a-gradient-and-back.ipynb"


@pytest.mark.filterwarnings("default")  # what Jupyter's own parts deprecate is not ours to keep
def test_every_cell_runs() -> None:
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install -r requirements-dev.txt")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "clear all outputs before committing the notebook"
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    )
    client.execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    pictures = [output for cell in code for output in cell.outputs if "image/png" in output.get("data", {})]
    printed = "".join(output.get("text", "") for cell in code for output in cell.outputs)
    assert len(pictures) == 4
    assert "60 of 60 tokens are those of the tune" in printed
