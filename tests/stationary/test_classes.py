"""Communicating classes and where a chain ends."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import fsp
from fsp.generator.growth import closure
from fsp.generator.tables import FactorTables
from fsp.statespace import Coordinates, FibreSet
from fsp.statespace.constraints import Constraints
from fsp.stationary import FiniteChain
from fsp.stationary.classes import communicating_classes, ending_probabilities
from fsp.stationary.protocol import find_solver


def whole_chain(net):
    coordinates = Coordinates.of(net)
    start = FibreSet.from_states(coordinates, [net.initial_state])
    space = closure(FactorTables(net, coordinates), start, Constraints(net), 10**5)
    return FiniteChain.of(net, space)


def test_epidemic_ends_in_absorbing_states():
    net = fsp.ReactionNetwork({"S": 6, "I": 2, "R": 0}, ["S + I -> 2 I @ 0.2", "I -> R @ 1"])
    chain = whole_chain(net)
    classes = communicating_classes(chain)
    states = chain.space.states()
    assert np.array_equal(classes.absorbing, np.flatnonzero(states[:, 1] == 0))
    assert classes.closed.size == classes.absorbing.size == 7
    assert classes.open_ended.size == 0


def test_gamblers_ruin():
    # a walk between two absorbing ends: the probability of the upper one is linear in the start
    n = 12
    rates = np.zeros((n + 1, n + 1))
    for x in range(1, n):
        rates[x - 1, x] = rates[x + 1, x] = 1.0
    chain = FiniteChain(sp.csr_array(rates), np.zeros(n + 1))
    classes = communicating_classes(chain)
    assert classes.absorbing.tolist() == [0, n]
    probabilities, final = ending_probabilities(chain, classes, find_solver("lu").load())
    assert [classes.members(label).tolist() for label in final] == [[0], [n]]
    assert np.allclose(probabilities[1], np.arange(n + 1) / n, atol=1e-13)
    assert np.allclose(probabilities.sum(axis=0), 1.0, atol=1e-13)


def test_parity_is_not_mixed():
    net = fsp.ReactionNetwork({"A": 4}, ["2 A -> 0 @ 1", "0 -> 2 A @ 3"], {})
    space = FibreSet.from_states(Coordinates.of(net), np.arange(12)[:, None])
    classes = communicating_classes(FiniteChain.of(net, space))
    assert classes.closed.size == 0
    assert classes.open_ended.size == 2  # even and odd counts, left through the boundary
    assert len(set(classes.labels[::2])) == len(set(classes.labels[1::2])) == 1


def test_a_leak_makes_a_class_open():
    rates = sp.csr_array(np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert communicating_classes(FiniteChain(rates, np.zeros(2))).closed.size == 1
    leaking = communicating_classes(FiniteChain(rates, np.array([0.0, 0.5])))
    assert (leaking.closed.size, leaking.open_ended.size) == (0, 1)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(2, 9), st.integers(0, 2**32 - 1), st.floats(0.05, 0.5))
def test_against_powers_of_the_jump_matrix(n, seed, density):
    rng = np.random.default_rng(seed)
    rates = np.where(rng.random((n, n)) < density, rng.random((n, n)), 0.0)
    np.fill_diagonal(rates, 0.0)
    outflow = np.where(rng.random(n) < 0.2, 1.0, 0.0)
    chain = FiniteChain(sp.csr_array(rates), outflow)
    classes = communicating_classes(chain)
    reach = np.linalg.matrix_power((rates > 0) + np.eye(n), n) > 0  # [target, source]
    assert np.array_equal(reach & reach.T, classes.labels[:, None] == classes.labels[None, :])
    for label in range(classes.labels.max() + 1):
        members = classes.members(label)
        others = np.setdiff1d(np.arange(n), members)
        leaves = bool(rates[np.ix_(others, members)].any())
        leaks = bool(outflow[members].any())
        assert (label in classes.closed) == (not leaves and not leaks)
        assert (label in classes.open_ended) == (not leaves and leaks)
    probabilities, final = ending_probabilities(chain, classes, find_solver("lu").load())
    exit_rates = chain.exit.copy()
    stays = exit_rates == 0
    exit_rates[stays] = 1.0
    jump = rates / exit_rates
    passing = ~np.isin(classes.labels, final)
    many = np.linalg.matrix_power(jump[np.ix_(passing, passing)], 4000)
    if many.size and many.max() < 1e-12:
        for k, label in enumerate(final):
            into = jump[np.ix_(classes.labels == label, passing)].sum(axis=0)
            exact = np.linalg.solve(np.eye(int(passing.sum())) - jump[np.ix_(passing, passing)].T, into)
            assert probabilities[k, passing] == pytest.approx(exact, abs=1e-11)
