"""Ranges of propensities when only some of the counts are known: what a part of a network can meet in the whole of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsp.interval import Interval
from fsp.moments.polynomial import polynomial
from fsp.moments.ranges import Box, value_range
from fsp.stationary.lattice import Lattice

__all__ = ["RateRanges", "evaluated"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

#: Relative margin of values of factors, and how many times more may have been lost than a second evaluation shows.
_ROUNDING, _CANCELLED = 1e-12, 16.0

#: The length of tables for signs.
_TABLE = 2**12

#: A sum of powers of counts beyond a corner, with a coefficient for each state of a grid.
Powers = dict[tuple[int, ...], FloatArray]


class RateRanges:
    """Ranges of the propensities of a network, given the counts on some of the axes and anything on the others.

    What is returned is correct up to the rounding of the products, some units in the last place.

    Parameters
    ----------
    lattice : Lattice
    """

    def __init__(self, lattice: Lattice) -> None:
        self.lattice = lattice
        network, c = lattice.network, lattice.coordinates
        self.names = list(c.species_names)
        self.values = {name: Fraction(value) for name, value in network.parameters.items()}
        limits = network.conservation_laws().upper_bounds
        ranges = {name: Interval(0.0, float(b)) for name, b in zip(self.names, limits, strict=True)}
        for axis, species in enumerate(c.axes):
            ranges[self.names[species]] = Interval(0.0, float(lattice.largest[axis]))
        self.box = Box(ranges, self.values)

    def axes_of(self, species: Sequence[str]) -> set[int]:
        """Return the axes on which the counts of some species depend."""
        rows = [self.lattice.coordinates.matrix[self.names.index(name)] for name in species]
        return {int(k) for row in rows for k in np.flatnonzero(row)}

    def reads(self, reaction: int) -> set[int]:
        """Return the axes that a propensity depends on."""
        return set().union(*(self.axes_of(f.species) for f in self._factors(reaction)))

    def unbounded_in(self, reaction: int) -> set[int]:
        """Return the axes with which a propensity may grow without bound."""
        found: set[int] = set()
        for factor in self._factors(reaction):
            if not math.isfinite(value_range(factor.expression, self.box).upper):
                found |= {k for k in self.axes_of(factor.species) if math.isinf(self.lattice.largest[k])}
        return found

    def is_rate(self, reaction: int) -> bool:
        """Say whether a propensity is shown to be nowhere negative: no factor is, or an even number of them everywhere."""
        below = 0
        for factor in self._factors(reaction):
            reach = value_range(factor.expression, self.box)
            if reach.upper <= 0.0:
                below += 1
            elif reach.lower < 0.0 and not self._is_nonnegative(factor):
                return False
        return below % 2 == 0

    def _is_nonnegative(self, factor: Any) -> bool:
        """Say whether a function of one count is not negative: by a table, and its range beyond."""
        axes = self.axes_of(factor.species)
        if len(axes) != 1:
            return False
        (axis,) = axes
        last = int(min(self.lattice.largest[axis], _TABLE))
        low, high = self._factor(factor, [axis], np.arange(last + 1)[:, None], self.box)
        if not (low + high >= 0.0).all():  # the values themselves
            return False
        if last < _TABLE:
            return True
        species = self.lattice.coordinates.axes[axis]
        beyond = self.box.within(self.names[species], Interval(float(last), math.inf))
        return value_range(factor.expression, beyond).lower >= 0.0

    def on_grid(self, reaction: int, axes: Sequence[int], grid: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return the least and the largest propensity at states of some axes, shape ``(n, len(axes))``."""
        low, high = np.ones(len(grid)), np.ones(len(grid))
        for factor in self._factors(reaction):
            below, above = self._factor(factor, axes, grid, self.box)
            low, high = _product(low, high, below, above)
        return np.maximum(low, 0.0), np.maximum(high, 0.0)

    def beyond(
        self, reaction: int, axes: Sequence[int], grid: IntArray, corner: dict[int, int]
    ) -> tuple[Powers, Powers]:
        """Return bounds of a propensity far out, as polynomials with non-negative coefficients.

        Parameters
        ----------
        axes : sequence of int
            Those that are known.
        grid : ndarray
            States of them; the entries on the axes of ``corner`` are not looked at.
        corner : dict
            Axes on which the count is at least a number; the variables are the counts less this number.
        """
        box, c = self.box, self.lattice.coordinates
        order = list(corner)
        for axis, least in corner.items():
            box = box.within(self.names[c.axes[axis]], Interval(float(least), math.inf))
        none = (0,) * len(order)
        low: Powers = {none: np.ones(len(grid))}
        high: Powers = {none: np.ones(len(grid))}
        for factor in self._factors(reaction):
            read = self.axes_of(factor.species) & corner.keys()
            terms = self._shifted(factor, corner) if read else None
            if terms is not None:
                low, high = _expand(low, terms), _expand(high, terms)
                continue
            if read:
                reach = value_range(factor.expression, box)
                below, above = np.full(len(grid), reach.lower), np.full(len(grid), reach.upper)
            else:
                below, above = self._factor(factor, axes, grid, box)
            # Of factors that change their sign nothing is made: zero is a bound of every propensity.
            low = {key: _times(v, np.maximum(below, 0.0)) for key, v in low.items()}
            above = np.where(below < 0.0, math.inf, above)
            high = {key: _times(v, above) for key, v in high.items()}
        return low, high

    # -- factors ---------------------------------------------------------------------------------------------

    def _factors(self, reaction: int) -> list[Any]:
        return list(self.lattice.network.propensities[reaction].factors)

    def _factor(
        self, factor: Any, axes: Sequence[int], grid: IntArray, box: Box
    ) -> tuple[FloatArray, FloatArray]:
        if self.axes_of(factor.species) <= set(axes):
            c = self.lattice.coordinates
            counts = {}
            for name in factor.species:
                s = self.names.index(name)
                counts[name] = np.maximum(c.offset[s] + grid @ c.matrix[s, list(axes)], 0)
            value, margin = evaluated(factor, counts, len(grid))
            undefined = np.isnan(value) | np.isinf(value)
            with np.errstate(invalid="ignore"):
                low, high = value - margin, value + margin
            return np.where(undefined, -math.inf, low), np.where(undefined, math.inf, high)
        reach = value_range(factor.expression, box)
        return np.full(len(grid), reach.lower), np.full(len(grid), reach.upper)

    def _shifted(self, factor: Any, corner: dict[int, int]) -> dict[tuple[int, ...], float] | None:
        """Return a factor of one species as a polynomial in what a count exceeds the corner by, or None.

        None if it is not one, or has negative coefficients.
        """
        if len(factor.species) != 1 or len(self.axes_of(factor.species)) != 1:
            return None
        (axis,) = self.axes_of(factor.species)
        s = self.names.index(factor.species[0])
        c = self.lattice.coordinates
        terms = polynomial(factor.expression, {factor.species[0]: 0}, self.values)
        if terms is None:
            return None
        slope = Fraction(int(c.matrix[s, axis]))
        start = Fraction(int(c.offset[s])) + slope * corner[axis]
        place = list(corner).index(axis)
        found: dict[tuple[int, ...], Fraction] = {}
        for monomial, value in terms.items():
            power = sum(p for _, p in monomial)
            for j in range(power + 1):
                key = tuple(j if i == place else 0 for i in range(len(corner)))
                term = value * math.comb(power, j) * start ** (power - j) * slope**j
                found[key] = found.get(key, Fraction(0)) + term
        if any(v < 0 for v in found.values()):
            return None
        return {key: float(v) for key, v in found.items() if v}


