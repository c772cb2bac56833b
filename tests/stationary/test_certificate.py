"""The parts of the proof, each with a control that must fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

import fsp
from fsp import gallery
from fsp.statespace import Coordinates, FibreSet
from fsp.stationary.certificate import weighted_residual
from fsp.stationary.chain import FiniteChain
from fsp.stationary.drift_compact import compact_candidate
from fsp.stationary.drift_function import DriftFunction
from fsp.stationary.drift_region import NoDrift, rising_states
from fsp.stationary.drift_search import linear_candidates
from fsp.stationary.engine import solver_for
from fsp.stationary.hitting import HittingBound, hitting_bound, verified_decrease
from fsp.stationary.lattice import Lattice
from fsp.stationary.law import TruncatedLaw, truncated_law
from fsp.stationary.residual import find_residual
from fsp.stationary.reward import Reward

MAKE = solver_for("gth", 1e-12)


def lattice_of(network: fsp.ReactionNetwork) -> Lattice:
    return Lattice(network, Coordinates.of(network))


def toggle_bound() -> HittingBound:
    lattice = lattice_of(gallery.toggle_switch(a=30.0, K=8.0))
    drift = DriftFunction.linear(np.ones(2))
    return hitting_bound(lattice, drift, 8.0, Reward.time(2), np.array([2, 20]), MAKE)


def law_on(network: fsp.ReactionNetwork, counts: list[int], reference: int) -> TruncatedLaw:
    lattice = lattice_of(network)
    space = FibreSet.from_states(lattice.coordinates, [[n] for n in counts])
    return truncated_law(lattice, space, FiniteChain.of(network, space), reference, MAKE)


# -- drift functions -------------------------------------------------------------------------------------------


def test_states_that_are_not_lowered_are_all_found() -> None:
    """Against the drift itself on a box that is far larger."""
    lattice = lattice_of(gallery.toggle_switch())
    drift = DriftFunction.linear(np.ones(2))
    found = rising_states(lattice, drift, 20.0, Reward.time(2))
    u, v = np.meshgrid(np.arange(400), np.arange(400), indexing="ij")
    exact = 100 / (1 + (v / 20) ** 2) + 100 / (1 + (u / 20) ** 2) - u - v
    wanted = np.argwhere(exact > -20.0 + 1e-9)
    assert {tuple(x) for x in wanted} <= {tuple(x) for x in found}
    assert len(found) <= np.count_nonzero(exact > -20.0 - 1e-6)


def test_quadratic_functions_leave_an_ellipse() -> None:
    lattice = lattice_of(gallery.gene_expression())
    drift = DriftFunction.quadratic(np.array([[8.0, 1.0], [1.0, 0.5]]), np.array([2, 40]))
    found = rising_states(lattice, drift, 1.0, Reward.time(2))
    states = np.argwhere(np.ones((120, 400), bool))
    value, _ = drift.drift(lattice, states)
    assert {tuple(x) for x in states[value.astype(float) > -1.0]} <= {tuple(x) for x in found}


@pytest.mark.parametrize(
    ("reactions", "slope"),
    [
        (["0 -> X @ 1", "X -> 2 X @ 2", "X -> 0 @ 1"], 1.0),
        (["0 -> X @ 1", "X -> 0 ; min(X, 3)*0 + 1/(1 + X)"], 1.0),
    ],
)
def test_functions_that_do_not_fall_are_refused(reactions: list[str], slope: float) -> None:
    lattice = lattice_of(fsp.ReactionNetwork({"X": 0}, reactions))
    with pytest.raises(NoDrift):
        rising_states(lattice, DriftFunction.linear(np.array([slope])), 0.1, Reward.time(1))


# -- bounds of return times ------------------------------------------------------------------------------------


def test_bound_is_above_the_mean_return_time() -> None:
    """Immigration and death: the mean time from n to n - 1 is a sum over the stationary law."""
    lattice = lattice_of(fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 5", "X -> 0 @ 1"]))
    bound = hitting_bound(lattice, DriftFunction.linear(np.ones(1)), 1.0, Reward.time(1), np.array([5]), MAKE)
    weights = np.cumprod(np.concatenate([[1.0], 5.0 / np.arange(1, 200)]))
    downward = weights[::-1].cumsum()[::-1][1:] / (weights[1:] * np.arange(1, 200))
    exact = np.concatenate([np.zeros(6), np.cumsum(downward[5:100])])
    proven = bound.values(np.arange(6, 80)[:, None]).astype(float)
    assert (proven >= exact[6:80] * (1 - 1e-12)).all()
    assert (proven <= 20.0 * exact[6:80] + 20.0).all()


def test_bound_that_is_wrong_at_one_state_is_rejected() -> None:
    bound = toggle_bound()
    assert verified_decrease(bound) > 0.99
    for position in (200, 450, 700):
        inside = bound.inside.copy()
        inside[position] *= 0.5
        assert verified_decrease(replace(bound, inside=inside)) < 0.0


def test_bound_whose_pieces_do_not_fit_is_rejected() -> None:
    bound = toggle_bound()
    assert verified_decrease(replace(bound, shift=bound.shift * 10.0)) < 0.0


def test_states_without_return_are_refused() -> None:
    """X = 0 absorbs: no bound for another reference exists."""
    lattice = lattice_of(fsp.ReactionNetwork({"X": 5}, ["X -> 2 X @ 2", "2 X -> X @ 0.2", "X -> 0 @ 1"]))
    with pytest.raises(NoDrift, match="never reached again") as caught:
        hitting_bound(lattice, DriftFunction.linear(np.ones(1)), 1.0, Reward.time(1), np.array([8]), MAKE)
    assert caught.value.trap is not None
    assert caught.value.trap.tolist() == [[0]]


# -- residuals -------------------------------------------------------------------------------------------------


def test_residual_and_outflow_against_the_dense_generator() -> None:
    network = gallery.toggle_switch(a=5.0, K=2.0)
    lattice = lattice_of(network)
    grid = np.argwhere(np.ones((6, 5), bool))
    space = FibreSet.from_states(lattice.coordinates, grid)
    chain = FiniteChain.of(network, space)
    p = np.random.default_rng(1).random(space.n_states)
    p /= p.sum()
    found = find_residual(lattice, space, p.astype(np.longdouble))
    dense = chain.generator().toarray() @ p
    assert np.abs(found.inside.astype(float) - dense).max() < 1e-14
    assert (np.abs(found.inside.astype(float) - dense) <= 1e-14).all()
    assert float(found.flow.sum()) == pytest.approx(float(chain.outflow @ p), rel=1e-14)
    assert (lattice.positions(space, found.states) < 0).all()


def test_disturbed_law_has_a_larger_bound() -> None:
    """An error in p that a solver would not admit is seen: the residual is computed, not taken over."""
    network = gallery.immigration_death()
    law = law_on(network, list(range(40)), 10)
    lattice = lattice_of(network)
    bound = hitting_bound(
        lattice, DriftFunction.linear(np.ones(1)), 0.2, Reward.time(1), np.array([10]), MAKE
    )
    before = weighted_residual(law, bound.values).one_sided
    p = law.p.copy()
    p[12] *= 1.001
    p /= p.sum()
    wrong = replace(law, p=p, residual=find_residual(lattice, law.space, p))
    after = weighted_residual(wrong, bound.values).one_sided
    moved = 0.5 * float(np.abs(p - law.p).sum())
    assert after >= moved - before > 1e-5


@pytest.mark.parametrize("last", [12, 15, 20, 25])
def test_bound_of_a_law_on_too_small_a_set(last: int) -> None:
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 10", "X -> 0 @ 1"])
    law = law_on(network, list(range(last + 1)), 9)
    bound = hitting_bound(
        lattice_of(network), DriftFunction.linear(np.ones(1)), 2.0, Reward.time(1), np.array([9]), MAKE
    )
    exact = np.exp(-10.0) * np.cumprod(np.concatenate([[1.0], 10.0 / np.arange(1, 100)]))
    p = law.p.astype(float)
    variation = 0.5 * float(np.abs(p - exact[: last + 1]).sum() + exact[last + 1 :].sum())
    proven = weighted_residual(law, bound.values).one_sided
    assert variation <= proven <= 20.0 * variation


# -- random networks -------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(
    st.lists(st.floats(0.05, 20.0), min_size=4, max_size=4),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_random_chains_of_one_count_against_linear_algebra(
    rates: list[float], burst: int, cluster: int
) -> None:
    """Bursts of births, deaths alone and in groups: against the dense null vector of a box that is far too large."""
    a, b, c, d = rates
    network = fsp.ReactionNetwork(
        {"X": 0},
        [f"0 -> {burst} X ; {a!r} + {b!r}/(1 + X)", f"X -> 0 @ {c!r}", f"{cluster} X -> 0 @ {d!r}"],
    )
    result = fsp.solve_stationary(network, tolerance=1e-7)
    assert result.certified
    law = result.distribution
    n = int(law.states.max()) + 60
    space = FibreSet.from_states(Coordinates.of(network), np.arange(n)[:, None])
    chain = FiniteChain.of(network, space)
    matrix = chain.closed(int(law.states[0, 0])).generator().toarray()
    matrix[-1] = 1.0
    exact = scipy.linalg.solve(matrix, np.eye(n)[-1])
    p = np.zeros(n)
    p[law.states[:, 0]] = law.probabilities
    assert np.abs(p - exact).sum() <= result.error_bound + 1e-12


# -- many counts -----------------------------------------------------------------------------------------------


def gene_and_messengers(births: float = 0.6) -> fsp.ReactionNetwork:
    """Two genes that switch each other off, with messengers and proteins: two bounded and four unbounded counts."""
    reactions = []
    for this, other in (("A", "B"), ("B", "A")):
        reactions += [
            f"0 -> G{this} ; 8*(1 - G{this})",
            f"G{this} -> 0 ; (4 + 6*P{other})*G{this}",
            f"G{this} -> G{this} + M{this} @ {births}",
            f"M{this} -> 0 @ 1",
            f"M{this} -> M{this} + P{this} @ 2",
            f"P{this} -> 0 @ 4",
        ]
    return fsp.ReactionNetwork({f"{kind}{gene}": 0 for kind in "GMP" for gene in "AB"}, reactions)


def test_compact_functions_leave_few_states() -> None:
    """Fewer than the linear program that minimises the constant part does, and genes take part."""
    lattice = lattice_of(gene_and_messengers(births=5.0))
    compact = compact_candidate(lattice)
    assert compact is not None
    genes = [lattice.coordinates.species_names.index(n) for n in ("GA", "GB")]
    assert (compact.slope[genes] > 0).all()
    first = next(linear_candidates(lattice, np.ones(lattice.n_axes)))
    switched = np.repeat(lattice.start[None, :], 4, axis=0)
    switched[:, genes] = [[0, 0], [0, 1], [1, 0], [1, 1]]
    sizes = []
    for drift in (compact, first):
        value = drift.drift(lattice, switched)[0].astype(float)
        found = rising_states(lattice, drift, 0.1 * float(value.max()), Reward.time(lattice.n_axes))
        assert switched[np.argmax(value)].tolist() in found.tolist()
        sizes.append(len(found))
    assert sizes[0] < 0.5 * sizes[1]


def test_compact_functions_need_affine_bounds() -> None:
    pairs = fsp.ReactionNetwork({"A": 0, "B": 0}, ["0 -> A @ 1", "2 A -> B @ 1", "B -> 0 @ 1"])
    assert compact_candidate(lattice_of(pairs)) is None


@pytest.mark.slow
def test_six_counts_are_certified() -> None:
    """The messengers of either gene: against the symmetry of the network, which the computation does not know."""
    result = fsp.solve_stationary(gene_and_messengers(), tolerance=1e-2)
    assert result.certified
    assert result.error_bound <= 1e-2
    for kind in "GMP":
        a, b = (result.distribution.marginal(f"{kind}{gene}") for gene in "AB")
        p, q = np.zeros(100), np.zeros(100)
        p[a.states[:, 0]], q[b.states[:, 0]] = a.probabilities, b.probabilities
        assert np.abs(p - q).sum() <= 2.0 * result.error_bound
    p, error = result.distribution, result.error_bound
    # E[M] = 0.6 P(G = 1), E[P] = E[M] / 2.
    on = 1.0 - p.marginal("GA").probabilities[0]
    assert p.mean("MA") == pytest.approx(0.6 * on, abs=20.0 * error)


@pytest.mark.parametrize("steeper", [1.0, 2.0, 8.0])
def test_steeper_bounds_are_verified_too(steeper: float) -> None:
    lattice = lattice_of(gallery.toggle_switch(a=30.0, K=8.0))
    drift = DriftFunction.linear(np.ones(2))
    bound = hitting_bound(lattice, drift, 8.0, Reward.time(2), np.array([2, 20]), MAKE, steeper=steeper)
    assert verified_decrease(bound) > 0.99
    assert bound.scale == pytest.approx(steeper / 8.0)
    assert verified_decrease(replace(bound, shift=bound.shift * 1e6)) < 0.0
