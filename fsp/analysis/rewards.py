"""`expected_reward`: time spent in a set of states, and firings of a reaction, until a time or until a target is hit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsp.analysis.drift_bound import Beyond
from fsp.analysis.first_passage import SMALL, read_options
from fsp.analysis.long_run import MOST_STATES, grown_set, with_drift
from fsp.analysis.passage_problem import PassageProblem
from fsp.analysis.passage_run import PassageRun, RunOptions
from fsp.errors import ArgumentError
from fsp.interval import Interval
from fsp.model.names import close_matches
from fsp.moments.ranges import Box, value_range
from fsp.statespace.constraints import Bounds
from fsp.stationary.chain import FiniteChain
from fsp.stationary.classes import communicating_classes
from fsp.stationary.enclosed_solves import Enclosed, LeavingChain
from fsp.summation import chunks
from fsp.transient_options import check_count, check_number

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork
    from fsp.statespace.fibres import FibreSet

__all__ = ["expected_reward"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class _Rate:
    """A reward per unit of time.

    Attributes
    ----------
    values : callable
        Of columns of counts by species.
    largest : float
        An upper bound over all states in which it is counted; it may be infinite.
    error : float
        Relative error of a value.
    """

    values: Callable[[dict[str, NDArray[np.int64]]], FloatArray]
    largest: float
    error: float

    def on(self, space: FibreSet) -> FloatArray:
        """Return the rate in each state of a set."""
        found = np.empty(space.n_states)
        for start, stop in chunks(space.n_states):
            states = space.states(start, stop)
            found[start:stop] = self.values(
                {name: states[:, i] for i, name in enumerate(space.species_names)}
            )
        return found


def expected_reward(
    network: ReactionNetwork,
    times: ArrayLike,
    *,
    time_in: str | None = None,
    firings: str | None = None,
    until: str | None = None,
    initial: Any = None,
    tolerance: float = 1e-6,
    bounds: Bounds | None = None,
    max_states: int | None = None,
    memory_limit: int | None = None,
    threads: int | None = None,
    progress: bool | None = None,
) -> list[Interval]:
    """Compute the expected time in a set of states, or the expected number of firings of a reaction, from time 0 on.

    Parameters
    ----------
    network : ReactionNetwork
        Without events, and with rates that do not depend on time.
    times : array_like of float
        Until when to count, ascending; the last one may be infinite if there is a condition ``until``.
    time_in : str
        A condition: the time for which it holds is counted.
    firings : str
        The name of a reaction whose firings are counted. Give one of these two.
    until : str, optional
        A condition: counting stops for good when it holds for the first time (the firing that leads there counts).
    initial, bounds, max_states, memory_limit, threads, progress : optional
        As for `fsp.solve_transient`.
    tolerance : float
        Largest acceptable probability of paths that are lost sight of. The upper ends are larger by what these can
        gather, which is infinite where a rate is unbounded.

    Returns
    -------
    list of Interval
        One for each time.

    Raises
    ------
    ArgumentError, UnsupportedError, SolverError
        As `fsp.first_passage`.

    Notes
    -----
    ``R=? [C<=t]`` and ``R=? [F until]`` of continuous stochastic reward logic. The expected time in each state is
    a sum of non-negative terms of the uniformisation series.

    Examples
    --------
    A molecule that decays at rate 2 is there for half a unit of time in the mean:

    >>> import fsp
    >>> decay = fsp.ReactionNetwork({"X": 1}, ["fall: X -> 0 @ d"], {"d": 2.0})
    >>> alive = fsp.expected_reward(decay, [0.5, 5.0], time_in="X > 0")
    >>> 0.5 * (1 - np.exp(-1.0)) in alive[0], alive[0].width < 1e-6
    (True, True)
    >>> fallen = fsp.expected_reward(decay, [math.inf], firings="fall", until="X == 0")
    >>> 1.0 in fallen[0]
    True
    """
    problem = PassageProblem.read(network, until, None, initial, bounds, "the expected reward")
    when: Any = np.atleast_1d(np.asarray(times, np.float64)) if _numbers(times) else times
    endless = _numbers(times) and when.size > 0 and when[-1] == math.inf
    if endless and until is None:
        message = "times: an infinite time needs a condition until=, such as until='X == 0'"
        raise ArgumentError(message)
    check_number("tolerance", tolerance, 0.0, 1.0)
    check_count("max_states", max_states)
    rate = _read_rate(problem, time_in, firings)
    finite = when[:-1] if endless else when
    found: list[Interval] = []
    if not endless or len(finite):
        options = read_options(
            finite, tolerance=tolerance, relative=False, method="uniformisation", max_states=max_states,
            memory_limit=memory_limit, threads=threads, progress=progress,
        )  # fmt: skip
        found = _until_times(problem, options, rate)
    if endless:
        found.append(_until_hit(problem, rate, tolerance, max_states))
    return found


def _numbers(times: Any) -> bool:
    try:
        np.asarray(times, np.float64)
    except (TypeError, ValueError):
        return False
    return True


def _read_rate(problem: PassageProblem, time_in: str | None, firings: str | None) -> _Rate:
    from fsp.model.propensity import Predicate

    network = problem.network
    if (time_in is None) == (firings is None):
        message = "give either time_in=, a condition, or firings=, the name of a reaction"
        raise ArgumentError(message)
    if time_in is not None:
        condition = Predicate(time_in, network.species_names, what="time_in")
        return _Rate(lambda counts: condition.evaluate(counts).astype(np.float64), 1.0, 0.0)
    names = [reaction.name for reaction in network.reactions]
    if firings not in names:
        hint = close_matches(str(firings), names)
        message = f"firings: there is no reaction {firings!r}{hint}"
        raise ArgumentError(message)
    propensity = network.reactions[names.index(firings)].propensity
    box = Box(problem.regions.outside_box(), problem.regions.parameters())
    largest = value_range(propensity.expression, box).upper
    largest = math.inf if math.isnan(largest) else max(0.0, largest)

    def values(counts: dict[str, NDArray[np.int64]]) -> FloatArray:
        fine = propensity.evaluate(counts, dtype=np.longdouble)
        found: FloatArray = np.broadcast_to(fine.astype(np.float64), next(iter(counts.values())).shape)
        return found

    return _Rate(values, largest, 2.0**-50)


def _until_times(problem: PassageProblem, options: RunOptions, rate: _Rate) -> list[Interval]:
    if not problem.space.n_states:
        return [_interval(0.0, problem.law.missing, t, rate) for t in options.times.tolist()]
    small = problem.enumerated(min(SMALL, options.max_states or SMALL))
    run = PassageRun(problem, options, problem.boxed or small is not None, reward=rate.on)
    course = run.run()
    if small is not None and course.ledger.entries["leaked"] == 0.0 and problem.law.missing == 0.0:
        # Whatever was lost is somewhere in the set.
        rate = replace(rate, largest=float(rate.on(small).max()))
    rows = zip(course.reward.tolist(), course.lost.tolist(), options.times.tolist(), strict=True)
    return [_interval(value, lost, time, rate) for value, lost, time in rows]


def _interval(value: float, lost: float, time: float, rate: _Rate) -> Interval:
    """Return the bounds from a lower bound and the probability of the paths that were lost until a time."""
    extra = 0.0 if lost == 0.0 or time == 0.0 or rate.largest == 0.0 else lost * time * rate.largest
    slack = 1.0 + 2.0 * (rate.error + 2.0**-40)
    return Interval(value / slack, (value + extra) * slack)


def _until_hit(problem: PassageProblem, rate: _Rate, tolerance: float, max_states: int | None) -> Interval:
    """Return the bounds of what is gathered until the target is hit, however long it takes."""
    if not problem.space.n_states:
        return Interval(0.0, 0.0 if problem.law.missing == 0.0 else math.inf)
    most = max_states or MOST_STATES
    held = grown_set(problem, tolerance, False, most)
    beyond: Beyond | None = None
    if held.leaks and math.isfinite(rate.largest):
        held, beyond = with_drift(problem, held, tolerance, most, [])
    rewards = rate.on(held.space)
    forever = held.reached & _recurrent(held.whole)
    if (rewards[forever & held.visited] > 0.0).any():
        return Interval(math.inf, math.inf)
    # In the other closed classes nothing is gathered any more: they are a way out.
    passing = held.reached & ~forever
    if not passing.any():
        return Interval(0.0, 0.0 if problem.law.missing == 0.0 else math.inf)
    inside = LeavingChain(held.whole.restricted(passing), held.rate_error).enclose(rewards[passing])
    known = problem.law.missing == 0.0 and not (rewards[forever] > 0.0).any()
    if not known or (held.leaks and beyond is None):
        inside = Enclosed(inside.lower, np.full_like(inside.upper, np.inf))
    elif held.leaks and beyond is not None:
        inside = Enclosed(inside.lower, (inside.upper + rate.largest * beyond.time) * (1.0 + 2.0**-50))
    gathered = held.mean_over_start(inside, passing)
    slack = 1.0 + 2.0 * (rate.error + 2.0**-50)
    return Interval(gathered.lower / slack, gathered.upper * slack)


def _recurrent(chain: FiniteChain) -> NDArray[np.bool_]:
    """Tell which states belong to a class that is never left."""
    classes = communicating_classes(chain)
    found: NDArray[np.bool_] = np.isin(classes.labels, classes.closed)
    return found
