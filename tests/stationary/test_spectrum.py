"""Slow modes of finite chains: against dense eigensolvers, closed forms, and numbers of many digits."""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_chains import birth_death_rate, line_chain, schloegl_chain

from fsp.errors import ArgumentError, SolverError
from fsp.stationary import FiniteChain
from fsp.stationary.balance import check_balance
from fsp.stationary.censored import censored_modes
from fsp.stationary.enclosure import count_below, enclose_rates, upper_bounds_beyond
from fsp.stationary.gth import GTH
from fsp.stationary.metastable import coarse_rates, core_states, memberships
from fsp.stationary.relaxation import relaxation, single_class
from fsp.stationary.sparse_lu import SparseLU
from fsp.stationary.spectrum import slow_spectrum

pytestmark = pytest.mark.filterwarnings("error")


def random_chain(seed: int, n: int, *, reversible: bool, spread: float = 2.0) -> FiniteChain:
    """Return a connected random chain with rates over some powers of ten."""
    rng = np.random.default_rng(seed)
    linked = rng.random((n, n)) < 0.4
    linked |= np.eye(n, k=1, dtype=bool)
    linked = np.triu(linked, 1)
    linked |= linked.T
    rates = np.where(linked, 10.0 ** rng.uniform(-spread, spread, (n, n)), 0.0)
    if reversible:
        energy = rng.uniform(-spread, spread, n)
        barrier = np.triu(rates) + np.triu(rates).T
        rates = np.where(linked, barrier * 10.0 ** (energy[None, :] / 2 - energy[:, None] / 2), 0.0)
    return FiniteChain(sp.csr_array(rates), np.zeros(n))  # row: target


def dense_rates(chain: FiniteChain) -> np.ndarray:
    values = -scipy.linalg.eigvals(chain.generator().toarray())
    return values[np.lexsort((values.imag, values.real))]


# -- eigenpairs against dense algebra ----------------------------------------------------------------------


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), n=st.integers(3, 12), reversible=st.booleans())
def test_random_chains_against_a_dense_eigensolver(seed: int, n: int, reversible: bool) -> None:
    chain = random_chain(seed, n, reversible=reversible, spread=1.0)
    found = relaxation(chain, 3, GTH)
    every = dense_rates(chain)[1:]
    exact = every[: found.modes.rates.size]
    size = chain.exit.max()
    distance = np.abs(found.modes.rates[:, None] - every[None, :]).min(axis=1)
    assert (distance <= 1e-9 * size * found.modes.condition).all()
    assert np.abs(found.modes.rates.real - exact.real).max() <= 1e-9 * size * found.modes.condition.max()
    left, right, rates = found.modes.left, found.modes.right, found.modes.rates
    image = chain.outgoing @ left - chain.exit[:, None] * left + left * rates
    assert np.abs(image).max() <= 1e-8 * size * np.abs(left).max()
    image = chain.generator() @ right + right * rates
    assert np.abs(image).max() <= 1e-8 * size * np.abs(right).max()
    assert np.abs(found.law @ left).max() <= 1e-10
    assert np.abs(right.sum(axis=0)).max() <= 1e-10 * np.abs(right).max()
    if reversible:
        assert found.balance is not None
        assert found.balance.holds
        assert np.isfinite(found.lower).all()
        # The dense solver itself is accurate relative to the largest rate only.
        slack = 1e-13 * n * size * np.sqrt(found.law.max() / found.law.min())
        assert (found.lower - slack <= exact.real).all()
        assert (exact.real <= found.upper + slack).all()
        assert (found.upper - found.lower <= 1e-9 * found.upper + slack).all()
    elif found.balance is not None and not found.balance.holds:
        assert np.isnan(found.lower).all()


def test_large_chains_take_the_iterative_solver_and_agree_with_the_dense_one() -> None:
    """A line of 420 states with a drift in a ring of its own: no detailed balance."""
    rng = np.random.default_rng(4)
    n = 420
    up, down = rng.uniform(0.5, 1.5, n - 1), rng.uniform(0.5, 1.5, n - 1)
    rates = np.diag(up, -1) + np.diag(down, 1)
    rates[0, n - 1] = 0.3  # from the end back to the start
    chain = FiniteChain(sp.csr_array(rates), np.zeros(n))
    law = GTH(chain).stationary(0)
    assert not check_balance(chain).holds
    found = slow_spectrum(chain, law, 4, symmetric=False)
    exact = dense_rates(chain)[1:5]
    assert np.abs(found.rates - exact).max() <= 1e-10
    products = found.right.T @ found.left
    assert np.abs(products - np.eye(4)).max() <= 1e-6


