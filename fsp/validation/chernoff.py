"""Bounds on the tail of a mean of n samples that hold for every n: Chernoff's, from the exact law.

For independent samples with law P and a function g, ``P(mean of g >= x) <= exp(-n sup_s [s x - log E exp(s g)])``
(Chernoff 1952, Ann. Math. Statist. 23:493-507). The moment generating function is computed from the law itself. It is
enclosed for all laws within the solver's error bound, since g is bounded once counts are clipped to the kept states:
with ``p(S) - below <= P(S) <= p(S) + above`` for all S, ``E exp(s g) <= sum p exp(s g) + above max exp(s g)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsp.validation.pvalues import ONE, PValue

__all__ = ["MeanTest"]

_STEPS = 60


@dataclass(frozen=True)
class MeanTest:
    """Test of the mean of ``g(X)`` over n samples.

    Parameters
    ----------
    values : ndarray, shape (m,)
        g at the states.
    masses : ndarray, shape (m,)
        Their masses.
    below, above : float
        How much the law may lack and exceed of the masses of any set.
    least, largest : float
        The range of g over all clipped states.

    Examples
    --------
    >>> coin = MeanTest(np.array([0.0, 1.0]), np.array([0.5, 0.5]), 0.0, 0.0, 0.0, 1.0)
    >>> coin.p_value(0.6, 1000).upper < 2.0 * math.exp(-2 * 1000 * 0.01)  # sharper than Hoeffding's inequality
    True
    """

    values: NDArray[np.float64]
    masses: NDArray[np.float64]
    below: float
    above: float
    least: float
    largest: float

    @property
    def total(self) -> float:
        """The sum of the masses."""
        return float(self.masses.sum())

    @property
    def mean(self) -> float:
        """The mean of g for the normalised masses."""
        return float(self.values @ self.masses) / self.total

    @property
    def variance(self) -> float:
        """The variance of g for the normalised masses."""
        return float(np.square(self.values - self.mean) @ self.masses) / self.total

    def p_value(self, x: float, n: int) -> PValue:
        """Return the two-sided p-value of a mean x of g over n samples.

        It is 1 within one standard error of the mean, where the bound would say so anyway or nearly so.
        """
        mean, variance = self.mean, self.variance
        if (x - mean) ** 2 * n <= variance:
            return ONE
        sign = 1.0 if x > mean else -1.0
        far = sign * ((self.largest if sign > 0 else self.least) - x)
        start = abs(x - mean) / variance if variance > 0.0 else 1.0
        upper, s = _log_infimum(sign * (self.values - x), self.masses, self.above, far, start)
        lower = upper
        if self.above > 0.0 or self.below > 0.0:
            lower = _log_lower(sign * (self.values - x), self.masses, self.below, far, s)
        # Rounding of n times a logarithm that is a sum of m terms.
        slack = n * 4e-16 * (len(self.values) + 16) + 1e-12
        return PValue(_power(lower, n, -slack), _power(upper, n, slack)).doubled()


def _power(log: float, n: int, slack: float) -> float:
    return 0.0 if log == -math.inf else math.exp(max(-745.0, min(0.0, n * log + slack)))


def _log_infimum(
    d: NDArray[np.float64], masses: NDArray[np.float64], above: float, far: float, start: float
) -> tuple[float, float]:
    """Return ``inf_{s>=0} log(sum masses exp(s d) + above exp(s far))`` and the s where it is taken.

    The logarithm is convex in s. Newton's method for its derivative, kept within a bracket.
    """
    top = max(far, float(d.max())) if above > 0.0 else float(d.max())
    if top <= 0.0:  # the mean is at the end of its range or beyond it: the infimum is a limit
        at_top = float(masses[d == 0.0].sum()) + (above if far == 0.0 else 0.0)
        return (math.log(at_top) if at_top > 0.0 else -math.inf), math.inf
    if above > 0.0:
        d, masses = np.append(d, far), np.append(masses, above)
    low, high, s = 0.0, math.inf, start
    best, best_s = math.log(float(masses.sum())), 0.0
    for _ in range(_STEPS):
        shift = s * top
        weights = masses * np.exp(np.maximum(s * d - shift, -700.0))
        total = float(weights.sum())
        value = math.log(total) + shift
        slope = float(weights @ d) / total
        curvature = float(weights @ np.square(d)) / total - slope**2
        if value < best:
            best, best_s = value, s
        if slope > 0.0:
            high = s
        else:
            low = s
        step = s - slope / curvature if curvature > 0.0 else math.inf
        if not low < step < high:
            step = 2.0 * s if math.isinf(high) else 0.5 * (low + high)
        if abs(step - s) <= 1e-9 * s or slope * slope <= 1e-16 * curvature:
            break
        s = step
    return best, best_s


def _log_lower(
    d: NDArray[np.float64], masses: NDArray[np.float64], below: float, far: float, s: float
) -> float:
    """Return the infimum for the smallest law of the enclosure."""
    value, at = _log_infimum(d, masses, 0.0, far, s if 0.0 < s < math.inf else 1.0)
    if below == 0.0 or value == -math.inf or math.isinf(at):
        return value if below == 0.0 else -math.inf
    left = math.exp(value) - below * math.exp(min(700.0, at * max(far, float(d.max()))))
    return math.log(left) if left > 0.0 else -math.inf
