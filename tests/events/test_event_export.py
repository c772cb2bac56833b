"""Networks with events, written as SBML and Antimony and read again: the same network, or refused with the reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from event_reference import plain_models
from hypothesis import given, settings
from hypothesis import strategies as st

import fsp
from fsp.errors import UnsupportedError
from fsp.model.antimony import read_antimony_text
from fsp.model.phases import Phase
from fsp.model.sbml import read_sbml

FORMATS = ("sbml", "antimony")
SUITE = Path(__file__).parents[3] / "shared" / "dsmts"
REACTIONS = ["0 -> A @ k", "A -> B @ 0.5", "B -> 0 @ 1"]


def again(network: fsp.ReactionNetwork, kind: str) -> fsp.ReactionNetwork:
    """Write and read; the writer's own check is not what is relied on."""
    if kind == "sbml":
        return read_sbml(network.to_sbml())
    return read_antimony_text(network.to_antimony(), trusted=True)


def assert_same(network: fsp.ReactionNetwork, other: fsp.ReactionNetwork) -> None:
    assert other == network
    assert hash(other) == hash(network)
    # and what equality stands for, without it
    assert len(other.events) == len(network.events)
    states = np.random.default_rng(1).integers(0, 9, (40, network.n_species))
    rules, same = network.event_rules, other.event_rules
    assert same.moments == rules.moments
    assert same.changed == rules.changed
    for event, found in zip(network.events, other.events, strict=True):
        assert found.name == event.name
        assert list(found.assignments) == list(event.assignments)
        assert (found.priority is None) == (event.priority is None)
        for key in ("persistent", "initial_value", "use_trigger_values"):
            assert getattr(found, key) is getattr(event, key)
    for moment in (0.0, *rules.moments):
        for after in (False, True):
            phase = Phase(moment, after)
            np.testing.assert_array_equal(same.triggers(states, phase), rules.triggers(states, phase))


def net(*events: str | fsp.Event, **parameters: float) -> fsp.ReactionNetwork:
    return fsp.ReactionNetwork({"A": 1, "B": 2}, REACTIONS, {"k": 1.5, "T": 2.0, **parameters}, events=events)


@settings(max_examples=60)
@given(plain_models())
@pytest.mark.parametrize("kind", FORMATS)
def test_random_networks_with_events(kind: str, model: Any) -> None:
    network = model.network()
    assert_same(network, again(network, kind))


@st.composite
def events(draw: Any) -> str:
    """Draw the text of an event with expressions that the reference does not know, some of which change parameters."""
    number = draw(st.floats(0.0, 1e6).map(repr) | st.integers(0, 99).map(str))
    clock = " ".join(
        map(draw, [st.sampled_from(["time", "2*time", "time - T"]), st.sampled_from([">=", ">", "<", "=="])])
    )
    clock += f" {number}"
    changes = ["k = 2*T", f"k = {number}", f"A = 0, k = {number}", "k = time + 0.1"]
    if draw(st.booleans()):
        what = f"at {clock} and not (time == T): {draw(st.sampled_from(changes))}"
    else:
        test = draw(st.sampled_from(["A + 2*B > T", "max(A, B) >= 3", "(A > 2) == (B > 2)", "A*B/T != 4"]))
        join = draw(st.sampled_from(["{0}", "{0} and {1}", "not ({0} or {1})", "({0}) or {1}"]))
        value = draw(
            st.sampled_from(["binomial(A, 2)", "A + (B > 2)", "floor(A/3 + 0.1)", "5 if A > 2 else B"])
        )
        what = f"at {join.format(test, clock)}: {draw(st.sampled_from('AB'))} = {value}"
    priority = draw(st.sampled_from(["", "; priority A - 2*B", "; priority -0.1"]))
    options = draw(st.lists(st.sampled_from(["not persistent", "initially false"]), unique=True))
    return "; ".join([what + priority, *options])


@settings(max_examples=60)
@given(st.lists(events(), min_size=1, max_size=3))
@pytest.mark.parametrize("kind", FORMATS)
def test_random_expressions(kind: str, texts: list[str]) -> None:
    try:
        network = net(*texts)
    except fsp.UnsupportedError:  # an event that counts fire reads a parameter that another one changes
        return
    assert_same(network, again(network, kind))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("case", ["00029", "00033"])
def test_cases_of_the_suite(case: str, kind: str) -> None:
    (path,) = SUITE.glob(f"{case}/*sbml-l3v1.xml")
    network = fsp.load_model(path)
    assert network.events
    assert_same(network, again(network, kind))


