"""Sparse LU factorisation of the generator of a chain that leaks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from fsp.errors import SolverError
from fsp.stationary.chain import FiniteChain
from fsp.stationary.cycles import law_of_cycles

__all__ = ["SparseLU"]

FloatArray = NDArray[np.float64]
LongArray = NDArray[np.longdouble]

#: Steps of iterative refinement at most.
REFINEMENTS = 4


def _row_sums(matrix: sp.csr_array, terms: LongArray) -> LongArray:
    """Return the sums over the rows of a matrix of one term for each of its entries."""
    sums = np.add.reduceat(np.append(terms, np.longdouble(0.0)), matrix.indptr[:-1])
    result: LongArray = np.where(np.diff(matrix.indptr) > 0, sums, np.longdouble(0.0))
    return result


class SparseLU:
    """SuperLU on ``-A`` with iterative refinement; for stationary laws with the reference state taken out.

    Residuals are computed in the long doubles of the machine and from the rates themselves: the diagonal of ``A``, a sum
    that is rounded, does not occur in them. Where long doubles are longer than doubles, expectations keep the digits of a
    double for exit times up to about 1e13, and occupation times lose those that the exit time has beyond 1e4. Then
    refinement fails, and a solver without subtractions is wanted.
    """

    def __init__(self, chain: FiniteChain, tolerance: float = 1e-12) -> None:
        self.chain = chain
        self.info = f"sparse LU of {chain.n_states:,} states"

    @cached_property
    def _factors(self) -> Any:
        # Diagonal pivots are stable for an M-matrix, and keep the fill that the ordering foresees.
        options = {"SymmetricMode": True}
        matrix = -self.chain.generator().tocsc()
        try:
            return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
        except RuntimeError as error:
            message = f"the LU factorisation failed ({error}): part of the chain is never left; take one class at a time"
            raise SolverError(message) from error

    def occupation(self, source: FloatArray) -> FloatArray:
        """Return ``(-A)^-1 source``."""
        inflow, rates, outflow = self.chain.inflow, self.chain.outgoing, self.chain.outflow
        states = np.repeat(np.arange(self.chain.n_states), np.diff(rates.indptr))

        def residual(x: LongArray) -> LongArray:
            arriving = _row_sums(inflow, inflow.data * x[inflow.indices])
            return source + arriving - _row_sums(rates, rates.data * x[states]) - outflow * x

        return self._refined(source, "N", residual)

    def expectation(self, reward: FloatArray) -> FloatArray:
        """Return ``(-A)^-T reward``."""
        rates, outflow = self.chain.outgoing, self.chain.outflow
        states = np.repeat(np.arange(self.chain.n_states), np.diff(rates.indptr))

        def residual(x: LongArray) -> LongArray:
            return reward + _row_sums(rates, rates.data * (x[rates.indices] - x[states])) - outflow * x

        return self._refined(reward, "T", residual)

    def stationary(self, reference: int) -> FloatArray:
        """Return the stationary law with all outflow led to the reference state: one cycle from there and back."""
        return law_of_cycles(self.chain, reference, SparseLU(self.chain.until(reference)).occupation)

    def _refined(
        self, right: FloatArray, transposed: str, residual: Callable[[LongArray], LongArray]
    ) -> FloatArray:
        x = self._factors.solve(np.asarray(right, np.float64), transposed).astype(np.longdouble)
        before = np.inf
        for _ in range(REFINEMENTS):
            change = self._factors.solve(residual(x).astype(np.float64), transposed)
            size = float(np.abs(change).max(initial=0.0))
            if not size < 0.5 * before:  # it does not converge, or has converged
                break
            x += change
            if size <= 1e-16 * float(np.abs(x).max(initial=0.0)):
                break
            before = size
        solution: FloatArray = x.astype(np.float64)
        return solution
