"""Printing to nobody: nothing that is written can end the program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiment.command.console import LastingStream, one_line


def test_one_line_is_safe_to_print():
    assert one_line("a\x1b[31m\nb\u202ec\ud800é") == "a\\x1b[31m\\nb\\u202ec\\ud800é"


def test_a_stream_outlives_its_reader():
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "w", buffering=1)
    lasting = LastingStream(stream)
    print("heard", file=lasting)
    assert os.read(reader, 100) == b"heard\n"
    os.close(reader)
    for _ in range(3):
        print("lost", file=lasting)
        lasting.flush()
    stream.close()
    assert lasting.closed


PROGRAM = """
import sys
from pathlib import Path
from experiment.command.console import lasting_output
with lasting_output():
    for number in range(2000):
        print("●", number, file=sys.stdout if number % 2 else sys.stderr)
sys.exit(7)
"""


@pytest.mark.parametrize(
    "closing", ["| head -1; exit ${PIPESTATUS[0]}", ">&-", "2>&-", ">/dev/full 2>&1", ">/dev/null"]
)
def test_a_program_ends_as_it_meant_to(closing):
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -c '{PROGRAM}' {closing}"],
        capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert done.returncode == 7
    assert b"Error" not in done.stderr
    if "head" in closing:
        assert done.stdout == b"\\u25cf 1\n"