@pytest.mark.parametrize("kind", FORMATS)
def test_names_are_kept(kind: str) -> None:
    network = fsp.ReactionNetwork(
        {"E1": 1, "cell": 0},
        ["E2: E1 -> 0 @ k", "E2_: 0 -> cell @ 1"],
        {"k": 1.0},
        events=[
            "at E1 > 3: E1 = 0",
            "at time > 3: cell = 0",
            "k: at cell > 9: cell = 0",
            "E1_: at time > 4: E1 = 0",
        ],
    )
    assert [event.name for event in network.events] == ["E1", "E2", "k", "E1_"]
    assert_same(network, again(network, kind))


def test_a_name_that_only_looks_like_an_identifier_of_its_own() -> None:
    text = net("a: at A > 3: A = 0", "a_: at B > 3: B = 0").to_sbml()
    assert text.count('<event id="a_"') == 1
    other = read_sbml(text.replace('<event id="a_"', '<event name="a" id="a_"'))
    assert [event.name for event in other.events] == ["a", "a_"]


def test_what_is_in_the_files() -> None:
    network = net("dose: at time >= T: A = A + 10, k = 0; priority 2; not persistent; initially false")
    sbml = network.to_sbml()
    assert '<parameter id="k" value="1.5" constant="false" />' in sbml
    assert '<parameter id="T" value="2.0" constant="true" />' in sbml
    assert '<trigger initialValue="false" persistent="false">' in sbml
    line = "dose: at (time >= T), priority = 2, t0 = false, persistent = false, fromTrigger = true: A = A + 10, k = 0;"
    assert line in network.to_antimony()


def test_the_same_solution(tmp_path: Path) -> None:
    network = net("at A >= 4: A = floor(A/2), B = B + 1; priority 3", "at time >= 0.5: B = 0, k = 4")
    network.to_sbml(tmp_path / "a.xml")
    network.to_antimony(tmp_path / "a.ant")
    laws = [
        fsp.solve_transient(n, [1.0], tolerance=1e-6).final
        for n in (network, fsp.load_model(tmp_path / "a.xml"), fsp.load_model(tmp_path / "a.ant"))
    ]
    for law in laws[1:]:
        np.testing.assert_array_equal(law.states, laws[0].states)
        np.testing.assert_allclose(law.probabilities, laws[0].probabilities, rtol=1e-12)


# -- refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "kinds", "culprit"),
    [
        (net("é: at A > 3: A = 0"), FORMATS, "event 'é'.*rename"),
        (net("priority: at A > 3: A = 0"), ["antimony"], "event 'priority'.*word of Antimony.*rename"),
        (net("at A > 3: A = binomial(A, B)"), FORMATS, "binomial"),
        (net("at A/98765432109876543210987 > 3: A = 0"), FORMATS, "event 'E1' would change"),
    ],
)
def test_refused_by_name(network: fsp.ReactionNetwork, kinds: Any, culprit: str) -> None:
    for kind in kinds:
        with pytest.raises(UnsupportedError, match=culprit):
            again(network, kind)
    for kind in set(FORMATS) - set(kinds):
        assert_same(network, again(network, kind))


# -- controls: what differs is seen to differ --------------------------------------------------------------

DOSE = "dose: at time >= 2 and A > 1: A = A + 2*B, B = 0; priority 2"


@pytest.mark.parametrize(
    "other",
    [
        DOSE.replace("dose", "doses"),
        DOSE.replace(">= 2", "> 2"),
        DOSE.replace(">= 2", ">= 2.0000000000000004"),
        DOSE.replace("and", "or"),
        DOSE.replace("2*B", "B*3"),
        DOSE.replace(", B = 0", ""),
        DOSE.replace("B = 0", "B = 1"),
        DOSE.replace("priority 2", "priority 2.5"),
        DOSE.replace("; priority 2", ""),
        DOSE + "; not persistent",
        DOSE + "; initially false",
        DOSE + "; values at execution",
    ],
)
def test_control_other_events_are_not_equal(other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = net(DOSE)
    assert net(other) != network
    assert net(other).events[0] != network.events[0]
    monkeypatch.setattr("fsp.model.sbml.read_sbml", lambda text: net(other))
    with pytest.raises(UnsupportedError, match="event 'dose' would change"):
        network.to_sbml()


def test_control_events_that_are_left_out_or_change_places_are_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = net(DOSE, "wash: at A > 7: A = 0")
    for other in (net(DOSE), net("wash: at A > 7: A = 0", DOSE), net()):
        assert other != network
        monkeypatch.setattr("fsp.model.sbml.read_sbml", lambda text, other=other: other)
        with pytest.raises(UnsupportedError, match="would"):
            network.to_sbml()


def test_equality_does_not_see_how_an_event_is_written() -> None:
    same = "dose: at 1 < A and time >= 2: B = 0, A = B*2 + A; priority 2"
    assert net(DOSE) == net(same)
    assert hash(net(DOSE).events[0]) == hash(net(same).events[0])
    assert net(DOSE).events[0] == replace(net(DOSE).events[0])
    assert net("at A > 3: A = binomial(A, 2)") == net("at A > 3: A = A*(A - 1)/2")
