"""What each element of SBML means for counts: propensities written out by hand, feature by feature."""

from __future__ import annotations

import numpy as np
import pytest
from sbml_files import (
    LAW,
    apply,
    assignment,
    ci,
    cn,
    compartment,
    document,
    initial,
    math,
    parameter,
    reaction,
    species,
    symbol,
)

from fsp.errors import ModelError, UnsupportedError
from fsp.model.sbml import read_sbml

AVOGADRO = 6.02214179e23
K = parameter("k", 0.5)
PAIR = apply("times", ci("k"), ci("cell"), ci("A"), ci("B"))


def net_of(**lists):
    lists = {"compartments": compartment(size=4), "parameters": K, "reactions": reaction(), **lists}
    return read_sbml(document(**lists))


def rate(net, **counts):
    """Return the propensity of the first reaction."""
    state = [counts.get(name, 0) for name in net.species_names]
    return net.evaluate_propensities([state], time=counts.get("time"))[0, 0]


def with_concentration(name, value, units="false"):
    return species(name, units=units).replace('initialAmount="10"', f'initialConcentration="{value}"')


# Compartments


@pytest.mark.parametrize(("size", "dimensions"), [(4, 3), (0.25, 2), (1e-15, 3), (2.5, 1), (1, 3)])
def test_concentrations_are_counts_over_size(size, dimensions):
    net = net_of(
        compartments=compartment(size=size, dimensions=dimensions),
        species=species("A", units="false") + species("B", units="false"),
        reactions=reaction(PAIR, [("A", 1), ("B", 1)]),
    )
    # k V (a/V)(b/V)
    assert rate(net, A=3, B=5) == pytest.approx(0.5 * 3 * 5 / size, rel=1e-14)
    assert dict(net.compartments) == {"cell": size}


def test_amounts_are_counts():
    net = net_of(species=species("A"), reactions=reaction(apply("divide", LAW, ci("cell"))))
    assert rate(net, A=3) == 0.5 * 3 / 4


def test_two_compartments():
    """Transport out of a cell of size 4: each concentration by the size of its own compartment."""
    outside = species("B", units="false").replace('compartment="cell"', 'compartment="out"')
    law = apply("times", ci("k"), apply("minus", ci("A"), ci("B")))
    net = net_of(
        compartments=compartment(size=4) + compartment("out", 100),
        species=species("A", units="false") + outside,
        reactions=reaction(law, [("A", 1)], [("B", 1)], attributes='reversible="true" fast="false"'),
    )
    assert net.evaluate_propensities([[6, 50]]).tolist() == [[0.5 * 6 / 4, 0.5 * 50 / 100]]
    assert net.stoichiometry.tolist() == [[-1, 1], [1, -1]]


def test_a_point_has_no_concentrations():
    net = net_of(compartments=compartment(dimensions=0), species=species("A", units="false"))
    assert rate(net, A=3) == 1.5


def test_size_by_initial_assignment():
    net = net_of(
        compartments=compartment(),
        parameters=K + parameter("radius", 2),
        initials=initial("cell", apply("power", ci("radius"), cn(3))),
        species=with_concentration("A", 2.5),
    )
    assert net.initial_state.tolist() == [20]  # 2.5 * 2^3
    assert rate(net, A=3) == 0.5 * 3 / 8


def test_size_by_rule():
    """A cell that doubles: amounts stay, concentrations fall."""
    net = net_of(
        compartments=compartment(constant="false"),
        rules=assignment("cell", apply("times", cn(4), apply("power", cn(2), symbol("time")))),
        species=species("A", units="false"),
    )
    assert net.depends_on_time
    assert rate(net, A=3, time=1.0) == 0.5 * 3 / 8
    assert list(net.observables) == ["cell"]


@pytest.mark.parametrize(
    ("compartments", "problem"),
    [
        (compartment(), "size of compartment 'cell' is needed but has no value; set size=\"1\""),
        (compartment(size=0), "size of compartment 'cell' is 0"),
        (compartment(size=-1), "size of compartment 'cell' is -1"),
        (compartment("other", 1), "compartment 'cell' of species 'A' does not exist"),
    ],
)
def test_sizes_that_do_not_do(compartments, problem):
    with pytest.raises(ModelError, match=problem):
        net_of(compartments=compartments, species=species("A", units="false"))


# Initial values


@pytest.mark.parametrize("units", ["true", "false"])
def test_initial_concentrations(units):
    assert net_of(species=with_concentration("A", 2.5, units)).initial_state.tolist() == [10]