def test_modes_rebuild_the_transient_law() -> None:
    chain = random_chain(11, 8, reversible=False, spread=0.5)
    found = relaxation(chain, 7, GTH)
    start = np.zeros(8)
    start[2] = 1.0
    for time in (0.1, 1.0):
        decays = np.exp(-found.modes.rates * time) * (start @ found.modes.left)
        rebuilt = found.law + (found.modes.right @ decays).real
        exact = scipy.linalg.expm(chain.generator().toarray() * time) @ start
        assert np.abs(rebuilt - exact).max() <= 1e-9


# -- detailed balance --------------------------------------------------------------------------------------


def test_balance_finds_the_law_and_the_broken_cycle() -> None:
    chain = random_chain(3, 9, reversible=True)
    found = check_balance(chain)
    assert found.holds
    law = np.exp(found.log_law)
    assert np.abs(chain.generator() @ law).max() <= 1e-12 * (chain.exit * law).max()
    rates = chain.inflow.toarray()
    x, y = np.argwhere(np.triu(rates, 2))[0]
    rates[x, y] *= 2.0
    broken = check_balance(FiniteChain(sp.csr_array(rates), np.zeros(9)))
    assert not broken.holds
    assert abs(broken.affinity - np.log(2.0)) <= 1e-12
    cycle = broken.cycle
    forward = sum(np.log(rates[b, a]) for a, b in itertools.pairwise(cycle))
    backward = sum(np.log(rates[a, b]) for a, b in itertools.pairwise(cycle))
    assert abs(forward - backward - broken.affinity) <= 1e-12


def test_a_transition_without_a_reverse_breaks_balance() -> None:
    rates = np.array([[0.0, 1, 1], [1, 0, 0], [0, 1, 0]])  # 0 <-> 1 -> 2 -> 0
    found = check_balance(FiniteChain(sp.csr_array(rates), np.zeros(3)))
    assert not found.holds
    assert found.affinity == np.inf
    assert found.cycle.tolist()[0] == found.cycle.tolist()[-1]


def test_unconnected_states_are_refused() -> None:
    rates = np.zeros((4, 4))
    rates[0, 1] = rates[1, 0] = rates[2, 3] = rates[3, 2] = 1.0
    with pytest.raises(ArgumentError, match="fall apart"):
        check_balance(FiniteChain(sp.csr_array(rates), np.zeros(4)))
    with pytest.raises(ArgumentError, match="2 closed classes"):
        single_class(FiniteChain(sp.csr_array(rates), np.zeros(4)))


# -- enclosures --------------------------------------------------------------------------------------------


def test_inertia_counts_eigenvalues() -> None:
    rng = np.random.default_rng(2)
    half = rng.normal(size=(30, 30))
    matrix = half + half.T
    values = np.linalg.eigvalsh(matrix)
    for position in (3, 11, 20):
        middle = 0.5 * (values[position] + values[position + 1])
        count, slack = count_below(sp.csr_array(matrix), middle)
        if slack < 0.5 * (values[position + 1] - values[position]):  # pivots of an indefinite matrix may grow
            assert count == position + 1


def test_enclosures_hold_for_bad_functions_too() -> None:
    """Whatever the functions, the intervals hold the rates; bad ones only make them wide."""
    chain = random_chain(5, 40, reversible=True, spread=1.0)
    balance = check_balance(chain)
    law = np.exp(balance.log_law)
    exact = dense_rates(chain).real[1:4]
    good = slow_spectrum(chain, law / law.sum(), 6, symmetric=True).left
    rng = np.random.default_rng(1)
    widths = []
    for noise in (0.0, 1e-4, 1e-2):
        found = enclose_rates(chain, balance.log_law, good * (1.0 + noise * rng.normal(size=good.shape)), 3)
        if np.isfinite(found.lower).all():
            slack = 1e-11 * exact
            assert (found.lower <= exact + slack).all()
            assert (exact <= found.upper + slack).all()
            widths.append((found.upper - found.lower).max())
    assert len(widths) >= 2
    assert widths == sorted(widths)


