"""Start-up: the import, and the command on a small model with a warm and with an empty kernel cache."""

from __future__ import annotations

import tempfile

from common import HERE, Options, Timing, process, table

__all__ = ["section"]

_MODEL = str(HERE.parents[1] / "examples" / "enzyme.xml")


def section(options: Options) -> str:
    """Return the table of start-up times."""
    repeats = 2 if options.quick else 5
    bare, imported, used = [], [], []
    process(["-c", "import fsp"])
    for _ in range(repeats):
        bare.append(process(["-c", "pass"])[0])
        imported.append(process(["-c", "import fsp"])[0])
        used.append(process(["-c", "from fsp import *"])[0])
    command = ["-m", "fsp", "transient", _MODEL, "-t", "0:10:1", "--tolerance", "1e-6"]
    cold, warm = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as cache:
            environment = {"NUMBA_CACHE_DIR": cache}
            cold.append(process(command, environment)[0])
            warm.append(process(command, environment)[0])
    rows = [
        ("`python -c pass`", Timing(tuple(bare)), ""),
        ("`import fsp` in a fresh Python, the line above included", Timing(tuple(imported)), "0.8 s"),
        ("`from fsp import *`: with everything that loads on first use", Timing(tuple(used)), ""),
        ("`fsp transient` on a small SBML model, warm kernel cache", Timing(tuple(warm)), "2.5 s"),
        ("the same, empty kernel cache: everything is compiled", Timing(tuple(cold)), "30 s"),
    ]
    return f"Whole processes, medians of {repeats}.\n\n" + table(("What", "Time", "Goal: under"), rows)
