"""From expression trees to formulas as Antimony writes them, so that reading one gives the same tree."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction
from typing import Any

import sympy
from sympy.codegen.cfunctions import log10 as Log10

from fsp.model import trees
from fsp.model.tree_writer import (
    FUNCTIONS,
    TreeWriter,
    falling_factorial,
    is_float,
    is_quotient,
    split_number,
    split_product,
    split_sum,
)

__all__ = ["formula"]

# How tightly a formula holds together; an operand that holds less tightly gets parentheses.
_OR, _AND, _RELATION, _SUM, _PRODUCT, _MINUS, _POWER, _ATOM = range(8)
_LONG = 20  # terms


def formula(tree: Any, counts: Collection[str]) -> str:
    """Return the formula of an expression.

    Parameters
    ----------
    tree : sympy.Expr
        An unevaluated tree of `fsp.model.trees`.
    counts : collection of str
        The species, whose binomial coefficients are written as products.

    Raises
    ------
    UnsupportedError
        Naming a function that Antimony does not have.

    Examples
    --------
    >>> from fsp.model.expressions import parse_expression
    >>> formula(parse_expression("k*A*(A - 1)/2 if A > 3 else log10(A)^2", ["k", "A"]), ["A"])
    'piecewise(k*A*(A - 1)/2, A > 3, log10(A)^2)'
    """
    return _Writer(counts).text(tree, _OR)


class _Writer(TreeWriter[tuple[int, str]]):
    """Writes each node as a text, with how tightly it holds together."""

    language = "Antimony"

    def text(self, tree: Any, least: int) -> str:
        """Return the formula, in parentheses if it holds together less tightly than ``least``."""
        return _parenthesised(self.write(tree), least)

    def symbol(self, name: str) -> tuple[int, str]:
        return _ATOM, name

    def number(self, value: Fraction) -> tuple[int, str]:
        return _number(value)

    def constant(self, name: str) -> tuple[int, str]:
        return _ATOM, name

    def function(self, name: str, arguments: Sequence[Any]) -> tuple[int, str]:
        return _ATOM, self.call(name, *arguments)

    def call(self, name: str, *arguments: Any) -> str:
        return f"{name}({', '.join(self.text(argument, _OR) for argument in arguments)})"

    def add(self, tree: Any) -> tuple[int, str]:
        text = ""
        terms = split_sum(tree)
        if len(terms) > _LONG:  # a chain of minus signs would be read as a deep tree
            parts = [
                self.text(term, _PRODUCT) if sign > 0 else f"(-{self.text(term, _POWER)})"
                for sign, term in terms
            ]
            return _SUM, " + ".join(parts)
        for sign, term in terms:
            mark = " - " if sign < 0 else " + "
            part = self.text(term, _PRODUCT)
            text = f"{text}{mark}{part}" if text else part if sign > 0 else f"-{self.text(term, _POWER)}"
        return _SUM, text

    def multiply(self, tree: Any) -> tuple[int, str]:
        if tree.args[0] is sympy.S.NegativeOne:
            return _MINUS, f"-{self.text(trees.multiply(tree.args[1:]), _POWER)}"
        above, below = split_product(tree)
        if below is None:
            return _PRODUCT, "*".join(self.text(factor, _POWER) for factor in above)
        text = "*".join(self.text(factor, _POWER) for factor in above) or "1"
        return _PRODUCT, "/".join([text, *(self.text(factor, _POWER) for factor in below)])

    def power(self, tree: Any) -> tuple[int, str]:
        base, exponent = tree.args
        if exponent == -1:
            return _PRODUCT, f"1/{self.text(base, _POWER)}"
        if exponent == sympy.S.Half:
            return _ATOM, self.call("sqrt", base)
        return _POWER, f"{self.text(base, _ATOM)}^{self.text(exponent, _ATOM)}"

    def piecewise(self, tree: Any) -> tuple[int, str]:
        parts: list[Any] = []
        for value, test in tree.args:
            if test is sympy.true:
                parts.append(value)
                break
            parts.extend([value, test])
        return _ATOM, self.call("piecewise", *parts)

    def binomial(self, tree: Any) -> tuple[int, str]:
        factors, divisors = falling_factorial(tree, self.counts)
        product = "*".join(f"({name} - {i})" if i else name for name, i in factors)
        return _PRODUCT, "/".join([product, *map(str, divisors)])

    def relation(self, tree: Any) -> tuple[int, str]:
        left, right = (self.text(argument, _SUM) for argument in tree.args)
        return _RELATION, f"{left} {_RELATIONS[tree.func]} {right}"

    def conjunction(self, tree: Any) -> tuple[int, str]:
        return _AND, " && ".join(self.text(argument, _ATOM) for argument in tree.args)

    def disjunction(self, tree: Any) -> tuple[int, str]:
        return _OR, " || ".join(self.text(argument, _ATOM) for argument in tree.args)

    def negation(self, tree: Any) -> tuple[int, str]:
        return _POWER, f"!({self.text(tree.args[0], _OR)})"


def _number(value: Fraction) -> tuple[int, str]:
    if value < 0:
        return _MINUS, f"-{_parenthesised(_number(-value), _POWER)}"
    if value.denominator == 1 and value < 10**9:
        return _ATOM, str(value.numerator)
    if is_float(value):
        return _ATOM, repr(float(value))
    if is_quotient(value):
        above, below = _number(Fraction(value.numerator)), _number(Fraction(value.denominator))
        return _PRODUCT, f"{_parenthesised(above, _POWER)}/{_parenthesised(below, _POWER)}"
    return _SUM, " + ".join(_parenthesised(_number(part), _PRODUCT) for part in split_number(value))


def _parenthesised(written: tuple[int, str], least: int) -> str:
    level, text = written
    return text if level >= least else f"({text})"


_RELATIONS: dict[Any, str] = {
    sympy.StrictLessThan: "<",
    sympy.LessThan: "<=",
    sympy.StrictGreaterThan: ">",
    sympy.GreaterThan: ">=",
    sympy.Equality: "==",
    sympy.Unequality: "!=",
}
_Writer.special = {
    sympy.Add: _Writer.add,
    sympy.Mul: _Writer.multiply,
    sympy.Pow: _Writer.power,
    sympy.Piecewise: _Writer.piecewise,
    sympy.binomial: _Writer.binomial,
    sympy.And: _Writer.conjunction,
    sympy.Or: _Writer.disjunction,
    sympy.Not: _Writer.negation,
    **dict.fromkeys(_RELATIONS, _Writer.relation),
}
_Writer.functions = {**FUNCTIONS, Log10: "log10", sympy.ceiling: "ceil"}
