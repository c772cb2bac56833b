"""Networks whose rates depend on time: seconds, yardsticks, states and ledger."""

from __future__ import annotations

import time
from typing import Any

from common import Options, interleaved, seconds, table
from product import yardstick

import fsp

__all__ = ["hog1p", "section", "transcription_growing_cell"]

#: What pacmensl (CVODE, one rank) took, in yardsticks.
PACMENSL = {("transcription_growing_cell", 300.0): "57,700", ("hog1p", 60.0): "4,050"}

HH = "((1 - exp(-6.9e-5*time))*exp(-7.1e-3*time))"


def hog1p() -> fsp.ReactionNetwork:
    """Return the osmotic shock response of pacmensl's ``examples/hog1p.cpp``; G is the state of the promoter."""
    hog = f"(9.3e9*({HH}/(1 + {HH}/6.4e-4))^3.1)"
    return fsp.ReactionNetwork(
        {"G": 0, "N1": 0, "N2": 0, "C1": 0, "C2": 0},
        [
            "0 -> G ; piecewise(1.29, G == 0, 0.0067, G == 1, 0.133, G == 2, 0)",
            f"G -> 0 ; piecewise(max(0, 3200 - 7710*{hog}), G == 1, 0.027, G == 2, 0.0381, G == 3, 0)",
            "0 -> N1 ; piecewise(0.005, G == 1, 0.45, G == 2, 0.025, G == 3, 0)",
            "0 -> N2 ; piecewise(0.0116, G == 1, 0.987, G == 2, 0.0538, G == 3, 0)",
            "N1 -> C1 @ 0.01",
            "N2 -> C2 @ 0.01",
            "C1 -> 0 @ 0.001",
            "C2 -> 0 @ 0.0049",
        ],
    )


def transcription_growing_cell() -> fsp.ReactionNetwork:
    """Return the transcription regulation in a growing cell of pacmensl's ``examples/transcr_reg_6d.cpp``."""
    volume = "(6.022140857e8*2^(time/2100))"
    return fsp.ReactionNetwork(
        {"M": 2, "D": 6, "RNA": 0, "Gene": 0, "GeneD": 2, "Gene2D": 0},
        [
            "RNA -> RNA + M @ 0.043",
            "M -> 0 @ 0.0007",
            "GeneD -> GeneD + RNA @ 0.078",
            "RNA -> 0 @ 0.0039",
            f"Gene + D -> GeneD ; 0.012e9/{volume}*Gene*D",
            "GeneD -> Gene + D @ 0.4791",
            f"GeneD + D -> Gene2D ; 0.00012e9/{volume}*GeneD*D",
            "Gene2D -> GeneD + D @ 8.765e-12",
            f"2 M -> D ; 0.05e9/{volume}*M*(M - 1)/2",
            "D -> 2 M @ 0.5",
        ],
    )


def section(options: Options) -> str:
    """Return the table of solves; each is made once, because it takes minutes."""
    cases: list[tuple[str, Any, float, float]] = [
        ("hog1p", hog1p(), 60.0, 1e-4),
        ("hog1p", hog1p(), 180.0, 1e-4),
        ("transcription_growing_cell", transcription_growing_cell(), 300.0, 1e-4),
    ]
    if options.full:
        cases.append(("transcription_growing_cell", transcription_growing_cell(), 300.0, 1e-6))
    if options.quick:
        cases = [(name, network, 0.1 * end, 1e-3) for name, network, end, _ in cases[::2]]
    rows = []
    for name, network, end, tolerance in cases:
        fsp.solve_transient(
            network, [1e-3], tolerance=tolerance
        )  # compiled kernels are read from their cache
        started = time.perf_counter()
        result = fsp.solve_transient(network, [end], tolerance=tolerance, threads=1)
        took = time.perf_counter() - started
        unit = interleaved({"unit": yardstick()}, 3, inner=5)["unit"].median
        s = result.statistics
        entries = ", ".join(f"{key} {value:.1e}" for key, value in result.ledger if value > 0.0)
        rows.append((
            f"{name}, t = {end:g}", f"{tolerance:g}", seconds(took), f"{took / unit:,.0f}", PACMENSL.get((name, end), ""),
            f"{s['products']:,}", f"{s['steps']:,}", f"{s['states_peak']:,}", f"{result.error_bound:.2g}", entries,
        ))  # fmt: skip
    header = (
        "Model", "Tolerance", "Time", "Yardsticks", "pacmensl", "Products", "Steps", "States, peak", "Error bound", "Ledger",
    )  # fmt: skip
    return table(header, rows)
