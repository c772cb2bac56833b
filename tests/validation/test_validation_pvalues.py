"""P-values that are called proven are: against exact laws of the statistics, by enumeration and in closed form."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from fsp.distribution import Distribution
from fsp.errors import ArgumentError
from fsp.interval import Interval
from fsp.validation.cells import Cells, merge_cells
from fsp.validation.chernoff import MeanTest
from fsp.validation.distribution_checks import CellCheck, DistanceCheck, binomial_p, tail_checks
from fsp.validation.laws import Law
from fsp.validation.moment_checks import MomentCheck, exact_moments
from fsp.validation.pvalues import PValue, adjust, gamma_tail, gamma_threshold
from fsp.validation.samples import MomentRow, tabulate


def law_of(p, error=0.0):
    states = np.arange(len(p))[:, np.newaxis]
    distribution = Distribution.from_states(
        states, np.asarray(p), ["X"], error_bound=error, support_bounds={"X": 99}
    )
    return Law.of(distribution, ["X"])


def every_state(law):
    m = len(law.masses)
    return Cells((np.arange(m - 1),), np.arange(m), law.masses)


# -- means ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("q", [0.5, 0.1, 0.003])
@pytest.mark.parametrize("n", [10, 1000])
def test_the_bound_of_a_mean_is_above_the_exact_binomial_tail(q, n):
    test = MeanTest(np.array([0.0, 1.0]), np.array([1 - q, q]), 0.0, 0.0, 0.0, 1.0)
    for k in sorted({0, 1, n // 10, n // 4, n // 2, n - 1, n}):
        exact = 2.0 * min(stats.binom.sf(k - 1, n, q), stats.binom.cdf(k, n, q))
        p = test.p_value(k / n, n)
        assert p.lower <= p.upper
        assert p.upper >= min(1.0, exact) * (1 - 1e-9)
        if 0 < k < n and p.upper < 1.0:  # Chernoff's bound in closed form
            divergence = k / n * math.log(k / n / q) + (1 - k / n) * math.log((1 - k / n) / (1 - q))
            assert p.upper == pytest.approx(2.0 * math.exp(-n * divergence), rel=1e-6)


def test_the_bound_of_a_skewed_mean_is_above_the_simulated_tail():
    """Where the normal approximation fails: a geometric law with few samples."""
    n, q = 20, 0.2
    counts = np.arange(200)
    p = (1 - q) ** counts * q
    test = MeanTest(counts.astype(float), p, 0.0, 1e-15, 0.0, 199.0)
    for total in (120, 160, 200):  # exact: negative binomial
        exact = stats.nbinom.sf(total - 1, n, q)
        normal = stats.norm.sf((total / n - 4.0) / math.sqrt((1 - q) / q**2 / n))
        bound = test.p_value(total / n, n).upper
        assert bound >= 2 * exact > 2 * normal


@pytest.mark.parametrize("x", [0.0, 0.3, 3.7, 9.0])
def test_p_values_of_all_laws_within_the_bound_lie_in_the_interval(x):
    rng = np.random.default_rng(3)
    values, error, n = np.arange(10.0), 1e-3, 200
    for _ in range(30):
        truth = rng.dirichlet(np.ones(10))
        kept = truth * (1.0 - error * rng.random(10))
        interval = MeanTest(values, kept, 0.0, error, 0.0, 9.0).p_value(x, n)
        exact = MeanTest(values, truth, 0.0, 0.0, 0.0, 9.0).p_value(x, n).upper
        assert interval.lower <= exact * (1 + 1e-9)
        if exact < 1.0:
            assert exact <= interval.upper * (1 + 1e-9) + 1e-300


def test_a_mean_beyond_the_range_is_impossible():
    test = MeanTest(np.array([1.0, 2.0]), np.array([0.5, 0.5]), 0.0, 0.0, 1.0, 2.0)
    assert test.p_value(2.5, 100).upper == 0.0
    assert test.p_value(2.0, 10).upper == pytest.approx(2 * 0.5**10)


# -- distributions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [[0.2, 0.3, 0.5], [0.05, 0.05, 0.9], [0.01, 0.49, 0.5]])
@pytest.mark.parametrize("n", [8, 25])
def test_the_bound_of_g_and_ks_is_valid_for_every_small_sample(p, n):
    """All outcomes of a multinomial are enumerated: P(p-value <= a) <= a at every a that occurs."""
    law = law_of(p)
    cells = every_state(law)
    checks = {"G": CellCheck("G", law, cells), "KS": DistanceCheck(law)}
    found = {kind: [] for kind in checks}
    for a, b in itertools.product(range(n + 1), repeat=2):
        if a + b <= n:
            seen = np.repeat([0, 1, 2], [a, b, n - a - b])[:, np.newaxis]
            probability = stats.multinomial.pmf([a, b, n - a - b], n, p)
            for kind, check in checks.items():
                found[kind].append((check.run(tabulate(0.0, ["X"], seen)).p.upper, probability))
    for kind, outcomes in found.items():
        outcomes.sort()
        values, chances = (np.array(x) for x in zip(*outcomes, strict=True))
        cumulated = np.cumsum(chances)
        last = np.append(values[1:] > values[:-1] * (1 + 1e-12), True)
        small = last & (values < 1.0)
        assert small.any(), kind
        assert np.all(cumulated[small] <= values[small] * (1 + 1e-9)), kind


def test_control_the_limit_of_g_is_not_valid_for_small_samples():
    """The asymptotic p-value claims too much where cells are rare, which is why it is not the default."""
    p, n = [0.003, 0.497, 0.5], 8
    law = law_of(p)
    check = CellCheck("chi2", law, every_state(law))
    outcomes = []
    for a, b in itertools.product(range(n + 1), repeat=2):
        if a + b <= n:
            seen = np.repeat([0, 1, 2], [a, b, n - a - b])[:, np.newaxis]
            chance = stats.multinomial.pmf([a, b, n - a - b], n, p)
            outcomes.append((check.run(tabulate(0.0, ["X"], seen)).asymptotic.upper, chance))
    for level in (1e-3, 1e-4):
        if sum(chance for value, chance in outcomes if value <= level) > level:
            return
    pytest.fail("the limit was valid")


@pytest.mark.parametrize("kind", ["G", "chi2"])
def test_intervals_of_g_and_chi_square_hold_those_of_all_laws(kind):
    rng = np.random.default_rng(5)
    error = 1e-3
    for _ in range(20):
        truth = rng.dirichlet(np.full(8, 3.0))
        kept = truth * (1 - error * rng.random(8))
        table = tabulate(0.0, ["X"], rng.choice(8, size=(400, 1), p=rng.dirichlet(np.full(8, 30.0) * truth)))
        law, exact = law_of(kept, error), law_of(truth)
        cells = merge_cells(law, 400, 5.0)
        masses = np.bincount(cells.of(exact.states), exact.masses, cells.n_cells)
        wide = CellCheck(kind, law, cells).run(table)
        sharp = CellCheck(kind, exact, type(cells)(cells.edges, cells.cell, masses)).run(table)
        for wide_p, sharp_p in ((wide.p, sharp.p), (wide.asymptotic, sharp.asymptotic)):
            if wide_p is not None:
                assert wide_p.lower <= sharp_p.upper * (1 + 1e-9)
                assert sharp_p.lower <= wide_p.upper * (1 + 1e-9)


def test_cells_expect_what_is_stated_and_cover_all():
    p = stats.poisson.pmf(np.arange(60), 12.0)
    cells = merge_cells(law_of(p / p.sum()), 200, 5.0)
    assert cells.probabilities.sum() == pytest.approx(1.0)
    assert 200 * cells.probabilities.min() >= 5.0
    assert cells.of(np.array([[-5], [0], [59], [1000]])).tolist()[::3] == [0, cells.n_cells - 1]
    tails = tail_checks(law_of(p / p.sum()), 1000, 10.0)
    assert [t.kind for t in tails] == ["low tail", "high tail"]
    assert all(0.0 < t.probability.upper <= 0.0101 for t in tails)


@pytest.mark.parametrize(
    ("k", "n", "q"), [(0, 10, 0.3), (3, 10, 0.3), (10, 10, 0.3), (7, 1000, 1e-3), (2, 50, 0.0)]
)
def test_binomial_p_values(k, n, q):
    expected = min(1.0, 2 * min(stats.binom.sf(k - 1, n, q), stats.binom.cdf(k, n, q)))
    assert binomial_p(k, n, Interval(q, q)).upper == pytest.approx(expected, rel=1e-9, abs=0.0)
    wide = binomial_p(k, n, Interval(max(0.0, q - 1e-4), q + 1e-4))
    assert wide.lower <= expected * (1 + 1e-12)
    assert wide.upper >= expected * (1 - 1e-12)


# -- Z and Y of the DSMTS ------------------------------------------------------------------------------------


def test_z_and_y_are_those_of_the_dsmts():
    rng = np.random.default_rng(2)
    p = stats.poisson.pmf(np.arange(40), 4.0)
    distribution = Distribution.from_states(
        np.arange(40)[:, np.newaxis], p / p.sum(), ["X"], support_bounds={"X": 39}
    )
    law = Law.of(distribution, ["X"])
    moments = exact_moments(distribution, law)
    x = rng.poisson(4.0, size=(500, 1))
    table = tabulate(1.0, ["X"], x)
    mean, deviation = distribution.mean("X"), distribution.std("X")
    z = MomentCheck("mean", law, moments).run(table)
    y = MomentCheck("sd", law, moments).run(table)
    assert z.value == pytest.approx(math.sqrt(500) * (x.mean() - mean) / deviation)
    assert y.value == pytest.approx(math.sqrt(250) * (x.var(ddof=1) / deviation**2 - 1))
    assert z.asymptotic.upper == pytest.approx(2 * stats.norm.sf(abs(z.value)), rel=1e-6)
    kurtosis = ((np.arange(40) - mean) ** 4 @ law.masses) / deviation**4
    scaled = y.value * math.sqrt(2.0 / (kurtosis - 1 + 2 / 499))
    assert y.asymptotic.upper == pytest.approx(2 * stats.norm.sf(abs(scaled)), rel=1e-6)
    row = MomentRow(1.0, "X", float(x.mean()), float(x.std(ddof=1)), 500)
    for check, direct in ((MomentCheck("mean", law, moments), z), (MomentCheck("sd", law, moments), y)):
        same = check.of_row(row)
        assert same.value == pytest.approx(direct.value)
        assert same.p.upper == pytest.approx(direct.p.upper, rel=1e-6)


def test_without_enclosures_of_moments_the_limits_are_dropped_and_the_proofs_stay():
    distribution = Distribution.from_states([[0], [1], [2]], [0.3, 0.3, 0.4 - 1e-9], ["X"], error_bound=1e-9)
    law = Law.of(distribution, ["X"])
    moments = exact_moments(distribution, law)
    for kind in ("mean", "sd"):
        found = MomentCheck(kind, law, moments).run(tabulate(0.0, ["X"], np.full((100, 1), 2)))
        assert found.asymptotic is None
        assert "no proven enclosure" in found.detail
        assert found.p.upper < 0.1


def test_the_variance_of_y_is_that_of_the_kurtosis():
    """For a law with heavy tails the plain Y is far too wide; the calibrated one is not."""
    rng = np.random.default_rng(8)
    p = np.array([0.96, 0.0, 0.0, 0.0, 0.0, 0.04])
    mean, n = 0.2, 400
    variance = 0.04 * 25 - mean**2
    kurtosis = (0.96 * mean**4 + 0.04 * (5 - mean) ** 4) / variance**2
    x = 5 * (rng.random((4000, n)) < 0.04)
    y = math.sqrt(n / 2) * (x.var(axis=1, ddof=1) / variance - 1)
    assert y.var() == pytest.approx((kurtosis - 1 + 2 / (n - 1)) / 2, rel=0.1)
    assert y.var() > 5.0
    assert p.sum() == 1.0


# -- many tests ----------------------------------------------------------------------------------------------


def test_corrections_for_many_tests():
    p = [0.001, 0.02, 0.03, 0.9]
    assert adjust(p).tolist() == pytest.approx([0.004, 0.06, 0.06, 0.9])
    assert adjust(p, "bh").tolist() == pytest.approx([0.004, 0.04, 0.04, 0.9])
    assert adjust([]).tolist() == []
    with pytest.raises(ArgumentError, match="holm, bh"):
        adjust(p, "none")


def test_gamma_tail_is_above_the_exact_one():
    for shape, x in itertools.product((1.0, 4.0, 30.0), (0.5, 5.0, 40.0, 200.0)):
        assert gamma_tail(x, shape) >= stats.gamma.sf(x, shape)
    assert gamma_tail(gamma_threshold(1e-9, 7.0), 7.0) == pytest.approx(1e-9, rel=1e-6)
    assert PValue(0.1, 0.7).doubled() == (0.2, 1.0)