def test_decimal_concentrations_make_whole_counts():
    net = net_of(compartments=compartment(size=30), species=with_concentration("A", 0.1))
    assert net.initial_state.tolist() == [3]  # although 0.1*30 is not 3 in double precision


@pytest.mark.parametrize(("units", "count"), [("true", 14), ("false", 56)])
def test_initial_assignments_of_species(units, count):
    """The value is an amount or a concentration, as in formulas."""
    value = apply("plus", ci("n"), cn(2))
    net = net_of(
        parameters=K + parameter("n"),
        species=species("A", units=units),
        initials=initial("A", value) + initial("n", apply("times", cn(3), cn(4))),
    )
    assert net.initial_state.tolist() == [count]
    assert net.parameters["n"] == 12
    assert any("n = 12" in remark for remark in net.remarks)


def test_initial_assignments_may_read_species_and_rules():
    net = net_of(
        parameters=K + parameter("n") + parameter("r", constant="false"),
        species=species("A", 7) + species("B"),
        rules=assignment("r", apply("times", ci("A"), ci("k"), cn(2))),
        initials=initial("n", apply("plus", ci("r"), ci("B"))) + initial("B", apply("times", ci("A"), cn(3))),
    )
    assert net.initial_state.tolist() == [7, 21]
    assert net.parameters["n"] == 28


@pytest.mark.parametrize(
    ("initials", "problem"),
    [
        (initial("A", ci("B")) + initial("B", ci("A")), "initial value of '[AB]' depends on itself"),
        (initial("k", ci("k")), "'k' depends on itself"),
        (initial("A", cn("2.5", "real")), "'A' is 2.5; it must be a whole number"),
        (initial("A", apply("divide", cn(1), cn(0))), "'A' gives (nan|inf)"),
        (initial("zz", cn(1)), "'zz' has nothing to assign to"),
        (initial("A", ci("zz")), "unknown name 'zz'"),
        (initial("A", cn(1)) + initial("A", cn(2)), "two initial assignments of 'A'"),
    ],
)
def test_initial_assignments_that_do_not_do(initials, problem):
    with pytest.raises(ModelError, match=problem):
        net_of(species=species("A") + species("B"), initials=initials)


def test_counts_must_be_whole():
    with pytest.raises(ModelError, match="count of species 'A' is 1.2, its concentration times the size"):
        net_of(species=with_concentration("A", 0.3))


# Units of amount


def units(name, *parts):
    inner = "".join(
        f'<unit kind="{kind}" exponent="{exponent}" scale="{scale}" multiplier="{multiplier}"/>'
        for kind, exponent, scale, multiplier in parts
    )
    return f'<unitDefinition id="{name}"><listOfUnits>{inner}</listOfUnits></unitDefinition>'


def test_amounts_in_moles():
    """100 molecules as moles; the law is in moles per time, one event is one molecule."""
    net = read_sbml(
        document(
            attributes='substanceUnits="mole" extentUnits="mole"',
            compartments=compartment(size=1e-15),
            parameters=parameter("k", 1e6),
            species=species("A", "1.660538782e-22", units="false") + species("B", 0, units="false"),
            reactions=reaction(PAIR, [("A", 1), ("B", 1)]),
        )
    )
    assert net.initial_state.tolist() == [100, 0]
    assert any("taken as 100" in remark for remark in net.remarks)
    # k V (a / (N V)) (b / (N V)) moles per time, times N events per mole
    assert rate(net, A=3, B=5) == pytest.approx(1e6 * 3 * 5 / (AVOGADRO * 1e-15), rel=1e-12)


def test_moles_by_avogadro():
    amount = apply("divide", cn(7), symbol("avogadro"))
    net = net_of(
        attributes='substanceUnits="mole"',
        species=species("A", 0, units="false"),
        initials=initial("A", apply("divide", amount, ci("cell"))),
    )
    assert net.initial_state.tolist() == [7]
    # k A, in moles per time, is the count over N and the size; N events per mole
    assert rate(net, A=3) == pytest.approx(0.5 * 3 / 4, rel=1e-14)


def test_units_of_many_items():
    net = net_of(
        attributes='substanceUnits="dozen"', units=units("dozen", ("item", 1, 0, 12)), species=species("A", 2)
    )
    assert net.initial_state.tolist() == [24]
    assert rate(net, A=3) == pytest.approx(0.5 * 3, rel=1e-15)  # 12 * k * (a/12)


