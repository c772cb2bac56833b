"""Whole distributions against the exact ones: likelihood ratio, chi-square, Kolmogorov-Smirnov, rare states.

Proven p-values hold for every number of samples:

- likelihood ratio: ``G/2 = n KL(seen || exact)`` has a moment generating function below that of a Gamma variable with
  shape ``cells - 1`` (Agrawal 2020, IEEE Trans. Inf. Theory 66:6297-6302), so Chernoff's bound for that variable;
- Kolmogorov-Smirnov: ``P(sup |F_n - F| >= d) <= 2 exp(-2 n d^2)`` for every law, discrete ones too (Massart 1990, Ann.
  Probab. 18:1269-1283); the exact null law for discrete laws, which is sharper, is Conover's (1972, J. Am. Statist. Ass.
  67:591-596);
- tails, rare states and states outside of the kept ones: the number of samples there is binomial.

The chi-square p-values of G and of Pearson's statistic are those of the limit of many samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

from fsp.interval import Interval
from fsp.pointset import ListedStates
from fsp.validation.cells import Cells
from fsp.validation.laws import Law
from fsp.validation.pvalues import PValue, gamma_tail
from fsp.validation.samples import Table
from fsp.validation.statistic import Statistic

__all__ = ["CellCheck", "DistanceCheck", "RegionCheck", "binomial_p", "region_checks", "tail_checks"]


@dataclass(frozen=True, eq=False)
class CellCheck:
    """The likelihood-ratio test (``kind="G"``) or Pearson's (``kind="chi2"``) over merged cells."""

    kind: str
    law: Law
    cells: Cells

    def run(self, table: Table) -> Statistic:
        """Return G or chi-square of samples."""
        n, shape = table.n, self.cells.n_cells - 1
        seen = self.cells.count(table.states, table.weights).astype(np.float64)
        low = np.maximum(self.cells.probabilities - self.law.below, 0.0)
        high = np.minimum(self.cells.probabilities + self.law.above, 1.0)
        detail = f"{shape + 1} cells, of which each expects at least {n * self.cells.probabilities.min():.3g} samples"
        if self.kind == "G":
            value = 2.0 * _divergence(seen, n, self.cells.probabilities / self.cells.probabilities.sum())
            near, far = (max(0.0, _divergence(seen, n, q)) for q in (high, low))
            p = PValue(gamma_tail(far, shape), gamma_tail(near, shape))
            limits = _chi_square(2.0 * near, 2.0 * far, shape)
            return Statistic("G", table.time, self.law.names, n, value, p, limits, detail)
        value, near, far = _pearson(seen, n, self.cells.probabilities, low, high)
        limits = _chi_square(near, far, shape)
        return Statistic("chi2", table.time, self.law.names, n, value, None, limits, detail)


def _divergence(seen: NDArray[np.float64], n: int, q: NDArray[np.float64]) -> float:
    """Return ``n KL(seen/n || q)``; for q too large in every cell a lower bound, too small an upper bound."""
    some = seen > 0
    if bool(np.any(q[some] <= 0.0)):
        return math.inf
    return float(np.sum(seen[some] * np.log(seen[some] / (n * q[some]))))


