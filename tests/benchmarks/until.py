"""Time-bounded until by `fsp.first_passage` and by the model checker Storm, on the same truncated chains.

Run as ``python tests/benchmarks/until.py``: a table of values, differences and seconds. Needs ``stormpy``.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from storm_settings import set_precision

import fsp

__all__ = ["CASES", "Case", "solve", "storm_until"]


class Case(NamedTuple):
    """A question: is the target reached by a time, without passing through what is to be avoided?"""

    name: str
    network: fsp.ReactionNetwork
    bounds: dict[str, int]
    target: str
    avoid: str | None
    time: float


CASES = [
    Case("toggle_switch", fsp.gallery.toggle_switch(), {"U": 140, "V": 140}, "U >= 60", "V >= 70", 8.0),
    Case("gene_expression", fsp.gallery.gene_expression(), {"M": 30, "P": 60}, "P >= 60", None, 20.0),
    Case("immigration_death", fsp.gallery.immigration_death(), {}, "X >= 20", None, 5.0),
    Case("schloegl", fsp.gallery.schloegl(), {"X": 600}, "X >= 400", None, 1.0),
    Case("sir", fsp.gallery.sir(), {}, "R >= 40", "I == 0", 60.0),
    Case("michaelis_menten", fsp.gallery.michaelis_menten(), {}, "P >= 30", None, 80.0),
    Case("telegraph", fsp.gallery.telegraph(), {}, "M >= 30", None, 5.0),
    Case("repressilator", fsp.gallery.repressilator(), {"X1": 60, "X2": 40, "X3": 12}, "X2 >= 40", None, 0.5),
]


def storm_until(case: Case, bounds: dict[str, int], precision: float | None = None) -> tuple[float, float]:
    """Return Storm's value of ``P=? [ !"avoid" U<=t "target" ]`` on the box, and the seconds that checking takes."""
    import stormpy
    from stormpy import environments

    labels = {"target": case.target} | ({"avoid": case.avoid} if case.avoid else {})
    before = '!"avoid"' if case.avoid else "true"
    with tempfile.TemporaryDirectory() as folder:
        chain = fsp.export_chain(
            case.network, Path(folder, "chain"), format="storm", bounds=bounds, labels=labels
        )
        model = stormpy.build_model_from_drn(str(chain.files[0]))
    set_precision(precision)
    formula = stormpy.parse_property(f'P=? [ {before} U<={case.time!r} "target" ]')
    begin = time.perf_counter()
    found = stormpy.model_checking(
        model, formula, only_initial_states=True, environment=environments.Environment()
    )
    seconds = time.perf_counter() - begin
    return float(found.get_value(model.initial_states[0])), seconds


def solve(case: Case, bounds: dict[str, int], tolerance: float = 1e-9) -> tuple[fsp.Interval, float]:
    """Return the interval on the same box, and the seconds."""
    begin = time.perf_counter()
    result = fsp.first_passage(
        case.network,
        case.target,
        [case.time],
        avoid=case.avoid,
        bounds=bounds or None,
        tolerance=tolerance,
        threads=1,
    )
    return result.cdf[0], time.perf_counter() - begin


def box_for_storm(case: Case) -> dict[str, int]:
    """Return a box of states for a chain that has to be finite: the target and what lies before it."""
    return case.bounds or {
        name: int(bound) if np.isfinite(bound) else 60
        for name, bound in zip(
            case.network.species_names, case.network.conservation_laws().upper_bounds, strict=True
        )
    }


def main() -> None:
    """Print the table."""
    print(
        f"{'model':<18} {'fsp at least':>18} {'width':>9} {'Storm':>18} {'difference':>10} {'fsp s':>7} {'Storm s':>8}"
    )
    for case in CASES:
        bounds = box_for_storm(case)
        for _ in range(2):  # the first run compiles
            interval, seconds = solve(case, case.bounds)
        value, checking = storm_until(case, bounds, 1e-10)
        off = value - interval.lower
        print(
            f"{case.name:<18} {interval.lower:>18.14f} {interval.width:>9.1e} {value:>18.14f} {off:>10.1e} "
            f"{seconds:>7.3f} {checking:>8.3f}"
        )


if __name__ == "__main__":
    main()
