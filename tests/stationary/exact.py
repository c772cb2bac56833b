"""Reference solutions in extended precision, by ordinary elimination: another way than that of the solvers."""

from __future__ import annotations

import mpmath
import numpy as np


def chain_matrix(rates, outflow, digits=120):
    """Return ``-A`` (row: target) from ``rates[i, j]`` (from i to j), exactly."""
    mpmath.mp.dps = digits
    n = len(outflow)
    matrix = mpmath.matrix(n, n)
    for i in range(n):
        matrix[i, i] = mpmath.mpf(float(outflow[i]))
        for j in range(n):
            if i != j and rates[i, j] != 0.0:
                matrix[j, i] -= mpmath.mpf(float(rates[i, j]))
                matrix[i, i] += mpmath.mpf(float(rates[i, j]))
    return matrix


def exact_solve(rates, outflow, right, transposed=False):
    """Return ``(-A)^-1 right`` or ``(-A)^-T right`` as a list of mpf."""
    matrix = chain_matrix(rates, outflow)
    if transposed:
        matrix = matrix.T
    return list(mpmath.lu_solve(matrix, mpmath.matrix([mpmath.mpf(float(r)) for r in right])))


def exact_law(rates, outflow, reference):
    """Return the stationary law with all outflow led to the reference state, as a list of mpf."""
    n = len(outflow)
    closed = np.array(rates, float)
    closed[:, reference] += np.where(np.arange(n) == reference, 0.0, outflow)
    matrix = chain_matrix(closed, np.zeros(n))
    right = mpmath.matrix(n, 1)
    right[reference] = 1
    for j in range(n):
        matrix[reference, j] = 1
    return list(mpmath.lu_solve(matrix, right))


def relative_error(found, exact):
    """Return the largest relative error of an entry."""
    worst = mpmath.mpf(0)
    for a, b in zip(found, exact, strict=True):
        if b == 0:
            worst = max(worst, abs(mpmath.mpf(float(a))))
        else:
            worst = max(worst, abs(mpmath.mpf(float(a)) - b) / abs(b))
    return float(worst)