@pytest.mark.parametrize(
    ("attributes", "definition", "amount", "problem"),
    [
        ("mole", "", 100, "amounts in 'mole'.*6.02.*set substanceUnits=\"item\""),
        ("ymol", units("ymol", ("mole", 1, -24, 1)), 1, "amounts in 'ymol'.*0.602.*give a whole number"),
        ("kilogram", "", 1, "unit of amount 'kilogram'"),
        (
            "mass",
            units("mass", ("kilogram", 1, 0, 1)),
            1,
            "'mass' of species 'A' is not a number of molecules",
        ),
        (
            "density",
            units("density", ("item", 1, 0, 1), ("litre", -1, 0, 1)),
            1,
            "'density'.*not a number of mol",
        ),
        ("nothing", "", 1, "'nothing' of species 'A' is not defined"),
    ],
)
def test_amounts_that_are_no_counts(attributes, definition, amount, problem):
    with pytest.raises(UnsupportedError, match=problem):
        net_of(attributes=f'substanceUnits="{attributes}"', units=definition, species=species("A", amount))


def test_level_2_without_units_says_what_is_assumed():
    lists = {
        "compartments": '<compartment id="cell" size="4"/>',
        "species": '<species id="A" compartment="cell" initialAmount="8"/>',
        "reactions": '<reaction id="R" reversible="false"><listOfReactants><speciesReference species="A"/>'
        f"</listOfReactants><kineticLaw>{math(ci('A'))}</kineticLaw></reaction>",
    }
    for version in (1, 2, 3, 4, 5):
        net = read_sbml(document(2, version, **lists))
        assert rate(net, A=8) == 8 / 4
        assert net.remarks[0].startswith("the file does not say in which unit")
    item = units("substance", ("item", 1, 0, 1)).replace('multiplier="1"', "")
    assert read_sbml(document(2, 4, units=item, **lists)).remarks == ()
    with pytest.raises(UnsupportedError, match="amounts in 'substance'"):
        read_sbml(document(2, 4, units=item.replace('"item"', '"mole"'), **lists))


# Conversion factors


@pytest.mark.parametrize("where", ["model", "species"])
def test_conversion_factors(where):
    """Extent in items, one item of extent makes two items of A: by the law of the reaction, not of the species."""
    attribute = 'conversionFactor="c"'
    net = net_of(
        attributes=attribute if where == "model" else "",
        parameters=K + parameter("c", 2),
        species=species("A", extra=attribute if where == "species" else ""),
    )
    assert net.stoichiometry.tolist() == [[-2]]
    assert rate(net, A=6) == 3.0


def test_conversion_from_moles_to_items():
    net = net_of(
        attributes='substanceUnits="item" extentUnits="mole" conversionFactor="c"',
        parameters=K + parameter("c", "6.02214179e23"),
        species=species("A"),
        reactions=reaction(apply("divide", LAW, symbol("avogadro"))),
    )
    assert net.stoichiometry.tolist() == [[-1]]
    assert rate(net, A=6) == pytest.approx(3.0, rel=1e-14)


@pytest.mark.parametrize(
    ("factor", "problem"), [(0.5, "0.5 molecules of 'A'.*'c'"), (1e20, "1e.20 molecules")]
)
def test_conversion_factors_that_do_not_do(factor, problem):
    with pytest.raises(UnsupportedError, match=problem):
        net_of(attributes='conversionFactor="c"', parameters=K + parameter("c", factor), species=species("A"))


# Stoichiometry


def test_stoichiometry():
    net = net_of(
        species=species("A") + species("B"), reactions=reaction(LAW, [("A", 2), ("A", 1)], [("B", 5)])
    )
    assert net.stoichiometry.tolist() == [[-3, 5]]


def reference(text):
    law = f"<kineticLaw>{math(LAW)}</kineticLaw>"
    return f'<reaction id="R" reversible="false" fast="false"><listOfReactants>{text}</listOfReactants>{law}</reaction>'


def test_stoichiometry_by_initial_assignment():
    text = reference('<speciesReference id="n" species="A" constant="true"/>')
    net = net_of(
        species=species("A"),
        reactions=text.replace(LAW, apply("times", ci("n"), ci("A"))),
        initials=initial("n", cn(2)),
    )
    assert net.stoichiometry.tolist() == [[-2]]
    assert rate(net, A=4) == 8  # the id stands for the number


@pytest.mark.parametrize(("formula", "change"), [(cn(2), -2), (ci("n"), -3)])
def test_constant_stoichiometry_by_a_formula(formula, change):
    lists = {
        "compartments": '<compartment id="cell" size="1"/>',
        "species": '<species id="A" compartment="cell" initialAmount="9"/>',
        "parameters": '<parameter id="k" value="0.5"/><parameter id="n" value="3"/>',
        "reactions": reference(
            f'<speciesReference species="A"><stoichiometryMath>{math(formula)}</stoichiometryMath></speciesReference>'
        ).replace('fast="false"', ""),
    }
    assert read_sbml(document(2, 4, **lists)).stoichiometry.tolist() == [[change]]
    with pytest.raises(UnsupportedError, match="changing stoichiometry of 'A' in reaction 'R'"):
        read_sbml(
            document(2, 4, **{**lists, "reactions": lists["reactions"].replace(math(formula), math(ci("A")))})
        )


