"""The adaptive solver against matrix exponentials, and the ways to call it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
from answers import LARGER, check, difference, table
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_networks import Brute, breadth_first, networks
from scipy.sparse.linalg import expm_multiply

import fsp
from fsp.errors import SolverError


def dense_reference(network: Any, t: float, most: int = 350, start: Any = None) -> dict[Any, float]:
    """Return a lower bound by the exponential of a dense matrix, on as many states as that allows."""
    start = {tuple(network.initial_state.tolist()): 1.0} if start is None else start
    states = set(start)
    while len(states) <= most:
        larger = breadth_first(network, states, 1)
        if len(larger) == len(states):
            break
        states = larger
    listed = sorted(states)
    matrix = Brute(network, np.array(listed)).matrix
    p = np.array([start.get(s, 0.0) for s in listed])
    return dict(zip(listed, (scipy.linalg.expm(matrix * t) @ p).tolist(), strict=True))


@pytest.mark.slow
@settings(max_examples=50)
@given(networks(max_species=3), st.sampled_from([1e-2, 1e-5, 1e-9]), st.sampled_from([0.02, 0.1, 0.4, 2.0]))
def test_random_networks(network, tolerance, t):
    reference = dense_reference(network, t)
    assume(1.0 - sum(reference.values()) < 1e-3)
    try:
        result = fsp.solve_transient(network, [0.5 * t, t], tolerance=tolerance)
    except SolverError as error:  # only ever for want of memory or precision, never silently
        pytest.fail(f"{type(error).__name__}: {error}")
    check(result[-1], reference, tolerance)


@pytest.mark.slow
@settings(max_examples=25)
@given(networks(max_species=2), st.data())
def test_random_networks_on_a_fixed_set(network, data):
    """With bounds the answer is that of the truncated chain, and the leak is booked."""
    names = network.species_names
    initial = dict(zip(names, network.initial_state.tolist(), strict=True))
    bounds = {n: initial[n] + data.draw(st.integers(1, 8)) for n in names}
    t = 0.25
    states = sorted(
        breadth_first(
            network, [network.initial_state], 10_000,
            lambda state: all(c <= bounds[n] for n, c in zip(names, state, strict=True)),
        )
    )  # fmt: skip
    matrix = Brute(network, np.array(states)).matrix
    start = np.array([float(s == tuple(network.initial_state.tolist())) for s in states])
    truncated = scipy.linalg.expm(matrix * t) @ start
    leaked = 1.0 - truncated.sum()
    assume(leaked < 0.5)
    result = fsp.solve_transient(network, [t], tolerance=0.9, bounds=bounds)
    found = table(result.final)
    assert difference(found, dict(zip(states, truncated.tolist(), strict=True))) <= 1e-10
    assert result.ledger.entries["leaked"] == pytest.approx(leaked, rel=3e-9, abs=1e-13)
    assert sum(result.ledger.leaks.values()) == pytest.approx(leaked, rel=3e-9, abs=1e-13)


def sparse_reference(network: Any, box: tuple[int, ...], t: float, allowed: Any = None) -> dict[Any, float]:
    """Return the distribution on a box of counts by SciPy's expm_multiply on a CSR matrix."""
    grid = np.array(np.meshgrid(*[np.arange(n + 1) for n in box], indexing="ij")).reshape(len(box), -1).T
    if allowed is not None:
        grid = grid[allowed(grid)]
    place = np.full([n + 1 for n in box], -1)
    place[tuple(grid.T)] = np.arange(len(grid))
    rates = network.evaluate_propensities(grid)
    rows, columns, values = [], [], []
    for r, change in enumerate(network.stoichiometry):
        target = grid + change
        inside = ((target >= 0) & (target <= np.array(box))).all(axis=1)
        j = np.full(len(grid), -1)
        j[inside] = place[tuple(target[inside].T)]
        hit = (j >= 0) & (rates[:, r] > 0)
        rows += [j[hit], np.arange(len(grid))]
        columns += [np.flatnonzero(hit), np.arange(len(grid))]
        values += [rates[hit, r], -rates[:, r]]
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    matrix = sp.coo_array(entries, shape=(len(grid), len(grid))).tocsr()
    p = np.zeros(len(grid))
    p[place[tuple(network.initial_state)]] = 1.0
    out = expm_multiply(matrix * t, p)
    return dict(zip(map(tuple, grid.tolist()), out.tolist(), strict=True))


@pytest.mark.parametrize("name", LARGER)
def test_larger_networks_against_expm_multiply(name):
    make, box, t, allowed = LARGER[name]
    network = make()
    reference = sparse_reference(network, box, t, allowed)
    assert 1.0 - sum(reference.values()) < 1e-6
    for tolerance in (1e-3, 1e-7):
        check(fsp.solve_transient(network, [t], tolerance=tolerance).final, reference, tolerance, 1e-10)
