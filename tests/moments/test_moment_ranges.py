"""Ranges and affine bounds of expressions hold at every state that is tried."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsp.interval import Interval
from fsp.model.expressions import parse_expression
from fsp.model.propensity import Propensity
from fsp.moments.majorants import bounded_rate
from fsp.moments.ranges import Box, value_range

SPECIES = ("X", "Y", "Z")
VALUES = {"a": 3.5, "K": 7.3, "h": 2.5}

# expression, whether it is bounded, whether it has an affine upper bound; Z is at most 9
EXPRESSIONS = [
    ("a", True, True),
    ("a*X", False, True),
    ("a*X*Y", False, False),
    ("a*X*Z/2", False, True),
    ("X*(X - 1)/2", False, False),
    ("Z*(Z - 1)/2", True, True),
    ("X*Z*(Z - 1)/2", False, True),
    ("a/(1 + (Y/K)**h)", True, True),
    ("a*(Y/K)**h/(1 + (Y/K)**h)", True, True),
    ("a*Y**4/(K**4 + Y**4)", True, True),
    ("a*Y**4/(K**4 + Y**4)/(1 + X)", True, True),
    ("(a + 2*X**2)/(3 + X**2 + Y)", True, True),
    ("a*X/(K + X)", True, True),
    ("a*X*Y/(K + X)", False, True),
    ("a*X**2/(K + X)", False, True),
    ("X + 2*Y + 3", False, True),
    ("min(X, 5)", True, True),
    ("max(X, 5)", False, True),
    ("min(X*Y, 2*X)", False, True),
    ("piecewise(a*X, X < 10, 4)", True, True),
    ("piecewise(a*X, X > 10, 2*Y + 1)", False, True),
    ("a*exp(-X/10)", True, True),
    ("log(1 + Z)", True, True),
    ("a*(1 + tanh(X - 4))", True, True),
    ("a*(1 + sin(X))", True, True),
    ("abs(Z - 4)", True, True),
    ("floor(Z/2)", True, True),
    ("sqrt(Z)*X", False, True),
    ("a*exp(X)", False, False),
    ("a*X + 2*X*Z/(3 + Z)", False, True),
    ("5*X/(1 + Z)", False, True),
    ("(X > 3)*a", True, True),
]


def box() -> Box:
    from fractions import Fraction

    ranges = {"X": Interval(0.0, math.inf), "Y": Interval(0.0, math.inf), "Z": Interval(0.0, 9.0)}
    return Box(ranges, {name: Fraction(value) for name, value in VALUES.items()})


def sample(text: str):
    """Return the tree, a grid of states with some large counts, and the values there."""
    names = [*SPECIES, *VALUES]
    tree = parse_expression(text, names)
    large = np.array([0, 1, 2, 3, 5, 8, 11, 40, 300, 600])
    grid = np.meshgrid(large, large, np.arange(10), indexing="ij")
    counts = {name: g.ravel() for name, g in zip(SPECIES, grid, strict=True)}
    return tree, counts, Propensity(tree, SPECIES, VALUES).evaluate(counts)


@pytest.mark.parametrize(("text", "bounded", "affine"), EXPRESSIONS)
def test_values_are_inside(text, bounded, affine):
    tree, counts, values = sample(text)
    found = value_range(tree, box())
    assert found.lower <= values.min() * (1 + 1e-12)
    assert values.max() <= found.upper * (1 + 1e-12)
    assert math.isfinite(found.upper) == bounded

    bounds = bounded_rate(tree, box(), SPECIES)
    assert (bounds.upper is not None) == affine
    if bounds.upper is not None:
        assert not bounded or not bounds.upper[1]
        line = float(bounds.upper[0]) + sum(float(v) * counts[name] for name, v in bounds.upper[1].items())
        assert np.all(values <= line * (1 + 1e-12))
    below = sum((float(v) * counts[name] for name, v in bounds.lower.items()), np.zeros(len(values)))
    assert np.all(below <= values * (1 + 1e-12) + 1e-300)


def test_bounds_are_sharp_where_it_matters():
    """Hill functions reach their bounds in the limit."""
    for text in ("a/(1 + (Y/K)**h)", "a*(Y/K)**h/(1 + (Y/K)**h)", "a*X/(K + X)"):
        tree, _, _ = sample(text)
        assert value_range(tree, box()).upper == pytest.approx(VALUES["a"], rel=1e-12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a*X", {"X": 3.5}),
        ("5*X/(1 + Z)", {"X": 0.5}),
        ("X + 2*Y + 3", {"X": 1.0, "Y": 2.0}),
        ("X*X", {"X": 0.0}),
    ],
)
def test_decay_rates(text, expected):
    tree, _, _ = sample(text)
    found = bounded_rate(tree, box(), SPECIES).lower
    for name, value in expected.items():
        assert float(found.get(name, 0)) == pytest.approx(value, rel=1e-12)


def test_control_a_lower_bound_is_refuted():
    """The check above would notice a bound that is too small by one part in 1e9."""
    tree, _, values = sample("min(X, 5)")
    assert not values.max() <= value_range(tree, box()).upper * (1 - 1e-9)


def test_time_is_bounded_by_the_horizon():
    tree = parse_expression("a*(1 + sin(time)*time/10)", [*VALUES, "time"])
    within = box().within("time", Interval(0.0, 5.0))
    assert value_range(tree, within).upper == pytest.approx(3.5 * 1.5, rel=1e-12)
    assert value_range(tree, box()).upper == math.inf


@given(st.floats(-30, 30), st.floats(0, 10), st.sampled_from(["X**2", "X**3", "exp(X)", "abs(X)", "X*X - X"]))
def test_intervals_hold_their_points(centre, radius, text):
    tree = parse_expression(text, ["X"])
    found = value_range(tree, Box({"X": Interval(centre - radius, centre + radius)}))
    points = np.clip(np.linspace(centre - radius, centre + radius, 7), centre - radius, centre + radius)
    values = Propensity(tree, ["X"], {}).evaluate({"X": points})
    assert np.all((found.lower <= values + 1e-9 * abs(values)) & (values <= found.upper + 1e-9 * abs(values)))


SATURATED = [
    "a*X/(K + X)",
    "a*X**h/(K**h + X**h)",
    "X*Y/(K + X)/(2 + Y**2)",
    "X**2/(K + X + 3*Y)",
    "2*X*Z/(1 + Z*X + Y)",
    "a/(1 + X/K + Y)",
    "X/(X + Y)",
]


@given(
    st.sampled_from(SATURATED),
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 9)),
    st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 9)),
    st.booleans(),
)
def test_lower_bounds_of_saturated_rates_hold(text, least, sizes, endless):
    tree = parse_expression(text, [*SPECIES, *VALUES])
    most = [n + size for n, size in zip(least, sizes, strict=True)]
    ends = [math.inf if endless and k < 2 else float(n) for k, n in enumerate(most)]
    ranges = {name: Interval(float(n), end) for name, n, end in zip(SPECIES, least, ends, strict=True)}
    found = value_range(tree, Box(ranges, box().values))
    propensity = Propensity(tree, SPECIES, VALUES)
    rng = np.random.default_rng(1)
    counts = [
        rng.integers(n, (10 * m + 50 if end == math.inf else m) + 1, 200)
        for n, m, end in zip(least, most, ends, strict=True)
    ]
    with np.errstate(all="ignore"):
        values = propensity.evaluate(dict(zip(SPECIES, counts, strict=True)))
    values = values[np.isfinite(values)]
    assert (values >= found.lower * (1 - 1e-14)).all()
    assert (values <= found.upper * (1 + 1e-14)).all()


def test_saturated_rates_are_nearly_their_limit_far_out():
    tree = parse_expression("a*X/(K + X)", [*SPECIES, *VALUES])
    found = value_range(tree, box().within("X", Interval(730.0, math.inf)))
    assert 3.5 / 1.01 * (1 - 1e-12) <= found.lower <= 3.5 / 1.01
    at_zero = value_range(tree, box())
    assert at_zero.lower == 0.0
