"""Weights of the Chebyshev series of an exponential: modified Bessel functions and their integrals.

With ``a_k = exp(-z) I_k(z)``, ``exp(-z(1 - x)) = a_0 + 2 sum_k a_k T_k(x)``. Miller's backward recurrence
``I_{k-1} = I_{k+1} + (2k/z) I_k`` with the normalisation ``a_0 + 2 sum_k a_k = 1`` adds and multiplies positive numbers
only, so every weight has a small relative error (Olver et al., NIST Handbook of Mathematical Functions, 2010, 3.6, 10.29,
10.35).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["ChebyshevWeights", "chebyshev_weights", "expected_degree"]

FloatArray = NDArray[np.float64]

#: The recurrence starts where the functions are smaller by this factor than the last one that is used: cutting it off
#: there changes them by the square of its inverse, relatively.
_MARGIN = 1e12


class ChebyshevWeights(NamedTuple):
    """Weights up to a degree that leaves out no more than was asked for.

    Attributes
    ----------
    value : ndarray
        The coefficients ``c_0 = a_0``, ``c_k = 2 a_k``.
    integral : ndarray
        ``J_k``, the integral of ``a_k`` from 0 to z: ``J_k = 2 sum_{j > k} (j - k) a_j``.
    error : float
        Bound on the relative error of the entries.
    """

    value: FloatArray
    integral: FloatArray
    error: float


@njit(cache=True, nogil=True)
def _decay(k, z):  # type: ignore[no-untyped-def]
    """Return about ``-log(exp(-z) I_k(z))``, by the leading term of the uniform expansion (10.41 of the handbook)."""
    return k * math.asinh(k / z) - math.hypot(k, z) + z


@njit(cache=True, nogil=True)
def _expected_degree(z, small):  # type: ignore[no-untyped-def]
    wanted = -math.log(small)
    low, high = 1, 2
    while _decay(high, z) < wanted:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if _decay(middle, z) < wanted:
            low = middle
        else:
            high = middle
    return high


def expected_degree(z: float, small: float) -> int:
    """Return the degree at which the weights of the series for ``z`` have fallen to about ``small``."""
    return int(_expected_degree(z, small))


@njit(cache=True, nogil=True)
def _recur(z, start):  # type: ignore[no-untyped-def]
    """``a_k`` and its integrals ``J_k`` for k up to ``start``."""
    a = np.zeros(start + 1, np.float64)
    integral = np.zeros(start + 1, np.float64)
    above = 0.0
    here = 1e-280
    total = 0.0
    for k in range(start, -1, -1):
        a[k] = here
        total += here if k == 0 else 2.0 * here
        below = above + (2.0 * k / z) * here
        above = here
        here = below
        if here > 1e200:
            scale = 2.0**-900
            here *= scale
            above *= scale
            total *= scale
            for j in range(k, start + 1):
                a[j] *= scale
    beyond = 0.0
    for k in range(start, -1, -1):
        a[k] /= total
        if k < start:
            integral[k] = integral[k + 1] + 2.0 * beyond
        beyond += a[k]
    return a, integral


def chebyshev_weights(z: float, small: float) -> ChebyshevWeights:
    """Return the weights of the series for ``exp(-z (1 - x))``; O(sqrt(z log(1/small)) + log(1/small)).

    Parameters
    ----------
    z : float
        Exit rate times duration, > 0.
    small : float
        Size of the weights at which the series may end.

    Examples
    --------
    >>> weights = chebyshev_weights(100.0, 1e-12)
    >>> weights.value.size  # a Taylor series would need about 170 terms
    79
    """
    n = expected_degree(z, small) + 3
    start = expected_degree(z, small / _MARGIN) + 8
    a, integral = _recur(z, start)
    value = 2.0 * a[:n]
    value[0] = a[0]
    error = (4.0 * start + 16.0) * 2.0**-53
    return ChebyshevWeights(value, integral[:n] * (1.0 + 1e-9), error)
