"""Files that are broken or made to do harm: our own error, at once, and nothing that is read in part."""

from __future__ import annotations

import time

import pytest
from sbml_files import apply, assignment, ci, cn, compartment, document, parameter, reaction, species

from fsp.errors import FSPError, ModelError, UnsupportedError
from fsp.model.antimony import check_antimony
from fsp.model.loader import load_model
from fsp.model.sbml import read_sbml
from fsp.model.sbml_text import check_text

pytestmark = pytest.mark.timeout(60)
LONG = "x" * 1_000_000


def text(**lists):
    defaults = {"compartments": compartment(size=1), "species": species("A"), "parameters": parameter("k", 2)}
    return document(**{**defaults, "reactions": reaction(), **lists})


def chain(n):
    """Return n rules, each of which needs the one before it."""
    rules = assignment("p0", ci("A")) + "".join(
        assignment(f"p{i}", apply("plus", ci(f"p{i - 1}"), cn(1))) for i in range(1, n)
    )
    return {
        "parameters": "".join(parameter(f"p{i}", constant="false") for i in range(n)),
        "rules": rules,
        "reactions": reaction(ci(f"p{n - 1}"), []),
    }


HOSTILE = {
    "doctype": ('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
    "undefined entity": (text().replace("<ci> A", "<ci> &x;"), "well-formed"),
    "deep": (
        text(reactions=reaction("<apply><exp/>" * 5000 + ci("A") + "</apply>" * 5000)),
        "deeper than 1000",
    ),
    "deep mathematics": (
        text(reactions=reaction("<apply><exp/>" * 300 + ci("A") + "</apply>" * 300)),
        "nested deeper",
    ),
    "long id": (text(species=species(LONG)), "longer than 1000"),
    "long reference": (text(reactions=reaction(ci(LONG))), "unknown name 'xxx"),
    "long tag": (text().replace("<listOfSpecies>", f"<{LONG}/><listOfSpecies>"), "longer than 1000"),
    "long attribute": (text().replace("<listOfSpecies>", f'<listOfSpecies {LONG}="1">'), "longer than 1000"),
    "stray text": (
        text().replace("<listOfSpecies>", f"{LONG}<listOfSpecies>"),
        "text 'xxx.*does not belong here",
    ),
    "long comment": (text().replace("<listOfSpecies>", f"<!--{LONG}--><listOfSpecies>"), "comment is longer"),
    "long integer": (text(reactions=reaction(cn("1" * 1_000_000))), "too large"),
    "many elements": (
        text(parameters="".join(parameter(f"k{i}", 1) for i in range(60_000))),
        "50,000 elements",
    ),
    "long sum": (
        text(reactions=reaction("<apply><plus/>" + ci("A") * 40_000 + "</apply>")),
        "parts|too long",
    ),
    "tower": (
        text(reactions=reaction(apply("power", cn(10), apply("power", cn(10), cn(10))))),
        "not a finite number",
    ),
    "factorial": (text(reactions=reaction(apply("factorial", cn(100_000)))), "outside the range"),
    "stoichiometry": (text(reactions=reaction(reactants=[("A", 1e300)])), "1e.300 molecules"),
    "count": (text(species=species("A", 1e300)), "too many"),
    "tiny": (text(parameters=parameter("k", "1e-400")), "too small"),
    "no number": (text(parameters=parameter("k", "two")), "line 2"),
    "long rules": (text(**chain(3000)), "over too many steps"),
    "nul": ("\0" * 1000, "well-formed"),
    "surrogate": ("\ud800", "well-formed"),
    "unknown namespace": (text().replace("level3/version1", "level9/version1"), "line|level"),
    "nothing inside": (
        '<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1"/>',
        "must contain a <model>",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(name):
    content, problem = HOSTILE[name]
    started = time.perf_counter()
    with pytest.raises(FSPError, match=problem) as caught:
        read_sbml(content, source="model.xml")
    assert time.perf_counter() - started < 30  # a hang, not a measurement
    assert len(str(caught.value)) < 1500
    assert str(caught.value).startswith("model.xml")


def test_what_is_large_but_sound_is_read():
    assert read_sbml(text(**chain(40))).evaluate_propensities([[3]]).tolist() == [[42.0]]
    notes = '<notes><p xmlns="http://www.w3.org/1999/xhtml">' + "<br/>" * 60_000 + "</p></notes>"
    assert read_sbml(text().replace("<listOfCompartments>", notes + "<listOfCompartments>")).n_reactions == 1


def test_declarations():
    body = text().partition("?>")[2]
    for declaration in (
        "",
        '<?xml version="1.0"?>',
        "<?xml version='1.0' encoding='utf-8' standalone='yes'?>",
    ):
        assert read_sbml(declaration + body).species_names == ("A",)
    with pytest.raises(ModelError, match="line 3"):
        read_sbml("<?xml version='1.0'\n\n?>" + body.replace("\n", "") + "<")
    assert check_text("<a/>", "") == '<?xml version="1.0" encoding="UTF-8"?><a/>'


def composed(*submodels, definitions=("inner",), inside=""):
    """Return a model of the package "comp"; each definition has one reaction."""
    core, comp = (
        "http://www.sbml.org/sbml/level3/version1/core",
        "http://www.sbml.org/sbml/level3/version1/comp/version1",
    )
    body = document(
        compartments=compartment(size=1),
        species=species("A"),
        parameters=parameter("k", 2),
        reactions=reaction(),
    )
    body = body[body.index("<listOfCompartments>") : body.index("</model>")]
    copies = "".join(f'<comp:submodel comp:id="{name}" comp:modelRef="{of}"/>' for name, of in submodels)
    defined = "".join(
        f'<comp:modelDefinition id="{name}">{body}{inside}</comp:modelDefinition>' for name in definitions
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><sbml xmlns="{core}" xmlns:comp="{comp}" level="3" version="1" '
        f'comp:required="true"><model id="m">{body}<comp:listOfSubmodels>{copies}</comp:listOfSubmodels></model>'
        f"<comp:listOfModelDefinitions>{defined}</comp:listOfModelDefinitions></sbml>"
    )


def test_submodels_are_put_together():
    net = read_sbml(composed(("one", "inner"), ("two", "inner")))
    assert set(net.species_names) == {"A", "one__A", "two__A"}
    assert net.evaluate_propensities([[1, 2, 3]])[0].sum() == 2 * (1 + 2 + 3)


def test_submodels_that_contain_themselves():
    inside = (
        '<comp:listOfSubmodels><comp:submodel comp:id="again" comp:modelRef="inner"/></comp:listOfSubmodels>'
    )
    with pytest.raises(FSPError, match="contains itself|line"):
        read_sbml(composed(("one", "inner"), inside=inside))


def test_required_packages():
    distrib = "http://www.sbml.org/sbml/level3/version1/distrib/version1"
    for name, uri in (("distrib", distrib), ("nonsense", "http://example.org/nonsense")):
        content = text().replace("<sbml ", f'<sbml xmlns:{name}="{uri}" {name}:required="true" ')
        with pytest.raises(FSPError, match=name):
            read_sbml(content)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("A = 1e999", "line 1: the number 1e999 is outside"),
        ("A = 5; // 1e999\n k = 1e-999", "line 2: the number 1e-999"),
        ("A = 1; A => ; " + "+".join(["A"] * 5000), "a statement has"),
        ("// " + LONG, "100,000"),
    ],
)
def test_antimony_that_the_translator_gets_wrong(content, problem, tmp_path):
    path = tmp_path / "model.ant"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=problem):
        load_model(path)
    with pytest.raises(ModelError):
        check_antimony(content, "model.ant")


