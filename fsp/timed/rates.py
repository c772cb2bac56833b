"""The functions of time of a network: break points, proof that they are rates, and polynomials over a step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

from fsp.errors import PropensityError, UnsupportedError
from fsp.timed.jets import TimeTree, add, multiply
from fsp.timed.lines import Line, difference, straight_line
from fsp.timed.polynomials import RatePolynomial, fit

__all__ = ["TimeRates", "Window", "break_points"]

#: How far below 0 rounding in a formula may take a rate, as a part of its largest value: a rate such as
#: ``a - a*cos(time)`` touches 0, and no enclosure can tell 0 from a rounding of it. What it may be below 0 is booked.
ROUNDING_OF_ZERO = 2.0**-44

#: Most intervals that the check of one rate may look at, and most break points of one comparison.
_MOST_INTERVALS, _MOST_BREAKS = 20_000, 10_000


@dataclass(frozen=True)
class Window:
    """Polynomials of all functions of time over one step; ``limit`` is what their radii may cost (1-norm)."""

    start: float
    end: float
    polynomials: tuple[RatePolynomial, ...]
    limit: float = math.inf

    @property
    def upper(self) -> list[float]:
        """Upper bounds of the functions over the step."""
        return [p.upper for p in self.polynomials]


class TimeRates:
    """The functions of time ``c_i`` of a network.

    Parameters
    ----------
    trees : sequence of sympy.Expr
        Expressions in ``time`` and parameters.
    values : mapping from str to float
        The parameters.
    names : sequence of str
        How error messages call the reactions that a function belongs to.
    """

    def __init__(self, trees: Sequence[Any], values: Mapping[str, float], names: Sequence[str]) -> None:
        self.trees = tuple(trees)
        self.names = tuple(names)
        self._exact = {name: Fraction(value) for name, value in values.items()}
        self.functions = tuple(TimeTree(tree, self._exact) for tree in self.trees)
        self._below = [math.inf] * len(self.functions)  # how far below 0 a function can be; see `check`

    def break_points(self, end: float) -> list[float]:
        """Return the times between 0 and ``end`` at which a comparison with time changes its truth, ascending."""
        found: set[float] = set()
        for tree in self.trees:
            found.update(break_points(tree, self._exact, end))
        return sorted(found)

    def window(self, start: float, end: float, wanted: Sequence[float], limit: float = math.inf) -> Window:
        """Return polynomials for the step from ``start`` to ``end``, with radii ``wanted`` where they can be had."""
        found = [fit(f, start, end, radius) for f, radius in zip(self.functions, wanted, strict=True)]
        known = [replace(p, below=min(p.below, b)) for p, b in zip(found, self._below, strict=True)]
        return Window(start, end, tuple(known), limit)

    def lower(self, start: float, end: float) -> list[float]:
        """Return lower bounds of the functions between two times, at least 0."""
        return [max(function.jet((start, end), 0)[0][0], 0.0) for function in self.functions]

    def check(self, end: float, start: float = 0.0) -> None:
        """Prove that all functions are finite and not negative from ``start`` to ``end``.

        Raises
        ------
        PropensityError
            If one is negative or not finite at some time; the message names reaction, time and value.
        UnsupportedError
            If it can be neither proven nor refuted.
        """
        breaks = [t for t in self.break_points(end) if t > start]
        self._below = [
            _check_rate(function, name, tree, [start, *breaks, end])
            for function, name, tree in zip(self.functions, self.names, self.trees, strict=True)
        ]


def _check_rate(function: TimeTree, name: str, tree: Any, edges: Sequence[float]) -> float:
    """Return how far below 0 the function can be at most."""
    end = edges[-1]
    todo = [(a, b) for a, b in pairwise(edges) if a < b] or [(end, end)]
    todo.reverse()
    scale = _largest_sample(function, edges[0], end)
    middle = 0.0
    for _ in range(_MOST_INTERVALS):
        if not todo:
            return ROUNDING_OF_ZERO * scale
        start, stop = todo.pop()
        middle = start + 0.5 * (stop - start)
        (low, high), slope = function.jet((start, stop), 1)
        value = function.jet((middle, middle), 0)[0]
        if value[1] < -ROUNDING_OF_ZERO * scale:
            message = f"the propensity of {name} is negative at time {middle:g}, where its factor {tree} is {value[1]:.4g}"
            raise PropensityError(message)
        # The mean value theorem is sharper than the range where the function is nearly constant or monotone.
        half = math.nextafter(max(middle - start, stop - middle), math.inf)
        low = max(low, add(value, multiply(slope, (-half, half)))[0])
        if math.isfinite(low) and math.isfinite(high) and low >= -ROUNDING_OF_ZERO * scale:
            continue
        if stop - start <= 1e-13 * stop or middle in (start, stop):
            if not (math.isfinite(low) and math.isfinite(high)):
                message = (
                    f"the propensity of {name} is not finite near time {middle:g}: see its factor {tree}"
                )
                raise PropensityError(message)
            break
        todo += [(middle, stop), (start, middle)]
    message = (
        f"the propensity of {name} cannot be shown to stay finite and >= 0 near time {middle:g}: its factor {tree} comes "
        "too close to 0; write max(0, ...) if it is meant to stop there"
    )
    raise UnsupportedError(message)


def _largest_sample(function: TimeTree, start: float, end: float) -> float:
    """Return the largest finite value at some times, on a linear and on a logarithmic scale."""
    parts = [i / 32 for i in range(33)] + [2.0**-i for i in range(6, 41)]
    values = [function.jet((t, t), 0)[0] for t in (start + (end - start) * part for part in parts)]
    return max((abs(high) for low, high in values if math.isfinite(high - low)), default=0.0)


def break_points(tree: Any, values: Mapping[str, Fraction], end: float) -> set[float]:
    """Return the times in (0, end) at which a condition or a floor that is linear in time jumps.

    A time that is not a double is given as the doubles below and above it: the step between them is short, and the jump
    within it is part of its error bound. Other jumps and kinks are found by shorter steps.

    Examples
    --------
    >>> from fsp.model.expressions import parse_expression
    >>> sorted(break_points(parse_expression("piecewise(1, time < 10, 2, 0.5*time <= 20, 3)", ["time"]), {}, 100.0))
    [10.0, 40.0]
    """
    found: set[float] = set()
    stack, seen = [tree], set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        stack.extend(node.args)
        name = type(node).__name__
        if node.is_Relational:
            line = difference(*(straight_line(part, values) for part in node.args))
            if line is not None and line[1]:
                found.update(_doubles(-line[0] / line[1], end))
        elif name in ("floor", "ceiling"):
            line = straight_line(node.args[0], values)
            if line is not None and line[1]:
                found.update(_whole_numbers(line, end))
    return found


def _doubles(time: Fraction, end: float) -> list[float]:
    if not 0 < time < end:
        return []
    near = float(time)
    if Fraction(near) == time:
        return [near]
    pair = (
        (math.nextafter(near, 0.0), near) if Fraction(near) > time else (near, math.nextafter(near, math.inf))
    )
    return [t for t in pair if 0.0 < t < end]


def _whole_numbers(line: Line, end: float) -> list[float]:
    """Return the times at which ``line[0] + line[1] t`` is a whole number."""
    ends = sorted((line[0], line[0] + line[1] * Fraction(end)))
    first, last = math.ceil(ends[0]), math.floor(ends[1])
    if last - first > _MOST_BREAKS:
        return []
    return [t for n in range(first, last + 1) for t in _doubles((n - line[0]) / line[1], end)]
