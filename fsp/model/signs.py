"""What can be said about the sign and the zeros of an expression on counts, from its tree alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import sympy

from fsp.model import trees
from fsp.model.evaluation import evaluate_tree

__all__ = ["Line", "as_line", "constant_value", "factors_of", "is_nonnegative", "vanishes"]

Tree = Any

_ALWAYS = frozenset({sympy.exp, sympy.cosh, sympy.Abs, sympy.factorial, sympy.binomial, sympy.acos})
_LIKE_ARGUMENT = frozenset(
    {sympy.floor, sympy.ceiling, sympy.sinh, sympy.tanh, sympy.asin, sympy.atan, sympy.asinh, sympy.atanh}
)


class Line(NamedTuple):
    """The function ``slope * species + start``."""

    species: str
    slope: float
    start: float

    @property
    def root(self) -> float:
        """Where it is zero."""
        return -self.start / self.slope


def constant_value(tree: Tree, values: Mapping[str, float]) -> float | None:
    """Return the value of a tree that reads nothing but parameters; None where it reads more."""
    if any(symbol.name not in values for symbol in tree.free_symbols):
        return None
    value = float(evaluate_tree(tree, values))
    return value if np.isfinite(value) else None


def factors_of(tree: Tree) -> list[Tree]:
    """Return the factors of a product, of products in it as well."""
    if not tree.is_Mul:
        return [tree]
    return [factor for part in tree.args for factor in factors_of(part)]


def as_line(tree: Tree, values: Mapping[str, float]) -> Line | None:
    """Return a tree as a linear function of one species, or None where it does not read as one."""
    start, slope, species = 0.0, 0.0, ""
    for term in tree.args if tree.is_Add else (tree,):
        value = constant_value(term, values)
        if value is not None:
            start += value
            continue
        factors = factors_of(term)
        variable = [factor for factor in factors if constant_value(factor, values) is None]
        if len(variable) != 1 or not variable[0].is_Symbol or variable[0].name == "time":
            return None
        factors.remove(variable[0])
        value = constant_value(trees.multiply(factors), values)
        if value is None or species not in ("", variable[0].name):
            return None
        species, slope = variable[0].name, slope + value
    return Line(species, slope, start) if slope else None


def is_nonnegative(tree: Tree, values: Mapping[str, float]) -> bool:
    """Say whether a tree is shown to be at least 0 wherever it is defined on whole counts and times >= 0.

    Parameters
    ----------
    tree : sympy.Expr
        The expression.
    values : mapping from str to float
        Values of the parameters; all other symbols are counts, or ``time``.

    Examples
    --------
    >>> a = trees.symbol("A")
    >>> pairs = trees.multiply([trees.symbol("k"), a, trees.add([a, trees.MINUS_ONE])])
    >>> is_nonnegative(pairs, {"k": 2.0}), is_nonnegative(pairs.args[-1], {})
    (True, False)
    """
    value = constant_value(tree, values)
    if value is not None:
        return value >= 0
    if not tree.free_symbols:
        return False
    kind = tree.func
    if tree.is_Symbol or kind in _ALWAYS:
        return True
    if tree.is_Mul:
        return _product_is_nonnegative(tree, values)
    if tree.is_Pow:
        even = tree.exp.is_Integer and tree.exp % 2 == 0
        return bool(even) or is_nonnegative(tree.base, values)
    if kind is sympy.Piecewise:
        return all(is_nonnegative(value, values) for value, _ in tree.args)
    if kind is sympy.Max:
        return any(is_nonnegative(part, values) for part in tree.args)
    if tree.is_Add or kind is sympy.Min or kind in _LIKE_ARGUMENT:
        return all(is_nonnegative(part, values) for part in tree.args)
    return False


def _product_is_nonnegative(tree: Tree, values: Mapping[str, float]) -> bool:
    """Also products such as ``A*(A - 1)``, which are not negative because A is a whole number."""
    sign, open_ends = 1.0, []
    roots: dict[str, set[int]] = {}
    for factor in factors_of(tree):
        value = constant_value(factor, values)
        if value is not None:
            sign *= np.sign(value)
            continue
        line = as_line(factor.base if factor.is_Pow and factor.exp.is_positive else factor, values)
        whole = line is not None and abs(line.root - round(line.root)) < 1e-9 * max(1.0, abs(line.root))
        if line is not None and whole and line.root >= 0:
            roots.setdefault(line.species, set()).add(round(line.root))
        if not is_nonnegative(factor, values):
            if line is None or not whole or line.slope < 0 or factor.is_Pow:
                return False
            open_ends.append(line)
    return bool(sign >= 0) and all(set(range(round(e.root))) <= roots[e.species] for e in open_ends)


def vanishes(tree: Tree, species: str, values: Mapping[str, float]) -> bool:
    """Say whether a tree is shown to be zero where there are none of a species, if it is defined there."""
    if tree.is_Symbol:
        return bool(tree.name == species)
    if tree.is_Rational:
        return bool(tree == 0)
    if tree.is_Mul:
        return any(vanishes(part, species, values) for part in tree.args)
    if tree.is_Pow:
        power = constant_value(tree.exp, values)
        return power is not None and power > 0 and vanishes(tree.base, species, values)
    if tree.func is sympy.Piecewise:
        return all(vanishes(value, species, values) for value, _ in tree.args)
    if tree.is_Add or tree.func is sympy.Max:
        return all(vanishes(part, species, values) for part in tree.args)
    return False
