"""Conservation laws and the elimination of species, in integers."""

from __future__ import annotations

from math import gcd

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsp.errors import ModelError
from fsp.model import ReactionNetwork
from fsp.model.conservation import find_conservation_laws


def check(stoichiometry, initial, laws):
    """Every property that the laws promise."""
    changes = np.asarray(stoichiometry)
    n = len(initial)
    assert laws.coefficients.dtype == np.int64
    assert len(laws) == n - np.linalg.matrix_rank(changes)
    assert not np.any(laws.coefficients @ changes.T)
    assert np.array_equal(laws.totals, laws.coefficients @ np.asarray(initial))
    assert all(gcd(*row) == 1 for row in laws.coefficients.tolist())
    if len(laws):
        assert np.linalg.matrix_rank(laws.coefficients) == len(laws)
    assert sorted((*laws.dependent, *laws.independent)) == list(range(n))
    assert len(laws.dependent) <= len(laws)
    # a random walk along the reactions stays on what the independent counts give
    rng = np.random.default_rng(3)
    states = [np.array(initial)]
    for _ in range(50):
        states.append(states[-1] + changes[rng.integers(len(changes))] * rng.integers(-3, 4))
    assert np.array_equal(laws.expand(laws.reduce(states)), states)
    # and any independent counts satisfy the laws that were used
    some = rng.integers(-5, 6, size=(10, len(laws.independent)))
    if len(laws.dependent) == len(laws):
        assert np.array_equal(laws.expand(some) @ laws.coefficients.T, np.tile(laws.totals, (10, 1)))


@st.composite
def networks(draw):
    n = draw(st.integers(1, 5))
    rows = draw(st.lists(st.lists(st.integers(-2, 2), min_size=n, max_size=n), min_size=1, max_size=5))
    initial = draw(st.lists(st.integers(0, 20), min_size=n, max_size=n))
    return rows, initial


@settings(derandomize=True, deadline=None, max_examples=150)
@given(networks())
def test_random_networks(network):
    rows, initial = network
    laws = find_conservation_laws(rows, initial, [f"s{i}" for i in range(len(initial))])
    check(rows, initial, laws)
    # the bounds hold for every law with non-negative coefficients
    for row, total in zip(laws.coefficients, laws.totals, strict=True):
        if np.all(row >= 0):
            assert np.all(laws.upper_bounds[row > 0] <= total // row[row > 0])


def test_control_a_wrong_law_is_noticed():
    laws = find_conservation_laws([[-1, 1]], [3, 0], ["A", "B"])
    with pytest.raises(AssertionError):
        check([[-1, 2]], [3, 0], laws)


def test_enzyme():
    net = ReactionNetwork(
        {"S": 100, "E": 10, "ES": 0, "P": 0},
        ["S + E -> ES @ 1", "ES -> S + E @ 1", "ES -> E + P @ 1"],
    )
    laws = net.conservation_laws()
    assert str(laws) == "E + ES = 10\nS + ES + P = 100"
    # no propensity reads P, and E is read less often than ES: their elimination keeps the factors apart
    assert [net.species_names[i] for i in laws.dependent] == ["E", "P"]
    assert laws.upper_bounds.tolist() == [100, 10, 10, 100]


def test_dimer_eliminates_the_monomer():
    laws = find_conservation_laws([[-2, 1], [2, -1]], [7, 1], ["P", "P2"])
    assert str(laws) == "P + 2 P2 = 9"
    assert laws.dependent == (0,)
    assert laws.upper_bounds.tolist() == [9, 4]


def test_law_without_unit_coefficient_is_kept_but_not_used():
    laws = find_conservation_laws([[-3, 2]], [9, 0], ["A", "B"])
    assert str(laws) == "2 A + 3 B = 18"
    assert laws.dependent == ()
    assert laws.matrix.tolist() == [[1, 0], [0, 1]]
    assert laws.upper_bounds.tolist() == [9, 6]


def test_difference_is_conserved():
    laws = find_conservation_laws([[1, 1]], [5, 2], ["A", "B"])
    assert str(laws) == "A - B = 3"
    assert np.all(np.isinf(laws.upper_bounds))
    assert laws.expand([[4]]).tolist() in ([[4, 1]], [[7, 4]])


def test_non_negative_laws_are_preferred():
    # A + B, C + D: the difference of the two is a law as well, but not a useful one
    laws = find_conservation_laws([[-1, 1, 0, 0], [0, 0, -1, 1]], [1, 0, 2, 0], "ABCD")
    assert np.all(laws.coefficients >= 0)
    assert str(laws) == "A + B = 1\nC + D = 2"


def test_none_and_all():
    laws = find_conservation_laws([[1], [-1]], [4], ["X"])
    assert (len(laws), str(laws)) == (0, "no conservation laws")
    laws = find_conservation_laws([[0, 0]], [4, 5], ["X", "Y"])
    assert str(laws) == "X = 4\nY = 5"
    assert laws.independent == ()
    assert laws.expand(np.zeros((2, 0), dtype=int)).tolist() == [[4, 5], [4, 5]]


def test_a_total_beyond_integers_is_refused():
    with pytest.raises(ModelError, match="below 2\\^62"):
        find_conservation_laws([[-1, 1]], [2**61, 2**61], ["A", "B"])


def test_many_laws_do_not_explode():
    # a product of cycles has exponentially many minimal laws; a basis must still come out
    n = 12
    rows = []
    for i in range(n):
        row = [0] * (2 * n)
        for j in (2 * i, 2 * i + 1):
            row[j] = -1
        for j in (2 * ((i + 1) % n), 2 * ((i + 1) % n) + 1):
            row[j] = 1
        rows.append(row)
    initial = [3] * (2 * n)
    check(rows, initial, find_conservation_laws(rows, initial, [f"s{i}" for i in range(2 * n)]))
