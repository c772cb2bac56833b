"""Functions that the generator lowers wherever paths may be, outside of a finite set and of the regions.

Candidates and their proofs are those of stationary laws (`fsp.stationary.drift_search`, `fsp.stationary.drift_region`), on
the lattice that the conditions of the first passage leave. What is wanted is ``QV <= -c f`` with an affine function
``f >= sqrt(V) / k``. Then ``U = (2 k / c) sqrt(V)`` has

    ``QU <= QV k / (c sqrt(V)) <= -1``  and  ``Q(U^2) = (2 k / c)^2 QV <= -2 U``,

the first because the root is concave: one function bounds the mean of the time until the finite set or a region is
entered, and the second moment (Jarner and Roberts 2002, Annals of Applied Probability 12:224-247, use powers of drift
functions in this way). Where only ``QV <= -c`` can be proven, ``U = V / c`` bounds the mean alone.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fsp.analysis.passage_problem import PassageProblem
from fsp.analysis.passage_set import PassageSet
from fsp.analysis.regions import INSIDE
from fsp.errors import PropensityError, SolverError
from fsp.stationary.drift_compact import compact_candidate
from fsp.stationary.drift_function import DriftFunction
from fsp.stationary.drift_region import NoDrift, SeparableBound
from fsp.stationary.drift_search import (
    drift_scale,
    linear_candidates,
    quadratic_candidate,
    squared_candidates,
)
from fsp.stationary.lattice import UNIT, Lattice
from fsp.stationary.reward import Reward

__all__ = ["Tail", "find_tails"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: States at which a drift is evaluated one by one, at most, and functions with proofs after which no more are looked for.
MOST_EVALUATED, ENOUGH = 500_000, 3

#: By how much of what raises V it has to fall on balance: the larger the share, the larger the set.
SHARES = (0.1, 0.01, 0.001)

#: What ``sqrt(V) <= k f`` may lose to rounding.
_MARGIN = 1.0 + 1e-9


@dataclass(frozen=True, eq=False)
class Tail:
    """A function U with ``QU <= -1`` outside of the regions, but for finitely many states.

    Attributes
    ----------
    lattice : Lattice
    drift : DriftFunction
        V.
    scale : float
        ``U = scale * sqrt(V)``, or ``U = scale * V``.
    has_square : bool
        Whether U is that of the root, so that ``Q(U^2) <= -2 U`` holds as well.
    rising : ndarray of int64, shape (n_states, n_species)
        The states at which this is not proven.
    """

    lattice: Lattice
    drift: DriftFunction
    scale: float
    has_square: bool
    rising: IntArray

    def values(self, states: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return lower and upper bounds of U at states, rows of counts."""
        value, error = self.drift.values(self.lattice.coordinates.to_reduced(states))
        low, high = np.maximum(value - error, 0.0), value + error
        if self.has_square:
            low, high = np.sqrt(low), np.sqrt(high)
        lower = (self.scale * low * (1.0 - 2.0**-50)).astype(np.float64)
        upper = (self.scale * high * (1.0 + 2.0**-50)).astype(np.float64)
        return lower, upper


class _Candidate(NamedTuple):
    """A function to try: ``QV <= -c f`` is wanted, and ``sqrt(V) <= k f`` holds; k = 0 if f = 1."""

    drift: DriftFunction
    reward: Reward
    k: float


class _OutsideLattice(Lattice):
    """The lattice as far as it lies outside of the regions: their conditions bound counts as well."""

    def __init__(self, problem: PassageProblem) -> None:
        law = problem.law
        inside = (problem.regions.kinds(law.states) == INSIDE) & (law.probabilities > 0.0)
        starts = problem.coordinates.to_reduced(law.states[inside])
        super().__init__(problem.network, problem.coordinates, starts)
        self.regions, self.between = problem.regions, problem.between
        self._one_coset = bool(self.in_coset(starts).all())

    @functools.cached_property
    def largest(self) -> FloatArray:
        """Largest value of each axis over the states that can be reached outside of the regions."""
        box = self.regions.outside_box()
        names = [self.coordinates.species_names[s] for s in self.coordinates.axes]
        # The totals of the network are those of all starts only if the regions say so.
        stops = [self._stop(k) for k in range(self.n_axes)]
        return np.array(
            [
                min(box[name].upper, self.between[name].upper, stop)
                for name, stop in zip(names, stops, strict=True)
            ]
        )

    @functools.cached_property
    def smallest(self) -> IntArray:
        """A count for each axis below which no path is before it has entered a region."""
        names = [self.coordinates.species_names[s] for s in self.coordinates.axes]
        found: IntArray = np.maximum(super().smallest, [int(self.between[name].lower) for name in names])
        return found

    def possible(self, states: IntArray) -> NDArray[np.bool_]:
        """Tell which states paths may be in before they have entered a region."""
        found = ~self.outside_lattice(states)
        if self._one_coset:
            found &= self.in_coset(states)
        found[found] = self.regions.kinds(self.coordinates.to_counts(states[found])) == INSIDE
        return found


