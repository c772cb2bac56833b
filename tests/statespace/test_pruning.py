"""Pruning keeps within its budget, and keeps states with flux."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fsp
from fsp.statespace import Coordinates, FibreSet
from fsp.statespace.pruning import prune


def line(n: int) -> FibreSet:
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 1"])
    return FibreSet.from_states(Coordinates.of(network), np.arange(n)[:, None])


@settings(max_examples=100)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 200),
    st.floats(-12, -0.05),
    st.sampled_from([0.0, 1e-3, 1.0, 100.0]),
    st.sampled_from([3.0, 20.0, 250.0]),
)
def test_within_the_budget(seed, n, log_budget, duration, decades):
    random = np.random.default_rng(seed)
    p = 10.0 ** -(random.random(n) * decades)
    p[random.random(n) < 0.1] = 0.0
    p /= max(p.sum(), 1e-300)
    rate = random.random(n) * 10.0 ** random.integers(0, 4)
    budget = 10.0**log_budget
    space = line(n)
    smaller = prune(space, p, rate, duration, budget)
    score = p * (1.0 + rate * duration)
    order = np.sort(score)
    droppable = int(np.searchsorted(np.cumsum(order), budget, side="right"))  # the best that one can do
    # Thresholds lie on a grid with steps of at most 1.25, so this many are dropped for certain.
    certain = n if droppable == n else int((score < order[droppable] / 1.2501).sum())
    if smaller is None:
        assert certain < 0.1 * n or droppable == n or certain == n
        return
    assert n - smaller.n_states >= certain
    kept = smaller.index(space.states()) >= 0
    assert 0 < smaller.n_states <= 0.9 * n
    assert score[~kept].sum() <= budget * (1 + 1e-12)
    assert score[~kept].max() <= score[kept].min()  # the cheapest go first
    moved, lost = space.transfer(p, smaller)
    assert lost <= budget * (1 + 1e-12)
    assert moved.sum() + lost == pytest.approx(p.sum(), rel=1e-12)


def test_flux_keeps_a_state():
    p = np.array([0.5, 1e-12, 1e-12, 1e-12, 0.5])
    rate = np.array([1.0, 1.0, 1e9, 1.0, 1.0])
    smaller = prune(line(5), p, rate, 1.0, 1e-9)
    assert smaller is not None
    assert smaller.states().ravel().tolist() == [0, 2, 4]
    without = prune(line(5), p, rate, 0.0, 1e-9)
    assert without is not None
    assert without.states().ravel().tolist() == [0, 4]


def test_empty_states_go_free_of_charge():
    p = np.zeros(100)
    p[40:60] = 0.05
    smaller = prune(line(100), p, np.ones(100), 1.0, 0.0)
    assert smaller is not None
    assert smaller.states().ravel().tolist() == list(range(40, 60))


def test_never_everything():
    assert prune(line(10), np.full(10, 1e-20), np.ones(10), 1.0, 1.0) is None
    assert prune(line(10), np.zeros(10), np.ones(10), 1.0, 1.0) is None


def test_not_a_number_is_never_pruned_away():
    p = np.full(10, 0.1)
    p[3] = np.nan
    assert prune(line(10), p, np.ones(10), 1.0, 0.5) is None
