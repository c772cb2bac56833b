"""The expression language: what it means, and what it refuses."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from fsp.errors import ExpressionError
from fsp.model.evaluation import evaluate_tree
from fsp.model.expressions import parse_condition, parse_expression

NAMES = ("X", "Y", "k", "time", "lambda", "S", "E", "I", "beta", "is", "λ")


def value(text, dtype=np.float64, **values):
    return evaluate_tree(parse_expression(text, NAMES), values, dtype=dtype)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2*3", 7),
        ("2^3^2", 512),
        ("-2^2", -4),
        ("2**-1", 0.5),
        ("7/2/2", 1.75),
        ("1 - 2 - 3", -4),
        ("2 - -3", 5),
        ("+5", 5),
        ("1e3 + .5 + 2.", 1002.5),
        ("exp(0) + ln(1) + log(1) + log10(1000)", 4),
        ("sqrt(16) + abs(-3) + min(4, 2, 3) + max(1, 5)", 14),
        ("floor(2.7) + ceil(2.2) + ceiling(0.5)", 6),
        ("pow(2, 10)", 1024),
        ("sin(0) + cos(0) + tan(0) + sinh(0) + cosh(0) + tanh(0)", 2),
        ("factorial(5) + binomial(5, 2)", 130),
        ("pi", np.pi),
        ("3 if 2 > 1 else 4", 3),
        ("piecewise(1, 1 > 2, 5, 2 > 1, 7)", 5),
        ("piecewise(1, false, 7)", 7),
        ("piecewise(7)", 7),
        ("(1 < 2) + (2 < 1)", 1),
        ("1 < 2 < 3", 1),
        ("1 < 3 < 2", 0),
        ("not 1 > 2", 1),
        ("!(1 > 2) && (2 > 1 || 1 > 2)", 1),
        ("1 != 2 and 1 == 1", 1),
        ("(1 > 2) == (2 > 3)", 1),
        ("(1 > 2) != (2 > 3)", 0),
        ("2 > 1 and 2 > 1", 1),
        ("2 > 1 and 2 <= 1", 0),
        ("piecewise(1, (2 > 1) == (3 > 2), 2)", 1),
        ("3*(2 > 1)", 3),
        ("-(2 > 1)", -1),
        ("2 ^ (1 > 0)", 2),
    ],
)
def test_arithmetic(text, expected):
    assert value(text) == expected


def test_numbers_are_exact_decimals():
    tree = parse_expression("0.1", NAMES)
    assert tree == sympy.Rational(1, 10)
    extended = value("0.1", dtype=np.longdouble)
    assert extended == np.longdouble(1) / np.longdouble(10)
    assert value("0.1") == 0.1


@pytest.mark.parametrize("name", ["lambda", "S", "E", "I", "beta", "is", "λ"])
def test_awkward_names(name):
    assert value(f"2*{name} + 1", **{name: 3.0}) == 7


def test_names_are_not_normalised():
    # Python turns the micro sign into the Greek letter; here they stay two names
    tree = parse_expression("µ - μ", ["µ", "μ"])
    assert {s.name for s in tree.free_symbols} == {"µ", "μ"}


@pytest.mark.parametrize(
    "text", ["X/X", "0*(1/X)", "X*X/X", "1/X - 1/X", "log(X) - log(X)", "0/X", "(X > 0)/X"]
)
def test_undefined_stays_undefined(text):
    assert not np.isfinite(value(text, X=0.0))
    assert np.isfinite(value(text, X=2.0))


def test_unselected_branch_may_be_undefined():
    assert value("piecewise(0, X == 0, 1/X)", X=0.0) == 0
    assert value("0 if X == 0 else 1/X", X=0.0) == 0
    assert value("(X > 0 and 1/X > 0.1) + 5", X=0.0) == 5
    assert value("(X == 0 or 1/X > 0.1) + 5", X=0.0) == 6


def test_undefined_condition_is_undefined():
    assert np.isnan(value("piecewise(1, X/X > 2, 3)", X=0.0))
    assert np.isnan(value("(X/X > 2) + 1", X=0.0))
    assert np.isnan(value("X/X > 2 or 1 > 2", X=0.0))
    assert value("X/X > 2 and 1 > 2", X=0.0) == 0
    assert np.isnan(value("1/0 - 1/0 > 2", X=0.0))


def test_counts_do_not_overflow():
    counts = np.array([3_000_000_000], dtype=np.int64)
    assert value("X*X*X", X=counts) == pytest.approx(2.7e28)
    assert value("X^4", X=np.array([200], dtype=np.uint8)).tolist() == [1.6e9]


def test_integer_powers_are_exact():
    x = np.arange(1, 40)
    assert np.array_equal(value("X^7", X=x), [float(int(v) ** 7) for v in x])
    assert np.array_equal(value("X^-2", X=x), 1.0 / x.astype(float) ** 2)
    assert np.array_equal(value("X^k", X=x, k=6.0), x.astype(float) ** 6)


def test_counting_functions_on_arrays():
    x = np.arange(8)
    assert value("binomial(X, 3)", X=x).tolist() == [0, 0, 0, 1, 4, 10, 20, 35]
    assert value("binomial(X, Y)", X=x, Y=x // 2).tolist() == [1, 1, 2, 3, 6, 10, 20, 35]
    assert value("factorial(X)", X=x).tolist() == [1, 1, 2, 6, 24, 120, 720, 5040]
    assert np.isnan(value("factorial(X)", X=0.5))
    assert np.isinf(value("factorial(X)", X=171.0))


def test_long_sums_are_flat():
    assert value(" + ".join(["X"] * 800), X=1.0) == 800
    assert value("*".join(["X"] * 800), X=1.0) == 1


REFUSED = [
    ("W + 1", "unknown name 'W' at position 1"),
    ("Xs", "did you mean 'X'"),
    ("__import__('os')", "unknown function '__import__' at position 1"),
    ("X.__class__", "'.' is not allowed"),
    ("X[0]", "'[' is not allowed"),
    ("lambda k: 3", "':' is not allowed"),
    ("lambda k", "no operator between 'lambda' and 'k'"),
    ("[x for x in X]", "'[' is not allowed"),
    ("{X}", "'{' is not allowed"),
    ("(X := 3)", "':' is not allowed at position 4"),
    ("min(X, k=3)", "'=' is not allowed"),
    ("X = 3", "write '=='"),
    ("'text'", "quotes"),
    ('"text"', "quotes"),
    ("f'{X}'", "unknown name 'f'"),
    ("foo(X)", "unknown function 'foo'"),
    ("flor(X)", "did you mean 'floor'"),
    ("eval(X)", "unknown function 'eval'"),
    ("X(2)", "to multiply, write '*'"),
    ("time(2)", "unknown function 'time'"),
    ("exp", "needs its arguments"),
    ("exp(X)(Y)", "no operator between"),
    ("2X", "no operator between '2' and 'X'"),
    ("2 X", "no operator between"),
    ("X Y", "no operator between"),
    ("1_000", "unknown name '_000'"),
    ("0x10", "unknown name 'x10'"),
    ("1j", "unknown name 'j'"),
    ("None", "unknown name 'None'"),
    ("X //2", "floor"),
    ("X % 2", "floor"),
    ("X & Y", "write 'and'"),
    ("X | Y", "write 'or'"),
    ("~X", "'~' is not allowed"),
    ("X @ Y", "'@' is not allowed"),
    ("X, Y", "comma"),
    ("min()", "argument"),
    ("min(X)", "at least 2"),
    ("exp(X, Y)", "takes 1 argument"),
    ("pow(X)", "takes 2 argument"),
    ("piecewise(1, X > 2)", "needs a default"),
    ("piecewise(1, X, 2)", "a condition is expected"),
    ("X and Y", "a condition is expected"),
    ("not X", "a condition is expected"),
    ("1 if X else 2", "a condition is expected"),
    ("(X > 1) < 2", "cannot be compared"),
    ("(X > 1) == 2", "cannot be compared"),
    ("(X", "'(' without ')'"),
    ("X)", "')' without '('"),
    ("X +", "cannot be read"),
    ("* X", "cannot be read"),
    ("X if Y > 1", "cannot be read"),
    ("", "is empty"),
    ("   ", "is empty"),
    ("1e999", "outside the range"),
    ("1e99999999999999999999", "outside the range"),
    ("1e-999", "outside the range"),
    ("9" * 5000, "outside the range"),
    ("0." + "0" * 900 + "1", "outside the range"),
    ("9**9**9**9", "not a finite number"),
    ("exp(exp(exp(100)))", "not a finite number"),
    ("factorial(10**9)", "outside the range"),
    ("factorial(200)", "outside the range"),
    ("X\x00", "not allowed"),
    ("X\\\nY", "not allowed"),
    ("😀", "not allowed"),
    ("fi", "unknown name 'fi'"),
    ("(" * 60 + "X" + ")" * 60, "nested deeper"),
    ("-" * 5000 + "X", "nested too deep"),
    ("X**" * 3000 + "X", "nested too deep"),
    ("+".join(["X"] * 20_000), "nested too deep"),
    ("exp(" * 45 + "X" + ")" * 45, "nested deeper"),
    ("X" * 100_001, "characters long"),
]


@pytest.mark.parametrize(("text", "problem"), REFUSED, ids=[repr(t[:20]) for t, _ in REFUSED])
def test_refused(text, problem):
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text, NAMES)
    assert problem in str(caught.value)
    assert len(str(caught.value)) < 500


def test_refuses_what_is_not_text():
    for thing in (5, None, ["X"], b"X"):
        with pytest.raises(ExpressionError, match=f"must be a text, not {type(thing).__name__}"):
            parse_expression(thing, NAMES)


def test_time_only_where_allowed():
    assert parse_expression("time", ["X", "time"]) == sympy.Symbol("time")
    with pytest.raises(ExpressionError, match="'time' is not allowed here"):
        parse_expression("X*time", ["X"])


def test_conditions():
    counts = {"X": np.array([0, 1, 2]), "Y": np.array([5, 5, 5])}
    assert evaluate_tree(parse_condition("X > 0 and Y*X < 10", NAMES), counts).tolist() == [0, 1, 0]
    with pytest.raises(ExpressionError, match="not a condition"):
        parse_condition("X + 1", NAMES)


def test_missing_value_and_unknown_function_are_errors():
    with pytest.raises(ExpressionError, match="no value was given for 'Y'"):
        value("X + Y", X=1.0)
    with pytest.raises(ExpressionError, match="gamma cannot be evaluated"):
        evaluate_tree(sympy.gamma(sympy.Symbol("X")), {"X": 1.0})


leaves = st.one_of(
    st.sampled_from(["X", "Y", "k"]), st.integers(0, 9).map(str), st.sampled_from(["0.5", "2.25"])
)
texts = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]} / (1 + ({t[1]})**2))"),
        st.tuples(inner, st.integers(0, 3)).map(lambda t: f"({t[0]})**{t[1]}"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} > {t[2]} else 2)"),
        st.tuples(inner, inner).map(lambda t: f"max({t[0]}, {t[1]})"),
    ),
    max_leaves=8,
)


@settings(derandomize=True, deadline=None, max_examples=80)
@given(texts, st.integers(0, 6), st.integers(0, 6))
def test_agrees_with_python(text, x, y):
    reference = eval(text, {"max": max, "__builtins__": {}}, {"X": float(x), "Y": float(y), "k": 1.5})
    result = value(text, X=float(x), Y=float(y), k=1.5)
    assert result == pytest.approx(reference, rel=1e-13, abs=1e-13)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.text(alphabet="XYk0123456789.+-*/^()<>=!&|, eexpmin'[]:;_", max_size=30))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(ExpressionError):
        parse_expression(text, NAMES)
