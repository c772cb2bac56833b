"""Functions of the counts: best values, and enclosures against laws that are known exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fsp
from fsp.distribution import Distribution
from fsp.errors import ArgumentError, ExpressionError, ModelError
from fsp.interval import Interval
from fsp.model.observables import read_observables

RATE = 20.0
DEFINITIONS = {
    "double": "2*X",
    "weighted": "3*X - Y/2 + 7",
    "share": "100/(1 + X)",
    "product": "X*Y",
    "square": "X^2",
    "flag": "1 if X > 3 else 0",
    "late": "X*time",
    "fixed": "k/2",
    "debt": "X - Y",
}


def poisson(mean, n):
    return np.array([math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1)) for k in range(n)])


@pytest.fixture(scope="module")
def network():
    """Immigration and death of two species that do not know of each other: Poisson laws."""
    return fsp.ReactionNetwork(
        {"X": 0, "Y": 0},
        ["0 -> X @ k", "X -> 0 @ 1", "0 -> Y @ 5", "Y -> 0 @ 1"],
        {"k": RATE},
        observables=DEFINITIONS,
    )


@pytest.fixture(scope="module")
def law(network):
    return fsp.solve_transient(network, [0.7], tolerance=1e-8).final


@pytest.fixture(scope="module")
def exact():
    growth = 1 - math.exp(-0.7)
    p, q = poisson(RATE * growth, 150), poisson(5 * growth, 100)
    x, y = np.meshgrid(np.arange(150.0), np.arange(100.0), indexing="ij")
    values = {
        "double": 2 * x,
        "weighted": 3 * x - y / 2 + 7,
        "share": 100 / (1 + x),
        "product": x * y,
        "square": x**2,
        "flag": (x > 3) * 1.0,
        "late": x * 0.7,
        "fixed": 0 * x + RATE / 2,
        "debt": x - y,
    }
    return np.outer(p, q), values


@pytest.mark.parametrize("name", DEFINITIONS)
def test_moments_against_the_exact_law(law, exact, name):
    weights, values = exact[0], exact[1][name]
    mean = float(np.sum(weights * values))
    variance = float(np.sum(weights * (values - mean) ** 2))
    second = float(np.sum(weights * values**2))
    size = max(1.0, abs(mean), variance)
    assert law.mean(name) == pytest.approx(mean, rel=1e-6, abs=1e-6)
    assert law.variance(name) == pytest.approx(variance, rel=1e-5, abs=1e-6)
    for bounds, value in [
        (law.mean_bounds(name), mean),
        (law.variance_bounds(name), variance),
        (law.moment_bounds(name, 2), second),
        (law.std_bounds(name), math.sqrt(variance)),
    ]:
        slack = 1e-12 * size  # of the sums here
        assert bounds.lower - slack <= value <= bounds.upper + slack
    assert law.std(name) == math.sqrt(law.variance(name))


@pytest.mark.parametrize(
    ("name", "mean", "variance"),
    [
        ("double", 1e-9, 1e-7),
        ("weighted", 1e-9, 1e-3),
        ("share", 1e-5, 1e-3),
        ("flag", 1e-7, 1e-6),
        ("fixed", 1e-12, 1e-6),
        ("debt", 1e-9, 1e-3),
    ],
)
def test_enclosures_that_are_tight(law, name, mean, variance):
    assert law.mean_bounds(name).width < mean
    assert law.variance_bounds(name).width < variance
    assert law.mean_bounds(name).certified


@pytest.mark.parametrize("name", ["product", "square"])
def test_enclosures_that_are_open_above(law, name):
    """Nothing is proven about the mean of what lies beyond the states; below, the masses are a bound."""
    bounds = law.mean_bounds(name)
    assert 0 < bounds.lower <= law.mean(name)
    assert bounds.upper == math.inf


def test_probabilities_and_expectations(law):
    assert law.probability("double > 6") == law.probability("X > 3")
    assert law.probability("debt < 0 and flag == 1") == law.probability("X < Y and X > 3")
    assert law.expectation("double*Y") == pytest.approx(2 * law.expectation("X*Y"), rel=1e-12)
    assert law.covariance("double", "X") == pytest.approx(2 * law.variance("X"), rel=1e-6)


def test_marginals(law):
    double = law.marginal("double")
    assert double.species_names == ("double",)
    assert (double.states[:, 0] % 2 == 0).all()
    assert double.probabilities[:5] == pytest.approx(law.marginal("X").probabilities[:5], rel=1e-15)
    assert double.error_bound >= law.error_bound
    assert double.mean_bounds("double").width < 1e-9  # what was proven is passed on
    both = law.marginal(["flag", "Y"])
    assert tuple(both.probability("flag == 1 and Y > 2")) == pytest.approx(
        tuple(law.probability("X > 3 and Y > 2")), abs=1e-12
    )
    assert law.marginal("X").mean("double") == pytest.approx(law.mean("double"), rel=1e-12)
    assert "product" not in law.marginal("X").names
    for name in ("share", "debt", "weighted"):
        with pytest.raises(ArgumentError, match=f"the values of '{name}' are not counts"):
            law.marginal(name)


def test_quantiles(law):
    assert law.quantile("X", 0.5) == law.median("double") / 2
    assert isinstance(law.quantile("X", 0.5), int)
    share = law.quantile("share", 0.5)
    assert share in law.quantile_bounds("share", 0.5)
    assert law.probability(f"share <= {share!r}").upper >= 0.5


def test_courses(network):
    result = fsp.solve_transient(network, [0.0, 1.0], tolerance=1e-8)
    assert result.mean("double") == pytest.approx(2 * result.mean("X"), rel=1e-9)
    assert result.std("late")[0] == 0
    assert result.mean().shape == (2, 2)  # species only
    with pytest.raises(ArgumentError, match="did you mean 'double'"):
        result.mean("dobule")


def test_copies_follow_parameters(network):
    changed = network.with_parameters(k=8.0).with_initial(X=3)
    assert changed.observables["fixed"].evaluate({"X": np.int64(0)}) == 4
    assert changed != network
    assert "double = 2*X" in repr(network)


def test_estimates_prove_nothing_but_what_is_known_without_them():
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 1"], observables={"y": "2*X", "z": "1/(1 + X)"})
    options = {"observables": network.observables, "error_bound": 0.25, "certified": False}
    law = Distribution.from_dict({0: 0.5, 1: 0.5}, ["X"], **options)
    assert law.mean_bounds("y").upper == math.inf
    assert law.mean_bounds("z") == Interval(-math.inf, math.inf)
    capped = Distribution.from_dict({0: 0.5, 1: 0.5}, ["X"], support_bounds={"X": 4.0}, **options)
    assert capped.mean_bounds("y").upper == 8.0


@given(
    data=st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 50)), min_size=2, max_size=12
    ),
    removed=st.integers(0, 3),
    moved=st.booleans(),
)
def test_any_part_of_a_law_is_enclosed(data, removed, moved):
    """Take states away, or move their mass: the bounds hold the moments of the whole law."""
    names = ["X", "Y"]
    expressions = {"a": "2*X - 3*Y + 1", "b": "X*Y - 5", "c": "(X - 3)^3", "d": "X/(1 + Y)", "e": "-X"}
    parameters: dict[str, float] = {}
    observables = read_observables(expressions, names, parameters)
    weights: dict[tuple[int, int], float] = {}
    for x, y, w in data:
        weights[x, y] = weights.get((x, y), 0) + w
    total = sum(weights.values())
    true = {state: w / total for state, w in weights.items()}
    kept = dict(true)
    for state in list(true)[: min(removed, len(true) - 1)]:
        mass = kept.pop(state)
        if moved:
            first = next(iter(kept))
            kept[first] += mass
    missing = sum(abs(true.get(s, 0) - kept.get(s, 0)) for s in true) + 1e-12
    law = Distribution.from_dict(
        kept,
        names,
        error_bound=missing,
        lower_bound=not moved,
        observables=observables,
        support_bounds={"X": 6.0, "Y": 6.0},
    )
    for name, observable in observables.items():
        states = np.array(list(true))
        values = observable.evaluate({"X": states[:, 0], "Y": states[:, 1]})
        p = np.array(list(true.values()))
        mean = float(p @ values)
        checks = [
            (law.mean_bounds(name), mean),
            (law.moment_bounds(name, 2), float(p @ values**2)),
            (law.moment_bounds(name, 3), float(p @ values**3)),
            (law.variance_bounds(name), float(p @ (values - mean) ** 2)),
        ]
        for bounds, value in checks:
            assert bounds.lower - 1e-9 * (1 + abs(value)) <= value <= bounds.upper + 1e-9 * (1 + abs(value))


def test_bad_observables():
    def build(**observables):
        return fsp.ReactionNetwork({"X": 1}, ["X -> 0 @ k"], {"k": 1.0}, observables=observables)

    for name in ("X", "k"):
        with pytest.raises(ModelError, match=f"observable '{name}' has the name of something else"):
            build(**{name: "2*X"})
    with pytest.raises(ExpressionError, match="unknown name 'Z'.*observable 'y'"):
        build(y="Z")
    law = fsp.solve_transient(build(y="1/X", t="time"), [1.0]).final
    with pytest.raises(ExpressionError, match="'y' has no finite value at the state {'X': 0}"):
        law.mean("y")
    assert law.mean("t") == 1.0
    timeless = Distribution.from_dict({1: 1.0}, ["X"], observables=build(t="X*time").observables)
    with pytest.raises(ArgumentError, match="'t' depends on time"):
        timeless.mean("t")
