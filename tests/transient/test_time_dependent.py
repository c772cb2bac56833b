"""Rates that depend on time: true errors stay below the bounds that are claimed."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import breadth_first
from scipy.integrate import solve_ivp
from scipy.stats import binom, poisson

import fsp
from fsp.errors import ArgumentError, PropensityError, StateSpaceLimitError, UnsupportedError
from fsp.timed import polynomials, rates
from fsp.timed.polynomials import RatePolynomial
from fsp.transient.inhomogeneous import InhomogeneousUniformisation
from fsp.transient.timed_loop import TimedLoop

TOLERANCES = [1e-2, 1e-4, 1e-6, 1e-9]


def error_of(distribution: Any, exact: Any) -> float:
    """1-norm distance of a one-species distribution from a function of counts."""
    counts = (
        distribution.marginal("X").states[:, 0]
        if distribution.states.shape[1] > 1
        else distribution.states[:, 0]
    )
    p = np.zeros(max(int(counts.max()), 1000) + 1)
    p[counts] = (
        distribution.marginal("X").probabilities
        if distribution.states.shape[1] > 1
        else distribution.probabilities
    )
    return float(np.abs(p - exact(np.arange(p.size))).sum())


def check(distribution: Any, exact: Any, tolerance: float) -> None:
    assert distribution.certified
    assert not distribution.lower_bound
    assert distribution.error_bound <= tolerance
    assert distribution.error_bound == pytest.approx(distribution.ledger.total)
    assert (distribution.probabilities >= 0).all()
    assert error_of(distribution, exact) <= distribution.error_bound + 1e-13


def immigration() -> Any:
    return fsp.ReactionNetwork({"X": 0}, ["0 -> X ; a*(1 + sin(w*time))"], {"a": 5.0, "w": 2.0})


# -- closed forms ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tolerance", TOLERANCES)
def test_immigration_with_a_sine_is_poisson(tolerance):
    result = fsp.solve_transient(immigration(), [0.5, 3.0, 7.3], tolerance=tolerance)
    assert result.method == "inhomogeneous"
    assert "rates depend on time" in result.explanation
    for law, t in zip(result, result.times, strict=True):
        mean = 5.0 * (t + (1.0 - math.cos(2.0 * t)) / 2.0)
        check(law, poisson(mean).pmf, tolerance)
        assert mean in law.mean_bounds("X")
    assert result.ledger.entries["rates"] > 0.0


@pytest.mark.parametrize("tolerance", TOLERANCES)
def test_decay_with_a_rate_that_falls(tolerance):
    network = fsp.ReactionNetwork({"X": 40}, ["X -> 0 ; d*X/(1 + time)"], {"d": 1.5})
    law = fsp.solve_transient(network, [4.0], tolerance=tolerance).final
    check(law, binom(40, 5.0**-1.5).pmf, tolerance)


def test_immigration_and_death_both_changing():
    """Poisson with the mean of m' = a(t) - d(t) m."""
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X ; 20*exp(-time)", "X -> 0 ; X*time/(2 + time)"])
    solution = solve_ivp(
        lambda t, m: 20 * np.exp(-t) - m * t / (2 + t), (0, 3), [0.0], rtol=1e-12, atol=1e-14
    )
    law = fsp.solve_transient(network, [3.0], tolerance=1e-8).final
    check(law, poisson(solution.y[0, -1]).pmf, 1e-8)
    assert law.mean_bounds("X").upper < 1e6


def test_a_rate_that_touches_zero_and_one_that_stops():
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X ; 3*(1 - cos(time))", "0 -> X ; max(0, 4 - 2*time)"])
    law = fsp.solve_transient(network, [7.0], tolerance=1e-8).final
    check(law, poisson(3.0 * (7.0 - math.sin(7.0)) + 4.0).pmf, 1e-8)


@pytest.mark.parametrize(
    ("rate", "total"),
    [
        ("piecewise(2, time < 1, 8, time < 1.5, 0.5)", 2.0 + 4.0 + 0.75),  # whose break points are known
        ("piecewise(9, time < 0.1*c, 1)", 0.8 * 9.0 + 2.2),  # 0.8 is no double
        (
            "piecewise(7, sin(2*time) > 0, 1)",
            7 * math.pi / 2 + 3.0 - math.pi / 2,
        ),  # whose break points are searched
        ("floor(2*time)", 0.5 * (1 + 2 + 3 + 4 + 5)),
        ("abs(time - 1)", 0.5 + 2.0),
    ],
)
def test_jumps_and_kinks(rate, total):
    network = fsp.ReactionNetwork({"X": 0}, [f"0 -> X ; {rate}"], {"c": 8.0})
    law = fsp.solve_transient(network, [3.0], tolerance=1e-8).final
    check(law, poisson(total).pmf, 1e-8)


