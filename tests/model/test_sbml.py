"""The SBML reader: what it understands, and that it refuses the rest by name."""

from __future__ import annotations

import numpy as np
import pytest
from sbml_files import L2, LAW, MATHML, K, apply, ci, cn, model, reaction, species

from fsp.errors import ExpressionError, FSPError, ModelError, UnsupportedError
from fsp.model.sbml import read_sbml


def rates(text, states):
    return read_sbml(text).evaluate_propensities(states)


def law_value(law, a=3, parameters=K, functions=""):
    """Return the value of a law at A = a."""
    return rates(model(reaction(law, ()), parameters=parameters, functions=functions), [[a, 10]])[0, 0]


def test_simple():
    net = read_sbml(model(), source="file.xml")
    assert net.species_names == ("A", "B")
    assert net.initial_state.tolist() == [10, 10]
    assert dict(net.parameters) == {"k": 0.5}
    assert (net.name, net.source) == ("m", "file.xml")
    assert net.reactions[0].name == "R"
    assert net.reactions[0].text == "A -> 0"
    assert net.evaluate_propensities([[4, 0]]).tolist() == [[2.0]]
    assert [f.species for f in net.propensities[0].factors] == [(), ("A",)]


@pytest.mark.parametrize(
    ("law", "expected"),
    [
        (apply("plus", ci("A"), cn(1), cn(2)), 6),
        (apply("plus"), 0),
        (apply("times"), 1),
        (apply("minus", ci("A"), cn(1)), 2),
        (apply("plus", cn(5), apply("minus", ci("A"))), 2),
        (apply("divide", ci("A"), cn(2)), 1.5),
        (apply("power", ci("A"), cn(3)), 27),
        (apply("root", ci("A")), 3**0.5),
        (apply("root", f"<degree>{cn(3)}</degree>", cn(27)), 3),
        (apply("exp", ci("A")), np.exp(3)),
        (apply("ln", ci("A")), np.log(3)),
        (apply("log", cn(1000)), 3),
        (apply("log", f"<logbase>{cn(2)}</logbase>", cn(8)), 3),
        (apply("abs", apply("minus", ci("A"))), 3),
        (apply("floor", cn("2.5", "real")), 2),
        (apply("ceiling", cn("2.5", "real")), 3),
        (apply("factorial", ci("A")), 6),
        (cn("1.5 <sep/> -2", "e-notation"), 0.015),
        (cn("3 <sep/> 4", "rational"), 0.75),
        ("<cn> 0.1 </cn>", 0.1),
        ("<pi/>", np.pi),
        ("<exponentiale/>", np.e),
        (apply("gt", ci("A"), cn(2)), 1),
        (apply("and", apply("gt", ci("A"), cn(2)), apply("lt", ci("A"), cn(2))), 0),
        (apply("or", apply("gt", ci("A"), cn(2)), apply("lt", ci("A"), cn(2))), 1),
        (apply("xor", apply("gt", ci("A"), cn(2)), apply("geq", ci("A"), cn(2))), 0),
        (apply("not", apply("leq", ci("A"), cn(2))), 1),
        (apply("eq", ci("A"), cn(3), cn(3)), 1),
        (apply("neq", ci("A"), cn(3)), 0),
        (
            f"<piecewise><piece>{cn(7)}{apply('gt', ci('A'), cn(5))}</piece>"
            f"<otherwise>{cn(2)}</otherwise></piecewise>",
            2,
        ),
        (f"<piecewise><piece>{cn(7)}{apply('lt', ci('A'), cn(5))}</piece></piecewise>", 7),
        (f"<piecewise><piece>{cn(7)}<true/></piece></piecewise>", 7),
        (apply("times", ci("cell"), ci("A")), 3),
    ],
)
def test_mathematics(law, expected):
    assert law_value(law) == pytest.approx(expected, rel=1e-15)


def test_long_left_nested_sum():
    law = ci("A")
    for _ in range(150):
        law = apply("plus", law, ci("A"))
    assert law_value(law) == 453