def test_control_a_missed_mode_is_noticed() -> None:
    """Without the slowest function, the inertia count does not fit, and nothing is claimed."""
    chain = random_chain(5, 40, reversible=True, spread=1.0)
    balance = check_balance(chain)
    law = np.exp(balance.log_law)
    good = slow_spectrum(chain, law / law.sum(), 6, symmetric=True).left
    found = enclose_rates(chain, balance.log_law, good[:, 1:], 3)
    assert np.isnan(found.lower).all()
    assert found.reason


def test_upper_bounds_hold_beyond_the_set() -> None:
    """Immigration and death, rates 0, 1, 2, ...: killed on small sets the bounds lie above and come down to them."""
    last = np.full(3, np.inf)
    for size in (14, 20, 40):
        chain = line_chain(np.full(size - 1, 8.0), np.arange(1.0, size))
        outflow = np.zeros(size)
        outflow[-1] = 8.0
        balance = check_balance(chain)
        law = np.exp(balance.log_law)
        functions = slow_spectrum(chain, law / law.sum(), 3, symmetric=True).left
        bounds = upper_bounds_beyond(chain, balance.log_law, functions, outflow)
        assert (bounds >= np.arange(1, 4)).all()
        assert (bounds <= last).all()
        last = bounds
    assert np.abs(last - np.arange(1, 4)).max() <= 1e-8


# -- slow rates with all their digits ----------------------------------------------------------------------


@pytest.mark.parametrize(("volume", "digits"), [(3, 11), (12, 11), (16, 11)])
def test_a_bistable_switch_keeps_its_digits(volume: int, digits: int) -> None:
    """Schloegl's model: the slow rate against one of 50 digits; relaxation times up to 7e17."""
    chain = schloegl_chain(volume)
    exact = birth_death_rate(chain)
    found = relaxation(chain, 3, GTH)
    if volume >= 12:
        assert 1.0 / found.modes.rates[0] > 1e12
    assert abs(float(found.modes.rates[0] / exact - 1)) <= 10.0**-digits
    assert found.lower[0] <= exact <= found.upper[0]
    if volume <= 12:  # six digits are proven
        assert found.upper[0] - found.lower[0] <= 1e-6 * found.upper[0]
    cores = core_states(found.modes.left[:, :1], found.law)
    modes = censored_modes(chain, cores, GTH)
    assert abs(float(modes.rates[0] / exact - 1)) <= 10.0**-digits
    assert modes.disagreement[0] <= 1e-11


def test_control_an_ordinary_eigensolver_loses_the_slow_rate() -> None:
    chain = schloegl_chain(12)
    exact = birth_death_rate(chain)
    law = np.exp(check_balance(chain).log_law)
    symmetric = slow_spectrum(chain, np.maximum(law / law.sum(), 1e-290), 3, symmetric=True)
    assert abs(float(symmetric.rates[0] / exact - 1)) > 0.1
    plain = sp.linalg.eigs(chain.generator(), k=3, sigma=1e-6, return_eigenvectors=False)
    slowest = np.sort(-plain.real)[1]
    assert abs(float(slowest / exact - 1)) > 0.1


def test_three_basins_with_rates_of_very_different_size() -> None:
    """A line with two barriers: two tiny rates, against dense algebra of 60 digits."""
    pieces = [np.linspace(0, 34, 12), np.linspace(34, 4, 10), np.linspace(4, 26, 12), np.linspace(26, 1, 10)]
    heights = np.concatenate([pieces[0], *(piece[1:] for piece in pieces[1:])])
    up = np.exp(np.minimum(0.0, -np.diff(heights)))
    down = np.exp(np.minimum(0.0, np.diff(heights)))
    chain = line_chain(up, down)
    with mpmath.workdps(60):
        dense = mpmath.matrix(chain.outgoing.toarray().tolist())
        for i in range(dense.rows):
            dense[i, i] = -mpmath.fsum(dense[i, j] for j in range(dense.cols) if j != i)
        values = sorted(-mpmath.re(v) for v in mpmath.eig(dense, left=False, right=False))
    found = relaxation(chain, 3, GTH)
    assert values[2] < 1e-7
    for j in (0, 1):
        assert abs(float(found.modes.rates[j] / values[j + 1] - 1)) <= 1e-10
        assert found.lower[j] <= values[j + 1] <= found.upper[j]


