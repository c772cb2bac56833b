"""How far the value of a formula may be off by rounding: a running error analysis in extended precision.

Every operation adds its own rounding to what its operands bring along (Higham 2002, section 3.3), so that digits that
cancel are seen even where the result looks like an ordinary number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from fsp.model.evaluation import evaluate_tree

__all__ = ["evaluation_errors", "is_positive", "is_whole", "may_cancel"]

LongArray = NDArray[np.longdouble]

_U = np.finfo(np.longdouble).eps / 2
#: Roundings of a function of the C library.
_LIBRARY = 4


def evaluation_errors(tree: Any, values: Mapping[str, Any]) -> LongArray:
    """Return bounds on the absolute error of a formula evaluated in extended precision; infinite where none is known.

    Parameters
    ----------
    tree : sympy.Expr
    values : mapping from str to array_like
        Counts, which are exact, and parameters, which are as well.

    Examples
    --------
    >>> from fsp.model.expressions import parse_expression
    >>> tree = parse_expression("(X + 1e25) - 1e25", ["X"])
    >>> bool(evaluation_errors(tree, {"X": 3.0}) > 1e3)
    True
    """
    with np.errstate(all="ignore"):
        return _Errors(values).of(tree)


def may_cancel(tree: Any, positive: frozenset[str], whole: frozenset[str]) -> bool:
    """Say whether a formula has a sum that may lose digits.

    Not one of positive terms, nor one of counts and integers, which is exact.

    Parameters
    ----------
    tree : sympy.Expr
    positive, whole : frozenset of str
        Symbols that are not negative, and symbols that stand for whole numbers.

    Examples
    --------
    >>> from sympy import Symbol
    >>> x, k = Symbol("X"), Symbol("k")
    >>> positive, whole = frozenset({"X", "k"}), frozenset({"X"})
    >>> may_cancel(k * x / (1 + k * x), positive, whole), may_cancel(1 - k * x, positive, whole)
    (False, True)
    """
    for part in _parts(tree):
        if part.is_Add:
            exact = all(is_whole(term, whole) for term in part.args)
            if not exact and not all(is_positive(term, positive) for term in part.args):
                return True
    return False


def _parts(tree: Any) -> Iterator[Any]:
    yield tree
    for part in tree.args:
        yield from _parts(part)


def is_whole(term: Any, whole: frozenset[str]) -> bool:
    """Say whether a term is a count or a small integer, with or without a sign, so that sums of such terms are exact."""
    if term.is_Mul and len(term.args) == 2 and term.args[0] == -1:
        term = term.args[1]
    return bool((term.is_Symbol and term.name in whole) or (term.is_Integer and abs(int(term)) < 2**31))


def is_positive(term: Any, positive: frozenset[str]) -> bool:
    """Say whether a term is made of positive numbers by products, sums, powers and exponentials."""
    if term.is_Number:
        return bool(term > 0)
    if term.is_Symbol:
        return term.name in positive
    if term.is_Mul or term.is_Add:
        return all(is_positive(part, positive) for part in term.args)
    if term.is_Pow:
        return is_positive(term.base, positive)
    return bool(term.func is sympy.exp)


class _Errors:
    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        self._known: dict[Any, tuple[LongArray, LongArray]] = {}

    def of(self, tree: Any) -> LongArray:
        return self.pair(tree)[1]

    def pair(self, tree: Any) -> tuple[LongArray, LongArray]:
        """Return the value and the bound of its error."""
        if tree not in self._known:
            value = np.asarray(evaluate_tree(tree, self._read(tree), dtype=np.longdouble), np.longdouble)
            error = np.asarray(self._error(tree, value), np.longdouble)
            self._known[tree] = value, np.where(np.isnan(error), np.inf, error).astype(np.longdouble)
        return self._known[tree]

    def _read(self, tree: Any) -> dict[str, Any]:
        return {s.name: self.values[s.name] for s in tree.free_symbols}

    def _error(self, tree: Any, value: LongArray) -> Any:
        if tree.is_Symbol or tree.is_Integer or tree.is_Boolean or tree.is_Relational:
            return np.longdouble(0)
        if tree.is_Number or tree.is_NumberSymbol:
            return np.abs(value) * _U
        if tree.is_Add:
            return self._sum(tree, value)
        if tree.is_Mul:
            product: Any = np.longdouble(1)
            error: Any = np.longdouble(0)
            for part in tree.args:
                v, e = self.pair(part)
                error = _times(np.abs(product), e) + _times(np.abs(v), error) + _times(e, error)
                product = product * v
                error = error + np.abs(product) * _U
            return error
        if tree.is_Pow:
            return self._power(tree, value)
        return self._function(tree, value)

    def _sum(self, tree: Any, value: LongArray) -> Any:
        pairs = [self.pair(part) for part in tree.args]
        if all(part.is_Integer or part.is_Symbol or (-part).is_Symbol for part in tree.args):
            whole = all(bool(np.all(v == np.rint(v)) and np.all(np.abs(v) < 2.0**53)) for v, _ in pairs)
            if whole:
                return np.longdouble(0)
        brought = sum((e for _, e in pairs), np.longdouble(0))
        if len(pairs) == 2:
            return brought + np.abs(value) * _U
        return brought + (len(pairs) - 1) * _U * sum((np.abs(v) for v, _ in pairs), np.longdouble(0))

    def _power(self, tree: Any, value: LongArray) -> Any:
        base, error = self.pair(tree.base)
        exponent, off = self.pair(tree.exp)
        size = np.abs(base)
        relative = np.where(error > 0, error / np.where(size > 0, size, np.nan), 0)
        change = np.abs(exponent) * relative + np.where(off > 0, off * np.abs(np.log(size)), 0)
        near = np.abs(value) * (2 * change + (_LIBRARY + np.abs(exponent)) * _U)
        # Far off, or from zero: for powers between 0 and 1 by |a^c - b^c| <= |a - b|^c, above by monotony.
        far = np.where(
            exponent >= 1, (size + error) ** exponent, np.where(exponent > 0, error**exponent, np.inf)
        )
        far = np.where(off > 0, np.inf, far + np.abs(value) * _LIBRARY * _U)
        return np.where(
            (change < 0.5) & (size > 0), near, np.where(error == 0, np.abs(value) * _LIBRARY * _U, far)
        )

    def _function(self, tree: Any, value: LongArray) -> Any:
        rounding = np.abs(value) * _LIBRARY * _U
        if tree.is_Piecewise:
            result: Any = np.longdouble(np.inf)
            for part, test in reversed(tree.args):
                holds = evaluate_tree(test, self._read(test), dtype=np.longdouble) == 1
                result = np.where(holds, self.of(part), result)
            return result
        errors = [self.of(part) for part in tree.args]
        if tree.func in (sympy.Min, sympy.Max, sympy.Abs):
            return np.maximum.reduce(np.broadcast_arrays(*errors))
        if tree.func is sympy.exp:
            return np.where(errors[0] < 0.5, np.abs(value) * 2 * errors[0], np.inf) + rounding
        if tree.func is sympy.log:
            left = np.abs(self.pair(tree.args[0])[0]) - errors[0]
            return np.where(left > 0, errors[0] / np.where(left > 0, left, 1), np.inf) + rounding
        if tree.func in (sympy.sin, sympy.cos, sympy.tanh):
            return errors[0] + rounding + _U
        exact = np.all([np.all(e == 0) for e in errors])
        return rounding if exact else np.longdouble(np.inf)


def _times(a: Any, b: Any) -> Any:
    return np.where((a == 0) | (b == 0), 0, a * b)
