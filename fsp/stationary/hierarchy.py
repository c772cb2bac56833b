"""A hierarchy of aggregated chains, and the cycle through it that approximates a solve."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsp.errors import SolverError
from fsp.stationary import aggregation as kernels
from fsp.stationary import elimination

__all__ = ["COARSEST", "Direct", "Hierarchy", "Level"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[Any]

#: A chain of at most so many states is solved directly.
COARSEST = 400

#: The second of two steps on a coarse level is left out if the first has brought the residual down to this.
ONE_STEP = 0.25


@dataclass
class Level:
    """A closed chain by flows (see `fsp.stationary.aggregation`), with a root that every state leads to."""

    indptr: IntArray
    indices: IntArray
    flow: FloatArray
    root: int

    @cached_property
    def diagonal(self) -> FloatArray:
        """All that leaves each state."""
        sums = np.add.reduceat(np.append(self.flow, 0.0), self.indptr[:-1])
        diagonal: FloatArray = sums * (np.diff(self.indptr) > 0)
        return diagonal

    @property
    def size(self) -> int:
        """States, with the root."""
        return int(self.indptr.size - 1)

    @property
    def csr(self) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
        """What the kernels take."""
        return self.indptr, self.indices, self.flow, self.diagonal

    def residual(self, b: FloatArray, x: FloatArray, transposed: bool) -> FloatArray:
        """Return ``b + A x``, or ``b + A' x``."""
        out = np.empty_like(x)
        (kernels.residual_rows if transposed else kernels.residual_columns)(*self.csr, b, x, out)
        return out

    def counted(self, residual: FloatArray, transposed: bool) -> FloatArray:
        """Take out, in place, the equation of the root for expectations, where the right-hand side is not known."""
        if transposed:
            residual[self.root] = 0.0
        return residual

    def relax(self, b: FloatArray, x: FloatArray, transposed: bool, backward: bool) -> FloatArray:
        """Make one sweep for ``-A x = b`` in place; return the residual."""
        if transposed:
            kernels.relax_rows(*self.csr, b, x, backward)
            return self.residual(b, x, True)
        residual = self.residual(b, x, False)
        kernels.relax_columns(*self.csr, residual, x, backward)
        return residual

    def merged(self, weight: FloatArray) -> tuple[Level, NDArray[np.int32]]:
        """Return the chain of pairs, weighted inside by ``weight``, and the pair of each state."""
        label = np.empty(self.size, np.int32)
        count = int(kernels.pair_states(self.indptr, self.indices, self.flow, self.root, label))
        indptr = np.empty(count + 1, self.indptr.dtype)
        indices = np.empty(self.indices.size, np.int32)
        flow = np.empty(self.indices.size)
        filled = kernels.coarsen(
            self.indptr, self.indices, self.flow, weight, label, count, indptr, indices, flow
        )
        return Level(indptr, indices[:filled].copy(), flow[:filled].copy(), int(label[self.root])), label

    def aggregated(self, weight: FloatArray) -> tuple[Level, NDArray[np.int32]]:
        """Return the chain of pairs of pairs, and the aggregate of each state."""
        once, label = self.merged(weight)
        twice, second = once.merged(np.ones(once.size))
        if twice.size > 0.8 * self.size:
            message = f"the states of this chain do not aggregate: {self.size:,} to {twice.size:,}; take another method"
            raise SolverError(message)
        return twice, second[label]


