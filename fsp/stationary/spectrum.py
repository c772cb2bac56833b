"""The slow end of the spectrum of a closed chain: decay rates next to zero, with left and right modes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackError, LinearOperator, eigs, eigsh, splu

from fsp.errors import SolverError
from fsp.stationary.chain import FiniteChain

__all__ = ["DENSE", "Modes", "continued", "factors", "slow_spectrum", "symmetrised"]

FloatArray = NDArray[np.float64]
AnyArray = NDArray[Any]

#: Chains of up to so many states are given to dense solvers.
DENSE = 400
#: Imaginary parts below this part of the largest rate are taken for rounding.
REAL = 1e-11
#: Functions are continued to states of less than this part of the largest probability by their equation.
IMPROBABLE = 1e-12


@dataclass(frozen=True)
class Modes:
    """Eigenpairs of the generator of a chain, without the stationary one, slow ones first.

    Attributes
    ----------
    rates : ndarray, shape (k,)
        Decay rates: minus the eigenvalues. Real with detailed balance, else they may be complex.
    left : ndarray, shape (n_states, k)
        Functions ``f`` of the state with ``E[f(X_t)] = exp(-rate t) f(x)`` from ``x``; ``sum(law |f|^2) = 1``.
    right : ndarray, shape (n_states, k)
        Deviations ``p`` from the stationary law that decay as ``exp(-rate t)``; ``sum(p f) = 1``.
    residual : ndarray, shape (k,)
        Norm of what is left of the equation of ``f``, relative to that of ``f``, in the norm with the weights of the law.
    condition : ndarray, shape (k,)
        By how much a rate can change for each unit by which the generator changes; 1 with detailed balance.
    """

    rates: AnyArray
    left: AnyArray
    right: AnyArray
    residual: FloatArray
    condition: FloatArray


def symmetrised(chain: FiniteChain) -> sp.csr_array:
    """Return ``D^(1/2) (-Q) D^(-1/2)`` of a chain with detailed balance: its entries are ``sqrt(q_xy q_yx)``."""
    out, back = chain.outgoing.sorted_indices(), chain.inflow.sorted_indices()
    flow = sp.csr_array((np.sqrt(out.data * back.data), out.indices, out.indptr), shape=out.shape)
    return (sp.diags_array(chain.exit, format="csr") - flow).tocsr()


def weighted(chain: FiniteChain, law: FloatArray) -> sp.csr_array:
    """Return ``D^(1/2) (-Q) D^(-1/2)`` of any chain: far nearer to a normal matrix than the generator itself."""
    root = np.sqrt(law)
    flow = chain.outgoing.tocoo()
    data = flow.data * (root[flow.coords[0]] / root[flow.coords[1]])
    scaled = sp.coo_array((data, flow.coords), shape=flow.shape)
    return (sp.diags_array(chain.exit, format="csr") - scaled.tocsr()).tocsr()


def factors(matrix: sp.csr_array) -> Any:
    """Return the LU factors of an M-matrix or a symmetric matrix, with pivots on the diagonal."""
    options = {"SymmetricMode": True, "Equil": False}
    return splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)


def slow_spectrum(chain: FiniteChain, law: FloatArray, k: int, *, symmetric: bool) -> Modes:
    """Return the ``k`` slowest modes of a chain without outflow that has one closed class.

    Shift-invert Arnoldi or Lanczos (Lehoucq, Sorensen and Yang 1998) with a positive shift, so that an M-matrix is
    factorised; dense solvers for small chains. What is computed is accurate relative to the largest exit rate; slower
    rates need `fsp.stationary.censored`.

    Parameters
    ----------
    chain : FiniteChain
    law : ndarray
        Its stationary law.
    k : int
        Fewer are returned if the chain has no more.
    symmetric : bool
        Detailed balance holds.

    Raises
    ------
    SolverError
        If the iteration does not converge.
    """
    k = min(k, chain.n_states - 1)
    scale = np.maximum(law, 1e-250 * law.max()) if (law > 0.0).all() else np.ones_like(law)
    matrix = symmetrised(chain) if symmetric else weighted(chain, scale)
    values, phi, psi = _eigenpairs(matrix, k + 1, symmetric)
    keep = _without_stationary(values, phi, psi, law, scale)[:k]
    values, phi, psi = values[keep], phi[:, keep], psi[:, keep]
    root = np.sqrt(scale)[:, None]
    left, right = phi / root, psi.conj() * root
    residual = np.linalg.norm(matrix @ phi - phi * values, axis=0) / np.linalg.norm(phi, axis=0)
    overlap = np.abs((psi.conj() * phi).sum(axis=0))
    sizes = np.linalg.norm(phi, axis=0) * np.linalg.norm(psi, axis=0)
    condition = sizes / np.maximum(overlap, 1e-300 * sizes)
    if (law > 0.0).all():
        for j, rate in enumerate(values):
            left[:, j] = continued(chain, law, left[:, j], rate)
    return Modes(values, *normalised(law, left, right), residual, condition)


def _eigenpairs(matrix: sp.csr_array, k: int, symmetric: bool) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Return the eigenvalues of least real part with right and left eigenvectors (``psi^H matrix = value psi^H``)."""
    n = matrix.shape[0]
    if n <= max(DENSE, 3 * k):
        dense = matrix.toarray()
        if symmetric:
            values, phi = scipy.linalg.eigh(dense)
            return values[:k], phi[:, :k], phi[:, :k].copy()
        values, psi, phi = scipy.linalg.eig(dense, left=True)
        order = np.lexsort((values.imag, values.real))[:k]
        return _paired(values[order], phi[:, order], values[order], psi[:, order])
    largest = float(matrix.diagonal().max())
    values, _ = _shift_invert(matrix, k, symmetric, 1e-7 * largest, accuracy=1e-2)
    # Once more with a shift of the size of the rates, for all their digits.
    moderate = np.abs(values)[np.abs(values) > 1e-7 * largest]
    shift = float(moderate.min()) if moderate.size else 1e-7 * largest
    if symmetric:
        values, phi = _shift_invert(matrix, k, True, shift)
        return values, phi, phi.copy()
    values, phi = _shift_invert(matrix, k, False, shift)
    others, psi = _shift_invert(matrix.T.tocsr(), k, False, shift)
    return _paired(values, phi, others, psi.conj())


