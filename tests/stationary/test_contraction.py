"""Distances between copies of a chain that fall, and what they say about truncated laws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import poisson

import fsp
from fsp.statespace import Coordinates, FibreSet
from fsp.stationary import FiniteChain
from fsp.stationary.contraction import Contraction, find_contraction
from fsp.stationary.lattice import Lattice
from fsp.stationary.law import truncated_law
from fsp.stationary.moments import means_by_contraction
from fsp.stationary.rate_differences import rate_difference
from fsp.stationary.rate_ranges import RateRanges
from fsp.stationary.residual import find_residual
from fsp.stationary.selection import SelectedSolver
from fsp.stationary.transport import reflected, transport_cost

IntArray = NDArray[np.int64]


def lattice_of(network: fsp.ReactionNetwork) -> Lattice:
    return Lattice(network, Coordinates.of(network))


def mutual(a: float = 3.0, k: float = 6.0, n: float = 1.0) -> fsp.ReactionNetwork:
    """Two species that repress one another, weakly enough that copies meet."""
    return fsp.ReactionNetwork(
        {"X": 0, "Y": 0},
        [f"-> X ; {a} / (1 + (Y/{k})**{n})", f"-> Y ; {a} / (1 + (X/{k})**{n})", "X -> @ 1", "Y -> @ 1"],
    )


def self_regulated() -> fsp.ReactionNetwork:
    """A gene that its own protein switches off, and pairs of proteins that vanish."""
    return fsp.ReactionNetwork(
        {"G": 1, "P": 0},
        ["G -> ; 0.3 * P * G", "-> G ; 2 * (1 - G)", "G -> G + P @ 4", "P -> @ 1.5", "2 P -> P @ 0.1"],
    )


NETWORKS = {
    "mutual": mutual,
    "self-regulated": self_regulated,
    "gene": fsp.gallery.gene_expression,
    "telegraph": fsp.gallery.telegraph,
}


def change_of_distance(lattice: Lattice, weights: NDArray[np.float64], x: IntArray, y: IntArray) -> float:
    """Return the mean rate of change of the distance of two copies that fire together as far as they can."""
    a, b = (lattice.rates(z[None, :])[0].astype(float) for z in (x, y))
    total = 0.0
    for r in lattice.reactions:
        jump = lattice.shifts[r]
        before = weights @ np.abs(x - y)
        total += max(a[r] - b[r], 0.0) * (weights @ np.abs(x + jump - y) - before)
        total += max(b[r] - a[r], 0.0) * (weights @ np.abs(x - y - jump) - before)
    return float(total)


# -- the distance --------------------------------------------------------------------------------------------


def test_weights_of_linear_networks_are_mean_times() -> None:
    found = find_contraction(lattice_of(fsp.gallery.immigration_death()))
    assert found is not None
    assert found.weights == pytest.approx([10.0], rel=1e-6)
    lattice = lattice_of(fsp.gallery.gene_expression())
    found = find_contraction(lattice)
    assert found is not None
    names = [lattice.coordinates.species_names[s] for s in lattice.coordinates.axes]
    weights = dict(zip(names, found.weights, strict=True))
    rates = fsp.gallery.gene_expression().parameters
    assert weights["P"] == pytest.approx(5.0, rel=1e-6)
    assert weights["M"] == pytest.approx(21.0, rel=1e-6), rates


@pytest.mark.parametrize("name", list(NETWORKS))
def test_the_distance_of_any_two_states_falls(name: str) -> None:
    lattice = lattice_of(NETWORKS[name]())
    found = find_contraction(lattice)
    assert found is not None
    rng = np.random.default_rng(5)
    top = np.where(np.isfinite(lattice.largest), lattice.largest, 40).astype(int)
    for _ in range(300):
        x, y = rng.integers(0, top + 1), rng.integers(0, top + 1)
        fall = -change_of_distance(lattice, found.weights, x, y)
        assert fall >= np.abs(x - y).sum() * (1.0 - 1e-9)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    births=st.lists(st.floats(0.1, 20.0), min_size=2, max_size=2),
    halves=st.lists(st.floats(0.5, 30.0), min_size=2, max_size=2),
    powers=st.lists(st.sampled_from([0.7, 1.0, 2.0, 3.5]), min_size=2, max_size=2),
    states=st.lists(st.integers(0, 60), min_size=4, max_size=4),
)
def test_random_feedback_is_held_or_refused(
    births: list[float], halves: list[float], powers: list[float], states: list[int]
) -> None:
    network = fsp.ReactionNetwork(
        {"X": 0, "Y": 0},
        [
            f"-> X ; {births[0]} / (1 + (Y/{halves[0]})**{powers[0]})",
            f"-> Y ; {births[1]} * X**{powers[1]} / ({halves[1]}**{powers[1]} + X**{powers[1]})",
            "X -> @ 1",
            "Y -> @ 0.5",
        ],
    )
    lattice = lattice_of(network)
    found = find_contraction(lattice)
    if found is None:
        return
    x, y = np.array(states[:2]), np.array(states[2:])
    fall = -change_of_distance(lattice, found.weights, x, y)
    assert fall >= np.abs(x - y).sum() * (1.0 - 1e-9)


def test_smaller_weights_would_not_do() -> None:
    lattice = lattice_of(mutual())
    found = find_contraction(lattice)
    assert found is not None
    worst = min(
        -change_of_distance(lattice, 0.9 * found.weights, np.array(x), np.array(x) + step)
        for x in ([0, 0], [0, 30], [30, 0])
        for step in (np.array([1, 0]), np.array([0, 1]))
    )
    assert worst < 1.0


@pytest.mark.parametrize(
    "network",
    [
        fsp.gallery.toggle_switch(),  # too steep
        fsp.gallery.schloegl(),  # two wells
        fsp.ReactionNetwork({"A": 2}, ["2 A -> @ 1", "-> 2 A @ 1"]),  # even and odd counts never meet
        fsp.ReactionNetwork({"X": 1}, ["X -> 2 X @ 1", "X -> @ 0.9"]),  # grows
        fsp.gallery.goutsias(),
    ],
)
def test_networks_whose_copies_are_not_shown_to_meet(network: fsp.ReactionNetwork) -> None:
    assert find_contraction(lattice_of(network)) is None


# -- differences of rates ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*NETWORKS, "toggle", "schloegl", "dimerisation"])
def test_differences_of_rates_are_enclosed(name: str) -> None:
    more = {
        "toggle": fsp.gallery.toggle_switch,
        "schloegl": fsp.gallery.schloegl,
        "dimerisation": fsp.gallery.dimerisation,
    }
    lattice = lattice_of({**NETWORKS, **more}[name]())
    ranges = RateRanges(lattice)
    rng = np.random.default_rng(3)
    top = np.where(np.isfinite(lattice.largest), lattice.largest, 50).astype(int)
    states = rng.integers(0, top + 1, size=(400, lattice.n_axes))
    for axis in range(lattice.n_axes):
        here = states[states[:, axis] < top[axis]]
        there = here + np.eye(lattice.n_axes, dtype=np.int64)[axis]
        valid = ~(lattice.outside_lattice(here) | lattice.outside_lattice(there))
        change = (lattice.rates(there[valid]) - lattice.rates(here[valid])).astype(float)
        for r in lattice.reactions:
            bound = rate_difference(ranges, r, axis)
            assert bound.lower <= change[:, r].min() + 1e-9
            assert change[:, r].max() <= bound.upper + 1e-9


def test_a_steep_function_is_seen_between_all_its_counts() -> None:
    network = fsp.ReactionNetwork({"X": 0}, ["-> X ; 5 / (1 + (X/3000)**80)", "X -> @ 1"])
    lattice = lattice_of(network)
    bound = rate_difference(RateRanges(lattice), 0, 0)
    x = np.arange(2500, 3500)
    steepest = float(np.diff(lattice.rates(x[:, None])[:, 0].astype(float)).min())
    assert steepest < -0.03
    assert bound.lower <= steepest
    assert bound.lower > 1.2 * steepest


# -- laws ----------------------------------------------------------------------------------------------------


def test_the_cost_bounds_the_error_of_any_vector() -> None:
    network = fsp.ReactionNetwork({"X": 0}, ["-> X @ 8", "X -> @ 1"])
    lattice = lattice_of(network)
    found = find_contraction(lattice)
    assert found is not None
    space = FibreSet.from_states(lattice.coordinates, np.arange(60)[:, None])
    x = np.arange(60)
    chain = FiniteChain.of(network, space, lattice.tables)
    law = truncated_law(lattice, space, chain, 8, SelectedSolver, weights=found.weights)  # type: ignore[arg-type]
    truth = poisson.pmf(np.arange(400), 8.0)
    for mean in (8.0, 8.01, 9.0, 12.0):
        p = poisson.pmf(x, mean).astype(np.longdouble)
        p /= p.sum()
        other = replace(law, p=p, residual=find_residual(lattice, space, p))
        cost = transport_cost(other, found).one_sided
        variation = 0.5 * float(np.abs(np.pad(p.astype(float), (0, 340)) - truth).sum())
        assert variation <= cost
        bounds = means_by_contraction(other, transport_cost(other, found))[(0,)]
        assert bounds.lower <= 8.0 <= bounds.upper
        if (
            mean > 8.5
        ):  # a control: with a distance that falls more slowly than claimed the error would exceed the bound
            assert variation > transport_cost(other, Contraction(found.weights / 10.0)).one_sided


@pytest.mark.parametrize("name", list(NETWORKS))
@pytest.mark.parametrize("tolerance", [1e-2, 1e-5, 1e-8])
def test_laws_against_much_larger_sets(name: str, tolerance: float) -> None:
    network = NETWORKS[name]()
    result = fsp.solve_stationary(network, tolerance=tolerance)
    assert result.certified
    assert "contraction" in result.why
    assert result.error_bound <= tolerance
    lattice = lattice_of(network)
    top = lattice.coordinates.to_reduced(result.distribution.states).max(axis=0)
    top = np.where(np.isinf(lattice.largest), 2 * top + 30, top)
    box = np.argwhere(np.ones(top + 1, dtype=bool))
    space = FibreSet.from_reduced(lattice.coordinates, box)
    chain = FiniteChain.of(network, space, lattice.tables)
    truth = SelectedSolver(chain).stationary(int(space.index(network.initial_state[None, :])[0]))
    law = np.zeros(space.n_states)
    law[space.index(result.distribution.states)] = result.distribution.probabilities
    assert np.abs(law - truth).sum() <= result.error_bound + 1e-12
    states = space.states()
    for k, species in enumerate(network.species_names):
        assert result.distribution.mean_bounds(species).lower <= truth @ states[:, k] + 1e-9
        assert truth @ states[:, k] - 1e-9 <= result.distribution.mean_bounds(species).upper


def test_what_leaves_a_bent_set_does_not_pile_up() -> None:
    # A narrow set across the valley of the law: jumps towards its middle lead out of it.
    network = fsp.gallery.gene_expression()
    lattice = lattice_of(network)
    found = find_contraction(lattice)
    assert found is not None
    states = np.array([[m, p] for m in range(12) for p in range(80) if abs(p - 20 * m) <= 24])
    space = FibreSet.from_states(lattice.coordinates, states)
    chain = FiniteChain.of(network, space, lattice.tables)
    reference = int(space.index([[2, 40]])[0])
    closed = reflected(lattice, chain, space, reference, found, connected=False)
    law = truncated_law(lattice, space, closed, reference, SelectedSolver, weights=found.weights)  # type: ignore[arg-type]
    defect, margin = law.defect()
    assert np.abs(defect[law.others].astype(float)).sum() < 1e-10
    assert margin.max() < 1e-15
    assert float(law.p.max()) < 0.05
    exact = fsp.solve_stationary(network, tolerance=1e-10)
    index = exact.distribution.space.index(space.states())  # type: ignore[attr-defined]
    truth = np.where(index >= 0, exact.distribution.probabilities[index], 0.0)
    variation = 0.5 * (np.abs(law.p.astype(float) - truth).sum() + 1.0 - truth.sum())
    assert variation <= transport_cost(law, found).one_sided


def three_genes() -> fsp.ReactionNetwork:
    """Three genes that repress one another: nine species."""
    reactions = []
    for x, before in zip("ABC", "CAB", strict=True):
        reactions += [
            f"-> G{x} ; 3 * (1 - G{x})", f"G{x} -> ; (2 + 1.5 * P{before}) * G{x}", f"-> M{x} ; 0.4 * G{x}",
            f"M{x} -> @ 1", f"M{x} -> M{x} + P{x} @ 2", f"P{x} -> @ 4",
        ]  # fmt: skip
    return fsp.ReactionNetwork({kind + x: 0 for kind in "GMP" for x in "ABC"}, reactions)


def test_nine_species_are_certified() -> None:
    network = three_genes()
    coarse, fine = (fsp.solve_stationary(network, tolerance=tolerance) for tolerance in (5e-2, 1e-3))
    assert coarse.certified
    assert fine.certified
    assert fine.error_bound <= 1e-3
    index = fine.distribution.space.index(coarse.distribution.states)  # type: ignore[attr-defined]
    shared = np.where(index >= 0, fine.distribution.probabilities[index], 0.0)
    distance = float(np.abs(shared - coarse.distribution.probabilities).sum() + 1.0 - shared.sum())
    assert 1e-4 < distance <= coarse.error_bound + fine.error_bound
    # Simulated states: each marginal within the bound and five standard deviations of a sample, of all 9 species and all
    # counts; a false alarm has a probability below 1e-4, and the seed is fixed.
    n = 40_000
    counts = fsp.simulate(network, [60.0], n, seed=3).at(60.0)
    for k, name in enumerate(network.species_names):
        p = fine.distribution.marginal(name).probabilities
        seen = np.bincount(counts[:, k].astype(int), minlength=len(p))[: len(p)] / n
        assert (np.abs(seen - p) <= 0.5 * fine.error_bound + 5.0 * np.sqrt(p * (1.0 - p) / n) + 5.0 / n).all()
        mean, spread = counts[:, k].mean(), counts[:, k].std() / np.sqrt(n)
        bounds = fine.distribution.mean_bounds(name)
        assert bounds.lower - 5.0 * spread <= mean <= bounds.upper + 5.0 * spread


def test_rates_that_may_be_negative_are_not_taken() -> None:
    network = fsp.ReactionNetwork({"X": 0, "Y": 0}, ["-> X @ 3", "X -> @ 1", "-> Y ; 20 - X", "Y -> @ 1"])
    assert find_contraction(lattice_of(network)) is None
    held = fsp.ReactionNetwork(
        {"X": 0, "Y": 0}, ["-> X ; 3*(20 - X)", "X -> @ 1", "-> Y ; 20 - X", "Y -> @ 1"]
    )
    assert find_contraction(lattice_of(held)) is not None  # X never exceeds 20


@pytest.mark.parametrize(
    ("species", "reactions"),
    [
        ("XYZ", ["X + Z -> @ 1", "-> X + Z @ 1", "-> Y + Z @ 2", "Y + Z -> @ 1"]),
        ("X", ["-> X ; 1e300/(1 + X)", "X -> @ 1e300"]),
        ("XY", ["-> X ; 1e300/(1 + Y)", "X -> @ 1e300", "-> Y @ 1e-300", "Y -> @ 1e-300"]),
        ("A", ["-> A @ 1e19", "A -> @ 1"]),
    ],
)
def test_extreme_networks_end_in_an_answer_or_an_error_of_our_own(species: str, reactions: list[str]) -> None:
    network = fsp.ReactionNetwork(dict.fromkeys(species, 0), reactions)
    try:
        result = fsp.solve_stationary(network, tolerance=1e-4, max_states=4_000)
    except fsp.FSPError:
        return
    assert result.error_bound <= 1e-4


def test_second_moments_have_the_reference_of_their_bound() -> None:
    # The reference of the law is not its most probable state here.
    network = fsp.ReactionNetwork({"X": 0}, ["-> 5 X ; 1/(1 + X/50)", "X -> @ 1"])
    result = fsp.solve_stationary(network, tolerance=1e-8)
    assert "contraction" in result.why
    law = result.distribution
    x = law.states[:, 0].astype(float)
    bounds = law.moment_bounds("X", 2)
    assert bounds.is_finite
    assert bounds.lower <= law.probabilities @ x**2 <= bounds.upper
    assert bounds.width < 1e-3
