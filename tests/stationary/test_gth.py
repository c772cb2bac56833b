"""Elimination without subtractions: every entry accurate, for rates and exit times over many orders of magnitude."""

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from exact import exact_law, exact_solve, relative_error
from hypothesis import given, settings
from hypothesis import strategies as st
from test_chain import box_chain

import fsp
from fsp.stationary import FiniteChain
from fsp.stationary.band import Band, narrow_band
from fsp.stationary.dissection import Dissection
from fsp.stationary.gth import GTH
from fsp.stationary.sparse_lu import SparseLU

pytestmark = pytest.mark.filterwarnings("error")


def chain_of(rates, outflow):
    """Return the chain of dense ``rates[i, j]`` from i to j."""
    return FiniteChain(sp.csr_array(np.asarray(rates, float).T), np.asarray(outflow, float))


def wild_rates(rng, n, half_width, density, decades):
    """Return random rates within a band, over so many orders of magnitude, with a path through all states."""
    i, j = np.indices((n, n))
    there = (rng.random((n, n)) < density) & (abs(i - j) <= half_width)
    there |= abs(i - j) == 1
    rates = np.where(there & (i != j), 10.0 ** rng.uniform(-decades / 2, decades / 2, (n, n)), 0.0)
    outflow = np.where(rng.random(n) < 0.1, 10.0 ** rng.uniform(-decades / 2, decades / 2, n), 0.0)
    outflow[n // 2] = 10.0 ** rng.uniform(-decades / 2, decades / 2)
    return rates, outflow


@pytest.mark.parametrize(
    ("n", "half_width", "density"), [(5, 4, 1.0), (17, 16, 0.3), (40, 39, 0.2), (45, 3, 0.7), (50, 18, 0.4)]
)
@pytest.mark.parametrize("decades", [2, 30, 60])
def test_every_entry_is_accurate_for_rates_over_many_orders_of_magnitude(n, half_width, density, decades):
    rng = np.random.default_rng(n + decades)
    rates, outflow = wild_rates(rng, n, half_width, density, decades)
    solver = GTH(chain_of(rates, outflow))
    source = rng.random(n) * (rng.random(n) < 0.3)
    source[0] = 1.0
    bound = 1e-12
    assert relative_error(solver.occupation(source), exact_solve(rates, outflow, source)) <= bound
    assert relative_error(solver.expectation(source), exact_solve(rates, outflow, source, True)) <= bound
    law = solver.stationary(n // 3)
    assert law.min() >= 0.0
    large = [(a, b) for a, b in zip(law, exact_law(rates, outflow, n // 3), strict=True) if b > 1e-290]
    assert relative_error(*zip(*large, strict=True)) <= bound


def cut(chain, coordinates, piece):
    return Dissection.of(chain.outgoing, chain.inflow, np.asarray(coordinates, np.int64), piece)


@pytest.mark.parametrize("piece", [1, 4, 17])
@pytest.mark.parametrize(("half_width", "density"), [(3, 0.7), (12, 0.3), (49, 0.1)])
@pytest.mark.parametrize("decades", [2, 40])
def test_every_entry_is_accurate_along_a_dissection(piece, half_width, density, decades):
    n = 50
    rng = np.random.default_rng(piece + half_width + decades)
    rates, outflow = wild_rates(rng, n, half_width, density, decades)
    chain = chain_of(rates, outflow)
    # Coordinates only guide the cuts: results are right for any, here with states at the same place.
    solver = GTH(chain, order=cut(chain, np.c_[np.arange(n) // 2, rng.integers(0, 5, n)], piece))
    assert solver.order.halves.any()
    source = rng.random(n) * (rng.random(n) < 0.3)
    source[0] = 1.0
    bound = 1e-12
    assert relative_error(solver.occupation(source), exact_solve(rates, outflow, source)) <= bound
    assert relative_error(solver.expectation(source), exact_solve(rates, outflow, source, True)) <= bound
    assert relative_error(solver.stationary(n // 3), exact_law(rates, outflow, n // 3)) <= bound


def test_a_dissection_of_a_square_is_cheap_and_agrees_with_a_band():
    b = 90
    index = np.arange(b * b).reshape(b, b)
    pairs = [*zip(index[1:].ravel(), index[:-1].ravel(), strict=True)]
    pairs += zip(index[:, 1:].ravel(), index[:, :-1].ravel(), strict=True)
    i, j = np.array(pairs).T
    values = 10.0 ** np.random.default_rng(3).uniform(-3, 3, 2 * i.size)
    inflow = sp.coo_array((values, (np.r_[i, j], np.r_[j, i])), shape=(b * b, b * b)).tocsr()
    chain = FiniteChain(inflow, (np.arange(b * b) == 7) * 1e-3)
    dissection = cut(chain, np.stack(np.divmod(np.arange(b * b), b), 1), 32)
    assert sorted(dissection.order) == list(range(b * b))
    assert dissection.operations < 60 * b**3
    along, band = GTH(chain, order=dissection), GTH(chain)
    source = np.ones(b * b)
    np.testing.assert_allclose(along.occupation(source), band.occupation(source), rtol=1e-11)
    np.testing.assert_allclose(along.expectation(source), band.expectation(source), rtol=1e-11)
    np.testing.assert_allclose(along.stationary(40), band.stationary(40), rtol=1e-11)


def test_a_set_that_is_never_left_is_refused_along_a_dissection():
    rates = np.zeros((8, 8))
    for i, j in ((0, 1), (1, 2), (2, 3), (5, 6), (6, 7), (7, 4), (4, 5)):
        rates[i, j] = rates[j, i] = 1.0
    chain = chain_of(rates, [1.0, 0, 0, 0, 0, 0, 0, 0])
    solver = GTH(chain, order=cut(chain, [[k, 0] for k in range(8)], 2))
    with pytest.raises(fsp.FSPError, match=r"state [4-7] of 8 belongs to states that are never left"):
        solver.expectation(np.ones(8))


def test_the_order_is_a_band_or_a_dissection_by_what_is_cheaper():
    network = fsp.gallery.toggle_switch(a=40.0, K=10.0)
    assert isinstance(box_chain(network, 130, 130).elimination_order, Dissection)
    assert isinstance(box_chain(network, 100, 12).elimination_order, Band)


@pytest.mark.parametrize("n", [3, 15, 16, 17, 31, 33, 48, 100])
@pytest.mark.parametrize(("lower", "upper"), [(1, 1), (1, 4), (5, 2), (16, 16), (20, 3), (2, 40)])
def test_bands_of_any_width_agree_with_dense_algebra(n, lower, upper):
    rng = np.random.default_rng(n * 100 + lower + upper)
    i, j = np.indices((n, n))
    rates = rng.random((n, n)) * (i - j <= lower) * (j - i <= upper) * (i != j)
    outflow = rng.random(n)
    chain = chain_of(rates, outflow)
    solver = GTH(chain, order=Band.of(chain.outgoing, np.arange(n)))
    assert max(solver.order.below - np.arange(n)) <= min(lower, n - 1) + 1
    dense = -chain.generator().toarray()
    source = rng.random(n)
    np.testing.assert_allclose(solver.occupation(source), np.linalg.solve(dense, source), rtol=1e-11)
    np.testing.assert_allclose(solver.expectation(source), np.linalg.solve(dense.T, source), rtol=1e-11)


def test_products_that_would_overflow_in_a_panel_are_avoided():
    n = 40  # up quickly, down slowly by 25 orders of magnitude: products of sixteen ratios are beyond 1e308
    rates = np.zeros((n, n))
    for k in range(n - 1):
        rates[k, k + 1] = 1e-12 if k % 16 else 1e13
        rates[k + 1, k] = 1e13 if k % 16 else 1e-12
    rates[::3, 0] += 1e-13
    np.fill_diagonal(rates, 0.0)
    outflow = np.zeros(n)
    outflow[0] = 1e-3
    solver = GTH(chain_of(rates, outflow))
    source = np.zeros(n)
    source[n - 1] = 1.0
    exact = exact_solve(rates, outflow, source)
    kept = [k for k in range(n) if exact[k] > 1e-290]
    found = solver.occupation(source)
    assert relative_error(found[kept], [exact[k] for k in kept]) <= 1e-12


def barrier(depth, rate=1.0):
    """Return a birth-death chain on two wells with a barrier, of which the exit time is about ``depth``."""
    n = 61
    rates = np.zeros((n, n))
    x = np.arange(n)
    height = np.log(depth) * np.sin(np.pi * x / (n - 1) * 2) ** 2 / 2
    for k in range(n - 1):
        rates[k, k + 1] = rate * np.exp((height[k] - height[k + 1]) / 2)
        rates[k + 1, k] = rate * np.exp((height[k + 1] - height[k]) / 2)
    return rates, np.where(x == n - 1, rate, 0.0) * 1e-3 / depth


def test_exit_times_of_1e25_keep_their_digits_where_ordinary_elimination_loses_them():
    rates, outflow = barrier(1e22)
    chain = chain_of(rates, outflow)
    ones = np.ones(chain.n_states)
    exact = exact_solve(rates, outflow, ones, True)
    assert min(exact) > 1e25
    assert relative_error(GTH(chain).expectation(ones), exact) <= 1e-13
    control = SparseLU(chain).expectation(ones)
    assert relative_error(control, exact) > 1e-2


def test_law_of_a_chain_that_relaxes_in_1e15_and_more():
    rates, outflow = barrier(1e32)
    rates[:, 45:] *= 1.5  # the second well is not the mirror image of the first
    np.fill_diagonal(rates, 0.0)
    law = GTH(chain_of(rates, outflow)).stationary(0)
    assert relative_error(law, exact_law(rates, outflow, 0)) <= 1e-13


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(2, 24), st.integers(0, 2**32 - 1), st.floats(0.1, 1.0), st.integers(0, 12))
def test_random_chains_against_extended_precision(n, seed, density, decades):
    rng = np.random.default_rng(seed)
    rates, outflow = wild_rates(rng, n, n, density, decades)
    solver = GTH(chain_of(rates, outflow))
    source = rng.random(n)
    assert relative_error(solver.occupation(source), exact_solve(rates, outflow, source)) <= 1e-13 * n
    assert relative_error(solver.expectation(source), exact_solve(rates, outflow, source, True)) <= 1e-13 * n
    assert relative_error(solver.stationary(0), exact_law(rates, outflow, 0)) <= 1e-13 * n


def test_a_set_that_is_never_left_is_refused():
    rates = np.zeros((4, 4))
    rates[0, 1] = rates[1, 0] = rates[2, 3] = rates[3, 2] = 1.0
    solver = GTH(chain_of(rates, [1.0, 0.0, 0.0, 0.0]))
    with pytest.raises(fsp.FSPError, match="never left"):
        solver.expectation(np.ones(4))


def test_the_band_of_a_shuffled_lattice_is_found_again():
    rng = np.random.default_rng(1)
    grid = np.arange(600).reshape(60, 10)
    pairs = [
        *zip(grid[:-1].ravel(), grid[1:].ravel(), strict=True),
        *zip(grid[:, :-1].ravel(), grid[:, 1:].ravel(), strict=True),
    ]
    i, j = rng.permutation(600)[np.array(pairs)].T
    rates = sp.coo_array((np.ones(2 * i.size), (np.r_[i, j], np.r_[j, i])), shape=(600, 600)).tocsr()
    band = narrow_band(rates)
    assert max(band.lower, band.upper) <= 11


def test_precision_of_the_reference():
    assert mpmath.mp.dps >= 15
    rates, outflow = barrier(1e22)
    ones = np.ones(len(outflow))
    low = exact_solve(rates, outflow, ones, True)
    assert relative_error([float(x) for x in low], low) <= 2.0**-53
