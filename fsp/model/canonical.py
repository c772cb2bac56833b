"""A canonical form of expression trees: trees with equal forms have the same value at every state.

Only rewritings that are identities of real arithmetic wherever either side is defined *and* leave undefined what
was undefined are used: sums, products, minima, maxima and logical combinations are flattened and sorted, numbers
in them are combined exactly, ``a > b`` becomes ``b < a``, and binomial coefficients of counts become products. So
``k*A*(A - 1)/2`` and the mass action of ``2 A -> ...`` agree, but ``X/X`` and ``1`` do not. Two trees with different
forms may still be equal; two trees with equal forms never differ by more than the rounding of their evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from fractions import Fraction
from typing import Any

import sympy

__all__ = ["MAX_PRODUCT", "Form", "canonical_form", "exact_fraction"]

Form = tuple[Any, ...]

#: Largest lower index of a binomial coefficient that is written as a product.
MAX_PRODUCT = 30

_MAX_BITS = 2048  # of an exact power


def exact_fraction(number: Any) -> Fraction:
    """Return a SymPy rational or float as a fraction, exactly."""
    exact = sympy.Rational(number)
    return Fraction(int(exact.p), int(exact.q))


def canonical_form(tree: Any, counts: Collection[str]) -> Form:
    """Return nested tuples that are equal for trees that mean the same.

    Parameters
    ----------
    tree : sympy.Expr
        An unevaluated tree of `fsp.model.trees`.
    counts : collection of str
        The symbols whose values are whole numbers: the species.

    Examples
    --------
    >>> from fsp.model.expressions import parse_expression
    >>> def form(text):
    ...     return canonical_form(parse_expression(text, ["k", "A", "B"]), ["A", "B"])
    >>> form("k*A*(A - 1)/2") == form("0.5*(A + -1)*k*A") == form("k*binomial(A, 2)")
    True
    >>> form("A/A") == form("1"), form("A - A") == form("0")
    (False, False)
    """
    return _Canonical(counts).form(tree)


def _number(value: Fraction) -> Form:
    return ("number", value.numerator, value.denominator)


def _sorted(forms: Iterable[Form]) -> tuple[Form, ...]:
    return tuple(sorted(forms, key=repr))


class _Canonical:
    """One conversion; equal subtrees are converted once."""

    def __init__(self, counts: Collection[str]) -> None:
        self.counts = counts
        self.known: dict[Any, Form] = {}

    def form(self, tree: Any) -> Form:
        found = self.known.get(tree)
        if found is None:
            found = self.known[tree] = self.convert(tree)
        return found

    def convert(self, tree: Any) -> Form:
        if tree.is_Symbol:
            return ("symbol", tree.name)
        if tree.is_Rational or tree.is_Float:
            return _number(exact_fraction(tree))
        rule = _RULES.get(tree.func)
        if rule is not None:
            return rule(self, tree)
        if not tree.args:
            return ("constant", str(tree))
        return (tree.func.__name__, *(self.form(argument) for argument in tree.args))

    def add(self, tree: Any) -> Form:
        forms = (self.form(argument) for argument in tree.args)
        constant, rest = _collect("add", forms, Fraction(0), lambda a, b: a + b)
        parts = _sorted(rest)
        if constant or not parts:
            parts = (_number(constant), *parts)
        return parts[0] if len(parts) == 1 else ("add", *parts)

    def multiply(self, tree: Any) -> Form:
        return self.product(self.form(argument) for argument in tree.args)

    def product(self, factors: Iterable[Form]) -> Form:
        constant, rest = _collect("multiply", factors, Fraction(1), lambda a, b: a * b)
        parts = _sorted(rest)
        if constant != 1 or not parts:  # 0 stays: zero times what is undefined is undefined
            parts = (_number(constant), *parts)
        return parts[0] if len(parts) == 1 else ("multiply", *parts)

    def power(self, tree: Any) -> Form:
        base, exponent = self.form(tree.args[0]), self.form(tree.args[1])
        if base == ("constant", "E"):
            return ("exp", exponent)
        if exponent == _number(Fraction(1)):
            return base
        if base[0] == exponent[0] == "number" and exponent[2] == 1 and (base[1] or exponent[1] > 0):
            bits = max(base[1].bit_length(), base[2].bit_length())
            if abs(exponent[1]) * bits <= _MAX_BITS:
                return _number(Fraction(base[1], base[2]) ** exponent[1])
        return ("power", base, exponent)

    def exponential(self, tree: Any) -> Form:
        return ("exp", self.form(tree.args[0]))

    def commutative(self, tree: Any) -> Form:
        name = tree.func.__name__
        parts: set[Form] = set()
        for argument in tree.args:
            form = self.form(argument)
            parts.update(form[1:] if form[0] == name else (form,))
        return parts.pop() if len(parts) == 1 else (name, *_sorted(parts))

    def symmetric(self, tree: Any) -> Form:
        return (tree.func.__name__, *_sorted(map(self.form, tree.args)))

    def greater(self, tree: Any) -> Form:
        left, right = map(self.form, tree.args)
        name = "StrictLessThan" if tree.func is sympy.StrictGreaterThan else "LessThan"
        return (name, right, left)

    def piecewise(self, tree: Any) -> Form:
        pairs: list[Form] = []
        for value, test in tree.args:
            if test is sympy.false:
                continue
            pairs.append((self.form(value), self.form(test)))
            if test is sympy.true:
                break
        if pairs and pairs[0][1] == ("constant", "True"):
            return tuple(pairs[0][0])
        return ("piecewise", *pairs)

    def binomial(self, tree: Any) -> Form:
        n, k = tree.args
        if not (n.is_Symbol and n.name in self.counts and k.is_Integer and 0 <= k <= MAX_PRODUCT):
            return ("binomial", self.form(n), self.form(k))
        factors = [self.form(n + i if i else n) for i in range(0, -int(k), -1)]
        return self.product([_number(Fraction(1, math.factorial(int(k)))), *factors])


def _collect(
    kind: str, forms: Iterable[Form], start: Fraction, combine: Callable[[Fraction, Fraction], Fraction]
) -> tuple[Fraction, list[Form]]:
    """Flatten nested forms of one kind, and combine the numbers among their parts."""
    constant, rest = start, []
    for form in forms:
        for part in form[1:] if form[0] == kind else (form,):
            if part[0] == "number":
                constant = combine(constant, Fraction(part[1], part[2]))
            else:
                rest.append(part)
    return constant, rest


_RULES: dict[Any, Callable[[_Canonical, Any], Form]] = {
    sympy.Add: _Canonical.add,
    sympy.Mul: _Canonical.multiply,
    sympy.Pow: _Canonical.power,
    sympy.exp: _Canonical.exponential,
    sympy.Piecewise: _Canonical.piecewise,
    sympy.binomial: _Canonical.binomial,
    sympy.StrictGreaterThan: _Canonical.greater,
    sympy.GreaterThan: _Canonical.greater,
}
_RULES.update(dict.fromkeys((sympy.And, sympy.Or, sympy.Min, sympy.Max), _Canonical.commutative))
_RULES.update(dict.fromkeys((sympy.Equality, sympy.Unequality), _Canonical.symmetric))
