"""First passages against closed forms."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from passage_reference import birth_death_cdf, birth_death_mean
from scipy import stats

import fsp

BIRTHS = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ k"], {"k": 2.0})
BIRTH_DEATH = fsp.ReactionNetwork(
    {"X": 10}, ["birth: 0 -> X @ k", "death: X -> 0 @ d"], {"k": 10.0, "d": 1.0}
)
TIMES = [0.0, 0.5, 1.0, 5.0, 20.0]


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-9])
def test_pure_birth_is_erlang(tolerance, relative):
    result = fsp.first_passage(BIRTHS, "X >= 10", TIMES, tolerance=tolerance, relative=relative)
    law = stats.gamma(10, scale=0.5)
    for time, cdf, density in zip(TIMES, result.cdf, result.density, strict=True):
        exact = law.cdf(time)
        assert cdf.lower * (1 - 1e-12) <= exact <= cdf.upper * (1 + 1e-12)
        assert cdf.width <= tolerance * (exact if relative else 1.0)
        assert density.lower * (1 - 1e-12) <= law.pdf(time) <= density.upper * (1 + 1e-12)
        assert cdf.certified
    assert result.hit_probability == fsp.Interval(1.0, 1.0)
    assert 5.0 in result.mean
    assert 2.5 in result.variance
    assert math.sqrt(2.5) in result.std
    assert result.mean.width < 1e-11
    assert result.at(5.0) == result.cdf[3]
    assert result.quantile(0.5).lower <= law.ppf(0.5) <= result.quantile(0.5).upper


@pytest.mark.parametrize("top", [15, 25, 40])
def test_birth_death_mean_hitting_time(top):
    result = fsp.first_passage(BIRTH_DEATH, f"X >= {top}", [1.0, 4.0])
    exact = birth_death_mean(lambda i: mp.mpf(10), lambda i: mp.mpf(i), 10, top)
    assert result.mean.lower <= exact <= result.mean.upper
    assert result.mean.width <= 1e-3 * float(exact)
    for time, cdf in zip((1, 4), result.cdf, strict=True):
        exact = birth_death_cdf(lambda i: mp.mpf(10), lambda i: mp.mpf(i), 10, top, time)
        assert cdf.lower <= exact <= cdf.upper


def test_rare_event_keeps_six_digits():
    result = fsp.first_passage(BIRTH_DEATH, "X >= 45", [0.1, 1.0], tolerance=1e-7, relative=True)
    for time, cdf in zip(("0.1", "1"), result.cdf, strict=True):
        exact = birth_death_cdf(
            lambda i: mp.mpf(10), lambda i: mp.mpf(i), 10, 45, time if time == "1" else 0.1
        )
        assert exact < 1e-15
        assert cdf.lower <= exact <= cdf.upper
        assert cdf.width <= 1e-7 * exact


def test_rare_event_on_an_unbounded_lattice():
    """Two species that do not feel each other: the passage of one is that of the birth-death chain."""
    pair = fsp.ReactionNetwork({"X": 10, "Y": 3}, ["0 -> X @ 10", "X -> 0 @ 1", "0 -> Y @ 4", "Y -> 0 @ 1"])
    result = fsp.first_passage(pair, "X >= 45", [1.0], tolerance=1e-6, relative=True)
    exact = birth_death_cdf(lambda i: mp.mpf(10), lambda i: mp.mpf(i), 10, 45, 1)
    assert result.cdf[0].lower <= exact <= result.cdf[0].upper
    assert result.cdf[0].width <= 1e-6 * exact
    assert exact < 1e-17


def sir_final_size(infect, recover, s, i):
    """Return the law of the number of those who escape infection, by the recursion over the embedded chain."""
    p = np.zeros((s + 1, s + i + 1))
    p[s, i] = 1.0
    law = np.zeros(s + 1)
    for a in range(s, -1, -1):
        for b in range(s + i - a, 0, -1):
            up, down = infect * a * b, recover * b
            if a:
                p[a - 1, b + 1] += p[a, b] * up / (up + down)
            p[a, b - 1] += p[a, b] * down / (up + down)
        law[a] = p[a, 0]
    return law


def test_sir_final_size():
    sir = fsp.ReactionNetwork(
        {"S": 30, "I": 2, "R": 0}, ["S + I -> 2 I @ b", "I -> R @ g"], {"b": 0.05, "g": 1.0}
    )
    law = sir_final_size(0.05, 1.0, 30, 2)
    for least in (5, 20):
        # Whether so many are ever infected, before the epidemic is over.
        result = fsp.first_passage(sir, f"S <= {30 - least}", [3.0], avoid="I == 0", tolerance=1e-9)
        exact = law[: 31 - least].sum()
        assert result.hit_probability.lower - 1e-13 <= exact <= result.hit_probability.upper + 1e-13
        assert result.hit_probability.width < 1e-11
    over = fsp.first_passage(sir, "I == 0", [1.0, 100.0])
    assert over.hit_probability == fsp.Interval(1.0, 1.0)
    assert over.cdf[1].lower > 0.999


def test_first_exit_of_a_fair_walk():
    """Gambler's ruin: the probability of either end, and the mean time within, are known."""
    walk = fsp.ReactionNetwork({"X": 3}, ["0 -> X @ 1", "X -> 0 ; 1*(X > 0)"])
    result = fsp.first_passage(walk, "X >= 10", [2.0, 1000.0], avoid="X == 0")
    assert 0.3 in result.hit_probability
    assert result.hit_probability.width < 1e-12
    assert result.mean == fsp.Interval(math.inf, math.inf)
    either = fsp.first_passage(walk, "X >= 10 or X == 0", [2.0])
    assert 3 * 7 / 2 in either.mean
    # E[time; up] / P(up) = (n^2 - a^2) / 3 for jumps, of rate 2
    assert (100 - 9) / 6 in result.conditional_mean
    lower, upper = result.bounds_of_cdf[:, 1] + result.bounds_of_avoided[:, 1]
    assert lower <= 1.0 <= upper + 1e-12


