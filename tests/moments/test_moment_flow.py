"""The enclosure of exp(A t) z holds the truth, is sharp, and notices when the truth is moved."""

import math
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from fsp.interval import Interval
from fsp.moments.exponential import enclose_flow, outward

DIGITS = 80


def truth(entries, initial, t):
    """Return exp(A t) z with many digits, by mpmath."""
    with mp.workdps(DIGITS):
        n = len(initial)
        matrix = mp.zeros(n)
        for (i, j), value in entries.items():
            matrix[i, j] = mp.mpf(value.numerator) / value.denominator
        start = mp.matrix([mp.mpf(x.numerator) / x.denominator for x in initial])
        return list(mp.expm(matrix * mp.mpf(t)) * start)


def holds(interval: Interval, value) -> bool:
    """Return whether the interval holds a number that is itself good to 60 digits."""
    with mp.workdps(DIGITS):
        slack = abs(value) * mp.mpf(10) ** -60 + mp.mpf(10) ** -60
        return mp.mpf(interval.lower) - slack <= value <= mp.mpf(interval.upper) + slack


def random_system(seed: int, n: int, size: float):
    rng = np.random.default_rng(seed)
    entries = {
        (i, j): Fraction(float(rng.normal())) * Fraction(size)
        for i in range(n)
        for j in range(n)
        if rng.random() < 0.5
    }
    for i in range(n):
        entries[i, i] = entries.get((i, i), Fraction(0)) - Fraction(2 * size)
    return entries, [Fraction(int(x)) for x in rng.integers(0, 50, n)]


@pytest.mark.parametrize(("n", "size"), [(2, 1.0), (5, 0.01), (5, 30.0), (12, 1.0)])
def test_truth_is_inside_and_width_is_small(n, size):
    entries, initial = random_system(n, n, size)
    times = [0.0, 1e-9, 0.1, 0.7, 3.3]
    for t, found in zip(times, enclose_flow(entries, initial, times), strict=True):
        for interval, value in zip(found, truth(entries, initial, t), strict=True):
            assert holds(interval, value)
            # Two doubles next to each other, except where a component has decayed to nothing.
            assert interval.width <= 4.5e-16 * abs(float(value)) + 1e-30


def test_control_a_wrong_truth_is_outside():
    entries, initial = random_system(3, 3, 1.0)
    wrong = {**entries, (0, 0): entries[0, 0] * (1 + Fraction(1, 10**12))}
    found = enclose_flow(entries, initial, [0.7])[0]
    assert not all(holds(i, v) for i, v in zip(found, truth(wrong, initial, 0.7), strict=True))


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([1e-3, 1.0, 40.0]), st.floats(0.0, 5.0))
def test_random_systems(seed, n, size, t):
    entries, initial = random_system(seed, n, size)
    found = enclose_flow(entries, initial, [t])[0]
    dense = np.zeros((n, n))
    for key, value in entries.items():
        dense[key] = float(value)
    rough = scipy.linalg.expm(dense * t) @ np.array([float(x) for x in initial])
    for interval, value, other in zip(found, truth(entries, initial, t), rough, strict=True):
        assert holds(interval, value)
        assert abs(interval.midpoint - other) <= 1e-10 * (1.0 + np.abs(rough).max()) * (1.0 + 8.0 * size * t)


def test_both_ways_agree():
    """Steps on the vector and the table of propagators enclose the same numbers."""
    from fsp.moments import exponential as module

    entries, initial = random_system(9, 6, 2.0)
    times = [0.25, 2.0, 9.0]
    weights = module._weights(entries, 6, Fraction(9))
    flow = module._Flow.create(entries, initial, weights, 192, times)
    for a, b in zip(flow._by_table(times), flow._by_steps(times), strict=True):
        one, two = flow._intervals(a), flow._intervals(b)
        assert all(x.intersect(y).width <= 1e-12 for x, y in zip(one, two, strict=True))


def test_stiff_decay_is_followed_down():
    rates = {(0, 0): Fraction(-(10**6)), (1, 0): Fraction(10**6), (1, 1): Fraction(-1)}
    found = enclose_flow(rates, [Fraction(100), Fraction(0)], [1e-6, 50.0])
    assert 100 * math.exp(-1) in found[0][0]
    with mp.workdps(50):
        expected = mp.mpf(10**8) / (10**6 - 1) * mp.exp(-50)
    assert holds(found[1][1], expected)
    assert found[1][1].width <= 1e-15 * float(expected)


def test_numbers_beyond_doubles_are_left_out_or_infinite():
    found = enclose_flow({(0, 0): Fraction(1)}, [Fraction(1)], [1.0, 800.0, 1e9])
    assert found[1][0].upper == math.inf
    assert found[2] is None or found[2][0].upper == math.inf
    assert math.e in found[0][0]


def test_budget_refuses_large_systems():
    entries = {(i, j): Fraction(1) for i in range(60) for j in range(60)}
    assert enclose_flow(entries, [Fraction(1)] * 60, [1.0, 1e3], budget=1e-3) == [None, None]


def test_outward():
    third = outward(Fraction(1, 3), Fraction(1, 3))
    assert Fraction(third.lower) < Fraction(1, 3) < Fraction(third.upper)
    assert third.upper == math.nextafter(third.lower, 1.0)
    assert outward(Fraction(10**400), Fraction(10**400)).upper == math.inf
    assert math.isfinite(outward(Fraction(10**400), Fraction(10**400)).lower)
