"""The reference laws are checked against each other before anything else is checked against them."""

import itertools
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import closed_forms as cf
import mpmath as mp
import pytest

TINY = mp.mpf(10) ** -45


@pytest.fixture(autouse=True)
def _digits():
    with mp.workdps(60):
        yield


# name, law as a function of t, stoichiometry and propensities of the counted species, start
ONE_SPECIES: dict[str, tuple[Callable[[Any], Any], list[list[int]], list[Callable[..., Any]], int]] = {
    "death": (lambda t: cf.pure_death(12, "0.7", t), [[-1]], [lambda n: mp.mpf("0.7") * n], 12),
    "birth": (lambda t: cf.pure_birth(2, "0.4", t, 60), [[1]], [lambda n: mp.mpf("0.4") * n], 2),
    "birth and death": (
        lambda t: cf.birth_death(3, "0.4", "0.9", t, 60),
        [[1], [-1]],
        [lambda n: mp.mpf("0.4") * n, lambda n: mp.mpf("0.9") * n],
        3,
    ),
    "critical birth and death": (
        lambda t: cf.birth_death(3, "0.25", "0.25", t, 60),
        [[1], [-1]],
        [lambda n: mp.mpf("0.25") * n, lambda n: mp.mpf("0.25") * n],
        3,
    ),
    "immigration and death": (
        lambda t: cf.immigration_death(5, "2.5", "0.8", t, 60),
        [[1], [-1]],
        [lambda n: mp.mpf("2.5"), lambda n: mp.mpf("0.8") * n],
        5,
    ),
    "isomerisation": (
        lambda t: cf.isomerisation(7, 4, "0.3", "0.5", t),
        [[-1], [1]],
        [lambda n: mp.mpf("0.3") * n, lambda n: mp.mpf("0.5") * (11 - n)],
        7,
    ),
    "dimerisation": (
        lambda t: cf.dimerisation(11, "0.2", t),
        [[-2]],
        [lambda n: mp.mpf("0.2") * n * (n - 1) / 2],
        11,
    ),
}


def defect(law: Callable[[Any], Any], jumps: Any, rates: Any, t: Any, size: int) -> Any:
    """Return the largest violation of the master equation among the first states."""
    step = mp.mpf(10) ** -12
    stencil = [(-2, 1), (-1, -8), (1, 8), (2, -1)]
    values = [[w * p for p in law(t + k * step)] for k, w in stencil]
    now = law(t)
    worst = mp.mpf(0)
    for n in range(size):
        derivative = mp.fsum(v[n] for v in values) / (12 * step)
        flow = mp.mpf(0)
        for (jump,), rate in zip(jumps, rates, strict=True):
            if 0 <= n - jump < len(now):
                flow += rate(n - jump) * now[n - jump]
            flow -= rate(n) * now[n]
        worst = max(worst, abs(derivative - flow))
    return worst


@pytest.mark.parametrize("name", ONE_SPECIES)
def test_master_equation(name):
    law, jumps, rates, start = ONE_SPECIES[name]
    # The difference formula is off by step**4 times a fifth derivative, and by rounding / step.
    assert defect(law, jumps, rates, mp.mpf("0.9"), start + 1) < mp.mpf(10) ** -40
    at_start = law(mp.mpf(0))
    assert at_start[start] == 1
    assert mp.fsum(at_start) == 1


def test_master_equation_control():
    law, jumps, _, start = ONE_SPECIES["death"]
    assert defect(law, jumps, [lambda n: mp.mpf("0.700001") * n], mp.mpf("0.9"), start + 1) > mp.mpf(10) ** -9


@pytest.mark.parametrize("name", ONE_SPECIES)
def test_against_reference(name):
    law, jumps, rates, start = ONE_SPECIES[name]
    t, size = mp.mpf("0.6"), 40
    reference = cf.reference_transient(jumps, rates, [start], t, [size])
    missing = 1 - mp.fsum(reference.values())
    exact = law(t)
    for (n,), p in reference.items():
        q = exact[n] if n < len(exact) else mp.mpf(0)
        assert -TINY <= q - p <= missing + TINY


def test_reference_control():
    law, jumps, rates, start = ONE_SPECIES["isomerisation"]
    reference = cf.reference_transient(jumps, rates, [start], mp.mpf("0.6001"), [11])
    assert cf.one_norm(law(mp.mpf("0.6")), [reference[(n,)] for n in range(12)]) > mp.mpf(10) ** -6