def test_adjoint_and_forward_agree():
    result = fsp.first_passage(BIRTH_DEATH, "X >= 20", TIMES, direction="adjoint", tolerance=1e-9)
    for start in (0, 7, 19):
        forward = fsp.first_passage(BIRTH_DEATH, "X >= 20", TIMES, initial={"X": start}, tolerance=1e-9)
        for a, b in zip(result.from_state({"X": start}), forward.cdf, strict=True):
            assert a.intersect(b).width <= 1e-9
            assert a.width <= 1e-8
    assert result.from_state([20]) == [fsp.Interval(1.0, 1.0)] * 5
    assert result.by_state.lower.shape == (5, 20)


def test_adjoint_on_an_unbounded_lattice_encloses():
    result = fsp.first_passage(BIRTH_DEATH, "X == 0", [1.0, 3.0], direction="adjoint", tolerance=1e-8)
    forward = fsp.first_passage(BIRTH_DEATH, "X == 0", [1.0, 3.0], initial={"X": 4}, tolerance=1e-8)
    for a, b in zip(result.from_state([4]), forward.cdf, strict=True):
        a.intersect(b)
        assert a.width < 1e-6


def test_initial_laws():
    mixed = {(5,): 0.25, (12,): 0.5, (30,): 0.25}
    result = fsp.first_passage(BIRTH_DEATH, "X >= 20", [0.0, 1.0], initial=mixed, avoid="X <= 5")
    alone = fsp.first_passage(BIRTH_DEATH, "X >= 20", [0.0, 1.0], initial=[12], avoid="X <= 5")
    assert result.cdf[0] == fsp.Interval(0.25, 0.25 * (1 + 2**-50))
    assert result.cdf[1].lower <= 0.25 + 0.5 * alone.cdf[1].upper
    assert result.cdf[1].upper >= 0.25 + 0.5 * alone.cdf[1].lower
    assert result.avoided[0].lower <= 0.25 <= result.avoided[0].upper
    law = fsp.solve_transient(BIRTH_DEATH, [0.5], tolerance=1e-7)
    later = fsp.first_passage(BIRTH_DEATH, "X >= 20", [1.0], initial=law, tolerance=1e-5)
    assert later.cdf[0].width >= law[-1].error_bound
    assert not math.isfinite(later.mean.upper)  # the missing mass may start anywhere


def test_long_run_on_an_unbounded_lattice():
    result = fsp.first_passage(BIRTH_DEATH, "X == 0", [1.0], tolerance=1e-9)
    assert result.hit_probability.upper == 1.0
    assert result.hit_probability.lower > 1.0 - 1e-8
    down = birth_death_mean_down(10.0, 1.0, 10)
    assert result.mean.lower <= down
    assert result.mean.lower > down * (1.0 - 1e-5)


def birth_death_mean_down(k, d, start):
    """Return the mean time from ``start`` to 0 of immigration and death."""
    with mp.workdps(40):
        total = mp.mpf(0)
        for i in range(1, start + 1):
            term, inner = mp.mpf(1) / (d * i), mp.mpf(0)
            for j in range(i, 400):
                inner += term
                term *= mp.mpf(k) / (d * (j + 1))
            total += inner
        return total


def test_escape_to_infinity_has_a_probability():
    """A supercritical branching process dies out with probability death/birth for each ancestor."""
    branching = fsp.ReactionNetwork({"X": 2}, ["X -> 2 X @ 2", "X -> 0 @ 1"])
    result = fsp.first_passage(branching, "X == 0", [1.0], tolerance=1e-8, bounds={"X": 300})
    assert result.hit_probability.lower <= 0.25 <= result.hit_probability.upper
    assert result.hit_probability.lower > 0.25 - 1e-9


