"""Bounds: largest counts and conditions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import lattice_points, networks

import fsp
from fsp.statespace import Coordinates, FibreSet
from fsp.statespace.constraints import Constraints


@pytest.fixture(scope="module")
def toggle():
    return fsp.ReactionNetwork(
        {"U": 0, "V": 0}, ["0 -> U @ 1", "0 -> V @ 1", "U -> 0 @ 1", "V -> 0 @ 1"], name="lattice"
    )


GRID = np.array(list(itertools.product(range(12), range(12))), np.int64)


@pytest.mark.parametrize(
    ("bounds", "holds"),
    [
        (None, lambda u, v: True),
        ({}, lambda u, v: True),
        ({"U": 7}, lambda u, v: u <= 7),
        ({"U": 7, "V": 0}, lambda u, v: u <= 7 and v <= 0),
        ("U*V <= 30", lambda u, v: u * v <= 30),
        (["U + V < 9", {"U": 4}], lambda u, v: u + v < 9 and u <= 4),
        ([{"U": 9}, {"U": 4}, "V != 3"], lambda u, v: u <= 4 and v != 3),
        ("U < 3 or V < 3", lambda u, v: u < 3 or v < 3),
        (("not U > V",), lambda u, v: u <= v),
    ],
)
def test_allowed_and_restrict(toggle, bounds, holds):
    constraints = Constraints(toggle, bounds)
    expected = np.array([holds(u, v) for u, v in GRID.tolist()])
    assert constraints.allowed(GRID).tolist() == expected.tolist()
    assert bool(constraints) == bool(bounds)
    coordinates = Coordinates.of(toggle)
    space = FibreSet.from_states(coordinates, GRID)
    matrix, limit = constraints.linear(coordinates)
    reduced = space.reduced()
    inside = (reduced @ matrix.T <= limit).all(axis=1)
    restricted = constraints.restrict(space.where(inside), chunk=17)
    assert {tuple(s) for s in restricted.states().tolist()} == {
        tuple(s) for s, k in zip(GRID.tolist(), expected, strict=True) if k
    }
    for state, ok in zip(GRID, expected, strict=True):
        assert bool(constraints.crossed(state)) != bool(ok)


def test_crossed_names_the_constraint(toggle):
    constraints = Constraints(toggle, [{"U": 4}, "U*V <= 30"])
    assert constraints.crossed(np.array([5, 9])) == "U <= 4"
    assert constraints.crossed(np.array([4, 8])) == "U*V <= 30"
    assert constraints.crossed(np.array([4, 7])) == ""


@settings(max_examples=60)
@given(networks(), st.data())
def test_linear_form_is_counts_between_zero_and_bound(network, data):
    """Also for species that a conservation law removed from the coordinates."""
    chosen = data.draw(st.sets(st.sampled_from(network.species_names)))
    bounds = {name: data.draw(st.integers(0, 5)) for name in sorted(chosen)}
    constraints = Constraints(network, bounds)
    coordinates = Coordinates.of(network)
    points = data.draw(lattice_points(coordinates))
    reduced = coordinates.to_reduced(points) + data.draw(st.integers(-1, 1))
    counts = coordinates.to_counts(reduced)
    matrix, limit = constraints.linear(coordinates)
    largest = np.array([bounds.get(name, 10**9) for name in network.species_names])
    expected = ((counts >= 0) & (counts <= largest)).all(axis=1)
    assert (reduced @ matrix.T <= limit).all(axis=1).tolist() == expected.tolist()


def test_boxes():
    network = fsp.ReactionNetwork({"A": 3, "B": 0, "M": 0}, ["A -> B @ 1", "0 -> M @ 1"])
    assert not Constraints(network).is_box()
    assert Constraints(network, {"M": 9}).is_box()
    assert not Constraints(network, {"A": 9}).is_box()
    closed = fsp.ReactionNetwork({"A": 3, "B": 0}, ["A -> B @ 1"])
    assert not Constraints(closed).is_box()  # finite, but nobody asked to keep all of it


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ({"W": 3}, "'W'"),
        ({"UU": 3}, "did you mean U"),
        ({"U": -1}, "U must be an integer >= 0, not -1"),
        ({"U": 2.5}, "2.5"),
        ({"U": float("nan")}, "nan"),
        ({"U": float("inf")}, "inf"),
        ({"U": True}, "True"),
        ({"U": "many"}, "'many'"),
        ({"U": None}, "None"),
        ("U + W <= 3", "'W'"),
        ("U + V", "U"),
        ("U <= ", "bound"),
        ("__import__('os')", "__import__"),
        ("U.real < 3", "U"),
        ([3], "3"),
        (3, "3"),
    ],
)
def test_bad_bounds(toggle, bounds, text):
    with pytest.raises(fsp.FSPError, match=text.replace("(", r"\(").replace(")", r"\)").replace("+", r"\+")):
        Constraints(toggle, bounds)


def test_undefined_condition(toggle):
    constraints = Constraints(toggle, "U/V <= 3")
    with pytest.raises(fsp.FSPError, match="U/V <= 3.*undefined.*'U': 0, 'V': 0"):
        constraints.allowed(np.array([[0, 0]]))
