"""Writing SBML and Antimony: what is read back is the same network, or it is refused with the reason."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from random_networks import networks

import fsp
from fsp.errors import ArgumentError, UnsupportedError
from fsp.model import trees
from fsp.model.antimony import read_antimony_text
from fsp.model.canonical import canonical_form
from fsp.model.equations import Reaction
from fsp.model.expressions import parse_expression
from fsp.model.observables import Observable
from fsp.model.propensity import Propensity
from fsp.model.sbml import read_sbml

BENCHMARKS = sorted((Path(__file__).parents[3] / "shared" / "benchmarks").glob("*.ant"))
FORMATS = ("sbml", "antimony")


def again(network: fsp.ReactionNetwork, kind: str) -> fsp.ReactionNetwork:
    """Write and read; the writer's own check is not what is relied on."""
    if kind == "sbml":
        return read_sbml(network.to_sbml())
    return read_antimony_text(network.to_antimony(), trusted=True)


def assert_same(network: fsp.ReactionNetwork, other: fsp.ReactionNetwork) -> None:
    assert other == network
    assert hash(other) == hash(network)
    # and what equality stands for, without it
    assert other.species_names == network.species_names
    assert other.initial_state.tolist() == network.initial_state.tolist()
    assert dict(other.parameters) == dict(network.parameters)
    assert [r.name for r in other.reactions] == [r.name for r in network.reactions]
    assert other.reactants.tolist() == network.reactants.tolist()
    assert other.stoichiometry.tolist() == network.stoichiometry.tolist()
    states = np.random.default_rng(1).integers(0, 9, (40, network.n_species))
    counts = dict(zip(network.species_names, states.T, strict=True))
    with np.errstate(all="ignore"):
        for p, q in zip(network.propensities, other.propensities, strict=True):
            assert q.species == p.species
            time = 0.7 if p.depends_on_time else None
            np.testing.assert_allclose(
                q.evaluate(counts, time=time), p.evaluate(counts, time=time), rtol=1e-14
            )


@settings(max_examples=60)
@given(networks())
@pytest.mark.parametrize("kind", FORMATS)
def test_random_networks(kind: str, network: fsp.ReactionNetwork) -> None:
    assert_same(network, again(network, kind))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", fsp.gallery.names())
def test_gallery(name: str, kind: str) -> None:
    network = fsp.gallery.build(name)
    assert_same(network, again(network, kind))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_benchmarks(path: Path, kind: str) -> None:
    network = fsp.load_model(path)
    assert_same(network, again(network, kind))


def test_the_benchmarks_are_there() -> None:
    assert len(BENCHMARKS) >= 11


@given(st.floats(min_value=-1.7e308, max_value=1.7e308, allow_subnormal=False), st.floats(5e-308, 1e308))
@example(0.1 + 0.2, 5e-324)
@example(1 / 3, 1e22)
@example(123456789012345678.0, 2.2250738585072014e-308)
@example(-0.0, 1.7976931348623157e308)
@pytest.mark.parametrize("kind", FORMATS)
def test_numbers_keep_all_digits(kind: str, value: float, rate: float) -> None:
    network = fsp.ReactionNetwork({"A": 3}, [f"A -> 0 @ {rate!r}"], {"k": value})
    other = again(network, kind)
    assert other.parameters["k"] == value
    assert other == network
    assert float(other.propensities[0].evaluate({"A": 1})) == rate


# -- expressions -------------------------------------------------------------------------------------------

LEAVES = ["A", "B", "k", "time", "pi", "0", "1", "2", "7", "0.1", "2.5e-7", "0.30000000000000004"]
ONE = ["exp", "log", "log10", "sqrt", "abs", "floor", "ceil", "sin", "cos", "tan", "sinh", "cosh", "tanh"]
CALLS = ["factorial(A)", "factorial(3)", "binomial(A, 2)", "binomial(B, 6)"]


@st.composite
def expressions(draw: Any, depth: int = 4) -> str:
    """Draw a text that uses everything the expression language has."""
    kind = draw(st.integers(0, 8 if depth else 1))
    if kind <= 1:
        return draw(st.sampled_from(LEAVES if kind == 0 or not depth else CALLS))
    x, y = draw(expressions(depth - 1)), draw(expressions(depth - 1))
    if kind <= 4:
        return f"({x} {draw(st.sampled_from('+-*/^'))} {y})"
    if kind == 5:
        return draw(st.sampled_from([f"(-{x})", f"{draw(st.sampled_from(ONE))}({x})"]))
    if kind == 6:
        return f"{draw(st.sampled_from(['min', 'max']))}({x}, {y})"
    relations = [f"{x} {draw(st.sampled_from(['<', '<=', '>', '>=', '==', '!=']))} {y}", f"{y} < 3"]
    test = draw(st.sampled_from(["{0}", "not ({0})", "{0} and {1}", "not ({0} or {1})", "({0}) == ({1})"]))
    test = test.format(*relations)
    return (
        f"({test})" if kind == 7 else f"piecewise({x}, {test}, {y}, {relations[0]}, {draw(expressions(0))})"
    )


