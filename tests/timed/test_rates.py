"""Polynomials with their radii, break points, and the proof that rates are finite and not negative."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy

from fsp.errors import PropensityError
from fsp.model.expressions import parse_expression
from fsp.timed.polynomials import HIGHEST_DEGREE, fit
from fsp.timed.rates import TimeRates, break_points


def rates(text: str) -> TimeRates:
    values = {"a": 0.3, "w": 0.7}
    return TimeRates([parse_expression(text, ["time", "a", "w"])], values, ["reaction 'R1'"])


@pytest.mark.parametrize(
    "text", ["1 + sin(3*time)", "exp(-time)", "2^(-time/2100)", "max(0, 1 - time)", "time^3.1", "sqrt(time)"]
)
@pytest.mark.parametrize("ends", [(0.0, 0.25), (0.9, 1.1), (3.0, 3.001)])
@pytest.mark.parametrize("wanted", [1e-2, 1e-6, 1e-12])
def test_the_radius_bounds_the_difference(text, ends, wanted):
    polynomial = rates(text).window(*ends, [wanted]).polynomials[0]
    function = sympy.lambdify(sympy.Symbol("time"), parse_expression(text, ["time"]), "mpmath")
    assert polynomial.degree <= HIGHEST_DEGREE
    with mpmath.workdps(40):
        for s in np.linspace(0.0, ends[1] - ends[0], 41):
            exact = function(mpmath.mpf(ends[0]) + mpmath.mpf(float(s)))
            value = mpmath.polyval(
                [mpmath.mpf(c) for c in reversed(polynomial.coefficients)], mpmath.mpf(float(s))
            )
            assert abs(exact - value) <= polynomial.radius
            assert abs(exact) <= polynomial.upper
            spread = abs(value - polynomial.coefficients[0])
            assert spread <= polynomial.variation(ends[1] - ends[0]) * (1 + 1e-12)


def test_the_lowest_degree_that_will_do():
    one = rates("exp(-time)")
    degrees = [one.window(0.0, 0.5, [w]).polynomials[0].degree for w in (1.0, 1e-1, 1e-3, 1e-5, 1e-9)]
    assert degrees == sorted(degrees)
    assert degrees[0] == 0
    assert degrees[-1] > 3
    assert fit(one.functions[0], 0.0, 0.5, 1e-30).radius < 1e-8


def test_a_function_without_a_range_has_an_infinite_radius():
    assert rates("1/(time - 1)").window(0.5, 1.5, [1.0]).polynomials[0].radius == math.inf


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("piecewise(1, time < 10, 2, 0.5*time <= 20, 3)", [10.0, 40.0]),
        ("piecewise(1, 10 >= time and 2*time - 6 > 1, 3)", [3.5, 10.0]),
        ("floor(time/25)", [25.0, 50.0, 75.0]),
        ("max(0, 1 - time)", []),
        ("piecewise(1, sin(time) > 0, 2)", []),
        ("piecewise(1, time < 200, 2)", []),
    ],
)
def test_break_points(text, expected):
    assert sorted(break_points(parse_expression(text, ["time"]), {}, 100.0)) == expected


def test_a_break_point_that_is_no_double_lies_between_two():
    low, high = rates("piecewise(1, time < 7*a, 2)").break_points(10.0)
    assert high == math.nextafter(low, math.inf)
    assert Fraction(low) < 7 * Fraction(0.3) < Fraction(high)


@pytest.mark.parametrize(
    "text",
    [
        "1 + sin(time)", "a - a*cos(w*time)", "exp(-time) - exp(-2*time)", "max(0, 3 - time)", "sqrt(time)", "(time - 5)^2",
        "piecewise(1, time < 10, 2)", "floor(time/7)", "1 - exp(-time)", "log(1 + time)", "0*time", "1 - tanh(time)",
    ],
)  # fmt: skip
def test_rates_that_are_proven(text):
    rates(text).check(180.0)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("sin(time)", PropensityError, "R1' is negative at time"),
        ("1 + 1.0001*sin(time)", PropensityError, "negative at time 4.7"),
        ("2 - time/50", PropensityError, "negative at time 1[0-9][0-9]"),
        ("-1e-30*exp(-time)", PropensityError, "negative at time"),
        ("1/(time - 5)^2", PropensityError, "not finite near time 5"),
        ("1/time", PropensityError, "not finite near time"),
        ("exp(1000*time)", PropensityError, "not finite near time 0.709"),
    ],
)  # fmt: skip
def test_rates_that_are_refused(text, error, message):
    with pytest.raises(error, match=message):
        rates(text).check(180.0)
