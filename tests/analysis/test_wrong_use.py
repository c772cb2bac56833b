"""Questions that have a trivial answer, or none: each is told clearly."""

from __future__ import annotations

import math

import numpy as np
import pytest

import fsp
from fsp.analysis import backward
from fsp.analysis.backward import hit_from_all_states
from fsp.analysis.passage_problem import PassageProblem

BIRTH_DEATH = fsp.ReactionNetwork(
    {"X": 10}, ["birth: 0 -> X @ k", "death: X -> 0 @ d"], {"k": 10.0, "d": 1.0}
)
PAIR = fsp.ReactionNetwork({"A": 8, "B": 0}, ["A -> B @ 1", "B -> A @ 2"])
DEATH = fsp.ReactionNetwork({"X": 5, "Y": 2}, ["X -> 0 @ 1", "Y -> 2 Y @ 1"])
NEVER = fsp.Interval(0.0, 0.0)


def test_initial_state_in_the_target():
    result = fsp.first_passage(BIRTH_DEATH, "X >= 5", [0.0, 1.0])
    assert [c.lower for c in result.cdf] == [1.0, 1.0]
    assert result.mean == fsp.Interval(0.0, 0.0)
    assert result.hit_probability == fsp.Interval(1.0, 1.0)
    assert "the target" in result.notes[0]


def test_initial_state_in_both_regions_has_hit_the_target():
    result = fsp.first_passage(BIRTH_DEATH, "X >= 5", [0.0, 1.0], avoid="X >= 7")
    assert [c.lower for c in result.cdf] == [1.0, 1.0]


def test_initial_state_is_avoided():
    result = fsp.first_passage(BIRTH_DEATH, "X >= 20", [0.0, 1.0], avoid="X == 10")
    assert result.cdf == [NEVER, NEVER]
    assert result.hit_probability == NEVER
    assert result.mean == fsp.Interval(math.inf, math.inf)


@pytest.mark.parametrize(
    ("network", "target"),
    [
        (DEATH, "X >= 6"),  # nothing makes X
        (DEATH, "X >= 5 and Y <= 1"),  # nothing takes Y
        (
            fsp.ReactionNetwork({"X": 0}, ["0 -> 2 X @ 1", "2 X -> 0 @ 1"]),
            "X == 7",
        ),  # parity: on a set without an end
    ],
)
def test_target_that_is_never_reached(network, target):
    result = fsp.first_passage(network, target, [1.0, 2.0], tolerance=1e-9)
    assert max(c.upper for c in result.cdf) <= 1e-9
    if network is DEATH:
        assert result.cdf == [NEVER, NEVER]
        assert result.density == [NEVER, NEVER]
        assert result.hit_probability == NEVER
        assert result.mean == fsp.Interval(math.inf, math.inf)
        assert "never reached" in result.notes[0]


def test_target_out_of_reach_on_a_finite_set_is_exactly_zero():
    walled = fsp.ReactionNetwork({"A": 6, "B": 0}, ["2 A -> 2 B @ 1", "2 B -> 2 A @ 2"])
    result = fsp.first_passage(walled, "B == 3", [1.0])
    assert result.cdf == [NEVER]
    assert result.hit_probability == NEVER
    assert "none of the 4 reachable states" in result.notes[0]
    kept_out = fsp.first_passage(PAIR, "B == 3", [1.0], avoid="B == 1")
    assert kept_out.cdf == [NEVER]
    assert kept_out.avoided[0].lower > 0.9


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"target": "Z > 3"}, fsp.ExpressionError, "unknown name 'Z'"),
        ({"target": "A +"}, fsp.ExpressionError, "target"),
        ({"target": "A + 1"}, fsp.ExpressionError, "not a condition"),
        ({"target": 3}, fsp.ArgumentError, "target: give a condition"),
        ({"target": None}, fsp.ArgumentError, "target: give a condition"),
        ({"target": "A < 0"}, fsp.ArgumentError, "no state satisfies 'A < 0'"),
        ({"target": "A >= 9"}, fsp.ArgumentError, "no state satisfies"),
        ({"avoid": "Z > 3"}, fsp.ExpressionError, "avoid"),
        ({"times": [2.0, 1.0]}, fsp.ArgumentError, "ascending"),
        ({"times": [-1.0]}, fsp.ArgumentError, ">= 0"),
        ({"times": []}, fsp.ArgumentError, "times"),
        ({"times": [math.nan]}, fsp.ArgumentError, "finite"),
        ({"tolerance": 0.0}, fsp.ArgumentError, "tolerance"),
        ({"method": "magic"}, fsp.ArgumentError, "unknown method 'magic'"),
        ({"method": "chebyshev", "relative": True}, fsp.ArgumentError, "non-negative arithmetic"),
        ({"direction": "up"}, fsp.ArgumentError, "direction"),
        ({"bounds": {"B": 2}}, fsp.ArgumentError, "needs B >= 5, but the bounds keep B <= 2"),
        ({"bounds": "B <= 2"}, fsp.ArgumentError, "no state within the bounds leads into the target"),
        ({"bounds": {"C": 2}}, fsp.ArgumentError, "no species 'C'"),
        ({"initial": {"C": 2}}, fsp.ArgumentError, "no species 'C'"),
        ({"max_states": 0}, fsp.ArgumentError, "max_states"),
    ],
)
def test_refusals_name_the_culprit(options, error, message):
    call = {"target": "B >= 5", "times": [1.0]} | options
    with pytest.raises(error, match=message.replace("+", r"\+")):
        fsp.first_passage(PAIR, call.pop("target"), call.pop("times"), **call)


