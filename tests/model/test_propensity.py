"""Propensities: factors, time, derivatives, mass action."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from fsp.errors import ArgumentError, ExpressionError
from fsp.model import Predicate, Propensity, parse_expression
from fsp.model.evaluation import evaluate_tree
from fsp.model.propensity import mass_action

SPECIES = ("X", "Y", "Z")
VALUES = {"k": 0.3, "a": 2.5, "n": 2.0, "m": -1.0, "tiny": 1e-200}
ULP = np.finfo(np.float64).eps


def make(text, **values):
    return Propensity(parse_expression(text, [*SPECIES, *VALUES, "time"]), SPECIES, {**VALUES, **values})


def lattice(rng, n=200):
    return {name: rng.integers(0, 30, size=n) for name in SPECIES}


def product(propensity, counts, dtype=np.float64):
    result = np.ones(len(counts["X"]), dtype=dtype)
    with np.errstate(invalid="ignore"):
        for factor in propensity.factors:
            result = result * factor.evaluate(counts, dtype=dtype)
    return result


SPLITS = [
    ("k*X", [(), ("X",)]),
    ("k*X*(X - 1)/2", [(), ("X",)]),
    ("k*X*Y", [(), ("X",), ("Y",)]),
    ("k", [()]),
    ("X", [("X",)]),
    ("k*X/Y", [(), ("X",), ("Y",)]),
    ("(X*Y)^2", [("X",), ("Y",)]),
    ("(k*X*Y)^n", [(), ("X",), ("Y",)]),
    ("sqrt(X*Y)", [("X",), ("Y",)]),
    ("sqrt((X - 3)*(Y - 3))", [("X", "Y")]),
    ("(X*Y)^100", [("X", "Y")]),
    ("X*Y + X", [("X",), ("Y",)]),
    ("k*X*Y - k*X", [(), ("X",), ("Y",)]),
    ("k*X + a*X*Y", [("X",), ("Y",)]),
    ("(a + k*X)*(1 - Y)", [("X",), ("Y",)]),
    ("X/(X*Y + X)", [("X",), ("Y",)]),
    ("X*exp(Y) + X", [("X",), ("Y",)]),
    ("X + Y", [("X", "Y")]),
    ("a/(1 + X + Y)", [(), ("X", "Y")]),
    ("Z*(X + Y)*k", [(), ("X", "Y"), ("Z",)]),
    ("X*(X + Y)", [("X",), ("X", "Y")]),
    ("(X + Y)*(Y + Z)", [("X", "Y"), ("Y", "Z")]),
    ("(X + Y)*(X + Y + 1)", [("X", "Y")]),
    ("exp(-k*X - Y)", [("X",), ("Y",)]),
    ("exp(k*X + Y + a)", [(), ("X",), ("Y",)]),
    ("exp(X - Y)", [("X", "Y")]),
    ("exp(m*X - Y)", [("X",), ("Y",)]),
    ("k*X*(Y > 3)", [(), ("X",), ("Y",)]),
    ("max(X, Y)", [("X", "Y")]),
    ("piecewise(X, Y > 2, 0)", [("X", "Y")]),
    ("a/(1 + (X/20)^n)", [(), ("X",)]),
    ("0*Y + X", [("X",)]),
    ("X + Y - Y", [("X",)]),
    ("tiny*tiny*X*Y", [("X", "Y")]),
    ("2^X*3^Y", [("X",), ("Y",)]),
    ("(X + 1)^1000000*Y", [("X",), ("Y",)]),
]


@pytest.mark.parametrize(("text", "expected"), SPLITS, ids=[t for t, _ in SPLITS])
def test_factor_groups(text, expected):
    assert [factor.species for factor in make(text).factors] == expected


@pytest.mark.parametrize("text", [t for t, _ in SPLITS if "1000000" not in t])
def test_factors_keep_the_value(text):
    propensity = make(text)
    counts = lattice(np.random.default_rng(1))
    direct = propensity.evaluate(counts, dtype=np.longdouble)
    split = product(propensity, counts)
    assert np.array_equal(np.isfinite(direct), np.isfinite(split))
    finite = np.isfinite(direct)
    # exp turns the rounding of its argument into a relative error
    scale = 4 + (np.abs(np.log(np.maximum(direct[finite], 1e-300))) if "exp" in text else 0)
    split, direct = split[finite], direct[finite]
    assert np.all(np.abs(split - direct) <= scale * ULP * np.abs(direct) + np.finfo(np.float64).tiny)


def test_control_wrong_factors_are_noticed():
    propensity = make("k*X*(Y + 1)")
    counts = lattice(np.random.default_rng(1))
    wrong = product(make("k*X*Y"), counts)
    assert not np.allclose(wrong, propensity.evaluate(counts))


atoms = st.sampled_from(
    ["X", "Y", "Z", "(X + 1)", "(Y + Z)", "(X*Y + X)", "k", "a", "3", "(2*X + 2*Y)", "(Z/2 + 1)"]
)
products = st.lists(st.tuples(atoms, st.sampled_from(["", "^2", "^n", "^3"])), min_size=1, max_size=5)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(products, products)
def test_random_products(above, below):
    text = "*".join(a + e for a, e in above) + "/((1 + " + ")*(1 + ".join(a + e for a, e in below[:2]) + "))"
    propensity = make(text)
    counts = lattice(np.random.default_rng(2), 50)
    direct = propensity.evaluate(counts, dtype=np.longdouble)
    # each of up to 30 operations in double precision rounds once
    assert np.all(np.abs(product(propensity, counts) - direct) <= 30 * ULP * np.abs(direct))
    assert np.all(np.abs(propensity.evaluate(counts) - direct) <= 30 * ULP * np.abs(direct))


def test_evaluate_shapes():
    propensity = make("k*X")
    grid = {"X": np.arange(4)[:, None], "Y": np.arange(3)[None, :]}
    assert propensity.evaluate(grid).shape == (4, 3)
    assert make("k").evaluate({"X": np.arange(5)}).tolist() == [0.3] * 5
    assert make("X").evaluate({"X": np.arange(3)}, dtype=np.longdouble).dtype == np.longdouble
    assert make("k").factors[0].evaluate({}) == 0.3


def test_missing_counts_and_time():
    with pytest.raises(ArgumentError, match="'Y'"):
        make("X*Y").evaluate({"X": np.arange(3)})
    with pytest.raises(ArgumentError, match="give the time"):
        make("X*time").evaluate({"X": np.arange(3)})
    assert make("X*time").evaluate({"X": np.arange(3)}, time=2.0).tolist() == [0, 2, 4]


def test_what_it_reads():
    propensity = make("k*X*(Y + a)*exp(-time)")
    assert propensity.species == ("X", "Y")
    assert propensity.parameters == ("k", "a")
    assert propensity.depends_on_time
    assert make("X^0").species == ()
    assert make("0*(1/X)").species == ("X",)
    assert not make("time - time + k").depends_on_time


def test_unknown_name_in_a_tree():
    with pytest.raises(ExpressionError, match="unknown name 'W'"):
        Propensity(sympy.Symbol("W"), SPECIES, VALUES)


@pytest.mark.parametrize(
    ("text", "of_time", "of_state"),
    [
        ("k*X*exp(-time)", "exp(-time)", "k*X"),
        ("k*X", "1", "k*X"),
        ("X*(1 + time)/(2 + sin(time))", "(1 + time)/(2 + sin(time))", "X"),
        ("X + X*time", "1 + time", "X"),
        ("(X*time)^2", "time^2", "X^2"),
        ("a*time", "time", "a"),
    ],
)
def test_split_time(text, of_time, of_state):
    propensity = make(text)
    split = propensity.split_time()
    assert split is not None
    for time in (0.5, 2.0):
        values = {**VALUES, "X": 3.0, "time": time}
        for tree, expected in zip(split, (of_time, of_state), strict=True):
            other = parse_expression(expected, [*SPECIES, *VALUES, "time"])
            assert evaluate_tree(tree, values) == pytest.approx(evaluate_tree(other, values), rel=1e-14)


@pytest.mark.parametrize("text", ["X + time", "exp(-X*time)", "piecewise(time, X > 2, 1)"])
def test_not_separable(text):
    assert make(text).split_time() is None
    with pytest.raises(ArgumentError, match="depends on time"):
        make(text).factors  # noqa: B018


@pytest.mark.parametrize(
    "text",
    [
        "k*X",
        "a/(1 + (X/a)^n)",
        "exp(-k*X)",
        "max(k*X, a)",
        "abs(k - X)",
        "piecewise(k*X, X > 2, a*k)",
        "k^n",
        "sqrt(k)",
    ],
)
def test_derivative_against_differences(text):
    h = 1e-6
    counts = {"X": np.arange(1, 6), "Y": np.arange(1, 6), "Z": np.arange(1, 6)}
    for name in ("k", "a", "n"):
        up = make(text, **{name: VALUES[name] + h}).evaluate(counts)
        down = make(text, **{name: VALUES[name] - h}).evaluate(counts)
        derivative = evaluate_tree(make(text).derivative(name), {**VALUES, **counts})
        assert np.allclose(derivative, (up - down) / (2 * h), rtol=1e-7, atol=1e-7)


def test_derivative_of_jumps_and_unknown():
    assert make("floor(k*X)").derivative("k") == 0
    assert make("X").derivative("k") == 0
    with pytest.raises(ArgumentError, match="unknown parameter 'q'"):
        make("k*X").derivative("q")
    with pytest.raises(ExpressionError, match="cannot be written down"):
        make("binomial(n, X)").derivative("n")


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 7])
def test_mass_action_counts_ways(order):
    tree = mass_action(sympy.Symbol("k"), {"X": order, "Y": 1})
    propensity = Propensity(tree, SPECIES, {"k": 2.0})
    x = np.arange(20)
    expected = [2.0 * comb(int(i), order) * 3 for i in x]
    assert np.allclose(propensity.evaluate({"X": x, "Y": 3}), expected, rtol=1e-14, atol=0)
    assert [f.species for f in propensity.factors] == [(), ("X",), ("Y",)]


def test_predicate():
    predicate = Predicate("X*Y <= 6", SPECIES)
    assert predicate.species == ("X", "Y")
    assert predicate.evaluate({"X": np.arange(5), "Y": np.full(5, 3)}).tolist() == [
        True,
        True,
        True,
        False,
        False,
    ]
    with pytest.raises(ExpressionError, match="undefined at the state"):
        Predicate("1/X > 0 - X/X", SPECIES).evaluate({"X": np.arange(3)})
    with pytest.raises(ExpressionError, match="unknown name 'W'"):
        Predicate("W > 0", SPECIES)
    with pytest.raises(ExpressionError, match="not a condition"):
        Predicate("X", SPECIES)
