"""SBML files that are no models: bombs, deep nesting, formulas that grow, wrong mathematics, wrong models."""

from __future__ import annotations

from collections.abc import Iterator

from sbml_files import apply

__all__ = ["SBML_FAMILIES", "sbml"]

MATH = "http://www.w3.org/1998/Math/MathML"


def sbml(
    law: str = "<cn>1</cn>",
    *,
    before: str = "",
    parts: str = "",
    species: str = 'initialAmount="1"',
    head: str = "",
) -> str:
    """Return a small model with holes for what is wrong."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>{head}
<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2"><model id="m">
{before}<listOfCompartments><compartment id="c" size="1" constant="true" spatialDimensions="3"/></listOfCompartments>
<listOfSpecies><species id="A" compartment="c" hasOnlySubstanceUnits="true" boundaryCondition="false" constant="false"
 {species}/></listOfSpecies>{parts}
<listOfReactions><reaction id="R" reversible="false"><listOfReactants>
<speciesReference species="A" stoichiometry="1" constant="true"/></listOfReactants>
<kineticLaw><math xmlns="{MATH}">{law}</math></kineticLaw></reaction></listOfReactions></model></sbml>"""


def defined(tag: str, key: str, section: str, formulas: dict[str, str]) -> str:
    """Return parameters with a list of elements that define them."""
    declared = "".join(f'<parameter id="{n}" constant="false"/>' for n in formulas)
    listed = "".join(
        f'<{tag} {key}="{n}"><math xmlns="{MATH}">{f}</math></{tag}>' for n, f in formulas.items()
    )
    return f"<listOfParameters>{declared}</listOfParameters><{section}>{listed}</{section}>"


def rules(**formulas: str) -> str:
    """Return parameters with assignment rules."""
    return defined("assignmentRule", "variable", "listOfRules", formulas)


def starts(**formulas: str) -> str:
    """Return parameters with initial assignments."""
    return defined("initialAssignment", "symbol", "listOfInitialAssignments", formulas)


def functions(**bodies: str) -> str:
    inner = "<lambda><bvar><ci>x</ci></bvar>{}</lambda>"
    one = f'<functionDefinition id="{{}}"><math xmlns="{{}}">{inner}</math></functionDefinition>'
    listed = "".join(one.format(name, MATH, body) for name, body in bodies.items())
    return f"<listOfFunctionDefinitions>{listed}</listOfFunctionDefinitions>"


def bombs() -> Iterator[tuple[str, str]]:
    laughs = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 30))
    yield "billion laughs", sbml("<ci>&e29;</ci>", head=f'<!DOCTYPE sbml [<!ENTITY e0 "ha">{laughs}]>')
    yield (
        "quadratic blow-up",
        sbml("&big;" * 50_000, head=f'<!DOCTYPE sbml [<!ENTITY big "{"x" * 100_000}">]>'),
    )
    yield (
        "external entity",
        sbml("<ci>&x;</ci>", head='<!DOCTYPE sbml [<!ENTITY x SYSTEM "file:///etc/hostname">]>'),
    )
    yield "external subset", sbml(head='<!DOCTYPE sbml SYSTEM "http://localhost:9/x.dtd">')
    yield "parameter entity", sbml(head="<!DOCTYPE sbml [<!ENTITY % p \"<!ENTITY q '%p;'>\"> %p;]>")
    yield (
        "entity of itself",
        sbml("<ci>&a;</ci>", head='<!DOCTYPE sbml [<!ENTITY a "&b;"><!ENTITY b "&a;">]>'),
    )
    yield "a plain doctype", sbml(head="<!DOCTYPE sbml>")
    yield "unknown entity", sbml("<ci>&nothing;</ci>")
    yield "doctype behind the root", sbml() + "<!DOCTYPE sbml>"
    yield (
        "attributes",
        sbml(head="").replace("<model ", "<model " + " ".join(f'a{i}="1"' for i in range(100_000)), 1),
    )
    yield (
        "100,000 name spaces",
        sbml("<ci>B</ci>").replace(
            "<sbml ", "<sbml " + " ".join(f'xmlns:n{i}="u{i}"' for i in range(100_000)) + " "
        ),
    )


