"""Splitting a propensity into factors that read few species each.

Along a fibre of the state set a product of one-species factors is a number times a slice of a table, so how
far a propensity splits decides how fast the generator is. Only rewritings that keep the value at every state
are used: products and their integer powers are taken apart, ``exp`` of sums whose parts have one sign, and
sums are factored as polynomials over the rationals (with everything that is not polynomial in them held as it
is).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy

from fsp.model import trees
from fsp.model.evaluation import evaluate_tree

__all__ = ["group_product", "needed_symbols", "product_parts"]

_MAX_POWER = 16  # of a product that is taken apart: higher powers could overflow part by part
_MAX_TERMS = 40  # nodes of a sum that is factored as a polynomial
_MAX_DEGREE = 8


def product_parts(tree: Any, groups: frozenset[str], values: Mapping[str, float]) -> list[Any]:
    """Return trees whose product is the given tree, each reading as few of the `groups` names as possible.

    Parameters
    ----------
    tree : sympy.Expr
        An unevaluated tree.
    groups : frozenset of str
        Names that are to be told apart (the species, and ``time``). All other names are parameters.
    values : mapping from str to float
        Values of the parameters: some steps depend on their sign.
    """
    splitter = _Splitter(groups, values)
    return splitter.split(tree)


def group_product(
    parts: Sequence[Any], order: Sequence[str], values: Mapping[str, float]
) -> list[tuple[tuple[str, ...], Any]]:
    """Merge parts that read the same species: (species, product) pairs, the constant first.

    If the product of the constants is not an ordinary number although each of them is (1e-200 * 1e-200),
    everything stays one part, so that nothing underflows or overflows which would not do so in the whole.
    """
    position = {name: i for i, name in enumerate(order)}
    merged: dict[tuple[str, ...], list[Any]] = {}
    for part in parts:
        read = {s.name for s in part.free_symbols} & position.keys()
        merged.setdefault(tuple(sorted(read, key=position.__getitem__)), []).append(part)
    constants = merged.get((), [])
    if len(constants) > 1 and len(merged) > 1:
        each = np.abs([float(evaluate_tree(c, values)) for c in constants])
        whole = abs(float(evaluate_tree(trees.multiply(constants), values)))
        if np.all(each > 0) and not 1e-290 < whole < 1e290:
            every = sorted({name for key in merged for name in key}, key=position.__getitem__)
            return [(tuple(every), trees.multiply(list(parts)))]
    ordered = sorted(merged, key=lambda key: (len(key) > 0, [position[name] for name in key]))
    return [(key, trees.multiply(merged[key])) for key in ordered]


def needed_symbols(tree: Any) -> set[str]:
    """Return the names that can change the value of a tree: those of ``0*X`` and ``X - X`` do not count.

    A name is dropped only where the tree is a polynomial, so that it is defined whatever the value of the
    name.
    """
    written = {s.name for s in tree.free_symbols}
    if len(written) == 0 or not _is_polynomial(tree):
        return written
    return {s.name for s in _evaluated(tree).free_symbols}


class _Splitter:
    def __init__(self, groups: frozenset[str], values: Mapping[str, float]) -> None:
        self.groups = groups
        self.values = values

    def reads(self, tree: Any) -> set[str]:
        return {s.name for s in tree.free_symbols} & self.groups

    def split(self, tree: Any) -> list[Any]:
        if tree.is_Mul:
            return [part for factor in tree.args for part in self.split(factor)]
        if len(self.reads(tree)) <= 1:
            return [tree]
        parts: list[Any] | None = None
        if tree.is_Pow:
            parts = self.split_power(tree)
        elif tree.func is sympy.exp:
            parts = self.split_exponential(tree)
        elif tree.is_Add:
            parts = self.split_sum(tree)
        return [tree] if parts is None else parts

    def split_power(self, tree: Any) -> list[Any] | None:
        if self.reads(tree.exp):
            return None
        exponent = float(evaluate_tree(tree.exp, self.values))
        parts = self.split(tree.base)
        if len(parts) == 1:
            return None
        whole = exponent == round(exponent) if np.isfinite(exponent) else False
        if abs(exponent) > _MAX_POWER or not (whole or all(map(self.is_nonnegative, parts))):
            return None
        return [trees.power(part, tree.exp) for part in parts]

    def is_nonnegative(self, tree: Any) -> bool:
        if tree.is_Symbol and tree.name in self.groups:
            return True  # counts and time
        return not self.reads(tree) and float(evaluate_tree(tree, self.values)) >= 0

    def split_exponential(self, tree: Any) -> list[Any] | None:
        (argument,) = tree.args
        if not argument.is_Add:
            return None
        signs: set[float] = set()
        collected: dict[frozenset[str], list[Any]] = {}
        for term in argument.args:
            parts = self.split(term)
            constants = [part for part in parts if not self.reads(part)]
            if not all(part in constants or self.is_nonnegative(part) for part in parts):
                return None
            signs.add(float(np.sign(evaluate_tree(trees.multiply(constants), self.values))))
            collected.setdefault(frozenset(self.reads(term)), []).append(term)
        # with parts of both signs exp(X)*exp(-Y) could be inf*0 where exp(X - Y) is an ordinary number
        if len(signs - {0.0}) > 1 or len(collected) == 1:
            return None
        return [sympy.exp(trees.add(terms), evaluate=False) for terms in collected.values()]

    def split_sum(self, tree: Any) -> list[Any] | None:
        hidden: dict[Any, Any] = {}
        visible = _hide_opaque(tree, hidden)
        if visible is None or _degree(visible) > _MAX_DEGREE:
            return None
        gens = sorted(visible.free_symbols, key=str)
        try:
            coefficient, factors = sympy.factor_list(_evaluated(visible), *gens)
        except sympy.PolynomialError:
            return None
        if len(factors) < 2:
            return None
        found = set().union(*(factor.free_symbols for factor, _ in factors))
        if found != set(gens):
            return None  # something cancelled: the factored form could be defined where the sum is not
        back = {symbol: opaque for opaque, symbol in hidden.items()}
        parts = [trees.power(_restore(factor, back), sympy.Integer(n)) for factor, n in factors]
        parts = [part.base if part.is_Pow and part.exp == 1 else part for part in parts]
        if all(self.reads(part) in (set(), self.reads(tree)) for part in parts):
            return None
        if coefficient != 1:
            parts.insert(0, coefficient)
        return [smaller for part in parts for smaller in self.split(part)]


def _is_number(tree: Any) -> bool:
    """Return True for a rational number or one over it (division by a number is kept as it was written)."""
    return bool(tree.is_Rational or (tree.is_Pow and tree.exp == -1 and tree.base.is_Rational and tree.base))


def _is_polynomial(tree: Any) -> bool:
    stack, seen = [tree], 0
    while stack:
        node = stack.pop()
        seen += 1
        if seen > _MAX_TERMS:
            return False
        if node.is_Add or node.is_Mul:
            stack.extend(node.args)
        elif node.is_Pow and node.exp.is_Integer and 0 <= node.exp <= _MAX_DEGREE:
            stack.append(node.base)
        elif not (node.is_Symbol or _is_number(node)):
            return False
    return True


def _evaluated(tree: Any) -> Any:
    """Rebuild a polynomial with SymPy's simplifications (which are exact for polynomials)."""
    if not tree.args:
        return tree
    return tree.func(*(_evaluated(argument) for argument in tree.args))


