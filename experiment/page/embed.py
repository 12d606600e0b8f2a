"""Data inside an HTML page: arrays as text, JSON that no title can break out of, and the files of the template in one.

The page may load nothing and may run no script but its own: its content security policy names the script's digest.
"""

import base64
import hashlib
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from lstm_numpy.files import Array

TEMPLATE = Path(__file__).parent / "template"
SCRIPTS = ("data.js", "sound.js", "roll.js", "charts.js", "watch.js", "page.js")
ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}  # of no use outside of strings, so JSON stays JSON


def pack(array: Array) -> dict[str, Any]:
    """An array: the name of its type in JavaScript ("Uint8Array"), its shape, and its bytes deflated in base64."""
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    data = base64.b64encode(zlib.compress(little.tobytes(), 9)).decode("ascii")
    return {"type": f"{array.dtype.name.capitalize()}Array", "shape": list(array.shape), "data": data}


def to_json(data: Any) -> str:
    """JSON that may stand in a <script>: no text in it can end the element or begin another."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(ESCAPES)


def to_html(data: Any) -> str:
    """The whole page."""
    script = "\n".join((TEMPLATE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    script = f'"use strict";\n(() => {{\n{script}\n}})();\n'
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    style = (TEMPLATE / "page.css").read_text(encoding="utf-8")
    parts = {"SCRIPT": script, "STYLE": style, "DIGEST": digest, "DATA": to_json(data)}
    page = (TEMPLATE / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda name: parts[name[1]], page)
