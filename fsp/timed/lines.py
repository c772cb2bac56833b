"""Expressions that are linear in time, exactly: where conditions on time change, and whether they hold on an interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from fsp.moments.polynomial import constant

__all__ = ["Line", "difference", "holds", "rounded", "straight_line"]

#: ``a + b*time`` as (a, b).
Line = tuple[Fraction, Fraction]


def straight_line(tree: Any, values: Mapping[str, Fraction]) -> Line | None:
    """Return (a, b) if the tree is ``a + b*time`` for parameters with the given values, else None.

    Examples
    --------
    >>> from fsp.model.expressions import parse_expression
    >>> straight_line(parse_expression("2*(time - 3)/4", ["time"]), {})
    (Fraction(-3, 2), Fraction(1, 2))
    """
    if tree.is_Symbol and tree.name == "time":
        return Fraction(0), Fraction(1)
    if not any(s.name == "time" for s in tree.free_symbols):
        value = constant(tree, values)
        return None if value is None else (value, Fraction(0))
    if not (tree.is_Add or tree.is_Mul):
        return None
    known: list[Line] = []
    for part in tree.args:
        line = straight_line(part, values)
        if line is None:
            return None
        known.append(line)
    if tree.is_Add:
        return sum((a for a, _ in known), Fraction(0)), sum((b for _, b in known), Fraction(0))
    if sum(1 for _, b in known if b) > 1:
        return None
    scale, slanted = Fraction(1), (Fraction(1), Fraction(0))
    for a, b in known:
        if b:
            slanted = (a, b)
        else:
            scale *= a
    return scale * slanted[0], scale * slanted[1]


def difference(a: Line | None, b: Line | None) -> Line | None:
    """Return the difference of two lines, if both are."""
    return None if a is None or b is None else (a[0] - b[0], a[1] - b[1])


def _ends(line: Line, times: tuple[float, float]) -> tuple[Fraction, Fraction]:
    first, last = (line[0] + line[1] * Fraction(t) for t in times)
    return min(first, last), max(first, last)


def holds(relation: str, line: Line, times: tuple[float, float]) -> bool | None:
    """Tell whether ``line`` compares with 0 in the given way at almost all times of an interval, or at almost none.

    ``relation`` is the name of a SymPy class, such as ``"StrictLessThan"``. None if neither is the case.
    """
    low, high = _ends(line, times)
    moves = low < high
    if relation in ("Equality", "Unequality"):
        if moves:
            return relation == "Unequality"  # at one time at most
        return (low == 0) == (relation == "Equality")
    if low == high == 0:
        return relation in ("LessThan", "GreaterThan")
    if high < 0 or (moves and high <= 0):
        return relation.endswith("LessThan")
    if low > 0 or (moves and low >= 0):
        return not relation.endswith("LessThan")
    return None


def rounded(name: str, line: Line, times: tuple[float, float]) -> tuple[int, int]:
    """Return the smallest and the largest value of the ``floor`` or ``ceiling`` of a line, but for single times."""
    low, high = _ends(line, times)
    if low == high:
        value = math.floor(low) if name == "floor" else math.ceil(low)
        return value, value
    if name == "floor":
        return math.floor(low), math.ceil(high) - 1
    return math.floor(low) + 1, math.ceil(high)
