"""What a flow out of a set costs: how errors of truncated laws are bounded, or estimated, and where sets grow."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fsp.stationary.certificate import (
    WeightedResidual,
    estimated_residual,
    return_times,
    weighted_residual,
)
from fsp.stationary.contraction import Contraction
from fsp.stationary.hitting import HittingBound, MakeSolver
from fsp.stationary.lattice import Lattice
from fsp.stationary.law import TruncatedLaw
from fsp.stationary.transport import TransportCost, cost_of_leaving, jump_costs, transport_cost

__all__ = ["ByDistance", "ByEstimate", "ByReturns", "Weighing"]

FloatArray = NDArray[np.float64]


class Weighing(Protocol):
    """How errors of laws are bounded.

    Attributes
    ----------
    bound : HittingBound, Contraction or None
        What is proven, if something is.
    costs : ndarray, shape (n_reactions,), or None
        What a unit of flow out of a set costs by the reaction, if it does not depend on the state.
    """

    bound: HittingBound | Contraction | None
    costs: FloatArray | None

    def prepared(self, law: TruncatedLaw) -> TruncatedLaw:
        """Return the law with what this needs of it."""
        ...

    def weigh(self, law: TruncatedLaw) -> WeightedResidual:
        """Return the weighted sums of the residual."""
        ...

    def worth(self, law: TruncatedLaw) -> FloatArray:
        """Return what a unit of flow out of, or into, each state costs."""
        ...


class ByReturns:
    """By a proven bound of the mean time to the reference state."""

    costs: FloatArray | None = None

    def __init__(self, bound: HittingBound) -> None:
        self.bound: HittingBound | Contraction | None = bound
        self._returns = bound

    def prepared(self, law: TruncatedLaw) -> TruncatedLaw:
        """Return the law."""
        return law

    def weigh(self, law: TruncatedLaw) -> WeightedResidual:
        """Return the sums weighted by the bound."""
        return weighted_residual(law, self._returns.values)

    def worth(self, law: TruncatedLaw) -> FloatArray:
        """Return the bound at the states."""
        return self._returns.values(law.space.reduced()).astype(float)


class ByDistance:
    """By a distance between copies of the chain that is proven to fall."""

    def __init__(self, lattice: Lattice, contraction: Contraction) -> None:
        self.bound: HittingBound | Contraction | None = contraction
        self._contraction = contraction
        self.costs: FloatArray | None = jump_costs(lattice, contraction)

    def prepared(self, law: TruncatedLaw) -> TruncatedLaw:
        """Return the law."""
        return law

    def weigh(self, law: TruncatedLaw) -> TransportCost:
        """Return the cost of the transport."""
        return transport_cost(law, self._contraction)

    def worth(self, law: TruncatedLaw) -> FloatArray:
        """Return the mean cost of a jump."""
        assert self.costs is not None
        return cost_of_leaving(law, self.costs)


class ByEstimate:
    """By the return times inside the truncated chain: no proof."""

    costs: FloatArray | None = None

    def __init__(self, make_solver: MakeSolver) -> None:
        self.bound: HittingBound | Contraction | None = None
        self._make_solver = make_solver

    def prepared(self, law: TruncatedLaw) -> TruncatedLaw:
        """Return the law with a solver."""
        return law.with_solver(self._make_solver)

    def weigh(self, law: TruncatedLaw) -> WeightedResidual:
        """Return the estimated sums."""
        return estimated_residual(law)

    def worth(self, law: TruncatedLaw) -> FloatArray:
        """Return the return times."""
        return return_times(law)
