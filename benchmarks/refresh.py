"""Run the commands of README.md again, and put what they print in the place of what they printed before.

    python benchmarks/refresh.py                            # everything: about seven minutes
    python benchmarks/refresh.py generation start           # only commands that these words stand in
    python benchmarks/refresh.py --python torchenv/bin/python jaxenv/bin/python     # where PyTorch, JAX, Keras are

A command stands in a comment, `<!-- $ python benchmarks/step.py -->`, and its output between that and `<!-- . -->`.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

from contest import add_python_argument

README = Path(__file__).with_name("README.md")
TAKE_PEERS = ("step.py", "generation.py")
BLOCK = re.compile(r"<!-- \$ (?P<command>.*?) -->\n.*?<!-- \. -->", re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="default: all commands")
    add_python_argument(parser)
    args = parser.parse_args()

    def again(block: re.Match[str]) -> str:
        command = block["command"]
        if args.words and not any(word in command for word in args.words):
            return block[0]
        print(f"$ {command}", file=sys.stderr)
        words = shlex.split(command)
        words[0] = sys.executable
        if Path(words[1]).name in TAKE_PEERS:
            words += ["--python", *args.python]
        done = subprocess.run(words, cwd=README.parents[1], check=True, stdout=subprocess.PIPE, text=True)
        output = done.stdout.strip()
        if "\n| " not in output:  # a table speaks for itself, all else is shown as it was printed
            output = f"```\n{output}\n```"
        return f"<!-- $ {command} -->\n\n    {command}\n\n{output}\n\n<!-- . -->"

    README.write_text(BLOCK.sub(again, README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
