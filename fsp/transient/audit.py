"""Checks of the ledger, and the names of the boundaries that probability crossed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fsp.errors import SolverError, ToleranceError
from fsp.generator.fibre_generator import FibreGenerator
from fsp.ledger import Ledger
from fsp.statespace.constraints import Constraints

__all__ = ["check_balance", "check_tolerance", "leaks_by_boundary"]

FloatArray = NDArray[np.float64]

_ADVICE = {
    "leaked": "widen bounds=, or loosen the tolerance",
    "rounding": "loosen the tolerance, or shorten the time span: worst-case rounding grows with exit rate times time",
    "initial": "give an initial distribution with a smaller error bound",
}


def check_tolerance(ledger: Ledger, tolerance: float, time: float) -> None:
    """Raise `ToleranceError` if the ledger holds more than the tolerance, naming the largest entry and the remedy."""
    if ledger.total <= tolerance:
        return
    worst = max(ledger.entries, key=lambda name: ledger.entries[name])
    where = ""
    if worst == "leaked" and ledger.leaks:
        where = f" (by {max(ledger.leaks, key=lambda name: ledger.leaks[name])})"
    message = (
        f"the tolerance {tolerance:g} cannot be kept: at time {time:g} the error bound is {ledger.total:.3g}, of which "
        f"{worst} {ledger.entries[worst]:.3g}{where}; {_ADVICE.get(worst, 'loosen the tolerance')}"
    )
    raise ToleranceError(message)


def check_balance(initial_mass: float, p: FloatArray, ledger: Ledger, time: float) -> None:
    """Refuse to go on if probability is missing that nobody booked: the ledger is never filled from this sum."""
    unbooked = initial_mass - float(p.sum()) - ledger.total
    if unbooked > 1e-12:
        message = (
            f"internal error: {unbooked:.3g} of the probability is missing at time {time:g} and not booked in the ledger; "
            "please report this model"
        )
        raise SolverError(message)


def leaks_by_boundary(
    generator: FibreGenerator, residence: FloatArray, constraints: Constraints
) -> dict[str, float]:
    """Return what leaked, by reaction and by the constraint that its target violates.

    Parameters
    ----------
    generator : FibreGenerator
    residence : ndarray
        Expected time spent in each boundary state.
    constraints : Constraints
        A target that violates none of them was left out because little probability flows there.
    """
    flows = generator.segment_leaks(residence)
    if not flows.any():
        return {}
    names, where = generator.boundary_labels()
    crossed = np.zeros(flows.size, np.int64)  # 0: no constraint
    constraints_crossed = [""]
    if constraints:
        for name, outside in constraints.violations(generator.boundary_targets()):
            crossed[outside & (crossed == 0)] = len(constraints_crossed)
            constraints_crossed.append(f" across {name}")
    kinds = where * len(constraints_crossed) + crossed
    sums = np.bincount(kinds, flows, len(names) * len(constraints_crossed))
    leaks: dict[str, float] = {}
    for kind in np.flatnonzero(sums).tolist():
        place, constraint = divmod(kind, len(constraints_crossed))
        label = f"{names[place]}{constraints_crossed[constraint]}"
        leaks[label] = leaks.get(label, 0.0) + float(sums[kind])
    return leaks
