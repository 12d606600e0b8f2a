"""lstm_numpy in a notebook: one import, 16 lines, and a network that has learned a tune."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import lstm_numpy

ROOT = Path(__file__).parent.parent

SCRIPT = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)[0]


def run(script: str) -> str:
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_a_script_of_one_import_trains_a_network_that_writes_the_songs_back() -> None:
    ids = list(map(int, run(SCRIPT).strip("[]\n ").split()))
    assert ids in [[0, *range(2 + k, 12), *range(11, 2, -1), 1] for k in range(3)]


def test_tab_shows_the_public_names_and_each_is_there() -> None:
    assert dir(lstm_numpy) == sorted(lstm_numpy.__all__)
    assert all(hasattr(lstm_numpy, name) for name in dir(lstm_numpy))
    assert not hasattr(lstm_numpy, "no_such_name")


def test_the_import_changes_no_environment_variable_and_gives_the_same_bits_before_and_after_numpy() -> None:
    rest = (
        "before = dict(os.environ); import lstm_numpy as l;"
        "ids = numpy.random.default_rng(0).integers(0, 300, (20, 64));"
        "params = l.init_params(l.ModelConfig(300, 128), numpy.random.default_rng(0));"
        "print(l.loss_and_gradients(params, ids, ids)[1]['lstm1.Wh'].sum(dtype='f8').hex(), dict(os.environ) == before)"
    )
    first = run("import os, numpy; " + rest)
    assert first == run("import os, lstm_numpy, numpy; " + rest)
    assert first.split()[1] == "True"
