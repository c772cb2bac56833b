"""Memory: peak resident size beyond the interpreter, in fresh processes."""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

from common import HERE, Options, birth_death_lattice, process, repressilator, seconds, table, toggle_hill

__all__ = ["section", "status"]

#: Name, network, arguments of the solve, and of the small solve that goes before it.
_TINY: dict[str, Any] = {"times": [0.01], "tolerance": 1e-3}
_SMALL: dict[str, Any] = {"times": [2.0], "tolerance": 1e-6}
CASES: dict[str, tuple[str, Any, dict[str, Any], dict[str, Any]]] = {
    "two fixed": (
        "toggle switch, 3163 x 3163 fixed by `bounds`", toggle_hill,
        {"times": [0.005], "tolerance": 1e-6, "bounds": {"U": 3162, "V": 3162}}, {"bounds": {"U": 30, "V": 30}},
    ),
    "three fixed": (
        "repressilator, 216^3 fixed by `bounds`", repressilator,
        {"times": [0.05], "tolerance": 1e-2, "bounds": {"X1": 215, "X2": 215, "X3": 215}},
        {"bounds": {"X1": 30, "X2": 30, "X3": 30}},
    ),
    "two moving": (
        "toggle switch with a = 20000, K = 4000, moving set", lambda: toggle_hill(20_000.0, 4000.0),
        {"times": [1.0], "tolerance": 1e-6}, {},
    ),
    "three moving": (
        "repressilator with k = 4000, moving set", lambda: repressilator(4000.0),
        {"times": [1.0], "tolerance": 1e-6}, {},
    ),
    "round moving": (
        "three independent birth-death species with mean 150, moving set", lambda: birth_death_lattice(3, 150.0, 150),
        {"times": [1.0], "tolerance": 1e-6}, {},
    ),
    "huge": (
        "toggle switch, 10000 x 10000 fixed by `bounds`", toggle_hill,
        {"times": [0.002], "tolerance": 1e-6, "bounds": {"U": 9999, "V": 9999}}, {"bounds": {"U": 30, "V": 30}},
    ),
}  # fmt: skip


def status(key: str) -> int:
    """Return a size of this process in bytes.

    Not ``ru_maxrss`` where it can be helped: that of a child starts at the size of the process that started it.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(key):
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def child(name: str) -> None:
    """Solve one case in this process and print what it took as JSON."""
    import fsp

    if name == "warm-up":
        for _, network, _, small in CASES.values():
            fsp.solve_transient(network(), **_TINY, **small)
        fsp.solve_transient(
            toggle_hill(4500.0, 900.0), [1.0], tolerance=1e-6
        )  # large enough for kernels of large sets
        return
    _, network, arguments, small = CASES[name]
    fsp.solve_transient(network(), **_TINY, **small)
    fsp.solve_transient(toggle_hill(), **_SMALL)  # which uses every method
    before = status("VmRSS")
    start = time.perf_counter()
    result = fsp.solve_transient(network(), **arguments)
    elapsed = time.perf_counter() - start
    peak = status("VmHWM")
    total = float(result[-1].probabilities.sum())
    print(json.dumps(dict(
        result.statistics, before=before, peak=peak, elapsed=elapsed, total=total, error_bound=result.error_bound
    )))  # fmt: skip


def section(options: Options) -> str:
    """Return the table of memory."""
    rows = []
    process([str(HERE / "memory.py"), "warm-up"])  # a process that compiles kernels would start out larger
    for name, (label, *_) in CASES.items():
        if options.quick and name in ("huge", "two moving", "three moving", "round moving"):
            continue
        _, printed = process([str(HERE / "memory.py"), name])
        found = json.loads(printed)
        beyond = found["peak"] - found["before"]
        rows.append((
            label, f"{found['states_peak']:,}", f"{found['products']:,}", seconds(found["elapsed"]),
            f"{found['before'] / 2**20:.0f} MiB", f"{found['peak'] / 2**20:,.0f} MiB",
            f"{beyond / found['states_peak']:.1f}", "40", f"{found['error_bound']:.2g}",
        ))  # fmt: skip
    header = (
        "Run", "States, peak", "Products", "Time", "Before", "Peak", "Bytes / state", "Goal: at most", "Error bound",
    )  # fmt: skip
    return (
        "Each run in a process of its own, whole calls. *Before* is the resident size of the interpreter with all libraries "
        "and compiled kernels, after small solves; bytes for each state are what the peak adds to it. A run on a fixed set "
        "makes a few dozen to a few hundred products, which is enough to allocate all that it ever does.\n\n"
        + table(header, rows)
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=["warm-up", *CASES])
    child(parser.parse_args().case)
