"""Runs the notebook and stores it with its outputs: python -m docs.notebook"""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parent / "from-midi-to-a-gradient-and-back.ipynb"


def run_notebook() -> nbformat.NotebookNode:
    """The notebook with the outputs of a new run.  No times and no versions are stored, so that a run changes little.

    Raises nbclient.exceptions.CellExecutionError where a cell fails.
    """
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    metadata = {"kernelspec": notebook.metadata.kernelspec, "language_info": {"name": "python"}}
    resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", record_timing=False, resources=resources).execute()
    notebook.metadata = nbformat.from_dict(metadata)
    return notebook


if __name__ == "__main__":
    nbformat.write(run_notebook(), NOTEBOOK)