def _hide_opaque(tree: Any, hidden: dict[Any, Any]) -> Any | None:
    """Replace every subtree that is not polynomial by a symbol; None when the tree is too large."""
    budget = _MAX_TERMS

    def hide(node: Any) -> Any:
        nonlocal budget
        budget -= 1
        if node.is_Symbol or _is_number(node):
            return _evaluated(node)
        if node.is_Add or node.is_Mul:
            return node.func(*(hide(argument) for argument in node.args), evaluate=False)
        if node.is_Pow and node.exp.is_Integer and 0 < node.exp <= _MAX_DEGREE:
            return sympy.Pow(hide(node.base), node.exp, evaluate=False)
        return hidden.setdefault(node, sympy.Dummy())

    result = hide(tree)
    return result if budget >= 0 else None


def _degree(tree: Any) -> int:
    if tree.is_Add:
        return max(_degree(argument) for argument in tree.args)
    if tree.is_Mul:
        return sum(_degree(argument) for argument in tree.args)
    if tree.is_Pow:
        return _degree(tree.base) * int(tree.exp)
    return 1 if tree.is_Symbol else 0


def _restore(tree: Any, back: Mapping[Any, Any]) -> Any:
    """Put the hidden subtrees back, without simplification."""
    if tree in back:
        return back[tree]
    if not tree.args:
        return tree
    build: Callable[..., Any] = tree.func
    return build(*(_restore(argument, back) for argument in tree.args), evaluate=False)
