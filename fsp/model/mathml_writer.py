"""From expression trees to MathML, so that reading it gives the same tree with the same numbers.

The text is made here and not by libsbml, because libsbml writes numbers with 15 digits: 0.1 + 0.2 would come back
as 0.3. Numbers are written with the digits that tell a float from its neighbours, and what is no float as a quotient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import sympy
from sympy.codegen.cfunctions import log10 as Log10

from fsp.errors import UnsupportedError
from fsp.model import trees
from fsp.model.canonical import MAX_PRODUCT, exact_fraction

__all__ = [
    "MATHML",
    "falling_factorial",
    "is_float",
    "is_quotient",
    "math_element",
    "split_number",
    "split_product",
    "split_sum",
]

MATHML = "http://www.w3.org/1998/Math/MathML"

_TIME = "http://www.sbml.org/sbml/symbols/time"
_MAX_INTEGER = 2**31 - 2  # libsbml reads type="integer" as a C int
_DIGITS = 15  # decimal digits that survive as a float
_MAX_PARTS = 20  # of a number with many digits


def math_element(tree: Any, counts: Collection[str]) -> Element:
    """Return the ``<math>`` element of an expression.

    Parameters
    ----------
    tree : sympy.Expr
        An unevaluated tree of `fsp.model.trees`.
    counts : collection of str
        The species, whose binomial coefficients are written as products.

    Raises
    ------
    UnsupportedError
        Naming a function that MathML does not have.
    """
    root = Element("math", xmlns=MATHML)
    root.append(_Writer(counts).element(tree))
    return root


class _Writer:
    def __init__(self, counts: Collection[str]) -> None:
        self.counts = counts

    def element(self, tree: Any) -> Element:
        if tree.is_Symbol:
            return _symbol(tree.name)
        if tree.is_Rational or tree.is_Float:
            return _number(exact_fraction(tree))
        if tree.func in _WRITERS:
            return _WRITERS[tree.func](self, tree)
        if tree.func in _NAMES:
            return _apply(_NAMES[tree.func], *map(self.element, tree.args))
        if tree in _CONSTANTS:
            return Element(_CONSTANTS[tree])
        message = f"'{tree}' cannot be written as MathML; write the propensity with other functions"
        raise UnsupportedError(message)

    def add(self, tree: Any) -> Element:
        terms = split_sum(tree)
        if len(terms) == 2 and terms[1][0] < 0 < terms[0][0]:
            return _apply("minus", *(self.element(term) for _, term in terms))
        parts = [
            self.element(term) if sign > 0 else _apply("minus", self.element(term)) for sign, term in terms
        ]
        return _apply("plus", *parts)

    def multiply(self, tree: Any) -> Element:
        if tree.args[0] is sympy.S.NegativeOne:
            return _apply("minus", self.element(trees.multiply(tree.args[1:])))
        above, below = split_product(tree)
        if below is None:
            return _apply("times", *map(self.element, tree.args))
        parts = [self.element(factor) for factor in above]
        top = _apply("times", *parts) if len(parts) > 1 else parts[0] if parts else _number(Fraction(1))
        for factor in below:
            top = _apply("divide", top, self.element(factor))
        return top

    def power(self, tree: Any) -> Element:
        base, exponent = tree.args
        if exponent == -1:
            return _apply("divide", _number(Fraction(1)), self.element(base))
        if exponent == sympy.S.Half:
            return _apply("root", self.element(base))
        return _apply("power", self.element(base), self.element(exponent))

    def logarithm10(self, tree: Any) -> Element:
        base = Element("logbase")
        base.append(_number(Fraction(10)))
        return _apply("log", base, self.element(tree.args[0]))

    def piecewise(self, tree: Any) -> Element:
        root = Element("piecewise")
        for value, test in tree.args:
            if test is sympy.true:
                SubElement(root, "otherwise").append(self.element(value))
                break
            piece = SubElement(root, "piece")
            piece.extend([self.element(value), self.element(test)])
        return root

    def binomial(self, tree: Any) -> Element:
        factors, divisors = falling_factorial(tree, self.counts)
        parts = [_apply("minus", _symbol(n), _number(Fraction(i))) if i else _symbol(n) for n, i in factors]
        top = _apply("times", *parts)
        for divisor in divisors:
            top = _apply("divide", top, _number(Fraction(divisor)))
        return top


def split_sum(tree: Any) -> list[tuple[int, Any]]:
    """Return the terms of a sum as (sign, term), with the minus of a number or a product taken out."""
    terms = []
    for term in tree.args:
        if term.is_Rational and term < 0:
            terms.append((-1, -term))
        elif term.is_Mul and term.args[0] is sympy.S.NegativeOne:
            terms.append((-1, trees.multiply(term.args[1:])))
        else:
            terms.append((1, term))
    return terms


def split_product(tree: Any) -> tuple[Sequence[Any], Sequence[Any] | None]:
    """Return the factors of a product above and below the line, or all and None where they do not stand in order."""
    inverse = [bool(factor.is_Pow and factor.args[1] == -1) for factor in tree.args]
    first = inverse.index(True) if True in inverse else len(inverse)
    if first == len(inverse) or len(inverse) - first > 5 or not all(inverse[first:]):
        return tree.args, None
    return tree.args[:first], [factor.args[0] for factor in tree.args[first:]]


def falling_factorial(tree: Any, counts: Collection[str]) -> tuple[list[tuple[str, int]], list[int]]:
    """Return ``[(X, 0), (X, 1), ...]`` and numbers whose product is n!, with ``binomial(X, n) = X (X - 1) ... / n!``.

    Raises
    ------
    UnsupportedError
        If X is no species, or n is no number or too large.
    """
    count, order = tree.args
    if not (count.is_Symbol and count.name in counts and order.is_Integer and 1 <= order <= MAX_PRODUCT):
        message = (
            f"'{tree}' cannot be written: model files have no binomial coefficients, and only those of a species and "
            f"a number up to {MAX_PRODUCT} can be written as a product"
        )
        raise UnsupportedError(message)
    divisors = [1]
    for i in range(2, int(order) + 1):  # each of them small enough to be an exact integer in the file
        if divisors[-1] * i > _MAX_INTEGER:
            divisors.append(1)
        divisors[-1] *= i
    return [(count.name, i) for i in range(int(order))], divisors


def is_float(value: Fraction) -> bool:
    """Return True if the shortest decimal form of the nearest float is exactly this number."""
    try:
        nearest = float(value)
    except OverflowError:
        return False
    return math.isfinite(nearest) and Fraction(repr(nearest)) == value


def is_quotient(value: Fraction) -> bool:
    """Return True for a number that can be written as a quotient of two floats."""
    return (
        value.denominator != 1
        and is_float(Fraction(value.numerator))
        and is_float(Fraction(value.denominator))
    )


def split_number(value: Fraction) -> list[Fraction]:
    """Return floats whose sum is a positive number that is no float: its decimal digits in portions.

    Raises
    ------
    UnsupportedError
        If it has no finite decimal form.
    """
    parts: list[Fraction] = []
    rest = value
    while rest and len(parts) < _MAX_PARTS:
        exponent = _DIGITS - len(str(int(rest))) if rest >= 1 else _DIGITS - 1 + len(str(int(1 / rest)))
        digits = int(rest * Fraction(10) ** exponent)
        parts.append(Fraction(digits) / Fraction(10) ** exponent)
        rest -= parts[-1]
    if rest or not all(map(is_float, parts)):
        message = (
            f"the number {float(value):.17g} cannot be written with all its digits; write it with at most 17, or as a "
            "quotient of integers below 2^31"
        )
        raise UnsupportedError(message)
    return parts


def _number(value: Fraction) -> Element:
    if value.denominator == 1 and abs(value.numerator) <= _MAX_INTEGER:
        return _leaf("cn", str(value.numerator), type="integer")
    if is_float(value):
        digits, _, exponent = repr(float(value)).partition("e")
        return _scientific(digits, int(exponent)) if exponent else _leaf("cn", digits)
    if value < 0:
        return _apply("minus", _number(-value))
    if is_quotient(value):
        return _apply("divide", _number(Fraction(value.numerator)), _number(Fraction(value.denominator)))
    return _apply("plus", *map(_number, split_number(value)))


def _scientific(digits: str, exponent: int) -> Element:
    """Write a number with an exponent, unless its digits as a float of their own would be others."""
    if not is_float(Fraction(digits)):
        return _leaf("cn", format(Decimal(f"{digits}e{exponent}"), "f"))
    leaf = _leaf("cn", digits, type="e-notation")
    SubElement(leaf, "sep").tail = str(exponent)
    return leaf


def _symbol(name: str) -> Element:
    if name == "time":
        return _leaf("csymbol", "time", encoding="text", definitionURL=_TIME)
    return _leaf("ci", name)


def _leaf(tag: str, text: str, **attributes: str) -> Element:
    leaf = Element(tag, attributes)
    leaf.text = text
    return leaf


def _apply(operation: str, *operands: Element) -> Element:
    root = Element("apply")
    SubElement(root, operation)
    root.extend(operands)
    return root


_WRITERS: dict[Any, Callable[[_Writer, Any], Element]] = {
    sympy.Add: _Writer.add,
    sympy.Mul: _Writer.multiply,
    sympy.Pow: _Writer.power,
    sympy.Piecewise: _Writer.piecewise,
    sympy.binomial: _Writer.binomial,
    Log10: _Writer.logarithm10,
}
_NAMES: dict[Any, str] = {
    sympy.exp: "exp",
    sympy.log: "ln",
    sympy.Abs: "abs",
    sympy.Min: "min",
    sympy.Max: "max",
    sympy.floor: "floor",
    sympy.ceiling: "ceiling",
    sympy.sin: "sin",
    sympy.cos: "cos",
    sympy.tan: "tan",
    sympy.sinh: "sinh",
    sympy.cosh: "cosh",
    sympy.tanh: "tanh",
    sympy.factorial: "factorial",
    sympy.And: "and",
    sympy.Or: "or",
    sympy.Not: "not",
    sympy.StrictLessThan: "lt",
    sympy.LessThan: "leq",
    sympy.StrictGreaterThan: "gt",
    sympy.GreaterThan: "geq",
    sympy.Equality: "eq",
    sympy.Unequality: "neq",
}
_CONSTANTS: dict[Any, str] = {
    sympy.pi: "pi",
    sympy.E: "exponentiale",
    sympy.true: "true",
    sympy.false: "false",
}
