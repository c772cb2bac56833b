"""GTH elimination: every entry of what it returns is accurate, whatever the rates and however long the exit times."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fsp.errors import SolverError
from fsp.stationary import elimination
from fsp.stationary.band import Band
from fsp.stationary.chain import FiniteChain
from fsp.stationary.cycles import law_of_cycles

__all__ = ["GTH"]

FloatArray = NDArray[np.float64]


@njit(cache=True, nogil=True)
def _fill(indptr, indices, values, position, base, ld, a):  # type: ignore[no-untyped-def]
    for i in range(indptr.size - 1):
        row = base + position[i] * ld
        for k in range(indptr[i], indptr[i + 1]):
            a[row + position[indices[k]]] += values[k]


class GTH:
    """Elimination without subtractions (Grassmann, Taksar and Heyman 1985) in a band, or in a square for small sets.

    The outflow of each state is carried along as a rate to one more state, so exit times of 1e30 are as accurate
    as those of 1. The work is that of a banded factorisation, 2 n (band)^2.

    References
    ----------
    W. K. Grassmann, M. I. Taksar, D. P. Heyman, Operations Research 33 (1985) 1107-1116;
    C. A. O'Cinneide, Numerische Mathematik 65 (1993) 109-120.

    Examples
    --------
    >>> import fsp
    >>> from fsp.statespace import Coordinates, FibreSet
    >>> network = fsp.gallery.toggle_switch()
    >>> space = FibreSet.from_states(Coordinates.of(network), [[u, v] for u in range(9) for v in range(9)])
    >>> law = GTH(FiniteChain.of(network, space)).stationary(0)
    >>> bool(law.min() > 0.0), round(float(law.sum()), 12)
    (True, 1.0)
    """

    def __init__(
        self,
        chain: FiniteChain,
        tolerance: float = 1e-12,
        band: Band | None = None,
        until: int | None = None,
    ) -> None:
        self.chain = chain
        self.band = chain.band if band is None else band
        self._until = until  # as if the chain were chain.until(...), without a copy
        shape = "a square" if self.band.is_dense else f"a band of {self.band.lower} + 1 + {self.band.upper}"
        self.info = f"GTH elimination of {chain.n_states:,} states in {shape}"

    @cached_property
    def _layout(self) -> tuple[int, int]:
        if self.band.is_dense:
            return 0, self.chain.n_states
        lower, upper = self.band.lower, self.band.upper
        return lower, lower + upper

    @cached_property
    def _factors(self) -> tuple[FloatArray, FloatArray]:
        (base, ld), band, n = self._layout, self.band, self.chain.n_states
        rates = self.chain.outgoing
        a = np.zeros((n + elimination.ROWS) * (ld + 1) + base)
        _fill(rates.indptr, rates.indices, rates.data, band.position, base, ld, a)
        out = np.array(self.chain.outflow[band.order], np.float64)
        if self._until is not None:
            row = int(band.position[self._until])
            a[base + row * ld + band.first[row] : base + row * ld + band.right[row]] = 0.0
            out[row] = 1.0
        pivots = np.empty(n)
        done = elimination.eliminate(a, base, ld, n, band.below, band.right, band.first, out, pivots, n)
        if done < n:
            message = (
                f"state {int(band.order[done])} of {n:,} belongs to states that are never left (or only with a "
                "probability below 1e-308), so times until the set is left are infinite; take one closed class at a time"
            )
            raise SolverError(message)
        return a, pivots

    def occupation(self, source: FloatArray) -> FloatArray:
        """Return ``(-A)^-1 source``; exact to rounding in every entry if no entry of the source is negative."""
        return self._solve(elimination.solve_columns, source)

    def expectation(self, reward: FloatArray) -> FloatArray:
        """Return ``(-A)^-T reward``; exact to rounding in every entry if no entry of the reward is negative."""
        return self._solve(elimination.solve_rows, reward)

    def stationary(self, reference: int) -> FloatArray:
        """Return the stationary law with all outflow led to the reference state, exact to rounding in every entry."""
        return law_of_cycles(
            self.chain, reference, GTH(self.chain, band=self.band, until=reference).occupation
        )

    def _solve(self, kernel: Callable[..., None], vector: FloatArray) -> FloatArray:
        a, pivots = self._factors
        base, ld = self._layout
        band = self.band
        x = np.array(vector[band.order], np.float64)
        kernel(a, base, ld, x.size, band.right, band.first, pivots, x)
        solution = np.empty(x.size)
        solution[band.order] = x
        return solution
