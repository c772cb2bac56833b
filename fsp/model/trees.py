"""Building expression trees without simplification, so that a tree means exactly what its text says.

SymPy turns ``X/X`` into 1 and ``0*(1/X)`` into 0. On molecule counts that is wrong: at X = 0 both are
undefined, and a propensity that is undefined at a reachable state is an error of the model. Every constructor
here therefore builds the unevaluated node. Powers, functions and factorials of plain numbers are bounded, so
that no later operation on the tree can be made to compute ``9**9**9**9`` exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import sympy
from sympy.codegen.cfunctions import log10 as Log10
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import Boolean

from fsp.errors import ExpressionError

__all__ = [
    "FUNCTIONS",
    "MAX_DEPTH",
    "MAX_NODES",
    "FunctionSpec",
    "Log10",
    "add",
    "call",
    "check_depth",
    "check_size",
    "collect_numbers",
    "compare",
    "condition",
    "conjunction",
    "disjunction",
    "divide",
    "is_condition",
    "multiply",
    "negate",
    "negation",
    "number",
    "numeric",
    "piecewise",
    "power",
    "symbol",
]

Expr = Any  # a SymPy expression; SymPy ships no type information that mypy can use here

MAX_DEPTH = (
    80  # of a tree: keeps every recursion (ours, SymPy's printing and hashing) far from Python's limit
)
MAX_NODES = 20_000  # of a tree that was put together from rules and functions, written out
_MAX_BITS = 2048  # of an exact power of numbers
_MAX_EXACT = 8  # numbers whose product is computed exactly
_MAX_NUMBERS = 32  # that are collected from one product
_MAX_FACTORIAL = 170  # the largest factorial that a float holds
_SAFE_ARGUMENT = 1000  # a function of a larger number is folded into a float at once

ZERO = sympy.S.Zero
ONE = sympy.S.One
MINUS_ONE = sympy.S.NegativeOne


def symbol(name: str) -> Expr:
    """Return the symbol of a species, a parameter or ``time``, without assumptions."""
    return sympy.Symbol(name)


def number(value: str | int | float | Fraction) -> Expr:
    """Return a number exactly: decimal text and floats become the rational with the shortest decimal form.

    Raises
    ------
    ExpressionError
        If the number is not finite, or too large or too small for a float.

    Examples
    --------
    >>> number("0.1")
    1/10
    >>> number(2.5e-4)
    1/4000
    """
    text = repr(value) if isinstance(value, float) else value
    if isinstance(text, str):
        mantissa, _, exponent = text.lower().partition("e")
        bad = len(mantissa) > 1000 or len(exponent) > 5 or (exponent and abs(int(exponent)) > 400)
        if bad or not any(c.isdigit() for c in mantissa):
            message = f"the number {text[:40]} is outside the range of floating-point numbers"
            raise ExpressionError(message)
    exact = Fraction(text)
    try:
        rounded = float(exact)
    except OverflowError:
        rounded = float("inf")
    if rounded in (float("inf"), float("-inf")) or (rounded == 0.0 and exact != 0):
        message = f"the number {str(value)[:40]} is outside the range of floating-point numbers"
        raise ExpressionError(message)
    return sympy.Rational(exact.numerator, exact.denominator)


def is_condition(tree: Expr) -> bool:
    """Return True for a comparison or a logical combination, False for what has a numeric value."""
    return isinstance(tree, Boolean) and not isinstance(tree, sympy.Symbol)


def numeric(tree: Expr) -> Expr:
    """Return a tree with a numeric value: a condition counts as 1 where it holds and 0 elsewhere."""
    if not is_condition(tree):
        return tree
    if tree is sympy.true:
        return ONE
    if tree is sympy.false:
        return ZERO
    return _choice([(ONE, tree), (ZERO, sympy.true)])


def condition(tree: Expr) -> Expr:
    """Return the tree if it is a condition, and refuse a number used as one."""
    if not is_condition(tree):
        message = (
            f"'{tree}' is a number where a condition is expected (write a comparison such as '{tree} > 0')"
        )
        raise ExpressionError(message)
    return tree


def add(terms: Sequence[Expr]) -> Expr:
    """Return the sum of the terms in their order."""
    terms = [numeric(term) for term in terms]
    return terms[0] if len(terms) == 1 else sympy.Add(*terms, evaluate=False)


def multiply(factors: Sequence[Expr]) -> Expr:
    """Return the product of the factors in their order; factors that are the number 1 are left out."""
    factors = [f for f in map(numeric, factors) if f is not ONE]
    if not factors:
        return ONE
    if factors[0].is_Mul:
        factors = [*factors[0].args, *factors[1:]]
    if len(factors) <= _MAX_EXACT and all(map(_is_ratio, factors)):
        return sympy.Mul(*factors)
    return factors[0] if len(factors) == 1 else sympy.Mul(*factors, evaluate=False)


def negate(tree: Expr) -> Expr:
    """Return minus the tree; the negative of a number is a number."""
    tree = numeric(tree)
    return -tree if tree.is_Rational else sympy.Mul(MINUS_ONE, tree, evaluate=False)


def divide(numerator: Expr, denominator: Expr) -> Expr:
    """Return the quotient, kept as written: ``X/X`` stays undefined at X = 0."""
    return multiply([numerator, power(denominator, MINUS_ONE)])


def power(base: Expr, exponent: Expr) -> Expr:
    """Return ``base**exponent``; a power of two numbers that would be huge as an exact number is refused."""
    base, exponent = numeric(base), numeric(exponent)
    if not base.free_symbols and not exponent.free_symbols:
        exact = base.is_Rational and exponent.is_Rational
        size = max(base.p.bit_length(), base.q.bit_length()) * abs(exponent) if exact else None
        if size is None or size > _MAX_BITS:
            return _fold(sympy.Pow(base, exponent, evaluate=False))
        if exponent.is_Integer and (base != 0 or exponent > 0) and exponent is not MINUS_ONE:
            return base**exponent
    return sympy.Pow(base, exponent, evaluate=False)


def compare(operator: str, left: Expr, right: Expr) -> Expr:
    """Return a comparison; ``operator`` is one of ``< <= > >= == !=``.

    Two conditions can be tested for being equal or unequal; a condition and a number cannot be compared.
    """
    if is_condition(left) != is_condition(right) or (is_condition(left) and operator not in ("==", "!=")):
        message = f"a condition and a number cannot be compared with '{operator}': '{left}' and '{right}'"
        raise ExpressionError(message)
    if is_condition(left):
        same = disjunction([conjunction([left, right]), conjunction([negation(left), negation(right)])])
        return same if operator == "==" else negation(same)
    return _COMPARISONS[operator](left, right, evaluate=False)


def conjunction(conditions: Sequence[Expr]) -> Expr:
    """Return the condition that all hold."""
    return _combine(sympy.And, conditions)


def disjunction(conditions: Sequence[Expr]) -> Expr:
    """Return the condition that at least one holds."""
    return _combine(sympy.Or, conditions)


def negation(tree: Expr) -> Expr:
    """Return the condition that the given one does not hold."""
    return sympy.Not(condition(tree), evaluate=False)


def piecewise(arguments: Sequence[Expr], *, need_default: bool = True) -> Expr:
    """Return the value of the first condition that holds: value, condition, value, condition, ..., default.

    Without a default the tree is undefined where no condition holds.
    """
    if not arguments or (need_default and len(arguments) % 2 == 0):
        message = "piecewise needs a default: piecewise(value, condition, ..., default)"
        raise ExpressionError(message)
    pairs = [
        (numeric(value), condition(test))
        for value, test in zip(arguments[0::2], arguments[1::2], strict=False)
    ]
    if len(arguments) % 2:
        pairs.append((numeric(arguments[-1]), sympy.true))
    pairs = [(value, test) for value, test in pairs if test is not sympy.false]
    if not pairs:
        return sympy.nan
    return _choice(pairs)


def call(name: str, arguments: Sequence[Expr]) -> Expr:
    """Return the named function of the arguments.

    Raises
    ------
    ExpressionError
        If the function is not one of `FUNCTIONS`, or the number of arguments does not fit.
    """
    spec = FUNCTIONS[name]
    if len(arguments) < spec.least or (spec.most is not None and len(arguments) > spec.most):
        wanted = f"{spec.least}" if spec.most == spec.least else f"at least {spec.least}"
        message = f"{name} takes {wanted} argument(s), not {len(arguments)}"
        raise ExpressionError(message)
    if name == "piecewise":
        return piecewise(arguments)
    arguments = [numeric(argument) for argument in arguments]
    tree = spec.build(*arguments)
    large = any(not a.is_Rational or abs(a) > _SAFE_ARGUMENT for a in arguments)
    if large and spec.fold and not any(argument.free_symbols for argument in arguments):
        return _fold(tree)
    return tree


def collect_numbers(tree: Expr) -> Expr:
    """Return a product with its numbers multiplied, exactly: ``4*k*(A/4)`` becomes ``k*A``.

    Examples
    --------
    >>> quarter = divide(symbol("A"), number(4))
    >>> collect_numbers(multiply([number(4), symbol("k"), quarter]))
    A*k
    """
    factors = [tree]
    while any(factor.is_Mul for factor in factors):
        factors = [part for factor in factors for part in (factor.args if factor.is_Mul else (factor,))]
    numbers = [factor for factor in factors if _is_ratio(factor)]
    if not 2 <= len(numbers) <= _MAX_NUMBERS:
        return tree
    return multiply([sympy.Mul(*numbers), *(factor for factor in factors if not _is_ratio(factor))])


def check_depth(tree: Expr) -> None:
    """Refuse a tree that is nested deeper than `MAX_DEPTH` (walks level by level, without recursion)."""
    level = [tree]
    for _ in range(MAX_DEPTH + 1):
        level = list({id(a): a for node in level for a in node.args}.values())
        if not level:
            return
    message = f"the expression is nested deeper than {MAX_DEPTH} levels: split it up"
    raise ExpressionError(message)


def check_size(tree: Expr) -> int:
    """Return the number of nodes of a tree written out in full, and refuse more than `MAX_NODES`.

    Equal subtrees may be stored once, but what is printed, differentiated or factored is the whole tree.
    """
    sizes: dict[int, int] = {}
    stack = [tree]
    while stack:
        node = stack.pop()
        if id(node) in sizes:
            continue
        waiting = [part for part in node.args if id(part) not in sizes]
        if waiting:
            stack.append(node)
            stack.extend(waiting)
            continue
        sizes[id(node)] = 1 + sum(sizes[id(part)] for part in node.args)
        if sizes[id(node)] > MAX_NODES:
            message = f"the expression has more than {MAX_NODES:,} parts: split it up"
            raise ExpressionError(message)
    return sizes[id(tree)]


def _choice(pairs: Sequence[tuple[Expr, Expr]]) -> Expr:
    # SymPy's constructors rewrite the conditions even with evaluate=False, which can change what is undefined
    return sympy.Basic.__new__(
        sympy.Piecewise, *(sympy.Tuple.__new__(ExprCondPair, value, test) for value, test in pairs)
    )


def _combine(kind: Any, conditions: Sequence[Expr]) -> Expr:
    # as above: SymPy would drop conditions that look like repetitions after it has simplified them
    parts = tuple(dict.fromkeys(map(condition, conditions)))
    if len(parts) == 1:
        return parts[0]
    tree = sympy.Basic.__new__(kind, *parts)
    tree._argset = frozenset(parts)
    return tree


def _is_ratio(tree: Expr) -> bool:
    """Return True for a number and for one over a number that is not zero."""
    return bool(
        tree.is_Rational or (tree.is_Pow and tree.exp is MINUS_ONE and tree.base.is_Rational and tree.base)
    )


def _fold(tree: Expr) -> Expr:
    """Replace a tree without symbols by its floating-point value."""
    import numpy as np

    from fsp.model.evaluation import evaluate_tree

    value = evaluate_tree(tree, {}, dtype=np.longdouble)
    if not np.isfinite(value):
        message = f"{str(tree)[:60]} is not a finite number"
        raise ExpressionError(message)
    return sympy.Float(np.format_float_scientific(value, unique=True), 21)


def _counting(function: Callable[..., Expr]) -> Callable[..., Expr]:
    def build(*arguments: Expr) -> Expr:
        for argument in arguments:
            if argument.is_Number and argument > _MAX_FACTORIAL and len(arguments) == 1:
                message = f"the factorial of {argument} is outside the range of floating-point numbers"
                raise ExpressionError(message)
        return function(*arguments, evaluate=False)

    return build


def _plain(function: Callable[..., Expr]) -> Callable[..., Expr]:
    def build(*arguments: Expr) -> Expr:
        return function(*arguments, evaluate=False)

    return build


class FunctionSpec(NamedTuple):
    """A function of the expression language: how to build it and how many arguments it takes."""

    build: Callable[..., Expr]
    least: int = 1
    most: int | None = 1
    fold: bool = True


_HALF = sympy.S.Half
_COMPARISONS: dict[str, Callable[..., Expr]] = {
    "<": sympy.Lt,
    "<=": sympy.Le,
    ">": sympy.Gt,
    ">=": sympy.Ge,
    "==": sympy.Eq,
    "!=": sympy.Ne,
}
FUNCTIONS: dict[str, FunctionSpec] = {
    "exp": FunctionSpec(_plain(sympy.exp)),
    "log": FunctionSpec(_plain(sympy.log)),
    "ln": FunctionSpec(_plain(sympy.log)),
    "log10": FunctionSpec(_plain(Log10)),
    "sqrt": FunctionSpec(lambda x: power(x, _HALF)),
    "abs": FunctionSpec(_plain(sympy.Abs)),
    "min": FunctionSpec(_plain(sympy.Min), 2, None),
    "max": FunctionSpec(_plain(sympy.Max), 2, None),
    "floor": FunctionSpec(_plain(sympy.floor)),
    "ceil": FunctionSpec(_plain(sympy.ceiling)),
    "ceiling": FunctionSpec(_plain(sympy.ceiling)),
    "pow": FunctionSpec(power, 2, 2, fold=False),
    "sin": FunctionSpec(_plain(sympy.sin)),
    "cos": FunctionSpec(_plain(sympy.cos)),
    "tan": FunctionSpec(_plain(sympy.tan)),
    "sinh": FunctionSpec(_plain(sympy.sinh)),
    "cosh": FunctionSpec(_plain(sympy.cosh)),
    "tanh": FunctionSpec(_plain(sympy.tanh)),
    "asin": FunctionSpec(_plain(sympy.asin)),
    "acos": FunctionSpec(_plain(sympy.acos)),
    "atan": FunctionSpec(_plain(sympy.atan)),
    "asinh": FunctionSpec(_plain(sympy.asinh)),
    "acosh": FunctionSpec(_plain(sympy.acosh)),
    "atanh": FunctionSpec(_plain(sympy.atanh)),
    "factorial": FunctionSpec(_counting(sympy.factorial)),
    "binomial": FunctionSpec(_counting(sympy.binomial), 2, 2),
    "piecewise": FunctionSpec(piecewise, 1, None, fold=False),
}
