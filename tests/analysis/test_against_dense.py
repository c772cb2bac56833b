"""Random networks against dense linear algebra."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from passage_reference import Dense
from random_networks import networks

import fsp

BOX = 5
TIMES = [0.1, 1.0]
SETTINGS = settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


@st.composite
def passages(draw):
    network = draw(networks(max_species=2, max_reactions=5))
    names = network.species_names
    x, y = draw(st.sampled_from(names)), draw(st.sampled_from(names))
    top, low = draw(st.integers(2, BOX)), draw(st.integers(0, 3))
    target = (f"{x} >= {top}", lambda **counts: counts[x] >= top)
    avoid = (f"{y} == {low}", lambda **counts: counts[y] == low)
    return network, target, draw(st.sampled_from([(None, lambda **counts: False), avoid]))


def refuse_rightly(error, dense):
    """A target that no state within the box leads to is refused; then it is never hit."""
    assert "target" in str(error)
    assert dense.ends(1.0)[0, dense.start] == 0.0
    assume(False)


def solve(problem, **options):
    network, (target, is_target), (avoid, is_avoid) = problem
    dense = Dense(network, is_target, is_avoid, BOX)
    assume(dense.start_kind == 0)
    bounds = {name: BOX for name in network.species_names}
    try:
        result = fsp.first_passage(
            network, target, TIMES, avoid=avoid, bounds=bounds, tolerance=0.999, **options
        )
    except fsp.ArgumentError as error:
        refuse_rightly(error, dense)
    return dense, result


@given(passages())
@SETTINGS
def test_bounds_hold_and_are_as_wide_as_what_leaks(problem):
    dense, result = solve(problem)
    for k, time in enumerate(TIMES):
        hit, avoided, outside = dense.ends(time)[:, dense.start]
        lower, upper = result.bounds_of_cdf[:, k]
        assert lower <= hit + 1e-13
        assert upper >= hit - 1e-13
        assert upper - lower <= outside * (1 + 1e-8) + 1e-10
        assert abs(lower - hit) <= 1e-10
        if result.avoid:
            lower, upper = result.bounds_of_avoided[:, k]
            assert lower - 1e-13 <= avoided <= upper + 1e-13


@given(passages())
@SETTINGS
def test_all_initial_states_at_once(problem):
    dense, result = solve(problem, direction="adjoint")
    assume(result.by_state is not None)
    for k, time in enumerate(TIMES):
        ends = dense.ends(time)
        for i, state in enumerate(dense.states):
            found = result.from_state(state)[k]
            assert found.lower <= ends[0, i] + 1e-13
            assert found.upper >= ends[0, i] - 1e-13
            assert abs(found.lower - ends[0, i]) <= 1e-8 + 0.06  # what the series may leave out


@given(passages())
@SETTINGS
def test_hit_probability_and_mean(problem):
    dense, result = solve(problem)
    n = dense.n
    a = dense.matrix[:n, :n]
    out = dense.matrix[n:, :n]
    leaves = (np.linalg.matrix_power(np.eye(n) + (a > 0).T, n) @ (out.sum(axis=0) > 0)) > 0
    h = np.zeros((3, n))
    inner = np.flatnonzero(leaves)
    if inner.size:
        h[:, inner] = np.linalg.solve(-a[np.ix_(inner, inner)].T, out[:, inner].T).T
    hit, _, outside = h[:, dense.start]
    found = result.hit_probability
    assert found.lower <= hit + outside + 1e-9  # bounds hold for the chain without a box, too
    assert found.upper >= min(hit, 1.0) - 1e-9
    assert found.width <= outside + 1e-8
    if hit > 1.0 - 1e-12 and leaves.all():
        mean = np.linalg.solve(-a.T, np.ones(n))[dense.start]
        assert result.mean.lower <= mean * (1 + 1e-9)
        assert result.mean.upper >= mean * (1 - 1e-9)
        assert result.mean.width <= 1e-6 * mean


@given(passages(), st.integers(0, 3))
@SETTINGS
def test_expected_time_in_a_set(problem, least):
    network, (target, is_target), _ = problem
    dense = Dense(network, is_target, lambda **counts: False, BOX)
    assume(dense.start_kind == 0)
    name = network.species_names[0]
    bounds = {n: BOX for n in network.species_names}
    try:
        found = fsp.expected_reward(
            network, TIMES, time_in=f"{name} >= {least}", until=target, bounds=bounds, tolerance=0.999
        )
    except fsp.ArgumentError as error:
        refuse_rightly(error, dense)
    counted = np.array([state[0] >= least for state in dense.states])
    for time, interval in zip(TIMES, found, strict=True):
        exact = dense.occupation(time)[counted].sum()
        assert interval.lower <= exact + 1e-12
        assert interval.upper >= exact - 1e-12
        assert abs(interval.lower - exact) <= 1e-9


def test_control_a_wrong_rate_is_noticed():
    """The reference must tell a chain whose rate is off by a thousandth."""
    network = fsp.ReactionNetwork({"A": 1}, ["0 -> A @ 1", "A -> 0 @ 1"])
    other = fsp.ReactionNetwork({"A": 1}, ["0 -> A @ 1.001", "A -> 0 @ 1"])
    dense = Dense(other, lambda A: A >= 4, lambda A: False, BOX)
    result = fsp.first_passage(network, "A >= 4", TIMES, tolerance=1e-9)
    for k, time in enumerate(TIMES):
        with pytest.raises(AssertionError):
            assert result.cdf[k].lower <= dense.ends(time)[0, dense.start] <= result.cdf[k].upper
