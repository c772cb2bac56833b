"""Events of time in networks whose rates depend on time, against other solvers of the same equations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from event_reference import Ambiguous, Moment, PlainModel, State, plain_models
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.stats import poisson

import fsp
from fsp.errors import UnsupportedError

TIMES = [0.0, 0.25, 0.4, 0.5, 1.0]

#: Functions of time, as texts and in Python; smooth, with a jump at a moment of events, and with one elsewhere.
FUNCTIONS: dict[str, Callable[[float], float]] = {
    "1": lambda t: 1.0,
    "(1 + sin(5*time))": lambda t: 1.0 + math.sin(5.0 * t),
    "2*exp(-time)": lambda t: 2.0 * math.exp(-t),
    "piecewise(0.5, time < 0.5, 3)": lambda t: 0.5 if t < 0.5 else 3.0,
    "piecewise(3, time <= 0.3, 0)": lambda t: 3.0 if t <= 0.3 else 0.0,
}
JUMPS = (0.3, 0.5)


def timed_network(model: PlainModel, functions: list[str]) -> fsp.ReactionNetwork:
    """Return the network of a model with every rate times a function of time."""
    reactions = []
    for (text, _, _), function in zip(model.reactions, functions, strict=True):
        if "@" in text:
            left, constant = text.split("@")
            reactants = [name.strip() for name in left.split("->")[0].split("+")]
            text = f"{left}; {'*'.join([constant.strip(), *reactants])}"
        left, law = text.split(";")
        reactions.append(f"{left}; ({law.strip()})*{function}")
    counts = dict(zip(model.names, model.initial, strict=True))
    return fsp.ReactionNetwork(counts, reactions, events=[event.text(model.names) for event in model.events])


def reference(model: PlainModel, functions: list[str]) -> list[np.ndarray]:
    """Return the laws at the times, by an explicit Runge-Kutta method between the moments where anything jumps."""
    states = model.states()
    where = {state: i for i, state in enumerate(states)}
    parts = [
        replace(model, reactions=(r,), events=()).generator(Moment(0.0), set(states)) for r in model.reactions
    ]
    p = np.zeros(len(states))
    p[where[model.initial]] = 1.0

    def move(p: np.ndarray, before: Callable[[State], list[bool]], moment: Moment) -> np.ndarray:
        q = np.zeros_like(p)
        for state, i in where.items():
            if p[i] > 0.0:
                q[where[model.end(state, before(state), moment)]] += p[i]
        return q

    def slope(t: float, p: np.ndarray, inside: float) -> np.ndarray:
        # at the ends of a stretch, the functions count as they do within it
        s = min(max(t, inside - 0.5 * width), inside + 0.5 * width)
        return sum(FUNCTIONS[f](s) * (a @ p) for f, a in zip(functions, parts, strict=True))

    laws = []
    p = move(p, lambda state: [event.initial_value for event in model.events], Moment(0.0))
    laws.append(p)
    p = move(p, lambda state: model.truth(state, Moment(0.0)), Moment(0.0, True))
    moments = {a.value for e in model.events for a in e.atoms}
    for start, stop in pairwise(sorted({*TIMES, *moments, *JUMPS})):
        width = (stop - start) * (1.0 - 1e-14)
        middle = 0.5 * (start + stop)
        p = solve_ivp(slope, (start, stop), p, "DOP853", rtol=1e-12, atol=1e-15, args=(middle,)).y[:, -1]
        now = Moment(start, True)
        p = move(np.maximum(p, 0.0), lambda state, now=now: model.truth(state, now), Moment(stop))
        if stop in TIMES:
            laws.append(p)
        p = move(p, lambda state, stop=stop: model.truth(state, Moment(stop)), Moment(stop, True))
    return laws


def distance(model: PlainModel, found: fsp.Distribution, expected: np.ndarray) -> float:
    where = {state: i for i, state in enumerate(model.states())}
    p = np.zeros_like(expected)
    p[[where[tuple(s)] for s in found.states.tolist()]] = found.probabilities
    return float(np.abs(p - expected).sum())


def compare(model: PlainModel, functions: list[str], tolerance: float, outcomes: Counter[str]) -> None:
    try:
        laws = reference(model, functions)
    except Ambiguous:
        outcomes["ambiguous"] += 1
        return
    try:
        result = fsp.solve_transient(timed_network(model, functions), TIMES, tolerance=tolerance)
    except UnsupportedError as error:  # of a state next to those that are reached
        words = str(error)
        assert "order" in words or "again" in words or "come to an end" in words, words
        outcomes["refused early"] += 1
        return
    outcomes["solved"] += 1
    for distribution, law in zip(result, laws, strict=True):
        assert distribution.certified
        assert distribution.error_bound <= tolerance
        assert distance(model, distribution, law) <= distribution.error_bound + 1e-10
        for i, name in enumerate(model.names):
            exact = sum(q * state[i] for state, q in zip(model.states(), law.tolist(), strict=True))
            bounds = distribution.mean_bounds(name)
            assert bounds.lower - 1e-9 <= exact <= bounds.upper + 1e-9


@st.composite
def cases(draw: Any) -> tuple[PlainModel, list[str]]:
    """Draw a model with the events that time alone fires, and a function of time for each reaction."""
    model = draw(plain_models())
    events = tuple(e for e in model.events if all(a.what == "time" for a in e.atoms))
    functions = [draw(st.sampled_from(sorted(FUNCTIONS))) for _ in model.reactions]
    functions[0] = draw(st.sampled_from(sorted(FUNCTIONS)[1:]))
    return replace(model, events=events), functions


def test_random_models_against_runge_kutta() -> None:
    outcomes: Counter[str] = Counter()

    @settings(max_examples=60)
    @given(cases(), st.sampled_from([1e-3, 1e-6, 1e-8]))
    def check(case: tuple[PlainModel, list[str]], tolerance: float) -> None:
        if case[0].events:
            compare(*case, tolerance, outcomes)

    check()
    assert outcomes["solved"] >= 12, outcomes


SINE = ["0 -> X ; k*(1 + sin(w*time))", "X -> 0 @ d"]
PULSE = fsp.ReactionNetwork(
    {"X": 0}, SINE, {"k": 6.0, "w": 2.0, "d": 1.0, "T": 1.0},
    events=["at time >= T: k = 12, w = 5", "wash: at time >= 2: X = 0", "at time > 3.5: d = time/7"],
)  # fmt: skip


def pulse_mean(times: list[float]) -> list[float]:
    """From nothing, births and deaths make a Poisson law; its mean obeys m' = k(t) - d m."""
    stretches = [
        (0.0, 1.0, 6.0, 2.0, 1.0),
        (1.0, 2.0, 12.0, 5.0, 1.0),
        (2.0, 3.5, 12.0, 5.0, 1.0),
        (3.5, 5.0, 12.0, 5.0, 0.5),
    ]
    found, m = {}, 0.0
    for start, stop, k, w, d in stretches:
        m = 0.0 if start == 2.0 else m
        inside = [t for t in times if start <= t < stop]
        solution = solve_ivp(
            lambda t, y, k=k, w=w, d=d: k * (1.0 + np.sin(w * t)) - d * y,
            (start, stop), [m], "DOP853", t_eval=[*inside, stop], rtol=1e-12, atol=1e-14,
        )  # fmt: skip
        found.update(zip(inside, solution.y[0].tolist(), strict=False))
        m = float(solution.y[0, -1])
    return [found[t] for t in times]


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-8])
@pytest.mark.parametrize("bounds", [None, {"X": 80}])
def test_parameters_that_events_change(tolerance: float, bounds: Any) -> None:
    times = [0.5, 1.0, 1.7, 2.0, 3.0, 4.5]
    result = fsp.solve_transient(PULSE, times, tolerance=tolerance, bounds=bounds)
    assert result.method == "inhomogeneous"
    assert "rates depend on time" in result.explanation
    for law, mean in zip(result, pulse_mean(times), strict=True):
        assert law.certified
        assert not law.lower_bound
        assert law.error_bound <= tolerance
        p = np.zeros(400)
        p[law.states[:, 0]] = law.probabilities
        assert np.abs(p - poisson(mean).pmf(np.arange(400))).sum() <= law.error_bound + 1e-11
        assert mean in law.mean_bounds("X")
        assert mean + mean**2 in law.moment_bounds("X", 2)
    assert result.ledger.entries["rates"] > 0.0


