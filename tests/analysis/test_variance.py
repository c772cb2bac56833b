"""Second moments of hitting times on infinite lattices: closed forms, large truncations, and the inequalities themselves."""

from __future__ import annotations

import dataclasses
import math

import mpmath as mp
import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from passage_reference import Dense, birth_death_moments_down
from random_networks import NAMES, RATES, reaction_texts

import fsp
from fsp.analysis.drift_bound import bounds_beyond
from fsp.analysis.long_run import grown_set
from fsp.analysis.passage_drift import find_tails
from fsp.analysis.passage_problem import FIRST_PASSAGE, PassageProblem
from fsp.analysis.regions import INSIDE

IMMIGRATION = fsp.ReactionNetwork({"X": 10}, ["0 -> X @ 10", "X -> 0 @ 1"])


def problem_of(network, target, avoid=None):
    return PassageProblem.read(network, target, avoid, None, None, FIRST_PASSAGE)


def holds(interval, exact, width=1e-4):
    assert interval.lower <= exact <= interval.upper
    assert interval.width <= width * float(exact)


@pytest.mark.parametrize(
    ("reactions", "start", "birth", "death"),
    [
        (["0 -> X @ 10", "X -> 0 @ 1"], 10, lambda n: mp.mpf(10), lambda n: mp.mpf(n)),
        (["0 -> X ; 0.5", "X -> 0 ; 1*(X > 0)"], 5, lambda n: mp.mpf("0.5"), lambda n: mp.mpf(1)),
        (["0 -> X ; 15/16", "X -> 0 ; 1*(X > 0)"], 3, lambda n: mp.mpf(15) / 16, lambda n: mp.mpf(1)),
        (["0 -> X @ 3", "X -> 0 ; 4*X/(2 + X)"], 5, lambda n: mp.mpf(3), lambda n: mp.mpf(4) * n / (2 + n)),
        (["X -> 2 X @ 1", "X -> 0 @ 1.25"], 2, lambda n: mp.mpf(n), lambda n: mp.mpf("1.25") * n),
        (["0 -> X @ 2", "X -> 2 X @ 1", "X -> 0 ; 0.25*X*X"], 4, lambda n: mp.mpf(2 + n), lambda n: mp.mpf(n * n) / 4),
    ],
)  # fmt: skip
def test_extinction_of_birth_death_chains(reactions, start, birth, death):
    network = fsp.ReactionNetwork({"X": start}, reactions)
    result = fsp.first_passage(network, "X == 0", [1.0])
    mean, variance = birth_death_moments_down(birth, death, start)
    holds(result.mean, mean)
    holds(result.variance, variance)
    holds(result.std, mp.sqrt(variance))


def test_busy_period_of_a_queue():
    """The time to serve n customers and all who come meanwhile: mean n/(m - l), variance n (l + m)/(m - l)^3."""
    queue = fsp.ReactionNetwork({"X": 4}, ["0 -> X ; 0.75", "X -> 0 ; 1*(X > 0)"])
    result = fsp.first_passage(queue, "X == 0", [1.0])
    holds(result.mean, 16.0)
    holds(result.variance, 448.0)


def test_initial_laws_add_the_variance_of_their_means():
    """A mixture of starts: E T^2 is linear in the law."""
    moments = [birth_death_moments_down(lambda n: mp.mpf(10), lambda n: mp.mpf(n), n) for n in (3, 12)]
    first = sum(m for m, _ in moments) / 2
    second = sum(v + m * m for m, v in moments) / 2
    result = fsp.first_passage(IMMIGRATION, "X == 0", [1.0], initial={(3,): 0.5, (12,): 0.5})
    holds(result.mean, first)
    holds(result.variance, second - first**2)


