"""Events as text and as objects, and what networks, checks and the command line say about them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import fsp
from fsp.cli import main
from fsp.model.events import parse_event

REACTIONS = ["0 -> X @ 1", "X -> Y @ 0.1"]


def network(*events: str | fsp.Event, **parameters: float) -> fsp.ReactionNetwork:
    return fsp.ReactionNetwork({"X": 0, "Y": 3}, REACTIONS, parameters, events=list(events))


@pytest.mark.parametrize(
    "text",
    [
        "E1: at time >= 25: X = 50",
        "E1: at X > 3 and time < 2: X = max(X, 3), Y = min(Y, X, 2)",
        "dose: at 2 <= X < 7: X = X + 1; priority Y; not persistent; initially false; values at execution",
    ],
)
def test_texts_come_back(text):
    one = network(text)
    assert str(one.events[0]) == text
    assert network(str(one.events[0])) == one
    assert network(*one.events).events == one.events
    assert hash(network(*one.events)) == hash(one)


def test_an_event_as_text_and_as_an_object():
    event = fsp.Event(
        "X > T", {"X": 0, "Y": "Y + 1"}, priority=2, persistent=False, initial_value=False, name="a"
    )
    assert network(event, T=4.0) == network(
        "a: at X > T: X = 0, Y = Y + 1; priority 2; not persistent; initially false", T=4
    )
    assert network(event, T=4.0) != network(event, T=5.0)
    assert network(event, T=4.0) != network(T=4.0)
    assert network("at X > 1: X = 0") != network("at X > 1: X = 0; not persistent")


def test_changed_copies_keep_events():
    one = network("at X > T: X = 0", T=4.0)
    assert one.with_initial(X=2).events == one.events
    assert one.with_parameters(T=9.0).event_rules.parameters == {"T": 9.0}
    assert "1 event" in repr(one)
    assert "E1: at X > T: X = 0" in repr(one)


def test_names_by_position():
    assert [e.name for e in network("at X > 1: X = 0", "b: at X > 2: X = 0", "at X > 3: X = 0").events] == [
        "E1",
        "b",
        "E3",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("X = 3", "it does not begin with 'at'"),
        ("at time > 3", "no trigger followed by a colon"),
        ("at : X = 3", "no trigger followed by a colon"),
        ("at time > 3: X", "'X' is not an assignment"),
        ("at time > 3: X =", "is not an assignment"),
        ("at time > 3: X == 3", "'X == 3' is not an assignment"),
        ("at time > 3: X = 3, X = 4", "'X' is assigned twice"),
        ("at time > 3: X = 3; sometimes", "unknown option 'sometimes'"),
        ("at time > 3: X = 3; priority", "unknown option 'priority'"),
        ("at time > 3: X = 3; priority 1; priority 2", "given twice"),
        ("at time > 3: Z = 3", "assigns to 'Z', which is no species and no parameter"),
        ("at X > 3: T = 3", "changes the parameter 'T' and can be fired by a reaction"),
        ("at time: X = 3", "is not a condition"),
        ("at time > 3: X = W", "unknown name 'W'"),
        ("at time > 3: X = __import__('os')", "unknown function '__import__'"),
        ("at sin(time) > 0: X = 3", "reads time in 'sin(time) > 0'"),
        ("at X > time: X = 3", "reads time in 'X > time'"),
        ("at time*time > 4: X = 3", "comparisons of time with a constant only"),
        ("at piecewise(1, time > 3, 0) > 0: X = 3", "comparisons of time with a constant only"),
        ("at X > 3: X = floor(time)", "reads time in its assignments"),
        (7, "must be a text or an Event"),
    ],
)
def test_refused_texts(text, words):
    with pytest.raises(fsp.FSPError) as caught:
        network(text, T=1.0)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (fsp.Event("X > 1", {"X": None}), "must be an expression or a number"),
        (fsp.Event(True, {"X": 1}), "must be a condition"),
        (fsp.Event("X > 1", {"X": 1}, persistent="yes"), "persistent must be True or False"),
        (fsp.Event("X > 1", {"X": 1}, name="a b"), "its name must consist of letters"),
        (fsp.Event("X > 1", {"X": 1}, priority=True), "must be an expression or a number"),
    ],
)
def test_refused_objects(event, words):
    with pytest.raises(fsp.ModelError, match=words):
        network(event)


def test_other_refusals():
    with pytest.raises(fsp.ModelError, match="two events are called 'a'"):
        network("a: at X > 1: X = 0", "a: at X > 2: X = 0")
    with pytest.raises(fsp.ModelError, match="events must be a list"):
        fsp.ReactionNetwork({"X": 0}, ["0 -> X @ 1"], events="at X > 1: X = 0")
    with pytest.raises(fsp.ModelError, match="assignments must be a mapping"):
        fsp.Event("X > 1", {})


def test_time_may_be_assigned_where_time_fires():
    still = fsp.ReactionNetwork({"X": 0}, ["X -> 0 @ 0"], events=["at time >= 4: X = floor(time/2)"])
    assert fsp.solve_transient(still, [4.0]).mean("X").tolist() == [2.0]


def test_options_of_the_parser():
    event = parse_event("at X > 1 : X = pow(X, 2) ; values at execution")
    assert (event.name, event.trigger, dict(event.assignments)) == ("", "X > 1", {"X": "pow(X, 2)"})
    assert not event.use_trigger_values


def test_warnings():
    assert network("at X > T: X = Y", T=4.0).check() == []
    assert "true from the beginning" in network("at time >= 0: X = 3").check()[0]
    assert "never true" in network("at time > 3 and time < 2: X = 3").check()[0]
    assert "at the initial state: event 'E1' sets 'Y' to -2" in network("at time >= 1: Y = Y - 5").check()[0]
    idle = fsp.ReactionNetwork({"X": 0, "Z": 0}, ["0 -> X @ 1"], events=["at X > 3: Z = 1"])
    assert idle.check() == []


def test_info(capsys, tmp_path):
    path = tmp_path / "m.ant"
    path.write_text("species X; X = 5; => X; 2; X => ; 0.1*X; E: at time > 3, priority=2: X = X + 50;")
    assert main(["info", str(path)]) == 0
    assert "event         E: at time > 3: X = X + 50; priority 2" in capsys.readouterr().out
    assert main(["info", str(path), "--json"]) == 0
    (event,) = json.loads(capsys.readouterr().out)["events"]
    assert event["assignments"] == {"X": "X + 50"}
    assert event["moments"] == [3.0]
    assert not event["fired_by_reactions"]


def test_a_changed_copy_prints_what_it_is():
    event = network("a: at X > 1: X = 0").events[0]
    assert str(replace(event, persistent=False)) == "a: at X > 1: X = 0; not persistent"
    assert network(replace(event, name="b")).events[0].name == "b"
