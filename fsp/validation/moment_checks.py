"""Means, standard deviations and covariances against the exact ones.

The DSMTS judges simulators by ``Z = sqrt(n) (mean - mu)/sigma`` and ``Y = sqrt(n/2) (S^2/sigma^2 - 1)`` (Evans, Gillespie
and Wilkinson 2008, Bioinformatics 24:285-286). Y has variance 1 in the limit only for normal laws: in general the
variance of ``S^2/sigma^2`` is ``(kappa - 1 + 2/(n - 1))/n`` with the fourth standardised moment kappa, and asymptotic
p-values use that. Proven p-values come from Chernoff's bound for the means of X and of ``(X - mu)^2``, with counts
clipped to the kept states (`fsp.validation.chernoff`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

from fsp.distribution import Distribution
from fsp.interval import Interval
from fsp.validation.chernoff import MeanTest
from fsp.validation.laws import Law
from fsp.validation.pvalues import PValue
from fsp.validation.samples import MomentRow, Table
from fsp.validation.statistic import Statistic

__all__ = ["CovarianceCheck", "MomentCheck", "Moments", "exact_moments"]


@dataclass(frozen=True)
class Moments:
    """Mean, standard deviation and fourth central moment, enclosed; infinite where nothing is proven."""

    mean: float
    deviation: float
    mean_bounds: Interval
    deviation_bounds: Interval
    fourth_bounds: Interval

    @property
    def kurtosis_bounds(self) -> tuple[float, float]:
        """The range of the fourth standardised moment."""
        low, high = self.deviation_bounds
        least = self.fourth_bounds.lower / high**4 if 0.0 < high < math.inf else 1.0
        most = self.fourth_bounds.upper / low**4 if low > 0.0 else math.inf
        return max(1.0, least), max(1.0, most)


def exact_moments(distribution: Distribution, law: Law) -> Moments:
    """Return what is proven about the moments of one species.

    What the tail adds to the fourth moment is what an enclosure of ``E[X^4]`` leaves over the kept states.
    """
    (name,) = law.names
    counts = law.states[:, 0].astype(np.float64)
    mean = float(distribution.mean(name))
    fourth = float(law.masses @ (counts - mean) ** 4)
    raw = float(law.masses @ counts**4)
    most = math.inf
    upper = distribution.moment_bounds(name, 4).upper if _has_moments(distribution) else math.inf
    if math.isfinite(upper):
        tail = max(0.0, upper - raw) + 1e-13 * raw
        most = fourth * (1.0 + 1e-12) + tail + law.above * mean**4
    # A lower end of the mass may be missing, but (x - mu)^4 >= 0.
    least = max(0.0, fourth * (1.0 - 1e-12) - law.below * float(np.max(np.abs(counts - mean))) ** 4)
    return Moments(
        mean,
        float(distribution.std(name)),
        distribution.mean_bounds(name),
        distribution.std_bounds(name),
        Interval(least, max(least, most)),
    )


def _has_moments(distribution: Distribution) -> bool:
    from fsp.summary import Summary

    return not isinstance(distribution, Summary)


@dataclass(frozen=True, eq=False)
class MomentCheck:
    """The mean (``kind="mean"``) or the standard deviation (``kind="sd"``) of one species."""

    kind: str
    law: Law
    moments: Moments

    @cached_property
    def _test(self) -> MeanTest:
        counts = self.law.states[:, 0].astype(np.float64)
        low, high = float(self.law.low[0]), float(self.law.high[0])
        masses, below, above = self.law.masses, self.law.below, self.law.above
        if self.kind == "mean":
            return MeanTest(counts, masses, below, above, low, high)
        centre = self.moments.mean
        squares = np.square(counts - centre)
        largest = max((low - centre) ** 2, (high - centre) ** 2)
        return MeanTest(squares, masses, below, above, 0.0, largest)

    def run(self, table: Table) -> Statistic:
        """Return Z or Y of samples; the proven p-value is that of clipped counts."""
        counts, weights, n = table.states[:, 0].astype(np.float64), table.weights, table.n
        mean = float(counts @ weights) / n
        variance = float(np.square(counts - mean) @ weights) / max(1, n - 1)
        clipped = self.law.clip(table.states)[:, 0].astype(np.float64)
        values = clipped if self.kind == "mean" else np.square(clipped - self.moments.mean)
        return self._statistic(table.time, n, mean, variance, float(values @ weights) / n)

    def of_row(self, row: MomentRow) -> Statistic:
        """Return Z or Y of a mean and a standard deviation.

        The proof then also needs that no sample lay outside the kept states, see `ValidationReport.false_alarm_rate`.
        """
        variance = math.nan if row.deviation is None else row.deviation**2
        value = row.mean
        if self.kind == "sd":
            value = variance * (row.n - 1) / row.n + (row.mean - self.moments.mean) ** 2
        return self._statistic(row.time, row.n, row.mean, variance, value)

    def _statistic(self, time: float, n: int, mean: float, variance: float, value: float) -> Statistic:
        m = self.moments
        p = self._test.p_value(value, n)
        seen, exact = (mean, m.mean) if self.kind == "mean" else (math.sqrt(variance), m.deviation)
        detail = f"{seen:.6g} in place of {exact:.6g}"
        score, asymptotic, note = self._z(mean, n) if self.kind == "mean" else self._y(variance, n)
        return Statistic(self.kind, time, self.law.names, n, score, p, asymptotic, detail + note)

    def _z(self, mean: float, n: int) -> tuple[float, PValue | None, str]:
        m = self.moments
        score = math.sqrt(n) * (mean - m.mean) / m.deviation if m.deviation > 0.0 else math.nan
        if not (m.mean_bounds.is_finite and m.deviation_bounds.is_finite):
            return score, None, "; no proven enclosure of the moments: no asymptotic p-value"
        if m.deviation_bounds.lower <= 0.0:
            return score, None, ""
        far = max(abs(mean - m.mean_bounds.lower), abs(mean - m.mean_bounds.upper))
        near = abs(mean - m.mean_bounds.clip(mean))
        root = math.sqrt(n)
        return (
            score,
            _normal(root * near / m.deviation_bounds.upper, root * far / m.deviation_bounds.lower),
            "",
        )

    def _y(self, variance: float, n: int) -> tuple[float, PValue | None, str]:
        m = self.moments
        if not m.deviation > 0.0:
            return math.nan, None, ""
        score = math.sqrt(n / 2.0) * (variance / m.deviation**2 - 1.0)
        least, most = m.kurtosis_bounds
        if not (math.isfinite(most) and m.deviation_bounds.is_finite and m.deviation_bounds.lower > 0.0):
            return score, None, "; no proven enclosure of the fourth moment: no asymptotic p-value"
        ratios = Interval(variance / m.deviation_bounds.upper**2, variance / m.deviation_bounds.lower**2)
        near = abs(ratios.clip(1.0) - 1.0)
        far = max(abs(ratios.lower - 1.0), abs(ratios.upper - 1.0))
        extra = 2.0 / max(1, n - 1)
        root = math.sqrt(n)
        return (
            score,
            _normal(root * near / math.sqrt(most - 1 + extra), root * far / math.sqrt(least - 1 + extra)),
            "",
        )


def _normal(near: float, far: float) -> PValue:
    """Return two-sided p-values of the standard normal law at distances between ``near`` and ``far``."""
    return PValue(2.0 * float(special.ndtr(-far)), 2.0 * float(special.ndtr(-near)))


@dataclass(frozen=True, eq=False)
class CovarianceCheck:
    """The mean of ``(X - mu_X) (Y - mu_Y)`` for two species."""

    law: Law
    centres: NDArray[np.float64]

    @cached_property
    def _test(self) -> MeanTest:
        corners = [
            (x - self.centres[0]) * (y - self.centres[1])
            for x in (self.law.low[0], self.law.high[0])
            for y in (self.law.low[1], self.law.high[1])
        ]
        values = self._products(self.law.states)
        return MeanTest(
            values, self.law.masses, self.law.below, self.law.above, float(min(corners)), float(max(corners))
        )

    def _products(self, states: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(np.prod(states - self.centres, axis=1))

    def run(self, table: Table) -> Statistic:
        """Return the standardised covariance of samples about the exact means."""
        n, test = table.n, self._test
        value = float(self._products(self.law.clip(table.states)) @ table.weights) / n
        score = (
            math.sqrt(n) * (value - test.mean) / math.sqrt(test.variance) if test.variance > 0 else math.nan
        )
        detail = f"{value:.6g} in place of {test.mean:.6g}"
        return Statistic(
            "covariance", table.time, self.law.names, n, score, test.p_value(value, n), None, detail
        )
