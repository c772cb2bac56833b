"""Closed intervals with outward rounding: what an enclosure of a number is made of."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from fsp.errors import ArgumentError

__all__ = ["Interval"]


def _add(a: float, b: float, towards: float) -> float:
    """Return ``a + b`` rounded towards ``towards`` (an infinity), exactly where the sum is exact."""
    total = a + b
    if math.isnan(total):  # inf - inf: nothing is known, so the far end is the safe answer
        return towards
    if math.isinf(total):  # a finite sum that overflowed is still at most the largest float from inside
        exact = math.isinf(a) or math.isinf(b) or total == towards
        return total if exact else math.nextafter(total, 0.0)
    # The error term of Knuth's two-sum tells whether rounding took place at all.
    part = total - a
    error = (a - (total - part)) + (b - part)
    return total if error == 0.0 else math.nextafter(total, towards)


def _multiply(a: float, b: float, towards: float) -> float:
    """Return ``a * b`` rounded towards ``towards``; ``0 * inf`` is 0, as for ends of intervals."""
    if a == 0.0 or b == 0.0:
        return 0.0
    product = a * b
    if math.isinf(product):
        exact = math.isinf(a) or math.isinf(b) or product == towards
        return product if exact else math.nextafter(product, 0.0)
    whole = a.is_integer() and b.is_integer() and abs(product) < 2.0**53
    if whole or abs(a) == 1.0 or abs(b) == 1.0:
        return product
    rounded = math.nextafter(product, towards)
    # A product that underflowed keeps its sign: a lower end of non-negative numbers stays at least 0.
    return rounded if product != 0.0 or (rounded > 0.0) == ((a > 0.0) == (b > 0.0)) else 0.0


@dataclass(frozen=True, slots=True)
class Interval:
    """The closed interval from ``lower`` to ``upper``; an end may be infinite, never NaN.

    Arithmetic rounds outward, so that an interval computed from enclosures is an enclosure.

    Parameters
    ----------
    lower, upper : float
        The ends, ``lower <= upper``.
    certified : bool, optional
        True when the interval is proven to hold the number, False when its width is an estimate.

    Raises
    ------
    ArgumentError
        When an end is NaN or the ends are in the wrong order.

    Examples
    --------
    >>> a = Interval(0.25, 0.5)
    >>> 0.3 in a, a.midpoint, a.width
    (True, 0.375, 0.25)
    >>> a + 1
    Interval(lower=1.25, upper=1.5)
    >>> print(a * Interval(-2, 4))
    [-1, 2]
    """

    lower: float
    upper: float
    certified: bool = True

    #: NumPy scalars on the left of an operator leave the operation to this class.
    __array_ufunc__: ClassVar[None] = None

    def __post_init__(self) -> None:
        lower, upper = float(self.lower), float(self.upper)
        if not lower <= upper:
            message = f"an interval needs two numbers lower <= upper, not {self.lower!r} and {self.upper!r}"
            raise ArgumentError(message)
        object.__setattr__(self, "lower", lower)
        object.__setattr__(self, "upper", upper)
        object.__setattr__(self, "certified", bool(self.certified))

    @classmethod
    def around(cls, value: float, radius: float) -> Interval:
        """Return ``[value - radius, value + radius]``, rounded outward."""
        return cls(value, value) + cls(-radius, radius)

    @property
    def midpoint(self) -> float:
        """The middle; infinite when one end is, and 0 when both are."""
        if math.isinf(self.lower) and math.isinf(self.upper) and self.lower != self.upper:
            return 0.0
        return 0.5 * self.lower + 0.5 * self.upper

    @property
    def width(self) -> float:
        """The length, rounded up; infinite when an end is."""
        if self.lower == self.upper:
            return 0.0
        return _add(self.upper, -self.lower, math.inf)

    @property
    def is_finite(self) -> bool:
        """Whether both ends are finite."""
        return math.isfinite(self.lower) and math.isfinite(self.upper)

    def clip(self, value: float) -> float:
        """Return the point of the interval that is nearest to ``value``."""
        return min(max(value, self.lower), self.upper)

    def intersect(self, other: Interval) -> Interval:
        """Return the part common to two enclosures of one number.

        Raises
        ------
        ArgumentError
            When they are disjoint: then at least one of them does not hold the number.
        """
        lower, upper = max(self.lower, other.lower), min(self.upper, other.upper)
        if lower > upper:
            message = f"the intervals {self} and {other} have no point in common"
            raise ArgumentError(message)
        return Interval(lower, upper, self.certified and other.certified)

    def sqrt(self) -> Interval:
        """Return the square root of an interval of non-negative numbers.

        Raises
        ------
        ArgumentError
            When ``lower`` is negative.
        """
        if self.lower < 0.0:
            message = f"the square root of {self} needs a lower end of at least 0"
            raise ArgumentError(message)
        lower = max(0.0, math.nextafter(math.sqrt(self.lower), -math.inf))
        upper = (
            math.nextafter(math.sqrt(self.upper), math.inf) if self.upper else 0.0
        )  # the root of 0 is exact
        return Interval(lower, upper, self.certified)

    def square(self) -> Interval:
        """Return the interval of the squares, which is tighter than ``self * self`` around 0."""
        product = self * self
        ends = sorted((abs(self.lower), abs(self.upper)))
        lower = 0.0 if self.lower <= 0.0 <= self.upper else _multiply(ends[0], ends[0], -math.inf)
        return Interval(max(0.0, lower), product.upper, self.certified)

    def __contains__(self, value: float) -> bool:
        return self.lower <= value <= self.upper

    def __iter__(self) -> Iterator[float]:
        yield self.lower
        yield self.upper

    def __neg__(self) -> Interval:
        return Interval(-self.upper, -self.lower, self.certified)

    def __add__(self, other: Interval | float) -> Interval:
        b = _coerce(other)
        lower = _add(self.lower, b.lower, -math.inf)
        return Interval(lower, _add(self.upper, b.upper, math.inf), self.certified and b.certified)

    __radd__ = __add__

    def __sub__(self, other: Interval | float) -> Interval:
        return self + (-_coerce(other))

    def __rsub__(self, other: float) -> Interval:
        return _coerce(other) + (-self)

    def __mul__(self, other: Interval | float) -> Interval:
        b = _coerce(other)
        pairs = [(x, y) for x in (self.lower, self.upper) for y in (b.lower, b.upper)]
        lower = min(_multiply(x, y, -math.inf) for x, y in pairs)
        upper = max(_multiply(x, y, math.inf) for x, y in pairs)
        return Interval(lower, upper, self.certified and b.certified)

    __rmul__ = __mul__

    def __repr__(self) -> str:
        note = "" if self.certified else ", certified=False"
        return f"Interval(lower={self.lower!r}, upper={self.upper!r}{note})"

    def __str__(self) -> str:
        note = "" if self.certified else " (estimate)"
        return f"[{', '.join(_digits(self.lower, self.upper))}]{note}"


def _coerce(value: Interval | float) -> Interval:
    return value if isinstance(value, Interval) else Interval(value, value)


def _digits(lower: float, upper: float) -> tuple[str, str]:
    """Print both ends with enough digits to tell them apart, and never less than four."""
    digits = 4
    if math.isfinite(lower) and math.isfinite(upper) and lower != upper:
        size = max(abs(lower), abs(upper))
        gap = upper / 2.0 - lower / 2.0  # half of the width, which itself could overflow
        digits = (
            17
            if gap == 0.0
            else min(17, max(4, 2 + math.ceil(math.log10(size) - math.log10(2.0) - math.log10(gap))))
        )
    return f"{lower:.{digits}g}", f"{upper:.{digits}g}"
