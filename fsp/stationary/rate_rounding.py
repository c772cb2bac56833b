"""How many roundings a propensity takes, where its formula cannot cancel digits."""

from __future__ import annotations

from typing import Any

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
        if all(_is_whole(part, counts) for part in tree.args):
            return 0
        parts = [roundings(part, counts, positive) for part in tree.args]
        if None in parts or not all(_is_positive(part, counts | positive) for part in tree.args):
            return None
        return max(p for p in parts if p is not None) + len(parts) - 1
    return None


def _is_whole(tree: Any, counts: frozenset[str]) -> bool:
    """Say whether a term is a count or a small integer, with or without a sign, so that sums of such terms are exact."""
    if tree.is_Mul and len(tree.args) == 2 and tree.args[0] == -1:
        tree = tree.args[1]
    return bool((tree.is_Symbol and tree.name in counts) or (tree.is_Integer and abs(int(tree)) < 2**31))


def _is_positive(tree: Any, positive: frozenset[str]) -> bool:
    """Say whether a term is a product of positive numbers, counts and positive parameters, and powers of sums of such."""
    if tree.is_Number:
        return bool(tree > 0)
    if tree.is_Symbol:
        return tree.name in positive
    if tree.is_Mul or tree.is_Add:
        return all(_is_positive(part, positive) for part in tree.args)
    return bool(tree.is_Pow and _is_positive(tree.args[0], positive))
