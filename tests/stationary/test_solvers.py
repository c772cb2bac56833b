"""Single solvers: what each is good for, where it must fail, and what it says then."""

import numpy as np
import pytest
import scipy.sparse as sp
from test_chain import box_chain, immigration_death
from test_gth import barrier, chain_of

import fsp
from fsp.stationary import FiniteChain, selection
from fsp.stationary.balance import log_symmetriser
from fsp.stationary.checked import defect_of_expectation, defect_of_law, defect_of_occupation
from fsp.stationary.gth import GTH
from fsp.stationary.hierarchy import COARSEST
from fsp.stationary.multilevel import Multilevel
from fsp.stationary.protocol import SOLVERS, find_solver
from fsp.stationary.selection import SelectedSolver, choose

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def lattice():
    """A toggle switch on a box: several levels of aggregates, a law over a hundred orders of magnitude."""
    return box_chain(fsp.gallery.toggle_switch(a=40.0, K=10.0), 70, 60)


# -- multilevel aggregation ---------------------------------------------------------------------------------


def test_multilevel_law_and_times_agree_with_elimination(lattice):
    assert lattice.n_states > 4 * COARSEST
    exact = GTH(lattice)
    solver = Multilevel(lattice)
    law, expected = solver.stationary(60), exact.stationary(60)
    assert law.min() >= 0.0
    assert np.abs(law - expected).sum() <= 1e-9
    assert defect_of_law(lattice, 60, law) <= 1e-13
    source = np.zeros(lattice.n_states)
    source[[60, 2000]] = 0.5, -0.25
    times, expected = solver.occupation(source), exact.occupation(source)
    assert np.abs(times - expected).sum() <= 1e-9 * np.abs(expected).sum()


def test_multilevel_expectations_are_accurate_everywhere(lattice):
    keep = np.arange(lattice.n_states) != 60
    chain = lattice.restricted(keep)  # times until a state is hit: a spike around it
    reward = np.ones(chain.n_states)
    expected = GTH(chain).expectation(reward)
    for tolerance in (1e-2, 1e-10):
        values = Multilevel(chain, tolerance).expectation(reward)
        assert np.abs(values / expected - 1.0).max() <= max(tolerance, 1e-9)


@pytest.mark.parametrize("seed", [1, 2])
def test_multilevel_on_random_graphs_with_rates_over_orders_of_magnitude(seed):
    rng = np.random.default_rng(seed)
    n = 1500
    i = np.r_[np.arange(n), rng.integers(0, n, 3 * n)]
    j = np.r_[(np.arange(n) + 1) % n, rng.integers(0, n, 3 * n)]
    keep = i != j
    values = 10.0 ** rng.uniform(-2, 2, i.size)[keep]
    inflow = sp.coo_array((values, (j[keep], i[keep])), shape=(n, n)).tocsr()
    chain = FiniteChain(inflow, np.where(rng.random(n) < 0.01, 0.1, 0.0))
    source = rng.random(n)
    exact = GTH(chain)
    solver = Multilevel(chain)
    np.testing.assert_allclose(solver.occupation(source), exact.occupation(source), rtol=1e-7)
    np.testing.assert_allclose(solver.expectation(source), exact.expectation(source), rtol=1e-7)
    assert np.abs(solver.stationary(0) - exact.stationary(0)).sum() <= 1e-10


def metastable(barrier_height, n=40):
    """Return a chain on a square with two wells, and how slowly it goes from one to the other."""
    x, y = (a.ravel() for a in np.meshgrid(np.arange(n), np.arange(n), indexing="ij"))
    energy = barrier_height * np.sin(np.pi * x / (n - 1) * 2) ** 2 + 0.02 * (y - n / 2) ** 2 + 0.03 * x
    index = np.arange(n * n).reshape(n, n)
    pairs = np.concatenate(
        [
            np.stack([index[:-1].ravel(), index[1:].ravel()], 1),
            np.stack([index[:, :-1].ravel(), index[:, 1:].ravel()], 1),
        ]
    )
    i, j = np.concatenate([pairs, pairs[:, ::-1]]).T
    rates = np.exp((energy[i] - energy[j]) / 2)
    chain = FiniteChain(sp.coo_array((rates, (j, i)), shape=(n * n, n * n)).tocsr(), np.zeros(n * n))
    law = np.exp(-(energy - energy.min()))
    return chain, law / law.sum()