@pytest.mark.parametrize(
    ("text", "rules", "problem"),
    [
        (
            '<speciesReference species="A" stoichiometry="1.5" constant="true"/>',
            "",
            "stoichiometry 1.5 of 'A'",
        ),
        ('<speciesReference species="A" stoichiometry="-1" constant="true"/>', "", "stoichiometry -1 of 'A'"),
        ('<speciesReference species="A" constant="true"/>', "", "'A' in reaction 'R' has no stoichiometry"),
        (
            '<speciesReference id="n" species="A" constant="false"/>',
            assignment("n", cn(2)),
            "stoichiometry 'n'",
        ),
        ('<speciesReference species="A" stoichiometry="1e9" constant="true"/>', "", "1e.09 molecules of 'A'"),
    ],
)
def test_stoichiometry_that_does_not_do(text, rules, problem):
    with pytest.raises(ModelError, match=problem):
        net_of(species=species("A"), rules=rules, reactions=reference(text))


# Rules, reactions and functions in formulas


def test_rule_of_a_species_is_a_derived_quantity():
    """y = 2 [X] is a concentration in formulas, and a number of molecules for the user."""
    net = net_of(
        species=species("A", units="false") + species("y", 0, units="false", boundary="true"),
        rules=assignment("y", apply("times", cn(2), ci("A"))),
        reactions=reaction(apply("times", ci("k"), ci("y"))),
    )
    assert net.species_names == ("A",)
    assert rate(net, A=3) == 0.5 * 2 * 3 / 4
    y = net.observables["y"]
    assert (y.listed, y.species) == (True, ("A",))
    assert y.evaluate({"A": np.array([0, 3])}).tolist() == [0, 6]


def test_rule_of_a_species_that_a_reaction_changes():
    with pytest.raises(
        ModelError, match="reaction 'R' changes species 'A', which an assignment rule determines"
    ):
        net_of(species=species("A") + species("B"), rules=assignment("A", ci("B")))


@pytest.mark.parametrize("other", ["assignment", "initial"])
def test_rules_in_conflict(other):
    rules, initials = assignment("k", cn(1)), ""
    if other == "assignment":
        rules += assignment("k", cn(2))
    else:
        initials = initial("k", cn(2))
    with pytest.raises(ModelError, match="'k'.*remove one"):
        net_of(species=species("A"), rules=rules, initials=initials)


def test_rate_of_a_reaction_in_a_formula():
    local = '<listOfLocalParameters><localParameter id="k" value="2"/></listOfLocalParameters>'
    both = reaction(local=local) + reaction(apply("times", cn(3), ci("R")), [("A", 1)], name="Q")
    net = net_of(species=species("A"), reactions=both)
    assert net.evaluate_propensities([[4]]).tolist() == [[8.0, 24.0]]
    with pytest.raises(ModelError, match="kinetic law of reaction 'R' depends on itself"):
        net_of(species=species("A"), reactions=reaction(ci("R")))


def test_local_parameters_do_not_reach_rules():
    local = '<listOfLocalParameters><localParameter id="k" value="2"/></listOfLocalParameters>'
    net = net_of(
        species=species("A"),
        parameters=K + parameter("q", constant="false"),
        rules=assignment("q", ci("k")),
        reactions=reaction(apply("times", ci("k"), ci("q"), ci("A")), local=local),
    )
    assert rate(net, A=3) == 2 * 0.5 * 3


def test_reserved_names_are_changed():
    net = net_of(
        species=species("if"),
        parameters=parameter("time", 2),
        reactions=reaction(apply("times", ci("time"), ci("if"), symbol("time")), [("if", 1)]),
    )
    assert net.species_names == ("if_",)
    assert net.evaluate_propensities([[3]], time=5.0).tolist() == [[30.0]]
    assert len(net.remarks) == 2


def test_the_same_id_twice():
    with pytest.raises(ModelError, match="id 'A' belongs to a species and to a parameter"):
        net_of(species=species("A"), parameters=K + parameter("A", 1))


def test_constraints_are_noted():
    text = f'<constraint metaid="c">{math(apply("gt", ci("A"), cn(1)))}</constraint>'
    assert net_of(species=species("A"), constraints=text).remarks == (
        "the constraint 'A > 1' is not checked; it does not change the model",
    )
