"""First passage without an end: the probability of ever hitting the target, and the moments of the time that it takes.

On a finite set of states that leaves out the target, the probability ``h`` of hitting it before the set is left in
another way, and the probability ``l`` of leaving it by a way that is not held, are solutions of linear systems. The true
probability lies between ``h`` and ``h + l``. The set grows where time in a state and the rate out of it make ``l`` large.
"""

from __future__ import annotations

import math
import time as clock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fsp.analysis.drift_bound import Beyond, bounds_beyond
from fsp.analysis.passage_drift import find_tails
from fsp.analysis.passage_problem import PassageProblem
from fsp.analysis.passage_set import MOST_SECONDS, PassageSet
from fsp.errors import PropensityError, SolverError, StateSpaceLimitError
from fsp.generator.growth import grow_outflow, reachable
from fsp.generator.tables import FactorTables
from fsp.interval import Interval
from fsp.stationary.enclosed_solves import Enclosed

if TYPE_CHECKING:
    from fsp.statespace.fibres import FibreSet

__all__ = ["LongRun", "grown_set", "long_run", "with_drift"]

FloatArray = NDArray[np.float64]

#: States that a set for linear solves may grow to, where the user gives no limit, and how often it grows.
MOST_STATES, MOST_GROWTHS = 60_000, 60

#: How often the set may be made larger because the paths that leave it have too much of the moments.
MOST_REFINEMENTS = 3


@dataclass(frozen=True)
class LongRun:
    """What is known without an end of time.

    Attributes
    ----------
    hit_probability, mean, variance, conditional_mean : Interval
        The last one is the mean of the time in those cases in which the target is hit.
    states : int
        Size of the set.
    notes : tuple of str
        Why an end is what it is.
    """

    hit_probability: Interval
    mean: Interval
    variance: Interval
    conditional_mean: Interval
    states: int
    notes: tuple[str, ...] = field(default=())


def _first_set(problem: PassageProblem, most: int) -> tuple[FibreSet, bool]:
    """Return the set to begin with, and whether it holds all that can be reached."""
    everything = problem.enumerated(most)
    if everything is not None:
        return everything, True
    tables = FactorTables(problem.network, problem.coordinates)
    tables.cover(*problem.space.box())
    return reachable(tables, problem.space, problem.constraints(), 2, None, 8), False


