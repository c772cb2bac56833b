"""Networks whose copies meet: a distance between two states that falls on average, whatever the states.

Two copies of a chain fire the same reactions together as far as their rates agree. With the weighted distance
``rho(x, y) = sum_k w_k |x_k - y_k|`` let the mean rate of change of rho be at most ``-sum_k |x_k - y_k|`` at every pair of
states. Then the copies meet, after a mean time of at most ``rho(x, y)``, so that there is one stationary law at most, and
for a function f with values in [0, 1] the solution g of ``Q g = pi f - f`` obeys ``|g(x) - g(y)| <= rho(x, y)``. So the
total variation between a probability vector p and the law is at most the cost of moving the positive part of ``p Q`` onto
the negative one. (Contraction of Markov chains in a transport distance: Dobrushin 1970; Bubley and Dyer 1997; Ollivier
2009.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fsp.interval import Interval
from fsp.stationary.lattice import UNIT, Lattice
from fsp.stationary.rate_differences import rate_difference
from fsp.stationary.rate_ranges import RateRanges

__all__ = ["Contraction", "find_contraction"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
LongArray = NDArray[np.longdouble]

#: Most pairs of a reaction and a count; more would take the linear program long.
_MOST_PAIRS = 20_000


@dataclass(frozen=True, eq=False)
class Contraction:
    """A distance ``rho(x, y) = sum_k w_k |x_k - y_k|`` that falls by at least ``sum_k |x_k - y_k|`` per unit of time.

    Attributes
    ----------
    weights : ndarray of float, shape (n_axes,)
        The numbers w, in units of time: positive.
    """

    weights: FloatArray

    def length(self, steps: IntArray) -> LongArray:
        """Return the distances that vectors of differences stand for, rounded up."""
        total = np.abs(steps).astype(np.longdouble) @ self.weights.astype(np.longdouble)
        return np.asarray(total * np.longdouble(1.0 + 2 * (len(self.weights) + 2) * UNIT))

    def describe(self, names: list[str]) -> str:
        """Return the distance as a text."""
        return " + ".join(f"{w:.3g} |{name} - {name}'|" for w, name in zip(self.weights, names, strict=True))


@dataclass(frozen=True)
class _Term:
    """What a reaction does to a pair that differs by one on an axis: rates within ``rate``, times ``cost . w``."""

    rate: Interval
    cost: IntArray


def find_contraction(lattice: Lattice) -> Contraction | None:
    """Return a distance with the smallest sum of weights that is proven to fall, or None if none was found.

    None as well if a propensity is not shown to be nowhere negative.

    Notes
    -----
    Let x and y differ by d, and a reaction with jump v have the rates a(x) > a(y): x alone jumps with their difference,
    which changes rho by ``|d + v| - |d|``. Along a path of steps of one molecule from y to x the difference of the rates is
    a sum of differences D, and by the triangle inequality that change is at most ``|e + v| - |e|`` for each step e. As
    ``|d + v| + |d - v| >= 2 |d|``, steps with a negative D are covered by ``|e - v| - |e|``. So it suffices that for a step
    along each axis the sum over the reactions of ``D+ (|e + v| - |e|) + D- (|e - v| - |e|)`` is at most -1, for all values
    that D takes: a linear program in w, whose solution is verified in exact arithmetic.
    """
    if lattice.n_axes * len(lattice.reactions) > _MOST_PAIRS or not _is_downward_closed(lattice):
        return None
    ranges = RateRanges(lattice)
    if not all(ranges.is_rate(r) for r in lattice.reactions):
        return None
    terms = [_terms(ranges, axis) for axis in range(lattice.n_axes)]
    if any(found is None for found in terms):
        return None
    rows = [found for found in terms if found is not None]
    weights = _program(rows, lattice.n_axes)
    return None if weights is None else _verified(rows, weights)


def _is_downward_closed(lattice: Lattice) -> bool:
    """Say whether the smaller counts of two states make a state: then a path of single steps leads from one to the other."""
    c = lattice.coordinates
    for species, row in enumerate(c.matrix):
        if species not in c.axes and (row > 0).any() and (row < 0).any():
            return False
    return True


def _terms(ranges: RateRanges, axis: int) -> list[_Term] | None:
    """Return what the reactions do to pairs that differ by one on an axis; None if nothing can hold them."""
    lattice = ranges.lattice
    step = np.zeros(lattice.n_axes, np.int64)
    step[axis] = 1
    found = []
    for r in lattice.reactions:
        if axis not in ranges.reads(r):
            continue
        change = rate_difference(ranges, r, axis)
        shift = lattice.shifts[r]
        for sign, rate in (
            (1, Interval(max(change.lower, 0.0), max(change.upper, 0.0))),
            (-1, Interval(max(-change.upper, 0.0), max(-change.lower, 0.0))),
        ):
            cost = np.abs(step + sign * shift) - step
            if not rate.upper > 0.0 or not cost.any():
                continue
            if math.isinf(rate.upper) and (cost >= 0).all():
                return None
            found.append(_Term(rate, cost))
    return found


def _program(rows: list[list[_Term]], n: int) -> FloatArray | None:
    """Return the weights with the smallest sum, by a linear program with a variable for each term."""
    import scipy.sparse as sp
    from scipy.optimize import linprog

    entries: list[tuple[int, int, float]] = []
    limits: list[float] = []
    columns = n

    def add(row: dict[int, float], limit: float) -> None:
        entries.extend((len(limits), k, v) for k, v in row.items() if v)
        limits.append(limit)

    for terms in rows:
        total: dict[int, float] = {}
        for term in terms:
            ends = {term.rate.lower, term.rate.upper} - {math.inf}
            costs = {k: float(c) for k, c in enumerate(term.cost) if c}
            if math.isinf(term.rate.upper):
                add(costs, 0.0)
            for end in ends:
                add({**{k: end * c for k, c in costs.items()}, columns: -1.0}, 0.0)
            total[columns] = 1.0
            columns += 1
        add(total, -1.0)
    i, k, v = zip(*entries, strict=True) if entries else ((), (), ())
    matrix = sp.csr_array((v, (i, k)), shape=(len(limits), columns))
    cost = np.concatenate([np.ones(n), np.zeros(columns - n)])
    bounds = [(0.0, None)] * n + [(None, None)] * (columns - n)
    answer = linprog(cost, A_ub=matrix, b_ub=np.array(limits), bounds=bounds, method="highs")
    if not answer.success or not (answer.x[:n] > 0.0).all():
        return None
    return np.asarray(answer.x[:n] * (1.0 + 1e-9))


def _verified(rows: list[list[_Term]], weights: FloatArray) -> Contraction | None:
    """Return the distance, scaled so that it falls by one for each unit of difference; None if it does not fall."""
    exact = [Fraction(float(w)) for w in weights]
    falls = []
    for terms in rows:
        total = Fraction(0)
        for term in terms:
            cost = sum((int(c) * w for c, w in zip(term.cost, exact, strict=True)), Fraction(0))
            end = term.rate.upper if cost > 0 else term.rate.lower
            if math.isinf(end):
                return None
            total += Fraction(end) * cost
        falls.append(-total)
    slowest = min(falls)
    if slowest <= 0:
        return None
    return Contraction(np.array([float(w / slowest) for w in exact]) * (1.0 + 1e-12))
