"""How long paths can take beyond a finite set of states: first and second moments by drift functions.

Outside of a finite set S and of the regions let ``U >= 0`` with ``QU <= -1`` (`fsp.analysis.passage_drift`). Let ``W = U + b``
there, and in S the expected time until a region is entered, counted with ``U + b`` where S is left:
``W = m + u + b q``, with the expected time m in S, the expected U where S is left, and the probability q of leaving it. Then
``Q W <= -1`` outside of the regions if ``b >= W - U`` in every state of S that can be entered from outside, that is
``b = max (m + u - U)/(1 - q)`` over these. So W bounds the expected time until a region is entered, and one is entered
surely (Meyn and Tweedie 1993, Advances in Applied Probability 25:518-548).

The second moment is twice the expected integral of the mean time that remains, so that it is bounded by any ``Z >= 0`` with
``Q Z <= -2 W``. If ``Q(U^2) <= -2 U`` outside, this is ``Z = U^2 + 2 b U + b'`` there, and in S the expected integral of 2 W
counted with Z where S is left, with ``b'`` found in the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsp.analysis.exits import leaving_entries
from fsp.analysis.passage_drift import Tail
from fsp.analysis.passage_problem import PassageProblem
from fsp.analysis.passage_set import PassageSet
from fsp.analysis.regions import INSIDE
from fsp.statespace.fibres import FibreSet

__all__ = ["Beyond", "extended_space", "filled_space", "moments_beyond"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: More than the rounding of a few operations, or of a sum over the ways out of a state.
_UP = 1.0 + 2.0**-40
_DOWN = 1.0 - 2.0**-44

#: States that may be entered from outside have to stay in the set with at least this probability.
_LEAST_STAY = 1e-9


@dataclass(frozen=True, eq=False)
class Beyond:
    """Upper bounds by state of a set.

    Attributes
    ----------
    time : ndarray
        The expected time that is spent after the set has been left.
    second : ndarray or None
        The second moment of the whole time until a region is entered; None if it is not known to be finite.
    """

    time: FloatArray
    second: FloatArray | None


def extended_space(problem: PassageProblem, tail: Tail, space: FibreSet, most: int) -> FibreSet | None:
    """Return a set with all states in which U need not fall, or None if it would be too large."""
    missing = tail.rising[tail.lattice.positions(space, tail.rising) < 0]
    if not len(missing):
        return space
    if len(missing) > most:
        return None
    counts = space.coordinates.to_counts(missing)
    if not problem.constraints().allowed(counts).all():
        return None
    larger = space.union(FibreSet.from_states(space.coordinates, counts))
    return larger if larger.n_states <= most else None


def filled_space(problem: PassageProblem, space: FibreSet, most: int) -> FibreSet | None:
    """Return a set with all states of its box: one with a ragged edge is left again as soon as it is come back to."""
    low, high = space.box()
    sizes = [int(b - a + 1) for a, b in zip(low, high, strict=True)]
    if math.prod(sizes) > 2 * most:
        return None
    grid = np.indices(sizes).reshape(len(sizes), -1).T + low
    counts = space.coordinates.to_counts(np.ascontiguousarray(grid, np.int64))
    counts = counts[(counts >= 0).all(axis=1)]
    counts = counts[(problem.regions.kinds(counts) == INSIDE)]
    counts = counts[problem.constraints().allowed(counts)]
    larger = space.union(FibreSet.from_states(space.coordinates, counts))
    return larger if larger.n_states <= most else None


def moments_beyond(held: PassageSet, tail: Tail) -> Beyond | None:
    """Return what a function U proves about the paths that leave a set.

    All states where U need not fall have to be in the set. None if a state has no way out, or nothing can be proven.
    """
    if not held.inner.all():
        return None
    n = held.space.n_states
    states = held.space.reduced()
    position, rate, reaction = leaving_entries(held.generator)
    _, arrival = tail.values(states[position] + tail.lattice.shifts[reaction])
    entered = _entered_from_outside(held)
    least, _ = tail.values(states[entered])
    left = held.enclose(held.leak).upper
    stays = 1.0 - left[entered]
    if not (stays > _LEAST_STAY).all():
        return None

    def closed(inside: FloatArray, outside: FloatArray) -> float:
        """Return the constant with which what is in the set fits under what is outside, where paths come in."""
        over = np.maximum(inside[entered] - outside, 0.0)
        return float((over / stays).max(initial=0.0)) * _UP

    def carried(values: FloatArray) -> FloatArray:
        found: FloatArray = np.bincount(position, rate * values, n) * np.float64(_UP)
        return found

    inside = held.enclose(np.ones(n)).upper
    onward = held.enclose(carried(arrival)).upper
    b = closed(inside + onward, least * _DOWN)
    time = (onward + b * left) * _UP
    if not np.isfinite(inside + time).all():
        return None
    if not tail.has_square:
        return Beyond(time, None)
    gained = 2.0 * (inside + time) * _UP + carried(arrival * (arrival + 2.0 * b))
    second = held.enclose(gained).upper
    second = (second + closed(second, least * (least + 2.0 * b) * _DOWN) * left) * _UP
    return Beyond(time, second if np.isfinite(second).all() else None)


def _entered_from_outside(held: PassageSet) -> NDArray[np.bool_]:
    """Tell which states of a set a reaction can lead to from a state that is neither in it nor in a region."""
    states = held.space.states()
    found = np.zeros(len(states), np.bool_)
    regions = held.problem.regions
    for change in held.problem.network.stoichiometry:
        if not change.any():
            continue
        source = states - change
        possible = np.flatnonzero((source >= 0).all(axis=1) & ~found)
        possible = possible[held.space.index(source[possible]) < 0]
        found[possible[regions.kinds(source[possible]) == INSIDE]] = True
    return found