def nesting() -> Iterator[tuple[str, str]]:
    deep = 10_000
    for name in ("minus", "exp", "not", "plus"):
        yield f"10,000 levels of {name}", sbml(f"<apply><{name}/>" * deep + "<ci>A</ci>" + "</apply>" * deep)
    yield (
        "10,000 levels of piecewise",
        sbml("<piecewise><otherwise>" * deep + "<cn>1</cn>" + "</otherwise></piecewise>" * deep),
    )
    yield (
        "10,000 levels of power",
        sbml("<apply><power/><cn>2</cn>" * deep + "<cn>2</cn>" + "</apply>" * deep),
    )
    yield "900 levels of times", sbml("<apply><times/><ci>A</ci>" * 900 + "<ci>B</ci>" + "</apply>" * 900)
    yield "150 levels of exp", sbml("<apply><exp/>" * 150 + "<ci>A</ci>" + "</apply>" * 150)
    yield (
        "10,000 levels of notes",
        sbml(
            before="<notes>"
            + '<div xmlns="http://www.w3.org/1999/xhtml">' * deep
            + "</div>" * deep
            + "</notes>"
        ),
    )
    yield "1,000,000 open tags", "<a>" * 1_000_000
    yield (
        "10,000 levels of lambda",
        sbml("<ci>A</ci>", before=functions(f="<lambda>" * deep + "</lambda>" * deep)),
    )
    yield "10,000 models", sbml().replace("<model ", "<model>" * deep + "<model ")


def growth() -> Iterator[tuple[str, str]]:
    """Make small files whose formulas become huge when they are put into one another."""
    twice = {f"p{i}": apply("times", f"<ci>p{i - 1}</ci>", f"<ci>p{i - 1}</ci>") for i in range(1, 64)}
    yield "rules that double", sbml("<ci>p63</ci>", parts=rules(p0=apply("exp", "<ci>A</ci>"), **twice))
    yield "initial assignments that square", sbml("<ci>p63</ci>", parts=starts(p0="<cn>10</cn>", **twice))
    sums = {f"p{i}": apply("plus", *[f"<ci>p{i - 1}</ci>"] * 10) for i in range(1, 30)}
    yield "rules with ten copies", sbml("<ci>p29</ci>", parts=rules(p0="<ci>A</ci>", **sums))
    calls = {
        f"f{i}": apply("plus", *[f"<apply><ci>f{i - 1}</ci><ci>x</ci></apply>"] * 2) for i in range(1, 64)
    }
    yield (
        "functions that double",
        sbml("<apply><ci>f63</ci><ci>A</ci></apply>", before=functions(f0="<ci>x</ci>", **calls)),
    )
    inner = "<ci>A</ci>"
    for _ in range(40):
        inner = f"<apply><ci>f</ci>{inner}</apply>"
    yield (
        "a function of a function of ...",
        sbml(inner, before=functions(f=apply("times", "<ci>x</ci>", "<ci>x</ci>"))),
    )
    tower = "<cn>9</cn>"
    for _ in range(30):
        tower = apply("power", "<cn>9</cn>", tower)
    yield "a tower of powers", sbml(tower)
    yield "10^(10^10)", sbml(apply("power", "<cn>10</cn>", apply("power", "<cn>10</cn>", "<cn>10</cn>")))
    yield "a factorial of a factorial", sbml(apply("factorial", apply("factorial", "<cn>99</cn>")))
    yield "a factorial of 1e9", sbml(apply("factorial", "<cn>1e9</cn>"))
    yield (
        "(A + 1)^100000000",
        sbml(
            apply(
                "times",
                "<ci>B</ci>",
                apply("power", apply("plus", "<ci>A</ci>", "<cn>1</cn>"), "<cn>1e8</cn>"),
            )
        ),
    )


