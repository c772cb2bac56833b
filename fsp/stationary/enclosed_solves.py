"""Linear systems of chains that leave their states, solved with proven bounds.

For a finite chain from every state of which there is a way out, ``M = -A'`` is a non-singular M-matrix: its inverse
has no negative entry. So ``M e >= r >= |b - M g|`` in every state proves ``|M^-1 b - g| <= e`` in every state, wherever
``g`` and ``e`` come from (Berman and Plemmons 1994, Nonnegative Matrices in the Mathematical Sciences, chapter 6).
Residuals are evaluated in extended precision, with exit rates that are sums of the rates there, and with their rounding.

The entries of ``M^-1 b`` are quotients of sums of products of at most ``n`` rates, all positive (the matrix-tree theorem),
so that relative errors ``delta`` of the rates change them by a factor of at most ``(1 +- delta)^(2n + 1)``, whatever the
condition of the matrix.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from fsp.errors import SolverError
from fsp.stationary.chain import FiniteChain
from fsp.stationary.selection import SelectedSolver

__all__ = ["Enclosed", "LeavingChain"]

FloatArray = NDArray[np.float64]
LongArray = NDArray[np.longdouble]

#: Corrections of a solution by its residual.
MOST_CORRECTIONS = 4


class Enclosed(NamedTuple):
    """Bounds of the entries of a solution; the upper ones may be infinite."""

    lower: FloatArray
    upper: FloatArray


class LeavingChain:
    """A chain all of whose states have a way out, with enclosures of its expected rewards and times in states.

    Parameters
    ----------
    chain : FiniteChain
    rate_error : float
        Relative error of the rates.
    rates : csr_array of longdouble, optional
        The rates by source with more digits than those of the chain; then ``rate_error`` is that of these.
    outflow : ndarray of longdouble, optional
        The same for the rates out.

    Examples
    --------
    A state that is left at rate 4 for another one, which is left at rate 2:

    >>> import scipy.sparse as sp
    >>> chain = FiniteChain(sp.csr_array(np.array([[0.0, 0.0], [4.0, 0.0]])), np.array([0.0, 2.0]))
    >>> times = LeavingChain(chain, 1e-15).enclose(np.ones(2))
    >>> bool(times.lower[0] <= 0.75 <= times.upper[0]), bool(times.upper[0] - times.lower[0] < 1e-13)
    (True, True)
    """

    def __init__(
        self, chain: FiniteChain, rate_error: float, *, rates: sp.csr_array | None = None,
        outflow: LongArray | None = None,
    ) -> None:  # fmt: skip
        self.chain = chain
        self._rates = chain.outgoing.astype(np.longdouble) if rates is None else rates
        self._arriving = self._rates.T.tocsr()
        out = np.asarray(chain.outflow if outflow is None else outflow, np.longdouble)
        self._exit: LongArray = np.asarray(self._rates.sum(axis=1)).ravel() + out
        widest = max(int(np.diff(m.indptr).max(initial=0)) for m in (self._rates, self._arriving))
        self._unit = (2.0 * widest + 8.0) * float(np.finfo(np.longdouble).eps)
        self.slack = (2.0 * chain.n_states + 1.0) * rate_error * 1.01

    @cached_property
    def solver(self) -> SelectedSolver:
        """The solver, chosen when it is first used; where its results fail their checks, the next one takes over."""
        return SelectedSolver(self.chain, purpose="expectation")

    def _image(self, g: LongArray, forward: bool) -> tuple[LongArray, LongArray]:
        """Return ``M g``, or ``M' g`` if ``forward``, and a bound on its rounding."""
        rates = self._arriving if forward else self._rates
        image = self._exit * g - rates @ g
        size = np.abs(g)
        return image, self._unit * (self._exit * size + rates @ size)

    def _solve(self, b: LongArray, forward: bool) -> tuple[LongArray, LongArray]:
        """Return an approximation of ``M^-1 b`` or ``M'^-1 b``, and a bound on its residual in each state."""
        g = np.zeros(b.size, np.longdouble)
        best, bound = g, np.abs(b)
        for _ in range(MOST_CORRECTIONS):
            image, rounding = self._image(g, forward)
            residual = b - image
            size = np.abs(residual) + rounding
            if not np.isfinite(size).all() or (size.sum() > 0.5 * bound.sum() and best is not g):
                break
            best, bound = g, size
            if not (np.abs(residual) > rounding).any():
                break
            try:
                g = g + self._correction(np.asarray(residual, np.float64), forward)
            except SolverError:  # times beyond doubles: what is known so far has bounds, too
                break
        return best, bound

    def _correction(self, residual: FloatArray, forward: bool) -> FloatArray:
        """Return an approximate solution for a residual: its parts of either sign apart, so that each solve is accurate."""
        solve = self.solver.occupation if forward else self.solver.expectation
        plus, minus = np.maximum(residual, 0.0), np.maximum(-residual, 0.0)
        found = solve(plus) if plus.any() else np.zeros_like(plus)
        return found - solve(minus) if minus.any() else found

    def _enclose(self, b: LongArray, forward: bool = False) -> tuple[LongArray, LongArray]:
        """Return an approximation of ``M^-1 b`` or ``M'^-1 b``, and a bound on its error, infinite if none can be proven."""
        g, residual = self._solve(b, forward)
        for more in (0.0, 1e-3):  # a little more than the residual, where the residual alone proves nothing
            e, _ = self._solve(residual + more * residual.max(initial=0.0), forward)
            e = np.maximum(e, 0.0)
            image, rounding = self._image(e, forward)
            proven = image - rounding
            needed = residual > 0.0
            if np.isfinite(e).all() and (proven[needed] > 0.0).all() and (proven[~needed] >= 0.0).all():
                ratio = (residual[needed] / proven[needed]).max(initial=0.0)
                return g, e * ratio * (1.0 + 1e-15)
        return g, np.full(b.size, np.inf, np.longdouble)

    def enclose_times(self, source: LongArray) -> Enclosed:
        """Return bounds of the expected times in the states before they are left, from non-negative initial weights."""
        g, error = self._enclose(np.asarray(source, np.longdouble), forward=True)
        low = np.maximum(g - error, 0.0) * max(0.0, 1.0 - self.slack)
        high = np.maximum((g + error) * (1.0 + self.slack), 0.0).astype(np.float64)
        return Enclosed(_down(low), np.nextafter(high, np.inf))

    def enclose(self, lower: FloatArray, upper: FloatArray | None = None) -> Enclosed:
        """Return bounds of ``M^-1 b`` for every ``b`` between two non-negative vectors.

        This is the expected sum of the rewards ``b`` per unit of time until the states are left, by initial state.
        """
        g, error = self._enclose(np.asarray(lower, np.longdouble))
        low = np.maximum(g - error, 0.0) * max(0.0, 1.0 - self.slack)
        if upper is not None and not np.array_equal(upper, lower):
            if not np.isfinite(upper).all():
                return Enclosed(_down(low), np.full(g.size, np.inf))
            g, error = self._enclose(np.asarray(upper, np.longdouble))
        high = (g + error) * (1.0 + self.slack)
        return Enclosed(_down(low), np.nextafter(np.maximum(high, 0.0).astype(np.float64), np.inf))


def _down(values: LongArray) -> FloatArray:
    found: FloatArray = np.maximum(np.nextafter(values.astype(np.float64), -np.inf), 0.0)
    return found
