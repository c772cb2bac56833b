"""Propensities as exact polynomials in the counts, read off their expression trees.

Coefficients are fractions. Constants that are not rational, such as ``log(2)``, are taken to
`CONSTANT_BITS` binary digits, far beyond what any later step resolves (see `fsp.moments.exponential`).
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

__all__ = ["CONSTANT_BITS", "Affine", "Polynomial", "affine", "constant", "multiply", "polynomial"]

#: A monomial is a tuple of (species, power) in ascending order; a polynomial maps monomials to coefficients.
Monomial = tuple[tuple[int, int], ...]
Polynomial = dict[Monomial, Fraction]
#: A constant and the coefficients of species.
Affine = tuple[Fraction, dict[int, Fraction]]

CONSTANT_BITS = 1800
_MOST_TERMS = 400
_HIGHEST_POWER = 12
_FUNCTIONS = ("exp", "log", "log10", "sin", "cos", "tan", "sinh", "cosh", "tanh")


def constant(tree: Any, values: Mapping[str, Fraction]) -> Fraction | None:
    """Return the value of a tree without species, or None when it has none that is known.

    Parameters
    ----------
    tree : sympy.Expr
        The expression.
    values : mapping of str to Fraction
        Values of the symbols that count as constants.

    Examples
    --------
    >>> from sympy import Rational, Symbol
    >>> constant(Symbol("k") * Rational(1, 3), {"k": Fraction(6)})
    Fraction(2, 1)
    """
    if tree.is_Symbol:
        return values.get(tree.name)
    if tree.is_Rational:
        return Fraction(int(tree.p), int(tree.q))
    if tree.is_Float:
        from sympy import Rational

        exact = Rational(tree)  # of the binary number; NaN and infinities are no fractions
        return Fraction(int(exact.p), int(exact.q)) if exact.is_Rational and tree.is_finite else None
    name = type(tree).__name__
    if name in ("Pi", "Exp1"):
        return _evaluate("pi" if name == "Pi" else "e")
    parts = [constant(part, values) for part in tree.args]
    known = [part for part in parts if part is not None]
    if not parts or len(known) < len(parts):
        return None
    if tree.is_Add:
        return sum(known, Fraction(0))
    if tree.is_Mul:
        product = Fraction(1)
        for part in known:
            product *= part
        return product
    if tree.is_Pow:
        return _power(known[0], known[1])
    return _evaluate(name, known[0]) if name in _FUNCTIONS and len(known) == 1 else None


def _power(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator == 1 and abs(exponent) <= 64:
        return base ** int(exponent) if base or exponent > 0 else None
    if base <= 0 or abs(exponent) > 1000:
        return None
    return _evaluate("power", base, exponent)


def _evaluate(name: str, *arguments: Fraction) -> Fraction | None:
    """Return a function of constants to `CONSTANT_BITS` digits, or None where it is undefined."""
    import mpmath

    with mpmath.workprec(CONSTANT_BITS):
        numbers = [mpmath.mpf(x.numerator) / x.denominator for x in arguments]
        if name in ("log", "log10") and numbers[0] <= 0:
            return None
        value = +getattr(mpmath, name)(*numbers)
        if not mpmath.isfinite(value) or abs(mpmath.log(abs(value) + 1, 2)) > 400:
            return None
        mantissa, exponent = value.man_exp
        sign = -1 if value < 0 else 1
        return sign * Fraction(abs(int(mantissa))) * Fraction(2) ** int(exponent)


def polynomial(tree: Any, species: Mapping[str, int], values: Mapping[str, Fraction]) -> Polynomial | None:
    """Return a tree as a polynomial in the species, or None when it is not shown to be one.

    Parameters
    ----------
    tree : sympy.Expr
        The expression.
    species : mapping of str to int
        Position of each species by name.
    values : mapping of str to Fraction
        Values of the other symbols; a symbol in neither makes the answer None.

    Examples
    --------
    >>> from sympy import Symbol
    >>> x = Symbol("X")
    >>> sorted(polynomial(x * (x - 1) / 2, {"X": 0}, {}).items())
    [(((0, 1),), Fraction(-1, 2)), (((0, 2),), Fraction(1, 2))]
    """
    found = _expand(tree, species, values)
    return None if found is None else {m: c for m, c in found.items() if c}


def _expand(tree: Any, species: Mapping[str, int], values: Mapping[str, Fraction]) -> Polynomial | None:
    if tree.is_Symbol and tree.name in species and tree.name not in values:
        return {((species[tree.name], 1),): Fraction(1)}
    if not tree.args or not tree.free_symbols or tree.is_Symbol:
        value = constant(tree, values)
        return None if value is None else {(): value}
    name = type(tree).__name__
    if tree.is_Add or tree.is_Mul:
        total: Polynomial = {} if tree.is_Add else {(): Fraction(1)}
        for part in tree.args:
            piece = _expand(part, species, values)
            if piece is None:
                return None
            total = _sum(total, piece) if tree.is_Add else multiply(total, piece)
            if len(total) > _MOST_TERMS:
                return None
        return total
    if tree.is_Pow or name == "binomial":
        exponent, base = constant(tree.args[1], values), _expand(tree.args[0], species, values)
        if exponent is None or base is None:
            return None
        if exponent.denominator == 1 and 0 <= exponent <= _HIGHEST_POWER:
            total = {(): Fraction(1)}
            for k in range(int(exponent)):
                factor = base if tree.is_Pow else _scale(_sum(base, {(): Fraction(-k)}), Fraction(1, k + 1))
                total = multiply(total, factor)
                if len(total) > _MOST_TERMS:
                    return None
            return total
    value = constant(tree, values)
    return None if value is None else {(): value}


def _sum(a: Polynomial, b: Polynomial) -> Polynomial:
    total = dict(a)
    for monomial, value in b.items():
        total[monomial] = total.get(monomial, Fraction(0)) + value
    return total


def _scale(a: Polynomial, factor: Fraction) -> Polynomial:
    return {monomial: value * factor for monomial, value in a.items()}


def multiply(a: Polynomial, b: Polynomial) -> Polynomial:
    """Return the product of two polynomials."""
    total: Polynomial = {}
    for left, x in a.items():
        for right, y in b.items():
            powers = dict(left)
            for index, power in right:
                powers[index] = powers.get(index, 0) + power
            monomial = tuple(sorted(powers.items()))
            total[monomial] = total.get(monomial, Fraction(0)) + x * y
    return total


def affine(terms: Polynomial | None) -> Affine | None:
    """Return a polynomial as constant and linear coefficients, or None when its degree exceeds one."""
    if terms is None or any(sum(power for _, power in monomial) > 1 for monomial in terms):
        return None
    linear = {monomial[0][0]: value for monomial, value in terms.items() if monomial}
    return terms.get((), Fraction(0)), linear