def _shift_invert(
    matrix: sp.csr_array, k: int, symmetric: bool, shift: float, *, accuracy: float = 0.0
) -> tuple[AnyArray, AnyArray]:
    """Return the values nearest to ``-shift``, and their vectors, by iteration with ``(matrix + shift)^-1``."""
    n = matrix.shape[0]
    lu = factors((matrix + shift * sp.eye_array(n, format="csr")).tocsr())
    inverse = LinearOperator((n, n), matvec=lu.solve, dtype=np.float64)
    start = np.random.default_rng(1).random(n) + 0.5
    size = min(n - 1, max(2 * k + 12, 24))
    solver = eigsh if symmetric else eigs
    try:
        theta, phi = solver(inverse, k=k, which="LM", v0=start, ncv=size, tol=accuracy, maxiter=500)
    except ArpackError as error:
        message = (
            f"the {k} slowest modes did not converge ({error}): ask for fewer modes, or for another number of them where "
            "rates lie close together"
        )
        raise SolverError(message) from error
    values = 1.0 / theta - shift
    order = np.lexsort((values.imag, values.real))
    return values[order], phi[:, order]


def _paired(
    values: AnyArray, phi: AnyArray, others: AnyArray, psi: AnyArray
) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Give each right eigenvector the left one of the same eigenvalue; make the two sets biorthogonal."""
    order: list[int] = []
    for value in values:
        free = [j for j in range(others.size) if j not in order]
        order.append(min(free, key=lambda j: abs(others[j] - value)))
    psi = psi[:, order]
    if np.abs(values.imag).max(initial=0.0) <= REAL * np.abs(values).max(initial=0.0):
        values, phi, psi = values.real, _real_pairs(values, phi), _real_pairs(values, psi)
    overlap = psi.conj().T @ phi
    if np.linalg.cond(overlap) < 1e12:  # else two modes coincide, and their condition says so
        psi = psi @ np.linalg.inv(overlap).conj().T
    return values, phi, psi


def _real_pairs(values: AnyArray, vectors: AnyArray) -> FloatArray:
    """Return real vectors: of a pair that rounding made complex, the real and the imaginary part."""
    real = vectors.real.copy()
    j = 0
    while j < values.size:
        if values[j].imag != 0.0 and j + 1 < values.size:
            real[:, j + 1] = vectors[:, j].imag
            j += 1
        j += 1
    return real


def _without_stationary(
    values: AnyArray, phi: AnyArray, psi: AnyArray, law: FloatArray, scale: FloatArray
) -> NDArray[np.int64]:
    """Return the positions of all modes but the stationary one, which is the one whose left mode is constant."""
    constant = np.sqrt(scale)
    constant = constant / np.linalg.norm(constant)
    overlap = np.abs(constant @ phi) / np.linalg.norm(phi, axis=0)
    near = np.abs(values) <= 1e-6 * np.abs(values).max(initial=0.0) + np.abs(values).min()
    stationary = int(np.argmax(np.where(near, overlap, -1.0)))
    return np.delete(np.arange(values.size), stationary)


def continued(chain: FiniteChain, law: FloatArray, f: AnyArray, rate: complex) -> AnyArray:
    """Return a left mode with its values at improbable states found from the others by ``(Q + rate) f = 0``.

    Where the law is small, weighted norms do not see errors of ``f``.
    """
    poor = law < IMPROBABLE * law.max()
    if not poor.any() or poor.all():
        return f
    inside = np.flatnonzero(poor)
    rows = chain.outgoing[inside]
    known = rows[:, np.flatnonzero(~poor)] @ f[~poor]
    matrix = sp.diags_array(chain.exit[inside] - rate, format="csr") - rows[:, inside]
    filled = f.copy()
    filled[inside] = factors(matrix.tocsr().astype(f.dtype)).solve(known.astype(f.dtype))
    return filled


def normalised(law: FloatArray, left: AnyArray, right: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Return modes in their norm: ``sum(law |f|^2) = 1``, ``sum(p f) = 1``, largest part of ``f`` real and positive."""
    left, right = left.copy(), right.copy()
    for j in range(left.shape[1]):
        f = left[:, j]
        f = f - (law @ f if np.isfinite(f).all() else 0.0)
        size = float(np.sqrt(law @ np.abs(f) ** 2))
        if size > 0.0:
            f = f / size
        weight = law * np.abs(f) ** 2
        peak = f[int(np.argmax(weight))]
        f = f * (np.abs(peak) / peak) if peak != 0.0 else f
        overlap = right[:, j] @ f
        left[:, j] = f
        right[:, j] = right[:, j] / overlap if overlap != 0.0 else right[:, j]
    return left, right