def grown_set(problem: PassageProblem, tolerance: float, relative: bool, most: int) -> PassageSet:
    """Return a set that is left unseen with a probability below the tolerance, if that can be had."""
    space, everything = _first_set(problem, most)
    found = PassageSet(problem, space)
    found.check_cost()
    spent, started = found.seconds, clock.perf_counter()
    constraints = problem.constraints()
    for _ in range(0 if everything else MOST_GROWTHS):
        try:
            time = found.occupation()
        except SolverError:  # the set is left after so long a time that no solver finds it
            break
        leak, hit = float(time @ found.leak), float(time @ found.target)
        allowed = tolerance * (min(1.0, hit + problem.hit) if relative else 1.0)
        if leak <= 0.5 * allowed:
            break
        low, high = space.box()
        reach = max(8, int((high - low).max()) // 3)
        try:
            larger = grow_outflow(found.generator, time, constraints, 0.1 * allowed, reach)
        except StateSpaceLimitError:
            break
        if larger.n_states > most or larger.n_states == space.n_states:
            break
        space, smaller = larger, found
        found = PassageSet(problem, space)
        spent += found.seconds
        if spent > MOST_SECONDS:
            return smaller
        if clock.perf_counter() - started > MOST_SECONDS:
            break
    return found


def long_run(problem: PassageProblem, tolerance: float, relative: bool, max_states: int | None) -> LongRun:
    """Return the probability of ever hitting the target, and the moments of the time until then."""
    most = MOST_STATES if max_states is None else max_states
    try:
        return _long_run(problem, tolerance, relative, most)
    except (SolverError, PropensityError) as error:  # no memory for a factorisation, a state far away
        nothing = Interval(0.0, math.inf)
        return LongRun(Interval(0.0, 1.0), nothing, nothing, nothing, 0, (f"not known: {error}",))


def _long_run(problem: PassageProblem, tolerance: float, relative: bool, most: int) -> LongRun:
    missing = Interval(0.0, problem.law.missing)
    at_once = Interval(problem.hit, problem.hit) if problem.law.lower_bound else Interval(
        max(0.0, problem.hit - problem.law.missing), problem.hit
    )  # fmt: skip
    if not problem.space.n_states:
        hit = _probability(at_once + missing)
        return _without_time(hit, 0, "the initial law lies in the regions")
    held = grown_set(problem, tolerance, relative, most)
    notes: list[str] = []
    beyond: Beyond | None = None
    if held.leaks:
        held, beyond = with_drift(problem, held, tolerance, most, notes)
    into = bool(held.target[held.inner].any())
    # Where nothing leaks, all ways out are known; else a way to what is avoided may lie beyond.
    evaded = problem.regions.avoid is not None if held.leaks else bool(held.avoid[held.inner].any())
    sure = not held.trapped and not evaded and (into or beyond is not None)
    ends = int(held.inner.sum())
    if sure and not (held.leaks and beyond is None):
        rest = math.fsum(held.p.tolist())
        hit = Interval(rest, rest) + at_once + missing
        if problem.law.missing == 0.0 and problem.avoided == 0.0:
            hit = Interval(1.0, 1.0)
        ever = Enclosed(np.ones(ends), np.ones(ends))
    else:
        ever = held.flow_into(held.target)
        hit = held.mean_over_start(ever) + at_once + missing
        if held.leaks:
            lost = held.flow_into(held.leak)
            unseen = held.mean_over_start(lost)
            ever = Enclosed(ever.lower, np.minimum(ever.upper + lost.upper * (1.0 + 2.0**-50), 1.0))
            hit = Interval(hit.lower, (hit + unseen).upper)
            states = held.space.n_states
            notes.append(
                f"a set of {states:,} states is left unseen with probability up to {min(unseen.upper, 1.0):.2g}"
            )
        elif not into:
            notes.append("no state from which the target is entered can be reached")
    hit = _probability(hit)
    if hit.upper == 0.0:
        return _without_time(hit, held.space.n_states, *notes)
    return _with_times(held, hit, ever, beyond, notes)


def with_drift(
    problem: PassageProblem, held: PassageSet, tolerance: float, most: int, notes: list[str]
) -> tuple[PassageSet, Beyond | None]:
    """Return a set, and what a drift function proves about the paths that have left it."""
    deadline = clock.perf_counter() + MOST_SECONDS
    for tail in find_tails(problem, held):
        found = bounds_beyond(held, tail, most, deadline)
        for _ in range(0 if found is None else MOST_REFINEMENTS):
            assert found is not None
            late = clock.perf_counter() > deadline
            if late or not found[1].excess > tolerance or found[1].leak == 0.0:
                break
            # Times beyond are bounded crudely, so that less may leave than the probability alone would need.
            less = 0.5 * found[1].leak * tolerance / found[1].excess
            finer = bounds_beyond(grown_set(problem, less, False, most), tail, most, deadline)
            if finer is None or not finer[1].excess < 0.5 * found[1].excess:
                break
            found = finer
        if found is not None:
            states = found[0].space.n_states
            notes.append(f"a drift function proves that paths come back to the set of {states:,} states")
            return found
        if clock.perf_counter() > deadline:
            break
    return held, None


def _probability(x: Interval) -> Interval:
    return Interval(min(max(x.lower, 0.0), 1.0), min(x.upper, 1.0))


def _without_time(hit: Interval, states: int, *notes: str) -> LongRun:
    """Return what is known where the target is hit at once or never."""
    if hit.lower == 1.0:
        zero = Interval(0.0, 0.0)
        return LongRun(hit, zero, zero, zero, states, notes)
    never = Interval(math.inf, math.inf)
    unknown = Interval(0.0, math.inf)
    given = unknown if hit.upper == 0.0 else Interval(0.0, 0.0)
    return LongRun(hit, never, unknown, given, states, notes)


def _with_times(
    held: PassageSet, hit: Interval, ever: Enclosed, beyond: Beyond | None, notes: list[str]
) -> LongRun:
    """Return the moments of the time to hit the target; ``beyond`` bounds them on paths that have left the set."""
    states, ones = held.space.n_states, np.ones(int(held.inner.sum()))
    unbounded = held.leaks and beyond is None
    open_ended = Interval(0.0, math.inf)

    def after(inside: Enclosed) -> Enclosed:
        more = np.inf if unbounded else 0.0 if beyond is None else beyond.time
        return Enclosed(inside.lower, (inside.upper + more) * (1.0 + 2.0**-50))

    # Where the target is hit: M k = h for k = E[time; hit].
    timed = after(held.enclose(ever.lower, ever.upper))
    conditional = _quotient(held.mean_over_start(timed), hit)
    missing = held.problem.law.missing > 0.0
    if missing:  # the law may be any that is near: its missing part may take any time
        notes.append("the initial law is known up to an error, so times have no upper bound")
        conditional = Interval(conditional.lower, math.inf)
    if hit.upper < 1.0:
        missed = f"{1.0 - hit.upper:.3g}"
        notes.append(f"the mean is infinite, because the target is missed with probability {missed} or more")
        never = Interval(math.inf, math.inf)
        return LongRun(hit, never, open_ended, conditional, states, tuple(notes))
    inside = held.enclose(ones)
    first = held.mean_over_start(after(inside))
    if unbounded:
        notes.append("no upper bound of the time is known for the paths that leave the set of states unseen")
    elif not first.is_finite:
        notes.append("the time is so long against the jumps that its solution could not be verified")
    if missing or hit.lower < 1.0:
        first = Interval(first.lower, math.inf)
    squared = held.enclose(2.0 * inside.lower, 2.0 * inside.upper)
    if held.leaks:
        most = None if beyond is None else beyond.second
        squared = Enclosed(squared.lower, np.full_like(squared.upper, np.inf) if most is None else most)
        if beyond is not None and most is None:
            notes.append(
                "the variance has no upper bound: no drift function was found that falls fast enough"
            )
    second = held.mean_over_start(squared)
    if missing or hit.lower < 1.0:
        second = Interval(second.lower, math.inf)
    return LongRun(hit, first, _spread(first, second), conditional, states, tuple(notes))


def _spread(first: Interval, second: Interval) -> Interval:
    """Return the variance from the first two moments."""
    lower = (second - first.square()).lower if first.is_finite else 0.0
    upper = (second - first.square()).upper if first.is_finite and second.is_finite else math.inf
    return Interval(max(0.0, lower), max(0.0, upper))


def _quotient(a: Interval, b: Interval) -> Interval:
    """Return ``a / b`` of non-negative intervals."""
    if b.upper == 0.0:
        return Interval(0.0, math.inf)
    upper = math.inf if b.lower == 0.0 or a.upper == math.inf else math.nextafter(a.upper / b.lower, math.inf)
    return Interval(max(0.0, math.nextafter(a.lower / b.upper, -math.inf)), upper)
