"""The conditional law on a set, enclosed without a drift function: the hull of rows of an inverse.

The stationary law restricted to a finite set obeys ``pi_S (-A) = e``, where A is the generator within the set and e >= 0 the
flow that comes in from outside. So the law under the condition of being in the set is a mixture of the rows of
``(-A)^-1`` that belong to states which can be entered from outside, each divided by its sum (Courtois and Semal,
J. ACM 31:804-825, 1984). It takes one solve for each of these states, and says nothing of the mass outside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsp.statespace.fibres import FibreSet
from fsp.stationary.chain import FiniteChain
from fsp.stationary.gth import GTH
from fsp.stationary.lattice import Lattice

__all__ = ["ConditionalHull", "conditional_hull"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ConditionalHull:
    """Laws of which the conditional law is a mixture.

    Attributes
    ----------
    entries : ndarray of int64, shape (m,)
        Positions of the states that can be entered from outside.
    corners : ndarray, shape (m, n_states)
        Where the chain spends its time from each of them until it leaves the set; each sums to one.
    """

    entries: NDArray[np.int64]
    corners: FloatArray

    @property
    def lower(self) -> FloatArray:
        """Lower bounds of the conditional probabilities."""
        return np.asarray(self.corners.min(axis=0))

    @property
    def upper(self) -> FloatArray:
        """Upper bounds of the conditional probabilities."""
        return np.asarray(self.corners.max(axis=0))

    def distance_bound(self, p: FloatArray) -> float:
        """Return a bound of the 1-norm of the difference of the conditional law and ``p``: that of the farthest corner."""
        return float(np.abs(self.corners - np.asarray(p)).sum(axis=1).max())

    def distance(self, p: FloatArray) -> float:
        """Return the 1-norm distance of a vector from the hull, by a linear program; 0 if it is a mixture of the corners."""
        from scipy.optimize import linprog

        m, n = self.corners.shape
        # Weights of the corners, then the magnitudes of the differences.
        cost = np.concatenate([np.zeros(m), np.ones(n)])
        above = np.hstack([self.corners.T, -np.eye(n)])
        below = np.hstack([-self.corners.T, -np.eye(n)])
        answer = linprog(
            cost, A_ub=np.vstack([above, below]), b_ub=np.concatenate([p, -np.asarray(p)]),
            A_eq=np.concatenate([np.ones(m), np.zeros(n)])[None, :], b_eq=[1.0], method="highs",
        )  # fmt: skip
        return float(answer.fun)


def conditional_hull(lattice: Lattice, space: FibreSet) -> ConditionalHull:
    """Return the hull for a set, by elimination without subtractions: every entry is accurate.

    Parameters
    ----------
    lattice : Lattice
    space : FibreSet
        Left by the chain from every state of it.

    Examples
    --------
    >>> import fsp
    >>> from fsp.statespace import Coordinates, FibreSet
    >>> coordinates = Coordinates.of(network := fsp.gallery.immigration_death())
    >>> hull = conditional_hull(Lattice(network, coordinates), FibreSet.from_states(coordinates, [[0], [1], [2]]))
    >>> hull.entries.tolist(), len(hull.corners)
    ([2], 1)
    """
    states = space.reduced()
    entered = np.zeros(len(states), np.bool_)
    for r in lattice.reactions:
        sources = states - lattice.shifts[r]
        outside = (lattice.positions(space, sources) < 0) & ~lattice.outside_lattice(sources)
        candidates = np.flatnonzero(outside)
        if not candidates.size:
            continue
        rates = lattice.rates(sources[candidates])[:, r]
        entered[candidates[~(rates == 0.0)]] = True
    solver = GTH(FiniteChain.of(lattice.network, space, lattice.tables))
    entries = np.flatnonzero(entered)
    corners = np.zeros((entries.size, len(states)))
    for corner, entry in zip(corners, entries, strict=True):
        source = np.zeros(len(states))
        source[entry] = 1.0
        times = solver.occupation(source)
        corner[:] = times / times.sum()
    return ConditionalHull(entries, corners)
