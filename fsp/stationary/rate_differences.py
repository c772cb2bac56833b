"""How much a propensity can change with one more molecule: bounds over all states."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from fsp.interval import Interval
from fsp.moments.exponential import outward
from fsp.moments.polynomial import Polynomial, polynomial
from fsp.moments.ranges import value_range
from fsp.stationary.lattice import Lattice
from fsp.stationary.rate_ranges import RateRanges, evaluated

__all__ = ["rate_difference"]

_UNKNOWN = Interval(-math.inf, math.inf)
#: Lengths of the tables of functions of one count; beyond, the difference is at most the width of their range.
_LENGTHS = (2**12, 2**16, 2**20)
#: How far the range beyond a table may exceed what is in it before a longer one is made.
_SHARP = 0.05
#: Relative margin of products in double precision.
_MARGIN = 1e-12


def rate_difference(ranges: RateRanges, reaction: int, axis: int) -> Interval:
    """Return an interval that holds ``a(y + e) - a(y)`` for all states y, e being one more count on an axis.

    Polynomials are treated in exact arithmetic; a function of one count times others by a table. Infinite where nothing is
    known.
    """
    lattice = ranges.lattice
    propensity = lattice.network.propensities[reaction]
    exact = polynomial(propensity.expression, {name: k for k, name in enumerate(ranges.names)}, ranges.values)
    if exact is not None:
        return _range(_difference(lattice.on_axes(exact), axis), lattice, axis)
    affected = [f for f in propensity.factors if axis in ranges.axes_of(f.species)]
    if not affected:
        return Interval(0.0, 0.0)
    if len(affected) > 1 or ranges.axes_of(affected[0].species) != {axis}:
        return _UNKNOWN
    change = _one_count(ranges, affected[0], axis)
    for factor in propensity.factors:
        if factor is not affected[0]:
            change = _times(change, value_range(factor.expression, ranges.box))
    return change


def _times(a: Interval, b: Interval) -> Interval:
    ends = [0.0 if x == 0.0 or y == 0.0 else x * y for x in (a.lower, a.upper) for y in (b.lower, b.upper)]
    low, high = min(ends), max(ends)
    return Interval(low - abs(low) * _MARGIN, high + abs(high) * _MARGIN)


# -- polynomials ---------------------------------------------------------------------------------------------


def _difference(terms: Polynomial, axis: int) -> Polynomial:
    """Return ``P(y + e) - P(y)``."""
    total: Polynomial = {}
    for monomial, value in terms.items():
        powers = dict(monomial)
        power = powers.pop(axis, 0)
        for j in range(power):
            key = tuple(sorted({**powers, axis: j}.items())) if j else tuple(sorted(powers.items()))
            total[key] = total.get(key, Fraction(0)) + value * math.comb(power, j)
    return {key: v for key, v in total.items() if v}


def _range(terms: Polynomial, lattice: Lattice, axis: int) -> Interval:
    """Return the range of a polynomial over the counts on the axes, term by term."""
    low = high = Fraction(0)
    endless_low = endless_high = False
    for monomial, value in terms.items():
        top: Fraction | None = Fraction(1)
        for k, power in monomial:
            last = max(lattice.largest[k] - (1.0 if k == axis else 0.0), 0.0)
            top = None if top is None or math.isinf(last) else top * Fraction(last) ** power
        if not monomial:
            low, high = low + value, high + value
        elif value > 0:
            endless_high |= top is None
            high += value * (top or 0)
        else:
            endless_low |= top is None
            low += value * (top or 0)
    found = outward(low, high)
    return Interval(-math.inf if endless_low else found.lower, math.inf if endless_high else found.upper)


# -- functions of one count ----------------------------------------------------------------------------------


def _one_count(ranges: RateRanges, factor: Any, axis: int) -> Interval:
    """Return the range of the difference of a function of the count on one axis."""
    lattice = ranges.lattice
    c = lattice.coordinates
    largest = lattice.largest[axis]
    found = _UNKNOWN
    for length in _LENGTHS:
        last = int(min(largest, length))
        y = np.arange(last + 1)
        counts = {}
        for name in factor.species:
            s = ranges.names.index(name)
            counts[name] = c.offset[s] + c.matrix[s, axis] * y
        values, margin = evaluated(factor, counts, len(y))
        if not (np.isfinite(values).all() and np.isfinite(margin).all()):
            return _UNKNOWN
        change = np.diff(values)
        slack = margin[1:] + margin[:-1]
        low, high = float((change - slack).min(initial=0.0)), float((change + slack).max(initial=0.0))
        if last < length:
            return Interval(low, high)
        box = ranges.box.within(ranges.names[c.axes[axis]], Interval(float(last), math.inf))
        reach = value_range(factor.expression, box)
        width = (
            reach.upper - reach.lower
            if math.isfinite(reach.upper) and math.isfinite(reach.lower)
            else math.inf
        )
        found = Interval(min(low, -width), max(high, width))
        if width <= _SHARP * max(-low, high):
            return found
    return found
