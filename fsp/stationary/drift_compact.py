"""A linear drift function that falls outside of as few states as possible: for networks of many species.

With affine bounds of the propensities ``QV <= base - sum pull_k y_k``, so that V falls outside of a simplex with the edges
``base / pull_k``. In many dimensions its volume depends strongly on the weights: the smallest one is sought. Counts that are
bounded, like the states of genes, take part: what they do to V is taken at the corners of their range, and a weight of
their own evens out the difference between corners that follow each other fast.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from fsp.interval import Interval
from fsp.stationary.drift_function import DriftFunction
from fsp.stationary.drift_search import affine_bounds
from fsp.stationary.lattice import Lattice

__all__ = ["compact_candidate"]

FloatArray = NDArray[np.float64]

#: Most corners of the range of the bounded counts, and steps of the optimisation.
_MOST_CORNERS, _STEPS = 64, 60


def compact_candidate(lattice: Lattice) -> DriftFunction | None:
    """Return a linear function whose simplex has the smallest volume that was found, or None if there is none.

    Only a candidate: where it falls is proven by `fsp.stationary.drift_region`. The logarithms of the pulls are added up,
    a concave function, and the base is at most one, which are linear constraints: maximised by the method of Frank and
    Wolfe (1956), a linear program in each step.
    """
    free = np.flatnonzero(~np.isfinite(lattice.largest))
    bounded = np.flatnonzero(np.isfinite(lattice.largest))
    if not free.size or 2.0**bounded.size > _MOST_CORNERS:
        return None
    corners = itertools.product(*({0.0, float(lattice.largest[k])} for k in bounded))
    program = _Program(lattice, free, bounded)
    for corner in corners:
        if not program.add(np.array(corner)):
            return None
    found = program.best()
    if found is None:
        return None
    # Few binary digits, so that the exact arithmetic of the proof stays short.
    mantissa, exponent = np.frexp(found / found.max())
    return DriftFunction.linear(np.ldexp(np.round(mantissa * 512.0) / 512.0, exponent))


class _Program:
    """Linear constraints on slopes s, terms of reactions t and pulls: ``base <= 1`` and ``pull_k`` at every corner."""

    def __init__(self, lattice: Lattice, free: NDArray[np.int64], bounded: NDArray[np.int64]) -> None:
        self.lattice, self.free, self.bounded = lattice, free, bounded
        self.rows: list[dict[int, float]] = []
        self.limits: list[float] = []
        self.columns = lattice.n_axes + free.size

    def add(self, corner: FloatArray) -> bool:
        """Add a corner of the bounded counts; False if the propensities there have no affine bounds."""
        lattice, n = self.lattice, self.lattice.n_axes
        ranges = {int(k): Interval(x, x) for k, x in zip(self.bounded, corner, strict=True)}
        upper, lower = affine_bounds(lattice, ranges)
        base: dict[int, float] = {n + i: 0.5 for i in range(self.free.size)}  # half a state beyond each end
        pulls: list[dict[int, float]] = [{n + i: 1.0} for i in range(self.free.size)]
        for high, low, r in zip(upper, lower, lattice.reactions, strict=True):
            shift = {k: float(v) for k, v in enumerate(lattice.shifts[r]) if v}
            rises, falls = any(v > 0 for v in shift.values()), any(v < 0 for v in shift.values())
            if rises and high is None:
                return False
            for target, j in [(base, -1), *zip(pulls, self.free, strict=True)]:
                bounds = {
                    float(b) for b in ((self._part(high, j, corner),) if rises and high is not None else ())
                }
                bounds |= {self._part(low, j, corner)} if falls else set()
                if len(bounds) == 1:
                    (factor,) = bounds
                    for k, v in shift.items():
                        target[k] = target.get(k, 0.0) + factor * v
                    continue
                for factor in bounds:  # whichever is the larger, as a variable of its own
                    self._row({**{k: factor * v for k, v in shift.items()}, self.columns: -1.0}, 0.0)
                target[self.columns] = 1.0
                self.columns += 1
        self._row(base, 1.0)
        for pull in pulls:
            self._row(pull, 0.0)
        return True

    def _part(self, bound: FloatArray, axis: int, corner: FloatArray) -> float:
        if axis >= 0:
            return float(bound[1 + axis])
        return float(bound[0] + bound[1 + self.bounded] @ corner)

    def _row(self, entries: dict[int, float], limit: float) -> None:
        self.rows.append(entries)
        self.limits.append(limit)

    def best(self) -> FloatArray | None:
        """Return the slopes, or None if no function pulls at every unbounded count."""
        n, m = self.lattice.n_axes, self.free.size
        even = self._solve(np.ones(m), even=True)
        if even is None or not (even[n : n + m] > 1e-12).all():
            return None
        here = even[: n + m]
        for _ in range(_STEPS):
            there = self._solve(1.0 / here[n:], even=False)
            if there is None:
                break
            steps = np.linspace(0.0, 1.0, 101)[1:-1]
            pulls = (1.0 - steps)[:, None] * here[n:] + steps[:, None] * there[n : n + m]
            with np.errstate(divide="ignore"):
                gains = np.log(np.maximum(pulls, 0.0)).sum(axis=1) - np.log(here[n:]).sum()
            if not gains.max() > 1e-4:
                break
            step = steps[int(np.argmax(gains))]
            here = (1.0 - step) * here + step * there[: n + m]
        slopes: FloatArray = here[:n]
        return slopes

    def _solve(self, weights: FloatArray, *, even: bool) -> FloatArray | None:
        """Maximise a weighted sum of the pulls, or the smallest of them."""
        import scipy.sparse as sp
        from scipy.optimize import linprog

        n, m = self.lattice.n_axes, self.free.size
        rows, limits, columns = list(self.rows), list(self.limits), self.columns
        cost = np.zeros(columns + 1)
        if even:
            rows += [{columns: 1.0, n + i: -1.0} for i in range(m)]
            limits += [0.0] * m
            cost[columns] = -1.0
        else:
            cost[n : n + m] = -weights / weights.max()
        index = [(i, k, v) for i, row in enumerate(rows) for k, v in row.items() if v]
        i, k, v = zip(*index, strict=True)
        matrix = sp.csr_array((v, (i, k)), shape=(len(rows), columns + 1))
        limits_of = [(0.0, None)] * (n + m) + [(None, None)] * (columns - n - m) + [(0.0, None)]
        answer = linprog(cost, A_ub=matrix, b_ub=np.array(limits), bounds=limits_of, method="highs")
        return np.asarray(answer.x) if answer.success else None