@settings(max_examples=150)
@given(expressions())
@pytest.mark.parametrize("kind", FORMATS)
def test_any_expression(kind: str, text: str) -> None:
    try:
        network = fsp.ReactionNetwork({"A": 1, "B": 2}, [f"0 -> A ; {text}"], {"k": 1.5})
    except fsp.FSPError:  # the text folds to a number that is not finite
        return
    assert_same(network, again(network, kind))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    "law",
    [
        "A/A",
        "0*B/A",
        "k - (A - (B - 3))",
        "-A^2 + B",
        "(-A)^2",
        "2^-A",
        "(2^A)^B",
        "2^(A^B)",
        "A/(B/k)",
        "A/B/k",
        "1/A/B*k/2*B",
        "not (A > 2 and (B < 3 or B == 5)) and A != B",
        "(A > 2) == (B > 2)",
        "(A > 2) + 2*(B <= 1)",
        "A > 2",
        "exp(-time)*A",
        "123456789012345678901234567890*A/98765432109",
        "0.1234567890123456789012345*A",
        "exp(600)*A",
        "2.5^300.5*A",
        "(A + B + A + B + A - B - k - 1 - 2 + 0)*3",
        "+".join(f"{i}*A" for i in range(300)),
        "-".join(f"A/{i}" for i in range(1, 80)),
        "*".join(["A/(B + 1)"] * 40),
    ],
)
def test_chosen_expressions(law: str, kind: str) -> None:
    network = fsp.ReactionNetwork({"A": 1, "B": 2}, [f"0 -> A ; {law}"], {"k": 1.5})
    assert_same(network, again(network, kind))


@pytest.mark.parametrize("kind", FORMATS)
def test_stoichiometry_catalysts_and_order(kind: str) -> None:
    reactions = [
        "E + 2 S -> E + P @ k",
        "big: 30 S -> 1000 P @ k",
        "P + P + S -> S + 2 P + E ; k*P*E",
        "0 -> 0 @ 1",
        "k: 0 -> S @ k",
        "k_: 0 -> E @ k",
    ]
    network = fsp.ReactionNetwork(
        {"S": 2**53, "E": 1, "P": 0}, reactions, {"k": 2.0, "k__": 1.0, "idle": 3.0}
    )
    assert_same(network, again(network, kind))


@pytest.mark.parametrize("kind", FORMATS)
def test_derived_quantities(kind: str) -> None:
    shown = fsp.ReactionNetwork(
        {"A": 1, "B": 0}, ["0 -> A @ 1"], {"k": 0.1 + 0.2}, observables={"T": "k*(A + 2*B)"}
    )
    other = again(shown, kind)
    assert_same(shown, other)
    assert other.observables["T"].listed
    hidden = [Observable("w", shown.observables["T"].function, listed=False)]
    network = fsp.ReactionNetwork({"A": 1, "B": 0}, ["w: 0 -> A @ 1"], {"k": 1.5}, observables=hidden)
    other = again(network, kind)
    assert_same(network, other)
    assert not other.observables["w"].listed
    assert other != shown


def test_files(tmp_path: Path) -> None:
    network = fsp.gallery.toggle_switch()
    assert network.to_sbml(tmp_path / "a.xml") == (tmp_path / "a.xml").read_text(encoding="utf-8")
    assert network.to_antimony(tmp_path / "a.ant") == (tmp_path / "a.ant").read_text(encoding="utf-8")
    assert fsp.load_model(tmp_path / "a.xml") == fsp.load_model(tmp_path / "a.ant") == network
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.ant", "a.xml"]
    with pytest.raises(ArgumentError, match="no folder"):
        network.to_sbml(tmp_path / "no" / "a.xml")


def test_name_source_and_notes_are_written_safely() -> None:
    network = fsp.ReactionNetwork(
        {"A": 1}, ["A -> 0 @ 1"], name="a <b> & 'c' \x01\x00é", source="]]> //", notes="x\n*/ end\nmodel y()"
    )
    assert read_sbml(network.to_sbml()).name == "a <b> & 'c' é"
    assert again(network, "antimony") == network
    assert "Source: ]]> //" in network.to_antimony()


# -- refused -----------------------------------------------------------------------------------------------


def _net(*reactions: str, **species: int) -> fsp.ReactionNetwork:
    return fsp.ReactionNetwork(species or {"A": 1}, reactions, {"k": 1.0})


