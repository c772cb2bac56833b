"""Poisson weights against mpmath."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from fsp.transient.poisson import poisson_series

U = 2.0**-53
MEANS = [0.0, 1e-300, 1e-9, 0.5, 0.99999999, 1.0, 3.7, 10.0, 32.64, 200.25, 1024.0, 1044.48, 20000.5]


def exact(mean: float, k: int) -> mp.mpf:
    mean = mp.mpf(mean)
    if mean == 0:
        return mp.mpf(k == 0)
    return mp.exp(k * mp.log(mean) - mean - mp.loggamma(k + 1))


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("budget", [0.0, 1e-30, 1e-16, 1e-10, 1e-3])
def test_weights(mean, budget):
    with mp.workdps(60):
        check(mean, budget, poisson_series(mean, budget))


def check(mean, budget, series):
    n = series.n_products
    assert series.weights.shape == (n + 1,)
    assert series.later.shape == (n + 2,)
    used = np.flatnonzero(series.weights)
    assert (np.diff(used) == 1).all()
    assert used[-1] == n or exact(mean, n) < 1e-307  # no holes, but for what underflows
    kept = mp.mpf(0)
    for k in used:
        truth = exact(mean, int(k))
        kept += truth
        if truth > 1e-290:
            assert abs(mp.mpf(float(series.weights[k])) / truth - 1) <= 3 * U
    left_out = 1 - kept
    assert left_out <= mp.mpf(series.missing) * (1 + mp.mpf("1e-12"))
    assert series.missing <= budget + 1e-29
    assert float(mp.fsum(series.weights)) <= 1.0 + 2 * U
    # Probability of at least k jumps: exact where it matters, never too small (it bounds what leaks).
    assert series.later[0] == 1.0
    assert (np.diff(series.later) <= 0).all()
    tail = 1 - mp.fsum(exact(mean, k) for k in range(int(used[0])))
    for k in range(int(used[0]), n + 2):
        if tail > 1e-30:
            assert abs(mp.mpf(float(series.later[k])) / tail - 1) <= 1e-11
        tail -= exact(mean, k)


@pytest.mark.parametrize(("mean", "most"), [(10.0, 60), (1000.0, 1300), (65536.5, 68000)])
def test_no_more_products_than_needed(mean, most):
    series = poisson_series(mean, 1e-12)
    assert mean < series.n_products < most
    assert np.count_nonzero(series.weights) < 16 * np.sqrt(mean + 1) + 20


def test_control_a_wrong_mean_is_noticed():
    with mp.workdps(60), pytest.raises(AssertionError):
        check(10.0, 1e-10, poisson_series(10.0 * (1 + 1e-14), 1e-10))


@pytest.mark.parametrize("mean", [0.01, 3.7, 250.0, 4096.0])
@pytest.mark.parametrize("budget", [1e-40, 1e-100, 1e-250])
def test_tiny_budgets_are_kept(mean, budget):
    """What probabilities far below one need: the mass that is left out is bounded, and it is below the budget."""
    series = poisson_series(mean, budget)
    last = series.n_products
    with mp.workdps(60):
        beyond = mp.gammainc(last + 1, 0, mp.mpf(mean), regularized=True)
        assert beyond <= series.missing <= budget
        for k in (last, last // 2):
            exact = mp.exp(-mp.mpf(mean)) * mp.mpf(mean) ** k / mp.factorial(k)
            if series.fine[k] > 0 and exact > 1e-300:
                assert abs(mp.mpf(float(series.fine[k])) / exact - 1) < 1e-12