def _pearson(
    seen: NDArray[np.float64],
    n: int,
    q: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> tuple[float, float, float]:
    """Return Pearson's statistic, and its bounds over all laws; each term falls and rises about q = seen/n."""
    best = np.clip(seen / n, low, high)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = [
            np.where(x > 0, (seen - n * x) ** 2 / (n * x), np.where(seen > 0, np.inf, 0.0))
            for x in (q, best, low, high)
        ]
    return float(terms[0].sum()), float(terms[1].sum()), float(np.maximum(terms[2], terms[3]).sum())


def _chi_square(near: float, far: float, freedom: int) -> PValue:
    low = 0.0 if math.isinf(far) else float(special.chdtrc(freedom, far))
    return PValue(low, float(special.chdtrc(freedom, near)))


@dataclass(frozen=True, eq=False)
class DistanceCheck:
    """The Kolmogorov-Smirnov test of one species."""

    law: Law

    @cached_property
    def _cumulated(self) -> NDArray[np.float64]:
        return np.asarray(np.cumsum(self.law.masses))

    def run(self, table: Table) -> Statistic:
        """Return the largest distance of the distribution functions."""
        n, counts = table.n, self.law.states[:, 0]
        seen = table.states[:, 0]
        order = np.argsort(seen, kind="stable")
        cumulated = np.cumsum(table.weights[order]) / n
        # Both functions are constant between counts, so all counts of either are looked at.
        points = np.union1d(counts, seen)
        exact = np.append(0.0, self._cumulated)[np.searchsorted(counts, points, side="right")]
        found = np.append(0.0, cumulated)[np.searchsorted(seen[order], points, side="right")]
        d = float(np.max(np.abs(found - exact)))
        near, far = max(0.0, d - max(self.law.above, self.law.below)), d + max(self.law.above, self.law.below)
        p = PValue(*(min(1.0, 2.0 * math.exp(-2.0 * n * x * x)) for x in (far, near)))
        return Statistic(
            "KS", table.time, self.law.names, n, d, p, None, "largest distance of the distribution functions"
        )


def binomial_p(k: int, n: int, q: Interval) -> PValue:
    """Return the two-sided p-value of k of n samples in a region whose probability lies in an interval.

    Twice the smaller tail of the binomial law, which is exact up to the factor 2 (Clopper and Pearson 1934,
    Biometrika 26:404-413).

    Examples
    --------
    >>> binomial_p(3, 10, Interval(0.0, 1e-6)).upper < 1e-15
    True
    """
    most = min(_upper(k, n, q.upper), _lower(k, n, q.lower))
    least = min(_upper(k, n, q.lower), _lower(k, n, q.upper))
    return PValue(min(1.0, 2.0 * least), min(1.0, 2.0 * most))


def _upper(k: int, n: int, q: float) -> float:
    """Return P(Bin(n, q) >= k)."""
    return 1.0 if k == 0 else 0.0 if q <= 0.0 else float(special.betainc(k, n - k + 1, min(1.0, q)))


def _lower(k: int, n: int, q: float) -> float:
    """Return P(Bin(n, q) <= k)."""
    return 1.0 if k == n else float(special.betaincc(k + 1, n - k, max(0.0, q)))


@dataclass(frozen=True, eq=False)
class RegionCheck:
    """How many samples lie in a set of states: a tail, the rarest states, or all that are not kept.

    ``chosen`` marks the kept states that belong to it; ``beyond`` says on which sides states that are not kept do: below
    (-1) or above (+1) the range of one species, or anywhere (0). ``impossible`` counts states that conservation laws
    exclude.
    """

    kind: str
    law: Law
    chosen: NDArray[np.bool_]
    beyond: int
    laws: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None

    @cached_property
    def probability(self) -> Interval:
        """The probability of the region."""
        if self.kind == "outside":
            return Interval(0.0, min(1.0, self.law.missing))
        return self.law.enclose(float(self.law.masses[self.chosen].sum()))

    @cached_property
    def _edge(self) -> int:
        """The count where a tail begins."""
        counts = self.law.states[self.chosen, 0]
        return int(counts.min()) if self.beyond > 0 else int(counts.max())

    @cached_property
    def _kept(self) -> ListedStates:
        return ListedStates(self.law.states, self.law.names)

    def _inside(self, states: NDArray[np.int64]) -> NDArray[np.bool_]:
        if self.beyond:
            return np.asarray((states[:, 0] - self._edge) * self.beyond >= 0)
        position = self._kept.index(states)
        return np.asarray(np.where(position >= 0, self.chosen[np.maximum(position, 0)], True))

    def run(self, table: Table) -> Statistic:
        """Return the number of samples in the region."""
        n = table.n
        inside = self._inside(table.states)
        k = int(table.weights[inside].sum())
        p = binomial_p(k, n, self.probability)
        expected = n * self.probability.upper
        detail = f"{k} of {n} samples where {expected:.3g} are expected"
        if self.kind == "outside":
            detail = (
                f"{k} of {n} samples in states with probability at most {self.probability.upper:.1e} in all"
            )
            p = PValue(p.lower / 2.0, p.upper / 2.0) if k else p  # only too many are a sign of an error
            if k:
                state = table.states[inside][0].tolist()
                example = ", ".join(f"{s} = {c}" for s, c in zip(self.law.names, state, strict=True))
                detail += f", such as {example}"
            broken = self._impossible(table)
            if broken:
                p = PValue(0.0, 0.0)
                detail = f"{broken} of {n} samples break a conservation law" + (f"; {detail}" if k else "")
                k = max(k, broken)
        return Statistic(self.kind, table.time, self.law.names, n, float(k), p, None, detail)

    def _impossible(self, table: Table) -> int:
        if self.laws is None:
            return 0
        matrix, totals = self.laws
        return int(table.weights[np.any(table.states @ matrix.T != totals, axis=1)].sum())


def tail_checks(law: Law, n: int, expected: float) -> list[RegionCheck]:
    """Return the tests of the two tails of one species in which ``expected`` of n samples lie, or less."""
    found = []
    order = np.argsort(law.states[:, 0])
    for kind, side, ranks in (("low tail", -1, order), ("high tail", 1, order[::-1])):
        cumulated = np.cumsum(law.masses[ranks])
        in_tail = int(np.searchsorted(cumulated, min(0.1, expected / n), side="right"))
        if in_tail:
            chosen = np.zeros(len(law.states), dtype=np.bool_)
            chosen[ranks[:in_tail]] = True
            found.append(RegionCheck(kind, law, chosen, side))
    return found


def region_checks(law: Law, laws: tuple[NDArray[np.int64], NDArray[np.int64]] | None) -> list[RegionCheck]:
    """Return the tests of the rarest states, of 1 % probability in all, and of the states that are not kept."""
    order = np.argsort(law.masses, kind="stable")
    rare = int(np.searchsorted(np.cumsum(law.masses[order]), 0.01, side="right"))
    chosen = np.zeros(len(law.states), dtype=np.bool_)
    found = [RegionCheck("outside", law, chosen, 0, laws)]
    if rare and rare < len(order):
        which = chosen.copy()
        which[order[:rare]] = True
        found.append(RegionCheck("rare", law, which, 0))
    return found
