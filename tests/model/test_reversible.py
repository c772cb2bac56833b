"""Laws of reversible reactions: two propensities, one, or a refusal; and squares in laws."""

from __future__ import annotations

import numpy as np
import pytest
from sbml_files import apply, ci, cn, compartment, document, parameter, reaction, species

from fsp.errors import UnsupportedError
from fsp.model import ReactionNetwork
from fsp.model.expressions import parse_expression
from fsp.model.reversible import Sides, read_reversible
from fsp.model.sbml import read_sbml
from fsp.model.signs import is_nonnegative, vanishes

VALUES = {"k": 2.0, "kr": 3.0, "K": 10.0, "Ks": 4.0, "Kp": 5.0, "n": 2.0, "minus": -1.0}
NAMES = (*VALUES, "A", "B", "C", "G", "time")


def tree(text):
    return parse_expression(text, NAMES)


def read(law, consumed="A", produced="B", elsewhere=""):
    return read_reversible(tree(law), Sides(set(consumed), set(produced), set(elsewhere)), VALUES)


@pytest.mark.parametrize(
    ("law", "consumed", "produced", "forward", "backward"),
    [
        ("k*A - kr*B", "A", "B", "k*A", "kr*B"),
        ("A + -2*B", "A", "B", "A", "2*B"),
        ("5*(A - B)", "A", "B", "5*A", "5*B"),
        ("k*(A - B/3)/kr", "A", "B", "k*A/kr", "k*B/3/kr"),
        ("k - B", "", "B", "k", "B"),
        ("A - k", "A", "", "A", "k"),
        ("-(kr*B - k*A)", "A", "B", "k*A", "kr*B"),
        ("minus*(kr*B - k*A)", "A", "B", "k*A", "kr*B"),
        ("(k*A/Ks - kr*B/Kp)/(1 + A/Ks + B/Kp)", "A", "B", "k*A/Ks/(1+A/Ks+B/Kp)", "kr*B/Kp/(1+A/Ks+B/Kp)"),
        ("C*(k*A - kr*B)", "A", "B", "C*k*A", "C*kr*B"),
        ("k*A*(A - 1)/2 - kr*B", "A", "B", "k*A*(A-1)/2", "kr*B"),
        ("4*(k*(A/4)*(A/4 - 1/4) - kr*(B/4))", "A", "B", "4*k*A*(A-1)/16", "kr*B"),
        ("k*A*C - kr*B*(B - 1)*(B - 2)", "AC", "B", "k*A*C", "kr*B*(B-1)*(B-2)"),
        ("k*A^n - kr*B^n", "A", "B", "k*A^2", "kr*B^2"),
        ("k*A - kr*B + 2*k*A - B*C", "A", "B", "3*k*A", "kr*B + B*C"),
        ("k*A*exp(-time) - kr*B", "A", "B", "k*A*exp(-time)", "kr*B"),
        ("piecewise(k*A, time > 1, A) - kr*B", "A", "B", "piecewise(k*A, time > 1, A)", "kr*B"),
        ("(k - kr*B)*2", "", "B", "2*k", "2*kr*B"),
    ],
)
def test_split(law, consumed, produced, forward, backward):
    """Each part has the values written out by hand, and together they are the law."""
    found = read(law, consumed, produced)
    assert not found.problem
    counts = {name: np.arange(12) * step % 12 for name, step in zip("ABCG", (1, 5, 7, 11), strict=True)}
    from fsp.model.evaluation import evaluate_tree

    def values(expression):
        return np.broadcast_to(evaluate_tree(expression, {**VALUES, **counts, "time": 0.5}), (12,))

    assert values(found.forward) == pytest.approx(values(tree(forward)), rel=1e-14)
    assert values(found.backward) == pytest.approx(values(tree(backward)), rel=1e-14)
    whole = values(tree(law))
    assert values(found.forward) - values(found.backward) == pytest.approx(whole, rel=1e-12, abs=1e-12)
    assert values(found.forward).min() >= 0
    assert values(found.backward).min() >= 0


@pytest.mark.parametrize(
    "law",
    [
        "k*A",
        "k*A*(A - 1)",
        "A/(1 + B)",
        "max(0, A - B)*A",
        "abs(A - B)",
        "A*(A - 1)*(A - 2)*B",
        "k*A/2*(A - 1)",
    ],
)
def test_one_propensity_without_a_remark(law):
    assert read(law)[1:] == (None, "", "")


@pytest.mark.parametrize("law", ["A*A - A", "A/(k - B)", "k*A*(1 - C)"])
def test_one_propensity_with_a_remark(law):
    found = read(law)
    assert (found.backward, found.problem) == (None, "")
    assert "one irreversible reaction" in found.remark


@pytest.mark.parametrize(
    ("law", "consumed", "produced", "problem"),
    [
        ("k*A*(A - 1) - kr", "A", "B", "backward|net rate|one irreversible"),
        ("k*(A - B)^3", "A", "B", "does not split"),
        ("k*C - kr*B", "A", "B", "forward part .* is not 0 where there is no 'A'"),
        ("k*A - kr*B/(B + C) - C*B/(B*2) - G", "A", "B", "backward part .* is not 0 where there is no 'B'"),
        ("k*(10 - B)", "", "B", "may be a net rate or the rate of filling 10 places"),
        ("k*(1 - B/K)", "", "B", "filling 10 places"),
        ("k*A*(1 - B)", "A", "B", "filling 1 places"),
        ("k*A*(1 - B/10.5)", "A", "B", "needs 'A', which it would make"),
        ("log(A) - kr*B", "A", "B", "does not split"),
        ("piecewise(k*A - kr*B, time > 1, 0)", "A", "B", "does not split"),
        ("exp(-time)*floor(A - B)", "A", "B", "does not split"),
        ("k*log(A)*(A - B)", "A", "B", "does not split"),
    ],
)
def test_refused(law, consumed, produced, problem):
    found = read(law, consumed, produced)
    import re

    assert re.search(problem, found.problem or found.remark)


