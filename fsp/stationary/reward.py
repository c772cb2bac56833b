"""What is added up until a reference state is reached: time, or time weighted by powers of counts."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fsp.moments.polynomial import Polynomial
from fsp.stationary.lattice import UNIT

__all__ = ["Reward"]


@dataclass(frozen=True, eq=False)
class Reward:
    """``f(y) = 1 + sum_k weight_k y_k ** power``, and ``f = 1`` for the power 0.

    Attributes
    ----------
    power : int
    weights : ndarray of float, shape (n_axes,)
        Non-negative.
    """

    power: int
    weights: NDArray[np.float64]

    @classmethod
    def time(cls, n_axes: int) -> Reward:
        """Return ``f = 1``."""
        return cls(0, np.zeros(n_axes))

    @classmethod
    def counts(cls, power: int, scale: NDArray[np.float64]) -> Reward:
        """Return ``f = 1 + sum (y_k / scale_k) ** power``, the weights rounded to powers of two; a scale may be infinite."""
        weights = np.where(np.isfinite(scale), 2.0 ** np.round(-power * np.log2(np.maximum(scale, 1.0))), 0.0)
        return cls(power, weights)

    def values(self, states: NDArray[np.int64]) -> NDArray[np.longdouble]:
        """Return f at states, rounded up."""
        total = 1.0 + states.astype(np.longdouble) ** self.power @ self.weights.astype(np.longdouble)
        return np.asarray(total * (1.0 + (2 * len(self.weights) + 2 * self.power + 2) * UNIT))

    def polynomial(self) -> Polynomial:
        """Return f as an exact polynomial in the axes."""
        terms: Polynomial = {(): Fraction(1)}
        if self.power:
            terms.update({((k, self.power),): Fraction(float(w)) for k, w in enumerate(self.weights) if w})
        return terms
