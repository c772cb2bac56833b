"""Writing programs for the stack machine of `fsp.ssa.stack` from expression trees, without executing anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy
from sympy.codegen.cfunctions import log10 as Log10

from fsp.errors import UnsupportedError
from fsp.model.evaluation import evaluate_tree
from fsp.ssa.layout import FloatArray, IntArray
from fsp.ssa.stack import OPERATIONS

__all__ = ["Programs"]

_MAX_REPEATED = 16  # integer powers up to here are computed by multiplication, as in fsp.model.evaluation

_FUNCTIONS: dict[Any, str] = {
    sympy.exp: "exp", sympy.log: "log", Log10: "log10", sympy.Abs: "abs", sympy.floor: "floor", sympy.ceiling: "ceil",
    sympy.sign: "sign", sympy.sin: "sin", sympy.cos: "cos", sympy.tan: "tan", sympy.sinh: "sinh", sympy.cosh: "cosh",
    sympy.tanh: "tanh", sympy.asin: "asin", sympy.acos: "acos", sympy.atan: "atan", sympy.asinh: "asinh",
    sympy.acosh: "acosh", sympy.atanh: "atanh", sympy.factorial: "factorial", sympy.binomial: "binomial",
    sympy.Not: "not", sympy.StrictLessThan: "less", sympy.LessThan: "less_equal", sympy.StrictGreaterThan: "greater",
    sympy.GreaterThan: "greater_equal", sympy.Equality: "equal", sympy.Unequality: "unequal",
}  # fmt: skip
_FOLDS: dict[Any, str] = {
    sympy.Add: "add", sympy.And: "and", sympy.Or: "or", sympy.Min: "minimum", sympy.Max: "maximum",
}  # fmt: skip


class Programs:
    """Programs behind one another.

    Parameters
    ----------
    species : sequence of str
    values : mapping from str to float
        The parameters, which become numbers in the programs.

    Attributes
    ----------
    depth : int
        Entries of the stack that the programs need.

    Examples
    --------
    >>> from fsp.model.expressions import parse_expression
    >>> programs = Programs(["X"], {"k": 2.0})
    >>> programs.add(parse_expression("k*X + 1", ["X", "k"]))
    0
    >>> programs.depth, programs.arrays()[1].tolist()
    (2, [2.0, 1.0])
    """

    def __init__(self, species: Sequence[str], values: Mapping[str, float]) -> None:
        self._place = {name: i for i, name in enumerate(species)}
        self._values = values
        self._code: list[int] = []
        self._numbers: list[float] = []
        self._given: Mapping[Any, float] = {}
        self._height = 0
        self.depth = 1

    def add(self, tree: Any, given: Mapping[Any, float] | None = None) -> int:
        """Append the program of a tree and return where it begins; ``given`` are values of whole subtrees."""
        start = len(self._code)
        self._given = given or {}
        self._height = 0
        self._compile(tree)
        self._emit("end")
        return start

    def add_product(self, linear: Sequence[tuple[int, int]], trees: Sequence[Any]) -> int:
        """Append the program of a product of ``x[s] + m``, for pairs ``(s, m)``, and of trees, from left to right."""
        start = len(self._code)
        self._given, self._height = {}, 0
        self._push(1.0)
        for species, offset in linear:
            self._emit("count", species, 1)
            if offset:
                self._push(float(offset))
                self._emit("add", 0, -1)
            self._emit("multiply", 0, -1)
        for tree in trees:
            self._compile(tree)
            self._emit("multiply", 0, -1)
        self._emit("end")
        return start

    def arrays(self) -> tuple[IntArray, FloatArray]:
        """Return the code, two integers for each instruction, and the numbers that it refers to."""
        return np.array(self._code or [0, 0], np.int64), np.array(self._numbers or [0.0])

    def _emit(self, operation: str, argument: int = 0, change: int = 0) -> None:
        self._code += [OPERATIONS[operation], argument]
        self._height += change
        self.depth = max(self.depth, self._height)

    def _push(self, value: float) -> None:
        self._numbers.append(value)
        self._emit("number", len(self._numbers) - 1, 1)

    def _compile(self, tree: Any) -> None:
        if tree in self._given:
            self._push(self._given[tree])
        elif tree.is_Symbol and tree.name in self._place:
            self._emit("count", self._place[tree.name], 1)
        elif tree.is_Symbol and tree.name == "time":
            self._emit("time", 0, 1)
        elif all(s.name in self._values and s.name not in self._place for s in tree.free_symbols):
            self._push(float(evaluate_tree(tree, self._values, given=self._given)))
        elif tree.is_Mul:
            self._product(tree)
        elif tree.is_Pow:
            self._power(tree)
        elif tree.func is sympy.Piecewise:
            self._piecewise(tree)
        elif tree.func in _FOLDS:
            self._fold(tree.args, _FOLDS[tree.func])
        elif tree.func in _FUNCTIONS:
            for argument in tree.args:
                self._compile(argument)
            self._emit(_FUNCTIONS[tree.func], 0, 1 - len(tree.args))
        else:
            message = f"'{tree}' cannot be simulated: there is no rule for {tree.func.__name__}"
            raise UnsupportedError(message)

    def _fold(self, parts: Sequence[Any], operation: str) -> None:
        for i, part in enumerate(parts):
            self._compile(part)
            if i:
                self._emit(operation, 0, -1)

    def _product(self, tree: Any) -> None:
        """Multiply what stands above the line, and divide by what stands below it."""
        above = [part for part in tree.args if not _is_below(part)]
        below = [part for part in tree.args if _is_below(part)]
        if above:
            self._fold(above, "multiply")
        else:
            self._push(1.0)
        writers: list[Callable[[], None]] = [lambda p=part: self._raise(p.base, -p.exp) for part in below]  # type: ignore[misc]
        for i, write in enumerate(writers):
            write()
            if i:
                self._emit("multiply", 0, -1)
        if below:
            self._emit("divide", 0, -1)

    def _power(self, tree: Any) -> None:
        if tree.base is sympy.E:
            self._compile(tree.exp)
            self._emit("exp")
        else:
            self._raise(tree.base, tree.exp)

    def _raise(self, base: Any, exponent: Any) -> None:
        self._compile(base)
        constant = all(s.name in self._values and s.name not in self._place for s in exponent.free_symbols)
        value = float(evaluate_tree(exponent, self._values)) if constant else np.nan
        if value == 1.0:
            return
        if value == 0.5:
            self._emit("sqrt")
        elif value == np.rint(value) and abs(value) <= _MAX_REPEATED:
            self._emit("whole_power", int(value))
        else:
            self._compile(exponent)
            self._emit("power", 0, -1)

    def _piecewise(self, tree: Any) -> None:
        pairs = list(tree.args)
        last = next((i for i, (_, test) in enumerate(pairs) if test is sympy.true), None)
        if last is None:
            self._push(np.nan)
        else:
            self._compile(pairs[last][0])
            pairs = pairs[:last]
        for value, test in reversed(pairs):
            self._compile(value)
            self._compile(test)
            self._emit("choose", 0, -2)


def _is_below(part: Any) -> bool:
    return bool(part.is_Pow and part.exp.is_Rational and part.exp.p < 0)