class Direct:
    """The coarsest chain, eliminated without subtractions; the solution is zero at the root."""

    def __init__(self, level: Level) -> None:
        n = level.size
        a = np.zeros(elimination.matrix_size(n, 0, n))
        rows = np.repeat(np.arange(n), np.diff(level.indptr))
        np.add.at(a, rows * n + level.indices, level.flow)
        out = np.zeros(n)
        a[level.root * n : (level.root + 1) * n] = 0.0  # who comes to the root has arrived
        out[level.root] = 1.0
        self.pivots = np.empty(n)
        self.whole, self.begin = np.full(n, n), np.zeros(n, np.int64)
        work = elimination.workspace(n, n)
        whole = self.whole
        if elimination.eliminate(a, 0, n, n, whole, whole, self.begin, out, self.pivots, n, work) < n:
            message = (
                "part of the chain does not lead back to the reference state, or to the outside (or only with a probability "
                "below 1e-308); take one closed class at a time"
            )
            raise SolverError(message)
        self.a = a
        self.root = level.root

    def solve(self, b: FloatArray, transposed: bool) -> FloatArray:
        """Return the solution of ``-A x = b`` or ``-A' x = b`` with ``x`` zero at the root, whose equation is left out."""
        n = self.pivots.size
        x = b.copy()
        x[self.root] = 0.0
        kernel = elimination.solve_rows if transposed else elimination.solve_columns
        kernel(self.a, 0, n, n, self.whole, self.begin, self.pivots, x)
        x[self.root] = 0.0
        return x


class Hierarchy:
    """Aggregated chains, from a fine one down to one that is solved directly, for fixed weights of the fine states.

    Aggregates are pairs of pairs; the cycle visits each coarse level twice and combines the two iterates so that the
    residual is smallest (the K-cycle of Notay 2010, Electron. Trans. Numer. Anal. 37, 123-146). Inside an aggregate a law is
    taken as proportional to the weights, an expectation as constant.

    Parameters
    ----------
    fine : Level
        By rates.
    weight : ndarray
        An approximation of the stationary law; positive.
    """

    def __init__(self, fine: Level, weight: FloatArray) -> None:
        self.weight = weight
        self.levels = [fine]
        self.labels: list[NDArray[np.int32]] = []
        while self.levels[-1].size > COARSEST:
            level = self.levels[-1]
            coarse, label = level.aggregated(weight if level is fine else np.ones(level.size))
            self.levels.append(coarse)
            self.labels.append(label)
        self.direct = Direct(self.levels[-1])

    @property
    def complexity(self) -> float:
        """Rates on all levels, relative to those on the finest."""
        return sum(level.flow.size for level in self.levels) / max(self.levels[0].flow.size, 1)

    def apply(self, b: FloatArray, transposed: bool, depth: int = 0) -> FloatArray:
        """Return an approximation of a solution of ``-A x = b`` or ``-A' x = b``: one cycle."""
        if depth == len(self.labels):
            return self.direct.solve(b, transposed)
        level, label = self.levels[depth], self.labels[depth]
        x = np.zeros(level.size)
        residual = level.relax(b, x, transposed, False)
        if depth == 0 and transposed:
            residual *= self.weight
        sums = np.bincount(label, residual, minlength=self.levels[depth + 1].size)
        coarse: FloatArray = np.asarray(sums, np.float64)
        step = self._coarse_solve(coarse, transposed, depth + 1)[label]
        if depth == 0 and not transposed:
            step *= self.weight
        x += step
        if transposed:
            kernels.relax_rows(*level.csr, b, x, True)
        else:
            level.relax(b, x, False, True)
        return x

    def _coarse_solve(self, b: FloatArray, transposed: bool, depth: int) -> FloatArray:
        """One or two iterations that minimise the residual, each with a cycle as its direction."""
        first = self.apply(b, transposed, depth)
        if depth == len(self.labels):
            return first
        level = self.levels[depth]
        zero = np.zeros_like(b)
        start = level.counted(b.copy(), transposed)
        image = level.counted(level.residual(zero, first, transposed), transposed)
        square = float(image @ image)
        if not square > 0.0:
            return first
        factor = -float(image @ start) / square
        left = start + factor * image
        if float(left @ left) <= ONE_STEP**2 * float(start @ start):
            return factor * first
        residual = level.residual(b, factor * first, transposed)
        second = self.apply(residual, transposed, depth)
        image2 = level.counted(level.residual(zero, second, transposed), transposed)
        overlap = float(image @ image2) / square
        second -= overlap * first
        image2 -= overlap * image
        square2 = float(image2 @ image2)
        if square2 > 0.0:
            return factor * first - (float(image2 @ left) / square2) * second
        return factor * first
