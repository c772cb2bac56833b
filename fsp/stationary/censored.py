r"""Rates far below all others, with all their digits: the chain seen at a few states only.

Let ``c`` be a few states, one in each metastable set, and ``r`` all others. A function ``f`` with ``(Q + z) f = 0`` obeys

    f_r = H(z) f_c,    H(z) = (-Q_rr - z)^-1 Q_rc = h + z G h + z^2 G^2 h + ...,    G = (-Q_rr)^-1,
    (S + z M(z)) f_c = 0,    S = Q_cc + Q_cr h,    M(z) = 1 + Q_cr (G h + z G^2 h + ...).

``h`` are the probabilities of hitting each of the states ``c`` first, and ``S`` is the generator of the chain watched at
``c`` only. All these arrays but the diagonal of ``S`` are sums of products of non-negative numbers, and that diagonal is
minus the sum of the other entries of its row. So nothing cancels, however small ``z`` is; an ordinary eigensolver is off by
rounding relative to the largest rate. The killed chain on ``r`` leaves it fast, so that its solves are harmless, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from fsp.errors import SolverError
from fsp.stationary.chain import FiniteChain
from fsp.stationary.protocol import ChainSolver

__all__ = ["CensoredModes", "censored_modes"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
AnyArray = NDArray[Any]

#: Terms of the series in ``z``: at first, and at most; they fall off as the slow rates relative to those inside the sets.
FIRST, TERMS = 3, 12
#: The series ends where its terms fall below this part of the first one.
SMALL = 1e-18
#: Digits of the arithmetic of the small matrices.
DIGITS = 60


@dataclass(frozen=True)
class CensoredModes:
    """Slow rates and modes from the chain watched at a few states.

    Attributes
    ----------
    rates : ndarray, shape (m - 1,)
        For ``m`` states; ascending real parts.
    left, right : ndarray, shape (n_states, m - 1)
        Modes; each is a sum of one non-negative vector for each of the ``m`` states.
    law : ndarray, shape (n_states,)
        The stationary law.
    disagreement : ndarray, shape (m - 1,)
        Relative difference of the rates from hitting probabilities and from times in states: two ways to the same
        number through different solves. An estimate of the error.
    """

    rates: AnyArray
    left: AnyArray
    right: AnyArray
    law: FloatArray
    disagreement: FloatArray


def censored_modes(
    chain: FiniteChain, cores: IntArray, make_solver: Callable[[FiniteChain], ChainSolver]
) -> CensoredModes:
    """Return the slowest modes of an irreducible chain without outflow, one fewer than there are core states.

    Parameters
    ----------
    chain : FiniteChain
    cores : ndarray of int64
        One state in each metastable set, a probable one.
    make_solver : callable
        Makes the solver for the chain without the core states; one without subtractions keeps all digits.

    Raises
    ------
    SolverError
        If the rates are not far below those of the chain without the core states.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> from fsp.stationary.sparse_lu import SparseLU
    >>> up, down = np.array([1.0, 1e-30, 1.0]), np.array([1.0, 1e-30, 1.0])  # 0 <-> 1 <-> 2 <-> 3
    >>> chain = FiniteChain(sp.csr_array(np.diag(up, -1) + np.diag(down, 1)), np.zeros(4))
    >>> bool(abs(censored_modes(chain, np.array([0, 3]), SparseLU).rates[0] / 1e-30 - 1.0) < 1e-14)
    True
    """
    cores = np.asarray(cores, np.int64)
    rest = np.ones(chain.n_states, bool)
    rest[cores] = False
    inner = np.flatnonzero(rest)
    solver = make_solver(chain.restricted(rest))
    to_core = chain.outgoing[inner][:, cores].toarray()
    from_core = chain.outgoing[cores][:, inner]
    among = chain.outgoing[cores][:, cores].toarray()
    hits = _powers(solver.expectation, [to_core], FIRST)
    times = _powers(solver.occupation, [from_core.toarray().T], FIRST)
    ratio = max(_growth(hits), _growth(times))
    terms = _terms(_watched(among, [np.asarray(from_core @ h) for h in hits]), ratio)
    hits, times = _powers(solver.expectation, hits, terms), _powers(solver.occupation, times, terms)
    forward = _watched(among, [np.asarray(from_core @ h) for h in hits])
    backward = _watched(among, [(t.T @ to_core) for t in times])
    n, m = chain.n_states, cores.size
    found = []
    with mpmath.workdps(DIGITS):
        law_c = _null_vector(forward[0].T)
        for seed in _eigenvalues(*_pencil(forward, mpmath.mpf(0))):
            z, pencil = _refined(forward, seed, ratio)
            other, _ = _refined(backward, seed, ratio)
            found.append((z, abs(other - z) / abs(z), _null_vector(pencil), _null_vector(pencil.T)))
    found.sort(key=lambda item: float(mpmath.re(item[0])))
    real = all(abs(mpmath.im(z)) <= mpmath.mpf(10) ** -30 * abs(z) for z, *_ in found)
    kind: Any = float if real else complex
    left, right = np.zeros((n, m - 1), kind), np.zeros((n, m - 1), kind)
    for j, (z, _, f, p) in enumerate(found):
        rate = kind(mpmath.re(z)) if real else kind(z)
        for column, values, series in ((left[:, j], f, hits), (right[:, j], p, times)):
            at_cores = np.array([kind(mpmath.re(v)) if real else kind(v) for v in values])
            column[cores] = at_cores
            column[inner] = _series(series, rate) @ at_cores
    law = np.zeros(n)
    law[cores] = [float(mpmath.re(v)) for v in law_c]
    law[inner] = times[0] @ law[cores]
    rates = np.array([kind(mpmath.re(z)) if real else kind(z) for z, *_ in found])
    disagreement = np.array([float(d) for _, d, *_ in found])
    return CensoredModes(rates, left, right, law / law.sum(), disagreement)


def _powers(
    solve: Callable[[FloatArray], FloatArray], known: list[FloatArray], count: int
) -> list[FloatArray]:
    """Return ``G b, G^2 b, ...`` for the columns of ``b``, given ``b`` alone or the first powers."""
    found = list(known) if len(known) > 1 else []
    block = known[-1]
    while len(found) < count:
        block = np.column_stack([np.maximum(solve(column), 0.0) for column in block.T])
        found.append(block)
    return found


def _terms(coefficients: list[Any], ratio: float) -> int:
    """Return how many terms the series needs at the largest of the slow rates."""
    with mpmath.workdps(DIGITS):
        largest = max(float(abs(z)) for z in _eigenvalues(*_pencil(coefficients, mpmath.mpf(0))))
    factor = largest * ratio
    if not factor < 1.0:
        return FIRST
    return min(TERMS, max(FIRST, 1 + math.ceil(math.log(SMALL) / math.log(max(factor, SMALL)))))


def _growth(powers: list[FloatArray]) -> float:
    """Return by how much the terms grow at most from one power to the next, in the end: 1 / slowest rate inside."""
    return float(powers[-1].max(initial=0.0) / max(powers[-2].max(initial=0.0), 1e-300))


def _series(powers: list[FloatArray], z: Any) -> AnyArray:
    total: AnyArray = np.zeros_like(powers[0], dtype=np.result_type(powers[0], type(z)))
    for term in powers[::-1]:
        total = term + z * total
    return total


def _watched(among: FloatArray, terms: list[FloatArray]) -> list[Any]:
    """Return the coefficients ``S, M_0, M_1, ...`` of ``S + z M(z)`` in extended precision."""
    m = among.shape[0]
    with mpmath.workdps(DIGITS):
        s = mpmath.matrix((among + terms[0]).tolist())
        for i in range(m):
            s[i, i] = -mpmath.fsum(s[i, j] for j in range(m) if j != i)
        found = [s, mpmath.eye(m) + mpmath.matrix(terms[1].tolist())]
        return found + [mpmath.matrix(term.tolist()) for term in terms[2:]]


def _pencil(coefficients: list[Any], z: Any) -> tuple[Any, Any]:
    """Return ``S`` and ``M(z)``."""
    total = mpmath.zeros(coefficients[0].rows)
    for term in coefficients[:0:-1]:
        total = term + z * total
    return coefficients[0], total


def _eigenvalues(s: Any, m: Any) -> list[Any]:
    """Return the values ``z`` with ``det(S + z M) = 0`` but the one at 0."""
    values = mpmath.eig(-(m**-1) * s, left=False, right=False)
    return sorted(values, key=abs)[1:]


def _refined(coefficients: list[Any], z: Any, ratio: float) -> tuple[Any, Any]:
    """Return the eigenvalue near ``z`` with ``M(z)`` in place of ``M(0)``, and the matrix that it makes singular."""
    if abs(z) * ratio > 0.05:
        message = (
            f"a rate of {mpmath.nstr(abs(z), 3)} is not far below those inside of the metastable sets "
            f"({1.0 / ratio:.3g}): there are not as many metastable sets as states were given"
        )
        raise SolverError(message)
    for _ in range(60):
        s, m = _pencil(coefficients, z)
        nearest = min(_eigenvalues(s, m), key=lambda value: abs(value - z))
        done = abs(nearest - z) <= mpmath.mpf(10) ** (-DIGITS // 2) * abs(z)
        z = nearest
        if done:
            break
    s, m = _pencil(coefficients, z)
    return z, s + z * m


def _null_vector(matrix: Any) -> list[Any]:
    """Return the vector of a singular matrix, from inverse iteration with a tiny shift; largest entry 1."""
    n = matrix.rows
    size = mpmath.norm(matrix, mpmath.inf)
    shifted = matrix + size * mpmath.mpf(10) ** (-(DIGITS * 3) // 4) * mpmath.eye(n)
    v = mpmath.matrix([mpmath.mpf(1) + mpmath.mpf(i) / 7 for i in range(n)])
    for _ in range(4):
        v = mpmath.lu_solve(shifted, v)
        peak = max(v, key=abs)
        v = v / peak
    return list(v)