def test_a_switch_without_detailed_balance_keeps_its_digits() -> None:
    """Two rings of states, driven round, with a narrow way between them; against dense algebra of 60 digits."""
    rates = np.zeros((10, 10))
    for start in (0, 5):
        for i in range(5):
            a, b = start + i, start + (i + 1) % 5
            rates[b, a], rates[a, b] = 2.0, 0.5
    rates[7, 2], rates[2, 7], rates[9, 0] = 3e-15, 1e-17, 2e-16
    chain = FiniteChain(sp.csr_array(rates), np.zeros(10))
    with mpmath.workdps(60):
        dense = mpmath.matrix(rates.T.tolist())
        for i in range(10):
            dense[i, i] = -mpmath.fsum(dense[i, j] for j in range(10) if j != i)
        values = sorted((-v for v in mpmath.eig(dense, left=False, right=False)), key=abs)
    found = relaxation(chain, 2, GTH)
    assert not found.balance.holds
    assert abs(complex(found.modes.rates[0] / values[1]) - 1) <= 1e-12
    ordinary = np.sort(np.abs(dense_rates(chain)))[1]
    assert abs(float(ordinary / values[1]) - 1) > 1e-3  # the control


def test_a_stiff_chain_with_a_rare_switch_keeps_its_digits() -> None:
    """A very fast pair of states beside: rates inside of the sets, too, are tiny beside the fastest one."""
    up, down = np.full(11, 1.0), np.full(11, 1.0)
    up[5], down[5] = 1e-14, 3e-14
    up[0], down[0] = 1e9, 2e9
    chain = line_chain(up, down)
    found = relaxation(chain, 2, GTH)
    with mpmath.workdps(60):
        dense = mpmath.matrix(chain.outgoing.toarray().tolist())
        for i in range(dense.rows):
            dense[i, i] = -mpmath.fsum(dense[i, j] for j in range(dense.cols) if j != i)
        values = sorted(-mpmath.re(v) for v in mpmath.eig(dense, left=False, right=False))
    assert abs(float(found.modes.rates[0] / values[1] - 1)) <= 1e-12
    assert abs(float(found.modes.rates[1] / values[2] - 1)) <= 1e-6
    assert found.error[1] >= abs(float(found.modes.rates[1] - values[2]))


def test_states_that_are_no_metastable_sets_are_refused() -> None:
    chain = line_chain(np.full(30, 1.0), np.full(30, 1.0))
    with pytest.raises(SolverError, match="metastable"):
        censored_modes(chain, np.array([3, 4]), SparseLU)


# -- metastable sets ---------------------------------------------------------------------------------------


def test_switching_rates_add_up_and_balance() -> None:
    chain = schloegl_chain(5)
    found = relaxation(chain, 3, GTH)
    f = found.modes.left[:, :1]
    vertices = core_states(f, found.law)
    degree = memberships(f, vertices)
    table = coarse_rates(f, found.modes.rates[:1], vertices)
    assert np.abs(table.sum(axis=1)).max() == 0.0
    assert abs(table[0, 1] + table[1, 0] - found.modes.rates[0]) <= 1e-12 * found.modes.rates[0]
    mass = found.law @ degree
    assert abs(mass[0] * table[0, 1] - mass[1] * table[1, 0]) <= 1e-6 * mass[0] * table[0, 1]


def test_switching_rates_are_mean_first_passage_rates() -> None:
    """From the bottom of one basin to that of the other: 1/k up to corrections of the size of rate/next rate."""
    chain = schloegl_chain(5)
    found = relaxation(chain, 3, GTH)
    f = found.modes.left[:, :1]
    cores = core_states(f, found.law)
    table = coarse_rates(f, found.modes.rates[:1], cores)
    for a, b in ((0, 1), (1, 0)):
        keep = np.arange(chain.n_states) != cores[b]
        time = GTH(chain.restricted(keep)).expectation(np.ones(chain.n_states - 1))
        start = cores[a] - (cores[a] > cores[b])
        assert abs(table[a, b] * time[start] - 1.0) <= 1e-4


def test_transient_states_and_an_absorbing_one() -> None:
    """Pure death: rates 1, 2, 3, ... towards the empty state."""
    chain = line_chain(np.zeros(12), np.arange(1.0, 13))
    found = relaxation(chain, 4, GTH)
    assert np.abs(found.modes.rates - np.arange(1, 5)).max() <= 1e-6
    assert found.law[0] == 1.0
    assert found.balance is None


def test_classes_that_only_the_truncation_makes_are_dropped() -> None:
    """State 3 leads out of the set only: it is no stationary class of its own."""
    rates = np.array([[0.0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    chain = FiniteChain(sp.csr_array(rates), np.array([0.0, 0, 0, 1]))
    assert single_class(chain).tolist() == [True, True, True, False]