def test_networks_that_are_refused():
    timed = fsp.ReactionNetwork({"X": 0}, ["0 -> X ; 1 + sin(time)"])
    with pytest.raises(fsp.UnsupportedError, match="R1"):
        fsp.first_passage(timed, "X >= 5", [1.0])
    events = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 1"], events=["at time >= 1: X = 0"])
    with pytest.raises(fsp.UnsupportedError, match="events"):
        fsp.first_passage(events, "X >= 5", [2.0])
    with pytest.raises(fsp.ArgumentError, match="ReactionNetwork"):
        fsp.first_passage("model.xml", "X >= 5", [1.0])


def test_bounds_that_lose_too_much():
    with pytest.raises(fsp.ToleranceError, match="X <= 12"):
        fsp.first_passage(BIRTH_DEATH, "X == 0", [10.0], bounds={"X": 12})
    with pytest.raises(fsp.ToleranceError, match="widen bounds"):
        fsp.first_passage(BIRTH_DEATH, "X == 0", [1.0], bounds={"X": 25}, relative=True)


def test_limits():
    with pytest.raises(fsp.StateSpaceLimitError):
        fsp.first_passage(fsp.gallery.toggle_switch(), "U >= 90", [5.0], max_states=100)


def test_answers_of_a_result():
    result = fsp.first_passage(BIRTH_DEATH, "X >= 15", [1.0, 2.0])
    with pytest.raises(fsp.ArgumentError, match="no time 3"):
        result.at(3)
    with pytest.raises(fsp.ArgumentError, match="between 0 and 1"):
        result.quantile(1.5)
    with pytest.raises(fsp.ArgumentError, match="direction='adjoint'"):
        result.from_state([3])
    assert result.quantile(1e-9) == fsp.Interval(0.0, 1.0)
    assert result.quantile(0.999999) == fsp.Interval(2.0, math.inf)
    adjoint = fsp.first_passage(BIRTH_DEATH, "X >= 15", [1.0], direction="adjoint", bounds={"X": 20})
    with pytest.raises(fsp.ArgumentError, match="give a count for each of X"):
        adjoint.from_state({"Y": 3})
    for state in (5, [5.7], "a", {"X": "a"}, [math.nan], [1, 2]):
        with pytest.raises(fsp.ArgumentError, match="give a count for each of X"):
            adjoint.from_state(state)
    for q in ("half", math.nan, None):
        with pytest.raises(fsp.ArgumentError, match="between 0 and 1"):
            result.quantile(q)
    with pytest.raises(fsp.ArgumentError, match="no time 'late'"):
        result.at("late")
    assert adjoint.from_state([15]) == [fsp.Interval(1.0, 1.0)]