def wrong_math() -> Iterator[tuple[str, str]]:
    a = "<ci>A</ci>"
    bad = {
        "nothing": "",
        "text": "A + 1",
        "unknown element": "<gamma/>",
        "unknown name": "<ci>Unknown</ci>",
        "unknown function": f"<apply><ci>f</ci>{a}</apply>",
        "unknown symbol": '<csymbol encoding="text" definitionURL="http://example.org/x">x</csymbol>',
        "delay": f'<apply><csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/delay">d</csymbol>{a}<cn>1</cn></apply>',
        "rateOf": f'<apply><csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/rateOf">d</csymbol>{a}</apply>',
        "empty apply": "<apply/>",
        "apply of a number": f"<apply><cn>1</cn>{a}</apply>",
        "division of one": apply("divide", a),
        "division of three": apply("divide", a, a, a),
        "power of three": apply("power", a, a, a),
        "exp of nothing": apply("exp"),
        "exp of two": apply("exp", a, a),
        "condition of a number": f"<piecewise><piece>{a}{a}</piece></piecewise>",
        "piece of one": f"<piecewise><piece>{a}</piece></piecewise>",
        "empty piecewise": "<piecewise/>",
        "a condition with one side": apply("lt", a),
        "two formulas": a + a,
        "lambda": f"<lambda><bvar><ci>x</ci></bvar>{a}</lambda>",
        "bvar": f"<bvar>{a}</bvar>",
        "sum of a condition": apply("plus", apply("and", a, a), a),
        "not of a number": apply("not", a),
        "text number": "<cn>one</cn>",
        "empty number": "<cn/>",
        "two numbers in one": "<cn>1 2</cn>",
        "hexadecimal": "<cn>0x10</cn>",
        "comma": "<cn>1,5</cn>",
        "base 2": '<cn base="2">101</cn>',
        "complex": '<cn type="complex-cartesian">1<sep/>2</cn>',
        "integer with a point": '<cn type="integer">1.5</cn>',
        "rational 1/0": '<cn type="rational">1<sep/>0</cn>',
        "rational without sep": '<cn type="rational">1</cn>',
        "e-notation without sep": '<cn type="e-notation">1</cn>',
        "e-notation 1e10000000000": '<cn type="e-notation">1<sep/>10000000000</cn>',
        "e-notation 1e999": '<cn type="e-notation">1<sep/>999</cn>',
        "1e999": "<cn>1e999</cn>",
        "-1e999": "<cn>-1e999</cn>",
        "1e-999": "<cn>1e-999</cn>",
        "1e99999999999999999999": "<cn>1e99999999999999999999</cn>",
        "infinity": "<infinity/>",
        "not a number": "<notanumber/>",
        "integer of 30 digits": f'<cn type="integer">{"9" * 30}</cn>',
        "number of a million digits": f"<cn>{'9' * 1_000_000}</cn>",
        "one over zero": apply("divide", "<cn>1</cn>", "<cn>0</cn>"),
        "zero to the minus one": apply("power", "<cn>0</cn>", "<cn>-1</cn>"),
        "log of zero": apply("ln", "<cn>0</cn>"),
        "log of base one": f"<apply><log/><logbase><cn>1</cn></logbase>{a}</apply>",
        "root of minus one": apply("root", "<cn>-1</cn>"),
        "root of degree zero": f"<apply><root/><degree><cn>0</cn></degree>{a}</apply>",
        "factorial of -1": apply("factorial", "<cn>-1</cn>"),
        "a negative rate": "<cn>-1</cn>",
        "exp(100000)": apply("exp", "<cn>100000</cn>"),
        "max of nothing": apply("max"),
        "quotient": apply("quotient", a, "<cn>0</cn>"),
        "a set": "<set><cn>1</cn></set>",
        "integral": f"<apply><int/>{a}</apply>",
        "semantics only": "<semantics/>",
        "another math": f'<math xmlns="{MATH}">{a}</math>',
        "another name space": '<x:ci xmlns:x="http://example.org">A</x:ci>',
        "a comment in a number": "<cn>1<!-- -->x</cn>",
        "name with a space": "<ci>A B</ci>",
        "an attribute twice": '<cn type="real" type="real">1</cn>',
    }
    for name, law in bad.items():
        yield name, sbml(law)


