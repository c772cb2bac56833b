"""The stationary law of a network of nine species, certified, and held against simulated states."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from typing import Any

import numpy as np
from common import HERE, Options, process, table, triple_repressor
from memory import status

import fsp

__all__ = ["checked", "section", "solved"]

#: Simulated trajectories, and the time at which they are looked at: copies of the chain differ by exp(-t / 20) by then.
TRAJECTORIES, TIME = 30_000, 150.0


def solved(tolerance: float) -> dict[str, Any]:
    """Return the law's figures, and how its marginals compare with simulated states."""
    network = triple_repressor()
    with contextlib.suppress(fsp.StateSpaceLimitError):  # loads the compiled kernels
        fsp.solve_stationary(network, tolerance=0.9, max_states=20_000)
    before, start = status("VmRSS"), time.process_time()
    result = fsp.solve_stationary(network, tolerance=tolerance, max_states=10_000_000)
    found: dict[str, Any] = {
        "seconds": time.process_time() - start, "memory": status("VmHWM") - before, "states": result.n_states,
        "bound": result.error_bound, "certified": result.certified, "tolerance": tolerance,
    }  # fmt: skip
    ensemble = fsp.simulate(network, [TIME], TRAJECTORIES, seed=1)
    counts = np.asarray(ensemble.counts)[:, 0, :]
    found["distance"] = max(
        _distance(counts[:, k], result.distribution.marginal(name).probabilities)
        for k, name in enumerate(network.species_names)
    )
    return found


def _distance(counts: Any, p: Any) -> float:
    """Return the total variation between a sample of one count and probabilities."""
    size = max(int(counts.max()) + 1, len(p))
    observed = np.bincount(counts.astype(int), minlength=size) / len(counts)
    return 0.5 * float(np.abs(observed - np.pad(p, (0, size - len(p)))).sum())


def checked(found: dict[str, Any]) -> dict[str, Any]:
    """Return the figures, if the law is proven and the simulation does not speak against it."""
    noise = 0.015  # total variation of a sample of this size, by its own
    good = (
        found["certified"] and found["bound"] <= found["tolerance"]
        and found["distance"] <= 0.5 * found["bound"] + noise
    )  # fmt: skip
    if not good:
        message = f"the law of triple_repressor fails its checks: {found}"
        raise AssertionError(message)
    return found


def section(options: Options) -> str:
    """Return the table."""
    rows = []
    for tolerance in (0.9,) if options.quick else (0.5, 0.1, 0.02):
        found = checked(json.loads(process([str(HERE / "many_species.py"), str(tolerance)])[1]))
        rows.append((
            f"{tolerance:g}", f"{found['states']:,}", f"{found['bound']:.2g}", f"{found['seconds']:,.0f}",
            f"{found['memory'] / 1e9:.1f} GB", f"{found['distance']:.4f}",
        ))  # fmt: skip
    header = (
        "tolerance", "states", "proven bound", "seconds", "memory", "largest distance of a marginal",
    )  # fmt: skip
    return table(header, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tolerance", type=float)
    print(json.dumps(solved(parser.parse_args().tolerance)))
