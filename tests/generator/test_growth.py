"""Growth of the state set against breadth-first search."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_networks import breadth_first, brute_force, networks

import fsp
from fsp.errors import StateSpaceLimitError
from fsp.generator import FactorTables, FibreGenerator, growth
from fsp.generator.growth import bridge_gaps, closure, grow_outflow, reachable
from fsp.statespace import Coordinates, FibreSet
from fsp.statespace.constraints import Constraints


def start(network, axis=None, states=None):
    coordinates = Coordinates.of(network, axis)
    space = FibreSet.from_states(coordinates, [network.initial_state] if states is None else states)
    return FactorTables(network, coordinates), space


def as_set(space):
    return {tuple(s) for s in space.states().tolist()}


@settings(max_examples=100)
@given(networks(), st.integers(0, 6), st.data())
def test_reachable_is_breadth_first(network, steps, data):
    axes = Coordinates.of(network).axes
    tables, space = start(network, data.draw(st.sampled_from(axes)))
    found = reachable(tables, space, Constraints(network), steps)
    assert as_set(found) == breadth_first(network, [network.initial_state], steps)


@settings(max_examples=60)
@given(networks(), st.integers(0, 5), st.data())
def test_reachable_under_bounds(network, steps, data):
    names = network.species_names
    initial = dict(zip(names, network.initial_state.tolist(), strict=True))
    bounds = {
        n: initial[n] + data.draw(st.integers(0, 3)) for n in data.draw(st.sets(st.sampled_from(names)))
    }
    total = sum(initial.values()) + data.draw(st.integers(0, 4))
    constraints = Constraints(network, [bounds, f"{' + '.join(names)} <= {total}"])
    found = reachable(*start(network), constraints, steps)

    def allowed(state):
        counts = dict(zip(names, state, strict=True))
        return all(counts[n] <= b for n, b in bounds.items()) and sum(state) <= total

    assert as_set(found) == breadth_first(network, [network.initial_state], steps, allowed)


@settings(max_examples=60)
@given(networks(max_species=3), st.data())
def test_closure_is_breadth_first_to_the_end(network, data):
    names = network.species_names
    initial = dict(zip(names, network.initial_state.tolist(), strict=True))
    bounds = {n: initial[n] + data.draw(st.integers(0, 5)) for n in names}
    found = closure(*start(network), Constraints(network, bounds), 10_000)

    def allowed(state):
        return all(c <= bounds[n] for n, c in zip(names, state, strict=True))

    assert as_set(found) == breadth_first(network, [network.initial_state], 10_000, allowed)


@settings(max_examples=60)
@given(networks(max_species=3), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_growth_follows_the_outflow(network, reach, seed):
    tables, space = start(network)
    space = reachable(tables, space, Constraints(network), 2)
    generator = FibreGenerator(tables, space)
    x = 10.0 ** -(12 * np.random.default_rng(seed).random(space.n_states))
    brute = brute_force(network, space)
    flows = brute.leaving * x[:, None]
    assume(flows.any())
    allowance = 0.1 * flows.sum()
    larger = grow_outflow(generator, x, Constraints(network), allowance, reach)
    assert space.intersection(larger).n_states == space.n_states
    assert larger.n_states > space.n_states
    # Nothing that is added is unreachable, and what still leaves is at most what was allowed.
    within = breadth_first(network, as_set(space), reach)
    assert as_set(larger) <= within
    inside = as_set(larger)
    left = 0.0
    for i, state in enumerate(space.states()):
        for r, change in enumerate(network.stoichiometry):
            if tuple((state + change).tolist()) not in inside:
                left += flows[i, r]
    assert left <= allowance * (1 + 1e-12)


def test_rays_reach_as_far_as_asked():
    for reactions, step in ((["0 -> X @ 1", "0 -> 3 X @ 1"], 1), (["0 -> 3 X @ 1"], 3)):
        network = fsp.ReactionNetwork({"X": 0}, reactions)
        tables, space = start(network)
        generator = FibreGenerator(tables, space)
        larger = grow_outflow(generator, np.ones(1), Constraints(network), 0.0, 100)
        assert as_set(larger) == {(n,) for n in range(0, 101, step)}


def test_rays_end_where_the_propensity_vanishes():
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X ; 5 - X"])
    tables, space = start(network)
    generator = FibreGenerator(tables, space)
    larger = grow_outflow(generator, np.ones(1), Constraints(network), 0.0, 1000)
    assert as_set(larger) == {(n,) for n in range(6)}
    FibreGenerator(tables, larger)  # the states where the propensity would be negative are not there


def test_growth_along_prefixes_and_into_larger_tables():
    network = fsp.ReactionNetwork({"X": 0, "Y": 0}, ["0 -> X ; 1 + Y", "0 -> Y @ 1"])
    for axis in (0, 1):
        tables, space = start(network, axis)
        generator = FibreGenerator(tables, space)
        larger = grow_outflow(generator, np.ones(1), Constraints(network, {"X": 5000}), 0.0, 20_000)
        expected = {(x, 0) for x in range(5001)} | {(0, y) for y in range(20_001)}
        assert as_set(larger) == expected
        FibreGenerator(tables, larger)


def test_growth_stops_at_constraints():
    network = fsp.ReactionNetwork({"X": 0, "Y": 0}, ["0 -> X @ 1", "0 -> Y @ 1"])
    tables, space = start(network)
    constraints = Constraints(network, [{"X": 0}, "Y < 1"])
    generator = FibreGenerator(tables, space)
    assert grow_outflow(generator, np.ones(1), constraints, 0.0, 5).n_states == 1
    assert reachable(tables, space, constraints, 9).n_states == 1


def test_zeros_inside_a_fibre_add_a_few_states_only():
    """The documented superset: the run between two states from which the reaction can fire."""
    network = fsp.ReactionNetwork({"X": 0, "Y": 0}, ["0 -> X @ 1", "0 -> Y ; piecewise(0, X == 1, 1)"])
    tables, space = start(network, 0, [[0, 0], [1, 0], [2, 0]])
    found = as_set(reachable(tables, space, Constraints(network), 1))
    exact = breadth_first(network, [[0, 0], [1, 0], [2, 0]], 1)
    assert exact <= found <= exact | {(1, 1)}


def test_too_many_states():
    network = fsp.ReactionNetwork({"X": 0, "Y": 0}, ["0 -> X @ 1", "0 -> Y @ 1"])
    with pytest.raises(StateSpaceLimitError, match="100"):
        reachable(*start(network), Constraints(network), 1000, 100)
    constraints = Constraints(network, {"X": 10**6, "Y": 10**6})
    with pytest.raises(StateSpaceLimitError, match="5,?000"):
        closure(*start(network), constraints, 5000)


def test_growth_by_little_in_each_round():
    """A staircase without an end is given up after so many rounds; one with an end is followed."""
    network = fsp.ReactionNetwork({"A": 0, "B": 0}, ["0 -> A ; 1*(A == 0)", "A -> B @ 1"])
    with pytest.raises(StateSpaceLimitError, match="50 rounds"):
        closure(*start(network), Constraints(network), 10**6, 50)
    found = closure(*start(network), Constraints(network, {"B": 200}), 10**6)
    assert as_set(found) == {(a, b) for a in range(2) for b in range(201)}


def test_a_conserved_network_closes_by_itself():
    network = fsp.ReactionNetwork({"A": 6, "B": 0, "C": 1}, ["A -> B @ 1", "B -> A @ 1", "B -> C @ 1"])
    tables, space = start(network)
    found = as_set(reachable(tables, space, Constraints(network), 100))
    assert found == {(a, b, 7 - a - b) for a in range(7) for b in range(7 - a)}


#: Lines with a gap of two states each, at X = 3 and 4.
GAPPED = [[x, y] for x in (0, 1, 2, 5, 6) for y in range(4)]


def bridged(monkeypatch, propensity="X", constraints=None, states=GAPPED, most=math.inf):
    monkeypatch.setattr(growth, "LARGE", 1)
    network = fsp.ReactionNetwork({"X": 0, "Y": 0}, ["0 -> X @ 1", "0 -> Y @ 1", f"X -> 0 ; {propensity}"])
    tables, space = start(network, 0, states)
    found = bridge_gaps(tables, space, Constraints(network, constraints), most)
    assert found is space or (space.index(found.states()) < 0).any()
    assert (found.index(space.states()) >= 0).all()
    return found


def test_short_gaps_of_large_sets_are_bridged(monkeypatch):
    found = bridged(monkeypatch)
    assert as_set(found) == {(x, y) for x in range(7) for y in range(4)}
    assert found.n_fibres == 4
    limited = bridged(monkeypatch, constraints={"X": 6, "Y": 3})
    assert as_set(limited) == as_set(found)


@pytest.mark.parametrize(
    "options",
    [
        {"propensity": "X*(X - 3.5)**2/(X - 3)"},  # not finite in the gaps
        {"propensity": "X*(X - 2.5)*(X - 4.5)"},  # negative in the gaps
        {"constraints": "X*Y <= 18"},  # need not hold within a gap that it holds around
        {"most": 27},
        {"states": [[x, y] for x in (0, 1, 2, 5 + growth.GAP) for y in range(4)]},  # too wide
        {"states": [[x, y] for x in (0, 1, 2, 5) for y in range(12 if x < 5 else 1)]},  # too few
    ],
)
def test_gaps_that_are_left(monkeypatch, options):
    if "constraints" in options or "most" in options:
        assert bridged(monkeypatch, **{k: v for k, v in options.items() if k == "states"}).n_fibres == 4
    found = bridged(monkeypatch, **options)
    assert found.n_fibres > len({y for _, y in as_set(found)})


def test_small_sets_are_not_bridged():
    network = fsp.ReactionNetwork({"X": 0, "Y": 0}, ["0 -> X @ 1", "0 -> Y @ 1"])
    tables, space = start(network, 0, GAPPED)
    assert bridge_gaps(tables, space, Constraints(network), math.inf) is space
