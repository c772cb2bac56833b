"""Which states to keep: the set grows where outflow costs, and loses states that do not matter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fsp.generator.fibre_generator import FibreGenerator
from fsp.generator.growth import extend, reachable
from fsp.generator.select import make_generator
from fsp.statespace.constraints import Constraints
from fsp.statespace.fibres import FibreSet
from fsp.stationary.lattice import Lattice
from fsp.stationary.law import TruncatedLaw

__all__ = ["boundary_flows", "grow", "needed", "start_set"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

#: How far a flow is followed at most, as part of the extent of the set, and over what part of that its fall is looked at.
_FARTHEST, _BEHIND = 0.12, 0.25


def start_set(lattice: Lattice, centre: IntArray, constraints: Constraints, enough: int = 200) -> FibreSet:
    """Return the states around one, or several, that few firings lead to."""
    space = FibreSet.from_reduced(lattice.coordinates, np.atleast_2d(centre))
    for _ in range(12):
        larger = reachable(lattice.tables, space, constraints, 1, reach=3)
        if larger.n_states == space.n_states or larger.n_states > 20 * enough:
            break
        space = larger
        if space.n_states >= enough:
            break
    return space


def grow(
    lattice: Lattice, space: FibreSet, score: FloatArray, allowance: float, constraints: Constraints,
    costs: FloatArray | None = None,
) -> FibreSet:  # fmt: skip
    """Return a larger set: along the flows out of it, but for small ones that together cost less than ``allowance``.

    A flow is followed as far as it takes to become as small as these, if the score goes on to fall as fast as it does
    behind the boundary.

    Parameters
    ----------
    score : ndarray, shape (n_states,)
        Probability times what a unit of it costs outside.
    costs : ndarray, shape (n_reactions,), optional
        What a unit costs by the reaction that it leaves by, if that is what matters.
    """
    generator = make_generator(lattice.tables, space, threads=1)
    segment, states, cost = boundary_flows(generator, score)
    if costs is not None:
        cost = cost * costs[generator.boundary.reaction[segment]]
    order = np.argsort(cost)
    rest = int(np.searchsorted(np.cumsum(cost[order]), allowance, side="right"))
    chosen = np.sort(order[rest:])
    chosen = chosen[cost[chosen] > 0.0]
    if not chosen.size:
        return space
    with np.errstate(divide="ignore"):
        excess = np.log(cost[chosen]) - np.log(allowance / cost.size)
    segment, states = segment[chosen], states[chosen]
    reaction = generator.boundary.local[segment].astype(np.int64)
    shifts = generator.factors.shifts[reaction]
    firings = _firings(lattice, space, score, states, shifts, excess)
    reach = firings * np.abs(shifts).max(axis=1)
    # Neighbours in a segment that are followed equally far go together.
    parted = (np.diff(segment) != 0) | (np.diff(states[:, -1]) != 1) | (np.diff(reach) != 0)
    first = np.flatnonzero(np.append(True, parted))
    last = np.append(first[1:], chosen.size) - 1
    todo = reaction[first], np.ascontiguousarray(states[first, :-1]), states[first, -1], states[last, -1] + 1
    larger = space
    for far in np.unique(reach):
        these = reach[first] == far
        larger = extend(
            lattice.tables, larger, constraints, int(far), tuple(column[these] for column in todo)
        )
    return larger


def boundary_flows(generator: FibreGenerator, score: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Return for each reaction that leaves from each state: the segment of the boundary, the state, and the cost."""
    b = generator.boundary
    length = (b.stop - b.start).astype(np.int64)
    segment = np.repeat(np.arange(b.n_segments), length)
    along = np.arange(segment.size) - np.repeat(np.cumsum(length) - length, length)
    cost = b.c[segment] * score[b.start[segment] + along]
    table = b.table[segment]
    varies = table >= 0
    cost[varies] *= generator.tables[table[varies] + along[varies]]
    states = np.column_stack([generator.space.prefix[b.fibre[segment]], b.lo[segment] + along])
    return segment, states, cost


def _firings(
    lattice: Lattice,
    space: FibreSet,
    score: FloatArray,
    states: IntArray,
    shifts: IntArray,
    excess: FloatArray,
) -> IntArray:
    """Return how many firings it takes until each flow has fallen by ``exp(excess)``: one of 2, 3, 4, 6, 8, 12, ..."""
    low, high = space.box()
    with np.errstate(divide="ignore"):
        most = (_FARTHEST * (high - low + 1) / np.abs(shifts)).min(axis=1, initial=np.inf, where=shifts != 0)
    most = np.maximum(most, 2.0)
    behind = np.maximum(np.round(_BEHIND * most), 1.0).astype(np.int64)
    firings = np.full(len(states), 2.0)  # where the set is so thin that nothing can be said
    left = np.arange(len(states))
    while left.size:
        # Not from the boundary itself: in a truncated chain the law bends down there.
        near, far = (
            lattice.positions(space, states[left] - k * behind[left, None] * shifts[left]) for k in (1, 2)
        )
        seen = (near >= 0) & (far >= 0)
        found = left[seen]
        with np.errstate(divide="ignore", invalid="ignore"):
            fall = (np.log(score[far[seen]]) - np.log(score[near[seen]])) / behind[found]
            firings[found] = np.where(fall > 0.0, excess[found] / fall, np.inf)
        left = left[~seen & (behind[left] > 1)]
        behind[left] //= 2
    steps = np.array([m * 2**k for k in range(40) for m in (2, 3)], np.float64)
    rounded: IntArray = steps[np.searchsorted(steps, np.clip(firings, 2.0, most))].astype(np.int64)
    return rounded


def needed(law: TruncatedLaw, weight: FloatArray, allowance: float) -> NDArray[np.bool_]:
    """Tell which states are needed: the others together cost at most ``allowance``.

    Without a state what flows into it, which is what flows out of it, is lost: probability times exit rate, by weight.
    """
    cost = law.p.astype(float) * law.exit * weight
    order = np.argsort(cost)
    keep = np.ones(law.space.n_states, np.bool_)
    keep[order[np.cumsum(cost[order]) <= allowance]] = False
    keep[law.reference] = True
    return keep