def truncated_moments(network, is_target, largest):
    """Return mean and variance of the time to hit a target on a box whose edges cannot be passed, by sparse LU."""
    sizes = [n + 1 for n in largest]
    states = np.indices(sizes).reshape(len(sizes), -1).T
    rates = network.evaluate_propensities(states)
    inside = ~is_target(*states.T)
    rows, columns, values = [], [], []
    for r, change in enumerate(network.stoichiometry):
        arrival = states + change
        good = np.flatnonzero(((arrival >= 0) & (arrival < sizes)).all(axis=1) & (rates[:, r] > 0.0))
        rows.append(good)
        columns.append(np.ravel_multi_index(arrival[good].T, sizes))
        values.append(rates[good, r])
    rows, columns, values = map(np.concatenate, (rows, columns, values))
    q = sp.coo_array((values, (rows, columns)), shape=(len(states), len(states))).tocsr()
    q = q - sp.diags_array(np.asarray(q.sum(axis=1)).ravel())
    solve = scipy.sparse.linalg.splu(-q.tocsr()[inside][:, inside].tocsc()).solve
    first = solve(np.ones(int(inside.sum())))
    second = solve(2.0 * first)
    start = int(np.flatnonzero((states[inside] == network.initial_state).all(axis=1))[0])
    return first[start], second[start] - first[start] ** 2


@pytest.mark.parametrize(
    ("species", "reactions", "target", "is_target", "largest"),
    [
        ({"P": 2}, ["0 -> 3 P @ 2", "P -> 0 @ 0.5"], "P == 5", lambda p: p == 5, [150]),
        ({"X": 6}, ["0 -> X @ 6", "2 X -> 0 @ 0.1"], "X <= 1", lambda x: x <= 1, [120]),
        (
            {"M": 1, "P": 0},
            ["0 -> M @ 2", "M -> 0 @ 1", "M -> M + P @ 3", "P -> 0 @ 0.5"],
            "P >= 20",
            lambda m, p: p >= 20,
            [30, 25],
        ),
        (
            {"X": 4, "Y": 6},
            ["0 -> X @ 4", "X -> 0 @ 1", "0 -> Y @ 6", "Y -> 0 @ 1"],
            "X + Y <= 5",
            lambda x, y: x + y <= 5,
            [40, 45],
        ),
        (
            {"U": 3, "V": 0},
            ["0 -> U ; 8/(1 + V)", "U -> 0 @ 1", "0 -> V ; 6/(1 + U^2)", "V -> 0 @ 1"],
            "V > U + 2",
            lambda u, v: v > u + 2,
            [50, 45],
        ),
        (
            {"E": 2, "S": 3},
            ["0 -> S @ 2", "E + S -> E @ 1", "E -> 0 @ 1", "0 -> E @ 2", "S -> 0 @ 0.1"],
            "S == 0",
            lambda e, s: s == 0,
            [25, 120],
        ),
    ],
)  # fmt: skip
def test_against_large_truncations(species, reactions, target, is_target, largest):
    network = fsp.ReactionNetwork(species, reactions)
    result = fsp.first_passage(network, target, [1.0])
    mean, variance = truncated_moments(network, is_target, largest)
    slack = 1e-7  # of the reference
    for interval, reference in ((result.mean, mean), (result.variance, variance)):
        assert interval.lower <= reference * (1 + slack)
        assert reference * (1 - slack) <= interval.upper
        assert interval.width <= 1e-4 * reference


@st.composite
def passages(draw):
    """Draw a network in which every species decays, and a target."""
    names = NAMES[: draw(st.integers(1, 2))]
    texts = draw(st.lists(reaction_texts(names), min_size=1, max_size=3))
    texts += [f"{name} -> 0 @ {draw(st.sampled_from(RATES[2:]))}" for name in names]
    network = fsp.ReactionNetwork({name: draw(st.integers(0, 4)) for name in names}, texts)
    name, level = draw(st.sampled_from(names)), draw(st.integers(0, 5))
    if draw(st.booleans()):
        return network, f"{name} >= {level}", lambda **counts: counts[name] >= level
    return network, f"{name} == {level}", lambda **counts: counts[name] == level


