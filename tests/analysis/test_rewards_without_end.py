"""Expected times and firings without an end of time: closed classes, and sets that are left and come back to."""

from __future__ import annotations

import math

import pytest

import fsp

FORK = fsp.ReactionNetwork(
    {"A": 1, "B": 0, "D": 0, "C": 0}, ["A -> B @ 1", "A -> C @ 1", "fall: B -> D @ 1", "turn: D -> D @ 3"]
)
BIRTH_DEATH = fsp.ReactionNetwork(
    {"X": 10}, ["birth: 0 -> X @ k", "death: X -> 0 @ d"], {"k": 10.0, "d": 1.0}
)


@pytest.mark.parametrize(
    ("what", "exact"),
    [
        ({"time_in": "B > 0"}, 0.5),  # a way that never leads to the condition, and is passed once
        ({"firings": "fall"}, 0.5),
        ({"time_in": "A > 0"}, 0.5),
        ({"time_in": "D > 0"}, math.inf),
        ({"firings": "turn"}, math.inf),
    ],
)
def test_states_that_never_lead_to_the_condition(what, exact):
    found = fsp.expected_reward(FORK, [math.inf], until="C >= 1", **what)[0]
    assert exact in found
    assert found.lower == math.inf or found.width < 1e-12


def test_a_drift_function_bounds_what_is_gathered_beyond_the_set():
    births = fsp.expected_reward(BIRTH_DEATH, [math.inf], firings="birth", until="X == 0")[0]
    mean = fsp.first_passage(BIRTH_DEATH, "X == 0", [1.0]).mean
    assert births.width < 1e-6 * births.lower
    births.intersect(mean * 10.0)  # births at rate 10, whatever the count
    # h(n), the mean time from n to n - 1, is the sum of the stationary probabilities from n on over that of n.
    weights = [10.0**n / math.factorial(n) for n in range(80)]
    exact = sum(sum(weights[n:]) / (weights[n] * n) for n in range(1, 11))
    assert mean.lower <= exact * (1 + 1e-12)
    assert exact * (1 - 1e-12) <= mean.upper


def test_rates_are_bounded_by_what_lies_outside_of_the_condition():
    deaths = fsp.expected_reward(BIRTH_DEATH, [1.0], firings="death", until="X >= 20")[0]
    assert deaths.width < 1e-6


@pytest.mark.parametrize(("option", "value"), [("tolerance", -1.0), ("max_states", 0)])
def test_options_are_checked_without_finite_times(option, value):
    with pytest.raises(fsp.ArgumentError, match=option):
        fsp.expected_reward(BIRTH_DEATH, [math.inf], firings="birth", until="X == 0", **{option: value})
