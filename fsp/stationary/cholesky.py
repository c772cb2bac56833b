"""Cholesky factorisation (CHOLMOD) of the symmetrised generator of a chain with detailed balance."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from fsp.errors import ArgumentError, SolverError
from fsp.stationary.balance import log_symmetriser
from fsp.stationary.chain import FiniteChain

__all__ = ["Cholesky"]

FloatArray = NDArray[np.float64]

#: Largest difference of the logarithms of the law that its square roots can express.
WIDEST = 1200.0


class Cholesky:
    """CHOLMOD (Chen, Davis, Hager, Rajamanickam 2008), half the work and memory of an LU factorisation.

    With the law ``pi`` that balances every pair of states, ``diag(pi)^-1/2 (-A) diag(pi)^1/2`` is symmetric: its entries off
    the diagonal are ``-sqrt(a_ij a_ji)``. Needs scikit-sparse.
    """

    def __init__(self, chain: FiniteChain, tolerance: float = 1e-12) -> None:
        self.chain = chain
        self.info = f"sparse Cholesky factorisation of {chain.n_states:,} states"

    @cached_property
    def _root(self) -> FloatArray:
        log_law = log_symmetriser(self.chain)
        if log_law is None:
            message = (
                "the chain has no detailed balance, which the method 'cholmod' needs; take 'auto' or 'lu'"
            )
            raise ArgumentError(message)
        if np.ptp(log_law) > WIDEST:
            message = "the law spans too many orders of magnitude for the method 'cholmod'; take 'gth'"
            raise SolverError(message)
        root: FloatArray = np.exp(0.5 * (log_law - 0.5 * (log_law.max() + log_law.min())))
        return root

    @cached_property
    def _factor(self) -> Any:
        try:
            from sksparse.cholmod import CholmodError, cholesky
        except ImportError as error:
            message = "the method 'cholmod' needs scikit-sparse: pip install 'fsp-cme[cholmod]' (with SuiteSparse 5 or 7)"
            raise SolverError(message) from error
        both = self.chain.inflow.multiply(self.chain.outgoing).sqrt()
        matrix = sp.csc_matrix(sp.diags_array(self.chain.exit) - both)
        try:
            return cholesky(matrix)
        except CholmodError as error:
            message = f"CHOLMOD failed ({error}): part of the chain is never left, or only after very long; take 'gth'"
            raise SolverError(message) from error

    def occupation(self, source: FloatArray) -> FloatArray:
        """Return ``(-A)^-1 source``."""
        root = self._root
        times: FloatArray = root * self._factor(np.asarray(source, np.float64) / root)
        return times

    def expectation(self, reward: FloatArray) -> FloatArray:
        """Return ``(-A)^-T reward``."""
        root = self._root
        values: FloatArray = self._factor(np.asarray(reward, np.float64) * root) / root
        return values

    def stationary(self, reference: int) -> FloatArray:
        """Return the stationary law with all outflow led to the reference state: one cycle from there and back."""
        keep = np.ones(self.chain.n_states, bool)
        keep[reference] = False
        start = self.chain.outgoing[[reference]].toarray().ravel()[keep]
        law = np.ones(self.chain.n_states)
        if keep.any():
            law[keep] = np.maximum(Cholesky(self.chain.restricted(keep)).occupation(start), 0.0)
        law /= law.sum()
        return law
