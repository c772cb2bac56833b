"""Chains with events for model checkers: transitions that fire events lead to where the events lead."""

from __future__ import annotations

import platform
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from event_reference import LARGEST, Ambiguous, Atom, Moment, PlainEvent, PlainModel, plain_models
from hypothesis import given, settings

import fsp
from fsp.errors import UnsupportedError
from fsp.generator.fibre_generator import FibreGenerator
from fsp.generator.redirected import RedirectedGenerator

DIVIDE = fsp.ReactionNetwork(
    {"X": 3, "Y": 0},
    ["0 -> X @ 6", "X -> 0 @ 0.3", "X -> Y @ 0.2", "Y -> 0 @ 1"],
    events=["divide: at X >= 9: X = floor(X/2), Y = Y + 1", "at Y >= 3: X = 0; priority 2; not persistent"],
)


def read_tra(stem: Path) -> tuple[list[tuple[int, ...]], np.ndarray, np.ndarray]:
    """Return the states, the rates (from, to) and the initial law of PRISM's files."""
    lines = stem.with_name(stem.name + ".sta").read_text().splitlines()[1:]
    states = [tuple(map(int, line.partition("(")[2].rstrip(")").split(","))) for line in lines]
    matrix = np.zeros((len(states), len(states)))
    for line in stem.with_name(stem.name + ".tra").read_text().splitlines()[1:]:
        i, j, rate = line.split()
        matrix[int(i), int(j)] = float(rate)
    np.fill_diagonal(matrix, 0.0)  # the loops of states without a way out
    initial = np.array([float(q) for q in stem.with_name(stem.name + ".init").read_text().split()])
    return states, matrix, initial


def check_against_reference(model: PlainModel, folder: Path, outcomes: Counter[str]) -> None:
    times = [event for event in model.events if any(atom.what == "time" for atom in event.atoms)]
    network = model.network()
    bounds = dict.fromkeys(model.names, LARGEST)
    if times:
        with pytest.raises(UnsupportedError, match="its trigger reads time"):
            fsp.export_chain(network, folder / "c", bounds=bounds)
        outcomes["time"] += 1
        return
    now = Moment(0.0)
    try:
        start = model.end(model.initial, [event.initial_value for event in model.events], now)
        reached = {start}
        exact = model.generator(now, reached)
    except Ambiguous:
        outcomes["ambiguous"] += 1
        return
    try:
        fsp.export_chain(network, folder / "c", bounds=bounds)
    except (fsp.UnsupportedError, fsp.ModelError) as error:  # of a state next to those that are reached
        words = str(error)
        assert "order" in words or "again" in words or "come to an end" in words, words
        outcomes["refused early"] += 1
        return
    states, matrix, initial = read_tra(folder / "c")
    assert reached <= set(states[1:])
    assert states[int(np.argmax(initial))] == start
    assert initial.max() == 1.0
    where = {state: i for i, state in enumerate(model.states())}
    here = [i for i, state in enumerate(states) if state in reached]
    place = [where[states[i]] for i in here]
    expected = exact[np.ix_(place, place)].T
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(matrix[np.ix_(here, here)], expected, rtol=1e-13, atol=0.0)
    others = np.setdiff1d(np.arange(len(states)), here)
    assert matrix[np.ix_(here, others)].sum() == 0.0  # nothing leaves these models, not even to the sink
    outcomes["equal"] += 1


