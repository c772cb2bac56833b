"""Upper bounds for a species whose own polynomial propensities pull it back, such as in Schloegl's model.

When every reaction that changes X has a propensity that is a polynomial in X alone, the generator maps the
falling factorial (x)_k to a polynomial. If its leading coefficient is negative, ``L (x)_k <= C - lambda
(x)_k`` for every ``lambda >= 0`` with the finite constant ``C = max over x = 0, 1, 2, ... of L (x)_k +
lambda (x)_k``, which is a Foster-Lyapunov bound (Meyn and Tweedie, Adv. Appl. Prob. 25:518-548, 1993) of
the form that `fsp.moments.comparison` needs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

__all__ = ["drift_constant", "drift_system"]

#: Ascending coefficients.
Coefficients = list[Fraction]
_MOST_POINTS = 2_000_000


def _multiply(a: Coefficients, b: Coefficients) -> Coefficients:
    total = [Fraction(0)] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            total[i + j] += x * y
    return total


def _add(a: Coefficients, b: Coefficients, factor: Fraction) -> Coefficients:
    size = max(len(a), len(b))
    return [(a[i] if i < len(a) else 0) + factor * (b[i] if i < len(b) else 0) for i in range(size)]


def _falling(order: int, shift: int) -> Coefficients:
    """Return the coefficients of ``(x + shift)_order``."""
    total = [Fraction(1)]
    for i in range(order):
        total = _multiply(total, [Fraction(shift - i), Fraction(1)])
    return total


def drift_constant(rates: Sequence[tuple[int, Coefficients]], order: int, pull: Fraction) -> Fraction | None:
    """Return a bound C of ``L (x)_order + pull (x)_order`` over all counts, or None when there is none.

    Parameters
    ----------
    rates : sequence of (int, list of Fraction)
        Jump and propensity of each reaction, as ascending coefficients of a polynomial.
    order : int
        Order k of the falling factorial.
    pull : Fraction
        The rate ``lambda``.

    Examples
    --------
    Births at rate 3, deaths at rate x (x - 1): ``L x + x = 3 + 2 x - x**2`` is largest at x = 1.

    >>> rates = [(1, [Fraction(3)]), (-1, [Fraction(0), Fraction(-1), Fraction(1)])]
    >>> round(float(drift_constant(rates, 1, Fraction(1))), 6)
    4.0
    """
    plain = _falling(order, 0)
    total: Coefficients = [pull * c for c in plain]
    for jump, rate in rates:
        total = _add(total, _multiply(rate, _add(_falling(order, jump), plain, Fraction(-1))), Fraction(1))
    while total and total[-1] == 0:
        total.pop()
    if not total:
        return Fraction(0)
    if len(total) > 1 and total[-1] > 0:
        return None
    # Beyond Fujiwara's bound on the roots the polynomial has the sign of its leading coefficient.
    n = len(total) - 1
    ratios = [abs(float(c / total[-1])) ** (1.0 / (n - i)) for i, c in enumerate(total[:-1])]
    last = math.ceil(2.0 * max(ratios, default=0.0) * (1.0 + 1e-9)) + 1
    if last > _MOST_POINTS:
        return None
    x = np.arange(last + 1, dtype=float)
    value, size = np.zeros_like(x), np.zeros_like(x)
    with np.errstate(all="ignore"):  # what overflows is refused below
        for c in reversed(total):
            value = value * x + float(c)
            size = size * x + abs(float(c))
        # Horner's rule loses at most 2 n units of rounding of the polynomial of absolute values (Higham
        # 2002, 5.1).
        best = float(np.max(value + size * ((4.0 * n + 8.0) * 2.0**-53)))
    return max(Fraction(best), Fraction(0)) if math.isfinite(best) else None


def drift_system(
    rates: Sequence[tuple[int, Coefficients]], order: int, horizon: float
) -> dict[tuple[int, int], Fraction] | None:
    """Return the matrix M for ``1, x, ..., (x)_order``, with pulls chosen for one time, or None."""
    matrix: dict[tuple[int, int], Fraction] = {}
    for k in range(1, order + 1):
        best: tuple[float, Fraction, Fraction] | None = None
        for scale in (0.01, 0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0):
            pull = Fraction(scale / horizon)
            constant = drift_constant(rates, k, pull)
            if constant is not None:
                final = float(constant / pull) * -math.expm1(-scale)
                best = min(best, (final, pull, constant)) if best is not None else (final, pull, constant)
        if best is None:
            return None
        matrix[(k, k)] = -best[1]
        if best[2]:
            matrix[(k, 0)] = best[2]
    return matrix
