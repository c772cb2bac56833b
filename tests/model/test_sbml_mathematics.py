"""The mathematics of SBML: values by hand, and what is refused."""

from __future__ import annotations

import math as m

import pytest
from sbml_files import (
    apply,
    assignment,
    ci,
    cn,
    compartment,
    document,
    math,
    parameter,
    reaction,
    species,
    symbol,
)

from fsp.errors import FSPError, UnsupportedError
from fsp.model.sbml import read_sbml

K = parameter("k", 0.5)


def value(content, a=3, version=1, functions="", time=None):
    text = document(3, version, compartments=compartment(size=1), species=species("A"), parameters=K,
                    functions=functions, reactions=reaction(content, []))  # fmt: skip
    if version == 2:
        text = text.replace(' fast="false"', "")
    return read_sbml(text).evaluate_propensities([[a]], time=time)[0, 0]


X = apply("divide", ci("A"), cn(4))  # 0.75


@pytest.mark.parametrize(
    ("name", "argument", "expected"),
    [
        ("sin", X, m.sin(0.75)),
        ("cos", X, m.cos(0.75)),
        ("tan", X, m.tan(0.75)),
        ("sec", X, 1 / m.cos(0.75)),
        ("csc", X, 1 / m.sin(0.75)),
        ("cot", X, 1 / m.tan(0.75)),
        ("sinh", X, m.sinh(0.75)),
        ("cosh", X, m.cosh(0.75)),
        ("tanh", X, m.tanh(0.75)),
        ("sech", X, 1 / m.cosh(0.75)),
        ("csch", X, 1 / m.sinh(0.75)),
        ("coth", X, 1 / m.tanh(0.75)),
        ("arcsin", X, m.asin(0.75)),
        ("arccos", X, m.acos(0.75)),
        ("arctan", X, m.atan(0.75)),
        ("arcsinh", X, m.asinh(0.75)),
        ("arccosh", ci("A"), m.acosh(3)),
        ("arctanh", X, m.atanh(0.75)),
        ("arcsec", ci("A"), m.acos(1 / 3)),
        ("arccsc", ci("A"), m.asin(1 / 3)),
        ("arccot", ci("A"), m.atan(1 / 3)),
        ("arcsech", X, m.acosh(4 / 3)),
        ("arccsch", X, m.asinh(4 / 3)),
        ("arccoth", ci("A"), m.atanh(1 / 3)),
    ],
)
def test_trigonometry(name, argument, expected):
    assert value(apply(name, argument)) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (apply("max", ci("A"), cn(2), cn(7)), 7),
        (apply("min", ci("A"), cn(2), cn(7)), 2),
        (apply("max", ci("A")), 3),
        (apply("quotient", cn(17), ci("A")), 5),
        (apply("minus", apply("quotient", cn(-17), ci("A"))), 5),
        (apply("rem", cn(17), ci("A")), 2),
        (apply("minus", apply("rem", cn(-17), ci("A"))), 2),
        (apply("implies", apply("gt", ci("A"), cn(2)), apply("gt", ci("A"), cn(3))), 0),
        (apply("implies", apply("gt", ci("A"), cn(3)), apply("gt", ci("A"), cn(9))), 1),
        (apply("and", ci("A"), cn(1)), 1),  # a number that is not 0 is true in level 3 version 2
        (apply("not", ci("A")), 0),
        (f"<piecewise><piece>{cn(7)}{ci('A')}</piece><otherwise>{cn(2)}</otherwise></piecewise>", 7),
        (apply("and"), 1),
        (apply("or"), 0),
        (apply("xor"), 0),
    ],
)
def test_level_3_version_2(content, expected):
    assert value(content, version=2) == expected


def test_csymbols():
    assert value(apply("times", ci("A"), symbol("time")), time=2.0) == 6
    assert value(apply("divide", symbol("avogadro"), cn("1e23", "real"))) == pytest.approx(
        6.02214179, rel=1e-15
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (apply("divide", ci("A")), "'divide.*' has 1 argument"),
        (apply("sin"), "argument"),
        (apply("power", ci("A")), "'power' has 1 argument"),
        (apply("exp", ci("A"), ci("A")), "'exp' has 2 argument"),
        (cn("2.5"), r"<cn type=\"integer\"> holds '2.5'"),
        (cn("1e-400", "real"), "too small"),
        (cn("abc", "real"), "'abc', which is no number"),
        (cn("1 <sep/> 0", "rational"), "denominator 0"),
        (cn("99999999999 <sep/> 3", "rational"), "too large"),
        (cn("1e5 <sep/> x", "e-notation"), "no number"),
        (cn("1 <sep/> 999", "e-notation"), "valid exponential|out of range"),
        (cn("1", "complex"), "numbers of the type .complex"),
        ("<notanumber/>", "not finite"),
        (f"<apply>{symbol('delay')}{ci('A')}{cn(1)}</apply>", "delay"),
        (f"<apply>{ci('nothing')}{ci('A')}</apply>", "unknown function 'nothing'"),
        ("", "line 2|no kinetic law|not supported"),
        ("<apply/>", "line 2|not supported"),
        (f"<lambda><bvar>{ci('x')}</bvar>{ci('x')}</lambda>", "line 2|lambda"),
    ],
)
def test_mathematics_that_does_not_do(content, problem):
    with pytest.raises(FSPError, match=problem):
        value(content)


def test_rate_of_is_refused():
    name = (
        '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/rateOf"> rateOf </csymbol>'
    )
    with pytest.raises(UnsupportedError, match="'rateOf' is not supported"):
        value(f"<apply>{name}{ci('A')}</apply>", version=2)


def function(name, body):
    inner = math(f"<lambda><bvar>{ci('x')}</bvar>{body}</lambda>")
    return f'<functionDefinition id="{name}">{inner}</functionDefinition>'


def test_functions_that_double_are_refused():
    """f1(x) = x + x, f2(x) = f1(f1(x)), ...: written out, f30(A) has 2^(2^29) terms."""
    functions = function("f1", apply("plus", ci("x"), ci("x")))
    for i in range(2, 31):
        inner = f"<apply>{ci(f'f{i - 1}')}{ci('x')}</apply>"
        functions += function(f"f{i}", f"<apply>{ci(f'f{i - 1}')}{inner}</apply>")
    with pytest.raises(UnsupportedError, match="too long"):
        value(f"<apply>{ci('f30')}{ci('A')}</apply>", functions=functions)


def test_rules_that_double_are_refused():
    rules = assignment("p0", apply("plus", ci("A"), cn(1)))
    rules += "".join(
        assignment(f"p{i}", apply("times", ci(f"p{i - 1}"), ci(f"p{i - 1}"))) for i in range(1, 40)
    )
    parameters = K + "".join(parameter(f"p{i}", constant="false") for i in range(40))
    text = document(
        compartments=compartment(size=1),
        species=species("A"),
        parameters=parameters,
        rules=rules,
        reactions=reaction(ci("p39")),
    )
    with pytest.raises(FSPError, match="parts|deep"):
        read_sbml(text)
