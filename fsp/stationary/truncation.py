"""Which states to keep: the set grows where outflow costs, and loses states that do not matter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fsp.generator.growth import grow_outflow, reachable
from fsp.generator.select import make_generator
from fsp.stationary.law import TruncatedLaw
from fsp.stationary.lattice import Lattice
from fsp.statespace.constraints import Constraints
from fsp.statespace.fibres import FibreSet

__all__ = ["grow", "prune", "start_set"]

IntArray = NDArray[np.int64]
Weight = Callable[[IntArray], NDArray[np.longdouble]]


def start_set(lattice: Lattice, centre: IntArray, constraints: Constraints, reach: int = 8) -> FibreSet:
    """Return the states around one that few firings lead to."""
    space = FibreSet.from_reduced(lattice.coordinates, centre[None, :])
    return reachable(lattice.tables, space, constraints, 2 + 2 * lattice.n_axes, reach=reach)


def grow(
    lattice: Lattice, law: TruncatedLaw, weight: NDArray[np.float64], allowance: float, constraints: Constraints
) -> FibreSet:
    """Return a larger set: along the flows out of it, but for small ones that together cost less than ``allowance``."""
    generator = make_generator(lattice.tables, law.space, threads=1)
    low, high = law.space.box()
    reach = max(2, int(0.12 * float(np.median(high - low + 1))))
    score = np.ascontiguousarray(law.p.astype(float) * weight)
    return grow_outflow(generator, score, constraints, allowance, reach)


def prune(law: TruncatedLaw, weight: NDArray[np.float64], allowance: float) -> FibreSet | None:
    """Return the set without states that would cost at most ``allowance``, or None if hardly any can go.

    Without a state what flows into it, which is what flows out of it, is lost: probability times exit rate, by weight.
    """
    cost = law.p.astype(float) * law.chain.exit * weight
    order = np.argsort(cost)
    dropped = order[np.cumsum(cost[order]) <= allowance]
    keep = np.ones(law.space.n_states, np.bool_)
    keep[dropped] = False
    keep[law.reference] = True
    if keep.sum() > 0.97 * law.space.n_states:
        return None
    return law.space.where(keep)