@pytest.mark.parametrize("tolerance", TOLERANCES)
def test_two_species_that_grow_are_independent_poisson(tolerance):
    """First-order networks from nothing: a product of Poisson laws, with several functions of time at once."""
    network = fsp.ReactionNetwork(
        {"X": 0, "Y": 0},
        [
            "0 -> X ; 30*time/(1 + time)",
            "X -> Y ; X*(1 + cos(3*time))",
            "Y -> 0 ; 2*Y*exp(-time)",
            "X -> 0 @ 0.5",
        ],
    )

    def slope(t: float, m: np.ndarray) -> np.ndarray:
        x, y = m
        move = x * (1 + np.cos(3 * t))
        return np.array([30 * t / (1 + t) - move - 0.5 * x, move - 2 * y * np.exp(-t)])

    means = solve_ivp(slope, (0, 2.5), [0.0, 0.0], method="DOP853", rtol=1e-13, atol=1e-14).y[:, -1]
    result = fsp.solve_transient(network, [2.5], tolerance=tolerance)
    law = result.final
    exact = poisson(means[0]).pmf(np.arange(200))[:, None] * poisson(means[1]).pmf(np.arange(200))[None, :]
    p = np.zeros_like(exact)
    p[tuple(law.states.T)] = law.probabilities
    assert law.error_bound <= tolerance
    assert np.abs(p - exact).sum() <= law.error_bound + 1e-12
    assert result.statistics["growths"] > 3


def test_states_that_outgrow_the_uniformisation_rate(monkeypatch):
    """Rates that grow steeply with the counts: fast new states are slowed down, and what that changes is booked."""
    changes: list[float] = []
    slow_down = InhomogeneousUniformisation._slow_down

    def record(self: Any, v: Any, allowance: float) -> float:
        changes.append(slow_down(self, v, allowance))
        return changes[-1]

    monkeypatch.setattr(InhomogeneousUniformisation, "_slow_down", record)
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X ; 60*(2 + sin(time))", "X -> 0 ; 3*X"])
    mean = solve_ivp(lambda t, m: 60 * (2 + np.sin(t)) - 3 * m, (0, 2), [0.0], rtol=1e-12, atol=1e-13).y[
        0, -1
    ]
    for tolerance in TOLERANCES:
        check(fsp.solve_transient(network, [2.0], tolerance=tolerance).final, poisson(mean).pmf, tolerance)
    assert max(changes) > 0.0


# -- against other ways to the same number -------------------------------------------------------------------


def test_a_telegraph_model_piece_by_piece():
    """A piecewise constant rate is a chain of two stationary pieces, the second from the end of the first."""

    def telegraph(on: str) -> Any:
        return fsp.ReactionNetwork(
            {"G": 0, "X": 0},
            [f"0 -> G ; piecewise({on}, G == 0, 0)", "G -> 0 @ 1", "G -> G + X @ 10", "X -> 0 @ 1"],
        )

    whole = fsp.solve_transient(telegraph("piecewise(0.5, time < 2, 3)"), [2.0, 5.0], tolerance=1e-7)
    first = fsp.solve_transient(telegraph("0.5"), [2.0], tolerance=1e-10)
    second = fsp.solve_transient(telegraph("3"), [3.0], tolerance=1e-10, initial=first)
    for law, reference in zip(whole, (first.final, second.final), strict=True):
        p = dict(zip(map(tuple, law.states.tolist()), law.probabilities, strict=True))
        q = dict(zip(map(tuple, reference.states.tolist()), reference.probabilities, strict=True))
        distance = sum(abs(p.get(s, 0.0) - q.get(s, 0.0)) for s in {*p, *q})
        assert distance <= law.error_bound + reference.error_bound


FUNCTIONS = [
    "1 + sin(3*time)", "exp(-time)", "1/(1 + time)", "2^(time/3)", "time", "time^2/(1 + time^2)", "max(0, 1 - 2*time)",
    "piecewise(1, time < 0.75, 4)", "1 + cos(9*time)", "exp(-4*(time - 1)^2)", "sqrt(time)", "tanh(3*time)",
]  # fmt: skip
STATES = ["{x}", "{x}*{y}", "{x}/(1 + {y})", "piecewise({x}, {y} == 1, 2*{x})"]


