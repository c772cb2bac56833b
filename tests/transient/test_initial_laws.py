"""Initial laws: states, distributions, species laws, earlier results; conserved totals that differ."""

from __future__ import annotations

from typing import Any

import closed_forms as cf
import mpmath as mp
import numpy as np
import pytest
from answers import LARGER, check, difference, table

import fsp
from fsp.errors import ArgumentError, ToleranceError

DECAY = fsp.ReactionNetwork({"X": 0, "Y": 0}, ["X -> 0 @ 0.5", "Y -> 0 @ 2", "0 -> Y @ 1"])


def mixture(network: Any, law: dict[tuple[int, ...], float], t: float, **options: Any) -> dict[Any, float]:
    out: dict[Any, float] = {}
    for state, weight in law.items():
        counts = dict(zip(network.species_names, state, strict=True))
        for s, p in table(
            fsp.solve_transient(network, [t], initial=counts, tolerance=1e-12, **options).final
        ).items():
            out[s] = out.get(s, 0.0) + weight * p
    return out


@pytest.mark.parametrize(
    ("initial", "law"),
    [
        (None, {(0, 0): 1.0}),
        ({"X": 5}, {(5, 0): 1.0}),
        ({"Y": 2, "X": 5}, {(5, 2): 1.0}),
        ([3, 1], {(3, 1): 1.0}),
        (np.array([3, 1]), {(3, 1): 1.0}),
        ({(3, 1): 0.25, (0, 4): 0.75}, {(3, 1): 0.25, (0, 4): 0.75}),
        ({(3, 1): 0.25, (0, 4): 0.75, (9, 9): 0.0}, {(3, 1): 0.25, (0, 4): 0.75}),
        ({"X": {2: 0.5, 7: 0.5}}, {(2, 0): 0.5, (7, 0): 0.5}),
        (
            {"X": [0.5, 0.25, 0.25], "Y": {1: 0.125, 0: 0.875}},
            {(x, y): a * b for x, a in enumerate((0.5, 0.25, 0.25)) for y, b in ((1, 0.125), (0, 0.875))},
        ),
        (
            fsp.Distribution.from_dict({(1, 2): 0.5, (4, 0): 0.5}, ["X", "Y"]),
            {(1, 2): 0.5, (4, 0): 0.5},
        ),
        (
            fsp.Distribution.from_dict({(2, 1): 0.5, (0, 4): 0.5}, ["Y", "X"]),
            {(1, 2): 0.5, (4, 0): 0.5},
        ),
    ],
)
def test_initial_laws(initial, law):
    result = fsp.solve_transient(DECAY, [0.0, 1.0], initial=initial, tolerance=1e-9)
    assert difference(table(result[0]), law) <= 2e-15
    check(result[1], mixture(DECAY, law, 1.0), 1e-9)


@pytest.mark.parametrize(
    ("initial", "text"),
    [
        ({"Z": 1}, "there is no species 'Z'"),
        ({"X": -1}, "X must be an integer >= 0, not -1"),
        ({"X": 1.5}, "1.5"),
        ({"X": float("nan")}, "nan"),
        ({"X": "three"}, "'three'"),
        ({"X": True}, "True"),
        ([1], "2 counts"),
        ([1, 2, 3], "2 counts"),
        ({(1, 2): 0.5}, "0.5 instead of 1"),
        ({(1, 2): 1.5, (0, 0): -0.5}, "-0.5"),
        ({(1, 2): float("nan")}, "nan"),
        ({(1, 2): "half"}, "'half'"),
        ({(1,): 1.0}, "2 counts"),
        ({"X": {1: 0.5}}, "X add up to 0.5"),
        ({"X": {1: 2.0}, "Y": {1: 0.5}}, "X add up to 2.0"),
        ({"X": {1: -1.0}, "Y": {1: -1.0}}, "-1.0"),
        ({"X": [0.5, "half"]}, "'half'"),
        (3, "int"),
        (fsp.Distribution.from_dict({(1,): 1.0}, ["X"]), "X, Y"),
    ],
)
def test_bad_initial_laws(initial, text):
    with pytest.raises(ArgumentError, match="initial") as caught:
        fsp.solve_transient(DECAY, [1.0], initial=initial)
    assert text in str(caught.value)