def test_a_mean_without_a_proof_says_so():
    """Births that grow with the count: no linear function falls, and the upper end is infinite."""
    network = fsp.ReactionNetwork({"X": 3}, ["X -> 2 X @ 1", "X -> 0 @ 1"])
    result = fsp.first_passage(network, "X == 0", [1.0], tolerance=1e-2, max_states=500)
    assert result.mean.upper == math.inf
    assert any("no upper bound of the time" in note for note in result.long_run.notes)
    assert result.hit_probability.lower < 1.0


def test_reward_refusals():
    with pytest.raises(fsp.ArgumentError, match="either time_in=, a condition, or firings="):
        fsp.expected_reward(PAIR, [1.0])
    with pytest.raises(fsp.ArgumentError, match="no reaction 'R9'"):
        fsp.expected_reward(PAIR, [1.0], firings="R9")
    with pytest.raises(fsp.ArgumentError, match="needs a condition until="):
        fsp.expected_reward(PAIR, [math.inf], time_in="A > 3")
    with pytest.raises(fsp.ArgumentError, match="times"):
        fsp.expected_reward(PAIR, "soon", time_in="A > 3")


def test_rewards_in_closed_form():
    births, deaths = (
        fsp.expected_reward(BIRTH_DEATH, [0.0, 2.0], firings=name) for name in ("birth", "death")
    )
    assert 20.0 in births[1]
    assert births[1].width < 1e-3
    assert deaths[1].lower <= 20.0
    assert deaths[1].lower > 20.0 - 1e-5
    assert deaths[1].upper == math.inf  # the rate of deaths is not bounded
    time = fsp.expected_reward(PAIR, [1.0, math.inf], time_in="A > 0", until="A == 0")
    hit = fsp.first_passage(PAIR, "A == 0", [1.0]).mean
    time[1].intersect(hit)
    assert time[1].width < 1e-8 * hit.upper
    falls = fsp.expected_reward(DEATH, [math.inf], firings="R1", until="X == 0", bounds={"Y": 2})
    assert falls[0].lower <= 5.0
    ups = fsp.expected_reward(BIRTH_DEATH, [math.inf], firings="birth", until="X >= 20")[0]
    downs = fsp.expected_reward(BIRTH_DEATH, [math.inf], firings="death", until="X >= 20")[0]
    assert 10.0 in ups - downs
    assert np.isclose(ups.lower, 10.0 * fsp.first_passage(BIRTH_DEATH, "X >= 20", [1.0]).mean.lower)


def test_parity_on_a_set_without_an_end_is_no_hang():
    """Paths leave every finite set so late that no time can be held in doubles: bounds are trivial, and said to be."""
    network = fsp.ReactionNetwork({"X": 4}, ["0 -> 2 X @ 1", "2 X -> 0 @ 1"])
    result = fsp.first_passage(network, "X == 5", [1.0], max_states=5_000)
    assert result.hit_probability == fsp.Interval(0.0, 1.0)
    assert result.mean == fsp.Interval(0.0, math.inf)
    assert "unseen" in result.long_run.notes[0]


def test_a_probability_below_all_doubles_is_refused_with_the_reason():
    with pytest.raises(fsp.ToleranceError, match="it is 0, or too small for doubles"):
        fsp.first_passage(BIRTH_DEATH, "X >= 400", [1e-6], relative=True)


def test_adjoint_at_times_without_measure(monkeypatch):
    """Products end once no path is on its way; where paths stay on their way for too long, it is refused."""
    leaky = fsp.ReactionNetwork({"A": 3, "B": 0, "C": 0}, ["A -> B @ 1", "B -> A @ 1", "B -> C @ 0.1"])
    problem = PassageProblem.read(leaky, "B >= 3", None, None, None, "first passage")
    late = hit_from_all_states(problem, problem.enumerated(), [1e3, 1e300], 1e-9)
    exact = fsp.first_passage(leaky, "B >= 3", [1.0]).hit_probability
    for found in late.interval({"A": 3}):
        found.intersect(exact)
        assert found.width < 1e-9
    monkeypatch.setattr(backward, "MOST_WORK", 1e7)
    slow = fsp.ReactionNetwork({"A": 3, "B": 0}, ["A -> B @ 1e-8", "B -> A @ 1e3"])
    problem = PassageProblem.read(slow, "B >= 3", None, None, None, "first passage")
    with pytest.raises(fsp.SolverError, match="ask for earlier times"):
        hit_from_all_states(problem, problem.enumerated(), [1e9], 1e-9)