def wrong_models() -> Iterator[tuple[str, str]]:
    x, y = "<ci>x</ci>", "<ci>y</ci>"
    one = apply("plus", y, "<cn>1</cn>")
    yield "cyclic rules", sbml(x, parts=rules(x=one, y=x))
    yield "rule of itself", sbml(x, parts=rules(x=apply("plus", x, "<cn>1</cn>")))
    ring = {f"x{i}": f"<ci>x{(i + 1) % 300}</ci>" for i in range(300)}
    yield "ring of 300 rules", sbml("<ci>x0</ci>", parts=rules(**ring))
    chain = {f"x{i}": apply("exp", f"<ci>x{i + 1}</ci>") for i in range(300)}
    yield "chain of 300 rules", sbml("<ci>x0</ci>", parts=rules(**chain, x300="<ci>A</ci>"))
    chain = {f"x{i}": apply("plus", f"<ci>x{i + 1}</ci>", "<cn>1</cn>") for i in range(3000)}
    yield "chain of 3,000 initial assignments", sbml("<ci>x0</ci>", parts=starts(**chain, x3000="<ci>Q</ci>"))
    yield "cyclic initial assignments", sbml(x, parts=starts(x=one, y=x))
    yield "initial assignment to nothing", sbml(parts=starts(x=x).replace('symbol="x"', 'symbol="z"'))
    call = "<apply><ci>{}</ci><ci>x</ci></apply>"
    yield (
        "cyclic functions",
        sbml(call.format("f").replace("x", "A"), before=functions(f=call.format("g"), g=call.format("f"))),
    )
    yield "function of itself", sbml(call.format("f").replace("x", "A"), before=functions(f=call.format("f")))
    yield "function without a body", sbml("<apply><ci>f</ci><ci>A</ci></apply>", before=functions(f=""))
    for value in ("1e999", "nan", "inf", "-1", "0.5", "1e30", "x", "", "1e-999", "9" * 1000, "1 2", "٣"):
        yield f"initial amount {value[:8]}", sbml(species=f'initialAmount="{value}"')
        yield f"stoichiometry {value[:8]}", sbml().replace('stoichiometry="1"', f'stoichiometry="{value}"')
    for value in ("1e999", "nan", "x", "1e-999"):
        yield (
            f"parameter {value}",
            sbml(
                "<ci>k</ci>",
                parts=f'<listOfParameters><parameter id="k" value="{value}" constant="true"/></listOfParameters>',
            ),
        )
    yield (
        "compartment of size 0",
        sbml().replace('size="1"', 'size="0"').replace('Units="true"', 'Units="false"'),
    )
    unit = '<listOfUnits><unit kind="{}" exponent="{}" scale="{}" multiplier="{}"/></listOfUnits>'
    units = f'<listOfUnitDefinitions><unitDefinition id="u">{unit}</unitDefinition></listOfUnitDefinitions>'
    yield (
        "unknown unit kind",
        sbml(before=units.format("furlong", 1, 0, 1)).replace('id="m"', 'id="m" substanceUnits="u"'),
    )
    yield (
        "unit scale 1e9",
        sbml(before=units.format("mole", 1, 10**9, 1)).replace('id="m"', 'id="m" substanceUnits="u"'),
    )
    yield (
        "unit exponent 1e9",
        sbml(before=units.format("mole", 10**9, 3, 5)).replace('id="m"', 'id="m" substanceUnits="u"'),
    )
    yield (
        "unit multiplier 1e999",
        sbml(before=units.format("item", 1, 0, "1e999")).replace('id="m"', 'id="m" substanceUnits="u"'),
    )
    yield "undefined unit", sbml().replace('id="m"', 'id="m" substanceUnits="parsec"')
    yield "moles", sbml().replace('id="m"', 'id="m" substanceUnits="mole" extentUnits="mole"')
    yield (
        "two species with one name",
        sbml().replace("</listOfSpecies>", '<species id="A" compartment="c"/></listOfSpecies>'),
    )
    yield (
        "no such compartment",
        sbml().replace('compartment="c"', 'compartment="d"').replace('Units="true"', 'Units="false"'),
    )
    yield "no such species", sbml().replace('species="A"', 'species="B"')
    yield "no reactions", sbml().split("<listOfReactions>")[0] + "</model></sbml>"
    yield "no model", '<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2"/>'
    yield "two models", sbml().replace("</sbml>", "<model/></sbml>")
    yield "html", "<!doctype html><html><body>Not found</body></html>"
    yield "svg", '<svg xmlns="http://www.w3.org/2000/svg"/>'
    yield "CellML", '<model xmlns="http://www.cellml.org/cellml/1.1#" name="m"/>'
    yield "json", '{"model": {"species": ["A"]}}'
    yield "yaml", "model:\n  species: [A]\n"
    for level, version in ((0, 0), (1, 2), (2, 9), (3, 7), (4, 1), (99999999999, 1), (-3, 2)):
        yield (
            f"level {level} version {version}",
            sbml().replace('level="3" version="2"', f'level="{level}" version="{version}"'),
        )
    yield "no name space", sbml().replace(' xmlns="http://www.sbml.org/sbml/level3/version2/core"', "")
    yield "encoding unknown", sbml("<ci>Q</ci>").replace("UTF-8", "klingon")
    yield "encoding UTF-16 that is none", sbml("<ci>Q</ci>").replace("UTF-8", "UTF-16")
    yield "rate rule", sbml("<ci>x</ci>", parts=rules(x="<ci>A</ci>").replace("assignmentRule", "rateRule"))
    yield (
        "rule twice",
        sbml(
            "<ci>x</ci>",
            parts=rules(x="<ci>A</ci>").replace(
                "</listOfRules>",
                f'<assignmentRule variable="x"><math xmlns="{MATH}"><cn>1</cn></math></assignmentRule></listOfRules>',
            ),
        ),
    )
    yield (
        "unknown required package",
        sbml().replace(
            "<sbml ",
            '<sbml xmlns:q="http://www.sbml.org/sbml/level3/version1/quantum/version1" q:required="true" ',
        ),
    )
    name = "x" * 10_000_000
    yield "10 MB species", sbml().replace('"A"', f'"{name}"')
    yield "10 MB reaction", sbml("<ci>Q</ci>").replace('id="R"', f'id="{name}"')
    yield "10 MB name in a formula", sbml(f"<ci>{name}</ci>")
    yield "10 MB function", sbml(f"<apply><ci>{name}</ci><ci>A</ci></apply>")
    yield "10 MB element", sbml(f"<{name}/>")
    yield "10 MB attribute", sbml().replace("<model ", f"<model {name}='1' ")
    yield "10 MB unit", sbml().replace('id="m"', f'id="m" substanceUnits="{name}"')
    yield "10 MB number", sbml(f"<cn>{'1' * 10_000_000}</cn>")
    yield "10 MB text without an end", sbml()[:200] + f"<!-- {name}"
    yield (
        "10 MB of species",
        sbml("<ci>Q</ci>").replace(
            "</listOfSpecies>",
            "".join(f'<species id="S{i}" compartment="c" initialAmount="1"/>' for i in range(180_000))
            + "</listOfSpecies>",
        ),
    )


SBML_FAMILIES = (bombs, nesting, growth, wrong_math, wrong_models)
