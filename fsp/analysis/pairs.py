"""Reactions and their reverses: which belong together, and along which cycles they lead back to the same counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.errors import ArgumentError
from fsp.model.names import close_matches

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["ReactionPair", "find_pairs", "stoichiometric_cycles"]


@dataclass(frozen=True)
class ReactionPair:
    """Reactions and their reverses.

    Attributes
    ----------
    name : str
        ``"bind / unbind"``; a reaction without a reverse stands alone.
    forward, backward : tuple of int
        Positions of the reactions; several if they have the same equation.
    change : ndarray of int64, shape (n_species,)
        What ``forward`` adds to the counts.
    """

    name: str
    forward: tuple[int, ...]
    backward: tuple[int, ...]
    change: NDArray[np.int64]


def find_pairs(
    network: ReactionNetwork, pairs: Sequence[tuple[str, str]] | None = None
) -> tuple[ReactionPair, ...]:
    """Return the reactions of a network with their reverses; reactions without effect on counts are left out.

    Parameters
    ----------
    network : ReactionNetwork
    pairs : sequence of (str, str), optional
        Names of reactions and of their reverses. Others are paired by their equations: the reverse of ``A + B -> C`` is
        ``C -> A + B``, and reactions with the same equation are taken together.

    Raises
    ------
    ArgumentError
        For an unknown reaction, one that is given twice, or two that do not undo each other.

    Examples
    --------
    >>> import fsp
    >>> [pair.name for pair in find_pairs(fsp.gallery.schloegl())]
    ['R1 / R2', 'R3 / R4']
    >>> [pair.name for pair in find_pairs(fsp.gallery.gene_expression())]
    ['transcribe / rna_decay', 'translate', 'protein_decay']
    """
    names = [reaction.name for reaction in network.reactions]
    left, change = network.reactants, network.stoichiometry
    found: list[ReactionPair] = []
    free = [r for r in range(network.n_reactions) if change[r].any()]
    for one, other in _read(pairs):
        for name in (one, other):
            if name not in names:
                message = f"pairs: unknown reaction {name!r}{close_matches(str(name), names)}"
                raise ArgumentError(message)
        a, b = names.index(one), names.index(other)
        if (change[a] + change[b]).any() or a == b:
            message = f"pairs: {other} does not undo {one}: {network.reactions[a].text} and {network.reactions[b].text}"
            raise ArgumentError(message)
        if a not in free or b not in free:
            message = f"pairs: {one if a not in free else other} is given twice, or changes no count"
            raise ArgumentError(message)
        free = [r for r in free if r not in (a, b)]
        found.append(ReactionPair(f"{one} / {other}", (a,), (b,), change[a]))
    groups: dict[tuple[bytes, bytes], list[int]] = {}
    for r in free:
        groups.setdefault((left[r].tobytes(), (left[r] + change[r]).tobytes()), []).append(r)
    while groups:
        key, forward = next(iter(groups.items()))
        del groups[key]
        backward = groups.pop((key[1], key[0]), [])
        sides = [" + ".join(names[r] for r in side) for side in (forward, backward) if side]
        found.append(ReactionPair(" / ".join(sides), tuple(forward), tuple(backward), change[forward[0]]))
    return tuple(sorted(found, key=lambda pair: pair.forward))


def _read(pairs: Any) -> list[tuple[str, str]]:
    """Return the pairs of names, checked for their shape."""
    try:
        found = [tuple(pair) for pair in pairs or () if not isinstance(pair, str)]
        complete = len(found) == len(pairs or ()) and not isinstance(pairs, str)
    except TypeError:
        complete = False
    if not complete or not all(len(pair) == 2 for pair in found):
        message = f'pairs: give pairs of names of reactions such as [("bind", "unbind")], not {pairs!r}'
        raise ArgumentError(message)
    return found


def stoichiometric_cycles(changes: NDArray[np.int64]) -> list[list[int]]:
    """Return independent whole-number combinations of rows that add up to zero, in exact arithmetic.

    Parameters
    ----------
    changes : ndarray of int64, shape (n_pairs, n_species)

    Examples
    --------
    >>> stoichiometric_cycles(np.array([[1], [1], [-2]]))
    [[1, -1, 0], [2, 0, 1]]
    """
    m = changes.shape[0]
    rows = [[Fraction(int(v)) for v in column] for column in changes.T]
    pivots: list[int] = []
    for column in range(m):
        done = len(pivots)
        pick = next((r for r in range(done, len(rows)) if rows[r][column]), None)
        if pick is None:
            continue
        rows[done], rows[pick] = rows[pick], rows[done]
        rows[done] = [v / rows[done][column] for v in rows[done]]
        for r, row in enumerate(rows):
            if r != done and row[column]:
                rows[r] = [v - row[column] * w for v, w in zip(row, rows[done], strict=True)]
        pivots.append(column)
    cycles = []
    for open_column in (c for c in range(m) if c not in pivots):
        vector = [Fraction(0)] * m
        vector[open_column] = Fraction(1)
        for r, pivot in enumerate(pivots):
            vector[pivot] = -rows[r][open_column]
        scale = lcm(*(v.denominator for v in vector))
        whole = [int(v * scale) for v in vector]
        shared = gcd(*whole)
        sign = 1 if next(v for v in whole if v) > 0 else -1
        cycles.append([sign * v // shared for v in whole])
    return cycles