def test_function_definitions_are_inlined():
    def function(name, arguments, body):
        bound = "".join(f"<bvar>{ci(a)}</bvar>" for a in arguments)
        math = f"<math {MATHML}><lambda>{bound}{body}</lambda></math>"
        return f'<functionDefinition id="{name}">{math}</functionDefinition>'

    functions = "<listOfFunctionDefinitions>" + function("g", ["x"], apply("times", ci("x"), ci("x")))
    functions += function("f", ["x", "k"], apply("plus", ci("x"), ci("k")))
    functions += "</listOfFunctionDefinitions>"
    call = f"<apply>{ci('f')}<apply>{ci('g')}{ci('A')}</apply>{cn(2)}</apply>"
    assert law_value(call, functions=functions) == 11  # the argument k hides the parameter k
    recursive = "<listOfFunctionDefinitions>" + function("h", ["x"], f"<apply>{ci('h')}{ci('x')}</apply>")
    recursive += "</listOfFunctionDefinitions>"
    with pytest.raises(FSPError, match="h"):
        law_value(f"<apply>{ci('h')}{ci('A')}</apply>", functions=recursive)
    with pytest.raises(FSPError, match="g"):
        law_value(f"<apply>{ci('g')}{ci('A')}{ci('A')}</apply>", functions=functions)


def test_local_parameters():
    local = '<listOfLocalParameters><localParameter id="k" value="2"/></listOfLocalParameters>'
    net = read_sbml(model(reaction(local=local) + reaction(name="Q")))
    assert dict(net.parameters) == {"k": 0.5, "R_k": 2.0}
    assert net.evaluate_propensities([[3, 0]]).tolist() == [[6.0, 1.5]]


def test_assignment_rules_of_parameters_are_inlined():
    def rule(name, law):
        return f'<assignmentRule variable="{name}"><math {MATHML}>{law}</math></assignmentRule>'

    time = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/time"> t </csymbol>'
    parameters = K + '<parameter id="p" constant="false"/><parameter id="q" constant="false"/>'
    # in the order of use, not of evaluation
    rules = (
        "<listOfRules>" + rule("q", apply("times", ci("p"), cn(2))) + rule("p", apply("plus", time, ci("k")))
    )
    text = model(
        reaction(apply("times", ci("q"), ci("A"))), parameters=parameters, rest=rules + "</listOfRules>"
    )
    net = read_sbml(text)
    assert net.depends_on_time
    assert net.evaluate_propensities([[3, 0]], time=1.0).tolist() == [[9.0]]
    rules = "<listOfRules>" + rule("q", ci("p")) + rule("p", ci("q")) + "</listOfRules>"
    with pytest.raises(ModelError, match="depends on itself"):
        read_sbml(model(reaction(ci("q")), parameters=parameters, rest=rules))


def test_boundary_and_constant_species():
    spec = (
        species("A") + species("B", 3, boundary="true") + species("C", 0.5, boundary="true", constant="true")
    )
    law = apply("times", ci("A"), ci("B"), ci("C"))
    net = read_sbml(model(reaction(law, [("A", 1), ("B", 2)], [("C", 1)]), spec))
    assert net.species_names == ("A", "B")
    assert net.parameters["C"] == 0.5
    assert net.stoichiometry.tolist() == [[-1, 0]]
    assert net.evaluate_propensities([[4, 3]]).tolist() == [[6.0]]
    # a reservoir that is empty does not stop its reaction, if the law says so
    spec = species("A") + species("B", 0, boundary="true")
    assert rates(model(reaction(ci("k"), [("B", 1)], [("A", 1)]), spec), [[0, 0]]).tolist() == [[0.5]]
    spec = species("A", constant="true")
    assert read_sbml(model(reaction(LAW, [("A", 1)], [("A", 1)]), spec)).stoichiometry.tolist() == [[0]]
    with pytest.raises(ModelError, match="changes the constant species 'A'"):
        read_sbml(model(reaction(LAW, [("A", 1)]), spec))


