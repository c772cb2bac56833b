"""When triggers change with time: the moments at which they may, and their comparisons with ``time``.

Time may only be compared with constants. So the time axis falls into *phases*, in each of which a trigger is a function
of the counts alone: the moment ``c`` itself, and what comes just after it, for every constant ``c`` (``time >= c`` and
``time > c`` differ in the first).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import sympy

from fsp.errors import ExpressionError, UnsupportedError
from fsp.model import trees
from fsp.model.evaluation import evaluate_tree

__all__ = ["Clock", "Phase", "affine", "read_clocks"]

_TIME = "time"
_HOLDS: dict[Any, frozenset[int]] = {  # for which signs of (left - right) a comparison holds
    sympy.StrictLessThan: frozenset({-1}),
    sympy.LessThan: frozenset({-1, 0}),
    sympy.StrictGreaterThan: frozenset({1}),
    sympy.GreaterThan: frozenset({0, 1}),
    sympy.Equality: frozenset({0}),
    sympy.Unequality: frozenset({-1, 1}),
}


class Phase(NamedTuple):
    """The moment ``time``, or with ``after`` what comes just after it (until the next moment that counts)."""

    time: float
    after: bool


@dataclass(frozen=True)
class Clock:
    """A comparison of time with a constant.

    Attributes
    ----------
    comparison : sympy relation
        The comparison in its tree.
    moment : float
        The constant.
    signs : frozenset of int
        For which signs of ``time - moment`` the comparison holds.
    """

    comparison: Any
    moment: float
    signs: frozenset[int]

    def holds(self, phase: Phase) -> bool:
        """Tell whether the comparison holds in a phase."""
        sign = (phase.time > self.moment) - (phase.time < self.moment)
        return (1 if sign == 0 and phase.after else sign) in self.signs


def affine(tree: Any, values: Mapping[str, float]) -> tuple[dict[str, Fraction], Fraction] | None:
    """Return the coefficients of the names without a value and the constant, or None for what is not affine.

    Values count as the decimal numbers that they print as.

    Examples
    --------
    >>> from fsp.model.expressions import parse_expression
    >>> affine(parse_expression("2*(X - k) + 1", ["X", "k"]), {"k": 0.5})
    ({'X': Fraction(2, 1)}, Fraction(0, 1))
    """
    if tree.is_Symbol:
        if tree.name in values:
            return {}, Fraction(repr(float(values[tree.name])))
        return {tree.name: Fraction(1)}, Fraction(0)
    if tree.is_Rational:
        return {}, Fraction(int(tree.p), int(tree.q))
    if tree.is_Pow and tree.exp.is_Integer and abs(tree.exp) <= 64:
        base = affine(tree.base, values)
        if base is not None and not base[0] and base[1]:
            return {}, base[1] ** int(tree.exp)
    if all(s.name in values for s in tree.free_symbols) and not (tree.is_Add or tree.is_Mul):
        value = float(evaluate_tree(tree, dict(values)))
        return ({}, Fraction(repr(value))) if math.isfinite(value) else None
    parts = [affine(part, values) for part in tree.args] if tree.is_Add or tree.is_Mul else [None]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    if tree.is_Add:
        total: dict[str, Fraction] = {}
        for part, _ in known:
            for name, c in part.items():
                total[name] = total.get(name, Fraction(0)) + c
        return {name: c for name, c in total.items() if c}, sum((c for _, c in known), Fraction(0))
    slopes: dict[str, Fraction] = {}
    constant = Fraction(1)
    for part, c in known:
        if part and slopes:
            return None
        slopes = (
            {n: x * c for n, x in slopes.items()} if not part else {n: x * constant for n, x in part.items()}
        )
        constant *= c
    return {name: c for name, c in slopes.items() if c}, constant


def read_clocks(trigger: Any, values: Mapping[str, float], what: str) -> list[Clock]:
    """Return the comparisons of time with constants in a trigger.

    Parameters
    ----------
    trigger : SymPy condition
    values : mapping from str to float
        The parameters.
    what : str
        How error messages call the trigger.

    Raises
    ------
    UnsupportedError
        If time is not compared with an expression of numbers and parameters.

    Examples
    --------
    >>> from fsp.model.expressions import parse_condition
    >>> trigger = parse_condition("2*time >= T and X > 5", ["X", "T", "time"])
    >>> [(clock.moment, sorted(clock.signs)) for clock in read_clocks(trigger, {"T": 9.0}, "trigger")]
    [(4.5, [0, 1])]
    """
    if _TIME not in {s.name for s in trigger.free_symbols}:
        return []
    if trigger.func in (sympy.And, sympy.Or, sympy.Not):
        found = [clock for part in trigger.args for clock in read_clocks(part, values, what)]
        return list(dict.fromkeys(found))
    signs = _HOLDS.get(trigger.func)
    if signs is not None:
        difference = trees.add([trigger.args[0], trees.negate(trigger.args[1])])
        found_affine = affine(difference, values)
        if found_affine is not None and set(found_affine[0]) <= {_TIME}:
            slope = found_affine[0].get(_TIME, Fraction(0))
            if not slope:  # the time cancels: the sign is that of the constant
                constant = found_affine[1]
                sign = (constant > 0) - (constant < 0)
                return [Clock(trigger, -math.inf, frozenset({1} if sign in signs else ()))]
            if slope < 0:
                signs = frozenset(-sign for sign in signs)
            return [Clock(trigger, _to_float(-found_affine[1] / slope, what), signs)]
    message = (
        f"the {what} reads time in '{trigger}': events support comparisons of time with a constant only, such as "
        "'time >= 25', joined by 'and', 'or', 'not' with each other and with conditions on counts"
    )
    raise UnsupportedError(message)


def _to_float(moment: Fraction, what: str) -> float:
    try:
        return float(moment)
    except OverflowError:
        message = f"the {what} compares time with a number outside the range of floating-point numbers"
        raise ExpressionError(message) from None