@pytest.mark.parametrize(
    ("network", "kinds", "culprit"),
    [
        (_net("0 -> A @ 1", "0 -> é @ 1", A=1, é=1), FORMATS, "species 'é'.*rename"),
        (_net("to bind: 0 -> A @ 1"), FORMATS, "reaction 'to bind'.*rename"),
        (_net("0 -> A ; binomial(A, k)"), FORMATS, "binomial"),
        (_net("31 A -> 0 @ 1"), FORMATS, "binomial"),
        (_net("0 -> A ; A/98765432109876543210987"), FORMATS, "would change"),
        (_net("0 -> A @ 1", A=2**53 + 1), FORMATS, "initial count of 'A'"),
        (_net("0 -> at @ 1", at=1), ["antimony"], "'at'.*word of Antimony.*rename"),
        (_net("0 -> species @ 1", species=1), ["antimony"], "'species'.*word of Antimony.*rename"),
        (_net("is: 0 -> A @ 1"), ["antimony"], "reaction 'is'.*word of Antimony.*rename"),
        (_net("0 -> pi ; pi + 1", pi=1), ["antimony"], "'pi' is a reserved word"),
        (_net("0 -> volume @ 1", volume=1), ["antimony"], "volume"),
    ],
)
def test_refused_by_name(network: fsp.ReactionNetwork, kinds: Any, culprit: str) -> None:
    for kind in kinds:
        with pytest.raises(UnsupportedError, match=culprit):
            again(network, kind)
    for kind in set(FORMATS) - set(kinds):
        assert_same(network, again(network, kind))


# -- controls: what differs is seen to differ --------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        _net("0 -> A ; k*A*(A - 1)/2", A=1).with_parameters(k=1.0000000000000002),
        _net("0 -> A ; k*A*(A - 2)/2"),
        _net("0 -> A ; k*A*(A - 1)/2*A/A"),
        _net("0 -> A ; k*A*(A - 1)/2.0000000000000004"),
        _net("0 -> 2 A ; k*A*(A - 1)/2"),
        _net("A -> 2 A ; k*A*(A - 1)/2"),
        _net("x: 0 -> A ; k*A*(A - 1)/2"),
        _net("0 -> A ; k*A*(A - 1)/2", A=2),
        _net("0 -> A ; k*A*(A - 1)/2 + 0*log(A)"),
    ],
)
def test_control_other_networks_are_not_equal(other: fsp.ReactionNetwork) -> None:
    assert _net("0 -> A ; k*A*(A - 1)/2") != other


def test_equality_does_not_see_how_a_network_is_written() -> None:
    network = _net("2 A -> 0 @ k")
    assert network == _net("A + A -> 0 ; 0.5*(-1 + A)*A*k")
    assert network != _net("A -> 0 ; 0.5*(-1 + A)*A*k")


def test_control_a_reader_that_changes_something_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    network = _net("decay: A -> 0 @ k")
    monkeypatch.setattr("fsp.model.sbml.read_sbml", lambda text: network.with_parameters(k=2.0))
    with pytest.raises(UnsupportedError, match=r"parameter 'k' would change from 1\.0 to 2\.0"):
        network.to_sbml()
    monkeypatch.setattr("fsp.model.sbml.read_sbml", lambda text: _net("decay: A -> 0 ; k"))
    with pytest.raises(UnsupportedError, match="reaction 'decay' would change"):
        network.to_sbml()


@given(st.fractions(), st.fractions())
def test_canonical_numbers(a: Fraction, b: Fraction) -> None:
    x, y = (sympy.Rational(f.numerator, f.denominator) for f in (a, b))
    split = canonical_form(sympy.Add(x, trees.symbol("A"), y, evaluate=False), ["A"])
    assert split == canonical_form(sympy.Add(x + y, trees.symbol("A"), evaluate=False), ["A"])


def test_undefined_stays_undefined() -> None:
    def form(text: str) -> Any:
        return canonical_form(parse_expression(text, ["A", "k"]), ["A"])

    assert form("0*(1/A)") != form("0")
    assert form("A/A") != form("1")
    assert form("A^0") != form("1")
    assert form("binomial(k, 2)") != form("k*(k - 1)/2")  # of a parameter that is no whole number: undefined
    assert form("binomial(A, 2)") == form("A*(A - 1)/2")


def test_a_tree_that_no_text_makes() -> None:
    strange = Propensity(sympy.gamma(trees.symbol("A")), ["A"], {})
    network = fsp.ReactionNetwork({"A": 1}, [Reaction("r", "A -> 0", {"A": 1}, {}, strange)])
    for kind in FORMATS:
        with pytest.raises(UnsupportedError, match="gamma"):
            again(network, kind)