def test_concentrations_where_the_size_is_one():
    spec = species("A", units="false").replace("initialAmount", "initialConcentration")
    assert rates(model(spec=spec), [[4]]).tolist() == [[2.0]]


def test_size_may_be_anything_where_amounts_are_used():
    cell = '<compartment id="cell" size="2" constant="true"/>'
    law = apply("divide", ci("A"), ci("cell"))
    assert rates(model(reaction(law), compartments=cell), [[4, 0]]).tolist() == [[2.0]]
    assert rates(model(compartments='<compartment id="cell" constant="true"/>'), [[4, 0]]).tolist() == [[2.0]]


def test_level_2():
    text = (
        f'<sbml xmlns="{L2}" level="2" version="4"><model id="m">'
        '<listOfCompartments><compartment id="c" size="1"/></listOfCompartments>'
        '<listOfSpecies><species id="A" compartment="c" initialAmount="5"/></listOfSpecies>'
        '<listOfReactions><reaction id="R"><listOfReactants><speciesReference species="A"/></listOfReactants>'
        f"<kineticLaw><math {MATHML}>{apply('times', ci('k'), ci('A'))}</math><listOfParameters>"
        '<parameter id="k" value="3"/></listOfParameters></kineticLaw></reaction></listOfReactions>'
        "</model></sbml>"
    )
    net = read_sbml(text)
    assert net.evaluate_propensities([[2]]).tolist() == [[6.0]]
    assert dict(net.parameters) == {"R_k": 3.0}


REVERSIBLE = 'reversible="true" fast="false"'
A_TO_B = {"reactants": [("A", 1)], "products": [("B", 1)], "attributes": REVERSIBLE}


@pytest.mark.parametrize(
    ("law", "sides"),
    [
        (LAW, A_TO_B),
        (apply("times", ci("A"), apply("minus", ci("A"), cn(1))), A_TO_B),
        (apply("minus", apply("times", ci("A"), ci("A")), ci("A")), A_TO_B),
        (apply("divide", ci("A"), apply("minus", ci("k"), ci("B"))), A_TO_B),
    ],
)
def test_marked_reversible_but_not_a_net_rate(law, sides):
    assert read_sbml(model(reaction(law, **sides))).n_reactions == 1


def event():
    return (
        '@@<listOfEvents><event id="reset" useValuesFromTriggerTime="true"><trigger initialValue="false" '
        f'persistent="true"><math {MATHML}>{apply("gt", ci("A"), cn(5))}</math></trigger>'
        f"<delay><math {MATHML}>{cn(1)}</math></delay></event>"
        "</listOfEvents>"
    )


def rule(tag, variable="A"):
    attribute = f'variable="{variable}"' if variable else ""
    return f"<listOfRules><{tag} {attribute}><math {MATHML}>{cn(1)}</math></{tag}></listOfRules>"


def delay():
    symbol = (
        '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/delay"> delay </csymbol>'
    )
    return f"<apply>{symbol}{ci('A')}{cn(1)}</apply>"


