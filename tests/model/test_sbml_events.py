"""Events of SBML files: what each element and attribute means."""

from __future__ import annotations

from pathlib import Path

import pytest

import fsp
from fsp.model.sbml import read_sbml

MATH = 'xmlns="http://www.w3.org/1998/Math/MathML"'
TIME = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/time">t</csymbol>'


def apply(operator: str, *arguments: str) -> str:
    return f"<apply><{operator}/>{''.join(arguments)}</apply>"


def ci(name: str) -> str:
    return f"<ci>{name}</ci>"


def cn(value: float) -> str:
    return f"<cn>{value}</cn>"


def math(tree: str) -> str:
    return f"<math {MATH}>{tree}</math>"


def assignment(variable: str, tree: str) -> str:
    return f'<eventAssignment variable="{variable}">{math(tree)}</eventAssignment>'


AFTER = apply("geq", TIME, cn(2.5))
SET = assignment("X", cn(7))


def model(events: str, level: int = 3, version: int = 1) -> str:
    namespace = f"http://www.sbml.org/sbml/level{level}/version{version}" + ("/core" if level > 2 else "")
    if (level, version) == (2, 1):
        namespace = "http://www.sbml.org/sbml/level2"
    constant = ' constant="false"' if level > 2 else ""
    size = ' constant="true" spatialDimensions="3"' if level > 2 else ""
    fast = ' fast="false"' if (level, version) == (3, 1) else ""
    unit = ' hasOnlySubstanceUnits="true"' if level > 2 or version > 1 else ""
    boundary = ' boundaryCondition="false"' if level > 2 else ""
    parameter = ' constant="true"' if level > 2 else ""
    reference = f'<speciesReference species="X" stoichiometry="1"{constant}/>'
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="{namespace}" level="{level}" version="{version}"><model id="m">
<listOfCompartments><compartment id="c" size="1"{size}/></listOfCompartments>
<listOfSpecies>
<species id="X" compartment="c" initialAmount="3"{unit}{boundary}{constant}/>
<species id="Y" compartment="c" initialAmount="1"{unit}{boundary}{constant}/>
</listOfSpecies>
<listOfParameters><parameter id="k" value="4"{parameter}/></listOfParameters>
<listOfReactions><reaction id="R" reversible="false"{fast}>
<listOfReactants>{reference}</listOfReactants>
<kineticLaw>{math(ci("X"))}</kineticLaw></reaction></listOfReactions>
<listOfEvents>{events}</listOfEvents></model></sbml>"""


def event(inside: str, attributes: str = 'useValuesFromTriggerTime="true"', name: str = "e") -> str:
    return f'<event id="{name}" {attributes}>{inside}</event>'


def trigger(tree: str, initial: str = "true", persistent: str = "true") -> str:
    return f'<trigger initialValue="{initial}" persistent="{persistent}">{math(tree)}</trigger>'


def assigned(*parts: str) -> str:
    return f"<listOfEventAssignments>{''.join(parts)}</listOfEventAssignments>"


@pytest.mark.parametrize("version", [1, 2])
def test_level_3(version):
    inside = (
        trigger(AFTER)
        + f"<priority>{math(ci('k'))}</priority>"
        + assigned(SET, assignment("Y", apply("plus", ci("Y"), ci("k"))))
    )
    (found,) = read_sbml(model(event(inside), 3, version)).events
    assert str(found) == "e: at time >= 5/2: X = 7, Y = Y + k; priority k"
    assert found.persistent
    assert found.initial_value
    assert found.use_trigger_values


def test_attributes():
    inside = trigger(AFTER, "false", "false") + assigned(SET)
    (found,) = read_sbml(model(event(inside, 'useValuesFromTriggerTime="false"'))).events
    assert (found.persistent, found.initial_value, found.use_trigger_values) == (False, False, False)


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_level_2(version):
    """A trigger that is true at the start does not fire, nothing is dropped, and there are no priorities."""
    attributes = 'useValuesFromTriggerTime="true"' if version == 4 else ""
    inside = f"<trigger>{math(AFTER)}</trigger>" + assigned(SET)
    (found,) = read_sbml(model(event(inside, attributes), 2, version)).events
    assert str(found) == "e: at time >= 5/2: X = 7"
    assert found.use_trigger_values


def test_what_it_does():
    inside = trigger(apply("and", AFTER, apply("gt", ci("X"), cn(0)))) + assigned(
        assignment("Y", ci("X")), SET
    )
    network = read_sbml(model(event(inside)))
    by_hand = fsp.ReactionNetwork(
        {"X": 3, "Y": 1}, ["X -> 0 @ 1"], events=["at time >= 2.5 and X > 0: Y = X, X = 7"]
    )
    one, other = (fsp.solve_transient(n, [2.0, 2.5, 4.0]) for n in (network, by_hand))
    assert one.mean("X").tolist() == other.mean("X").tolist()
    assert one.mean("Y").tolist() == other.mean("Y").tolist()


def test_delay():
    inside = trigger(AFTER) + f"<delay>{math(cn(1))}</delay>" + assigned(SET)
    with pytest.raises(
        fsp.UnsupportedError, match="the delay 1 of event 'e' is not supported; if the trigger"
    ):
        read_sbml(model(event(inside)))
    none = trigger(AFTER) + f"<delay>{math(cn(0))}</delay>" + assigned(SET)
    assert len(read_sbml(model(event(none))).events) == 1


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        (trigger(AFTER) + assigned(assignment("c", cn(1))), "the assignment of 'c' in event 'e'"),
        (
            trigger(apply("geq", ci("X"), cn(4))) + assigned(assignment("k", cn(1))),
            "changes the parameter 'k'",
        ),
        (trigger(apply("geq", TIME, ci("X"))) + assigned(SET), "trigger of event 'e' reads time"),
        (trigger(AFTER) + assigned(SET, SET), "second assignment of 'X'|[Dd]uplicate|more than one"),
    ],
)
def test_refused(inside, words):
    text = model(event(inside)).replace(
        'id="k" value="4" constant="true"', 'id="k" value="4.5" constant="false"'
    )
    with pytest.raises(fsp.FSPError, match=words):
        read_sbml(text)


def test_parameters_at_moments_of_time():
    text = model(event(trigger(AFTER) + assigned(assignment("k", cn(0.5))))).replace(
        'value="4" constant="true"', 'value="4"'
    )
    network = read_sbml(text.replace('id="k" value="4"', 'id="k" value="4" constant="false"'))
    assert str(network.events[0]) == "e: at time >= 5/2: k = 1/2"
    assert fsp.solve_transient(network, [3.0]).final.certified


def test_an_event_without_assignments_does_nothing():
    assert read_sbml(model(event(trigger(AFTER)), 3, 2)).events == ()


def test_events_from_antimony(tmp_path: Path):
    path = tmp_path / "m.ant"
    path.write_text(
        "species X; X = 5; k = 2; => X; k; X => ; 0.1*X;\n"
        "E: at X > 9, t0=false, persistent=false, priority=3, fromTrigger=false: X = X - 4;"
    )
    (found,) = fsp.load_model(path).events
    assert (
        str(found)
        == "E: at X > 9: X = X - 4; priority 3; not persistent; initially false; values at execution"
    )
