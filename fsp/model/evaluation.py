"""Evaluating expression trees on arrays of molecule counts.

The tree is walked as it stands, with NumPy functions in the requested floating-point type. Undefined values
come out as NaN or infinity, for the caller to check; where a piecewise function does not select a branch,
that branch may be undefined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from sympy.codegen.cfunctions import log10 as Log10

from fsp.errors import ExpressionError

__all__ = ["evaluate_tree"]

_MAX_REPEATED = 16  # integer powers up to here are computed by multiplication
_PI = "3.14159265358979323846264338327950288419716939937511"
_E = "2.71828182845904523536028747135266249775724709369995"


def evaluate_tree(
    tree: Any, values: Mapping[str, Any], *, dtype: Any = np.float64, given: Mapping[Any, float] | None = None
) -> Any:
    """Return the value of a tree on broadcastable arrays.

    Parameters
    ----------
    tree : sympy.Expr or a SymPy condition
        What to evaluate. A condition gives 1 where it holds, 0 where it does not, NaN where it is undefined.
    values : mapping from str to array_like
        Values of the symbols by name; integers are converted to `dtype` first, so that they cannot overflow.
    dtype : numpy dtype, optional
        ``numpy.float64`` or ``numpy.longdouble``.
    given : mapping from trees to numbers, optional
        Values of whole subtrees, which are not evaluated then.

    Returns
    -------
    numpy.ndarray or numpy scalar
        In the broadcast shape of the values that the tree reads. NaN or infinity where it is undefined.

    Raises
    ------
    ExpressionError
        If a symbol has no value or the tree holds a function that is not known.

    Examples
    --------
    >>> x = sympy.Symbol("X")
    >>> print(evaluate_tree(x * (x + 1) / 2, {"X": np.array([0, 1, 2, 3])}))
    [0. 1. 3. 6.]
    """
    kind = np.dtype(dtype).type
    known: dict[Any, Any] = {part: kind(value) for part, value in (given or {}).items()}
    for name in {s.name for s in tree.free_symbols}:
        if name not in values:
            message = f"no value was given for '{name}' (needed by {tree})"
            raise ExpressionError(message)
        value = values[name]
        known[sympy.Symbol(name)] = (
            kind(value) if isinstance(value, float) else np.asarray(value, dtype=kind)[()]
        )
    with np.errstate(all="ignore"):
        return _Evaluator(kind, known).value(tree)


class _Evaluator:
    """One evaluation; equal subtrees are computed once."""

    def __init__(self, kind: Any, known: dict[Any, Any]) -> None:
        self.kind = kind
        self.known = known

    def value(self, tree: Any) -> Any:
        if tree in self.known:
            return self.known[tree]
        result = self._compute(tree)
        self.known[tree] = result
        return result

    def _compute(self, tree: Any) -> Any:
        rule = _RULES.get(tree.func)
        if rule is not None:
            return rule(self, tree)
        if tree.is_Number or tree.is_NumberSymbol or tree in _LOGIC:
            return self._number(tree)
        function = _FUNCTIONS.get(tree.func)
        if function is not None:
            return function(*(self.value(a) for a in tree.args))
        message = f"the function {tree.func.__name__} cannot be evaluated"
        raise ExpressionError(message)

    def _number(self, tree: Any) -> Any:
        if tree in _LOGIC:
            return self.kind(_LOGIC[tree])
        if tree.is_Rational:
            if self.kind is np.float64:
                return np.float64(_fraction(tree))
            return self.kind(int(tree.p)) / self.kind(int(tree.q))
        if tree is sympy.pi:
            return self.kind(_PI)
        if tree is sympy.E:
            return self.kind(_E)
        return self.kind(str(tree)) if tree.is_Float else self.kind(float(tree))

    def add(self, tree: Any) -> Any:
        total = self.value(tree.args[0])
        for term in tree.args[1:]:
            total = total + self.value(term)
        return total

    def multiply(self, tree: Any) -> Any:
        above: Any = None
        below: Any = None
        for factor in tree.args:
            if factor.is_Pow and factor.exp.is_Rational and factor.exp.p < 0:
                value = self._power(self.value(factor.base), -self._number(factor.exp))
                below = value if below is None else below * value
            else:
                value = self.value(factor)
                above = value if above is None else above * value
        if above is None:
            above = self.kind(1)
        return above if below is None else above / below

    def power(self, tree: Any) -> Any:
        if tree.base is sympy.E:
            return np.exp(self.value(tree.exp))
        return self._power(self.value(tree.base), self.value(tree.exp))

    def _power(self, base: Any, exponent: Any) -> Any:
        if np.ndim(exponent) == 0:
            if exponent == 1:
                return base
            if exponent == 0.5:
                return np.sqrt(base)
            if exponent == np.rint(exponent) and abs(exponent) <= _MAX_REPEATED:
                return self._repeated(base, int(exponent))
        return np.power(base, exponent)

    def _repeated(self, base: Any, exponent: int) -> Any:
        result = self.kind(1) + 0 * base if exponent == 0 else None
        square = base
        remaining = abs(exponent)
        while remaining:
            if remaining & 1:
                result = square if result is None else result * square
            remaining >>= 1
            if remaining:
                square = square * square
        return self.kind(1) / result if exponent < 0 else result

    def compare(self, tree: Any) -> Any:
        left, right = (self.value(a) for a in tree.args)
        undefined = np.isnan(left) | np.isnan(right)
        return np.where(undefined, self.kind(np.nan), _COMPARISONS[tree.func](left, right).astype(self.kind))[
            ()
        ]

    # Three-valued logic: 'False and undefined' is False whichever comes first, because SymPy orders the
    # operands.
    def conjunction(self, tree: Any) -> Any:
        parts = [self.value(a) for a in tree.args]
        result = parts[0]
        for part in parts[1:]:
            result = np.where((result == 0) | (part == 0), self.kind(0), result * part)
        return result

    def disjunction(self, tree: Any) -> Any:
        parts = [1 - self.value(a) for a in tree.args]
        result = parts[0]
        for part in parts[1:]:
            result = np.where((result == 0) | (part == 0), self.kind(0), result * part)
        return 1 - result

    def negation(self, tree: Any) -> Any:
        return 1 - self.value(tree.args[0])

    def piecewise(self, tree: Any) -> Any:
        result: Any = self.kind(np.nan)
        for value, test in reversed(tree.args):
            if test is sympy.true:
                result = self.value(value)
                continue
            holds = self.value(test)
            result = np.where(holds == 1, self.value(value), np.where(holds == 0, result, self.kind(np.nan)))[
                ()
            ]
        return result

    def binomial(self, tree: Any) -> Any:
        n, k = (self.value(a) for a in tree.args)
        if np.ndim(k) == 0 and k == np.rint(k) and 0 <= k <= 1000:
            result = self.kind(1) + 0 * n
            for i in range(int(k)):
                result = result * (n - i) / (i + 1)
            return np.where((n == np.rint(n)) & (n >= 0), result, self.kind(np.nan))[()]
        from scipy.special import (
            gammaln,
        )  # an order that is itself a count: exact only to rounding of the logs

        whole = (n == np.rint(n)) & (k == np.rint(k)) & (n >= 0)
        inside = (k >= 0) & (k <= n)
        logs = (
            gammaln(np.float64(1) * n + 1)
            - gammaln(np.float64(1) * k + 1)
            - gammaln(np.float64(1) * (n - k) + 1)
        )
        value = np.exp(logs)
        value = np.where(value < 2**52, np.rint(value), value).astype(self.kind)
        return np.where(whole, np.where(inside, value, self.kind(0)), self.kind(np.nan))[()]

    def factorial(self, tree: Any) -> Any:
        n = self.value(tree.args[0])
        table = np.cumprod(np.concatenate(([self.kind(1)], np.arange(1, 171, dtype=self.kind))))
        whole = (n == np.rint(n)) & (n >= 0)
        index = np.where(whole & (n <= 170), n, 0).astype(np.int64)
        return np.where(whole, np.where(n <= 170, table[index], self.kind(np.inf)), self.kind(np.nan))[()]

    def extremum(self, tree: Any) -> Any:
        choose = np.maximum if tree.func is sympy.Max else np.minimum  # both propagate NaN
        result = self.value(tree.args[0])
        for other in tree.args[1:]:
            result = choose(result, self.value(other))
        return result


def _fraction(tree: Any) -> float:
    try:
        return float(Fraction(int(tree.p), int(tree.q)))
    except OverflowError:
        return float("inf") if tree.p > 0 else float("-inf")


_LOGIC = {sympy.true: 1, sympy.false: 0}
_RULES: dict[Any, Callable[[_Evaluator, Any], Any]] = {
    sympy.Add: _Evaluator.add,
    sympy.Mul: _Evaluator.multiply,
    sympy.Pow: _Evaluator.power,
    sympy.Piecewise: _Evaluator.piecewise,
    sympy.And: _Evaluator.conjunction,
    sympy.Or: _Evaluator.disjunction,
    sympy.Not: _Evaluator.negation,
    sympy.Max: _Evaluator.extremum,
    sympy.Min: _Evaluator.extremum,
    sympy.factorial: _Evaluator.factorial,
    sympy.binomial: _Evaluator.binomial,
}
_COMPARISONS: dict[Any, Any] = {
    sympy.StrictLessThan: np.less,
    sympy.LessThan: np.less_equal,
    sympy.StrictGreaterThan: np.greater,
    sympy.GreaterThan: np.greater_equal,
    sympy.Equality: np.equal,
    sympy.Unequality: np.not_equal,
}
_RULES.update(dict.fromkeys(_COMPARISONS, _Evaluator.compare))
_FUNCTIONS: dict[Any, Any] = {
    sympy.exp: np.exp,
    sympy.log: np.log,
    Log10: np.log10,
    sympy.Abs: np.abs,
    sympy.floor: np.floor,
    sympy.ceiling: np.ceil,
    sympy.sign: np.sign,
    sympy.sin: np.sin,
    sympy.cos: np.cos,
    sympy.tan: np.tan,
    sympy.sinh: np.sinh,
    sympy.cosh: np.cosh,
    sympy.tanh: np.tanh,
    sympy.asin: np.arcsin,
    sympy.acos: np.arccos,
    sympy.atan: np.arctan,
    sympy.asinh: np.arcsinh,
    sympy.acosh: np.arccosh,
    sympy.atanh: np.arctanh,
}
