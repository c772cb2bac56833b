"""Enclosures of the values of an expression over all counts: interval arithmetic on the expression tree.

Every operation rounds outward. Where nothing is known the range is the whole line, which is always correct.

Quotients of sums of products, such as Hill functions, are bounded by the mediant inequality as well: for
``p_i, q_i, e_i >= 0`` the quotient ``sum p_i e_i / sum q_i e_i`` is at most ``max p_i / q_i``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from fsp.interval import Interval
from fsp.moments.exponential import outward
from fsp.moments.polynomial import constant

__all__ = [
    "FUNCTIONS",
    "Box",
    "general_power_range",
    "narrow",
    "power_range",
    "quotient_terms",
    "value_range",
]

_LINE = Interval(-math.inf, math.inf)
_UNIT = Interval(-1.0, 1.0)
#: Outward margin for functions of the C library, which are correct to about one unit in the last place.
_MARGIN = 2.0**-49
_MOST_TERMS = 200


@dataclass(frozen=True)
class Box:
    """Where the symbols of an expression lie.

    Attributes
    ----------
    ranges : mapping of str to Interval
        Ranges of species and time by name; a symbol without one may take any value.
    values : mapping of str to Fraction
        Values of parameters.
    """

    ranges: Mapping[str, Interval]
    values: Mapping[str, Fraction] = field(default_factory=dict)

    def of(self, name: str) -> Interval:
        """Return the range of a symbol."""
        value = self.values.get(name)
        return self.ranges.get(name, _LINE) if value is None else outward(value, value)

    def within(self, name: str, range_: Interval) -> Box:
        """Return the box with another range of one symbol."""
        return Box({**self.ranges, name: range_}, self.values)


#: A sum of terms ``coefficient * product of symbol**exponent``, all coefficients >= 0 and all symbols >= 0.
Terms = dict[tuple[tuple[str, Fraction], ...], Interval]


def value_range(tree: Any, box: Box) -> Interval:
    """Return an interval that holds every value of the tree.

    Parameters
    ----------
    tree : sympy.Expr
        The expression.
    box : Box
        Where its symbols lie.

    Examples
    --------
    Repression and activation by any number of molecules:

    >>> from sympy import Symbol
    >>> x, counts = Symbol("X"), Box({"X": Interval(0.0, math.inf)})
    >>> print(value_range(8 / (1 + (x / 20) ** 2), counts))
    [0, 8]
    >>> value_range(x**2 / (4 + x**2), counts).upper < 1.000001
    True
    """
    if tree.is_Symbol:
        return box.of(tree.name)
    if not tree.args or all(symbol.name in box.values for symbol in tree.free_symbols):
        value = constant(tree, box.values)
        if value is not None:
            return outward(value, value)
        if not tree.args:
            return _LINE
    if tree.is_Add:
        return sum((value_range(part, box) for part in tree.args), Interval(0.0, 0.0))
    if tree.is_Mul:
        return _product(tree, box)
    name = type(tree).__name__
    if name == "Piecewise":
        return _piecewise(tree, box)
    if tree.is_Boolean or tree.is_Relational:
        return _LINE
    parts = [value_range(part, box) for part in tree.args]
    if tree.is_Pow:
        exponent = constant(tree.args[1], box.values)
        return (
            power_range(parts[0], exponent)
            if exponent is not None
            else general_power_range(parts[0], parts[1])
        )
    if name in ("Min", "Max"):
        choose = min if name == "Min" else max
        return Interval(choose(p.lower for p in parts), choose(p.upper for p in parts))
    function = FUNCTIONS.get(name)
    return _LINE if function is None else function(*parts)


def _product(tree: Any, box: Box) -> Interval:
    total = Interval(1.0, 1.0)
    for part in tree.args:
        total = total * value_range(part, box)
    if total.upper == math.inf and total.lower >= 0.0:
        found = quotient_terms(tree, box)
        if found is not None and not found[1]:
            total = Interval(total.lower, found[0])
    if total.lower == 0.0 and total.upper > 0.0:
        return Interval(min(_saturated(tree, box), total.upper), total.upper)
    return total


def _piecewise(tree: Any, box: Box) -> Interval:
    found: Interval | None = None
    rest: Box | None = box
    for value, condition in tree.args:
        if rest is None:
            break
        inside = narrow(condition, rest, True)
        if inside is not None:
            piece = value_range(value, inside)
            found = piece if found is None else _hull(found, piece)
        rest = narrow(condition, rest, False)
    return _LINE if found is None else found


def _hull(a: Interval, b: Interval) -> Interval:
    return Interval(min(a.lower, b.lower), max(a.upper, b.upper))


def narrow(condition: Any, box: Box, truth: bool) -> Box | None:
    """Return a box around the points where ``condition`` is ``truth``, None when there are none."""
    name = type(condition).__name__
    if name in ("BooleanTrue", "BooleanFalse"):
        return box if (name == "BooleanTrue") == truth else None
    if name == "Not":
        return narrow(condition.args[0], box, not truth)
    if (name == "And" and truth) or (name == "Or" and not truth):
        current: Box | None = box
        for part in condition.args:
            current = None if current is None else narrow(part, current, truth)
        return current
    if name in ("Equality", "Unequality") and (name == "Equality") == truth:
        left, right = condition.args
        once = _at_most(left, right, box)
        return None if once is None else _at_most(right, left, once)
    if name not in ("StrictLessThan", "LessThan", "StrictGreaterThan", "GreaterThan"):
        return box
    left, right = condition.args
    below = name.endswith("LessThan") == truth
    return _at_most(left, right, box) if below else _at_most(right, left, box)


def _at_most(lower: Any, upper: Any, box: Box) -> Box | None:
    """Return a box around the points where ``lower <= upper`` (or strictly less, which is not used)."""
    low, high = value_range(lower, box), value_range(upper, box)
    if low.lower > high.upper:
        return None
    if lower.is_Symbol:
        box = box.within(lower.name, Interval(low.lower, min(low.upper, high.upper)))
    if upper.is_Symbol:
        box = box.within(upper.name, Interval(max(low.lower, high.lower), high.upper))
    return box


# Powers and functions


def _wider(lower: float, upper: float) -> Interval:
    """Return the interval moved outward by the margin of the C library's functions."""
    lower = min(lower, sys.float_info.max)  # a lower end that overflowed
    return Interval(lower - max(abs(lower) * _MARGIN, 1e-320), upper + max(abs(upper) * _MARGIN, 1e-320))


