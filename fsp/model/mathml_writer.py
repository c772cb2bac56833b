"""From expression trees to MathML, so that reading it gives the same tree with the same numbers.

The text is made here and not by libsbml, because libsbml writes numbers with 15 digits: 0.1 + 0.2 would come back
as 0.3. Numbers are written with the digits that tell a float from its neighbours, and what is no float as a quotient.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import sympy
from sympy.codegen.cfunctions import log10 as Log10

from fsp.model import trees
from fsp.model.tree_writer import (
    FUNCTIONS,
    MAX_INTEGER,
    TreeWriter,
    falling_factorial,
    is_float,
    is_quotient,
    split_number,
    split_product,
    split_sum,
)

__all__ = ["MATHML", "math_element"]

MATHML = "http://www.w3.org/1998/Math/MathML"

_TIME = "http://www.sbml.org/sbml/symbols/time"


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
    root.append(_Writer(counts).write(tree))
    return root


class _Writer(TreeWriter[Element]):
    language = "MathML"

    def symbol(self, name: str) -> Element:
        return _symbol(name)

    def number(self, value: Fraction) -> Element:
        return _number(value)

    def constant(self, name: str) -> Element:
        return Element(name)

    def function(self, name: str, arguments: Sequence[Any]) -> Element:
        return _apply(name, *map(self.write, arguments))

    def add(self, tree: Any) -> Element:
        terms = split_sum(tree)
        if len(terms) == 2 and terms[1][0] < 0 < terms[0][0]:
            return _apply("minus", *(self.write(term) for _, term in terms))
        parts = [self.write(term) if sign > 0 else _apply("minus", self.write(term)) for sign, term in terms]
        return _apply("plus", *parts)

    def multiply(self, tree: Any) -> Element:
        if tree.args[0] is sympy.S.NegativeOne:
            return _apply("minus", self.write(trees.multiply(tree.args[1:])))
        above, below = split_product(tree)
        if below is None:
            return _apply("times", *map(self.write, tree.args))
        parts = [self.write(factor) for factor in above]
        top = _apply("times", *parts) if len(parts) > 1 else parts[0] if parts else _number(Fraction(1))
        for factor in below:
            top = _apply("divide", top, self.write(factor))
        return top

    def power(self, tree: Any) -> Element:
        base, exponent = tree.args
        if exponent == -1:
            return _apply("divide", _number(Fraction(1)), self.write(base))
        if exponent == sympy.S.Half:
            return _apply("root", self.write(base))
        return _apply("power", self.write(base), self.write(exponent))

    def logarithm10(self, tree: Any) -> Element:
        base = Element("logbase")
        base.append(_number(Fraction(10)))
        return _apply("log", base, self.write(tree.args[0]))

    def piecewise(self, tree: Any) -> Element:
        root = Element("piecewise")
        for value, test in tree.args:
            if test is sympy.true:
                SubElement(root, "otherwise").append(self.write(value))
                break
            piece = SubElement(root, "piece")
            piece.extend([self.write(value), self.write(test)])
        return root

    def binomial(self, tree: Any) -> Element:
        factors, divisors = falling_factorial(tree, self.counts)
        parts = [_apply("minus", _symbol(n), _number(Fraction(i))) if i else _symbol(n) for n, i in factors]
        top = _apply("times", *parts)
        for divisor in divisors:
            top = _apply("divide", top, _number(Fraction(divisor)))
        return top


def _number(value: Fraction) -> Element:
    if value.denominator == 1 and abs(value.numerator) <= MAX_INTEGER:
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


_Writer.special = {
    sympy.Add: _Writer.add,
    sympy.Mul: _Writer.multiply,
    sympy.Pow: _Writer.power,
    sympy.Piecewise: _Writer.piecewise,
    sympy.binomial: _Writer.binomial,
    Log10: _Writer.logarithm10,
}
_Writer.functions = {
    **FUNCTIONS,
    sympy.ceiling: "ceiling",
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
