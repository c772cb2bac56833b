"""Propensities that are huge, tiny, or very different from one another; short pulses; more than there is memory for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import fsp
import fsp.simulation
from fsp.ssa.methods import METHODS

FALSE_ALARM = 1e-9


def _is_binomial(hits: float, n: float, p: float) -> bool:
    return stats.binomtest(round(hits), round(n), p).pvalue > FALSE_ALARM


@pytest.mark.parametrize("method", METHODS)
def test_a_propensity_that_falls_through_all_sizes(method: str) -> None:
    """From 2^199 to 1: more sizes than composition and rejection has groups, one after the other."""
    network = fsp.ReactionNetwork({"X": 1000}, ["X -> 0 ; X^20"])
    ensemble = fsp.simulate(network, [1.0], 500, method=method)
    assert ensemble.counts.max() <= 1
    assert _is_binomial(ensemble.counts.sum(), 500, np.exp(-1.0))


def _halves(n: int) -> fsp.ReactionNetwork:
    return fsp.ReactionNetwork({f"X{i}": 1 for i in range(n)}, [f"X{i} -> 0 @ {2.0**-i!r}" for i in range(n)])


def test_more_sizes_at_once_than_groups() -> None:
    found = fsp.simulate(_halves(54), [2.0**52], 4000, method="composition-rejection")
    for i in range(48, 54):
        assert _is_binomial(found.mean(f"X{i}")[0] * 4000, 4000, np.exp(-(2.0 ** (52 - i))))
    with pytest.raises(fsp.SolverError, match="too different"):
        fsp.simulate(_halves(70), [1.0], 2, method="composition-rejection")
    assert fsp.simulate(_halves(70), [1.0], 2, method="direct").complete


@pytest.mark.parametrize("rate", [1e6, 1e17])
@pytest.mark.parametrize("method", METHODS)
def test_which_of_two_fast_reactions_comes_first(method: str, rate: float) -> None:
    """At 1e17 both would come within the rounding of the time: the next-reaction method must not decide."""
    network = fsp.ReactionNetwork(
        {"S": 0, "A": 0, "B": 0}, ["0 -> S @ 1", "S -> A @ k", "S -> B @ 2*k"], {"k": rate}
    )
    if method == "next-reaction" and rate > 1e10:
        with pytest.raises(fsp.SolverError, match="try method='direct'"):
            fsp.simulate(network, [10.0], 4000, method=method)
        return
    a, b = (fsp.simulate(network, [10.0], 4000, method=method).counts[:, 0, s].sum() for s in (1, 2))
    assert _is_binomial(a, a + b, 1 / 3)


@pytest.mark.parametrize("method", METHODS)
def test_denormal_propensities(method: str) -> None:
    """The time to a reaction with the propensity exp(-740) is infinite in floating point, until X falls."""
    network = fsp.ReactionNetwork({"X": 740, "Y": 0}, ["X -> 0 @ 10", "0 -> Y ; exp(-X)"])
    found = fsp.simulate(network, [3.0], 1000, method=method).counts[:, 0, 1]
    # E[exp(-X(t))] of a binomial X(t), integrated.
    times = np.linspace(0.0, 3.0, 200_001)
    mean = np.trapezoid((1.0 - (1.0 - np.exp(-1.0)) * np.exp(-10.0 * times)) ** 740, times)
    assert abs(found.mean() - mean) < 6.0 * found.std() / np.sqrt(1000)


@pytest.mark.parametrize("seed", [0, 2**32, 2**64 - 1])
def test_seeds(seed: int) -> None:
    found = fsp.simulate(fsp.ReactionNetwork({"X": 1}, ["X -> 0 @ 1"]), [np.log(2.0)], 4000, seed=seed)
    assert _is_binomial(found.counts.sum(), 4000, 0.5)


def test_a_short_pulse_in_a_long_time() -> None:
    network = fsp.ReactionNetwork({"X": 50}, ["X -> 0 ; 1000*X*exp(-((time - 500)/0.001)^2)"])
    found = fsp.simulate(network, [499.0, 1000.0], 200)
    assert (found.at(499.0) == 50).all()
    assert _is_binomial(found.at(1000.0).sum(), 10_000, np.exp(-np.sqrt(np.pi)))


def test_more_counts_than_memory() -> None:
    with pytest.raises(fsp.ArgumentError, match="GB of memory"):
        fsp.simulate(fsp.gallery.birth_death(), [1.0], 10**13)


def test_more_recorded_reactions_than_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsp.simulation, "default_memory", lambda: 300_000)
    options: Any = {"seed": 2, "threads": 1}
    network = fsp.gallery.birth_death()
    assert fsp.simulate(network, [1.0], 200, **options).complete
    with pytest.raises(fsp.SolverError, match="record='events'") as caught:
        fsp.simulate(network, [1000.0], 200, record="events", **options)
    if caught.value.result is not None:
        assert not caught.value.result.complete
