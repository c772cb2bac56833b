"""A function of time as a polynomial over one step, with a proven bound on the difference."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from fsp.timed.jets import Jet, Pair, TimeTree

__all__ = ["HIGHEST_DEGREE", "RatePolynomial", "fit"]

#: Highest degree of a polynomial: each degree costs a vector of memory.
HIGHEST_DEGREE = 8

#: Degree up to which a polynomial is looked for at first: most are lower.
_FIRST_DEGREE = 3


@dataclass(frozen=True)
class RatePolynomial:
    """``c(start + s) = sum_j coefficients[j] s^j + r(s)`` with ``|r(s)| <= radius`` for almost every s of the step.

    Attributes
    ----------
    coefficients : tuple of float
    radius : float
    upper : float
        An upper bound of ``|c|`` over the step.
    below : float
        By how much ``c`` may be below 0, where a rounding of 0 cannot be told from it: the rate is ``max(c, 0)``.
    """

    coefficients: tuple[float, ...]
    radius: float
    upper: float
    below: float = 0.0

    @property
    def degree(self) -> int:
        """The degree."""
        return len(self.coefficients) - 1

    def variation(self, span: float) -> float:
        """Return an upper bound of ``|c(start + s) - c(start)|`` of the polynomial for ``0 <= s <= span``."""
        return sum(abs(c) * span**j for j, c in enumerate(self.coefficients) if j)


def fit(function: TimeTree, start: float, end: float, wanted: float) -> RatePolynomial:
    """Return the polynomial of the lowest degree with a radius of at most ``wanted``, or the one with the smallest radius.

    It is the Taylor polynomial at the middle of the step: with ``H`` half of its length, the remainder of degree m is at
    most ``H^(m+1)`` times the largest ``|f^(m+1)| / (m+1)!`` over the step. Moving it to the start of the step is done in
    fractions; the rounding of the coefficients is part of the radius.
    """
    best = _fit(function, start, end, wanted, _FIRST_DEGREE)
    return best if best.radius <= wanted else _fit(function, start, end, wanted, HIGHEST_DEGREE)


def _fit(function: TimeTree, start: float, end: float, wanted: float, highest: int) -> RatePolynomial:
    middle = start + 0.5 * (end - start)
    over = function.jet((start, end), highest + 1)
    at = function.jet((middle, middle), highest)
    half = math.nextafter(max(middle - start, end - middle), math.inf)
    upper = max(abs(over[0][0]), abs(over[0][1]))
    below = max(-over[0][0], 0.0)
    best = _constant(over[0], upper, below)
    for degree in range(highest + 1):
        if best.radius <= wanted or not math.isfinite(at[degree][1] - at[degree][0]):
            break
        low, high = over[degree + 1]
        radius = max(abs(low), abs(high)) * half ** (degree + 1)
        if math.isfinite(radius) and radius < best.radius:
            moved = replace(_moved(at, degree, radius, start, middle, end), upper=upper, below=below)
            best = min(best, moved, key=lambda p: p.radius)
    return best


def _constant(range_: Pair, upper: float, below: float) -> RatePolynomial:
    low, high = range_
    if not (math.isfinite(low) and math.isfinite(high)):
        return RatePolynomial((0.0,), math.inf, math.inf, below)
    centre = 0.5 * low + 0.5 * high
    radius = math.nextafter(max(high - centre, centre - low), math.inf) if high > low else 0.0
    return RatePolynomial((centre,), radius, upper, below)


def _moved(at: Jet, degree: int, radius: float, start: float, middle: float, end: float) -> RatePolynomial:
    """Return the polynomial in ``s = t - start`` for coefficients ``at`` in powers of ``t - middle``."""
    centres = [Fraction(0.5 * low + 0.5 * high) for low, high in at[: degree + 1]]
    shift = Fraction(start) - Fraction(middle)
    span = Fraction(end) - Fraction(start)
    half = max(Fraction(middle) - Fraction(start), Fraction(end) - Fraction(middle))
    error = Fraction(radius) * (1 + Fraction(1, 2**40))
    for j, centre in enumerate(centres):
        low, high = at[j]
        error += max(Fraction(high) - centre, centre - Fraction(low)) * half**j
    rounded = []
    for j in range(degree + 1):
        exact = sum(
            (centres[i] * math.comb(i, j) * shift ** (i - j) for i in range(j, degree + 1)), Fraction(0)
        )
        coefficient = float(exact)
        rounded.append(coefficient)
        error += abs(exact - Fraction(coefficient)) * span**j
    return RatePolynomial(tuple(rounded), float(error) * (1.0 + 2.0**-50), math.inf)
