"""`first_passage`: when a set of states is reached, as intervals that hold the true numbers."""

from __future__ import annotations

import functools
import math
import time as clock
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsp.analysis.backward import ByState, hit_from_all_states
from fsp.analysis.long_run import LongRun, long_run
from fsp.analysis.passage_problem import FIRST_PASSAGE, PassageProblem
from fsp.analysis.passage_result import FirstPassageResult
from fsp.analysis.passage_run import Course, PassageRun, RunOptions
from fsp.analysis.passage_set import PassageSet
from fsp.errors import ArgumentError
from fsp.interval import Interval
from fsp.ledger import Ledger
from fsp.statespace.constraints import Bounds
from fsp.transient_options import check_count, check_number, read_times

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork
    from fsp.statespace.fibres import FibreSet

__all__ = ["first_passage", "read_options"]

FloatArray = NDArray[np.float64]

#: Sets that are held as a whole from the start: they are small, and nothing leaks from them.
SMALL = 5_000

METHODS = ("auto", "uniformisation", "chebyshev")
DIRECTIONS = ("auto", "forward", "adjoint")


def first_passage(
    network: ReactionNetwork,
    target: str,
    times: ArrayLike,
    *,
    avoid: str | None = None,
    initial: Any = None,
    tolerance: float = 1e-6,
    relative: bool = False,
    method: str = "auto",
    direction: str = "auto",
    bounds: Bounds | None = None,
    max_states: int | None = None,
    memory_limit: int | None = None,
    threads: int | None = None,
    progress: bool | None = None,
) -> FirstPassageResult:
    """Compute when a set of states is hit for the first time, with proven bounds.

    Parameters
    ----------
    network : ReactionNetwork
        Without events, and with rates that do not depend on time.
    target : str
        A condition on the counts: ``"U >= 50"``.
    times : array_like of float
        Times >= 0, ascending, in the time unit of the model.
    avoid : str, optional
        Paths that enter these states before the target do not count: "reach B within t while staying in A" is
        ``target=B, avoid="not (A)"``. A state for which both conditions hold is a target.
    initial : optional
        The initial law, as for `fsp.solve_transient`.
    tolerance : float
        Largest acceptable width of the intervals of `cdf`.
    relative : bool
        Whether the tolerance is meant relative to the probability at each time > 0, however small that is: for rare
        events.
    method : str
        ``"auto"``, ``"uniformisation"`` or ``"chebyshev"``, as for `fsp.solve_transient`. Relative accuracy needs
        uniformisation.
    direction : str
        ``"forward"``, or ``"adjoint"`` to compute the probabilities from all initial states as well, for
        `FirstPassageResult.from_state` and ``by_state``. ``"auto"`` is forward.
    bounds : dict, str, or a sequence of these, optional
        Constraints on the states outside of the target; what leaves them otherwise than into the target is lost.
    max_states, memory_limit, threads, progress : optional
        As for `fsp.solve_transient`.

    Returns
    -------
    FirstPassageResult
        With `cdf`, `density`, `hit_probability`, `mean`, `variance`, `quantile`, ...

    Raises
    ------
    ArgumentError, ExpressionError
        For a condition that cannot be read or that no state satisfies, times that do not ascend, bounds that the target
        lies outside of, ...
    UnsupportedError
        For networks with events, or with rates that depend on time.
    StateSpaceLimitError, ToleranceError, ExplosionError
        If the answer cannot be had within the limits.

    Notes
    -----
    The transient solver runs on the states outside of the target. What flows into the target is a sum of non-negative
    terms, so that small probabilities keep their digits; what is lost elsewhere is the width of the intervals.
    Time-bounded until of continuous stochastic logic: Baier, Haverkort, Hermanns and Katoen (2003), IEEE Transactions on
    Software Engineering 29:524-541.

    Examples
    --------
    Ten births at rate 2 take a time with an Erlang distribution:

    >>> import fsp
    >>> births = fsp.ReactionNetwork({"X": 0}, ["0 -> X @ k"], {"k": 2.0})
    >>> result = fsp.first_passage(births, "X >= 10", times=[1.0, 5.0])
    >>> 0.542070285528 in result.cdf[1], result.cdf[1].width < 1e-6
    (True, True)
    >>> print(result.hit_probability, 5.0 in result.mean)
    [1, 1] True
    """
    started = clock.perf_counter()
    problem = PassageProblem.read(network, target, avoid, initial, bounds, FIRST_PASSAGE)
    options = read_options(
        times, tolerance=tolerance, relative=relative, method=method, max_states=max_states,
        memory_limit=memory_limit, threads=threads, progress=progress,
    )  # fmt: skip
    if direction not in DIRECTIONS:
        message = f"direction must be one of {', '.join(map(repr, DIRECTIONS))}, not {direction!r}"
        raise ArgumentError(message)
    return _Call(problem, options, direction, started).result()


