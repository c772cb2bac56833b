"""Drift functions that add up tables of parts of a network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fsp
from fsp.statespace import Coordinates
from fsp.stationary.drift_compact import compact_candidate
from fsp.stationary.drift_module_search import find_modules, modular_candidates
from fsp.stationary.drift_modules import ModuleDrift
from fsp.stationary.drift_region import NoDrift, rising_states
from fsp.stationary.hitting import hitting_bound
from fsp.stationary.lattice import Lattice
from fsp.stationary.rate_ranges import RateRanges
from fsp.stationary.reward import Reward
from fsp.stationary.selection import SelectedSolver


def lattice_of(network: fsp.ReactionNetwork) -> Lattice:
    return Lattice(network, Coordinates.of(network))


def ring(n: int = 2, gain: float = 6.0) -> fsp.ReactionNetwork:
    """Genes with messengers and proteins, each repressed by the protein before: too strongly for copies to meet."""
    reactions = []
    for k in range(n):
        before = (k - 1) % n
        reactions += [
            f"-> G{k} ; 1 * (1 - G{k})", f"G{k} -> ; {gain} * P{before} * G{k}", f"-> M{k} ; 1.5 * G{k}",
            f"M{k} -> @ 1", f"M{k} -> M{k} + P{k} @ 2", f"P{k} -> @ 2",
        ]  # fmt: skip
    species = [f"{kind}{k}" for kind in "GMP" for k in range(n)]
    return fsp.ReactionNetwork(dict.fromkeys(species, 0), reactions)


NETWORKS = {
    "toggle": fsp.gallery.toggle_switch,
    "ring": ring,
    "repressilator": lambda: fsp.gallery.repressilator(k=20.0),
    "pairs": lambda: fsp.ReactionNetwork(
        {"A": 0, "B": 0}, ["-> A ; 9 * B / (1 + B)", "2 A -> @ 0.3", "-> B ; 4 / (1 + A)", "B -> @ 1"]
    ),
}


def function(name: str) -> tuple[Lattice, ModuleDrift]:
    lattice = lattice_of(NETWORKS[name]())
    linear = compact_candidate(lattice)
    slopes = [] if linear is None else [linear.slope]
    free = ~np.isfinite(lattice.largest)
    return lattice, next(modular_candidates(lattice, [*slopes, free.astype(float)]))


def test_parts_are_found() -> None:
    lattice = lattice_of(ring(3))
    names = [lattice.coordinates.species_names[s] for s in lattice.coordinates.axes]
    groups = find_modules(lattice, RateRanges(lattice))
    assert groups is not None
    assert {frozenset(names[k] for k in group) for group in groups} == {
        frozenset({f"G{k}", f"M{k}", f"P{k}"}) for k in range(3)
    }


def test_a_part_of_many_unbounded_counts_has_no_tables() -> None:
    chain = fsp.ReactionNetwork(
        dict.fromkeys("ABC", 0),
        ["-> A @ 1", "A -> A + B @ 1", "B -> B + C @ 1", "A -> @ 1", "B -> @ 1", "C -> @ 1"],
    )
    lattice = lattice_of(chain)
    assert find_modules(lattice, RateRanges(lattice)) is None
    assert list(modular_candidates(lattice, [np.ones(3)])) == []


@pytest.mark.parametrize("name", list(NETWORKS))
def test_no_state_where_it_does_not_fall_is_missed(name: str) -> None:
    lattice, drift = function(name)
    decrease = 0.95
    found = rising_states(lattice, drift, decrease, Reward.time(lattice.n_axes))
    assert 0 < len(found) < 200_000
    rng = np.random.default_rng(8)
    top = np.where(np.isfinite(lattice.largest), lattice.largest, 10).astype(int)
    samples = [
        rng.integers(0, np.where(np.isfinite(lattice.largest), top, scale) + 1, size=(6000, lattice.n_axes))
        for scale in (4, 12, 60, 400, 30_000)
    ]
    states = np.unique(np.concatenate(samples), axis=0)
    value, error = drift.drift(lattice, states)
    assert (drift.values(states)[0] >= 0.0).all()
    rising = states[(value - error > -decrease).astype(bool)]
    assert len(rising)
    known = {tuple(row) for row in found.tolist()}
    assert all(tuple(row) in known for row in rising.tolist())


@pytest.mark.parametrize("name", ["toggle", "ring"])
def test_rewards_are_part_of_it(name: str) -> None:
    lattice, drift = function(name)
    reward = Reward.counts(1, np.where(np.isfinite(lattice.largest), np.inf, 2000.0))
    found = rising_states(lattice, drift, 0.5, reward)
    rng = np.random.default_rng(9)
    top = np.where(np.isfinite(lattice.largest), lattice.largest, 60).astype(int)
    states = rng.integers(0, top + 1, size=(5000, lattice.n_axes))
    value, error = drift.drift(lattice, states)
    rising = states[(value - error > -0.5 * reward.values(states)).astype(bool)]
    known = {tuple(row) for row in found.tolist()}
    assert all(tuple(row) in known for row in rising.tolist())


def test_functions_that_do_not_fall_are_refused() -> None:
    lattice, drift = function("toggle")
    time = Reward.time(2)
    with pytest.raises(NoDrift, match="pulled back"):
        rising_states(lattice, replace(drift, slope=np.zeros(2)), 0.95, time)
    with pytest.raises(NoDrift, match="pulled back"):
        rising_states(lattice, replace(drift, slope=drift.slope / 100.0), 0.95, time)
    steep = Reward.counts(2, np.ones(2))
    with pytest.raises(NoDrift):
        rising_states(lattice, drift, 0.95, steep)  # falls linearly, and so not as a square
    raising = fsp.ReactionNetwork(
        {"X": 0, "Y": 0}, ["-> X ; 3 * Y", "X -> @ 1", "-> Y ; 1 / (1 + X)", "Y -> @ 1"]
    )
    other = lattice_of(raising)
    with pytest.raises(NoDrift):
        rising_states(other, drift, 0.95, time)  # X may be raised at any rate


def test_values_and_changes_agree() -> None:
    lattice, drift = function("ring")
    rng = np.random.default_rng(4)
    states = rng.integers(0, 2, size=(200, lattice.n_axes)) * rng.integers(0, 80, size=(200, lattice.n_axes))
    states[:, np.isfinite(lattice.largest)] = np.minimum(states[:, np.isfinite(lattice.largest)], 1)
    for r in lattice.reactions:
        inside = ~lattice.outside_lattice(states + lattice.shifts[r])
        here, there = states[inside], states[inside] + lattice.shifts[r]
        change, size = drift.change(here, lattice.shifts[r])
        direct = drift.values(there)[0] - drift.values(here)[0]
        assert (np.abs(change - direct) <= 1e-14 * (1.0 + size)).all()


def test_return_times_of_a_ring_are_bounded() -> None:
    lattice, drift = function("ring")
    reference = np.zeros(lattice.n_axes, np.int64)
    bound = hitting_bound(lattice, drift, 0.95, Reward.time(lattice.n_axes), reference, SelectedSolver)  # type: ignore[arg-type]
    assert bound.decrease > 0.9
    far = np.zeros((1, lattice.n_axes), np.int64)
    far[:, ~np.isfinite(lattice.largest)] = 500
    assert np.isfinite(bound.values(far)).all()


@pytest.mark.slow
def test_a_ring_whose_copies_do_not_meet_is_certified() -> None:
    network = ring()
    result = fsp.solve_stationary(network, tolerance=0.2)
    assert result.certified
    assert result.error_bound <= 0.2
    assert "a sum of functions of" in result.why
    finer = fsp.solve_stationary(network, tolerance=0.02)
    law = finer.distribution
    index = law.space.index(result.distribution.states)  # type: ignore[attr-defined]
    assert (index >= 0).mean() > 0.5
    shared = np.where(index >= 0, law.probabilities[index], 0.0)
    distance = np.abs(shared - result.distribution.probabilities).sum() + 1.0 - shared.sum()
    assert distance <= result.error_bound + finer.error_bound
