"""Enclosed Taylor coefficients hold those of mpmath, and what has no derivative says so."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy

from fsp.model.expressions import parse_expression
from fsp.timed.jets import LINE, TimeTree, add, multiply

OSMOTIC = "9.3e9*((1 - exp(-6.9e-5*time))*exp(-7.1e-3*time)/(1 + (1 - exp(-6.9e-5*time))*exp(-7.1e-3*time)/6.4e-4))^3.1"

SMOOTH = [
    "exp(-2*time)", "1 + sin(3*time)", "cos(time)^2", "1/(1 + time)^2", OSMOTIC, "tanh(time)", "log(1 + time^2)",
    "2^(-time/2100)", "sqrt(1 + time)", "tan(time/10)", "time^time", "cosh(time)/(3 + cos(time))", "sinh(time)",
    "log10(2 + time)", "abs(time - 3)", "(time - 3)^5", "(time - 3)^(-2)", "exp(-time)*sin(time)/(1 + exp(time))",
]  # fmt: skip


def tree(text: str) -> TimeTree:
    return TimeTree(parse_expression(text, ["time", "a"]), {"a": Fraction(0.3)})


@pytest.mark.parametrize("text", SMOOTH)
@pytest.mark.parametrize("ends", [(1.0, 1.3), (0.125, 0.1250001), (2.0, 2.0)])
def test_taylor_coefficients_are_enclosed(text, ends):
    function = sympy.lambdify(sympy.Symbol("time"), parse_expression(text, ["time"]), "mpmath")
    jet = tree(text).jet(ends, 6)
    generator = np.random.default_rng(1)
    with mpmath.workdps(60):
        for t in [*ends, *generator.uniform(*ends, size=5)]:
            for (low, high), exact in zip(jet, mpmath.taylor(function, mpmath.mpf(float(t)), 6), strict=True):
                assert low <= exact <= high
    if ends[0] == ends[1]:
        scale = max(abs(high) for _, high in jet)
        assert all(high - low <= 1e-9 * scale for low, high in jet)


def test_control_a_wrong_coefficient_is_seen():
    jet = tree("exp(-2*time)").jet((1.0, 1.3), 2)
    assert not jet[1][0] <= 2.0 * math.exp(-2.0) <= jet[1][1]  # the sign of the slope


@pytest.mark.parametrize(
    "text", ["max(1, time)", "abs(time - 1)", "piecewise(0, time < 1, 2)", "floor(time)", "sqrt(time - 1)"]
)
def test_at_a_kink_or_a_jump_only_the_range_is_known(text):
    jet = tree(text).jet((1.0 if "sqrt" in text else 0.5, 1.5), 3)
    assert math.isfinite(jet[0][0])
    assert math.isfinite(jet[0][1])
    assert jet[1][1] == math.inf
    assert jet[3][0] == -math.inf or jet[3][1] == math.inf


@pytest.mark.parametrize(
    ("text", "ends", "value"),
    [
        ("piecewise(1, time < 10, 2)", (8.0, 10.0), 1.0),
        ("piecewise(1, time <= 10, 2)", (10.0, 12.0), 2.0),
        ("piecewise(1, time < 10 and time > 5, 2)", (5.0, 10.0), 1.0),
        ("piecewise(1, time < 5 or not (time < 10), 2)", (5.0, 10.0), 2.0),
        ("piecewise(1, time == 7, 2)", (5.0, 10.0), 2.0),
        ("piecewise(1, time != 7, 2)", (5.0, 10.0), 1.0),
        ("floor(time/2)", (2.0, 4.0), 1.0),
        ("ceil(time/2)", (2.0, 4.0), 2.0),
        ("max(3, time)", (1.0, 3.0), 3.0),
    ],
)
def test_ends_of_an_interval_count_for_nothing(text, ends, value):
    jet = tree(text).jet(ends, 2)
    assert jet == [(value, value), (0.0, 0.0), (0.0, 0.0)]


def test_what_is_undefined_is_the_whole_line():
    assert tree("1/(time - 1)").jet((0.5, 1.5), 1)[0] == LINE
    assert tree("log(time - 1)").jet((0.5, 1.5), 0)[0] == LINE
    assert tree("sqrt(time - 1)").jet((0.5, 1.5), 0)[0] == LINE


def test_rounding_is_outward():
    generator = np.random.default_rng(2)
    for _ in range(2000):
        a, b, c, d = (
            float(x) for x in generator.normal(size=4) * 10.0 ** generator.integers(-200, 200, size=4)
        )
        x, y = (min(a, b), max(a, b)), (min(c, d), max(c, d))
        for low, high, exact in (
            (*add(x, y), [Fraction(p) + Fraction(q) for p in x for q in y]),
            (*multiply(x, y), [Fraction(p) * Fraction(q) for p in x for q in y]),
        ):
            assert math.isinf(low) or Fraction(low) <= min(exact)
            assert math.isinf(high) or Fraction(high) >= max(exact)
            assert low < math.inf
            assert high > -math.inf
    assert multiply((0.0, math.inf), (0.0, 1.0))[0] == 0.0
    assert add((-math.inf, 1.0), (-1.0, math.inf)) == LINE
