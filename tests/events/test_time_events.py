"""Events that time fires, against closed forms."""

from __future__ import annotations

import math

import closed_forms as cf
import mpmath as mp
import numpy as np
import pytest

import fsp
from fsp.pieces import push_forward

IMMIGRATION = {"k": 20.0, "d": 0.5}


def immigration(*events: str, x: int = 3) -> fsp.ReactionNetwork:
    return fsp.ReactionNetwork({"X": x}, ["0 -> X @ k", "X -> 0 @ d"], IMMIGRATION, events=list(events))


def one_norm(distribution: fsp.Distribution, law: list) -> mp.mpf:
    found = [mp.mpf(0)] * max(len(law), 1 + int(distribution.states.max()))
    for n, p in zip(distribution.states.ravel().tolist(), distribution.probabilities.tolist(), strict=True):
        found[n] += mp.mpf(p)
    truth = list(law) + [mp.mpf(0)] * (len(found) - len(law))
    return cf.one_norm(found, truth) + abs(1 - mp.fsum(law))


@pytest.mark.parametrize("tolerance", [1e-4, 1e-8, 1e-13])
def test_reset_of_immigration_and_death(tolerance):
    """After the reset the process starts again; the last tolerance needs double-double arithmetic."""
    network = immigration("at time >= 1.5: X = 7")
    times = [1.0, 1.5, 2.0, 4.0]
    result = fsp.solve_transient(network, times, tolerance=tolerance)
    assert ("double-double" in result.explanation) == (tolerance < 1e-12)
    with mp.workdps(60):
        starts = [(3, 1.0), (7, 0.0), (7, 0.5), (7, 2.5)]
        for distribution, (start, t) in zip(result, starts, strict=True):
            law = cf.immigration_death(start, 20.0, 0.5, t, 160) if t else [mp.mpf(n == 7) for n in range(9)]
            assert one_norm(distribution, law) <= distribution.error_bound <= tolerance
            assert distribution.certified
    # The moment equations start again, too.
    for t, distribution in zip(times[2:], result[2:], strict=True):
        mean = 40 + (7 - 40) * math.exp(-0.5 * (t - 1.5))
        bounds = distribution.mean_bounds("X")
        assert bounds.lower <= mean * (1 + 1e-13)
        assert bounds.upper >= mean * (1 - 1e-13)
        assert bounds.width < 1e-10


@pytest.mark.parametrize("tolerance", [1e-6, 1e-10])
def test_dose_into_pure_death(tolerance):
    """Old molecules live until t with exp(-d t), those of the dose with exp(-d (t - T)): a sum of two binomials."""
    network = fsp.ReactionNetwork({"X": 20}, ["X -> 0 @ 0.7"], events=["at time >= 1: X = X + 10"])
    result = fsp.solve_transient(network, [0.5, 1.0, 2.5], tolerance=tolerance)
    for distribution, t in zip(result, [0.5, 1.0, 2.5], strict=True):
        law = binomial(20, math.exp(-0.7 * t))
        if t >= 1.0:
            law = np.convolve(law, binomial(10, math.exp(-0.7 * (t - 1.0))))
        p = np.zeros(31)
        p[distribution.states.ravel()] = distribution.probabilities
        assert np.abs(p[: len(law)] - law).sum() + p[len(law) :].sum() <= distribution.error_bound + 1e-14
        assert distribution.error_bound <= tolerance
        mean = 20 * math.exp(-0.7 * t) + (10 * math.exp(-0.7 * (t - 1.0)) if t >= 1.0 else 0.0)
        bounds = distribution.mean_bounds("X")
        assert bounds.lower <= mean * (1 + 1e-14)
        assert mean <= bounds.upper


def binomial(n: int, p: float) -> np.ndarray:
    return np.array([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])


def test_what_comes_together_is_added_up():
    """Halving takes 2n and 2n + 1 to n."""
    before = fsp.solve_transient(immigration(), [2.0], tolerance=1e-10).final
    after = fsp.solve_transient(immigration("at time >= 2: X = floor(X/2)"), [2.0], tolerance=1e-10).final
    p = np.zeros(200)
    p[before.states.ravel()] = before.probabilities
    q = np.zeros(100)
    q[after.states.ravel()] = after.probabilities
    assert np.abs(p[0::2] + p[1::2] - q).sum() <= before.error_bound + after.error_bound
    assert after.n_states < 0.6 * before.n_states


