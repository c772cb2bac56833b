"""Propensities that depend on time as sums of products: a function of time times a function of the state.

The generator then is ``A(t) = sum_i c_i(t) A_i`` with few functions ``c_i`` and constant matrices ``A_i``. Products of
such functions are taken apart, sums are written out, and a piecewise propensity becomes one term for each branch.
What cannot be separated, such as ``1/(X + time)``, is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import sympy

from fsp.errors import UnsupportedError
from fsp.model import trees
from fsp.model.evaluation import evaluate_tree
from fsp.model.factors import product_parts

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["TimedTerm", "separate", "separate_network"]

TIME = "time"

#: Most terms of one propensity, and most conditions on time that stand together with conditions on the state.
_MOST_TERMS, _MOST_CONDITIONS = 64, 4

Term = tuple[Any, Any]


@dataclass(frozen=True)
class TimedTerm:
    """A part of the propensity of reaction ``reaction``: ``of_time * of_state``, two expression trees."""

    reaction: int
    of_time: Any
    of_state: Any


class _NotSeparableError(Exception):
    """Carries the subtree that reads time and species in a way that no rule takes apart."""


def separate(tree: Any, species: Sequence[str], values: Mapping[str, float]) -> list[Term] | None:
    """Return terms (function of time, function of the state) whose products add up to the tree; None if there are none.

    Parameters
    ----------
    tree : sympy.Expr
        The propensity.
    species : sequence of str
        Names of the species; every other name but ``time`` is a parameter.
    values : mapping from str to float
        The parameters.

    Examples
    --------
    >>> from fsp.model.expressions import parse_expression
    >>> def show(text):
    ...     return separate(parse_expression(text, ["k", "X", "time"]), ["X"], {"k": 1.0})
    >>> show("k*X*exp(-time)")
    [(exp(-time), X*k)]
    >>> show("k*X + X*X*sin(time)**2")
    [(1, X*k), (sin(time)**2, X*X)]
    >>> show("1/(X + time)") is None
    True
    """
    try:
        found = _Separator(frozenset(species), values).terms(tree)
    except _NotSeparableError:
        return None
    merged: dict[Any, list[Any]] = {}
    for of_time, of_state in found:
        merged.setdefault(of_time, []).append(of_state)
    return [(of_time, trees.add(states)) for of_time, states in merged.items()]


def separate_network(network: ReactionNetwork) -> list[TimedTerm]:
    """Return the terms of all propensities of a network.

    Raises
    ------
    UnsupportedError
        If a propensity cannot be separated; it names the reaction.
    """
    terms = []
    for r, reaction in enumerate(network.reactions):
        expression = reaction.propensity.expression
        if not reaction.propensity.depends_on_time:
            terms.append(TimedTerm(r, sympy.S.One, expression))
            continue
        found = separate(expression, network.species_names, network.parameters)
        if found is None:
            message = (
                f"the propensity of reaction '{reaction}' mixes time and counts in a way that is not a sum of products "
                "f(time)*g(counts), nor a piecewise of such sums; rewrite it in this form, or replace `time` by a "
                "constant and solve piece by piece with initial="
            )
            raise UnsupportedError(message)
        terms.extend(TimedTerm(r, of_time, of_state) for of_time, of_state in found)
    return terms


class _Separator:
    def __init__(self, species: frozenset[str], values: Mapping[str, float]) -> None:
        self.species = species
        self.values = values

    def reads(self, tree: Any) -> tuple[bool, bool]:
        """Tell whether a tree reads time, and species."""
        names = {s.name for s in tree.free_symbols}
        return TIME in names, bool(names & self.species)

    def terms(self, tree: Any) -> list[Term]:
        timed, stateful = self.reads(tree)
        if not timed:
            return [(trees.ONE, tree)]
        if not stateful:
            return [(tree, trees.ONE)]
        if tree.is_Add:
            found = self._factored(tree) or [term for part in tree.args for term in self.terms(part)]
        elif tree.is_Mul:
            found = self._product(tree.args)
        elif tree.func is sympy.Piecewise:
            found = self._piecewise(tree)
        elif tree.is_Pow and tree.exp.is_Integer and 2 <= tree.exp <= 4 and not self._splits(tree):
            found = self._product([tree.base] * int(tree.exp))
        else:
            found = self._factored(tree) or []
        if not found or len(found) > _MOST_TERMS:
            raise _NotSeparableError
        return found

    def _splits(self, tree: Any) -> list[Any]:
        """Return the factors of a tree if they separate time from species, else nothing."""
        parts = product_parts(tree, self.species | {TIME}, self.values)
        return parts if len(parts) > 1 and not any(all(self.reads(part)) for part in parts) else []

    def _factored(self, tree: Any) -> list[Term]:
        parts = self._splits(tree)
        return self._product(parts) if parts else []

    def _product(self, factors: Sequence[Any]) -> list[Term]:
        """Multiply out: one term for each choice of a term from every factor."""
        plain: list[Any] = []  # what reads no time, in one piece: what it is made of is for the factor tables
        timed: list[Any] = []
        negative: list[Any] = []  # constants, which make a negative function of time a rate
        mixed: list[list[Term]] = []
        for factor in factors:
            reads_time, reads_species = self.reads(factor)
            if not reads_time:
                (negative if not reads_species and self._is_negative(factor) else plain).append(factor)
            elif not reads_species:
                timed.append(factor)
            else:
                mixed.append(self.terms(factor))
        found = []
        for choice in product(*mixed):
            of_time = trees.multiply([*timed, *(f for f, _ in choice)])
            of_state = trees.multiply([*plain, *(g for _, g in choice)])
            if of_time == 1:
                of_state = trees.multiply([*negative, of_state])
            else:
                of_time = trees.multiply([*negative, of_time])
            found.append((of_time, of_state))
            if len(found) > _MOST_TERMS:
                raise _NotSeparableError
        return found

    def _is_negative(self, tree: Any) -> bool:
        return float(evaluate_tree(tree, self.values)) < 0

    def _piecewise(self, tree: Any) -> list[Term]:
        conditions = [test for _, test in tree.args]
        kinds = [self.reads(test) for test in conditions]
        if any(timed and stateful for timed, stateful in kinds) or (
            any(timed for timed, _ in kinds) and any(stateful for _, stateful in kinds)
        ):
            return self._by_conditions_on_time(tree)
        if any(timed for timed, _ in kinds):
            found = [
                (_branch(of_time, conditions[:k], test), of_state)
                for k, (value, test) in enumerate(tree.args)
                for of_time, of_state in self.terms(value)
            ]
            return [(f, g) for f, g in found if g != 0]
        branches: dict[Any, list[Any]] = {}  # for each function of time, its state factor in each branch
        for k, (value, _) in enumerate(tree.args):
            for of_time, of_state in self.terms(value):
                factors = branches.setdefault(of_time, [trees.ZERO] * len(tree.args))
                factors[k] = of_state if factors[k] == 0 else trees.add([factors[k], of_state])
        return [
            (
                f,
                trees.piecewise(
                    [x for pair in zip(g, conditions, strict=True) for x in pair], need_default=False
                ),
            )
            for f, g in branches.items()
            if any(x != 0 for x in g)
        ]

    def _by_conditions_on_time(self, tree: Any) -> list[Term]:
        """Distinguish all cases of the comparisons of time; in each of them the conditions read the state only."""
        atoms = list(dict.fromkeys(self._time_atoms(tree.args)))
        if len(atoms) > _MOST_CONDITIONS:
            raise _NotSeparableError
        found = []
        for case in product((True, False), repeat=len(atoms)):
            resolved = _resolve(tree, dict(zip(atoms, case, strict=True)))
            if resolved.func is sympy.Piecewise and any(self.reads(test)[0] for _, test in resolved.args):
                raise _NotSeparableError
            tests = [a if holds else trees.negation(a) for a, holds in zip(atoms, case, strict=True)]
            here = trees.conjunction(tests)
            for of_time, of_state in self.terms(resolved):
                if of_state != 0:
                    found.append((_branch(of_time, [], here), of_state))
        return found

    def _time_atoms(self, pairs: Any) -> Iterator[Any]:
        """Yield the comparisons in the conditions that read time; refuse those that read species as well."""
        for _, test in pairs:
            stack = [test]
            while stack:
                node = stack.pop()
                timed, stateful = self.reads(node)
                if not timed:
                    continue
                if node.is_Relational:
                    if stateful:
                        raise _NotSeparableError
                    yield node
                else:
                    stack.extend(node.args)


def _branch(value: Any, earlier: Sequence[Any], test: Any) -> Any:
    """Return the value where ``test`` holds and none of the earlier tests did, 0 elsewhere."""
    pairs = [piece for condition in earlier for piece in (trees.ZERO, condition)]
    if test is sympy.true:
        return trees.piecewise([*pairs, value]) if pairs else value
    return trees.piecewise([*pairs, value, test, trees.ZERO])


def _resolve(tree: Any, known: Mapping[Any, bool]) -> Any:
    """Return a piecewise with the conditions in ``known`` decided."""
    pairs: list[Any] = []
    for value, test in tree.args:
        decided = _decide(test, known)
        if decided is sympy.false:
            continue
        pairs.extend((value, decided))
        if decided is sympy.true:
            break
    if not pairs:
        return sympy.nan
    if pairs[1] is sympy.true:
        return pairs[0]
    return trees.piecewise(pairs, need_default=False)


def _decide(test: Any, known: Mapping[Any, bool]) -> Any:
    if test in known:
        return sympy.true if known[test] else sympy.false
    if test.func is sympy.Not:
        inner = _decide(test.args[0], known)
        return _opposite(inner)
    if test.func in (sympy.And, sympy.Or):
        decisive = sympy.false if test.func is sympy.And else sympy.true
        parts = [_decide(part, known) for part in test.args]
        if decisive in parts:
            return decisive
        rest = [part for part in parts if part not in (sympy.true, sympy.false)]
        if not rest:
            return _opposite(decisive)
        return trees.conjunction(rest) if test.func is sympy.And else trees.disjunction(rest)
    return test


def _opposite(test: Any) -> Any:
    if test in (sympy.true, sympy.false):
        return sympy.false if test is sympy.true else sympy.true
    return trees.negation(test)
