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
