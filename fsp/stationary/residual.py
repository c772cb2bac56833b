"""What the generator makes of a vector, on the whole lattice, with a bound on the rounding of every entry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsp.statespace.fibres import FibreSet
from fsp.stationary.lattice import UNIT, Lattice

__all__ = ["Residual", "find_residual"]

IntArray = NDArray[np.int64]
LongArray = NDArray[np.longdouble]

_CHUNK = 200_000


@dataclass(frozen=True, eq=False)
class Residual:
    """``r = p Q`` for a vector p on a state set.

    Attributes
    ----------
    inside : ndarray of longdouble, shape (n_states,)
        At the states of the set.
    margin : ndarray of longdouble, shape (n_states,)
        Bound on the error of each entry of ``inside``.
    states : ndarray of int64, shape (m, n_axes)
        States outside of the set that are reached in one jump; one may be listed several times.
    flow : ndarray of longdouble, shape (m,)
        Probability per time that flows to each of them, rounded up.
    source, reaction : ndarray of int64, shape (m,)
        Where the flow comes from, and by which reaction.
    """

    inside: LongArray
    margin: LongArray
    states: IntArray
    flow: LongArray
    source: IntArray
    reaction: IntArray


def find_residual(lattice: Lattice, space: FibreSet, p: LongArray) -> Residual:
    """Return the residual and the outflow of a non-negative vector; O(n_states n_reactions log n_fibres).

    Every term is a product of a propensity and an entry of ``p``. With d terms the error of a sum is at most
    ``(d + 1) u`` times the sum of the magnitudes (Higham 2002, section 3.1), plus the relative error of the propensities.
    """
    n, terms = space.n_states, len(lattice.reactions)
    inside, size = np.zeros(n, np.longdouble), np.zeros(n, np.longdouble)
    outside: list[tuple[IntArray, LongArray, IntArray, IntArray]] = []
    relative = np.longdouble(lattice.rate_error + (2 * terms + 6) * UNIT)
    for start in range(0, n, _CHUNK):
        states = space.reduced(start, start + _CHUNK)
        rates = lattice.rates(states)
        here = p[start : start + len(states)]
        for r in lattice.reactions:
            flow = rates[:, r] * here
            moving = np.flatnonzero(flow)
            flow = flow[moving]
            targets = states[moving] + lattice.shifts[r]
            where = lattice.positions(space, targets)
            stays = where >= 0
            # A reaction leads different states to different states, so that no entry occurs twice.
            inside[where[stays]] += flow[stays]
            size[where[stays]] += flow[stays]
            inside[start + moving] -= flow
            size[start + moving] += flow
            lost = np.flatnonzero(~stays)
            if len(lost):
                outside.append((targets[lost], flow[lost], start + moving[lost], np.full(len(lost), r)))
    if outside:
        lost_states, lost_flow, source, kinds = (
            np.concatenate(parts) for parts in zip(*outside, strict=True)
        )
    else:
        lost_states, lost_flow = np.zeros((0, lattice.n_axes), np.int64), np.zeros(0, np.longdouble)
        source = kinds = np.zeros(0, np.int64)
    return Residual(inside, size * relative, lost_states, lost_flow * (1 + relative), source, kinds)