LOCAL = '<listOfLocalParameters><localParameter id="k"/></listOfLocalParameters>'
NO_SIZE = '<compartment id="cell" spatialDimensions="3" constant="true"/>'
REFUSED = {
    "event": (model(rest=event()), UnsupportedError, "event 'reset'"),
    "rate rule": (
        model(reaction(ci("k"), ()), rest=rule("rateRule", "k")),
        UnsupportedError,
        "rate rule of 'k'",
    ),
    "algebraic rule": (model(rest=rule("algebraicRule", "")), UnsupportedError, "algebraic rule"),
    "fast": (
        model(reaction(attributes='reversible="false" fast="true"')),
        UnsupportedError,
        "fast reaction 'R'",
    ),
    "delay": (model(reaction(delay())), UnsupportedError, "delay"),
    "stoichiometry": (model(reaction(reactants=[("A", 1.5)])), UnsupportedError, "stoichiometry 1.5 of 'A'"),
    "no size": (
        model(spec=species("A", units="false"), compartments=NO_SIZE),
        ModelError,
        "size of compartment 'cell' is needed",
    ),
    "size used": (
        model(reaction(ci("cell")), compartments=NO_SIZE),
        ModelError,
        "size of compartment 'cell' is needed",
    ),
    "no law": (model(reaction(law="")), ModelError, "reaction 'R' has no kinetic law"),
    "no value": (
        model(parameters='<parameter id="k" constant="true"/>'),
        ModelError,
        "parameter 'k' is used",
    ),
    "no local value": (model(reaction(local=LOCAL)), ModelError, "local parameter 'k' of reaction 'R'"),
    "no amount": (
        model(spec=species("A").replace('initialAmount="10"', "")),
        ModelError,
        "species 'A' has no initial",
    ),
    "half a molecule": (model(spec=species("A", 0.5)), ModelError, "initial count of species 'A' is 0.5"),
    "negative": (model(spec=species("A", -1)), ModelError, "initial count of species 'A' is -1"),
    "unknown species": (model(reaction(reactants=[("Z", 1)])), ModelError, "unknown species 'Z'"),
    "unknown name": (model(reaction(ci("zz"))), ModelError, "reaction 'R': unknown name 'zz'"),
    "infinite": (
        model(parameters='<parameter id="k" value="INF" constant="true"/>'),
        ModelError,
        "parameter 'k' is inf",
    ),
    "not finite": (model(reaction("<infinity/>")), UnsupportedError, "not finite"),
    "large integer": (model(reaction(cn(99999999999))), FSPError, "integer"),
    "huge power": (
        model(reaction(apply("power", cn(9), apply("power", cn(9), apply("power", cn(9), cn(9)))))),
        ExpressionError,
        "not a finite number",
    ),
    "no reactions": (model(""), ModelError, "no reactions"),
    "no species": (model(reaction(ci("k"), ()), spec=""), FSPError, "listOfSpecies|no species"),
    "condition": (model(reaction(apply("and", ci("A"), ci("B")))), ExpressionError, "condition is expected"),
    "extent": (model(attributes='conversionFactor="k"'), UnsupportedError, "conversion factor 'k'"),
    "factor": (
        model(spec=species("A", extra='conversionFactor="k"')),
        UnsupportedError,
        "conversion factor 'k'",
    ),
    "text": ("hello", ModelError, "line 1"),
    "broken": (model()[:-20], ModelError, "line"),
    "other xml": ("<html/>", ModelError, "line 1"),
    "moles": (model(attributes='substanceUnits="mole"'), UnsupportedError, "amounts in 'mole'.*'A' is 6.02"),
    "species in moles": (
        model(spec=species("A", extra='substanceUnits="mole"')),
        UnsupportedError,
        "amounts in 'mole'.*item",
    ),
    "doctype": (
        '<?xml version="1.0"?><!DOCTYPE sbml [<!ENTITY a "b">]>' + model()[38:],
        ModelError,
        "document type",
    ),
    "level 1": (
        '<sbml xmlns="http://www.sbml.org/sbml/level1" level="1" version="2"><model name="m">'
        '<listOfCompartments><compartment name="c"/></listOfCompartments><listOfSpecies>'
        '<species name="A" compartment="c" initialAmount="1"/></listOfSpecies></model></sbml>',
        UnsupportedError,
        "level 1",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    text, kind, problem = REFUSED[name]
    with pytest.raises(kind, match=problem) as caught:
        read_sbml(text, source="model.xml")
    assert str(caught.value).startswith("model.xml")


def test_deep_mathematics_is_refused():
    law = ci("A")
    for _ in range(300):
        law = apply("exp", law)
    with pytest.raises(FSPError, match="nested deeper"):
        read_sbml(model(reaction(law)))


def test_value_that_is_not_used_may_be_missing():
    assert dict(read_sbml(model(parameters=K + '<parameter id="q" constant="true"/>')).parameters) == {
        "k": 0.5
    }
