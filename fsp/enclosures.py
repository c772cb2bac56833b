"""Enclosures of moments of one species: what a truncated distribution can prove about them.

Mass alone does not bound a mean on an infinite lattice: a mass of 1e-9 far out may hold any number of
molecules. A bound needs one more fact: a largest count (conservation), or an enclosure of the second moment
(closed moment equations), from which the Cauchy-Schwarz inequality bounds the mean of the missing part:
``E[X; missing] <= sqrt(P(missing) E[X^2; missing])``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsp.errors import ArgumentError
from fsp.interval import Interval
from fsp.summation import chunk_sum, chunks, down, up

__all__ = ["SpeciesLaw", "combine"]

_NOTHING = Interval(0.0, math.inf)


def combine(first: Interval, second: Interval | None, what: str) -> Interval:
    """Intersect two enclosures of the same number.

    Raises
    ------
    ArgumentError
        When they contradict each other, which says that one of the two is wrong.
    """
    if second is None:
        return first
    try:
        return first.intersect(second)
    except ArgumentError as error:
        message = f"the enclosures {first} and {second} of {what} contradict each other; please report this"
        raise ArgumentError(message) from error


@dataclass(frozen=True)
class SpeciesLaw:
    """The distribution of one species, with everything that is proven about it.

    Parameters
    ----------
    counts : ndarray of int, shape (m,)
        The counts, ascending.
    masses : ndarray of float, shape (m,)
        Their masses.
    below, above : float
        ``p(S) - below <= P(S) <= p(S) + above`` for every set S of counts.
    largest : float
        Proven largest count of the whole process, or infinity.
    proven : bool
        Whether ``below`` and ``above`` are proven; if not, only ``largest`` and the exact moments count.
    exact_mean, exact_second : Interval or None
        Enclosures of E[X] and E[X^2] from elsewhere.
    tail : callable, optional
        ``tail(mass, power)`` bounds what a part of the law of at most this mass adds to ``E[X**power]``.
    """

    counts: NDArray[np.int64]
    masses: NDArray[np.float64]
    below: float
    above: float
    largest: float = math.inf
    proven: bool = True
    exact_mean: Interval | None = None
    exact_second: Interval | None = None
    tail: Callable[[float, int], float] | None = None

    def _sum(self, values: NDArray[np.float64]) -> float:
        """Return the sum of ``values * masses``."""
        return chunk_sum(values[a:b] * self.masses[a:b] for a, b in chunks(len(self.counts)))

    @property
    def total(self) -> float:
        """The sum of the masses."""
        return self._sum(np.ones(len(self.counts)))

    def mean(self) -> float:
        """Return the mean of the normalised masses."""
        return self._sum(self.counts.astype(float)) / self.total

    def variance(self) -> float:
        """Return the variance of the normalised masses."""
        return self._sum(np.square(self.counts.astype(float) - self.mean())) / self.total

    def mass_mean_bounds(self) -> Interval:
        """Return an enclosure of ``sum x p(x)``: the part of the mean that the masses carry."""
        inside = self._sum(self.counts.astype(float))
        return Interval(down(inside, len(self.counts)), up(inside, len(self.counts)))

    def power_bounds(self, order: int) -> Interval:
        """Return an enclosure of ``E[X**order]``, for ``order >= 1``."""
        exact = {1: self.exact_mean, 2: self.exact_second}.get(order)
        limit = _power(self.largest, order)
        if not self.proven or not len(self.counts):
            return combine(Interval(0.0, limit), exact, f"moment {order}")
        n = len(self.counts)
        with np.errstate(over="ignore"):
            values = self.counts.astype(float) ** order
        if math.isinf(values[-1]):
            message = f"the moment of order {order} overflows: the largest count is {self.counts[-1]}"
            raise ArgumentError(message)
        inside = self._sum(values)
        lower = Interval(down(inside, n), math.inf)
        if self.below:
            lower = lower - Interval(self.below, self.below) * float(values[-1])
        upper = math.inf
        if self.above == 0.0 or math.isfinite(limit):
            tail = Interval(self.above, self.above) * (0.0 if self.above == 0.0 else limit)
            upper = (tail + up(inside, n)).upper
        else:
            upper = (Interval(0.0, self._tail(order)) + up(inside, n)).upper
        least = max(0.0, lower.lower)
        return combine(Interval(least, max(least, min(upper, limit))), exact, f"moment {order}")

    @property
    def least(self) -> float:
        """A lower bound of all counts."""
        return 0.0

    def missing(self, order: int) -> float:
        """Bound what the law may exceed the masses by in ``E[X**order]``."""
        if self.above == 0.0:
            return 0.0
        limit = _power(self.largest, order)
        best = (Interval(self.above, self.above) * limit).upper if math.isfinite(limit) else self._tail(order)
        if order == 2 and not self.below and self.exact_second is not None:
            inside = down(self._sum(self.counts.astype(float) ** 2), len(self.counts))
            best = min(best, max(0.0, (self.exact_second - inside).upper))
        return best

    def _tail(self, order: int) -> float:
        """Bound what the law may exceed the masses by in ``E[X**order]``, when no largest count is known."""
        above = Interval(self.above, self.above)
        # Masses that may also be too large: their error inside counts with the largest count there.
        inside = above * (_power(float(self.counts[-1]), order) if self.below else 0.0)
        best = math.inf if self.tail is None else self.tail(self.above, order)
        if order == 1 and self.exact_second is not None and math.isfinite(self.exact_second.upper):
            rest = Interval(self.exact_second.upper, self.exact_second.upper)
            if not self.below:
                # The second moment of the missing part alone: what is left of E[X^2] beside the masses.
                rest = rest - down(self._sum(self.counts.astype(float) ** 2), len(self.counts))
            best = min(best, (above * Interval(0.0, max(0.0, rest.upper))).sqrt().upper)
        return (inside + best).upper

    def variance_bounds(self) -> Interval:
        """Return an enclosure of the variance.

        Below, ``Var X >= sum p (x - c)**2`` for the mean ``c`` of the masses, since any other centre makes
        the sum larger and what is missing only adds to it. Above, ``Var X <= E[(X - c)**2]`` for any ``c``.
        """
        mean, second = self.power_bounds(1), self.power_bounds(2)
        bounds = _NOTHING
        if second.is_finite:
            difference = second - mean.square()
            bounds = Interval(max(0.0, difference.lower), max(0.0, difference.upper))
        if not self.proven or not len(self.counts):
            return bounds
        n = len(self.counts)
        centre = self.mean()
        spread = self._sum(np.square(self.counts.astype(float) - centre))
        # A centre that is off by rounding changes the sum by its square, far below the rounding allowed for.
        slack = self.total * (centre * 2e-14) ** 2
        lower, upper = 0.0, math.inf
        if not self.below:
            lower = max(0.0, math.nextafter(down(spread, n) - slack, -math.inf))
        if self.above == 0.0 or math.isfinite(self.largest):
            far = max(centre, self.largest - centre) if self.above else 0.0
            square = Interval(0.0, far).square()
            upper = (square * self.above + up(spread, n) + slack).upper
        elif not self.below:
            # (x - c)**2 <= x**2 + c**2 for the missing part.
            square = Interval(0.0, centre).square()
            upper = (square * self.above + self._tail(2) + up(spread, n) + slack).upper
        return combine(bounds, Interval(lower, max(lower, upper)), "the variance")


def _power(base: float, order: int) -> float:
    """Return ``base**order``, infinite where it overflows."""
    try:
        return math.nextafter(base**order, math.inf) if order > 1 and base > 1.0 else base
    except OverflowError:
        return math.inf