@st.composite
def closed_networks(draw: Any) -> Any:
    """Draw conversions among three species, all or some with rates that depend on time."""
    reactions = []
    for _ in range(draw(st.integers(2, 5))):
        x, y = draw(st.permutations("ABC"))[:2]
        state = draw(st.sampled_from(STATES)).format(x=x, y=y)
        of_time = draw(st.sampled_from([*FUNCTIONS, "1"]))
        speed = draw(st.sampled_from([0.3, 1.0, 6.0]))
        reactions.append(f"{x} -> {y} ; {speed}*({of_time})*{state}")
    assume_timed = "A -> C ; (2 + sin(time))*A"
    return fsp.ReactionNetwork({"A": 4, "B": 1, "C": 0}, [*reactions, assume_timed])


def exact_law(network: Any, states: Any, times: list[float]) -> np.ndarray:
    """Integrate the master equation tightly, state by state, without any of the code under test."""
    index = {tuple(s): i for i, s in enumerate(states.tolist())}
    targets = [
        np.array([index.get(tuple(s), -1) for s in (states + jump).tolist()])
        for jump in network.stoichiometry
    ]

    def slope(t: float, p: np.ndarray) -> np.ndarray:
        out = np.zeros_like(p)
        propensities = network.evaluate_propensities(states, time=t)
        for r, target in enumerate(targets):
            flow = propensities[:, r] * p
            out -= flow
            np.add.at(out, target[target >= 0], flow[target >= 0])
        return out

    p = np.zeros(len(index))
    p[index[tuple(network.initial_state.tolist())]] = 1.0
    for start, end in itertools.pairwise(times):
        p = solve_ivp(slope, (start, end), p, method="DOP853", rtol=1e-12, atol=1e-15).y[:, -1]
    return p


@settings(max_examples=10)
@given(closed_networks(), st.sampled_from([1e-2, 1e-4, 1e-7, 1e-9]))
def test_random_networks_against_a_tight_integration(network, tolerance):
    states = np.array(sorted(breadth_first_any(network)))
    reference = exact_law(network, states, [0.0, 0.5, 0.75, 1.5])
    law = fsp.solve_transient(network, [1.5], tolerance=tolerance).final
    assert law.error_bound <= tolerance
    p = np.zeros(len(states))
    where = {tuple(s): i for i, s in enumerate(states.tolist())}
    for state, probability in zip(law.states.tolist(), law.probabilities, strict=True):
        p[where[tuple(state)]] = probability
    assert np.abs(p - reference).sum() <= law.error_bound + 2e-11


def breadth_first_any(network: Any) -> list[tuple[int, ...]]:
    """All ways to share the molecules out: conversions keep their number."""
    total = int(network.initial_state.sum())
    return [(a, b, total - a - b) for a in range(total + 1) for b in range(total + 1 - a)]


def test_constant_rates_give_what_uniformisation_gives():
    network = fsp.gallery.toggle_switch(a=20.0, K=6.0, h=2.0, d=1.0)
    mine = fsp.solve_transient(network, [2.0], tolerance=1e-9, method="inhomogeneous").final
    other = fsp.solve_transient(network, [2.0], tolerance=1e-9).final
    assert other.lower_bound
    assert not mine.lower_bound
    assert fsp_distance(mine, other) <= mine.error_bound + other.error_bound


def fsp_distance(a: Any, b: Any) -> float:
    p = dict(zip(map(tuple, a.states.tolist()), a.probabilities, strict=True))
    q = dict(zip(map(tuple, b.states.tolist()), b.probabilities, strict=True))
    return sum(abs(p.get(s, 0.0) - q.get(s, 0.0)) for s in {*p, *q})


# -- controls --------------------------------------------------------------------------------------------------


def test_control_a_wrong_bound_on_the_variation_is_seen(monkeypatch):
    """Rates taken as constant over each step, with a radius that claims to be right: the check above must fail."""

    def claims_too_much(function: Any, start: float, end: float, wanted: float) -> RatePolynomial:
        honest = polynomials.fit(function, start, end, wanted)
        return RatePolynomial(honest.coefficients[:1], 0.0, honest.upper)

    monkeypatch.setattr(rates, "fit", claims_too_much)
    with pytest.raises(AssertionError):
        test_immigration_with_a_sine_is_poisson(1e-6)


def test_an_honest_constant_is_booked(monkeypatch):
    """The same constants with their true radii: wrong by much, and the ledger says so."""

    def constant(function: Any, start: float, end: float, wanted: float) -> RatePolynomial:
        range_ = function.jet((start, end), 0)[0]
        return polynomials._constant(range_, range_[1], 0.0)

    monkeypatch.setattr(rates, "fit", constant)
    monkeypatch.setattr(TimedLoop, "_wanted_radii", lambda self, room: [0.05])
    law = fsp.solve_transient(immigration(), [1.0], tolerance=0.5).final
    check(law, poisson(5.0 * (1.0 + (1.0 - math.cos(2.0)) / 2.0)).pmf, 0.5)
    assert law.ledger.entries["rates"] > 0.01


