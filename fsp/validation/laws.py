"""Exact laws as the tests use them: states, masses, and by how much the truth may differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fsp.distribution import Distribution
from fsp.interval import Interval
from fsp.summary import Summary
from fsp.summation import RELATIVE

__all__ = ["Law"]


@dataclass(frozen=True, eq=False)
class Law:
    """The law of some species: ``p(S) - below <= P(S) <= p(S) + above`` for every set S of their counts.

    Attributes
    ----------
    names : tuple of str
    states : ndarray of int, shape (m, n_names)
    masses : ndarray of float, shape (m,)
    below, above : float
        Rounding of sums over the states included.
    missing : float
        Bound of the probability of all other states.
    """

    names: tuple[str, ...]
    states: NDArray[np.int64]
    masses: NDArray[np.float64]
    below: float
    above: float
    missing: float

    @classmethod
    def of(cls, distribution: Distribution, names: Sequence[str]) -> Law:
        """Return the law of some species of a distribution, without the states of mass zero."""
        wanted = tuple(names)
        if isinstance(distribution, Summary) and len(wanted) == 1 and wanted[0] in distribution.marginals:
            distribution = distribution.marginals[wanted[0]]
        law = distribution.marginal(wanted)
        masses = np.asarray(law.probabilities)
        states = law.states
        seen = masses > 0.0
        if not seen.all():
            states, masses = states[seen], masses[seen]
        # Sums of masses below are rounded; the law of a set is then off by a little more.
        rounding = RELATIVE + len(masses) * 2.0**-53 * 2.0
        below = 0.0 if law.lower_bound else law.error_bound
        return cls(wanted, states, masses, below + rounding, law.error_bound + rounding, law.error_bound)

    @cached_property
    def low(self) -> NDArray[np.int64]:
        """The smallest count of each species in the kept states."""
        return np.asarray(self.states.min(axis=0))

    @cached_property
    def high(self) -> NDArray[np.int64]:
        """The largest count of each species in the kept states."""
        return np.asarray(self.states.max(axis=0))

    @property
    def is_point(self) -> bool:
        """Whether one state carries all."""
        return len(self.states) == 1

    def clip(self, states: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return states with each count moved into the range of the kept states."""
        return np.clip(states, self.low, self.high)

    def enclose(self, mass: float) -> Interval:
        """Return the interval of P(S) from the computed mass of S."""
        upper = min(1.0, mass + self.above)
        return Interval(min(upper, max(0.0, mass - self.below)), upper)