def test_two_half_runs_enclose_one_full_run():
    network, t = LARGER["toggle"][0](), 2.0
    whole = fsp.solve_transient(network, [t], tolerance=1e-8).final
    half = fsp.solve_transient(network, [0.5 * t], tolerance=1e-6)
    for initial in (half, half.final):
        second = fsp.solve_transient(network, [0.5 * t], tolerance=1e-4, initial=initial)
        assert second.ledger.entries["initial"] == half.error_bound
        assert second.error_bound >= half.error_bound
        assert difference(table(whole), table(second.final)) <= whole.error_bound + second.error_bound
        for state, p in table(second.final).items():
            assert p <= table(whole).get(state, 0.0) + whole.error_bound


def test_an_initial_error_above_the_tolerance_is_refused():
    start = fsp.Distribution.from_dict({(1, 0): 0.5, (0, 0): 0.25}, ["X", "Y"], error_bound=0.25)
    with pytest.raises(ToleranceError, match="initial"):
        fsp.solve_transient(DECAY, [1.0], initial=start, tolerance=0.1)
    result = fsp.solve_transient(DECAY, [1.0], initial=start, tolerance=0.3)
    assert 0.25 <= result.error_bound <= 0.3


def test_uncertain_initial_laws_stay_uncertain():
    two_sided = fsp.Distribution.from_dict(
        {(1, 0): 0.6, (0, 0): 0.4}, ["X", "Y"], error_bound=0.2, lower_bound=False
    )
    result = fsp.solve_transient(DECAY, [0.0, 1.0], initial=two_sided, tolerance=0.3)
    assert not result[0].lower_bound
    assert 0.5 in result[0].probability("X == 1")  # the truth may be smaller than what was given
    estimate = fsp.Distribution.from_dict({(1, 0): 1.0}, ["X", "Y"], error_bound=0.0, certified=False)
    assert not fsp.solve_transient(DECAY, [1.0], initial=estimate, tolerance=0.3).certified


def test_mixed_conserved_totals():
    """The set cannot use the conservation law then, and must not lose states for it."""
    network = fsp.ReactionNetwork({"A": 0, "B": 4}, ["A -> B @ f", "B -> A @ b"], {"f": 1.0, "b": 2.0})
    result = fsp.solve_transient(network, [0.5], initial={(3, 0): 0.25, (0, 5): 0.75}, tolerance=1e-10)
    with mp.workdps(40):
        few, many = cf.isomerisation(3, 0, 1.0, 2.0, 0.5), cf.isomerisation(0, 5, 1.0, 2.0, 0.5)
    truth = {(a, 3 - a): 0.25 * float(p) for a, p in enumerate(few)}
    truth |= {(a, 5 - a): 0.75 * float(p) for a, p in enumerate(many)}
    check(result.final, truth, 1e-10, 1e-14)
    other_total = fsp.solve_transient(network, [0.5], initial={"A": 3, "B": 0}, tolerance=1e-10)
    check(other_total.final, {(a, 3 - a): float(p) for a, p in enumerate(few)}, 1e-10, 1e-14)


def test_mixed_totals_when_the_fibre_axis_turns():
    """The set is turned while it grows; coordinates must not drop species on the way."""
    network = fsp.ReactionNetwork(
        {"A": 0, "B": 10, "M": 0}, ["A -> B @ 1", "B -> A @ 2", "B -> B + M @ 5", "M -> 0 @ 0.1"]
    )
    law = {(0, 10, 0): 0.5, (3, 20, 0): 0.5}
    result = fsp.solve_transient(network, [3.0], initial=law, tolerance=1e-6)
    assert set(result.final.states[:, :2].sum(axis=1).tolist()) == {10, 23}
    parts = [
        fsp.solve_transient(network, [3.0], initial=dict(zip("ABM", s, strict=True)), tolerance=1e-8)
        for s in law
    ]
    expected: dict[Any, float] = {}
    for part in parts:
        for state, p in table(part.final).items():
            expected[state] = expected.get(state, 0.0) + 0.5 * p
    assert difference(table(result.final), expected) <= result.error_bound + 1e-8
