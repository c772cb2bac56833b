"""Laws of reversible reactions: a net rate, forward minus backward, is no propensity.

Where the law is a difference whose parts can be told apart by their form, each is the propensity of a reaction
of its own. The form must leave no choice: ``kf*A - kr*B`` does, and so does ``V*(A - B/K)/(1 + A + B)``, while
``k*(10 - B)`` may be a net rate or the rate at which ten sites fill up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import sympy

from fsp.model import trees
from fsp.model.names import shorten
from fsp.model.signs import Line, as_line, constant_value, factors_of, is_nonnegative, vanishes

__all__ = ["Reading", "Sides", "read_reversible"]

Tree = Any

_MOST_NODES = 2000  # of a law that is taken apart
_ONE = "the law {law} is taken as the propensity of one irreversible reaction"


@dataclass(frozen=True)
class Sides:
    """What a reaction changes, and what the other reactions of the model do.

    Attributes
    ----------
    consumed, produced : collection of str
        Species of which it leaves less, and more.
    consumed_elsewhere : collection of str
        Species of which another reaction leaves less.
    catalysts : collection of str
        Species on both sides.
    """

    consumed: Collection[str]
    produced: Collection[str]
    consumed_elsewhere: Collection[str] = ()
    catalysts: Collection[str] = ()


class Reading(NamedTuple):
    """How a law is read: as one propensity or two, with a remark; or not at all, with the reason."""

    forward: Tree = None
    backward: Tree = None
    remark: str = ""
    problem: str = ""


def read_reversible(law: Tree, sides: Sides, values: Mapping[str, float]) -> Reading:
    """Return how the law of a reaction that is marked reversible is to be read.

    Parameters
    ----------
    law : sympy.Expr
        In counts.
    sides : Sides
        What the reaction changes.
    values : mapping from str to float
        Values of the parameters.

    Examples
    --------
    >>> a, b = trees.symbol("A"), trees.symbol("B")
    >>> net = trees.multiply([trees.number(2), trees.add([a, trees.negate(b)])])
    >>> read_reversible(net, Sides({"A"}, {"B"}), {})[:2]
    (2*A, 2*B)
    >>> read_reversible(trees.multiply([trees.number(2), a]), Sides({"A"}, {"B"}), {})[:2]
    (2*A, None)
    """
    if trees.check_size(law) > _MOST_NODES:
        return _as_it_is(law, sides)
    if is_nonnegative(law, values):
        return Reading(law)
    sites = _free_sites(law, sides, values)
    if sites is not None:
        text = f"the law {_text(law)}, which is 0 at {sites.species} = {sites.root:g}"
        if sites.species in sides.consumed_elsewhere:
            return Reading(law, remark=f"{text}, is taken as the propensity of one irreversible reaction")
        return Reading(problem=f"{text}, may be a net rate or the rate of filling {sites.root:g} places")
    parts = _split(law, values)
    if parts is None:
        return _as_it_is(law, sides)
    forward, backward = parts
    if not forward:  # negative throughout: the solver refuses it at the first state where it fires
        return Reading(law)
    if sides.produced and not any(_symbols(term) & set(sides.produced) for term in backward):
        return Reading(law, remark=_ONE.format(law=_text(law)))
    for terms, needed, which in (
        (forward, sides.consumed, "forward"),
        (backward, sides.produced, "backward"),
    ):
        for term in terms:
            for species in sorted(needed):
                if not vanishes(term, species, values):
                    return Reading(
                        problem=f"the {which} part {_text(term)} of the law {_text(law)} is not 0 where "
                        f"there is no '{species}'"
                    )
    for term in backward:
        for species in sorted(set(sides.consumed) - set(sides.catalysts)):
            if vanishes(
                term, species, values
            ):  # k*A*(1 - B/K): a net rate, or a forward rate that B slows down
                return Reading(
                    problem=f"the part {_text(term)} that the law {_text(law)} subtracts is no backward rate: it "
                    f"needs '{species}', which it would make"
                )
    return Reading(trees.add(forward), trees.add(backward))


def _as_it_is(law: Tree, sides: Sides) -> Reading:
    """Return the reading of a law that cannot be taken apart: a propensity, unless it looks like a net rate."""
    if _may_be_net_rate(law, sides):
        what = f"the law {_text(law)} seems to be a net rate, but does not split into two parts"
        return Reading(problem=what)
    return Reading(law, remark=_ONE.format(law=_text(law)))


def _free_sites(law: Tree, sides: Sides, values: Mapping[str, float]) -> Line | None:
    """Return the factor ``N - B`` or ``1 - B/N`` of a law, with a whole number N, if it has one."""
    for factor in factors_of(law):
        line = as_line(factor, values) if factor.is_Add and law.is_Mul else None
        if line is None or line.slope >= 0 or line.species not in sides.produced:
            continue
        whole = line.root >= 0.5 and abs(line.root - round(line.root)) < 1e-9 * line.root
        counted = trees.negate(trees.symbol(line.species)) in factor.args or trees.ONE in factor.args
        if whole and counted:
            return line
    return None


def _split(law: Tree, values: Mapping[str, float]) -> tuple[list[Tree], list[Tree]] | None:
    """Return terms that are shown not to be negative: those that are added, and those subtracted."""
    if is_nonnegative(law, values):
        return [law], []
    opposite = _opposite(law)
    if is_nonnegative(opposite, values):
        return [], [opposite]
    if law.is_Add:
        parts = [_split(term, values) for term in law.args]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        return [t for plus, _ in known for t in plus], [t for _, minus in known for t in minus]
    if not law.is_Mul:
        return None
    factors = factors_of(law)
    differences = [f for f in factors if f.is_Add and not is_nonnegative(f, values)]
    for difference in differences:
        rest = list(factors)
        rest.remove(difference)
        scale = trees.multiply(rest)
        sign = 1
        if not is_nonnegative(scale, values):
            scale, sign = _opposite(scale), -1
        inner = _split(difference, values)
        if inner is None or not is_nonnegative(scale, values):
            continue
        plus, minus = ([trees.multiply([*factors_of(scale), term]) for term in side] for side in inner)
        return (plus, minus) if sign > 0 else (minus, plus)
    return None


def _opposite(tree: Tree) -> Tree:
    """Return minus a tree, by the sign of its first number if it has one."""
    factors = factors_of(tree)
    for i, factor in enumerate(factors):
        if factor.is_Rational and factor < 0:
            factors[i] = -factor
            return trees.multiply(factors)
    return trees.negate(tree)


def _may_be_net_rate(tree: Tree, sides: Sides) -> bool:
    """Return True for a law that looks like a forward rate minus a backward rate.

    What is produced counts against something, anywhere but in a denominator; or a term is subtracted that does not
    vanish with what is consumed.
    """
    consumed, produced = set(sides.consumed), set(sides.produced)
    if tree.is_Add and any(_is_negative(term) and not _symbols(term) & consumed for term in tree.args):
        return True
    stack = [tree]
    while stack:
        node = stack.pop()
        if node.is_Add and any(_is_negative(term) and _symbols(term) & produced for term in node.args):
            return True
        if node.is_Boolean or (node.is_Pow and _is_negative(node.exp)):
            continue
        stack.extend(node.args)
    return False


def _text(tree: Tree) -> str:
    return shorten(sympy.sstr(tree, order="none"))


def _symbols(tree: Tree) -> set[str]:
    return {s.name for s in tree.free_symbols}


def _is_negative(term: Tree) -> bool:
    value = constant_value(term, {})
    if value is not None:
        return value < 0
    return sum(_is_negative(factor) for factor in factors_of(term)) % 2 == 1 if term.is_Mul else False