@given(passages(), st.sampled_from([0.1, 1e-3, 1e-7]))
@settings(
    max_examples=40,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    deadline=None,
)
def test_random_networks_against_dense_truncations(problem, tolerance):
    network, target, is_target = problem
    largest = 30 if network.n_species == 2 else 200
    dense = Dense(network, is_target, lambda **counts: False, largest)
    assume(dense.start_kind == 0 and dense.n < 1500)
    n = dense.n
    m = -dense.matrix[:n, :n].T
    out = dense.matrix[n:, :n]
    assume((out.sum(axis=0) > 0.0).any() and np.linalg.matrix_rank(m) == n)
    hit, _, outside = np.linalg.solve(m, out.T).T[:, dense.start]
    assume(hit > 1.0 - 1e-9 and outside < 1e-12)
    first = np.linalg.solve(m, np.ones(n))
    second = np.linalg.solve(m, 2.0 * first)[dense.start]
    mean = first[dense.start]
    variance = second - mean**2
    slack = 1e-8 + 1e-14 * mean * m.max()  # of the dense solution, whose condition is a time times a rate
    assume(slack < 1e-6)
    result = fsp.first_passage(network, target, [1.0], tolerance=tolerance)
    assert result.mean.lower <= mean * (1 + slack)
    assert result.mean.upper >= mean * (1 - slack)
    assert result.variance.lower <= variance + 10 * slack * second
    assert result.variance.upper >= variance - 10 * slack * second
    if result.variance.is_finite:
        assert result.variance.width <= max(10 * tolerance, 1e-4) * second


PROBLEMS = [
    (IMMIGRATION, "X == 0"),
    (fsp.ReactionNetwork({"X": 2}, ["0 -> X ; 0.875", "X -> 0 ; 1*(X > 0)"]), "X == 0"),
    (fsp.gallery.gene_expression(), "P >= 8"),
    (fsp.gallery.toggle_switch(), "U > V + 40"),
]


def drifts(problem, tail):
    """Return QU and (Q(U^2) + 2 U)/(1 + U) at states near and far at which U has to fall."""
    network, rng = problem.network, np.random.default_rng(1)
    largest = 3 * tail.rising.max(axis=0) + 20
    states = np.concatenate([tail.rising, rng.integers(0, largest + 1, (4000, network.n_species))])
    states = np.unique(states[problem.regions.kinds(states) == INSIDE], axis=0)
    may_rise = (states[:, None, :] == tail.rising[None, :, :]).all(axis=2).any(axis=1)
    rates = network.evaluate_propensities(states)
    here = tail.values(states)[1]
    fall, square = np.zeros(len(states)), 2.0 * here
    for r, change in enumerate(network.stoichiometry):
        moving = rates[:, r] > 0.0
        there = tail.values(states[moving] + change)[1]
        fall[moving] += rates[moving, r] * (there - here[moving])
        square[moving] += rates[moving, r] * (there**2 - here[moving] ** 2)
    return fall[~may_rise], square[~may_rise] / (1.0 + here[~may_rise])


@pytest.mark.parametrize(("network", "target"), PROBLEMS)
def test_the_function_falls_where_it_is_said_to(network, target):
    problem = problem_of(network, target)
    tails = find_tails(problem, grown_set(problem, 1e-6, False, 20_000))
    assert tails
    assert tails[0].has_square
    for tail in tails:
        fall, square = drifts(problem, tail)
        assert fall.size >= 40
        assert fall.max() <= -1.0 + 1e-9
        if tail.has_square:
            assert square.max() <= 1e-9
        # Control: one that is much flatter does not fall as fast.
        flat = dataclasses.replace(tail, scale=0.02 * tail.scale)
        fall, square = drifts(problem, flat)
        assert fall.max() > -1.0
        assert square.max() > 0.0


def test_control_without_what_lies_beyond_the_bound_fails():
    """A set that is left often, alone, has times that are too short; with the function they are long enough."""
    mean, variance = birth_death_moments_down(lambda n: mp.mpf(10), lambda n: mp.mpf(n), 10)
    second = float(variance + mean**2)
    problem = problem_of(IMMIGRATION, "X == 0")
    held = grown_set(problem, 0.3, False, 1_000)
    (tail, *_) = find_tails(problem, held)
    held, beyond = bounds_beyond(held, tail, 1_000)
    start = int(held.space.index(np.array([[10]]))[0])
    inside = held.enclose(np.ones(held.space.n_states)).upper
    assert inside[start] < float(mean) * (1 - 1e-3)
    assert inside[start] + beyond.time[start] >= float(mean)
    assert held.enclose(2.0 * inside).upper[start] < second * (1 - 1e-3)
    assert beyond.second[start] >= second
    assert beyond.excess > 1e-3