@pytest.mark.parametrize("barrier_height", [2.0, 12.0, 20.0])
def test_multilevel_gets_the_weights_of_metastable_wells_right(barrier_height):
    chain, law = metastable(barrier_height)
    found = Multilevel(chain).stationary(int(np.argmax(law)))
    # The residual does not see errors of slow modes: they are as much larger as the chain is slow.
    assert np.abs(found - law).sum() <= 1e-13 * np.exp(barrier_height) * 100


def test_multilevel_says_when_a_part_is_never_left():
    rates = np.zeros((4, 4))
    rates[0, 1] = rates[1, 0] = rates[2, 3] = rates[3, 2] = 1.0
    chain = chain_of(rates, [1.0, 0.0, 0.0, 0.0])
    with pytest.raises(fsp.FSPError, match="one class at a time|one closed class"):
        Multilevel(chain).expectation(np.ones(4))


# -- the other solvers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gmres", "bicgstab", "arnoldi", "lu", "multilevel"])
def test_all_solvers_agree_on_a_lattice(lattice, name):
    solver = find_solver(name).load()(lattice)
    law, expected = solver.stationary(60), GTH(lattice).stationary(60)
    assert np.abs(law - expected).sum() <= 1e-7
    assert law.min() >= 0.0


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="long doubles are no longer than doubles")
@pytest.mark.parametrize("depth", [1e4, 1e9])
def test_lu_keeps_its_digits_at_exit_times_up_to_1e12(depth):
    rates, outflow = barrier(depth)
    chain = chain_of(rates, outflow)
    ones = np.ones(chain.n_states)
    exact = GTH(chain)
    assert exact.expectation(ones).max() > 1e3 * depth
    solver = find_solver("lu").load()(chain)
    np.testing.assert_allclose(solver.expectation(ones), exact.expectation(ones), rtol=1e-13)
    longest = exact.expectation(ones).max()
    rounding = max(1e-13, 1e-19 * longest * 10)  # of a residual in long doubles, relative to the source
    np.testing.assert_allclose(solver.occupation(ones), exact.occupation(ones), rtol=rounding)
    plain = np.linalg.solve(-chain.generator().toarray().T, ones)  # control: the same without refinement
    assert np.abs(plain / exact.expectation(ones) - 1.0).max() > 1e-12


@pytest.mark.parametrize("name", ["gmres", "bicgstab"])
def test_a_krylov_method_that_does_not_converge_says_so(name):
    rates, outflow = barrier(1e22)
    chain = chain_of(rates, outflow)
    with pytest.raises(fsp.FSPError, match="no solver gave a result that passes"):
        SelectedSolver(chain, method=name).expectation(np.ones(chain.n_states))


def test_cholmod_without_its_library_or_without_detailed_balance():
    info = SOLVERS["cholmod"]
    chain = box_chain(immigration_death(), 9)
    if not info.available:
        with pytest.raises(fsp.FSPError, match="needs scikit-sparse: pip install"):
            info.load()(chain).occupation(np.ones(9))
    with pytest.raises(fsp.ArgumentError, match="no detailed balance"):
        info.load()(box_chain(fsp.gallery.toggle_switch(), 6, 6)).occupation(np.ones(36))


def test_detailed_balance_is_found_and_its_absence_too():
    chain = box_chain(immigration_death(2), 30, 20)
    found = log_symmetriser(chain)
    u, v = chain.space.states().T
    lgamma = np.vectorize(__import__("math").lgamma)
    expected = (u + v) * np.log(4.0) - lgamma(u + 1.0) - lgamma(v + 1.0)
    np.testing.assert_allclose(found - found[0], expected - expected[0], atol=1e-10)
    assert log_symmetriser(box_chain(fsp.gallery.toggle_switch(), 6, 6)) is None
    chain.inflow.data[7] *= 1.0 + 1e-8
    assert log_symmetriser(FiniteChain(chain.inflow, chain.outflow)) is None


def test_chains_that_do_not_fit_into_memory_go_to_multilevel(lattice):
    costs = selection.estimates(lattice)
    choice = choose(lattice, memory=0.9 * min(costs["gth"].memory, costs["lu"].memory))
    assert choice.name == "multilevel"
    assert "does not fit into memory" in choice.reason


def test_right_results_of_iterative_solvers_pass_the_checks(lattice):
    source = np.zeros(lattice.n_states)
    source[60] = 1.0
    solver = Multilevel(lattice)
    assert defect_of_occupation(lattice, source, solver.occupation(source), False) <= 1e-11
    assert defect_of_expectation(lattice, source, solver.expectation(source), False) <= 1e-11
