"""Growth of state sets: as far as the flow takes to become small, and not much farther."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import poisson

import fsp
from fsp.statespace import Coordinates, FibreSet
from fsp.statespace.constraints import Constraints
from fsp.stationary.chain import FiniteChain
from fsp.stationary.gth import GTH
from fsp.stationary.lattice import Lattice
from fsp.stationary.law import truncated_law
from fsp.stationary.truncation import grow, needed


def lattice_of(network: fsp.ReactionNetwork) -> Lattice:
    return Lattice(network, Coordinates.of(network))


def outflow(lattice: Lattice, space: FibreSet, score: np.ndarray) -> float:
    """Return what flows out of a set with a given score of each state."""
    return float(FiniteChain.of(lattice.network, space, lattice.tables).outflow @ score)


@pytest.mark.parametrize("allowance", [1e-3, 1e-4, 1e-30])
def test_a_poisson_law_is_followed_into_its_tails(allowance: float) -> None:
    """From four standard deviations on: as far as the flow takes to be small, a few counts more, and never very far."""
    network = fsp.ReactionNetwork({"X": 100}, ["0 -> X @ 100", "X -> 0 @ 1"])
    lattice, law = lattice_of(network), poisson(100.0)
    start = np.arange(60, 141)
    space = FibreSet.from_reduced(lattice.coordinates, start[:, None])
    larger = grow(lattice, space, law.pmf(start), allowance, Constraints(network))
    counts = larger.reduced()[:, 0]
    assert set(start) <= set(counts)
    if allowance < 1e-20:
        assert counts.tolist() == list(range(60 - 12, 140 + 12 + 1))
        return
    assert outflow(lattice, larger, law.pmf(counts)) <= 2 * allowance
    highest = int(np.argmax(100.0 * law.pmf(np.arange(100, 200)) <= allowance)) + 100
    assert highest - 2 <= counts.max() <= highest + 4


def test_small_flows_are_not_followed() -> None:
    network = fsp.ReactionNetwork({"X": 5}, ["0 -> X @ 5", "X -> 0 @ 1"])
    lattice = lattice_of(network)
    space = FibreSet.from_reduced(lattice.coordinates, np.arange(20)[:, None])
    p = poisson(5.0).pmf(np.arange(20))
    assert grow(lattice, space, p, 2 * outflow(lattice, space, p), Constraints(network)).n_states == 20
    assert grow(lattice, space, 0.0 * p, 1e-12, Constraints(network)).n_states == 20
    assert grow(lattice, space, p, 0.0, Constraints(network)).n_states > 20
    assert grow(lattice, space, p, 0.0, Constraints(network, {"X": 20})).n_states == 21


def test_steep_directions_grow_less_than_flat_ones() -> None:
    """Two independent counts with means 4 and 400: the set keeps the shape of the law."""
    network = fsp.ReactionNetwork(
        {"X": 4, "Y": 400}, ["0 -> X @ 4", "X -> 0 @ 1", "0 -> Y @ 400", "Y -> 0 @ 1"]
    )
    lattice = lattice_of(network)
    axes = list(lattice.coordinates.axes)
    box = np.argwhere(np.ones((11, 121))) + np.array([0, 340])
    space = FibreSet.from_states(lattice.coordinates, box)
    states = space.states()
    p = poisson(4.0).pmf(states[:, 0]) * poisson(400.0).pmf(states[:, 1])
    low, high = grow(lattice, space, p, 1e-3, Constraints(network)).box()
    assert axes in ([0, 1], [1, 0])
    x, y = axes.index(0), axes.index(1)
    assert 12 <= high[x] <= 14
    assert high[y] >= 466
    assert low[y] <= 334


def test_thin_sets_and_sets_of_one_state() -> None:
    network = fsp.gallery.gene_expression()
    lattice = lattice_of(network)
    one = FibreSet.from_states(lattice.coordinates, [[3, 4]])
    larger = grow(lattice, one, np.ones(1), 1e-9, Constraints(network))
    assert larger.n_states == 9  # two firings of each of the four reactions
    assert (larger.index([[3, 4], [5, 4], [1, 4], [3, 6], [3, 2]]) >= 0).all()


@pytest.mark.parametrize("weight", [1.0, 1e3])
def test_growth_reaches_an_allowance_in_a_few_rounds(weight: float) -> None:
    """Gene expression from a small set: few solves, and few states that the end does not need."""
    network = fsp.ReactionNetwork(
        {"M": 10, "P": 200}, ["0 -> M @ 10", "M -> M + P @ 4", "M -> 0 @ 1", "P -> 0 @ 0.2"]
    )
    lattice, limits = lattice_of(network), Constraints(network)
    space = FibreSet.from_states(lattice.coordinates, np.argwhere(np.ones((21, 201))) + np.array([0, 100]))
    wanted, most, rounds = 1e-8, 0, 0
    while rounds < 20:
        rounds += 1
        chain = FiniteChain.of(network, space, lattice.tables)
        law = truncated_law(lattice, space, chain, int(space.index([[10, 200]])[0]), GTH)
        flow = weight * float(law.residual.flow.sum())
        most = max(most, space.n_states)
        if flow <= wanted:
            break
        allowance = max(0.1 * wanted, 0.01 * flow)
        keep = needed(law, np.full(space.n_states, weight), 0.1 * allowance)
        score = weight * law.p[keep].astype(float)
        space = grow(lattice, space.where(keep), score, allowance, limits)
    assert flow <= wanted
    assert rounds <= 10
    enough = int(needed(law, np.full(space.n_states, weight), wanted).sum())
    assert most <= 1.4 * enough


def test_a_law_without_its_solver_says_what_it_was() -> None:
    network = fsp.gallery.gene_expression()
    lattice = lattice_of(network)
    space = FibreSet.from_states(lattice.coordinates, np.argwhere(np.ones((6, 9))))
    law = truncated_law(lattice, space, FiniteChain.of(network, space, lattice.tables), 0, GTH)
    light = law.light()
    assert (light.info, light.method) == (law.info, law.method)
    assert light.p is law.p
    assert light.solver is None
    assert light.chain is None
    assert light.with_solver(GTH) is light
    again = replace(law, solver=None).with_solver(GTH)
    assert again.solver is not None