def test_random_models(tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()

    @settings(max_examples=150)
    @given(plain_models())
    def check(model: PlainModel) -> None:
        check_against_reference(model, tmp_path, outcomes)

    check()
    assert outcomes["equal"] >= 20, outcomes
    assert outcomes["time"] >= 10, outcomes


def test_events_at_the_start(tmp_path: Path) -> None:
    network = fsp.ReactionNetwork(
        {"X": 2}, ["0 -> X ; 1*(X < 5)"], events=["at X >= 2: X = X - 2; initially false"]
    )
    fsp.export_chain(network, tmp_path / "c", bounds={"X": 5}, initial={(2,): 0.25, (0,): 0.25, (3,): 0.5})
    states, matrix, initial = read_tra(tmp_path / "c")
    assert {s: q for s, q in zip(states, initial.tolist(), strict=True) if q} == {(0,): 0.5, (1,): 0.5}
    assert matrix[states.index((1,)), states.index((0,))] == 1.0
    # two states that events take to one are one state for Storm
    fsp.export_chain(network, tmp_path / "d", format="storm", bounds={"X": 5}, initial={(2,): 0.5, (0,): 0.5})


def test_what_events_take_out_of_the_set_goes_to_the_sink(tmp_path: Path) -> None:
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 2"], events=["at X >= 3: X = 50"])
    fsp.export_chain(network, tmp_path / "c", states=[[0], [1], [2]])
    states, matrix, _ = read_tra(tmp_path / "c")
    assert states == [(-1,), (0,), (1,), (2,)]
    expected = np.zeros((4, 4))
    expected[1, 2] = expected[2, 3] = expected[3, 0] = 2.0
    np.testing.assert_array_equal(matrix, expected)


@pytest.mark.parametrize("event", ["wash: at time >= 1: X = 0", "wash: at time >= 1 and X > 3: X = 0"])
def test_events_of_time_are_refused_by_name(event: str, tmp_path: Path) -> None:
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 2"], events=["at X > 5: X = 1", event])
    with pytest.raises(UnsupportedError, match="event 'wash' cannot be part .* reads time"):
        fsp.export_chain(network, tmp_path / "c", bounds={"X": 9})
    network = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 2"], events=["wash: at 2 > 1: X = 4; initially false"])
    with pytest.raises(UnsupportedError, match="event 'wash' cannot be part .* reads no counts"):
        fsp.export_chain(network, tmp_path / "c", bounds={"X": 9})
    assert list(tmp_path.iterdir()) == []


# -- Storm -------------------------------------------------------------------------------------------------

storm = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="there are no wheels of stormpy for this system",
)


def by_storm(file: Path, formulas: list[str]) -> list[float]:
    import stormpy

    model = stormpy.build_model_from_drn(str(file))
    (start,) = model.initial_states
    found: list[Any] = [
        stormpy.model_checking(model, stormpy.parse_properties(formula)[0]) for formula in formulas
    ]
    return [float(result.get_value(start)) for result in found]


@storm
@pytest.mark.parametrize("condition", ["X >= 5", "Y >= 1 and X < 6"])
def test_storm_agrees(condition: str, tmp_path: Path) -> None:
    time, precision = 2.0, 1e-6  # that of Storm, unless it is told otherwise
    chain = fsp.export_chain(
        DIVIDE, tmp_path / "c", format="storm", time=time, tolerance=1e-7, labels={"high": condition}
    )
    low, lost = by_storm(chain.files[0], [f'P=? [ F[{time},{time}] "high" ]', f'P=? [ F<={time} "sink" ]'])
    truth = fsp.solve_transient(DIVIDE, [time], tolerance=1e-10).final.probability(condition)
    assert truth.upper - truth.lower < 1e-9
    assert low <= truth.upper + precision
    assert truth.lower <= low + lost + precision
    assert chain.loss_bound is not None
    assert lost <= chain.loss_bound + precision
    # control: without the events, the answer is another one
    plain = fsp.ReactionNetwork(
        {"X": 3, "Y": 0}, ["0 -> X @ 6", "X -> 0 @ 0.3", "X -> Y @ 0.2", "Y -> 0 @ 1"]
    )
    wrong = fsp.solve_transient(plain, [time], tolerance=1e-10).final.probability(condition)
    assert abs(wrong.lower - low) > 0.01


def test_control_transitions_that_fire_nothing_are_noticed(tmp_path: Path, monkeypatch: Any) -> None:
    birth = ("0 -> A ; 1.5*(A < 4)", (1,), lambda s: 1.5 * (s[0] < 4))
    reset = (("A", "0", lambda s: 0),)
    event = PlainEvent((Atom("A", ">=", 3),), "and", False, reset, None, True, True, True)
    model = PlainModel(("A",), (0,), (birth,), (event,))
    check_against_reference(model, tmp_path, Counter())
    monkeypatch.setattr(RedirectedGenerator, "triplets", FibreGenerator.triplets)
    with pytest.raises(AssertionError):
        check_against_reference(model, tmp_path, Counter())
