"""Networks with events against chains that are built state by state in plain Python."""

from __future__ import annotations

from collections import Counter

import pytest
from event_reference import LARGEST, Ambiguous, Atom, PlainEvent, PlainModel, plain_models, reference
from hypothesis import given, settings

import fsp

TIMES = [0.0, 0.25, 0.4, 0.5, 1.0]


def solve(model: PlainModel, tolerance: float = 1e-9) -> list[fsp.Distribution]:
    return list(fsp.solve_transient(model.network(), TIMES, tolerance=tolerance))


def one_norm(found: fsp.Distribution, expected: dict[tuple[int, ...], float]) -> float:
    p = {tuple(s): float(q) for s, q in zip(found.states.tolist(), found.probabilities.tolist(), strict=True)}
    return sum(abs(p.get(s, 0.0) - expected.get(s, 0.0)) for s in {*p, *expected})


def excess(found: fsp.Distribution, expected: dict[tuple[int, ...], float]) -> float:
    pairs = zip(found.states.tolist(), found.probabilities.tolist(), strict=True)
    return max(q - expected.get(tuple(s), 0.0) for s, q in pairs)


def run(model: PlainModel, outcomes: Counter[str]) -> None:
    try:
        laws = list(reference(model, TIMES))
    except Ambiguous:
        laws = None
    try:
        found = solve(model)
    except (fsp.UnsupportedError, fsp.ModelError) as error:
        # States that are refused may lie beyond those that the reference reaches, but only by the width of a set.
        words = str(error)
        assert "order" in words or "again" in words or "come to an end" in words, words
        outcomes["refused" if laws is None else "refused early"] += 1
        return
    assert laws is not None, "the reference found an ambiguity"
    outcomes["solved"] += 1
    for distribution, law in zip(found, laws, strict=True):
        assert distribution.certified
        assert distribution.error_bound <= 1e-9
        assert one_norm(distribution, law) <= distribution.error_bound + 1e-12
        assert excess(distribution, law) <= 1e-12
        for i, name in enumerate(model.names):
            exact = sum(p * s[i] for s, p in law.items())
            bounds = distribution.mean_bounds(name)
            assert bounds.lower - 1e-11 <= exact <= bounds.upper + 1e-11
            second = sum(p * s[i] ** 2 for s, p in law.items())
            bounds = distribution.moment_bounds(name, 2)
            assert bounds.lower - 1e-11 <= second <= bounds.upper + 1e-11


def test_random_models():
    outcomes: Counter[str] = Counter()

    @settings(max_examples=40)
    @given(plain_models())
    def check(model: PlainModel) -> None:
        run(model, outcomes)

    check()
    assert outcomes["solved"] > 20


@pytest.mark.slow
def test_many_random_models():
    outcomes: Counter[str] = Counter()

    @settings(max_examples=400)
    @given(plain_models())
    def check(model: PlainModel) -> None:
        run(model, outcomes)

    check()
    assert outcomes["solved"] > 200
    assert outcomes["refused"] > 5
    assert outcomes["refused early"] < 0.05 * outcomes["solved"]


def reset(at: int, to: int) -> PlainModel:
    event = PlainEvent(
        (Atom("A", ">", at),), "and", False, (("A", str(to), lambda s: to),), None, True, True, True
    )
    births = ("0 -> A ; 1.5*(A < 4)", (1,), lambda s: 1.5 * (s[0] < LARGEST))
    return PlainModel(("A",), (0,), (births,), (event,))


def test_control_the_comparison_notices_another_event():
    run(reset(2, 1), Counter())
    for other in (reset(3, 1), reset(2, 0)):
        changed = PlainModel(("A",), (0,), reset(2, 1).reactions, other.events)
        laws = list(reference(changed, TIMES))
        found = solve(reset(2, 1))
        assert one_norm(found[-1], laws[-1]) > 1e-3


def test_control_the_reference_sees_orders():
    two = [reset(2, to).events[0] for to in (0, 1)]
    with pytest.raises(Ambiguous):
        list(reference(PlainModel(("A",), (0,), reset(2, 1).reactions, tuple(two)), TIMES))
