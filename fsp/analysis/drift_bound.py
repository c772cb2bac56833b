"""How long paths can take beyond a finite set of states: first and second moments by drift functions.

Let S be a finite set outside of the regions, and ``U >= 0`` with ``QU <= -1`` everywhere outside of the regions but in
some states of S, where it may rise (`fsp.analysis.passage_drift`). In S let ``W = m + u + b q``, the expected time until a
region is entered counted with ``U + b`` where S is left: m is the expected time in S, u the expected U where S is left, and
q the probability of leaving it. Elsewhere let ``W = U + b``, and in the states of S where U falls the smaller of the two.
Then ``QW <= -1`` outside of the regions if ``W <= U + b`` in every state where U may rise that can be entered from one where
it falls: the least b is ``max (m + u - U)/(1 - q)`` over these. So W bounds the expected time until a region is entered, and
one is entered surely (Meyn and Tweedie 1993, Advances in Applied Probability 25:518-548).

The second moment is twice the expected integral of the mean time that remains, so that it is bounded by any ``Z >= 0``
with ``QZ <= -2 W``. If ``Q(U^2) <= -2 U`` where U falls, this is ``Z = U^2 + 2 b U + b'`` there, and in S the expected
integral of 2 W counted with this Z where S is left, with the least b' found in the same way.
"""

from __future__ import annotations

import math
import time as clock
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsp.analysis.exits import leaving_entries
from fsp.analysis.passage_drift import Tail
from fsp.analysis.passage_set import PassageSet
from fsp.analysis.regions import INSIDE
from fsp.errors import PropensityError, SolverError
from fsp.generator.growth import reachable
from fsp.generator.tables import FactorTables
from fsp.statespace.fibres import FibreSet

__all__ = ["Beyond", "bounds_beyond"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

#: More than the rounding of a few operations, or of a sum over the ways out of a state.
_UP = 1.0 + 2.0**-40
_DOWN = 1.0 - 2.0**-44

#: The chance of staying in the set below which it is made larger, and the most sets that are tried.
_LITTLE_STAY, _MOST_SETS = 0.1, 5

#: The chance of staying below which nothing is proven.
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
    leak : float
        The probability of leaving the set, from the start.
    excess : float
        The largest part of a moment that such paths have, from the start.
    """

    time: FloatArray
    second: FloatArray | None
    leak: float
    excess: float


def bounds_beyond(
    held: PassageSet, tail: Tail, most: int, deadline: float = math.inf
) -> tuple[PassageSet, Beyond] | None:
    """Return what a function U proves, and the set that it took: the states of ``held``, and more.

    The set is made larger as long as it is left too soon from a state in which paths arrive where U may rise. None if
    nothing is proven with at most ``most`` states. After the deadline, a reading of `time.perf_counter`, no larger set is
    begun.
    """
    best: tuple[PassageSet, Beyond] | None = None
    space = _with_rising(held, tail, most)
    for attempt in range(_MOST_SETS):
        if space is None or (attempt and clock.perf_counter() > deadline):
            break
        try:
            if space is not held.space:
                held = PassageSet(held.problem, space)
            held.check_cost()
            if not held.inner.all():
                break
            left = held.enclose(held.leak).upper
            entered = _entered(held, tail)
            found = _bounds(held, tail, entered, left)
            best = best if found is None else (held, found)
            soon = entered & (left > 1.0 - _LITTLE_STAY)
            space = _around(held, soon, 4 << attempt, most) if soon.any() else None
        except (SolverError, PropensityError):  # too costly; a state that no path may ever reach
            break
    return best


def _with_rising(held: PassageSet, tail: Tail, most: int) -> FibreSet | None:
    """Return a set that holds all states in which U may rise as well, or None if it would be too large."""
    space = held.space
    missing = tail.rising[space.index(tail.rising) < 0]
    if not len(missing):
        return space
    if len(missing) > most or not held.problem.constraints().allowed(missing).all():
        return None
    larger = space.union(FibreSet.from_states(space.coordinates, missing))
    return larger if larger.n_states <= most else None


def _around(held: PassageSet, chosen: BoolArray, reach: int, most: int) -> FibreSet | None:
    """Return a larger set, by the states that lead away from some of its states, or None if there is none."""
    space = held.space
    island = FibreSet.from_states(space.coordinates, space.states()[chosen])
    tables = FactorTables(held.problem.network, space.coordinates)
    larger = space.union(reachable(tables, island, held.problem.constraints(), 2, most, reach))
    return larger if space.n_states < larger.n_states <= most else None


def _entered(held: PassageSet, tail: Tail) -> BoolArray:
    """Tell in which states of a set U may rise and paths arrive from a state, of the set or not, in which it falls."""
    states = held.space.states()
    rising = np.zeros(len(states), np.bool_)
    rising[held.space.index(tail.rising)] = True
    found = np.zeros(len(states), np.bool_)
    regions = held.problem.regions
    for change in held.problem.network.stoichiometry:
        if not change.any():
            continue
        source = states - change
        possible = np.flatnonzero(rising & ~found & (source >= 0).all(axis=1))
        position = held.space.index(source[possible])
        possible = possible[(position < 0) | ~rising[position]]
        found[possible[regions.kinds(source[possible]) == INSIDE]] = True
    return found


def _bounds(held: PassageSet, tail: Tail, entered: BoolArray, left: FloatArray) -> Beyond | None:
    """Return the bounds by state, from the probability of leaving the set; None if they are not finite."""
    n, states = held.space.n_states, held.space.states()
    stays = 1.0 - left[entered]
    if not (stays > _LEAST_STAY).all():
        return None
    position, rate, reaction = leaving_entries(held.generator)
    _, arrival = tail.values(states[position] + held.problem.network.stoichiometry[reaction])
    least, _ = tail.values(states[entered])

    def constant(inside: FloatArray, outside: FloatArray) -> float:
        """Return what has to be added outside for the values in the set to fit under it, where paths arrive."""
        over = np.maximum(inside[entered] - outside, 0.0)
        return float((over / stays).max(initial=0.0)) * _UP

    def carried(values: FloatArray) -> FloatArray:
        """Return the reward that is gathered where the set is left, by state."""
        found: FloatArray = np.bincount(position, rate * values, n) * np.float64(_UP)
        return found

    inside = held.enclose(np.ones(n)).upper
    onward = held.enclose(carried(arrival)).upper
    b = constant(inside + onward, least * _DOWN)
    time = (onward + b * left) * _UP
    if not np.isfinite(inside + time).all():
        return None
    p = held.p
    leak, excess = float(p @ left), float(p @ time) / float(p @ inside)
    if not tail.has_square:
        return Beyond(time, None, leak, excess)
    gathered = 2.0 * (inside + time) * _UP + carried(arrival * (arrival + 2.0 * b))
    second = held.enclose(gathered).upper
    second = (second + constant(second, least * (least + 2.0 * b) * _DOWN) * left) * _UP
    if not np.isfinite(second).all():
        return Beyond(time, None, leak, excess)
    shortest = float(p @ held.enclose(2.0 * inside).upper)
    return Beyond(time, second, leak, max(excess, float(p @ second) / shortest - 1.0))
