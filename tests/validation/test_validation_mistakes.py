"""Power: each known mistake, planted in a copy of a simulator, is caught with 10,000 samples and named."""

from __future__ import annotations

import numpy as np
import pytest
from planted_simulator import simulate

import fsp
from fsp.validation.diagnosis import find_mistake
from fsp.validation.mistakes import changed_network, find_mistakes
from fsp.validation.plan import Settings
from fsp.validation.reference import find_reference
from fsp.validation.samples import from_counts

N = 10_000
#: s, k, u, d of the reactions make, bind, split, lose.
CONSTANTS = [12.0, 0.06, 0.8, 0.5]
REACTIONS = ["make: 0 -> A @ s", "bind: 2 A -> D @ k", "split: D -> 2 A @ u", "lose: A -> 0 @ d"]
VALUES = dict(zip("skud", CONSTANTS, strict=True))
TIMES = [0.25, 0.5, 1.0, 2.0, 4.0]
NETWORK = fsp.ReactionNetwork({"A": 16, "D": 0}, REACTIONS, VALUES)
WITH_EVENT = fsp.ReactionNetwork(
    {"A": 16, "D": 0}, REACTIONS, VALUES, events=["dose: at time >= 1.1: A = 30"]
)
EVENT_TIMES = [0.5, 1.0, 1.5, 2.0, 3.0]

#: How the simulator is wrong, the kind that has to be found, and words that the text has to hold.
PLANTED = {
    "square": ({"square": [1]}, "square", ["'bind'", "A*A"]),
    "half": ({"factors": [1, 1, 0.5, 1]}, "rate", ["'split'", "half"]),
    "double": ({"factors": [1, 1, 1, 2]}, "rate", ["'lose'", "twice"]),
    "other rate": ({"factors": [1.2, 1, 1, 1]}, "rate", ["'make'", "times"]),
    "net": ({"net": (1, 2)}, "net", ["'bind'", "'split'", "difference"]),
    "volume": ({"factors": [1.5, 1 / 1.5, 1, 1]}, "volume", ["1.5"]),
    "initial": ({"start": [13, 0]}, "initial", ["A begins with 13 in place of 16"]),
    "stale": ({"missed": (0, 1)}, "stale", ["'bind'", "after reaction 'make'", "not updated"]),
    "stale itself": ({"missed": (1, 1)}, "stale", ["'bind'", "after reaction 'bind'", "not updated"]),
}
EVENTS = {
    "late": ((1.45, 0, 30), 0.35),
    "early": ((0.8, 0, 30), -0.3),
    "never": (None, None),
}


def validated(counts, network=NETWORK, times=TIMES):
    return fsp.validate(counts, network, times=times, species=["A", "D"])


def test_the_simulator_without_a_mistake_is_right():
    assert validated(simulate(NETWORK, CONSTANTS, TIMES, N, 1)).verdict == "consistent"
    right = simulate(NETWORK, CONSTANTS, EVENT_TIMES, N, 2, event=(1.1, 0, 30))
    assert validated(right, WITH_EVENT, EVENT_TIMES).verdict == "consistent"


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_is_caught_and_named(name):
    options, kind, words = PLANTED[name]
    report = validated(simulate(NETWORK, CONSTANTS, TIMES, N, 7, **options))
    assert report.verdict == "inconsistent"
    assert report.diagnosis is not None
    assert report.diagnosis.kind == kind, report
    assert all(word in report.diagnosis.explanation.text for word in words), report
    assert report.diagnosis.explanation.fits
    assert report.diagnosis.explanation.text in str(report)
    assert report.to_dict()["diagnosis"]["kind"] == kind


@pytest.mark.slow
@pytest.mark.parametrize("name", EVENTS)
def test_a_misplaced_event_is_caught_and_named(name):
    event, shift = EVENTS[name]
    report = validated(simulate(NETWORK, CONSTANTS, EVENT_TIMES, N, 7, event=event), WITH_EVENT, EVENT_TIMES)
    assert report.verdict == "inconsistent"
    assert report.diagnosis.kind == "event", report
    found = report.diagnosis.explanation
    assert ("never applied" in found.text) == (shift is None)
    if shift is not None:
        assert found.value == pytest.approx(shift, abs=0.03)