def evaluated(factor: Any, counts: dict[str, IntArray], n: int) -> tuple[FloatArray, FloatArray]:
    """Return the values of a factor at n states, and margins for their rounding.

    What cancels inside of the factor shows in the difference of double and extended precision, and in a running analysis of
    its rounding.
    """
    with np.errstate(all="ignore"):
        value = np.broadcast_to(np.asarray(factor.evaluate(counts), np.float64), (n,))
        fine = np.broadcast_to(factor.evaluate(counts, dtype=np.longdouble), (n,))
        margin = _ROUNDING * np.abs(value) + _CANCELLED * np.abs((fine - value).astype(np.float64))
        if factor.may_cancel:
            margin = margin + np.broadcast_to(factor.errors(counts), (n,)).astype(np.float64)
    return value, margin


def _times(a: FloatArray, b: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore"):
        product = a * b
    return np.where((a == 0.0) | (b == 0.0), 0.0, product)


def _product(
    low: FloatArray, high: FloatArray, below: FloatArray, above: FloatArray
) -> tuple[FloatArray, FloatArray]:
    ends = np.stack([_times(a, b) for a, b in itertools.product((low, high), (below, above))])
    return ends.min(axis=0), ends.max(axis=0)


def _expand(powers: Powers, terms: dict[tuple[int, ...], float]) -> Powers:
    found: Powers = {}
    for (one, array), (other, factor) in itertools.product(powers.items(), terms.items()):
        key = tuple(i + j for i, j in zip(one, other, strict=True))
        found[key] = found.get(key, np.zeros_like(array)) + _times(array, np.full_like(array, factor))
    return found