def read_options(
    times: ArrayLike, *, tolerance: float, relative: bool, method: str, max_states: int | None,
    memory_limit: int | None, threads: int | None, progress: bool | None,
) -> RunOptions:  # fmt: skip
    """Return the options of a call, checked."""
    when = read_times(times)
    check_number("tolerance", tolerance, 0.0, 1.0)
    check_count("max_states", max_states)
    check_count("threads", threads)
    if memory_limit is not None:
        check_number("memory_limit", memory_limit, 0.0, float("inf"))
    if method not in METHODS:
        message = f"unknown method {method!r}; known are {', '.join(map(repr, METHODS))}"
        raise ArgumentError(message)
    if relative and method == "chebyshev":
        message = "relative=True needs non-negative arithmetic: use method='uniformisation' or 'auto'"
        raise ArgumentError(message)
    return RunOptions(
        when, float(tolerance), bool(relative), method, max_states, memory_limit, threads, progress
    )


class _Call:
    """One call, from the problem to the result."""

    def __init__(self, problem: PassageProblem, options: RunOptions, direction: str, started: float) -> None:
        self.problem, self.options, self.direction = problem, options, direction
        self._started = started
        self.notes: list[str] = []
        self._is_never = False  # proven: the target is out of reach
        self._largest_flow = math.inf  # into the target, from wherever something may be missing

    def result(self) -> FirstPassageResult:
        problem, options = self.problem, self.options
        exact = self._known_at_once()
        fixed, small = problem.boxed, None
        if exact is None:
            small = problem.enumerated(min(SMALL, options.max_states or SMALL))
            fixed = fixed or small is not None
            exact = None if small is None or self._is_never else self._never(small)
        by_state: ByState | None = None
        if exact is not None:
            course, explanation = exact, "no run was needed"
        else:
            run = PassageRun(problem, options, fixed)
            course = run.run()
            assert run.loop is not None
            states = int(course.statistics.get("states_peak", 0))
            where = (
                f"all {states:,} states within reach"
                if fixed
                else f"a moving set of at most {states:,} states"
            )
            explanation = f"{course.method} on {where}, outside of the target"
        if self.direction == "adjoint" and problem.space.n_states:
            by_state = hit_from_all_states(
                problem, self._set_for_all(fixed), options.times, options.tolerance
            )
        return self._wrapped(course, explanation, by_state)

    def _set_for_all(self, fixed: bool) -> FibreSet:
        """Return a set of initial states for the adjoint: all that can be reached, or all that a run has visited."""
        everything = self.problem.enumerated(self.options.max_states or 2_000_000) if fixed else None
        if everything is not None:
            return everything
        run = PassageRun(self.problem, self.options, False, keep=True)
        run.run()
        assert run.loop is not None
        return run.loop.space

    def _known_at_once(self) -> Course | None:
        """Return the course where signs of changes, or the initial law alone, tell it."""
        problem = self.problem
        if not problem.space.n_states:
            where = "the target" if problem.avoided == 0.0 else "the regions"
            if problem.hit == 0.0:
                where = "what is to be avoided"
            self.notes.append(f"all of the initial law lies in {where}")
            return self._constant()
        inside = problem.regions.unreachable(problem.law.states, problem.law.probabilities)
        if inside is None or problem.hit > 0.0:
            return None
        if problem.law.missing > 0.0:
            return None
        self.notes.append(f"the target is never reached: {inside}")
        self._is_never = True
        return self._constant() if problem.regions.avoid is None else None

    def _never(self, space: FibreSet) -> Course | None:
        """Return the course where enumeration proves that the target is out of reach."""
        problem = self.problem
        held = PassageSet(problem, space)
        if not held.leak[held.reached].any() and problem.law.missing == 0.0:
            self._largest_flow = float(held.target.max(initial=0.0)) * (1.0 + 2.0**-45)
        if held.target[held.reached].any() or problem.law.missing > 0.0 or problem.hit > 0.0:
            return None
        if held.leak[held.reached].any():
            target = problem.regions.target.text if problem.regions.target is not None else ""
            message = (
                f"bounds: no state within the bounds leads into the target {target!r}; widen bounds= so "
                "that they reach up to it"
            )
            raise ArgumentError(message)
        self.notes.append(
            f"the target is never reached: none of the {space.n_states:,} reachable states leads into it"
        )
        self._is_never = True
        return None if problem.regions.avoid is not None else self._constant()

    def _constant(self) -> Course:
        """Return the course of a probability that does not change."""
        n = self.options.times.size
        problem = self.problem
        ledger = Ledger()
        ledger.book("initial", problem.law.missing)
        missing = problem.law.missing
        lower = problem.hit - (0.0 if problem.law.lower_bound else missing)
        everywhere = np.ones(n)
        return Course(
            lower=max(0.0, lower) * everywhere,
            upper=min(1.0, problem.hit + missing) * everywhere,
            density=0.0 * everywhere,
            avoided=problem.avoided * everywhere,
            lost=missing * everywhere,
            reward=0.0 * everywhere,
            rounding=0.0 * everywhere,
            ledger=ledger,
            method="none",
        )

    def _wrapped(self, course: Course, explanation: str, by_state: ByState | None) -> FirstPassageResult:
        problem, options = self.problem, self.options
        regions = problem.regions
        never = self._is_never
        upper = np.zeros_like(course.upper) if never else course.upper
        most = 0.0 if never else min(self._largest_flow, regions.largest_flow())
        # Inf times 0: nothing is missing, and nothing flows from it.
        missing = np.where(course.lost > 0.0, course.lost, 0.0)
        extra = np.where(
            missing > 0.0, missing * most if math.isfinite(most) else (np.inf if most else 0.0), 0.0
        )
        if not never and not math.isfinite(most):
            self.notes.append(
                "the density has no upper bound: the rate into the target is unbounded over the lattice"
            )
        slack = 1.0 + 4.0 * course.rounding
        least = course.density
        if not problem.law.lower_bound:  # the law may be less than its probabilities
            least = (
                np.maximum(least - problem.law.missing * most, 0.0) if math.isfinite(most) else 0.0 * least
            )
        density = np.stack([least, course.density * slack + extra])
        avoided = np.stack([course.avoided, np.minimum(course.avoided * slack + course.lost, 1.0)])
        if regions.avoid is None:
            avoided = np.zeros_like(avoided)
        assert regions.target is not None
        find = functools.partial(
            _long_run, problem, options.tolerance, options.relative, options.max_states, never
        )
        statistics = dict(course.statistics, seconds=clock.perf_counter() - self._started)
        return FirstPassageResult(
            problem.network, options.times, regions.target.text, regions.avoid.text if regions.avoid else "",
            np.stack([np.minimum(course.lower, upper), upper]), density, avoided, problem.law.certified, course.ledger,
            course.method, explanation, tuple(self.notes), statistics, options.tolerance, options.relative, by_state,
            _find_long_run=find, _find_cdf=functools.partial(_cdf, problem, options),
        )  # fmt: skip


def _cdf(problem: PassageProblem, options: RunOptions, times: FloatArray, tolerance: float) -> FloatArray:
    """Return the bounds of the probability at other times."""
    options = replace(options, times=times, tolerance=tolerance)
    return _Call(problem, options, "forward", clock.perf_counter()).result().bounds_of_cdf


def _long_run(
    problem: PassageProblem, tolerance: float, relative: bool, max_states: int | None, never: bool
) -> LongRun:
    if never:
        infinite, unknown = Interval(math.inf, math.inf), Interval(0.0, math.inf)
        return LongRun(Interval(0.0, 0.0), infinite, unknown, unknown, 0, ("the target is never reached",))
    return long_run(problem, tolerance, relative, max_states)
