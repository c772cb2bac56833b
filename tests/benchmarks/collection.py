"""Public models of the size that people publish figures for, to their first output time."""

from __future__ import annotations

import time

from common import HERE, Options, interleaved, seconds, table
from product import yardstick

import fsp

__all__ = ["section"]

#: The models in Antimony, beside the checkout; each file says where it comes from.
FOLDER = HERE.parents[2] / "shared" / "benchmarks"

#: Model, time, tolerance, and what its file says that SSIT took at a tolerance of 1e-3, on another machine.
CASES = [
    ("toggle_hill", 1.0, 1e-6, ""),
    ("toggle_stiff", 30.0, 1e-6, "22,653 states, 10.8 s"),
    ("toggle2", 30.0, 1e-6, "19,279 states, 0.4 s"),
    ("michaelis_menten", 70.0, 1e-6, "2,447 states, 1.2 to 30 s"),
    ("goutsias", 100.0, 1e-6, "44,574 states, 0.7 s"),
    ("goutsias", 300.0, 1e-3, "485,031 states, 15.6 to 37 s"),
    ("schloegl", 1.0, 1e-6, ""),
    ("schloegl", 10.0, 1e-6, ""),
    ("repressilator", 10.0, 1e-6, ""),
]


def section(options: Options) -> str:
    """Return the table; each case is solved a few times, one thread."""
    if not FOLDER.is_dir():
        return "The models are not here: not measured."
    fsp.solve_transient(fsp.gallery.toggle_switch(), [0.5], tolerance=1e-6)  # load the kernels
    unit = interleaved({"unit": yardstick()}, 5, inner=5)["unit"].median
    rows = []
    for name, until, tolerance, published in CASES[:1] if options.quick else CASES:
        network = fsp.load_model(FOLDER / f"{name}.ant")
        samples = []
        for _ in range(options.repeats(3)):
            start = time.perf_counter()
            result = fsp.solve_transient(network, [until], tolerance=tolerance, threads=1)
            samples.append(time.perf_counter() - start)
        taken = sorted(samples)[len(samples) // 2]
        s = result.statistics
        rows.append((
            name, f"{until:g}", f"{tolerance:g}", seconds(taken), f"{taken / unit:,.0f}", f"{s['products']:,}",
            f"{s['states_peak']:,}", f"{result.error_bound:.2g}", published,
        ))  # fmt: skip
    header = (
        "Model",
        "t",
        "Tolerance",
        "Time",
        "Yardsticks",
        "Products",
        "States, peak",
        "Error bound",
        "SSIT at 1e-3",
    )
    return table(header, rows)