def test_antimony_that_is_sound():
    check_antimony(
        'model m /* 1e999 */ # 1e999\n A = 1e300; B1e999 = 1; x = 0.0e5; C is "1e999"\nend', "model.ant"
    )


def test_antimony_by_concentration(tmp_path):
    """In Antimony a number given to a species is a concentration, and rules make derived quantities."""
    path = tmp_path / "model.ant"
    path.write_text(
        "model m\n compartment cell = 2.5; species A in cell; substanceOnly species B in cell;\n"
        " A = 4; B = 6; k = 3; half = k/2;\n y := A + 1;\n A -> B; cell*(k*A - half*B);\n B => ; k*B;\nend\n"
    )
    net = load_model(path)
    assert dict(zip(net.species_names, net.initial_state.tolist(), strict=True)) == {"A": 10, "B": 6}
    # V k (a/V), V (k/2) b, k b
    rates = net.evaluate_propensities([[7, 4]] if net.species_names == ("A", "B") else [[4, 7]])
    assert rates.tolist() == [[21.0, 2.5 * 1.5 * 4, 12.0]]
    assert net.observables["y"].evaluate({"A": 5}) == 3.0
    assert not net.observables["y"].listed
    assert len(net.remarks) == 2


def test_delays_are_refused_by_name():
    with pytest.raises(UnsupportedError, match="the delay 1 of event 'reset' is not supported"):
        read_sbml(
            text(
                events='<event id="reset" useValuesFromTriggerTime="true"><trigger initialValue="false" '
                'persistent="true"><math xmlns="http://www.w3.org/1998/Math/MathML"><true/></math></trigger>'
                '<delay><math xmlns="http://www.w3.org/1998/Math/MathML"><cn>1</cn></math></delay></event>'
            )
        )
