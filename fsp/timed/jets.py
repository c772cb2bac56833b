"""Taylor coefficients of a function of time, enclosed by interval arithmetic.

A *jet* of order m is a list of m + 1 intervals. For a function f and an interval I of times, entry j holds
``f^(j)(t) / j!`` for every t in I (Moore 1966, *Interval Analysis*). Entry 0 is the range of f, and by Taylor's theorem
the last entries bound the remainders of polynomials. Where f has no derivative (at a kink, at a jump), or where it is
not known to have one, entries from 1 on are the whole line: always right, and no polynomial but a constant comes out.

All operations round outward. Intervals are pairs here, because thousands of them are made for each step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from fsp.errors import UnsupportedError
from fsp.interval import Interval
from fsp.moments.exponential import outward
from fsp.moments.polynomial import constant
from fsp.moments.ranges import FUNCTIONS, general_power_range, power_range
from fsp.timed.lines import Line, difference, holds, rounded, straight_line

__all__ = ["LINE", "Jet", "Pair", "TimeTree", "add", "multiply"]

Pair = tuple[float, float]
Jet = list[Pair]

INF = math.inf
LINE: Pair = (-INF, INF)
ZERO: Pair = (0.0, 0.0)
ONE: Pair = (1.0, 1.0)


def _sum(x: float, y: float, towards: float) -> float:
    total = x + y
    part = total - x
    error = (x - (total - part)) + (y - part)
    if error == 0.0:
        return total
    if math.isfinite(total):
        return math.nextafter(total, towards)
    if math.isnan(total):  # inf - inf: nothing is known
        return towards
    overflow = math.isfinite(x) and math.isfinite(y)
    return math.nextafter(total, 0.0) if overflow and total != towards else total


def add(a: Pair, b: Pair) -> Pair:
    """Return the interval of sums."""
    return _sum(a[0], b[0], -INF), _sum(a[1], b[1], INF)


def _times(x: float, y: float, towards: float) -> float:
    if x == 0.0 or y == 0.0:
        return 0.0  # 0 times an infinite end is 0
    if abs(x) == 1.0 or abs(y) == 1.0:
        return x * y
    rounded = math.nextafter(x * y, towards)
    # Where the product underflows, its sign still is that of the exact one.
    return 0.0 if x * y == 0.0 and (rounded > 0.0) != ((x > 0.0) == (y > 0.0)) else rounded


def multiply(a: Pair, b: Pair) -> Pair:
    """Return the interval of products."""
    if a == ZERO or b == ZERO:
        return ZERO
    if a == ONE:
        return b
    if b == ONE:
        return a
    low = min(_times(x, y, -INF) for x in a for y in b)
    return low, max(_times(x, y, INF) for x in a for y in b)


def negate(a: Pair) -> Pair:
    """Return the interval of opposites."""
    return -a[1], -a[0]


def hull(a: Pair, b: Pair) -> Pair:
    """Return the smallest interval that holds both."""
    return min(a[0], b[0]), max(a[1], b[1])


def _product(u: Jet, v: Jet) -> Jet:
    out = []
    for k in range(len(u)):
        total = ZERO
        for j in range(k + 1):
            term = multiply(u[j], v[k - j])
            total = term if total == ZERO else add(total, term)
        out.append(total)
    return out


def _compose(coefficients: Callable[[int], Pair], u: Jet) -> Jet:
    """Return the jet of ``f(u)`` from ``coefficients(j)``, ranges of ``f^(j) / j!`` over the range of ``u``."""
    inner = [ZERO, *u[1:]]
    order = 0 if all(c == ZERO for c in u[1:]) else len(u) - 1
    result = [coefficients(order)] + [ZERO] * (len(u) - 1)
    for j in range(order - 1, -1, -1):
        result = _product(inner, result)
        result[0] = coefficients(j)  # the inner jet has no constant part
    return result


def _pair(x: Interval) -> Pair:
    return x.lower, x.upper


def _fraction(x: Fraction) -> Pair:
    return _pair(outward(x, x))


def _range_only(range_: Pair, order: int) -> Jet:
    return [range_] + [LINE] * order


def _power_jet(u: Jet, exponent: Fraction) -> Jet:
    if exponent == 1:
        return u
    whole = exponent.denominator == 1 and exponent >= 0
    base = Interval(*u[0])

    def coefficient(j: int) -> Pair:
        if whole and j > exponent:
            return ZERO
        binomial = Fraction(1)
        for i in range(j):
            binomial *= (exponent - i) / Fraction(i + 1)
        return multiply(_fraction(binomial), _pair(_power(base, exponent - j)))

    return _compose(coefficient, u)


def _power(base: Interval, exponent: Fraction) -> Interval:
    """Return the range of a power; a negative one of a negative base by its opposite."""
    if base.upper < 0.0 and exponent < 0 and exponent.denominator == 1:
        range_ = power_range(-base, exponent)
        return range_ if exponent % 2 == 0 else -range_
    return power_range(base, exponent)


def _exp(u: Jet) -> Jet:
    value = _pair(FUNCTIONS["exp"](Interval(*u[0])))
    return _compose(lambda j: multiply(value, _fraction(Fraction(1, math.factorial(j)))), u)


def _log(u: Jet) -> Jet:
    base = Interval(*u[0])

    def coefficient(j: int) -> Pair:
        if j == 0:
            return _pair(FUNCTIONS["log"](base)) if base.lower > 0.0 else LINE
        if base.lower <= 0.0:
            return LINE
        return multiply(_fraction(Fraction((-1) ** (j + 1), j)), _pair(power_range(base, Fraction(-j))))

    return _compose(coefficient, u)


def _wave(u: Jet, shift: int) -> Jet:
    """Return the sine (``shift`` 0) or the cosine (1)."""
    x = Interval(*u[0])
    sine, cosine = _pair(FUNCTIONS["sin"](x)), _pair(FUNCTIONS["cos"](x))
    cycle = (sine, cosine, negate(sine), negate(cosine))
    return _compose(lambda j: multiply(cycle[(j + shift) % 4], _fraction(Fraction(1, math.factorial(j)))), u)


def _scaled(u: Jet, factor: Fraction) -> Jet:
    return [multiply(_fraction(factor), c) for c in u]


def _plus(u: Jet, v: Jet) -> Jet:
    return [add(a, b) for a, b in zip(u, v, strict=True)]


def _shifted(u: Jet, value: int) -> Jet:
    return [add(u[0], (float(value), float(value))), *u[1:]]


def _inverse(u: Jet) -> Jet:
    return _power_jet(u, Fraction(-1))


def _hyperbolic(u: Jet, sign: int) -> Jet:
    return _scaled(_plus(_exp(u), _scaled(_exp(_scaled(u, Fraction(-1))), Fraction(sign))), Fraction(1, 2))


def _tanh(u: Jet) -> Jet:
    return _shifted(_scaled(_inverse(_shifted(_exp(_scaled(u, Fraction(2))), 1)), Fraction(-2)), 1)


def _abs(u: Jet) -> Jet:
    low, high = u[0]
    if low >= 0.0:
        return u
    return _scaled(u, Fraction(-1)) if high <= 0.0 else _range_only((0.0, max(-low, high)), len(u) - 1)


def _step_function(u: Jet, round_: Callable[[float], int]) -> Jet:
    low, high = u[0]
    if not (math.isfinite(low) and math.isfinite(high)):
        return _range_only(u[0], len(u) - 1)
    return _whole(round_(low), round_(high), len(u) - 1)


def _whole(low: int, high: int, order: int) -> Jet:
    """Return the jet of a function that takes whole numbers, constant if it is one number."""
    range_ = (float(low), float(high))
    return [range_] + [ZERO] * order if low == high else _range_only(range_, order)


_JETS: dict[str, Callable[[Jet], Jet]] = {
    "exp": _exp,
    "log": _log,
    "log10": lambda u: _product(_log(u), _inverse(_log([(10.0, 10.0)] + [ZERO] * (len(u) - 1)))),
    "sin": lambda u: _wave(u, 0),
    "cos": lambda u: _wave(u, 1),
    "tan": lambda u: _product(_wave(u, 0), _inverse(_wave(u, 1))),
    "sinh": lambda u: _hyperbolic(u, -1),
    "cosh": lambda u: _hyperbolic(u, 1),
    "tanh": _tanh,
    "Abs": _abs,
    "floor": lambda u: _step_function(u, math.floor),
    "ceiling": lambda u: _step_function(u, math.ceil),
}


class TimeTree:
    """A function of time whose jets can be enclosed.

    Parameters
    ----------
    tree : sympy.Expr
        Its symbols are parameters and ``time``.
    values : mapping of str to Fraction
        The parameters.

    Examples
    --------
    >>> from sympy import Symbol, exp
    >>> t = Symbol("time")
    >>> value, slope = TimeTree(exp(-2 * t), {}).jet((0.0, 0.0), 1)
    >>> value[0] <= 1.0 <= value[1], slope[0] <= -2.0 <= slope[1]
    (True, True)
    """

    def __init__(self, tree: Any, values: Mapping[str, Fraction]) -> None:
        self.tree = tree
        self._values = values
        self._constants: dict[Any, Pair] = {}
        self._lines: dict[Any, Line | None] = {}

    def jet(self, times: Pair, order: int) -> Jet:
        """Return the enclosed Taylor coefficients up to ``order`` for all times of an interval."""
        return self._jet(self.tree, times, max(order, 1), {})[: order + 1]

    def _constant(self, tree: Any) -> Pair:
        if tree not in self._constants:
            value = constant(tree, self._values)
            self._constants[tree] = LINE if value is None else _fraction(value)
        return self._constants[tree]

    def _jet(self, tree: Any, times: Pair, order: int, known: dict[Any, Jet]) -> Jet:
        if tree not in known:
            known[tree] = self._compute(tree, times, order, known)
        return known[tree]

    def _compute(self, tree: Any, times: Pair, order: int, known: dict[Any, Jet]) -> Jet:
        if tree.is_Symbol and tree.name == "time":
            return [times, ONE] + [ZERO] * (order - 1)
        if not any(s.name == "time" for s in tree.free_symbols):
            value = self._constant(tree)
            if value != LINE or not tree.args:
                return [value] + [ZERO] * order
        name = type(tree).__name__
        if name == "Piecewise":
            return self._piecewise(tree, times, order, known)
        if tree.is_Boolean or tree.is_Relational:
            return _range_only(LINE, order)
        if name in ("floor", "ceiling") and (line := self._line(tree)) is not None:
            return _whole(*rounded(name, line, times), order)
        parts = [self._jet(part, times, order, known) for part in tree.args]
        if tree.is_Add:
            total = parts[0]
            for part in parts[1:]:
                total = _plus(total, part)
            return total
        if tree.is_Mul:
            total = parts[0]
            for part in parts[1:]:
                total = _product(total, part)
            return total
        if tree.is_Pow:
            return self._power(tree, parts)
        if name in ("Max", "Min"):
            total = parts[0]
            for part in parts[1:]:
                total = _extremum(total, part, name == "Max")
            return total
        function = _JETS.get(name)
        if function is None or len(parts) != 1:
            message = f"the function {name} cannot be enclosed as a function of time (in {tree})"
            raise UnsupportedError(message)
        return function(parts[0])

    def _power(self, tree: Any, parts: list[Jet]) -> Jet:
        exponent = constant(tree.args[1], self._values)
        if exponent is not None:
            return _power_jet(parts[0], exponent)
        if parts[0][0][0] > 0.0:
            return _exp(_product(parts[1], _log(parts[0])))
        return _range_only(
            _pair(general_power_range(Interval(*parts[0][0]), Interval(*parts[1][0]))), len(parts[0]) - 1
        )

    def _piecewise(self, tree: Any, times: Pair, order: int, known: dict[Any, Jet]) -> Jet:
        possible: list[Jet] = []
        for value, test in tree.args:
            holds = self._decide(test, times, order, known)
            if holds is False:
                continue
            possible.append(self._jet(value, times, order, known))
            if holds:
                break
        else:
            return _range_only(LINE, order)  # undefined where no condition holds
        if len(possible) == 1:
            return possible[0]
        range_ = possible[0][0]
        for jet in possible[1:]:
            range_ = hull(range_, jet[0])
        return _range_only(range_, order)

    def _decide(self, test: Any, times: Pair, order: int, known: dict[Any, Jet]) -> bool | None:
        """Tell whether a condition holds at almost all times of the interval, or at almost none; None if unknown.

        Single times, such as the end of an interval where ``time < 10`` stops to hold, change no integral.
        """
        name = type(test).__name__
        if name in ("BooleanTrue", "BooleanFalse"):
            return name == "BooleanTrue"
        if name == "Not":
            inner = self._decide(test.args[0], times, order, known)
            return None if inner is None else not inner
        if name in ("And", "Or"):
            decisive = name == "Or"
            parts = [self._decide(part, times, order, known) for part in test.args]
            if decisive in parts:
                return decisive
            return None if None in parts else not decisive
        line = self._line(test)
        if line is not None:
            return holds(name, line, times)
        left, right = (self._jet(part, times, order, known)[0] for part in test.args)
        low, high = add(left, negate(right))
        if low <= 0.0 <= high:
            return None
        if name in ("Equality", "Unequality"):
            return name == "Unequality"
        return (high < 0.0) == name.endswith("LessThan")

    def _line(self, tree: Any) -> Line | None:
        """Return the argument of a floor, or the difference of the two sides of a comparison, if it is linear in time."""
        if tree not in self._lines:
            lines = [straight_line(part, self._values) for part in tree.args]
            self._lines[tree] = lines[0] if len(lines) == 1 else difference(*lines)
        return self._lines[tree]


def _extremum(u: Jet, v: Jet, largest: bool) -> Jet:
    (a, b), (c, d) = u[0], v[0]
    if a >= d:
        return u if largest else v
    if b <= c:
        return v if largest else u
    range_ = (max(a, c), max(b, d)) if largest else (min(a, c), min(b, d))
    return _range_only(range_, len(u) - 1)