def test_initial_law_with_several_conserved_totals():
    pair = fsp.ReactionNetwork({"A": 4, "B": 0}, ["A -> B @ 1", "B -> A @ 2"])
    mixed = fsp.first_passage(pair, "B >= 3", [1.0], initial={(4, 0): 0.5, (7, 0): 0.5}, tolerance=1e-9)
    parts = [fsp.first_passage(pair, "B >= 3", [1.0], initial=[n, 0], tolerance=1e-9).cdf[0] for n in (4, 7)]
    assert mixed.cdf[0].lower <= 0.5 * parts[0].upper + 0.5 * parts[1].upper
    assert mixed.cdf[0].upper >= 0.5 * parts[0].lower + 0.5 * parts[1].lower
    assert mixed.hit_probability == fsp.Interval(1.0, 1.0)
    beyond = fsp.first_passage(pair, "B >= 6", [1.0], initial={(4, 0): 0.5, (7, 0): 0.5})
    assert beyond.hit_probability.lower <= 0.5 <= beyond.hit_probability.upper  # four molecules are never six


def test_coupled_species_in_the_condition():
    """A condition on two species: the sum of two independent immigration-death processes is another one."""
    pair = fsp.ReactionNetwork({"X": 4, "Y": 6}, ["0 -> X @ 4", "X -> 0 @ 1", "0 -> Y @ 6", "Y -> 0 @ 1"])
    result = fsp.first_passage(pair, "X + Y >= 20", [1.0, 4.0], tolerance=1e-8)
    one = fsp.first_passage(BIRTH_DEATH, "X >= 20", [1.0, 4.0], tolerance=1e-8)
    for a, b in zip(result.cdf, one.cdf, strict=True):
        assert a.intersect(b).width <= 1e-8
    result.mean.intersect(one.mean)
    result.variance.intersect(one.variance)
    assert result.mean.is_finite


@pytest.mark.parametrize("method", ["uniformisation", "chebyshev"])
def test_methods_agree_on_a_moving_set(method):
    network = fsp.gallery.toggle_switch()
    result = fsp.first_passage(network, "U >= 110", [2.0, 8.0], tolerance=1e-7, method=method)
    fine = fsp.first_passage(network, "U >= 110", [2.0, 8.0], tolerance=1e-4, relative=True)
    for a, b in zip(result.cdf, fine.cdf, strict=True):
        a.intersect(b)
        assert a.width <= 1e-7
        assert b.width <= 1e-4 * b.lower
    if method == "chebyshev":
        assert result.method == method


@pytest.mark.parametrize("width", [1.0, 1e-3, 1e-8])
def test_quantiles_to_a_width(width):
    law = stats.gamma(10, scale=0.5)
    result = fsp.first_passage(BIRTHS, "X >= 10", [0.5, 20.0])
    for q in (1e-4, 0.5, 0.999):
        found = result.quantile(q, width=width)
        assert found.width <= width
        assert found.lower <= law.ppf(q) * (1 + 1e-13)
        assert found.upper >= law.ppf(q) * (1 - 1e-13)
        assert result.quantile(q).lower <= found.lower
    assert result.quantile(0.5, width=100.0) == result.quantile(0.5)


def test_quantiles_of_rare_events():
    result = fsp.first_passage(BIRTH_DEATH, "X >= 45", [0.1, 1.0], tolerance=1e-7, relative=True)
    found = result.quantile(1e-35, width=1e-4)
    assert found.width <= 1e-4
    ends = [
        birth_death_cdf(lambda i: mp.mpf(10), lambda i: mp.mpf(i), 10, 45, t)
        for t in (found.lower, found.upper)
    ]
    assert ends[0] <= 1e-35 <= ends[1]


def test_quantiles_that_cannot_be_had(tmp_path):
    result = fsp.first_passage(BIRTHS, "X >= 10", [0.5, 5.0])
    with pytest.raises(fsp.ArgumentError, match="later time"):
        result.quantile(0.999, width=0.1)
    with pytest.raises(fsp.ArgumentError, match="width"):
        result.quantile(0.5, width=0.0)
    with pytest.raises(fsp.ToleranceError, match="larger width"):
        result.quantile(0.5, width=1e-17)
    result.save(tmp_path / "passage.nc")
    kept = fsp.load_result(tmp_path / "passage.nc")
    assert kept.quantile(0.5) == result.quantile(0.5)
    with pytest.raises(fsp.ArgumentError, match="call first_passage again"):
        kept.quantile(0.5, width=0.1)
    still = fsp.ReactionNetwork({"X": 20}, ["0 -> X @ 1"])
    assert fsp.first_passage(still, "X >= 10", [0.5, 5.0]).quantile(0.5, width=1e-3).upper <= 1e-3