def test_masses_and_moments():
    t = mp.mpf("1.3")
    decay = mp.exp(-mp.mpf("0.8") * t)
    law = cf.immigration_death(5, "2.5", "0.8", t, 120)
    mean, second = cf.moments(law)
    assert abs(mp.fsum(law) - 1) < TINY
    arrived = mp.mpf("2.5") / mp.mpf("0.8") * (1 - decay)
    assert abs(mean - (5 * decay + arrived)) < TINY
    assert abs(second - mean**2 - (5 * decay * (1 - decay) + arrived)) < TINY

    law = cf.birth_death(3, "0.4", "0.9", t, 400)
    mean, second = cf.moments(law)
    growth = mp.exp(-mp.mpf("0.5") * t)
    assert abs(mp.fsum(law) - 1) < TINY
    assert abs(mean - 3 * growth) < TINY
    assert abs(second - mean**2 - 3 * (mp.mpf("1.3") / mp.mpf("0.5")) * growth * (1 - growth)) < TINY

    law = cf.isomerisation(1000, 0, 1, 2, t)
    assert abs(mp.fsum(law) - 1) < TINY
    assert abs(cf.moments(law)[0] - 1000 * (2 + mp.exp(-3 * t)) / 3) < TINY


def test_limits_agree():
    t = mp.mpf("0.8")
    assert cf.one_norm(cf.birth_death(4, "0.5", 0, t, 80), cf.pure_birth(4, "0.5", t, 80)) < TINY
    assert cf.one_norm(cf.birth_death(4, mp.mpf(10) ** -60, "0.5", t, 9), cf.pure_death(4, "0.5", t)) < TINY
    assert cf.one_norm(cf.isomerisation(6, 0, "0.5", 0, t), cf.pure_death(6, "0.5", t)) < TINY
    late = cf.immigration_death(9, 10, 1, 200, 60)
    assert cf.one_norm(late, cf.stationary_immigration_death(10, 1, 60)) < TINY


def test_tail_of_immigration_death():
    """The stationary probability of 150 molecules at mean 10 is about 1e-117."""
    law = cf.stationary_immigration_death(10, 1, 151)
    assert abs(law[150] / (mp.exp(-10) * mp.mpf(10) ** 150 / mp.factorial(150)) - 1) < TINY
    assert mp.mpf("1e-118") < law[150] < mp.mpf("1e-116")


def test_dimerisation_two_forms():
    """Rational arithmetic for a small case: from 4 molecules with rates 6 k and k."""
    k, t = Fraction(1, 5), mp.mpf("0.7")
    law = cf.dimerisation(4, k, t)
    a, b = mp.exp(-6 * t / 5), mp.exp(-t / 5)
    assert abs(law[4] - a) < TINY
    assert abs(law[2] - mp.mpf(6) / 5 * (b - a)) < TINY
    assert abs(law[0] - (1 - law[4] - law[2])) < TINY


TELEGRAPH = [("0.3", "0.45", "4", "1", "1.7", False), ("1.3", "0.4", "3", "0.8", "0.5", True)]


@pytest.mark.parametrize(("on", "off", "production", "decay", "t", "start_on"), TELEGRAPH)
def test_telegraph(on, off, production, decay, t, start_on):
    size = 56
    law = cf.telegraph(on, off, production, decay, t, size, start_on=start_on)
    on, off, production, decay = (mp.mpf(x) for x in (on, off, production, decay))
    jumps = [[1, 0], [-1, 0], [0, 1], [0, -1]]
    rates = [
        lambda g, m: on * (1 - g),
        lambda g, m: off * g,
        lambda g, m: production * g,
        lambda g, m: decay * m,
    ]
    reference = cf.reference_transient(jumps, rates, [int(start_on), 0], mp.mpf(t), [1, size - 1])
    both = [reference[(0, m)] + reference[(1, m)] for m in range(size)]
    missing = 1 - mp.fsum(both)
    assert missing < mp.mpf(10) ** -25
    assert abs(mp.fsum(law) - 1) < TINY
    # The discrete transform folds the mass beyond `size` back, once.
    assert all(abs(a - b) <= 3 * missing + TINY for a, b in zip(law, both, strict=True))


def test_telegraph_mean():
    on, off, production, decay, t = (mp.mpf(x) for x in ("0.3", "0.45", "10", "1", "2.5"))
    mean, _ = cf.moments(cf.telegraph(on, off, production, decay, t, 90))
    total = on + off
    fraction = production * on / total
    expected = fraction / decay * (1 - mp.exp(-decay * t)) - fraction / (decay - total) * (
        mp.exp(-total * t) - mp.exp(-decay * t)
    )
    assert abs(mean - expected) < mp.mpf(10) ** -40


def test_telegraph_refuses_a_degenerate_case():
    with pytest.raises(ValueError, match="integer"):
        cf.telegraph("0.5", "0.5", 4, 1, 1, 40)


def test_two_species_reference_is_a_product():
    """Two independent decays."""
    jumps = [[-1, 0], [0, -1]]
    rates = [lambda a, b: mp.mpf("0.3") * a, lambda a, b: mp.mpf("0.9") * b]
    found = cf.reference_transient(jumps, rates, [3, 4], mp.mpf("0.5"), [3, 4])
    first, second = cf.pure_death(3, "0.3", "0.5"), cf.pure_death(4, "0.9", "0.5")
    for a, b in itertools.product(range(4), range(5)):
        assert abs(found[(a, b)] - first[a] * second[b]) < TINY
