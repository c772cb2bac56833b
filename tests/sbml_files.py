"""Texts of small SBML models, piece by piece."""

from __future__ import annotations

L3 = "http://www.sbml.org/sbml/level3/version1/core"
L2 = "http://www.sbml.org/sbml/level2/version4"
MATHML = 'xmlns="http://www.w3.org/1998/Math/MathML"'
CELL = '<compartment id="cell" spatialDimensions="3" size="1" constant="true"/>'
K = '<parameter id="k" value="0.5" constant="true"/>'


def ci(name):
    return f"<ci> {name} </ci>"


def cn(value, kind="integer"):
    return f'<cn type="{kind}"> {value} </cn>'


def apply(operator, *arguments):
    return f"<apply><{operator}/>{''.join(arguments)}</apply>"


LAW = apply("times", ci("k"), ci("A"))


def species(name, amount=10, extra="", units="true", boundary="false", constant="false"):
    return (
        f'<species id="{name}" compartment="cell" initialAmount="{amount}" hasOnlySubstanceUnits="{units}" '
        f'boundaryCondition="{boundary}" constant="{constant}" {extra}/>'
    )


def side(tag, molecules):
    inner = "".join(
        f'<speciesReference species="{s}" stoichiometry="{n}" constant="true"/>' for s, n in molecules
    )
    return f"<{tag}>{inner}</{tag}>" if molecules else ""


def reaction(
    law=LAW,
    reactants=(("A", 1),),
    products=(),
    name="R",
    attributes='reversible="false" fast="false"',
    local="",
):
    kinetic = f"<kineticLaw><math {MATHML}>{law}</math>{local}</kineticLaw>" if law else ""
    return (
        f'<reaction id="{name}" {attributes}>{side("listOfReactants", reactants)}'
        f"{side('listOfProducts', products)}"
        f"{kinetic}</reaction>"
    )


def model(reactions=None, spec=None, parameters=K, compartments=CELL, rest="", functions="", attributes=""):
    spec = species("A") + species("B") if spec is None else spec
    reactions = reaction() if reactions is None else reactions
    after = f"<listOfReactions>{reactions}</listOfReactions>" if reactions else ""
    rules, _, events = rest.partition("@@")
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<sbml xmlns="{L3}" level="3" version="1">'
        f'<model id="m" {attributes}>'
        f"{functions}<listOfCompartments>{compartments}</listOfCompartments><listOfSpecies>{spec}</listOfSpecies>"
        f"<listOfParameters>{parameters}</listOfParameters>{rules}{after}{events}</model></sbml>"
    )


NAMESPACES = {
    (2, 1): "http://www.sbml.org/sbml/level2",
    **{(2, v): f"http://www.sbml.org/sbml/level2/version{v}" for v in (2, 3, 4, 5)},
    **{(3, v): f"http://www.sbml.org/sbml/level3/version{v}/core" for v in (1, 2)},
}


def math(content):
    return f"<math {MATHML}>{content}</math>"


def symbol(name):
    return (
        f'<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/{name}"> {name} </csymbol>'
    )


def initial(name, content):
    return f'<initialAssignment symbol="{name}">{math(content)}</initialAssignment>'


def assignment(name, content):
    return f'<assignmentRule variable="{name}">{math(content)}</assignmentRule>'


def compartment(name="cell", size=None, dimensions=3, constant="true"):
    size = "" if size is None else f'size="{size}"'
    return f'<compartment id="{name}" spatialDimensions="{dimensions}" {size} constant="{constant}"/>'


def parameter(name, value=None, constant="true"):
    value = "" if value is None else f'value="{value}"'
    return f'<parameter id="{name}" {value} constant="{constant}"/>'


def document(level=3, version=1, attributes="", **lists):
    """Return a document of any level; keywords are the lists of a model, such as ``species=...``."""
    names = {
        "functions": "FunctionDefinitions",
        "units": "UnitDefinitions",
        "compartments": "Compartments",
        "species": "Species",
        "parameters": "Parameters",
        "initials": "InitialAssignments",
        "rules": "Rules",
        "constraints": "Constraints",
        "reactions": "Reactions",
        "events": "Events",
    }
    assert set(lists) <= set(names)
    body = "".join(f"<listOf{names[k]}>{lists[k]}</listOf{names[k]}>" for k in names if lists.get(k))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<sbml xmlns="{NAMESPACES[level, version]}" level="{level}" '
        f'version="{version}"><model id="m" {attributes}>{body}</model></sbml>'
    )