def _raise(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except (OverflowError, ValueError):
        return math.inf  # too large, or a negative power of zero


def power_range(base: Interval, exponent: Fraction) -> Interval:
    """Return the range of a power with a constant exponent."""
    if exponent == 0:
        return Interval(1.0, 1.0)
    whole = exponent.denominator == 1
    if exponent == 1:
        return base
    if base.lower < 0.0:
        if not whole or exponent < 0:
            return _LINE
        n = int(exponent)
        ends = (_raise(abs(base.lower), n), _raise(abs(base.upper), n))
        if n % 2 == 0:
            least = 0.0 if base.upper >= 0.0 else min(ends)
            return _clip(_wider(least, max(ends)), 0.0)
        return _wider(-ends[0], math.copysign(ends[1], base.upper))
    # The exponent as a double is off by rounding unless it is short.
    near = outward(exponent, exponent)
    return general_power_range(base, near)


def general_power_range(base: Interval, exponent: Interval) -> Interval:
    """Return the range of a power with a non-negative base; it is monotone in either argument."""
    if base.lower < 0.0 or not exponent.is_finite:
        return _LINE
    ends = [_raise(x, y) for x in (base.lower, base.upper) for y in (exponent.lower, exponent.upper)]
    if exponent.lower < 0.0 < exponent.upper or 0.0 in (exponent.lower, exponent.upper):
        ends.append(1.0)
    return _clip(_wider(min(ends), max(ends)), 0.0)


def _clip(x: Interval, least: float) -> Interval:
    return Interval(max(x.lower, least), max(x.upper, least))


def _exp(x: Interval) -> Interval:
    def value(a: float) -> float:
        try:
            return math.exp(a)
        except OverflowError:
            return math.inf

    found = _clip(_wider(value(x.lower), value(x.upper)), 0.0)
    # exp(0) is exact, which keeps 1 - exp(-k*time) at or above 0
    return Interval(1.0 if x.lower == 0.0 else found.lower, 1.0 if x.upper == 0.0 else found.upper)


def _logarithm(function: Callable[[float], float]) -> Callable[[Interval], Interval]:
    def enclose(x: Interval) -> Interval:
        def value(a: float) -> float:
            return -math.inf if a <= 0.0 else math.inf if a == math.inf else function(a)

        # Near 1 the value is small but its error relative to the value is not larger there; log(1) is exact.
        found = _wider(value(x.lower), value(x.upper))
        return Interval(0.0 if x.lower == 1.0 else found.lower, 0.0 if x.upper == 1.0 else found.upper)

    return enclose


def _absolute(x: Interval) -> Interval:
    ends = (abs(x.lower), abs(x.upper))
    return Interval(0.0 if x.lower <= 0.0 <= x.upper else min(ends), max(ends))


def _rounded(function: Callable[[float], int]) -> Callable[[Interval], Interval]:
    def enclose(x: Interval) -> Interval:
        ends = [float(function(a)) if math.isfinite(a) else a for a in (x.lower, x.upper)]
        return Interval(ends[0], ends[1])

    return enclose


def _binomial(n: Interval, k: Interval) -> Interval:
    if n.lower < 0.0 or k.lower != k.upper or not k.lower.is_integer() or not 0.0 <= k.lower <= 20.0:
        return _LINE
    order = int(k.lower)
    size = _raise(max(n.upper, float(order)), order) / math.factorial(order)
    return _wider(-size, size)


def _wave(x: Interval, function: Callable[[float], float], crest: float) -> Interval:
    """Return the range of a sine or cosine, whose maxima are at ``crest`` periods plus whole periods."""
    if not x.width < 6.25 or max(abs(x.lower), abs(x.upper)) > 1e6:
        return _UNIT
    found = _wider(*sorted((function(x.lower), function(x.upper))))
    low, high = max(found.lower, -1.0), min(found.upper, 1.0)
    # In periods; the margin is far above the rounding of these two numbers.
    a, b = (y / (2.0 * math.pi) - crest for y in (x.lower, x.upper))
    if math.floor(b + 1e-9) > math.floor(a - 1e-9):
        high = 1.0
    if math.floor(b + 0.5 + 1e-9) > math.floor(a + 0.5 - 1e-9):
        low = -1.0
    return Interval(low, high)


#: Ranges of functions of one variable by the name of their SymPy class.
FUNCTIONS: dict[str, Callable[..., Interval]] = {
    "exp": _exp,
    "log": _logarithm(math.log),
    "log10": _logarithm(math.log10),
    "Abs": _absolute,
    "floor": _rounded(math.floor),
    "ceiling": _rounded(math.ceil),
    "sin": lambda x: _wave(x, math.sin, 0.25),
    "cos": lambda x: _wave(x, math.cos, 0.0),
    "tanh": lambda x: Interval(0.0 if x.lower >= 0.0 else -1.0, 1.0),
    "binomial": _binomial,
}


# Quotients of sums of products


def quotient_terms(tree: Any, box: Box) -> tuple[float, dict[str, float]] | None:
    """Bound a product with denominators by a constant and multiples of symbols, all coefficients >= 0.

    Each term ``p e`` of the numerator needs a term ``q e`` or ``q f`` with ``e = f x`` of the denominator.
    The first kind is bounded by the mediant inequality, the second by ``(p / q) x``. None when a term has
    neither.
    """
    parts = _quotient(tree, box)
    if parts is None:
        return None
    numerator, denominator = parts
    ratio, linear = 0.0, dict[str, float]()
    for monomial, p in numerator.items():
        if monomial in denominator and denominator[monomial].lower > 0.0:
            ratio = max(ratio, _divide_up(p, denominator[monomial]))
            continue
        best: tuple[float, str] | None = None
        for name, power in monomial:
            rest = tuple((n, e - (n == name)) for n, e in monomial if not (n == name and e == 1))
            if power >= 1 and rest in denominator and denominator[rest].lower > 0.0:
                slope = _divide_up(p, denominator[rest])
                best = (slope, name) if best is None else min(best, (slope, name))
        if best is None:
            return None
        linear[best[1]] = (Interval(best[0], best[0]) + linear.get(best[1], 0.0)).upper
    if math.isinf(ratio) or any(math.isinf(slope) for slope in linear.values()):
        return None
    return ratio, linear


def _quotient(tree: Any, box: Box) -> tuple[Terms, Terms] | None:
    """Return numerator and denominator of a product as sums of terms, or None."""
    numerator: Terms | None = {(): Interval(1.0, 1.0)}
    denominator: Terms | None = {(): Interval(1.0, 1.0)}
    for part in tree.args if tree.is_Mul else (tree,):
        exponent = constant(part.args[1], box.values) if part.is_Pow else None
        if exponent is not None and exponent < 0:
            denominator = _times(denominator, _terms(part.args[0], box, -exponent))
        else:
            numerator = _times(numerator, _terms(part, box))
    return None if numerator is None or denominator is None else (numerator, denominator)


def _saturated(tree: Any, box: Box) -> float:
    """Return a lower bound of a product whose numerator is one term ``p e``: 1 over the sum of ``q_j e_j / (p e)``."""
    parts = _quotient(tree, box)
    if parts is None or len(parts[0]) != 1:
        return 0.0
    ((numerator, p),) = parts[0].items()
    total = Interval(0.0, 0.0)
    for monomial, q in parts[1].items():
        term = q
        powers = dict(monomial)
        for name, power in numerator:
            powers[name] = powers.get(name, Fraction(0)) - power
        for name, power in powers.items():
            term = term * power_range(box.of(name), power)
        total = total + term
    if not (p.lower > 0.0 and 0.0 < total.upper < math.inf):
        return 0.0
    return max(0.0, math.nextafter(p.lower / total.upper, -math.inf))


def _divide_up(p: Interval, q: Interval) -> float:
    return math.nextafter(p.upper / q.lower, math.inf)


def _terms(tree: Any, box: Box, exponent: Fraction = Fraction(1)) -> Terms | None:
    """Return ``tree**exponent`` as a sum of terms, or None; ``exponent > 0``."""
    found: Terms | None = None
    if all(symbol.name in box.values for symbol in tree.free_symbols):
        constant_range = value_range(tree, box)
        found = {(): constant_range} if constant_range.lower >= 0.0 else None
    elif tree.is_Symbol:
        return {((tree.name, exponent),): Interval(1.0, 1.0)} if box.of(tree.name).lower >= 0.0 else None
    elif tree.is_Add:
        found = {}
        for part in tree.args:
            piece = _terms(part, box)
            if piece is None:
                return None
            for monomial, value in piece.items():
                found[monomial] = found[monomial] + value if monomial in found else value
    elif tree.is_Mul:
        found = {(): Interval(1.0, 1.0)}
        for part in tree.args:
            found = _times(found, _terms(part, box))
    elif tree.is_Pow:
        inner = constant(tree.args[1], box.values)
        found = _terms(tree.args[0], box, inner) if inner is not None and inner > 0 else None
    if found is None or exponent == 1:
        return found
    if len(found) == 1:
        ((monomial, value),) = found.items()
        return {tuple((name, power * exponent) for name, power in monomial): power_range(value, exponent)}
    if exponent.denominator != 1 or exponent > 6:
        return None
    total: Terms | None = found
    for _ in range(int(exponent) - 1):
        total = _times(total, found)
    return total


def _times(a: Terms | None, b: Terms | None) -> Terms | None:
    if a is None or b is None or len(a) * len(b) > _MOST_TERMS:
        return None
    total: Terms = {}
    for left, x in a.items():
        for right, y in b.items():
            powers = dict(left)
            for name, power in right:
                powers[name] = powers.get(name, Fraction(0)) + power
            monomial = tuple(sorted(powers.items()))
            total[monomial] = total[monomial] + x * y if monomial in total else x * y
    return total