@pytest.mark.slow
def test_control_an_unknown_mistake_is_not_given_a_name():
    counts = simulate(NETWORK, CONSTANTS, TIMES, N, 7)
    counts[::3, :, 0] += 9  # a third of the runs shows too many molecules
    report = validated(counts)
    assert report.verdict == "inconsistent"
    assert report.diagnosis.explanation is None
    assert report.diagnosis.kind is None
    assert "none of the known mistakes" in str(report)
    assert report.diagnosis.closest


def test_means_and_deviations_are_diagnosed_as_well():
    counts = simulate(NETWORK, CONSTANTS, TIMES, N, 7, factors=[1, 1, 1, 2])
    table = {"mean": counts.mean(axis=0), "sd": counts.std(axis=0, ddof=1)}
    read = fsp.validate(table, NETWORK, times=TIMES, species=["A", "D"], n=N, diagnose=False)
    assert read.verdict == "inconsistent"
    from fsp.validation.readers import read_samples

    samples = read_samples(table, times=TIMES, species=["A", "D"], n=N)
    found = find_mistake(find_reference(samples, NETWORK), Settings())
    assert found.kind == "rate"
    assert "'lose'" in found.explanation.text
    assert "twice" in found.explanation.text


# -- hypotheses ----------------------------------------------------------------------------------------------


def by_kind(network, kind):
    return [m for m in find_mistakes(network, TIMES) if m.kind == kind]


def test_hypotheses_are_the_networks_that_they_say():
    states = [[7, 3], [1, 3], [0, 0]]
    right = NETWORK.evaluate_propensities(states)
    (square,) = by_kind(NETWORK, "square")
    assert square.network(1.0).evaluate_propensities(states)[:, 1] == pytest.approx(
        [0.06 * 7 * 7 / 2, 0.0, 0.0]
    )
    assert square.network(2.0).evaluate_propensities(states)[0, 1] == pytest.approx(0.06 * 7 * 7)
    rate = by_kind(NETWORK, "rate")[2]
    assert rate.network(0.5).evaluate_propensities(states)[:, 2] == pytest.approx(0.5 * right[:, 2])
    net = next(m for m in by_kind(NETWORK, "net") if "'bind'" in m.describe(0.0))
    laws = net.network(0.0).evaluate_propensities(states)
    assert laws[:, 1] == pytest.approx(np.maximum(right[:, 1] - right[:, 2], 0.0))
    assert laws[:, 2] == pytest.approx(np.maximum(right[:, 2] - right[:, 1], 0.0))
    (volume,) = by_kind(NETWORK, "volume")
    assert volume.network(3.0).evaluate_propensities(states) == pytest.approx(right * [3.0, 1 / 3, 1, 1])
    initial = by_kind(NETWORK, "initial")[0]
    assert initial.network(13.0).initial_state.tolist() == [13, 0]
    assert changed_network(NETWORK).evaluate_propensities(states) == pytest.approx(right)


def test_events_are_moved():
    moved = by_kind(WITH_EVENT, "event")[1].network(0.35)
    assert moved.event_rules.moments == pytest.approx((1.45,))
    gone = by_kind(WITH_EVENT, "event")[0].network(0.0)
    assert gone.events == ()
    threshold = fsp.ReactionNetwork({"A": 16, "D": 0}, REACTIONS, VALUES, events=["at A >= 20: A = 5"])
    mistake = by_kind(threshold, "event")[1]
    assert "A >= 1 + 20" in str(mistake.network(1.0).events[0].trigger)
    turned = fsp.ReactionNetwork(
        {"A": 16, "D": 0}, REACTIONS, VALUES, events=["at 1 <= time and A > 2: A = 5"]
    )
    assert by_kind(turned, "event")[1].network(0.5).event_rules.moments == (1.5,)


def test_higher_orders_have_powers():
    network = fsp.ReactionNetwork({"A": 9}, ["3 A -> 0 @ k"], {"k": 0.1})
    (square,) = by_kind(network, "square")
    law = square.network(1.0).evaluate_propensities([[5], [2]])
    assert law[:, 0] == pytest.approx([0.1 * 125 / 6, 0.0])


def test_an_ensemble_of_another_start_is_not_diagnosed_by_its_initial_counts():
    law = fsp.solve_transient(NETWORK, TIMES, initial={"A": 10, "D": 3}, tolerance=1e-9)
    counts = np.stack([d.sample(2_000, seed=k) for k, d in enumerate(law)], axis=1)
    samples = from_counts(counts, TIMES, ["A", "D"])
    reference = find_reference(samples, NETWORK, initial={"A": 10, "D": 4})
    assert find_mistake(reference, Settings()).kind != "initial"
