"""Growing a state set along reactions: by reachability, and where probability flows out."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fsp.errors import PropensityError, StateSpaceLimitError
from fsp.generator import segments
from fsp.generator.fibre_generator import FibreGenerator
from fsp.generator.heap import LARGE
from fsp.generator.select import make_generator
from fsp.generator.tables import FactorTables
from fsp.statespace.constraints import Constraints
from fsp.statespace.fibres import FibreSet

__all__ = ["bridge_gaps", "closure", "extend", "grow_outflow", "reachable"]

IntArray = NDArray[np.int64]

#: Most intervals that one growth may produce before the limit on states is checked.
MAX_INTERVALS = 2**24

#: Intervals that rays may produce at a time: most of them overlap, and few are left once they are merged.
PIECE = 2**17


#: Gap between two fibres up to which it takes less to fill it than to keep both, and the part of the fibres that has to go.
GAP, FEWER = 16, 0.9


def extend(
    tables: FactorTables, space: FibreSet, constraints: Constraints, reach: int, todo: tuple[IntArray, ...],
    max_states: int | None = None,
) -> FibreSet:  # fmt: skip
    """Return the set with rays of length ``reach`` from the intervals ``todo`` (reaction, prefix, lo, hi)."""
    # On a large set what is needed for a short time is to stay in proportion to the set.
    intervals = PIECE if space.n_states < LARGE else min(max(space.n_fibres, PIECE // 4), PIECE)
    at_once = max(intervals // reach, 1)
    for start in range(0, todo[0].size, at_once):
        part = tuple(column[start : start + at_once] for column in todo)
        space = _extend_at_once(tables, space, constraints, reach, part, max_states)
    return space


def _extend_at_once(
    tables: FactorTables, space: FibreSet, constraints: Constraints, reach: int, todo: tuple[IntArray, ...],
    max_states: int | None = None,
) -> FibreSet:  # fmt: skip
    """Do what `extend` does for intervals whose rays fit into memory easily."""
    if not todo[0].size:
        return space
    matrix, limit = constraints.linear(space.coordinates)
    max_intervals = MAX_INTERVALS if max_states is None else min(MAX_INTERVALS, max(2**16, max_states // 8))
    while True:
        rays, m, hit = segments.grow_rays(
            *todo, reach, tables.shifts, tables.const, tables.factor_pointer, tables.factor_base,
            tables.factor_stride, tables.along_base, tables.along_stride, tables.tables, tables.low, tables.high,
            matrix, limit, max_intervals,
        )  # fmt: skip
        prefix, first, last = np.ascontiguousarray(rays[:-2, :m].T), rays[-2, :m], rays[-1, :m]
        if not hit:
            break
        low, high = space.box()
        if first.size:
            low[:-1] = np.minimum(low[:-1], prefix.min(axis=0, initial=2**62))
            high[:-1] = np.maximum(high[:-1], prefix.max(axis=0, initial=0))
            low[-1] = min(low[-1], first.min())
            high[-1] = max(high[-1], last.max() - 1)
        if not _wider(tables, low, high, np.abs(tables.shifts).max(axis=0, initial=0), matrix, limit):
            break
    if not first.size:
        return space
    if max_states is not None and int((last - first).max(initial=0)) > max_states:
        message = f"the state set would exceed max_states = {max_states:,}"
        raise StateSpaceLimitError(message)
    union = FibreSet.from_intervals(
        space.coordinates,
        np.concatenate([space.prefix, prefix]),
        np.concatenate([space.first, first]),
        np.concatenate([space.first + space.length, last]),
    )
    if constraints.conditions:
        fresh = FibreSet.from_intervals(space.coordinates, prefix, first, last)
        union = space.union(constraints.restrict(fresh))
    return union


def _wider(
    tables: FactorTables, low: IntArray, high: IntArray, step: IntArray, matrix: IntArray, limit: IntArray
) -> bool:
    """Let the tables reach beyond the rays that ended at their edge, as far as the constraints allow."""
    upper = np.full(low.size, 2**62)
    for row, bound in zip(matrix, limit, strict=True):
        axes = np.flatnonzero(row)
        if axes.size == 1 and row[axes[0]] > 0:
            upper[axes[0]] = min(upper[axes[0]], bound // row[axes[0]])
    return tables.cover(np.maximum(low - step, 0), np.minimum(high + step, np.maximum(upper, high)))


def _boundary(tables: FactorTables, space: FibreSet) -> tuple[IntArray, ...]:
    """Return the boundary segments (reaction, prefix, lo, hi) of a set."""
    tables.cover(*space.box())
    fibres = (space.prefix, space.first, space.length)
    lists = (tables.const, tables.factor_pointer, tables.factor_base, tables.factor_stride, tables.along_base,
             tables.along_stride, tables.flagged)  # fmt: skip
    c, start, error = segments.survey(*fibres, *lists, tables.tables)
    if not error[0]:
        found, _, m, error = segments.boundary_segments(
            *fibres,
            tables.shifts,
            c,
            start,
            tables.tables,
            space.coordinates.offset,
            space.coordinates.matrix,
        )
    if error[0]:
        make_generator(tables, space)  # raises with the reaction and the state
    reaction, fibre, lo, hi, _ = found[:, :m]
    return reaction, np.ascontiguousarray(space.prefix[fibre]), lo, hi


def reachable(
    tables: FactorTables, space: FibreSet, constraints: Constraints, steps: int, max_states: int | None = None,
    reach: int = 1,
) -> FibreSet:  # fmt: skip
    """Return the states that ``steps`` firings can reach from a set, itself included.

    A few states more may be included where a propensity has zeros in the middle of a fibre. With ``reach`` a step fires
    one reaction so many times, one after the other. O(steps * n_fibres).

    Raises
    ------
    StateSpaceLimitError
        If the set would hold more than ``max_states``.
    """
    for _ in range(steps):
        larger = extend(tables, space, constraints, reach, _boundary(tables, space))
        larger = _redirected(tables, space, larger, constraints)
        if larger.n_states == space.n_states:
            break
        space = larger
        _check_size(space, max_states)
    return space


def closure(
    tables: FactorTables, space: FibreSet, constraints: Constraints, max_states: int, max_rounds: int | None = None
) -> FibreSet:  # fmt: skip
    """Return all states that can be reached within the constraints.

    Raises
    ------
    StateSpaceLimitError
        If the set would hold more than ``max_states``, or still grows after ``max_rounds``.
    """
    reach, rounds = 1, 0
    while True:
        if rounds == max_rounds:
            message = f"the state set still grows after {rounds:,} rounds, at {space.n_states:,} states"
            raise StateSpaceLimitError(message)
        rounds += 1
        edge = _boundary(tables, space)
        # Rays from every boundary fibre cover the same states many times over: keep intervals in proportion to fibres.
        reach = min(
            reach, max(1, 4 * space.n_fibres // max(edge[0].size, 1)) if space.n_fibres > 1000 else reach
        )
        larger = extend(tables, space, constraints, reach, edge, max_states)
        if larger.n_states == space.n_states:
            larger = _redirected(tables, space, larger, constraints)
        if larger.n_states == space.n_states:
            return space
        gained = larger.n_states - space.n_states
        space = larger
        _check_size(space, max_states)
        if space.n_states > 1_000_000 and constraints.volume() > 1000.0 * max_states:
            message = (
                f"the bounds hold {constraints.volume():.2g} states, more than max_states = {max_states:,}"
            )
            raise StateSpaceLimitError(message)
        # Long rays in a narrow set cost much and find little.
        reach = min(2 * reach, 2**20) if gained >= reach else max(reach // 2, 1)


def _redirected(
    tables: FactorTables, space: FibreSet, larger: FibreSet, constraints: Constraints
) -> FibreSet:
    """Add to ``larger`` the states to which events lead from ``space``."""
    if tables.redirects is None:
        return larger
    targets = tables.redirects.find(space).target
    return _with_states(larger, targets, constraints)


def _with_states(space: FibreSet, counts: IntArray, constraints: Constraints) -> FibreSet:
    """Return the set and those of the given states that obey the constraints."""
    counts = counts[space.index(counts) < 0]
    counts = counts[constraints.allowed(counts)]
    return space.union(FibreSet.from_states(space.coordinates, counts)) if len(counts) else space


def _check_size(space: FibreSet, max_states: int | None) -> None:
    if max_states is not None and space.n_states > max_states:
        message = f"the state set would hold {space.n_states:,} states, more than max_states = {max_states:,}"
        raise StateSpaceLimitError(message)


@njit(cache=True, nogil=True)
def _significant(x, start, stop, lo, c, table, tables, keep_below, out_lo, out_hi):  # type: ignore[no-untyped-def]
    """Part of each boundary segment to grow from: all states but those whose flows together are below a bound.

    A histogram of the flows by factors of two finds the largest threshold under which they add up to at most
    ``keep_below``.
    """
    bins = np.zeros(2200, np.float64)
    for k in range(start.size):
        for i in range(start[k], stop[k]):
            flow = c[k] * x[i]
            if table[k] >= 0:
                flow *= tables[table[k] + i - start[k]]
            if flow > 0.0:
                _, exponent = math.frexp(flow)
                bins[exponent + 1100] += flow
    below = 0.0
    cut = 0
    while cut < bins.size and below + bins[cut] <= keep_below:
        below += bins[cut]
        cut += 1
    threshold = 0.0 if cut == 0 else 2.0 ** min(cut - 1 - 1100, 1023)
    for k in range(start.size):
        p = stop[k]
        q = start[k]
        for i in range(start[k], stop[k]):
            flow = c[k] * x[i]
            if table[k] >= 0:
                flow *= tables[table[k] + i - start[k]]
            if flow >= threshold and flow > 0.0:
                p = min(p, i)
                q = i + 1
        out_lo[k] = lo[k] + p - start[k]
        out_hi[k] = lo[k] + max(q, p) - start[k]


def grow_outflow(
    generator: FibreGenerator, x: NDArray[np.float64], constraints: Constraints, allowance: float, reach: int
) -> FibreSet:
    """Return a larger set: along the reactions that carry probability out, ``reach`` firings far.

    Parameters
    ----------
    generator : FibreGenerator
    x : ndarray
        The probabilities.
    constraints : Constraints
    allowance : float
        Outflow (1/time) that may remain: the smallest flows that together stay below it are not followed.
    reach : int
        How many firings of the reaction to add.
    """
    b = generator.boundary
    if generator.by_segment:  # where memory counts: a larger set has a generator of its own
        generator.release_segments()
    lo, hi = np.empty(b.n_segments, np.int64), np.empty(b.n_segments, np.int64)
    _significant(x, b.start, b.stop, b.lo, b.c, b.table, generator.tables, allowance, lo, hi)
    chosen = np.flatnonzero(hi > lo)
    prefix = np.ascontiguousarray(generator.space.prefix[b.fibre[chosen]])
    todo = (b.local[chosen], prefix, lo[chosen], hi[chosen])
    del lo, hi, chosen, prefix
    larger = extend(generator.factors, generator.space, constraints, reach, todo)
    targets = generator.redirected_outflow(x, allowance)
    if not len(targets):
        return larger
    # The surroundings of a state to which events lead are needed next.
    islands = FibreSet.from_states(larger.coordinates, targets[constraints.allowed(targets)])
    return (
        larger.union(reachable(generator.factors, islands, constraints, 2, None, reach))
        if islands.n_states
        else larger
    )


def bridge_gaps(
    tables: FactorTables, space: FibreSet, constraints: Constraints, max_states: float
) -> FibreSet:
    """Return a large set with short gaps in its lines filled, where that leaves much fewer fibres.

    Rays that start where much flows out leave gaps between them; a fibre takes as much memory as a dozen states, and as much
    time. The set stays as it is if a propensity is not defined at the states in between, which may be out of reach.
    """
    if space.n_states < LARGE or constraints.conditions or tables.redirects is not None:
        return space
    filled = space.bridged(GAP)  # linear constraints that hold at both ends of a gap hold within
    if filled.n_fibres > FEWER * space.n_fibres or filled.n_states > max_states:
        return space
    try:
        FibreGenerator(tables, filled)
    except PropensityError:
        return space
    return filled
