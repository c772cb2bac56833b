"""How long paths can take beyond a finite set of states: a linear Foster-Lyapunov function.

Let ``V = theta . x >= 0`` with ``Q V <= -1`` in every state outside of a finite set S and of the regions. Then
``W = V + b`` outside of S, and in S the expected time until a region is entered, counted with ``V + b`` where S is left,
satisfy ``Q W <= -1`` outside of the regions if ``b >= W(y) - V(y)`` in every state y of S that can be entered from outside.
So W bounds the expected time until a region is entered, and one is entered surely (Meyn and Tweedie 1993, Advances in
Applied Probability 25:518-548). With ``m``, ``v``, ``q`` for the expected time in S, the expected V where S is left, and the
probability of leaving it, ``W = m + v + b q`` in S, and ``b = max (m + v - V)/(1 - q)`` over these states.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from fsp.analysis.exits import leaving_entries
from fsp.analysis.passage_problem import PassageProblem
from fsp.analysis.passage_set import PassageSet
from fsp.analysis.regions import INSIDE
from fsp.errors import PropensityError
from fsp.interval import Interval
from fsp.moments.majorants import Bounded, bounded_rate
from fsp.moments.ranges import Box
from fsp.statespace.fibres import FibreSet

__all__ = ["LinearDrift", "extended_space", "filled_space", "find_drift", "rising_states", "time_beyond"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: States of the lattice at which the drift is evaluated one by one, at most.
MOST_EVALUATED = 2_000_000


@dataclass(frozen=True)
class LinearDrift:
    """``V = weights . x``, and ``Q V <= constant + slopes . x`` in every state outside of the regions.

    Attributes
    ----------
    weights : tuple of Fraction
        For each species, >= 0.
    constant : Fraction
    slopes : tuple of Fraction
        At most -1 for each species that is not bounded; 0 for the others, whose part is in the constant.
    largest : tuple of float
        The largest count of each species outside of the regions; it may be infinite.
    """

    weights: tuple[Fraction, ...]
    constant: Fraction
    slopes: tuple[Fraction, ...]
    largest: tuple[float, ...]

    def values(self, states: IntArray) -> FloatArray:
        """Return an upper bound of V in each state, up to a rounding."""
        found: FloatArray = states @ np.array([float(w) for w in self.weights]) * (1.0 + 2.0**-45)
        return found


def find_drift(problem: PassageProblem) -> LinearDrift | None:
    """Return a linear function that falls wherever counts are large, outside of the regions, or None."""
    network, regions = problem.network, problem.regions
    ranges = {name: Interval(0.0, r.upper) for name, r in regions.outside_box().items()}
    names = network.species_names
    box = Box(ranges, regions.parameters())
    bounds = [bounded_rate(r.propensity.expression, box, names) for r in network.reactions]
    largest = tuple(ranges[name].upper for name in names)
    weights = _weights(network.stoichiometry, names, bounds, largest)
    if weights is None:
        return None
    constant, slopes = Fraction(0), [Fraction(0)] * len(names)
    for change, bound in zip(network.stoichiometry.tolist(), bounds, strict=True):
        rise = sum((w * v for w, v in zip(weights, change, strict=True)), Fraction(0))
        if rise > 0:
            if bound.upper is None:
                return None
            constant += rise * bound.upper[0]
            coefficients = bound.upper[1]
        else:
            coefficients = bound.lower
        for name, k in coefficients.items():
            slopes[names.index(name)] += rise * k
    for s, bound_of_count in enumerate(largest):
        if math.isfinite(bound_of_count):
            constant += max(slopes[s], Fraction(0)) * Fraction(bound_of_count)
            slopes[s] = Fraction(0)
        elif slopes[s] > Fraction(-1, 2):
            return None
    return LinearDrift(tuple(weights), constant, tuple(slopes), largest)


def _weights(
    stoichiometry: IntArray, names: tuple[str, ...], bounds: list[Bounded], largest: tuple[float, ...]
) -> list[Fraction] | None:
    """Return weights that make every slope of an unbounded species at most -1, with the least constant."""
    n, m = len(names), len(bounds)
    free = [s for s in range(n) if math.isinf(largest[s])]
    cost = np.zeros(n + m)  # weights, and for each reaction what V rises by where it may rise
    slopes = np.zeros((n, n + m))
    rows: list[FloatArray] = []
    for r, (change, bound) in enumerate(zip(stoichiometry.astype(float), bounds, strict=True)):
        if not change.any():
            continue
        exact = bound.upper is not None and not bound.upper[0] and bound.upper[1] == bound.lower
        if (change <= 0).all() or exact:
            for name, k in bound.lower.items():
                slopes[names.index(name), :n] += float(k) * change
            continue
        if bound.upper is None:  # it must not raise V
            rows.append(np.concatenate([change, np.zeros(m)]))
            continue
        cost[n + r] += float(bound.upper[0])
        for name, k in bound.upper[1].items():
            slopes[names.index(name), n + r] += float(k)
        row = np.concatenate([change, np.zeros(m)])
        row[n + r] = -1.0
        rows.append(row)
    for s in range(n):
        if s not in free and np.any(slopes[s]):
            cost += np.maximum(slopes[s], 0.0) * largest[s]
    upper = np.array([*rows, *(slopes[s] for s in free)]).reshape(-1, n + m)
    limits = np.array([0.0] * len(rows) + [-1.0] * len(free))
    lowest = [(1e-3 if s in free else 0.0, None) for s in range(n)] + [(0.0, None)] * m
    found = linprog(cost, A_ub=upper, b_ub=limits, bounds=lowest) if free else None
    if found is None or found.x is None or found.status != 0:
        return None
    return [Fraction(float(w)).limit_denominator(10**6) for w in found.x[:n]]


def rising_states(problem: PassageProblem, drift: LinearDrift) -> IntArray | None:
    """Return the states outside of the regions where ``Q V > -1``, or None if there are too many to look at."""
    coordinates = problem.coordinates
    sizes = []
    for axis in coordinates.axes:
        slope = drift.slopes[axis]
        limit = Fraction(drift.largest[axis]) if not slope else (drift.constant + 1) / -slope
        sizes.append(max(0, math.floor(limit)) + 1)
    if math.prod(sizes) > MOST_EVALUATED:
        return None
    grid = np.indices(sizes).reshape(len(sizes), -1).T
    counts: IntArray = coordinates.to_counts(np.ascontiguousarray(grid, np.int64))
    slopes = np.array([float(s) for s in drift.slopes])
    rounding = 1e-9 * (
        1.0 + abs(float(drift.constant))
    )  # of slopes and of their sum, which cancels the constant
    counts = counts[(counts >= 0).all(axis=1) & (counts @ slopes + float(drift.constant) > -1.0 - rounding)]
    counts = counts[problem.regions.kinds(counts) == INSIDE]
    network = problem.network
    rise = network.stoichiometry @ np.array([float(w) for w in drift.weights])
    if not len(counts):
        return counts
    try:
        rates = network.evaluate_propensities(counts)
    except PropensityError:  # at a state that no path may ever reach
        return None
    size = rates @ np.abs(rise)
    rising: IntArray = counts[rates @ rise + 1e-9 * size > -1.0]
    return rising


def extended_space(
    problem: PassageProblem, drift: LinearDrift, space: FibreSet, most: int
) -> FibreSet | None:
    """Return a set with all states in which V may rise, or None if it would be too large."""
    rising = rising_states(problem, drift)
    if rising is None:
        return None
    missing = rising[space.index(rising) < 0]
    if not len(missing):
        return space
    if not problem.constraints().allowed(missing).all():
        return None
    larger = space.union(FibreSet.from_states(space.coordinates, missing))
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


def time_beyond(held: PassageSet, drift: LinearDrift) -> FloatArray | None:
    """Return upper bounds, by state of ``held.inner``, of the expected time after the set has been left.

    All states where V may rise have to be in the set. None if a state has no way out, or nothing can be proven.
    """
    if not held.inner.all():
        return None
    states = held.space.states()
    value = drift.values(states)
    position, rate, reaction = leaving_entries(held.generator)
    rise = held.problem.network.stoichiometry @ np.array([float(w) for w in drift.weights])
    arrival = (value[position] + np.maximum(rise[reaction], 0.0)) * (1.0 + 2.0**-45)
    carried: FloatArray = np.bincount(position, rate * arrival, held.space.n_states) * np.float64(
        1.0 + 2.0**-40
    )
    inside = held.enclose(np.ones(held.space.n_states))
    left = held.enclose(held.leak)
    onward = held.enclose(carried)
    entered = _entered_from_outside(held, states)
    b = 0.0
    if entered.any():
        # V is rounded up; what is subtracted has to be rounded down.
        least = value[entered] * (1.0 - 2.0**-44)
        over = np.maximum(inside.upper[entered] + onward.upper[entered] - least, 0.0)
        stays = 1.0 - left.upper[entered]
        if not (np.isfinite(over).all() and (stays > 1e-9).all()):
            return None
        b = float((over / stays).max()) * (1.0 + 2.0**-40)
    found: FloatArray = (onward.upper + b * left.upper) * (1.0 + 2.0**-45)
    return found if np.isfinite(found).all() else None


def _entered_from_outside(held: PassageSet, states: IntArray) -> NDArray[np.bool_]:
    """Tell which states of a set a reaction can lead to from a state that is neither in it nor in a region."""
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