def test_at_and_after():
    """At the very moment, ``>=`` has fired and ``>`` has not; a little later both have."""
    early = immigration("at time >= 2: X = 0")
    late = immigration("at time > 2: X = 0")
    times = [2.0, math.nextafter(2.0, 3.0), 3.0]
    early_law, late_law = (fsp.solve_transient(n, times, tolerance=1e-8) for n in (early, late))
    assert early_law.mean("X")[0] == 0.0
    assert late_law.mean("X")[0] == pytest.approx(40 - 37 * math.exp(-1.0), abs=1e-6)
    assert late_law.mean("X")[1] == pytest.approx(0.0, abs=1e-9)
    assert late_law.mean("X")[2] == pytest.approx(early_law.mean("X")[2], abs=1e-7)


def test_windows_and_moments():
    """A trigger fires whenever it turns true: at 1 (window), at 2 (equality), and again at 3."""
    network = fsp.ReactionNetwork(
        {"X": 0}, ["X -> 0 @ 0"], events=["at 1 <= time and time < 1.5 or time == 2 or time > 3: X = X + 1"]
    )
    times = [0.0, 0.999, 1.0, 1.25, 1.75, 2.0, 2.5, 3.0, 3.5]
    assert fsp.solve_transient(network, times).mean("X").round(9).tolist() == [0, 0, 1, 1, 1, 2, 2, 2, 3]


def test_negation_and_limits_from_parameters():
    network = fsp.ReactionNetwork(
        {"X": 0},
        ["X -> 0 @ 0"],
        {"T": 0.3},
        events=["at not (time <= T/3): X = X + 1", "at -time < 2*T - 1: X = 7"],
    )
    moments = network.event_rules.moments
    assert moments == (0.1, 0.4)  # decimal numbers, not sums of binary ones
    assert fsp.solve_transient(network, [0.1, 0.2, 0.4, 0.5]).mean("X").round(9).tolist() == [0, 1, 1, 7]


def test_initial_value():
    fires = immigration("at time >= 0: X = 9; initially false")
    assert fsp.solve_transient(fires, [0.0]).mean("X").tolist() == [9.0]
    assert fsp.solve_transient(immigration("at time >= 0: X = 9"), [0.0]).mean("X").tolist() == [3.0]
    later = fsp.solve_transient(immigration("at time > 0: X = 9"), [0.0, 1e-9])
    assert later.mean("X").round(4).tolist() == [3.0, 9.0]
    assert fires.with_initial(X=5).events == fires.events


def test_several_events_at_one_moment():
    """By priority, all of them with the values that they were triggered with, unless they say otherwise."""
    events = ["at time >= 1: X = X + 1; priority 1", "at time >= 1: X = 2*X; priority 2"]
    still = fsp.ReactionNetwork({"X": 5}, ["X -> 0 @ 0"], events=events)
    assert fsp.solve_transient(still, [1.0]).mean("X").tolist() == pytest.approx([6.0])
    events[0] += "; values at execution"
    still = fsp.ReactionNetwork({"X": 5}, ["X -> 0 @ 0"], events=events)
    assert fsp.solve_transient(still, [1.0]).mean("X").tolist() == pytest.approx([11.0])


def test_a_law_that_an_event_breaks():
    """A + B = 6, then A is set: the totals are mixed, and the pieces agree with two runs that are put together by hand."""
    species, reactions = {"A": 6, "B": 0}, ["A -> B @ 1", "B -> A @ 0.5"]
    network = fsp.ReactionNetwork(species, reactions, events=["at time >= 1: A = 4"])
    assert len(network.conservation_laws()) == 0
    plain = fsp.ReactionNetwork(species, reactions)
    result = fsp.solve_transient(network, [0.5, 1.0, 2.0], tolerance=1e-9)
    middle = fsp.solve_transient(plain, [1.0], tolerance=1e-11).final
    law: dict[tuple[int, int], float] = {}
    for (_, b), p in zip(middle.states.tolist(), middle.probabilities.tolist(), strict=True):
        law[4, b] = law.get((4, b), 0.0) + p
    total = sum(law.values())
    end = fsp.solve_transient(
        plain, [1.0], initial={s: p / total for s, p in law.items()}, tolerance=1e-11
    ).final
    p = dict(zip(map(tuple, end.states.tolist()), end.probabilities.tolist(), strict=True))
    q = dict(zip(map(tuple, result[2].states.tolist()), result[2].probabilities.tolist(), strict=True))
    assert sum(abs(p.get(s, 0) - q.get(s, 0)) for s in {*p, *q}) <= 1e-9 + 3e-11
    assert result[0].mean_bounds("A").upper < 6.0  # by the law, before the event
    assert math.isinf(result[2].mean_bounds("B").upper)  # nothing is proven after it
    assert result[2].error_bound <= 1e-9


