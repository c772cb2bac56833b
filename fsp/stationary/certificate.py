"""The bound of the error of a stationary law, from its residual and a bound of the mean return time.

For a probability vector p with ``r = p Q`` and f with values in [0, 1] let ``g(x)`` be the mean of the integral of
``f - pi(f)`` until the reference state is reached. Then ``Q g = -(f - pi(f))`` everywhere, so ``p(f) - pi(f) = -r . g``, and
``-pi(f) W <= g <= (1 - pi(f)) W``. With ``R+`` and ``R-`` the sums of the positive and the negative parts of r, weighted
by W, ``p(f) - pi(f) <= pi(f) R+ + (1 - pi(f)) R-``, and the same for 1 - f: the total variation is at most ``max(R+, R-)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsp.stationary.lattice import UNIT
from fsp.stationary.law import TruncatedLaw

__all__ = ["WeightedResidual", "estimated_residual", "return_times", "weighted_residual", "weighted_sum"]

LongArray = NDArray[np.longdouble]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class WeightedResidual:
    """Sums of the parts of a residual, weighted by a function, rounded up.

    Attributes
    ----------
    outside : float
        Of the outflow.
    above, below : float
        Of the positive and the negative entries inside, the reference left out.
    rounding : float
        Of the margins of the entries.
    """

    outside: float
    above: float
    below: float
    rounding: float

    @property
    def one_sided(self) -> float:
        """The larger of the sums of the positive and of the negative part."""
        return rounded_up(max(self.outside + self.above, self.below) + self.rounding)

    @property
    def residual(self) -> float:
        """What the residual inside adds to the part of the outflow."""
        return max(self.above, self.below - self.outside, 0.0)

    @property
    def total(self) -> float:
        """The sum over all entries."""
        return rounded_up(self.outside + self.above + self.below + self.rounding)


def rounded_up(x: float) -> float:
    """Return a little more than a sum."""
    # More than the rounding of a few operations, and than the mass of the vector may differ from one.
    return x * (1.0 + 2.0**-40)


def weighted_sum(values: LongArray, weights: LongArray) -> float:
    """Return the sum of the positive entries times their weights, rounded up."""
    chosen = values > 0
    total = np.sum(values[chosen] * weights[chosen])
    return rounded_up(float(total * (1 + np.longdouble((values.size + 4) * UNIT))))


def weighted_residual(law: TruncatedLaw, weight: Callable[[IntArray], LongArray]) -> WeightedResidual:
    """Return the sums for a weight function that is given at states (of the set and outside of it)."""
    r = law.residual
    inside = np.array(weight(law.space.reduced()))
    inside[law.reference] = 0.0
    beyond = weight(r.states) if len(r.states) else np.zeros(0, np.longdouble)
    return WeightedResidual(
        outside=weighted_sum(r.flow, beyond),
        above=weighted_sum(r.inside, inside),
        below=weighted_sum(-r.inside, inside),
        rounding=weighted_sum(r.margin, inside),
    )


def return_times(law: TruncatedLaw) -> NDArray[np.float64]:
    """Return the mean times to the reference in the truncated chain: estimates of those of the whole chain.

    Zero for a law without a solver.
    """
    times = np.zeros(law.space.n_states)
    if law.solver is not None:
        times[law.others] = law.solver.expectation(np.ones(law.space.n_states - 1))
    return times


def estimated_residual(law: TruncatedLaw) -> WeightedResidual:
    """Return the sums with the mean return times of the truncated chain as weights: an estimate, and no proof."""
    r = law.residual
    times = return_times(law)
    inside = r.inside.astype(float) * times
    return WeightedResidual(
        outside=2.0 * float(r.flow.astype(float) @ times[r.source]),
        above=float(inside[inside > 0].sum()),
        below=float(-inside[inside < 0].sum()),
        rounding=float(r.margin.astype(float) @ times),
    )
