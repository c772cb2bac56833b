"""Intervals: exact rational arithmetic says whether the rounded ends enclose."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsp.errors import ArgumentError
from fsp.interval import Interval

FIXED = settings(derandomize=True, max_examples=200, deadline=None)
numbers = st.floats(allow_nan=False, allow_infinity=False)
ends = st.floats(allow_nan=False)


@st.composite
def intervals(draw, elements=numbers):
    a, b = draw(elements), draw(elements)
    return Interval(min(a, b), max(a, b))


def encloses(interval: Interval, value: Fraction) -> bool:
    below = interval.lower == -math.inf or Fraction(interval.lower) <= value
    return below and (interval.upper == math.inf or value <= Fraction(interval.upper))


@FIXED
@given(intervals(), intervals())
def test_arithmetic_encloses_the_exact_results(a, b):
    for x in (a.lower, a.upper):
        for y in (b.lower, b.upper):
            assert encloses(a + b, Fraction(x) + Fraction(y))
            assert encloses(a - b, Fraction(x) - Fraction(y))
            assert encloses(a * b, Fraction(x) * Fraction(y))
        assert encloses(a.square(), Fraction(x) ** 2)


@FIXED
@given(st.floats(1e-300, 1e300), st.floats(1e-300, 1e300))
def test_square_roots_enclose(x, y):
    root = Interval(min(x, y), max(x, y)).sqrt()
    assert Fraction(root.lower) ** 2 <= Fraction(min(x, y))
    assert Fraction(root.upper) ** 2 >= Fraction(max(x, y))


def test_the_root_of_nothing_is_nothing():
    root = Interval(0.0, 0.0).sqrt()
    assert (root.lower, root.upper) == (0.0, 0.0)


def test_the_check_of_enclosure_can_fail():
    third = Interval(1 / 3, 1 / 3)
    assert not encloses(third, Fraction(1, 3))
    assert encloses(third * 3, Fraction(1 / 3) * 3)
    assert (third * 3).width > 0.0


@FIXED
@given(intervals(ends), intervals(ends))
def test_nothing_is_ever_nan(a, b):
    for c in (a + b, a - b, a * b, a.square(), -a):
        assert c.lower <= c.upper
        assert not math.isnan(c.midpoint)
        assert not math.isnan(c.width)
        assert "nan" not in str(c)


def test_sums_of_representable_numbers_stay_points():
    assert Interval(100, 100) - Interval(50, 50) == Interval(50, 50)
    assert Interval(3, 3) * Interval(7, 7) == Interval(21, 21)


@pytest.mark.parametrize(("lower", "upper"), [(1.0, 0.0), (math.nan, 1.0), (0.0, math.nan)])
def test_ends_that_make_no_interval_are_refused(lower, upper):
    with pytest.raises(ArgumentError, match="lower <= upper"):
        Interval(lower, upper)


def test_disjoint_enclosures_are_refused():
    assert Interval(0, 2).intersect(Interval(1, 3)) == Interval(1, 2)
    with pytest.raises(ArgumentError, match="no point in common"):
        Interval(0, 1).intersect(Interval(2, 3))


def test_estimates_stay_estimates():
    guess = Interval(0.0, 1.0, certified=False)
    assert not (guess + Interval(0, 1)).certified
    assert not guess.intersect(Interval(0, 1)).certified
    assert "estimate" in str(guess)
    assert "certified=False" in repr(guess)


def test_printing_tells_the_ends_apart():
    assert str(Interval(0.12345678901, 0.12345678905)) == "[0.12345678901, 0.12345678905]"
    assert str(Interval(0, math.inf)) == "[0, inf]"