def test_the_event_of_another_total():
    """The law after the event has one total again, but another one: dependent species are taken out with the new one."""
    network = fsp.ReactionNetwork(
        {"A": 6, "B": 0}, ["A -> B @ 1", "B -> A @ 0.5"], events=["at time >= 1: A = 3, B = 1"]
    )
    result = fsp.solve_transient(network, [1.0, 2.0], tolerance=1e-9)
    assert (result[1].states.sum(axis=1) == 4).all()
    assert result[1].mean_bounds("B").upper <= 4.0
    assert result[1].mean("B") == pytest.approx(4 * 2 / 3 + (1 - 8 / 3) * math.exp(-1.5), abs=1e-8)


def test_across_bounds_is_booked():
    network = immigration("at time >= 1: X = X + 30")
    result = fsp.solve_transient(network, [0.5, 1.5], tolerance=0.5, bounds={"X": 60})
    label = "event (E1) at 1 across X <= 60"
    assert 0.0 < result.ledger.leaks[label] < 1e-2
    assert result.final.error_bound >= result.ledger.leaks[label]
    with pytest.raises(fsp.ToleranceError, match="across X <= 40"):
        fsp.solve_transient(network, [0.5, 1.5], tolerance=1e-3, bounds={"X": 40})


def test_partial_result_before_an_event_that_fails():
    network = immigration("at time >= 1: X = 100")
    with pytest.raises(fsp.ToleranceError) as caught:
        fsp.solve_transient(network, [0.5, 1.5], tolerance=1e-3, bounds={"X": 80})
    assert caught.value.result.times.tolist() == [0.5]
    assert caught.value.result.final.certified


def test_explosive_networks_prove_no_moments_after_an_event():
    """All paths that are left start again from one state, but it is not shown that all are left."""
    network = fsp.ReactionNetwork(
        {"X": 0, "Y": 0},
        ["0 -> X @ 1", "X -> 0 @ 1", "2 Y -> 3 Y @ 0.1"],
        events=["at time >= 1: X = 0, Y = 1"],
    )
    result = fsp.solve_transient(network, [0.5, 1.0, 2.0], tolerance=1e-6)
    assert result[2].mean_bounds("X").lower <= 1 - math.exp(-1)
    assert math.isinf(result[2].mean_bounds("X").upper)


@pytest.mark.parametrize("many", [1, 7, 5000])
def test_push_forward_rounds_within_its_bound(many):
    random = np.random.default_rng(many)
    p = 10.0 ** -(12 * random.random(many))
    position = np.zeros(many, np.int64)
    exact = math.fsum(p.tolist())
    total, error = push_forward(p, position, 1)
    assert abs(total[0] - exact) <= error * exact
    assert error == 0.0 or error < 1e-12
    double, error = push_forward(np.stack([p, p * 2.0**-54]), position, 1)
    with mp.workdps(50):
        truth = mp.fsum(mp.mpf(float(q)) for q in p) * (1 + mp.mpf(2) ** -54)
        assert (
            abs(mp.mpf(float(double[0, 0])) + mp.mpf(float(double[1, 0])) - truth) <= (error + 2e-17) * truth
        )


def test_control_another_moment_is_noticed():
    """The comparison with the closed form sees an event that comes 1e-9 too late."""
    network = immigration("at time >= 1.500000001: X = 7")
    distribution = fsp.solve_transient(network, [4.0], tolerance=1e-12).final
    with mp.workdps(60):
        assert one_norm(distribution, cf.immigration_death(7, 20.0, 0.5, 2.5, 160)) > distribution.error_bound


