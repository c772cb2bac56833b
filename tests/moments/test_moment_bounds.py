"""Moment bounds hold the moments of laws that are known independently, and say why they hold."""

import itertools
import math
from fractions import Fraction

import closed_forms as cf
import mpmath as mp
import numpy as np
import pytest
import scipy.linalg
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fsp.errors import ArgumentError
from fsp.interval import Interval
from fsp.model import ReactionNetwork
from fsp.moments import InitialMoments, MomentBounds, moment_bounds


def bounds_of(network: ReactionNetwork, times, initial=None) -> list[MomentBounds]:
    initial = InitialMoments.from_state(network.initial_state) if initial is None else initial
    return moment_bounds(network, times, initial)


def holds(interval: Interval, value) -> bool:
    """Return whether an interval holds a number that is itself good to 1e-40."""
    slack = mp.mpf(10) ** -40 * (1 + abs(value))
    return mp.mpf(interval.lower) - slack <= value <= mp.mpf(interval.upper) + slack


# Linear networks against closed forms. Rates are dyadic, so that the network has exactly the rates of the
# closed form.

LINEAR = {
    "birth and death": (
        ReactionNetwork({"X": 3}, ["X -> 2 X @ b", "X -> 0 @ d"], {"b": 0.375, "d": 0.875}),
        lambda t: cf.birth_death(3, 0.375, 0.875, t, 600),
    ),
    "decay": (ReactionNetwork({"X": 40}, ["X -> 0 @ 0.625"]), lambda t: cf.pure_death(40, 0.625, t)),
    "immigration and death": (
        ReactionNetwork({"X": 5}, ["0 -> X @ k", "X -> 0 @ d"], {"k": 2.5, "d": 0.75}),
        lambda t: cf.immigration_death(5, 2.5, 0.75, t, 150),
    ),
    "isomerisation": (
        ReactionNetwork({"X": 30, "Y": 12}, ["X -> Y @ 0.25", "Y -> X @ 0.5"]),
        lambda t: cf.isomerisation(30, 12, 0.25, 0.5, t),
    ),
    "telegraph": (
        ReactionNetwork(
            {"G0": 1, "G1": 0, "X": 0},
            ["G0 -> G1 @ 0.25", "G1 -> G0 @ 0.5", "G1 -> G1 + X @ 8", "X -> 0 @ 1"],
        ),
        lambda t: cf.telegraph(0.25, 0.5, 8, 1, t, 90),
    ),
}


@pytest.mark.parametrize("name", LINEAR)
def test_linear_networks(name):
    network, law = LINEAR[name]
    times = [0.0, 0.125, 1.75, 4.0]
    found = bounds_of(network, times)
    assert found[0].mean("X").width == 0.0
    for t, bounds in zip(times[1:], found[1:], strict=True):
        with mp.workdps(60):
            mean, second = cf.moments(law(t))
            assert holds(bounds.mean("X"), mean)
            assert holds(bounds.second("X"), second)
        assert bounds.mean("X").width <= 5e-16 * float(mean)
        assert bounds.second("X").width <= 5e-16 * float(second)
        assert bounds.how["X"] == "closed moment equations of a linear network"


def test_moments_at_time_zero_are_exact():
    network, _ = LINEAR["isomerisation"]
    start = bounds_of(network, [0.0])[0]
    assert start.mean("X") == Interval(30.0, 30.0)
    assert start.second("Y") == Interval(144.0, 144.0)
    assert start.cross("Y", "X") == Interval(360.0, 360.0)


def test_control_other_rates_are_outside():
    network, _ = LINEAR["immigration and death"]
    found = bounds_of(network.with_parameters(k=2.5 * (1 + 1e-12)), [1.75])[0]
    with mp.workdps(60):
        mean, _ = cf.moments(cf.immigration_death(5, 2.5, 0.75, 1.75, 150))
        assert not holds(found.mean("X"), mean)


