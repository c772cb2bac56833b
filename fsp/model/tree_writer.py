"""What the writers of formulas have in common: what an expression tree is made of, and how it is taken apart.

Numbers keep all their digits: what is no float is written as a quotient or as a sum of floats.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from fractions import Fraction
from typing import Any, ClassVar, Generic, TypeVar

import sympy

from fsp.errors import UnsupportedError
from fsp.model import trees
from fsp.model.canonical import MAX_PRODUCT, exact_fraction

__all__ = [
    "FUNCTIONS",
    "MAX_INTEGER",
    "TreeWriter",
    "falling_factorial",
    "is_float",
    "is_quotient",
    "split_number",
    "split_product",
    "split_sum",
]

MAX_INTEGER = 2**31 - 2  # libsbml reads an integer as a C int
_DIGITS = 15  # decimal digits that survive as a float
_MAX_PARTS = 20  # of a number with many digits

#: Functions that have the same name in MathML and in Antimony.
FUNCTIONS: dict[Any, str] = {
    sympy.exp: "exp",
    sympy.log: "ln",
    sympy.Abs: "abs",
    sympy.Min: "min",
    sympy.Max: "max",
    sympy.floor: "floor",
    sympy.sin: "sin",
    sympy.cos: "cos",
    sympy.tan: "tan",
    sympy.sinh: "sinh",
    sympy.cosh: "cosh",
    sympy.tanh: "tanh",
    sympy.factorial: "factorial",
}
_CONSTANTS: dict[Any, str] = {
    sympy.pi: "pi",
    sympy.E: "exponentiale",
    sympy.true: "true",
    sympy.false: "false",
}

Written = TypeVar("Written")


class TreeWriter(ABC, Generic[Written]):
    """Writes unevaluated trees of `fsp.model.trees`, node by node, in a language for formulas.

    A subclass has a method for each node of ``special``; what is in ``functions`` is written as a call by name.

    Parameters
    ----------
    counts : collection of str
        The species, whose binomial coefficients are written as products.
    """

    language: ClassVar[str]
    functions: ClassVar[Mapping[Any, str]]
    special: ClassVar[Mapping[Any, Callable[[Any, Any], Any]]]

    def __init__(self, counts: Collection[str]) -> None:
        self.counts = counts

    def write(self, tree: Any) -> Written:
        """Return what is written for a tree.

        Raises
        ------
        UnsupportedError
            Naming a function that the language does not have.
        """
        if tree.is_Symbol:
            return self.symbol(tree.name)
        if tree.is_Rational or tree.is_Float:
            return self.number(exact_fraction(tree))
        if tree.func in self.special:
            written: Written = self.special[tree.func](self, tree)
            return written
        if tree.func in self.functions:
            return self.function(self.functions[tree.func], tree.args)
        if tree in _CONSTANTS:
            return self.constant(_CONSTANTS[tree])
        message = f"'{tree}' cannot be written as {self.language}; write the propensity with other functions"
        raise UnsupportedError(message)

    @abstractmethod
    def symbol(self, name: str) -> Written:
        """Return a name."""

    @abstractmethod
    def number(self, value: Fraction) -> Written:
        """Return a number, with all its digits."""

    @abstractmethod
    def constant(self, name: str) -> Written:
        """Return a constant with a name of its own."""

    @abstractmethod
    def function(self, name: str, arguments: Sequence[Any]) -> Written:
        """Return a call."""


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
        if divisors[-1] * i > MAX_INTEGER:
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