def test_results_are_kept(tmp_path: Path) -> None:
    result = fsp.solve_transient(PULSE, [0.5, 3.0], tolerance=1e-6)
    result.save(tmp_path / "pulse.nc")
    other = fsp.load_result(tmp_path / "pulse.nc")
    assert other.network == PULSE
    assert [law.error_bound for law in other] == [law.error_bound for law in result]
    np.testing.assert_array_equal(other.final.probabilities, result.final.probabilities)


def test_control_another_moment_is_noticed() -> None:
    times = [0.5, 1.0, 1.7]
    law = fsp.solve_transient(PULSE.with_parameters(T=1.01), times, tolerance=1e-6).final
    p = np.zeros(400)
    p[law.states[:, 0]] = law.probabilities
    assert np.abs(p - poisson(pulse_mean(times)[-1]).pmf(np.arange(400))).sum() > 1e-3


def test_a_rate_that_jumps_at_the_moment_of_an_event() -> None:
    network = fsp.ReactionNetwork(
        {"X": 0}, ["0 -> X ; piecewise(4, time < 1, 0)"], events=["at time >= 1: X = X + 1"]
    )
    law = fsp.solve_transient(network, [3.0], tolerance=1e-9).final
    assert law.states.min() >= 1
    p = np.zeros(200)
    p[law.states[:, 0]] = law.probabilities
    assert np.abs(p[1:] - poisson(4.0).pmf(np.arange(199))).sum() <= 1e-9