def test_mixed_moments_and_conservation():
    network, law = LINEAR["isomerisation"]
    bounds = bounds_of(network, [1.75])[0]
    with mp.workdps(60):
        mean, second = cf.moments(law(1.75))
        assert holds(bounds.cross("X", "Y"), 42 * mean - second)
    assert (bounds.mean("X") + bounds.mean("Y")).width < 1e-13


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_random_closed_linear_networks(seed):
    """Conversions of a fixed number of molecules, against the whole law with many digits."""
    rng = np.random.default_rng(seed)
    names = ["A", "B", "C"]
    pairs = [p for p in itertools.permutations(range(3), 2) if rng.random() < 0.6]
    assume(pairs)
    rates = {pair: float(rng.integers(1, 24)) / 16.0 for pair in pairs}
    start = [int(x) for x in rng.integers(0, 3, 3)]
    network = ReactionNetwork(
        dict(zip(names, start, strict=True)),
        [f"{names[i]} -> {names[j]} @ {k!r}" for (i, j), k in rates.items()],
    )
    jumps = [[(k == j) - (k == i) for k in range(3)] for i, j in rates]
    propensities = [lambda *x, i=i, k=k: mp.mpf(k) * x[i] for (i, _), k in rates.items()]
    t = float(rng.integers(1, 40)) / 16.0
    bounds = bounds_of(network, [t])[0]
    with mp.workdps(60):
        law = cf.reference_transient(jumps, propensities, start, t, [sum(start)] * 3)
        for i, j in itertools.combinations_with_replacement(range(3), 2):
            assert holds(bounds.cross(names[i], names[j]), mp.fsum(p * x[i] * x[j] for x, p in law.items()))
        for i in range(3):
            assert holds(bounds.mean(names[i]), mp.fsum(p * x[i] for x, p in law.items()))


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_random_open_linear_networks(seed):
    """Catalysis, bursts and pair losses, against SciPy on the moment equations of the means."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    names = [f"S{i}" for i in range(n)]
    reactions, jumps, drift, inflow = [], [], np.zeros((n, n)), np.zeros(n)
    for _ in range(int(rng.integers(2, 8))):
        source, change = int(rng.integers(-1, n)), rng.integers(0, 3, n)
        keep = bool(rng.random() < 0.5)
        k = float(rng.uniform(0.01, 2.0))
        left = "0" if source < 0 else names[source]
        right = [f"{c} {names[i]}" for i, c in enumerate(change) if c]
        if keep and source >= 0:
            change[source] += 1
            right.append(names[source])
        reactions.append(f"{left} -> {' + '.join(right) or '0'} @ {k!r}")
        jump = change.astype(float)
        if source >= 0:
            jump[source] -= 1
            drift[:, source] += k * jump
        else:
            inflow += k * jump
        jumps.append(jump)
    assume(any(np.any(jump) for jump in jumps))
    start = rng.integers(0, 5, n)
    network = ReactionNetwork({name: int(x) for name, x in zip(names, start, strict=True)}, reactions)
    t = float(rng.uniform(0.0, 1.5))
    bounds = bounds_of(network, [t])[0]
    whole = np.zeros((n + 1, n + 1))
    whole[1:, 1:], whole[1:, 0] = drift, inflow
    mean = (scipy.linalg.expm(whole * t) @ np.concatenate([[1.0], start]))[1:]
    size = 1e-12 * (1.0 + np.abs(whole).sum()) * (1.0 + mean.max())
    for name, value in zip(names, mean, strict=True):
        found = bounds.mean(name)
        assert found.lower - size <= value <= found.upper + size
        assert found.width <= 1e-14 * (1.0 + mean.max())
        second = bounds.second(name)
        assert second.upper >= found.lower**2 * (1 - 1e-12)


def test_initial_distribution():
    """A mixture of two states has the mixture of their moments."""
    network, law = LINEAR["immigration and death"]
    initial = InitialMoments.from_probabilities([[5], [2]], [0.25, 0.75])
    bounds = bounds_of(network, [1.75], initial)[0]
    with mp.workdps(60):
        first = cf.moments(law(1.75))
        other = cf.moments(cf.immigration_death(2, 2.5, 0.75, 1.75, 150))
        assert holds(bounds.mean("X"), first[0] / 4 + 3 * other[0] / 4)
        assert holds(bounds.second("X"), first[1] / 4 + 3 * other[1] / 4)
    short = InitialMoments(initial.mean, initial.second)
    assert bounds_of(network, [1.75], short)[0].mean("X") == bounds.mean("X")


def test_initial_moments_are_exact():
    initial = InitialMoments.from_probabilities([[1], [3]], [0.1, 1e-300])
    assert initial.mean[0] == Fraction(0.1) + 3 * Fraction(1e-300)
    assert initial.mass == Fraction(0.1) + Fraction(1e-300)
    with pytest.raises(ArgumentError, match="finite masses"):
        InitialMoments.from_probabilities([[1]], [-0.5])


def test_unknown_initial_law_leaves_conservation_only():
    network, _ = LINEAR["isomerisation"]
    bounds = moment_bounds(network, [1.0], None, upper_bounds=[42.0, 42.0])[0]
    assert bounds.mean("X") == Interval(0.0, 42.0)
    assert bounds.second("X") == Interval(0.0, 42.0**2)
    assert moment_bounds(network, [1.0], None)[0].mean("X") is None


# Networks that are linear in part


def test_linear_part_of_a_nonlinear_network():
    network = ReactionNetwork(
        {"G0": 1, "G1": 0, "X": 0, "D": 0},
        ["G0 -> G1 @ 0.25", "G1 -> G0 @ 0.5", "G1 -> G1 + X @ 8", "2 X -> D @ 0.125", "X -> 0 @ 1"],
    )
    bounds = bounds_of(network, [2.0])[0]
    with mp.workdps(60):
        share = (1 - mp.exp(mp.mpf("-1.5"))) / 3
        assert holds(bounds.mean("G1"), share)
        plain, _ = cf.moments(cf.telegraph(0.25, 0.5, 8, 1, 2, 90))
    assert bounds.how["G1"] == "closed moment equations of a linear part of the network"
    # Without the loss to dimers the mean would be that of the telegraph model with its promoter always on.
    assert float(plain) < bounds.mean("X").upper <= 8.0
    assert bounds.how["X"].startswith("domination")


def test_lower_ends_need_a_network_that_does_not_explode():
    """Beside an explosive species nothing can be said from below."""
    network = ReactionNetwork({"X": 4, "Y": 10}, ["X -> 0 @ 1", "Y -> 2 Y ; Y**3"])
    found = bounds_of(network, [1.0])[0]
    assert found.mean("X").lower == 0.0
    assert 4 * math.exp(-1) <= found.mean("X").upper <= 4 * math.exp(-1) + 1e-12
    assert "explode" in found.how["X"]
    assert found.mean("Y") is None
    assert found.second("Y") is None
    assert found.tail("Y", 1e-9) == math.inf


@pytest.mark.parametrize(
    ("reactions", "tame"),
    [
        (["X + Y -> Y @ 1", "0 -> X @ 3", "Y -> 2 Y @ 1", "0 -> Z @ 1"], True),
        (["X + Y -> 2 Y @ 1", "X -> 2 X @ 3", "Y -> 0 @ 1", "0 -> Z @ 1"], True),
        (["2 X -> Y @ 1", "Y -> 2 X @ 3", "X -> 2 X @ 1", "0 -> Z @ 1"], True),
        (["2 X -> 3 X @ 1", "3 X -> 2 X @ 1", "0 -> Y @ 2", "0 -> Z @ 1"], True),
        (["2 X -> 3 X @ 1", "3 X -> 2 X + 9 Y @ 1", "2 Y -> 3 Y @ 1", "0 -> Z @ 1"], False),
        (["2 X -> 3 X @ 1", "3 X -> 2 X + Y @ 1", "Y -> 0 @ 1", "0 -> Z @ 1"], False),
        (["2 X -> 3 X @ 1", "0 -> Y @ 1", "0 -> Z @ 1"], False),
        (["X + Y -> 2 X + 2 Y @ 1", "0 -> Z @ 1"], False),
    ],
)
def test_explosion(reactions, tame):
    network = ReactionNetwork({"X": 2, "Y": 2, "Z": 0}, reactions)
    found = bounds_of(network, [0.5])[0]
    assert (found.mean("Z").lower > 0.0) == tame
    assert found.mean("Z").upper >= 0.5


def test_constant_species_count_as_constants():
    network = ReactionNetwork({"E": 3, "X": 0}, ["0 -> X ; 2*E", "X + E -> E @ 0.25"])
    found = bounds_of(network, [1.0])[0]
    assert found.how["X"] == "closed moment equations of a linear network"
    assert 8 * (1 - math.exp(-0.75)) == pytest.approx(found.mean("X").midpoint, rel=1e-14)


def test_time_dependent_rates():
    network = ReactionNetwork({"X": 0, "Y": 9}, ["0 -> X ; 5 + 5*sin(time)", "Y -> 0 @ 1"])
    found = bounds_of(network, [2.0])[0]
    assert found.mean("X").lower == 0.0
    # The true mean is the integral of the rate, the bound is the largest rate times the time.
    assert 10.0 + 5.0 * (1 - math.cos(2.0)) <= found.mean("X").upper <= 20.0001
    assert found.mean("Y").width < 1e-14


# Domination


def truncated(network: ReactionNetwork, box, t: float):
    """Return states and a law on a box from which everything that leaves is lost: lower bounds in doubles."""
    states = np.array(list(itertools.product(*(range(n + 1) for n in box))))
    where = {tuple(s): k for k, s in enumerate(states.tolist())}
    rates = network.evaluate_propensities(states)
    matrix = np.zeros((len(states), len(states)))
    for k, state in enumerate(states.tolist()):
        for jump, rate in zip(network.stoichiometry.tolist(), rates[k], strict=True):
            target = where.get(tuple(a + b for a, b in zip(state, jump, strict=True)))
            matrix[k, k] -= rate
            if target is not None:
                matrix[target, k] += rate
    start = np.zeros(len(states))
    start[where[tuple(network.initial_state.tolist())]] = 1.0
    return states, np.clip(scipy.linalg.expm(matrix * t) @ start, 0.0, None)


NONLINEAR = {
    "toggle switch": (
        ReactionNetwork(
            {"X": 2, "Y": 0},
            ["0 -> X ; 6/(1 + (Y/3)**2)", "X -> 0 @ 1", "0 -> Y ; 6/(1 + (X/3)**2)", "Y -> 0 @ 1"],
        ),
        [25, 25],
    ),
    "activation": (
        ReactionNetwork(
            {"X": 0, "Y": 5},
            ["0 -> X ; 1 + 5*Y**2/(9 + Y**2)", "X -> 0 @ 1", "0 -> Y ; X", "Y -> 0 ; 3*Y/(2 + Y)"],
        ),
        [25, 30],
    ),
    "repressed chain": (
        ReactionNetwork(
            {"X": 0, "Y": 0},
            ["0 -> X ; 4/(1 + Y/5)", "X -> 0 @ 1", "X -> X + Y @ 2", "Y -> 0 @ 0.5", "X + Y -> 0 @ 0.1"],
        ),
        [20, 35],
    ),
    "dimers": (
        ReactionNetwork({"X": 3, "Y": 0}, ["0 -> X @ 4", "2 X -> Y @ 0.2", "Y -> 2 X @ 0.5", "Y -> 0 @ 0.3"]),
        [30, 25],
    ),
    "schloegl": (
        ReactionNetwork({"X": 5}, ["2 X -> 3 X @ 0.2", "3 X -> 2 X @ 0.05", "0 -> X @ 3", "X -> 0 @ 1"]),
        [120],
    ),
    "bursts": (ReactionNetwork({"X": 1}, ["0 -> 4 X ; 2/(1 + X)", "2 X -> 0 @ 0.1", "X -> 0 @ 0.5"]), [60]),
    "predator and prey": (
        ReactionNetwork({"X": 4, "Y": 3}, ["X -> 2 X @ 0.2", "X + Y -> 2 Y @ 0.1", "Y -> 0 @ 0.6"]),
        [30, 30],
    ),
}


@pytest.mark.parametrize("name", NONLINEAR)
@pytest.mark.parametrize("t", [0.3, 1.5])
def test_upper_bounds_hold(name, t):
    network, box = NONLINEAR[name]
    bounds = bounds_of(network, [t])[0]
    states, law = truncated(network, box, t)
    kept = 1.0 - 1e-10
    for k, species in enumerate(network.species_names):
        counts = states[:, k].astype(float)
        assert (counts @ law) * kept <= bounds.mean(species).upper < math.inf
        assert (counts**2 @ law) * kept <= bounds.second(species).upper < math.inf
        assert bounds.mean(species).lower == 0.0
        for other in range(k):
            cross = bounds.cross(species, network.species_names[other])
            assert cross is None or (counts * states[:, other]) @ law * kept <= cross.upper
        # Every part of the law: here its upper tails.
        for cut in range(0, box[k], 3):
            part = counts >= cut
            mass = float(law[part].sum())
            if mass > 1e-9:
                assert (counts * law)[part].sum() * kept <= bounds.tail(species, mass)
                assert (counts**2 * law)[part].sum() * kept <= bounds.tail(species, mass, 2)


def test_control_domination_is_exact_for_immigration_and_death():
    """Where births are constant the comparison is an equation: a bound any smaller would be wrong."""
    network = ReactionNetwork({"X": 2, "Y": 0}, ["0 -> X ; 6/(1 + 0*Y*Y)", "X -> 0 @ 1", "2 Y -> 3 Y @ 1"])
    bounds = bounds_of(network, [1.5])[0]
    with mp.workdps(60):
        mean, second = (float(x) for x in cf.moments(cf.immigration_death(2, 6, 1, 1.5, 90)))
    assert bounds.mean("X").upper == pytest.approx(mean, rel=1e-12)
    assert bounds.second("X").upper == pytest.approx(second, rel=1e-12)
    assert not mean <= bounds.mean("X").upper * (1 - 1e-9)


def test_tails_shrink_nearly_like_their_mass():
    network, _ = NONLINEAR["toggle switch"]
    bounds = bounds_of(network, [5.0])[0]
    assert bounds.tail("X", 0.0) == 0.0
    assert bounds.tail("X", 1e-9) < 1e-6
    assert bounds.tail("X", 1e-9, 2) < 1e-4
    assert bounds.tail("X", 1e-6) < bounds.tail("X", 1e-3)


def test_all_times_of_a_table_agree_with_single_ones():
    network, _ = LINEAR["telegraph"]
    times = [0.1 * k for k in range(51)]
    table = bounds_of(network, times)
    for k in (1, 7, 50):
        assert table[k].mean("X").intersect(bounds_of(network, [times[k]])[0].mean("X")).width < 1e-14


def test_large_networks_keep_to_the_budget():
    """Thirty species: means, and no second moments."""
    n = 30
    species = {f"S{i}": 10 for i in range(n)}
    network = ReactionNetwork(species, [f"S{i} -> S{i + 1} @ 1" for i in range(n - 1)] + ["0 -> S0 @ 2"])
    found = bounds_of(network, [0.5, 1.0])[1]
    assert found.mean("S3").width < 1e-12
    assert found.second("S3") is None
    hurried = moment_bounds(network, [1.0], InitialMoments.from_state(network.initial_state), budget=1e-9)[0]
    assert hurried.second("S3") is None
    assert hurried.mean("S3") is None
