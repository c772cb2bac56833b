"""Affine bounds of propensities: ``sum d_k x_k <= a(x) <= alpha + sum beta_k x_k``, all coefficients >= 0.

They hold at every state of a box of non-negative counts, which is all that the comparison of moments needs
(`fsp.moments.comparison`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from fsp.interval import Interval
from fsp.moments.polynomial import Polynomial, affine, constant, polynomial
from fsp.moments.ranges import Box, narrow, quotient_terms, value_range

__all__ = ["Bounded", "bounded_rate"]

#: A constant and coefficients by species name.
Majorant = tuple[Fraction, dict[str, Fraction]]


@dataclass(frozen=True)
class Bounded:
    """Affine bounds of one propensity.

    Attributes
    ----------
    upper : tuple of Fraction and dict, or None
        ``alpha`` and ``beta`` by species; None when no affine upper bound is known.
    lower : dict
        ``d`` by species.
    """

    upper: Majorant | None
    lower: dict[str, Fraction] = field(default_factory=dict)


def bounded_rate(tree: Any, box: Box, species: Sequence[str]) -> Bounded:
    """Bound a propensity, which is never negative, by affine functions of the counts.

    A constant is preferred to a multiple of a count.

    Parameters
    ----------
    tree : sympy.Expr
        The propensity.
    box : Box
        Ranges of the species (lower end 0) and of time.
    species : sequence of str
        Names of the species.

    Examples
    --------
    >>> from sympy import Symbol
    >>> box = Box({"X": Interval(0.0, math.inf), "Y": Interval(0.0, 3.0)})
    >>> bounded_rate(Symbol("X") * Symbol("Y"), box, ["X", "Y"]).upper
    (Fraction(0, 1), {'X': Fraction(3, 1)})
    >>> bounded_rate(4 * Symbol("X"), box, ["X", "Y"])
    Bounded(upper=(Fraction(0, 1), {'X': Fraction(4, 1)}), lower={'X': Fraction(4, 1)})
    """
    names = set(species)
    position = {name: k for k, name in enumerate(species)}
    exact = polynomial(tree, position, box.values)
    upper, lower = _upper(tree, box, names), _lower(tree, box, names)
    if exact is not None:
        found = _from_polynomial(exact, species, box)
        upper = found.upper if upper is None else upper
        lower = found.lower or lower
    return Bounded(upper, lower)


def _from_polynomial(terms: Polynomial, species: Sequence[str], box: Box) -> Bounded:
    linear = affine(terms)
    if linear is None:
        return Bounded(None)
    upper = (max(linear[0], Fraction(0)), {species[k]: v for k, v in linear[1].items() if v > 0})
    lower: dict[str, Fraction] = {}
    if linear[0] >= 0 and all(v >= 0 for v in linear[1].values()):
        lower = {species[k]: v for k, v in linear[1].items()}
    return Bounded(upper, lower)


def _upper(tree: Any, box: Box, names: set[str]) -> Majorant | None:
    """Return an affine upper bound with coefficients >= 0 of ``max(tree, 0)``, or None."""
    whole = value_range(tree, box)
    if whole.upper < math.inf:
        return Fraction(max(0.0, whole.upper)), {}
    if tree.is_Symbol:
        return (Fraction(0), {tree.name: Fraction(1)}) if tree.name in names else None
    name = type(tree).__name__
    if tree.is_Add:
        return _combine([_upper(part, box, names) for part in tree.args], add=True)
    if name == "Max":
        return _combine([_upper(part, box, names) for part in tree.args], add=False)
    if name == "Min":
        return next((m for part in tree.args if (m := _upper(part, box, names)) is not None), None)
    if name == "Piecewise":
        return _upper_piecewise(tree, box, names)
    if not tree.is_Mul:
        return None
    size, rest = Interval(1.0, 1.0), []
    for part in tree.args:
        piece = value_range(part, box)
        if piece.is_finite:
            size = size * piece
        elif piece.lower < 0.0:
            return None
        else:
            rest.append(part)
    # A factor that is never negative, times one that is at most `size.upper`.
    if len(rest) == 1 and (inner := _upper(rest[0], box, names)) is not None:
        factor = Fraction(max(size.upper, 0.0)) if math.isfinite(size.upper) else None
        return None if factor is None else (inner[0] * factor, {k: v * factor for k, v in inner[1].items()})
    found = quotient_terms(tree, box)
    if found is None or any(symbol not in names for symbol in found[1]):
        return None
    return Fraction(found[0]), {symbol: Fraction(slope) for symbol, slope in found[1].items()}


def _upper_piecewise(tree: Any, box: Box, names: set[str]) -> Majorant | None:
    pieces: list[Majorant | None] = []
    rest: Box | None = box
    for value, condition in tree.args:
        inside = None if rest is None else narrow(condition, rest, True)
        if inside is not None:
            pieces.append(_upper(value, inside, names))
        rest = None if rest is None else narrow(condition, rest, False)
    return _combine(pieces, add=False)


def _combine(parts: Sequence[Majorant | None], *, add: bool) -> Majorant | None:
    """Return the sum or an upper bound of the maximum of bounds with coefficients >= 0."""
    total, slopes = Fraction(0), dict[str, Fraction]()
    for part in parts:
        if part is None:
            return None
        total = total + part[0] if add else max(total, part[0])
        for name, slope in part[1].items():
            before = slopes.get(name, Fraction(0))
            slopes[name] = before + slope if add else max(before, slope)
    return total, slopes


def _lower(tree: Any, box: Box, names: set[str]) -> dict[str, Fraction]:
    """Return ``d >= 0`` with ``tree >= sum d_k x_k``; empty when nothing is known."""
    if tree.is_Symbol:
        return {tree.name: Fraction(1)} if tree.name in names else {}
    if tree.is_Add:
        if any(value_range(part, box).lower < 0.0 for part in tree.args):
            return {}
        total: dict[str, Fraction] = {}
        for part in tree.args:
            for name, slope in _lower(part, box, names).items():
                total[name] = total.get(name, Fraction(0)) + slope
        return total
    if not tree.is_Mul:
        return {}
    for k, part in enumerate(tree.args):
        species = _count(part, box, names)
        if species is None:
            continue
        rest = Interval(1.0, 1.0)
        for other in (*tree.args[:k], *tree.args[k + 1 :]):
            rest = rest * value_range(other, box)
        if 0.0 < rest.lower < math.inf:
            return {species: Fraction(rest.lower)}
    return {}


def _count(tree: Any, box: Box, names: set[str]) -> str | None:
    """Return the species when the tree is its count or a power >= 1 of it, which is at least as large."""
    if tree.is_Pow:
        exponent = constant(tree.args[1], box.values)
        if exponent is None or exponent < 1:
            return None
        tree = tree.args[0]
    return str(tree.name) if tree.is_Symbol and tree.name in names else None
