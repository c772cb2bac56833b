"""The stationary law as an eigenvector: Arnoldi iteration with a shifted and inverted generator (ARPACK)."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackError, LinearOperator, eigs, splu

from fsp.errors import SolverError
from fsp.stationary.chain import FiniteChain
from fsp.stationary.sparse_lu import SparseLU

__all__ = ["Arnoldi"]

FloatArray = NDArray[np.float64]

#: The shift, relative to the largest exit rate; positive, so that it is no eigenvalue.
SHIFT = 1e-9


class Arnoldi(SparseLU):
    """Shift-invert Arnoldi (Lehoucq, Sorensen and Yang 1998) for laws; times and expectations by its sparse LU.

    The eigenvector to the eigenvalue zero does not depend on a reference state being visited often. If several eigenvalues
    are below rounding relative to the largest rate, the eigenvector is any mixture of theirs.
    """

    def __init__(self, chain: FiniteChain, tolerance: float = 1e-12) -> None:
        super().__init__(chain, tolerance)
        self.tolerance = tolerance
        self.info = f"shift-invert Arnoldi on {chain.n_states:,} states"

    def stationary(self, reference: int) -> FloatArray:
        """Return the stationary law with all outflow led to the reference state."""
        n = self.chain.n_states
        if n <= 3:  # ARPACK wants more
            return super().stationary(reference)
        closed = self.chain.closed(reference).generator()
        shift = SHIFT * float(self.chain.exit.max())
        shifted = (closed - shift * sp.eye_array(n)).tocsc()
        options = {"SymmetricMode": True}
        factors = splu(shifted, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
        inverse = LinearOperator((n, n), matvec=lambda b: factors.solve(np.ravel(b)), dtype=np.float64)
        start = np.full(n, 1.0 / n)
        try:
            values, vectors = eigs(closed, k=1, sigma=shift, OPinv=inverse, v0=start, tol=self.tolerance)
        except ArpackError as error:
            message = f"ARPACK did not converge ({error}); take the method 'gth' or 'multilevel'"
            raise SolverError(message) from error
        law = vectors[:, 0].real
        law = law / law.sum()
        self.info = f"shift-invert Arnoldi on {n:,} states, eigenvalue {abs(values[0]):.1e}"
        # Rounding leaves entries of either sign where the law is below it.
        law = np.where((law < 0.0) & (law > -1e-12), 0.0, law)
        law /= law.sum()
        return law
