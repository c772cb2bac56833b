"""Sums and marginals: rounding is bounded, and the bounds hold against exact rational sums."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fsp.measure
from fsp.distribution import Distribution
from fsp.errors import ArgumentError
from fsp.pointset import PointSet
from fsp.summation import BinSums, chunk_sum, chunks, down, up

FIXED = settings(derandomize=True, max_examples=100, deadline=None)


@st.composite
def distributions(draw, n_species=None, largest=6, defect=True):
    """Distributions on few states whose masses range over many orders of magnitude."""
    d = draw(st.integers(1, 3)) if n_species is None else n_species
    state = st.tuples(*[st.integers(0, largest)] * d)
    states = draw(st.lists(state, min_size=1, max_size=30, unique=True))
    exponents = draw(st.lists(st.floats(-40.0, 0.0), min_size=len(states), max_size=len(states)))
    masses = np.exp(np.array(exponents))
    missing = draw(st.sampled_from([0.0, 1e-9, 1e-2])) if defect else 0.0
    masses *= (1.0 - missing) / masses.sum()
    return Distribution.from_states(states, masses, [f"S{k}" for k in range(d)], error_bound=missing)


def exact_marginal(distribution, columns):
    sums = defaultdict(Fraction)
    for state, mass in zip(distribution.states.tolist(), distribution.probabilities.tolist(), strict=True):
        sums[tuple(state[c] for c in columns)] += Fraction(mass)
    return sums


def check_marginal(marginal, exact, missing):
    """The rule of lower bounds, state by state and together."""
    bound = Fraction(marginal.error_bound)
    assert {tuple(s) for s in marginal.states.tolist()} == set(exact)
    lack = Fraction(0)
    for state, mass in zip(marginal.states.tolist(), marginal.probabilities.tolist(), strict=True):
        assert Fraction(mass) <= exact[tuple(state)]
        lack += exact[tuple(state)] - Fraction(mass)
    assert lack + Fraction(missing) <= bound
    assert marginal.error_bound <= missing * (1 + 1e-12) + 1e-12


@FIXED
@given(distributions(), st.data())
def test_marginals_are_lower_bounds_of_the_exact_sums(distribution, data):
    d = len(distribution.species_names)
    columns = data.draw(st.permutations(range(d)).map(lambda p: p[: data.draw(st.integers(1, d))]))
    marginal = distribution.marginal([distribution.species_names[c] for c in columns])
    check_marginal(marginal, exact_marginal(distribution, columns), distribution.error_bound)


@FIXED
@given(distributions(n_species=2))
def test_sorting_and_tables_give_the_same_marginal(distribution):
    exact = exact_marginal(distribution, [1])
    measure = distribution._measure
    small = fsp.measure._SMALL_TABLE
    wide = Distribution(
        PointSet.from_states(distribution.states * [1, 10**9], distribution.species_names)[0],
        distribution.probabilities,
        error_bound=distribution.error_bound,
    )
    assert 10**9 * 2 > small
    stretched = wide.marginal("S1")
    assert (stretched.states // 10**9).tolist() == measure.marginal([1]).space.states().tolist()
    check_marginal(stretched, {(k[0] * 10**9,): v for k, v in exact.items()}, distribution.error_bound)


def test_boxes_beyond_64_bits_are_summed_too():
    big = 2**40
    states = [[0, 0, 0], [big, 1, big], [big, 2, big]]
    d = Distribution.from_states(states, [0.5, 0.25, 0.25], ["A", "B", "C"])
    marginal = d.marginal(["C", "A"])
    assert marginal.states.tolist() == [[0, 0], [big, big]]
    assert marginal.probabilities == pytest.approx([0.5, 0.5], abs=1e-15)


def test_the_check_of_marginals_can_fail():
    d = Distribution.from_dict({(0, 0): 0.5, (0, 1): 0.5}, ["A", "B"])
    exact = exact_marginal(d, [0])
    too_much = Distribution.from_dict({0: 1.0 + 1e-12}, ["A"])
    with pytest.raises(AssertionError):
        check_marginal(too_much, exact, 0.0)


def test_sums_of_many_weights_lose_far_less_than_plain_accumulation():
    rng = np.random.default_rng(1)
    n, n_bins = 200_000, 7
    weights = rng.random(n) / n
    bins = rng.integers(0, n_bins, n)
    sums = BinSums(n_bins, 1.0)
    for start, stop in chunks(n, 30_000):
        sums.add(bins[start:stop], weights[start:stop])
    lower, lack = sums.lower()
    exact = [sum(map(Fraction, weights[bins == b].tolist())) for b in range(n_bins)]
    missing = [e - Fraction(v) for e, v in zip(exact, lower.tolist(), strict=True)]
    assert min(missing) >= 0
    assert sum(missing) <= Fraction(lack)
    assert lack < 1e-15


@FIXED
@given(st.lists(st.floats(0.0, 1e300), min_size=1, max_size=300))
def test_chunk_sums_are_enclosed(values):
    terms = np.array(values) / len(values)
    total = chunk_sum(terms[a:b] for a, b in chunks(len(terms), 64))
    exact = sum(map(Fraction, terms.tolist()))
    assert Fraction(down(total, len(terms))) <= exact <= Fraction(up(total, len(terms)))


@FIXED
@given(st.lists(st.tuples(*[st.integers(0, 5)] * 3), min_size=1, max_size=40, unique=True))
def test_positions_and_states_belong_together(states):
    points, order = PointSet.from_states(states, ["A", "B", "C"])
    assert points.states().tolist() == sorted(map(list, states))
    assert [list(states[i]) for i in order] == points.states().tolist()
    assert points.index(points.states()).tolist() == list(range(len(states)))
    box = np.array(np.meshgrid(*[np.arange(7)] * 3)).reshape(3, -1).T
    found = points.index(box)
    assert sorted(box[found >= 0].tolist()) == points.states().tolist()


def test_positions_survive_keys_that_overflow():
    rng = np.random.default_rng(3)
    states = np.unique(rng.integers(0, 2**50, (200, 12)), axis=0)
    points = PointSet(states, [f"S{k}" for k in range(12)])
    assert points.index(states).tolist() == list(range(len(states)))
    assert (points.index(states + 1) == -1).all()


@pytest.mark.parametrize(
    ("states", "text"),
    [
        ([[0, -1]], "negative"),
        ([[0.5, 1]], "whole numbers"),
        ([[0, 1, 2]], "one column per species"),
        ([[0, 1], [0, 1]], "given twice"),
    ],
)
def test_wrong_states_are_refused(states, text):
    with pytest.raises(ArgumentError, match=text):
        PointSet.from_states(states, ["A", "B"])


def test_large_sets_are_worked_on_in_chunks(monkeypatch):
    """The same answers whatever the size of a chunk."""
    rng = np.random.default_rng(5)
    states = np.unique(rng.integers(0, 30, (2000, 2)), axis=0)
    p = rng.random(len(states))
    d = Distribution.from_states(states, p / p.sum(), ["A", "B"])
    before = (
        d.total,
        d.marginal("B").probabilities.tolist(),
        d.probability("A > B"),
        d.sample(50, 1).tolist(),
    )
    monkeypatch.setattr("fsp.measure.chunks", lambda n: chunks(n, 100))
    e = Distribution.from_states(states, p / p.sum(), ["A", "B"])
    after = (
        e.total,
        e.marginal("B").probabilities.tolist(),
        e.probability("A > B"),
        e.sample(50, 1).tolist(),
    )
    assert after[0] == pytest.approx(before[0], rel=1e-14)
    assert after[1] == pytest.approx(before[1], rel=1e-13)
    assert after[2].lower == pytest.approx(before[2].lower, rel=1e-13)
    assert after[3] == before[3]
