"""Which states to keep: the set grows where outflow costs, and loses states that do not matter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fsp.generator.growth import grow_outflow, reachable
from fsp.generator.select import make_generator
from fsp.statespace.constraints import Constraints
from fsp.statespace.fibres import FibreSet
from fsp.stationary.lattice import Lattice
from fsp.stationary.law import TruncatedLaw

__all__ = ["grow", "needed", "start_set"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def start_set(lattice: Lattice, centre: IntArray, constraints: Constraints, enough: int = 200) -> FibreSet:
    """Return the states around one, or several, that few firings lead to."""
    space = FibreSet.from_reduced(lattice.coordinates, np.atleast_2d(centre))
    for _ in range(12):
        larger = reachable(lattice.tables, space, constraints, 1, reach=3)
        if larger.n_states == space.n_states or larger.n_states > 20 * enough:
            break
        space = larger
        if space.n_states >= enough:
            break
    return space


def grow(
    lattice: Lattice, space: FibreSet, score: FloatArray, allowance: float, constraints: Constraints
) -> FibreSet:
    """Return a larger set: along the flows out of it, but for small ones that together cost less than ``allowance``.

    Parameters
    ----------
    score : ndarray, shape (n_states,)
        Probability times what a unit of it costs outside.
    """
    generator = make_generator(lattice.tables, space, threads=1)
    low, high = space.box()
    reach = max(2, int(0.12 * float(np.median(high - low + 1))))
    return grow_outflow(generator, np.ascontiguousarray(score), constraints, allowance, reach)


def needed(law: TruncatedLaw, weight: FloatArray, allowance: float) -> NDArray[np.bool_]:
    """Tell which states are needed: the others together cost at most ``allowance``.

    Without a state what flows into it, which is what flows out of it, is lost: probability times exit rate, by weight.
    """
    cost = law.p.astype(float) * law.exit * weight
    order = np.argsort(cost)
    keep = np.ones(law.space.n_states, np.bool_)
    keep[order[np.cumsum(cost[order]) <= allowance]] = False
    keep[law.reference] = True
    return keep