def test_control_a_wrong_variance_is_noticed():
    other = fsp.ReactionNetwork({"X": 10}, ["0 -> X @ 10.001", "X -> 0 @ 1"])
    _, variance = birth_death_moments_down(lambda n: mp.mpf(10), lambda n: mp.mpf(n), 10)
    with pytest.raises(AssertionError):
        holds(fsp.first_passage(other, "X == 0", [1.0]).variance, variance)


def test_what_is_infinite_has_no_bound():
    """A fair walk takes infinitely long in the mean to come back; with a weak pull only the variance is infinite."""
    fair = fsp.ReactionNetwork({"X": 2}, ["0 -> X ; 1", "X -> 0 ; 1*(X > 0)"])
    result = fsp.first_passage(fair, "X == 0", [1.0], max_states=500)
    assert result.mean.upper == math.inf
    assert result.variance.upper == math.inf
    weak = fsp.ReactionNetwork({"X": 2}, ["X -> 2 X @ 1", "X -> 0 ; X + 0.5*(X > 0)"])
    result = fsp.first_passage(weak, "X == 0", [1.0], max_states=500)
    assert result.variance.upper == math.inf
    assert result.long_run.notes


def test_states_behind_the_target_do_not_matter():
    """From above, 1 is passed on the way to 0; what would be if it were not has no bearing on the time."""
    network = fsp.ReactionNetwork({"A": 4, "B": 4}, ["A -> 0 @ 7", "0 -> A @ 0.3", "B -> 0 @ 1"])
    result = fsp.first_passage(network, "B == 1", [1.0])
    holds(result.mean, 1 / 2 + 1 / 3 + 1 / 4, 1e-9)
    holds(result.variance, 1 / 4 + 1 / 9 + 1 / 16, 1e-9)
    # Two at a time may jump over a single count, but not over two in a row.
    pairs = fsp.ReactionNetwork({"A": 2, "B": 5}, ["A -> 0 @ 7", "0 -> A @ 0.3", "2 B -> 0 @ 1"])
    over = fsp.first_passage(pairs, "B == 2", [1.0], max_states=500)
    assert over.hit_probability.lower == 0.0
    assert 1.0 in fsp.first_passage(pairs, "B == 2 or B == 3", [1.0]).hit_probability


def test_narrow_strips_without_an_end_are_no_hang():
    """The rates couple both counts; one is bounded by the target, the other grows by little in each round."""
    network = fsp.ReactionNetwork(
        {"A": 1, "B": 4},
        [
            "A -> 0 ; 7*A/(1 + A + 2*B)",
            "0 -> A + B @ 7",
            "B -> 0 ; 0.3*B/(1 + B + 2*A)",
            "A -> 0 @ 1",
            "B -> 0 @ 7",
        ],
    )
    result = fsp.first_passage(network, "A >= 4", [1.0])
    mean, variance = truncated_moments(network, lambda a, b: a >= 4, [6, 60])
    assert result.mean.lower <= mean <= result.mean.upper
    assert result.mean.width < 1e-6
    assert result.variance.lower <= variance * (1 + 1e-9)


def test_mean_alone_where_the_square_is_not_shown_to_fall():
    network = fsp.ReactionNetwork(
        {"X": 3, "Y": 1}, ["0 -> X @ 2", "X -> 0 ; X + X/(1 + Y)", "0 -> Y @ 1", "Y -> 0 ; Y + Y/(1 + X)"]
    )
    result = fsp.first_passage(network, "X == 0", [1.0])
    mean, variance = truncated_moments(network, lambda x, y: x == 0, [40, 30])
    assert result.mean.lower <= mean <= result.mean.upper
    assert result.variance.lower <= variance <= result.variance.upper
    assert result.variance.is_finite or any("variance" in note for note in result.long_run.notes)
