"""GMRES and BiCGSTAB with an incomplete LU factorisation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, bicgstab, gmres, spilu

from fsp.errors import SolverError
from fsp.stationary.chain import FiniteChain
from fsp.stationary.cycles import law_of_cycles

__all__ = ["GMRES", "BiCGSTAB"]

FloatArray = NDArray[np.float64]

#: Entries that are smaller than this part of their column are dropped from the factors, which may fill up to so many times.
DROP, FILL = 1e-4, 8.0

#: GMRES begins anew after so many directions; iterations at most.
RESTART, ITERATIONS = 60, 2000


class GMRES:
    """GMRES (Saad and Schultz 1986) with an incomplete LU factorisation as preconditioner.

    The unknowns are flows, times multiplied by the rates of leaving, so that all columns have the same scale. For chains
    whose exit times are long, multilevel aggregation needs fewer iterations.
    """

    method = "GMRES"

    def __init__(self, chain: FiniteChain, tolerance: float = 1e-12) -> None:
        self.chain = chain
        self.tolerance = tolerance
        self.info = f"{self.method} with an incomplete LU factorisation of {chain.n_states:,} states"

    @cached_property
    def _exit(self) -> FloatArray:
        if not self.chain.exit.min(initial=1.0) > 0.0:
            state = int(np.argmin(self.chain.exit))
            message = f"state {state} of {self.chain.n_states:,} is never left, so times until the set is left are infinite"
            raise SolverError(message)
        return self.chain.exit

    @cached_property
    def _matrix(self) -> sp.csr_array:
        n = self.chain.n_states
        return (sp.eye_array(n) - self.chain.inflow @ sp.diags_array(1.0 / self._exit)).tocsr()

    @cached_property
    def _factors(self) -> Any:
        options = {"SymmetricMode": True}
        try:
            return spilu(
                self._matrix.tocsc(), drop_tol=DROP, fill_factor=FILL, diag_pivot_thresh=0.0,
                permc_spec="MMD_AT_PLUS_A", options=options,
            )  # fmt: skip
        except RuntimeError as error:
            message = f"the incomplete factorisation failed ({error}): part of the chain is never left; take another method"
            raise SolverError(message) from error

    def _solve(self, matrix: Any, right: FloatArray, transposed: str) -> FloatArray:
        n = self.chain.n_states
        inverse = LinearOperator(
            (n, n), matvec=lambda b: self._factors.solve(np.ravel(b), transposed), dtype=np.float64
        )
        calls = [0]

        def count(_: Any) -> None:
            calls[0] += 1

        solution, reason = self._iterate(matrix, right, inverse, count)
        if reason != 0 or not np.isfinite(solution).all():
            message = (
                f"{self.method} did not reach a relative residual of {self.tolerance:g} in {ITERATIONS:,} iterations; take "
                "the method 'multilevel', or a larger tolerance"
            )
            raise SolverError(message)
        self.info = (
            f"{self.method} with an incomplete LU factorisation of {n:,} states, "
            f"{(self._factors.L.nnz + self._factors.U.nnz) / max(self._matrix.nnz, 1):.1f} times as many entries, "
            f"{calls[0]} iterations"
        )
        return solution

    def _iterate(
        self, matrix: Any, right: FloatArray, inverse: LinearOperator, count: Callable[[Any], None]
    ) -> tuple[FloatArray, int]:
        solution, reason = gmres(
            matrix, right, rtol=self.tolerance, atol=0.0, restart=RESTART, maxiter=-(-ITERATIONS // RESTART), M=inverse,
            callback=count, callback_type="pr_norm",
        )  # fmt: skip
        return solution, reason

    def occupation(self, source: FloatArray) -> FloatArray:
        """Return ``(-A)^-1 source``."""
        flow = self._solve(self._matrix, np.asarray(source, np.float64), "N")
        times: FloatArray = flow / self._exit
        return times

    def expectation(self, reward: FloatArray) -> FloatArray:
        """Return ``(-A)^-T reward``."""
        return self._solve(self._matrix.T.tocsr(), np.asarray(reward, np.float64) / self._exit, "T")

    def stationary(self, reference: int) -> FloatArray:
        """Return the stationary law with all outflow led to the reference state: one cycle from there and back."""
        solver = type(self)(self.chain.until(reference), self.tolerance)
        law = law_of_cycles(self.chain, reference, solver.occupation)
        self.info = solver.info
        return np.maximum(law, 0.0)


class BiCGSTAB(GMRES):
    """BiCGSTAB (van der Vorst 1992) with the same preconditioner: less memory, two products for each iteration."""

    method = "BiCGSTAB"

    def _iterate(
        self, matrix: Any, right: FloatArray, inverse: LinearOperator, count: Callable[[Any], None]
    ) -> tuple[FloatArray, int]:
        solution, reason = bicgstab(
            matrix, right, rtol=self.tolerance, atol=0.0, maxiter=ITERATIONS, M=inverse, callback=count
        )
        return solution, reason
