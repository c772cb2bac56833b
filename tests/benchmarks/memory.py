"""Memory: peak resident size beyond the interpreter, in fresh processes."""

from __future__ import annotations

import argparse
import gc
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from common import HERE, Options, birth_death_lattice, process, repressilator, seconds, table, toggle_hill

__all__ = ["section", "status"]

#: Name, network, arguments of the solve; network and arguments of a small solve of the same kind that goes before it.
_FIXED: dict[str, Any] = {"times": [0.1], "tolerance": 1e-6, "bounds": {"U": 30, "V": 30}}
_FIXED_3: dict[str, Any] = {"times": [0.1], "tolerance": 1e-2, "bounds": {"X1": 30, "X2": 30, "X3": 30}}
_MOVING: dict[str, Any] = {"times": [1.0], "tolerance": 1e-6}
CASES: dict[str, tuple[str, Any, dict[str, Any], Any, dict[str, Any]]] = {
    "two fixed": (
        "toggle switch, 3163 x 3163 fixed by `bounds`", toggle_hill,
        {"times": [0.005], "tolerance": 1e-6, "bounds": {"U": 3162, "V": 3162}}, toggle_hill, _FIXED,
    ),
    "three fixed": (
        "repressilator, 216^3 fixed by `bounds`", repressilator,
        {"times": [0.05], "tolerance": 1e-2, "bounds": {"X1": 215, "X2": 215, "X3": 215}}, repressilator, _FIXED_3,
    ),
    "two moving": (
        "toggle switch with a = 20000, K = 4000, moving set", lambda: toggle_hill(20_000.0, 4000.0), _MOVING,
        toggle_hill, _MOVING,
    ),
    "three moving": (
        "repressilator with k = 4000, moving set", lambda: repressilator(4000.0), _MOVING, repressilator, _MOVING,
    ),
    "round moving": (
        "three independent birth-death species with mean 150, moving set", lambda: birth_death_lattice(3, 150.0, 150),
        _MOVING, lambda: birth_death_lattice(3, 20.0, 20), _MOVING,
    ),
    "huge": (
        "toggle switch, 10000 x 10000 fixed by `bounds`", toggle_hill,
        {"times": [0.002], "tolerance": 1e-6, "bounds": {"U": 9999, "V": 9999}}, toggle_hill, _FIXED,
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


def _load_kernels(network: Any, arguments: dict[str, Any]) -> None:
    """Make a small solve, and then again as if its set were large: large sets have kernels of their own."""
    import fsp

    fsp.solve_transient(network(), **arguments)
    modules = [m for name, m in sys.modules.items() if name.startswith("fsp.") and hasattr(m, "LARGE")]
    usual = [m.LARGE for m in modules]
    for module in modules:
        module.LARGE = 1
    fsp.solve_transient(network(), **arguments)
    for module, size in zip(modules, usual, strict=True):
        module.LARGE = size


def child(name: str) -> None:
    """Solve one case in this process and print what it took as JSON."""
    import fsp
    from fsp.generator.heap import LARGE, give_back

    if name == "warm-up":
        for *_, network, arguments in CASES.values():
            _load_kernels(network, arguments)
        fsp.solve_transient(
            toggle_hill(4500.0, 900.0), [1.0], tolerance=1e-6
        )  # large enough for kernels of large sets
        return
    _, network, arguments, *small = CASES[name]
    _load_kernels(*small)
    fsp.solve_transient(toggle_hill(), [2.0], tolerance=1e-6)  # which uses every method
    gc.collect()
    give_back(LARGE)  # what the small solves left free is not counted as the interpreter's
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
        "and compiled kernels, those of large sets included: after a small solve of the same kind, made twice, the second "
        "time as if its set were large, and after what these left free was returned to the system. Bytes for each state are "
        "what the peak adds to it. A run on a fixed set "
        "makes a few dozen to a few hundred products, which is enough to allocate all that it ever does.\n\n"
        + table(header, rows)
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=["warm-up", *CASES])
    child(parser.parse_args().case)