def find_tails(problem: PassageProblem, held: PassageSet) -> list[Tail]:
    """Return functions with proofs, the most useful first; none if nothing was found.

    Parameters
    ----------
    problem : PassageProblem
    held : PassageSet
        Where the time that paths spend tells which counts are usual.
    """
    lattice = _OutsideLattice(problem)
    states, p = lattice.coordinates.to_reduced(held.space.states()), _usual(held)
    found: list[tuple[bool, int, Tail]] = []
    try:
        for candidate in _candidates(lattice, states, p):
            if found and not candidate.k:
                break  # the others bound the mean as well
            tail = _proven(lattice, candidate, states, p)
            if tail is None:
                continue
            missing = int((held.space.index(tail.rising) < 0).sum())
            found.append((not tail.has_square, missing, tail))
            if (tail.has_square and not missing) or len(found) == ENOUGH:
                break
    except (PropensityError, SolverError):  # at states that no path may ever reach
        pass
    return [tail for _, _, tail in sorted(found, key=lambda entry: entry[:2])]


def _usual(held: PassageSet) -> FloatArray:
    """Return a law of states that paths are usually in."""
    try:
        time = held.occupation()
    except SolverError:  # the set is left after so long a time that no solver finds it
        time = held.p
    total = float(time.sum())
    return time / total if 0.0 < total < np.inf else held.p / held.p.sum()


def _candidates(lattice: Lattice, states: IntArray, p: FloatArray) -> Iterator[_Candidate]:
    """Yield functions to try: squares and quadratic forms first, then linear functions, for the mean alone."""
    mean = p @ states
    linear = list(linear_candidates(lattice, mean))
    compact = compact_candidate(lattice)
    linear += [compact] if compact is not None else []
    yield from (_square(lattice, drift) for drift in linear)
    quadratic = quadratic_candidate(lattice, mean, p @ (states - mean) ** 2)
    others = ([quadratic] if quadratic is not None else []) + list(squared_candidates(lattice, mean))
    yield from map(_with_root, others)
    time = Reward.time(lattice.n_axes)
    yield from (_Candidate(drift, time, 0.0) for drift in linear)


def _square(lattice: Lattice, linear: DriftFunction) -> _Candidate:
    """Return ``V = (1 + s . y)^2 - 1`` with ``f = 1 + s . y``; s is so small that no jump matters next to 1."""
    jumps = np.abs(lattice.shifts[lattice.reactions] @ linear.slope)
    slope = 2.0 ** np.floor(-4.0 - np.log2(jumps.max(initial=1e-300))) * linear.slope
    drift = DriftFunction(2.0 * slope, np.outer(slope, slope), np.zeros(len(slope), np.int64), "squared")
    return _Candidate(drift, Reward(1, slope), _MARGIN)


def _with_root(drift: DriftFunction) -> _Candidate:
    """Return an affine function above the root of a quadratic one.

    ``sqrt(d' P d) <= sum sqrt(P_kk) |d_k|``, for it is a seminorm, and ``|d_k| <= y_k + centre_k``. The root of ``t . y``
    is at most ``(m + t . y / m) / 2``, whatever m is.
    """
    norms = np.sqrt(np.diag(drift.curvature))
    m = float(drift.slope.max(initial=0.0))
    weights = norms + (drift.slope / (2.0 * m) if m else 0.0)
    k = float(norms @ drift.centre) + 0.5 * m or float(norms.sum())
    return _Candidate(drift, Reward(1, weights / k), k * _MARGIN)


def _proven(lattice: _OutsideLattice, candidate: _Candidate, states: IntArray, p: FloatArray) -> Tail | None:
    """Return a candidate with the states at which it is not lowered, or None if they are not finitely many."""
    drift, reward, k = candidate
    scale = drift_scale(lattice, drift, states, p) / float(p @ reward.values(states).astype(float))
    for share in SHARES:
        c = share * scale
        try:
            rising = _rising(lattice, drift, c, reward)
        except (NoDrift, PropensityError, SolverError):  # the last two at states that no path may ever reach
            continue
        factor = (2.0 * k if k else 1.0) / c * _MARGIN
        return Tail(lattice, drift, factor, bool(k), lattice.coordinates.to_counts(rising))
    return None


def _rising(lattice: _OutsideLattice, drift: DriftFunction, c: float, reward: Reward) -> IntArray:
    """Return the states outside of the regions at which ``QV > -c f`` is not excluded."""
    states = SeparableBound(lattice, drift, c, reward).positive_states(MOST_EVALUATED)
    states = states[lattice.possible(states)]
    if not len(states):
        return states
    value, error = drift.drift(lattice, states)
    wanted = np.longdouble(c) * reward.values(states) * (1.0 + 4 * UNIT)
    with np.errstate(invalid="ignore"):
        return states[~(value + error + wanted < 0.0)]  # a propensity that is NaN excludes nothing