def test_catalysts_stand_in_both_parts():
    """2 A <-> A + B: each direction needs one A that stays."""
    sides = Sides({"A"}, {"B"}, catalysts={"A"})
    assert str(read_reversible(tree("k*A*(A - 1) - kr*A*B"), sides, VALUES).backward) == "A*B*kr"


@pytest.mark.parametrize("law", ["k*(1 - G)", "(k + kr*A)*(1 - G)", "k*(10 - G)"])
def test_free_places(law):
    """A gene that another reaction switches off: the law counts free places."""
    found = read(law, "", "G", "G")
    assert (found.backward, found.problem) == (None, "")
    assert "is 0 at G =" in found.remark
    assert "filling" in read(law, "", "G").problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A*(A - 1)", True),
        ("A*(A - 2)", False),  # -1 at A = 1
        ("A*(A - 1)*(A - 2)", True),
        ("A*(B - 1)", False),
        ("(A - 1)", False),
        ("(A - 1)^2", True),
        ("A*(A - 0.5)", False),
        ("-A", False),
        ("minus*A", False),
        ("minus*minus*A", True),
        ("A*(1 - A)", False),
        ("sqrt(A)", True),
        ("log(A)", False),
        ("min(A, B)", True),
        ("min(A, B - 1)", False),
        ("sin(A)", False),
        ("A^2*(A - 1)", True),
    ],
)
def test_signs(text, expected):
    assert is_nonnegative(tree(text), VALUES) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("k*A", True),
        ("A^2", True),
        ("A + B", False),
        ("A*B + A", True),
        ("1/A", False),
        ("B", False),
        ("A/(A + 1)", True),
    ],
)
def test_zeros(text, expected):
    assert vanishes(tree(text), "A", VALUES) is expected


def sbml(law, reactants=(("A", 1),), products=(("B", 1),), reversible="true", more=""):
    return document(
        compartments=compartment(size=2),
        species=species("A", units="false") + species("B", units="false"),
        parameters=parameter("k", 2) + parameter("kr", 3),
        reactions=reaction(law, reactants, products, attributes=f'reversible="{reversible}" fast="false"')
        + more,
    )


NET = apply(
    "times", ci("cell"), apply("minus", apply("times", ci("k"), ci("A")), apply("times", ci("kr"), ci("B")))
)


def test_two_reactions_in_a_file():
    net = read_sbml(sbml(NET))
    assert [str(r.text) for r in net.reactions] == ["A -> B", "B -> A"]
    assert [r.name for r in net.reactions] == ["R", "R_reverse"]
    assert net.stoichiometry.tolist() == [[-1, 1], [1, -1]]
    assert net.evaluate_propensities([[7, 5]]).tolist() == [[2 * 7, 3 * 5]]  # V k a/V, V kr b/V
    assert "split into 'R: A -> B" in net.remarks[0]
    assert net.with_parameters(k=1.0).remarks == net.remarks
    irreversible = read_sbml(sbml(NET, reversible="false"))
    assert irreversible.n_reactions == 1
    assert irreversible.remarks == ()


def test_refusal_in_a_file_says_what_to_do():
    law = apply("times", ci("k"), apply("power", apply("minus", ci("A"), ci("B")), cn(3)))
    with pytest.raises(
        UnsupportedError, match="'R'.*does not split.*two irreversible reactions.*reversible=\"false\""
    ):
        read_sbml(sbml(law))


# Squares


SQUARES = {"A": 10, "B": 0}


@pytest.mark.parametrize("law", ["k*A*A", "k*A^2", "A*k*A/2", "k*(A/2)*(A/2)*2", "k*A**2*1"])
def test_squares_are_pointed_out(law):
    net = ReactionNetwork(SQUARES, [f"2 A -> B ; {law}"], {"k": 0.5})
    warning = next(w for w in net.check() if "A^2" in w)
    value = net.evaluate_propensities([[10, 0]])[0, 0]
    for expected in (
        f"gives {value:g}",
        f"{0.9 * value:g} and {0.45 * value:g}",
        "A*(A - 1), or half of it",
        "A = 1",
    ):
        assert expected in warning
    assert "kept as it is written" in warning


def test_cubes_and_products_of_squares():
    net = ReactionNetwork({"A": 3, "B": 4}, ["3 A + 2 B -> 0 ; A^3*B^2"])
    warning = next(w for w in net.check() if "A^3" in w)
    assert "A*(A - 1)*(A - 2) and B*(B - 1), or 1/12 of it" in warning
    assert "gives 432, the others 72 and 6" in warning


@pytest.mark.parametrize(
    "text",
    ["2 A -> B ; k*A*(A - 1)", "2 A -> B @ k", "A -> B ; k*A", "A -> B ; k*B^2*A", "A -> B ; A^2/(1 + A^2)"],
)
def test_other_laws_are_not(text):
    assert not any(
        "molecules do not react" in w for w in ReactionNetwork(SQUARES, [text], {"k": 1.0}).check()
    )


def test_squares_in_a_file_are_kept():
    law = apply("times", ci("k"), ci("A"), ci("A"))
    net = read_sbml(sbml(law, [("A", 2)], reversible="false"))
    assert net.evaluate_propensities([[10, 0]]).tolist() == [[2 * (10 / 2) ** 2]]
    assert any("A^2" in warning for warning in net.check())