# -- the rest of the interface -----------------------------------------------------------------------------------


def test_initial_laws_bounds_and_fixed_sets():
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X ; 2*(1 + sin(time))", "X -> 0 @ 0.5"])
    fixed = fsp.solve_transient(
        network, [2.0], tolerance=1e-6, bounds={"X": 60}, initial={"X": {3: 0.5, 4: 0.5}}
    )
    moving = fsp.solve_transient(network, [2.0], tolerance=1e-6, initial={(3,): 0.5, (4,): 0.5})
    assert fixed.final.n_states == 61
    assert fsp_distance(fixed.final, moving.final) <= fixed.error_bound + moving.error_bound
    with pytest.raises(StateSpaceLimitError):
        fsp.solve_transient(immigration(), [50.0], tolerance=1e-6, max_states=40)


def test_what_leaks_through_bounds_is_booked():
    result = fsp.solve_transient(immigration(), [1.0], tolerance=0.9, bounds={"X": 5})
    mean = 5.0 * (1.0 + (1.0 - math.cos(2.0)) / 2.0)
    leaked = result.ledger.entries["leaked"]
    assert leaked == pytest.approx(poisson(mean).sf(5), rel=1e-2)
    assert error_of(result.final, poisson(mean).pmf) <= result.error_bound
    assert list(result.ledger.leaks) == ["R1 across X <= 5"]


def test_threads_and_output_times_change_nothing_that_matters():
    one = fsp.solve_transient(immigration(), [3.0], tolerance=1e-8, threads=1).final
    two = fsp.solve_transient(immigration(), [0.1, 1.0, 2.9999, 3.0], tolerance=1e-8, threads=2).final
    assert fsp_distance(one, two) <= one.error_bound + two.error_bound


def test_a_rate_that_is_zero_for_a_while():
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X ; piecewise(0, time < 100, 3)"])
    result = fsp.solve_transient(network, [50.0, 100.0, 101.0], tolerance=1e-8)
    assert result[0].probabilities[0] >= 1.0 - 1e-8
    assert result[1].probabilities[0] >= 1.0 - 1e-8
    check(result[2], poisson(3.0).pmf, 1e-8)


def test_a_rate_whose_range_is_known_for_short_times_only():
    """Interval arithmetic sees a pole in ``time^2 - 10 time + 26`` over long times; nothing fires at first."""
    laws = [
        fsp.solve_transient(
            fsp.ReactionNetwork({"X": 0}, ["0 -> X ; piecewise(0, time < 1, 2)", f"X -> 0 ; 3*X/({form})"]),
            [8.0],
            tolerance=1e-7,
        ).final
        for form in ("time^2 - 10*time + 26", "1 + (time - 5)^2")
    ]
    assert fsp_distance(*laws) <= laws[0].error_bound + laws[1].error_bound


def test_what_is_refused():
    network = immigration()
    with pytest.raises(UnsupportedError, match="double precision"):
        fsp.solve_transient(network, [1.0], precision="extended")
    with pytest.raises(ArgumentError, match=r"R1 depends on time.*'uniformisation'.*'inhomogeneous'"):
        fsp.solve_transient(network, [1.0], method="uniformisation")
    negative = fsp.ReactionNetwork({"X": 0}, ["feed: 0 -> X ; 1 - time"])
    with pytest.raises(PropensityError, match="feed.*negative at time"):
        fsp.solve_transient(negative, [3.0])
    assert fsp.solve_transient(negative, [0.5]).final.certified
    infinite = fsp.ReactionNetwork({"X": 0}, ["feed: 0 -> X ; 1/(time - 1)^2"])
    with pytest.raises(PropensityError, match="feed.*not finite near time 1"):
        fsp.solve_transient(infinite, [3.0])
    state = fsp.ReactionNetwork({"X": 3}, ["odd: X -> 0 ; (2*X - 5)*exp(-time)"])
    with pytest.raises(PropensityError, match="odd"):
        fsp.solve_transient(state, [1.0])


def test_breadth_first_is_the_simplex():
    network = fsp.ReactionNetwork({"A": 2, "B": 0, "C": 0}, ["A -> B @ 1", "B -> C @ 1"])
    assert sorted(breadth_first(network, [(2, 0, 0)], 10)) == sorted(breadth_first_any(network))
