"""Reduced coordinates: what conservation laws leave of the species."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import breadth_first, networks

import fsp
from fsp.statespace import Coordinates, FibreSet

GALLERY = [
    "birth_death", "telegraph", "gene_expression", "dimerisation", "isomerisation", "michaelis_menten",
    "toggle_switch", "goutsias", "sir", "enzymatic_futile_cycle", "repressilator",
]  # fmt: skip


def check_round_trip(network, coordinates, states):
    states = np.array(sorted(states), np.int64)
    reduced = coordinates.to_reduced(states)
    assert reduced.shape == (len(states), coordinates.n_axes)
    assert coordinates.to_counts(reduced).tolist() == states.tolist()
    assert coordinates.consistent(states).all()
    assert len(np.unique(reduced, axis=0)) == len(states)  # nothing falls together
    for change, shift in zip(network.stoichiometry, coordinates.shifts, strict=True):
        assert coordinates.to_counts(reduced + shift).tolist() == (states + change).tolist()


@pytest.mark.parametrize("name", GALLERY)
def test_gallery(name):
    network = getattr(fsp.gallery, name)()
    states = breadth_first(network, [network.initial_state], 3)
    laws = network.conservation_laws()
    coordinates = Coordinates.of(network)
    assert coordinates.n_axes == max(len(laws.independent), 1)
    check_round_trip(network, coordinates, states)
    check_round_trip(network, Coordinates.of(network, eliminate=False), states)
    for axis in range(coordinates.n_axes):
        turned = coordinates.with_fibre_axis(axis)
        assert turned.axes[-1] == coordinates.axes[axis]
        assert sorted(turned.axes) == sorted(coordinates.axes)
        check_round_trip(network, turned, states)


@settings(max_examples=80)
@given(networks(), st.integers(0, 3))
def test_random_networks(network, axis):
    states = breadth_first(network, [network.initial_state], 3)
    for coordinates in (Coordinates.of(network), Coordinates.of(network, eliminate=False)):
        check_round_trip(network, coordinates, states)
        check_round_trip(network, coordinates.with_fibre_axis(axis % coordinates.n_axes), states)


def test_the_longest_run_is_last():
    network = fsp.ReactionNetwork({"G": 1, "H": 0, "M": 0}, ["G -> H @ 1", "H -> G @ 1", "H -> H + M @ 9"])
    assert Coordinates.of(network).axes[-1] == 2
    assert Coordinates.of(network).n_axes == 2


def test_inconsistent_states_are_seen():
    network = fsp.ReactionNetwork({"A": 3, "B": 0, "M": 0}, ["A -> B @ 1", "0 -> M @ 1"])
    coordinates = Coordinates.of(network)
    assert coordinates.consistent([[3, 0, 9], [2, 0, 9], [2, 1, 0]]).tolist() == [True, False, True]
    everything = Coordinates.of(network, eliminate=False)
    assert everything.consistent([[3, 0, 9], [2, 0, 9], [2, 1, 0]]).all()


def test_reads():
    network = fsp.ReactionNetwork({"A": 3, "B": 0, "M": 0}, ["A -> B @ 1", "B -> A @ 1", "0 -> M @ 1"])
    coordinates = Coordinates.of(network)
    shared = coordinates.reads(("A",))
    assert coordinates.reads(("B",)) == shared  # both follow from the same coordinate
    assert len(shared) == 1
    assert set(coordinates.reads(("M",))).isdisjoint(shared)
    assert coordinates.reads(("A", "M")) == (0, 1)
    assert coordinates.reads(()) == ()


def test_everything_is_conserved():
    """A network that never changes still has one state."""
    network = fsp.ReactionNetwork({"A": 2, "B": 5}, ["A -> A @ 1", "A + B -> B + A @ 1"])
    coordinates = Coordinates.of(network)
    space = FibreSet.from_states(coordinates, [[2, 5]])
    assert space.states().tolist() == [[2, 5]]
    assert not coordinates.shifts.any()


def test_laws_without_a_unit_coefficient_eliminate_nothing():
    network = fsp.ReactionNetwork({"A": 6, "B": 0}, ["3 A -> 2 B @ 1", "2 B -> 3 A @ 1"])
    coordinates = Coordinates.of(network)
    check_round_trip(network, coordinates, {(6, 0), (3, 2), (0, 4)})
    assert coordinates.n_axes == 2
