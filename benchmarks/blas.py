"""Which kernels OpenBLAS, the library behind NumPy's matrix products, uses: the wall is measured with its fastest.

lstm_numpy has products of its own.  To be called before NumPy is imported.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_AVX512 = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}


def prefer_avx512(cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
    """Let OpenBLAS use AVX-512 on AMD processors that have it.

    OpenBLAS takes AMD's newer cores for older ones and falls back to its AVX2 kernels; its AVX-512 kernels (named
    SkylakeX) measured 1.9 times as fast on a large product.  It reads OPENBLAS_CORETYPE once, when NumPy is first
    imported, so this does nothing if that has happened, or if the variable is set already.
    """
    if "numpy" in sys.modules or "OPENBLAS_CORETYPE" in os.environ:
        return
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return  # not Linux: leave it to OpenBLAS
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    if facts.get("vendor_id") == "AuthenticAMD" and set(facts.get("flags", "").split()) >= _AVX512:
        os.environ["OPENBLAS_CORETYPE"] = "SkylakeX"