def test_parameters_change_at_moments():
    """Immigration at another rate from time 1 on, and none from time 2 on: Poisson with a mean in three pieces."""
    network = fsp.ReactionNetwork(
        {"X": 0},
        ["0 -> X @ k", "X -> 0 @ d"],
        {"k": 3.0, "d": 0.5, "high": 8.5},
        events=["at time >= 1: k = high*2", "stop: at time >= 2: k = 0, X = X"],
    )
    times = [0.5, 1.0, 1.5, 2.0, 3.0]
    result = fsp.solve_transient(network, times, tolerance=1e-10)
    for t, distribution in zip(times, result, strict=True):
        mean = 6 * (1 - math.exp(-0.5 * min(t, 1.0)))
        if t > 1.0:
            mean = 34 + (mean - 34) * math.exp(-0.5 * (min(t, 2.0) - 1.0))
        if t > 2.0:
            mean *= math.exp(-0.5 * (t - 2.0))
        with mp.workdps(60):
            assert one_norm(distribution, cf.poisson(mean, 120)) <= distribution.error_bound + 1e-13
        bounds = distribution.mean_bounds("X")
        assert bounds.lower <= mean * (1 + 1e-13)
        assert mean <= bounds.upper * (1 + 1e-13)
    assert network.parameters["k"] == 3.0
    assert result.network.parameters["k"] == 3.0


def test_parameters_at_time_zero_and_in_assignments():
    """Values are those at the moment when the event is triggered: the dose of time 1 is the old one."""
    network = fsp.ReactionNetwork(
        {"X": 0}, ["X -> 0 @ d"], {"d": 0.0, "dose": 4.0},
        events=["at time >= 1: X = X + dose", "at time >= 1: dose = 7", "at time >= 2: X = X + dose",
                "at time >= 0: dose = 5; initially false"],
    )  # fmt: skip
    assert fsp.solve_transient(network, [0.5, 1.0, 2.0]).mean("X").round(9).tolist() == [0.0, 5.0, 12.0]


def test_laws_do_not_trust_parameters_that_change():
    species, reactions = {"A": 3, "B": 1}, ["A -> B @ 1"]
    reset = "at time >= 2: A = T, B = 0"
    kept = fsp.ReactionNetwork(species, reactions, {"T": 4.0}, events=[reset])
    lost = fsp.ReactionNetwork(species, reactions, {"T": 4.0}, events=[reset, "at time >= 1: T = 6"])
    assert len(kept.conservation_laws()) == 1
    assert len(lost.conservation_laws()) == 0
    assert fsp.solve_transient(lost, [2.0]).final.states.tolist() == [[6, 0]]


@pytest.mark.parametrize(
    ("events", "words"),
    [
        (["at X > 3: k = 2"], "can be fired by a reaction"),
        (["at time > 3: k = X"], "depend on counts"),
        (["at time > 3: k = 2", "at time > k: X = 2"], "in its trigger or priority"),
        (["at time > 3: k = 2", "at X > k: X = 2"], "in its trigger or priority"),
        (["at time > 3: k = 2", "at time > 4: X = 2; priority k"], "in its trigger or priority"),
        (["at time > 3: k = 2", "at X > 4: X = floor(k)"], "reads the parameter 'k'"),
        (["at time > 3: k = 2", "at time > 3: X = floor(k); values at execution"], "reads the parameter 'k'"),
    ],
)
def test_changes_of_parameters_that_are_refused(events, words):
    with pytest.raises(fsp.UnsupportedError, match=words):
        fsp.ReactionNetwork({"X": 0}, ["0 -> X @ k"], {"k": 1.0}, events=events)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        (["at time > 1: k = 2", "at time > 1: k = 3"], "different values"),
        (["at time > 1: k = 1/(k - 1)"], "which is not finite"),
        (["at time > 1: k = -2"], "must be finite and not negative"),
    ],
)
def test_changes_of_parameters_that_fail(events, words):
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ k"], {"k": 1.0}, events=events)
    with pytest.raises(fsp.FSPError, match=words), np.errstate(all="ignore"):
        fsp.solve_transient(network, [2.0])
