"""The certificate against closed forms with 60 digits: true error <= error bound <= tolerance, and p <= P."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import closed_forms as cf
import mpmath as mp
import numpy as np
import pytest

import fsp

TOLERANCES = [1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12]

#: Below this doubles lose their relative precision (denormal numbers).
SMALLEST = mp.mpf("1e-300")


def birth_death() -> tuple[fsp.ReactionNetwork, dict[float, Any], str]:
    network = fsp.ReactionNetwork({"X": 5}, ["X -> 2 X @ b", "X -> 0 @ d"], {"b": 0.8, "d": 1.1})
    return network, {t: cf.birth_death(5, 0.8, 1.1, t, 420) for t in (0.25, 3.0)}, "X"


def telegraph() -> tuple[fsp.ReactionNetwork, dict[float, Any], str]:
    on, off, make, decay = 0.3, 0.45, 12.0, 1.0
    network = fsp.ReactionNetwork(
        {"G0": 1, "G1": 0, "M": 0},
        ["G0 -> G1 @ on", "G1 -> G0 @ off", "G1 -> G1 + M @ make", "M -> 0 @ decay"],
        {"on": on, "off": off, "make": make, "decay": decay},
    )
    return network, {t: cf.telegraph(on, off, make, decay, t, 110) for t in (0.5, 4.0)}, "M"


def isomerisation() -> tuple[fsp.ReactionNetwork, dict[float, Any], str]:
    network = fsp.ReactionNetwork({"A": 1000, "B": 0}, ["A -> B @ f", "B -> A @ b"], {"f": 1.0, "b": 0.5})
    return network, {t: cf.isomerisation(1000, 0, 1.0, 0.5, t) for t in (0.125, 2.0)}, "A"


def decay() -> tuple[fsp.ReactionNetwork, dict[float, Any], str]:
    network = fsp.ReactionNetwork({"X": 200}, ["X -> 0 @ d"], {"d": 0.7})
    return network, {t: cf.pure_death(200, 0.7, t) for t in (0.1, 1.0, 12.0)}, "X"


def immigration_death() -> tuple[fsp.ReactionNetwork, dict[float, Any], str]:
    network = fsp.ReactionNetwork({"X": 3}, ["0 -> X @ k", "X -> 0 @ d"], {"k": 20.0, "d": 0.5})
    return network, {t: cf.immigration_death(3, 20.0, 0.5, t, 260) for t in (0.5, 10.0)}, "X"


CASES: dict[str, Callable[[], Any]] = {
    "birth and death": birth_death,
    "telegraph": telegraph,
    "isomerisation": isomerisation,
    "decay": decay,
    "immigration and death": immigration_death,
}


@functools.cache
def case(name: str) -> Any:
    return CASES[name]()


def compare(distribution: Any, species: str, law: Any) -> tuple[Any, Any]:
    """Return the true 1-norm error, and by how much an entry exceeds the truth, relative to it."""
    marginal = distribution.marginal(species)
    counts = marginal.states.ravel().tolist()
    found = [mp.mpf(0)] * max(len(law), 1 + max(counts))
    for n, p in zip(counts, marginal.probabilities.tolist(), strict=True):
        found[n] += mp.mpf(p)
    truth = list(law) + [mp.mpf(0)] * (len(found) - len(law))
    excess = max((p / q - 1 for p, q in zip(found, truth, strict=True) if q > SMALLEST), default=mp.mpf(0))
    # Beyond the last term of the law whatever it lacks.
    return cf.one_norm(found, truth) + abs(1 - mp.fsum(law)), excess


@pytest.mark.parametrize("tolerance", TOLERANCES)
@pytest.mark.parametrize("name", CASES)
def test_closed_forms(name, tolerance):
    network, laws, species = case(name)
    result = fsp.solve_transient(network, list(laws), tolerance=tolerance)
    with mp.workdps(60):
        for distribution, law in zip(result, laws.values(), strict=True):
            error, excess = compare(distribution, species, law)
            assert error <= distribution.error_bound <= tolerance
            # Adding up a marginal may round upwards.
            assert excess <= (4e-16 if distribution.marginal(species).n_states < distribution.n_states else 0)
            assert distribution.certified


def test_control_another_rate_is_noticed():
    """A relative change of 1e-9 in a rate shows at a tolerance of 1e-10."""
    network, laws, species = case("immigration and death")
    changed = network.with_parameters(k=20.0 * (1 + 1e-9))
    result = fsp.solve_transient(changed, list(laws), tolerance=1e-10)
    with mp.workdps(60):
        errors = [compare(d, species, law) for d, law in zip(result, laws.values(), strict=True)]
    assert all(error > 1e-10 for error, _ in errors)
    assert any(excess > 0 for _, excess in errors)


@pytest.mark.parametrize("tolerance", [1e-4, 1e-8])
def test_tails_have_all_their_digits(tolerance):
    """P(X = 150) at mean 10, about 1e-117, to nine digits, on the set that the user bounds."""
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ k", "X -> 0 @ d"], {"k": 10.0, "d": 1.0})
    with mp.workdps(60):
        for t in (2.0, 60.0):
            result = fsp.solve_transient(network, [t], tolerance=tolerance, bounds={"X": 200})
            truth = cf.immigration_death(0, 10.0, 1.0, t, 201)
            found = result.final.probabilities
            assert found.size == 201
            for n in (0, 10, 50, 100, 150):
                assert abs(mp.mpf(float(found[n])) / truth[n] - 1) < mp.mpf("5e-10"), n
                assert found[n] <= truth[n]
        stationary = cf.stationary_immigration_death(10, 1, 151)[150]
        assert abs(mp.mpf(float(found[150])) / stationary - 1) < mp.mpf("5e-10")


def test_control_a_tail_from_a_short_run():
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ k", "X -> 0 @ d"], {"k": 10.0, "d": 1.0})
    result = fsp.solve_transient(network, [60.0], tolerance=1e-8, bounds={"X": 200})
    with mp.workdps(60):
        wrong = cf.stationary_immigration_death("10.00000001", 1, 151)[150]
        assert abs(mp.mpf(float(result.final.probabilities[150])) / wrong - 1) > mp.mpf("5e-10")


def test_dimerisation():
    network = fsp.ReactionNetwork({"A": 30, "B": 0}, ["2 A -> B @ k"], {"k": 0.125})
    result = fsp.solve_transient(network, [0.1, 1.0, 30.0], tolerance=1e-9)
    with mp.workdps(60):
        for distribution, t in zip(result, (0.1, 1.0, 30.0), strict=True):
            error, excess = compare(distribution, "A", cf.dimerisation(30, 0.125, t))
            assert error <= distribution.error_bound <= 1e-9
            assert excess <= 0


@pytest.mark.slow
def test_two_species_against_many_digits():
    """Goutsias-like: bursts, catalysis and a bimolecular step, against uniformisation with 50 digits."""
    network = fsp.ReactionNetwork(
        {"X": 2, "Y": 1},
        ["0 -> 2 X @ a", "X + Y -> Y @ b", "X -> X + Y @ c", "2 Y -> 0 @ d"],
        {"a": 0.5, "b": 0.25, "c": 0.5, "d": 0.75},
    )
    jumps = [[2, 0], [-1, 0], [0, 1], [0, -2]]
    rates = [
        lambda x, y: mp.mpf("0.5"),
        lambda x, y: mp.mpf("0.25") * x * y,
        lambda x, y: mp.mpf("0.5") * x,
        lambda x, y: mp.mpf("0.75") * y * (y - 1) / 2,
    ]
    with mp.workdps(60):
        truth = cf.reference_transient(jumps, rates, [2, 1], mp.mpf("0.5"), [26, 18])
        missing = 1 - mp.fsum(truth.values())
        assert missing < 1e-9
        for tolerance in (1e-3, 1e-6):
            distribution = fsp.solve_transient(network, [0.5], tolerance=tolerance).final
            states = [tuple(s) for s in distribution.states.tolist()]
            found = dict(zip(states, distribution.probabilities.tolist(), strict=True))
            error = mp.fsum(abs(truth.get(s, 0) - mp.mpf(found.get(s, 0.0))) for s in {*truth, *found})
            assert error - missing <= distribution.error_bound <= tolerance
            assert all(mp.mpf(p) <= truth[s] + missing for s, p in found.items() if s in truth)


def test_the_bound_is_not_idle():
    """It is small where the problem is easy: a bound that is always the tolerance would pass the tests above."""
    network, laws, species = case("decay")
    result = fsp.solve_transient(network, list(laws), tolerance=1e-2)
    finer = fsp.solve_transient(network, list(laws), tolerance=1e-8)
    assert result.error_bound <= 1e-2
    assert finer.error_bound <= 1e-8
    assert np.all(np.diff([d.error_bound for d in finer]) >= 0)  # errors accumulate
    assert finer.final.error_bound < 1e-8
