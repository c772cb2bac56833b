"""How many roundings a propensity takes, where its formula cannot cancel digits."""

from __future__ import annotations

from typing import Any

from fsp.model.evaluation_errors import is_positive, is_whole

__all__ = ["roundings"]


def roundings(tree: Any, counts: frozenset[str], positive: frozenset[str]) -> int | None:
    """Return how many roundings bound the relative error of a formula, or None if it may cancel digits.

    Products, quotients and integer powers add up the errors of their parts; sums of parts of one sign have the largest of
    them; sums of counts and integers are exact. The library's power is taken to be off by two units in the last place.

    Parameters
    ----------
    tree : sympy.Expr
        A formula of counts and parameters; these are exact in binary.
    counts, positive : frozenset of str
        The symbols that are counts, and those of parameters that are positive.

    Examples
    --------
    >>> from sympy import Symbol
    >>> x, k = Symbol("X"), Symbol("k")
    >>> counts, positive = frozenset({"X"}), frozenset({"k"})
    >>> roundings(k * x * (x - 1), counts, positive), roundings(1 - k * x, counts, positive)
    (2, None)
    """
    if tree.is_Symbol or tree.is_Integer:
        return 0
    if tree.is_Number:
        return 1
    if tree.is_Mul:
        parts = [roundings(part, counts, positive) for part in tree.args]
        return None if None in parts else sum(p for p in parts if p is not None) + len(parts) - 1
    if tree.is_Pow and tree.args[1].is_Integer:
        inner, exponent = roundings(tree.args[0], counts, positive), abs(int(tree.args[1]))
        return None if inner is None else inner * exponent + exponent + 4
    if tree.is_Add:
        if all(is_whole(part, counts) for part in tree.args):
            return 0
        parts = [roundings(part, counts, positive) for part in tree.args]
        if None in parts or not all(is_positive(part, counts | positive) for part in tree.args):
            return None
        return max(p for p in parts if p is not None) + len(parts) - 1
    return None
