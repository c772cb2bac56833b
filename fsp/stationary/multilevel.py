"""Multilevel aggregation: for chains of millions of states, in any number of dimensions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fsp.errors import SolverError
from fsp.stationary import aggregation as kernels
from fsp.stationary.chain import FiniteChain
from fsp.stationary.hierarchy import COARSEST, Direct, Hierarchy, Level

__all__ = ["Multilevel"]

FloatArray = NDArray[np.float64]

#: Weights do not fall below this share of the largest.
FLOOR = 1e-280

#: A round of improvement of a law: so many multiplicative cycles, then so many corrections with the weights kept.
MULTIPLICATIVE, ADDITIVE = 3, 8

#: Rounds at most; if so many of them together leave more than this part of the residual, they are the last.
ROUNDS, PATIENCE, STALLED = 60, 3, 0.5

#: The relative residual at which a law is good enough as weights for expectations.
GOOD_WEIGHTS = 1e-4

#: Directions that are kept orthogonal for expectations, the most bytes that they may take, and restarts.
DIRECTIONS, DIRECTION_BYTES, RESTARTS = 30, 2e9, 30

#: Residuals are not asked to fall below this share of their terms.
ROUNDING = 4e-15

#: Share of the entries into the auxiliary chain for expectations that is spread over all states.
SPREAD = 1e-3


def closed_level(chain: FiniteChain, root: int, source: FloatArray | None = None) -> Level:
    """Return the chain in which all outflow goes to the root: a state, or one more, which leads on to the source."""
    rates = chain.outgoing
    n = chain.n_states
    start = np.zeros(0) if source is None else source
    most = rates.nnz + np.count_nonzero(chain.outflow) + np.count_nonzero(start)
    indptr = np.empty(max(n, root + 1) + 1, np.int32 if most < 2**31 else np.int64)
    indices = np.empty(most, np.int32)
    flow = np.empty(most)
    filled = kernels.close_rows(
        rates.indptr, rates.indices, rates.data, chain.outflow, root, start, indptr, indices, flow
    )
    return Level(indptr, indices[:filled], flow[:filled], root)


class Multilevel:
    """Aggregation of strongly connected states on several levels, as a preconditioner of a flexible Krylov method.

    First a law is improved by multiplicative cycles (Horton and Leutenegger 1994): Gauss-Seidel sweeps, then a chain of
    aggregates, weighted inside by the present law, is solved in the same way and scales them. With these weights, a
    hierarchy is kept and corrects the law, or expectations, until the residual is as small as wanted. The coarsest chain is
    eliminated without subtractions. All problems are put as one on a closed chain, whose outflow comes back by way of a
    root.

    References
    ----------
    G. Horton, S. T. Leutenegger, A multi-level solution algorithm for steady-state Markov chains, SIGMETRICS 1994, 191-200;
    H. De Sterck et al., Multilevel adaptive aggregation for Markov chains, SIAM J. Sci. Comput. 30 (2008) 2235-2262;
    Y. Notay, Aggregation-based algebraic multigrid for convection-diffusion equations, SIAM J. Sci. Comput. 34 (2012) A2288.
    """

    def __init__(self, chain: FiniteChain, tolerance: float = 1e-12) -> None:
        self.chain = chain
        self.tolerance = tolerance
        self.info = f"multilevel aggregation of {chain.n_states:,} states"
        self._for_expectations: Hierarchy | None = None
        self._wanted = max(1e-2 * tolerance, 2e-15)

    def stationary(self, reference: int) -> FloatArray:
        """Return the stationary law with all outflow led to the reference state."""
        return self._law(closed_level(self.chain, reference), reference, self._wanted)

    def occupation(self, source: FloatArray) -> FloatArray:
        """Return ``(-A)^-1 source``: the times of a chain that begins anew from the source whenever it has ended."""
        times = np.zeros(self.chain.n_states)
        for sign in (1.0, -1.0):
            part = np.maximum(sign * np.asarray(source, np.float64), 0.0)
            total = float(part.sum())
            if total > 0.0:
                level = closed_level(self.chain, self.chain.n_states, part / total)
                law = self._law(level, int(np.argmax(part)), self._wanted, 0.3 * self.tolerance)
                if not law[-1] > 0.0:
                    raise SolverError(self._never_left())
                times += sign * total / (law[-1] * level.diagonal[-1]) * law[:-1]
        return times

    def expectation(self, reward: FloatArray) -> FloatArray:
        """Return ``(-A)^-T reward``."""
        n = self.chain.n_states
        if self._for_expectations is None:
            # Where the auxiliary chain begins anew does not matter; a probable state, and a little everywhere.
            rates = self.chain.outgoing
            entry = np.full(n, SPREAD / n)
            entry[int(kernels.climb(rates.indptr, rates.indices, rates.data, n // 2))] += 1.0 - SPREAD
            level = closed_level(self.chain, n, entry)
            law = self._law(level, int(np.argmax(entry)), GOOD_WEIGHTS)
            self._for_expectations = Hierarchy(level, _floored(law))
        hierarchy = self._for_expectations
        b = np.append(np.asarray(reward, np.float64), 0.0)
        values = self._iterate(hierarchy, b, np.zeros(n + 1), hierarchy.weight, max(self.tolerance, 1e-14))
        values -= values[n]
        even = np.ones(n + 1)
        largest = float(np.abs(b).max())
        values = self._iterate(
            hierarchy, b, values, even, max(self.tolerance, 1e-14) * largest, absolute=True
        )
        values -= values[n]
        return values[:n]

    # -- laws ------------------------------------------------------------------------------------------------

    def _never_left(self) -> str:
        return (
            f"part of the {self.chain.n_states:,} states is never left (or with a probability that is lost in rounding), so "
            "times until the set is left are infinite; take one closed class at a time"
        )

    def _law(self, level: Level, start: int, wanted: float, of_root: float | None = None) -> FloatArray:
        """Return the stationary law of a closed chain with a relative residual as wanted, or as far as rounding allows.

        The residual is relative to the flow through all states, and with ``of_root`` to that through the root as well.
        """
        law = np.empty(level.size)
        top = int(kernels.climb(level.indptr, level.indices, level.flow, start))
        kernels.first_guess(*level.csr, top, law)
        law = _floored(law)
        zero, even = np.zeros(level.size), np.ones(level.size)
        residuals = [np.inf]
        while True:
            for _ in range(MULTIPLICATIVE):
                law = _floored(_multiplicative_cycle(level, law))
            hierarchy = Hierarchy(level, law)
            law = _positive(level, self._iterate(hierarchy, zero, law, even, wanted, most=ADDITIVE))
            residuals.append(_relative_residual(level, law))
            if of_root is not None:
                share = float(level.diagonal[level.root] * law[level.root] / (level.diagonal @ law))
                wanted = min(self._wanted, max(of_root * share, ROUNDING))
            stalled = len(residuals) > PATIENCE and residuals[-1] > STALLED * residuals[-1 - PATIENCE]
            if residuals[-1] <= wanted or stalled or len(residuals) > ROUNDS:
                break
        self.info = (
            f"multilevel aggregation of {self.chain.n_states:,} states on {len(hierarchy.levels)} levels "
            f"(complexity {hierarchy.complexity:.2f}), {len(residuals) - 1} rounds, relative residual {residuals[-1]:.1e}"
        )
        return np.where(law > FLOOR, law, 0.0)

    # -- iterations --------------------------------------------------------------------------------------------

    def _iterate(
        self,
        hierarchy: Hierarchy,
        b: FloatArray,
        x: FloatArray,
        norm: FloatArray,
        wanted: float,
        absolute: bool = False,
        most: int | None = None,
    ) -> FloatArray:
        """Improve ``x`` by generalised conjugate residuals, until these are small in a weighted norm.

        With ``b`` zero, for a law: until the residual relative to the flow through the states is. Otherwise, for an
        expectation: until the weighted 2-norm has fallen by ``wanted``, or with ``absolute`` its largest entry below it.
        """
        level, weight = hierarchy.levels[0], hierarchy.weight
        transposed = bool(b.any())
        zero = np.zeros_like(b)
        scale = level.counted(norm / norm.max(), transposed)
        room = most or max(8, min(DIRECTIONS, int(DIRECTION_BYTES / (16.0 * level.size))))
        first = None
        for _ in range(RESTARTS if most is None else 1):
            directions: list[FloatArray] = []
            images: list[FloatArray] = []
            residual = level.residual(b, x, transposed)
            begun = float(np.linalg.norm(scale * residual))
            first = begun if first is None else first
            if first == 0.0:
                return x  # or so small that its square vanishes
            for _ in range(room):
                if transposed:
                    residual[level.root] = 0.0
                    residual[level.root] = -float(weight @ residual) / weight[level.root]
                    size = (
                        float(np.abs(scale * residual).max())
                        if absolute
                        else float(np.linalg.norm(scale * residual)) / first
                    )
                else:
                    size = float(np.abs(residual).sum()) / float(level.diagonal @ np.abs(x))
                if not size > wanted:
                    return x
                step = hierarchy.apply(residual, transposed)
                if not transposed:
                    step -= float(step.sum()) / float(weight.sum()) * weight
                image = -level.residual(zero, step, transposed)
                scaled = scale * image
                for direction, other in zip(directions, images, strict=True):
                    overlap = float((scale * other) @ scaled)
                    image -= overlap * other
                    step -= overlap * direction
                    scaled -= overlap * (scale * other)
                with np.errstate(over="ignore", invalid="ignore"):
                    length = float(np.linalg.norm(scaled))
                if not length > 0.0 or not np.isfinite(length):
                    return x
                image /= length
                step /= length
                factor = float((scale * image) @ (scale * residual))
                x = x + factor * step
                residual = residual - factor * image
                directions.append(step)
                images.append(image)
            if float(np.linalg.norm(scale * residual)) > STALLED * begun:
                break
        return x


def _floored(law: FloatArray) -> FloatArray:
    """Return the law with sum one and no entry of zero or less."""
    largest = float(law.max())
    if not 0.0 < largest < np.inf:
        message = (
            f"the law of the chain could not be approximated (largest entry {largest}); take another method"
        )
        raise SolverError(message)
    law = np.maximum(law / largest, FLOOR)
    law /= law.sum()
    return law


def _relative_residual(level: Level, law: FloatArray) -> float:
    residual = level.residual(np.zeros_like(law), law, False)
    return float(np.abs(residual).sum()) / float(level.diagonal @ np.abs(law))


def _positive(level: Level, law: FloatArray) -> FloatArray:
    """Return a law without negative entries: what rounding has left below zero is replaced by what flows in."""
    zero = np.zeros_like(law)
    law = np.maximum(law, 0.0)
    for backward in (False, True):
        level.relax(zero, law, False, backward)
        law = np.maximum(law, 0.0)
    return _floored(law)


def _multiplicative_cycle(level: Level, law: FloatArray) -> FloatArray:
    """Return an improved law: sweeps before and after a scaling of aggregates by the law of the aggregated chain."""
    if level.size <= COARSEST:
        b = np.zeros(level.size)
        first, last = level.indptr[level.root : level.root + 2]
        b[level.indices[first:last]] = level.flow[first:last]
        solution = Direct(level).solve(b, False)
        solution[level.root] = 1.0
        return solution
    zero = np.zeros(level.size)
    level.relax(zero, law, False, False)
    law = np.maximum(law, FLOOR * float(law.max()))
    coarse, label = level.aggregated(law)
    law *= _multiplicative_cycle(coarse, np.ones(coarse.size))[label]
    level.relax(zero, law, False, True)
    return np.maximum(law, 0.0)