def test_a_rate_that_is_negative_only_before_an_event_changes_it() -> None:
    reactions = ["birth: 0 -> X ; max(a, 0) + a*(1 - time)"]
    network = fsp.ReactionNetwork({"X": 0}, reactions, {"a": 0.0}, events=["at time >= 2: a = -1"])
    law = fsp.solve_transient(network, [3.0], tolerance=1e-8).final  # from 2 to 3, time - 1
    assert law.probability("X == 0").lower <= math.exp(-1.5) <= law.probability("X == 0").upper
    early = fsp.ReactionNetwork({"X": 0}, reactions, {"a": 0.0}, events=["at time >= 0.5: a = -1"])
    with pytest.raises(fsp.PropensityError, match=r"birth.* negative at time"):
        fsp.solve_transient(early, [3.0])


@pytest.mark.parametrize("event", ["wash: at X > 4: X = 0", "wash: at time > 0.5 and X > 4: X = 0"])
@pytest.mark.parametrize("method", ["auto", "inhomogeneous"])
@pytest.mark.parametrize("rate", ["1 + time", "3"])
def test_events_that_reactions_fire_are_refused(event: str, method: str, rate: str) -> None:
    network = fsp.ReactionNetwork({"X": 0}, [f"0 -> X ; {rate}"], events=["at time > 9: X = 1", event])
    if method == "auto" and rate == "3":
        assert fsp.solve_transient(network, [1.0]).final.certified
        return
    with pytest.raises(UnsupportedError, match=r"reactions can fire \(wash\)"):
        fsp.solve_transient(network, [0.0, 1.0], method=method)


def test_constant_rates_by_the_method_for_others() -> None:
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 3", "X -> 0 @ 1"], events=["at time >= 1: X = X + 2"])
    one = fsp.solve_transient(network, [2.0], tolerance=1e-9, method="inhomogeneous").final
    two = fsp.solve_transient(network, [2.0], tolerance=1e-9).final
    counts = range(30)
    for count in counts:
        assert abs(one.probability(f"X == {count}").lower - two.probability(f"X == {count}").lower) <= 2e-9
