"""Laws of observables: what a truncated distribution proves about a function of the counts.

What the masses carry is summed. What they lack counts with the range of the function over all states, where
interval arithmetic bounds it, or, for a linear function, with what is proven about the species that it reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.enclosures import SpeciesLaw, combine
from fsp.errors import ArgumentError, ExpressionError
from fsp.interval import Interval
from fsp.measure import Measure
from fsp.protocols import MomentBounds, StateSpace
from fsp.summation import BinSums, chunk_sum, chunks, down, up

if TYPE_CHECKING:
    from fsp.model.observables import Observable

__all__ = ["KnownMoments", "ObservedLaw", "ObservedSpace", "observed_law"]

_LINE = Interval(-math.inf, math.inf)
#: Error of a value in extended precision that is rounded once, relative to the value; what cancellation adds
#: shows in the difference to the value in double precision.
_EVALUATION, _CANCELLATION = 2.0**-52, 2.0**-9


def _evaluate(
    observable: Observable, counts: Mapping[str, NDArray[np.int64]], time: float | None, size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the values of an observable at ``size`` states, and bounds of their errors."""
    if observable.depends_on_time and time is None:
        message = f"the observable '{observable.name}' depends on time, which this distribution does not have"
        raise ArgumentError(message)
    fine = np.broadcast_to(observable.evaluate(counts, time=time, dtype=np.longdouble), (size,))
    coarse = np.broadcast_to(observable.evaluate(counts, time=time), (size,))
    with np.errstate(over="ignore"):
        values = fine.astype(np.float64)
    bad = ~np.isfinite(values)
    if bad.any():
        row = int(np.argmax(bad))
        state = {name: int(column[row]) for name, column in counts.items()}
        message = f"the observable '{observable.name}' has no finite value at the state {state}"
        raise ExpressionError(message)
    whole = np.rint(values)
    values = np.where(np.abs(values - whole) <= 1e-14 * np.abs(values), whole, values)
    with np.errstate(invalid="ignore"):
        error = _EVALUATION * np.abs(values) + _CANCELLATION * np.abs(coarse - values)
    exact = (values == whole) & (coarse == values) & (np.abs(values) < 2.0**53)
    return values, np.where(exact, 0.0, np.where(np.isfinite(error), error, np.inf))


class ObservedSpace:
    """A state space with columns for observables behind those of its species.

    Parameters
    ----------
    space : StateSpace
        The states.
    observables : mapping from str to Observable
        What to add.
    time : float or None
        The time, for observables that depend on it.
    """

    def __init__(self, space: StateSpace, observables: Mapping[str, Observable], time: float | None) -> None:
        self.space = space
        self.observables = dict(observables)
        self.time = time
        self.species_names = (*space.species_names, *observables)

    @property
    def n_states(self) -> int:
        """The number of states."""
        return self.space.n_states

    def counts(self, species: int, start: int = 0, stop: int | None = None) -> Any:
        """Return one column: counts, or the values of an observable (integers where all of them are)."""
        known = list(self.space.species_names)
        if species < len(known):
            return self.space.counts(species, start, stop)
        observable = self.observables[self.species_names[species]]
        stop = self.n_states if stop is None else stop
        columns = {name: self.space.counts(known.index(name), start, stop) for name in observable.species}
        values, _ = _evaluate(observable, columns, self.time, stop - start)
        whole = np.abs(values) < 2.0**53
        return values.astype(np.int64) if np.all(whole & (values == np.rint(values))) else values

    def states(self, start: int = 0, stop: int | None = None) -> NDArray[np.int64]:
        """Return the rows of all columns; the observables must have whole numbers as values."""
        return np.stack([self.counts(k, start, stop) for k in range(len(self.species_names))], axis=1)

    def index(self, states: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the position of each row, by its counts."""
        return self.space.index(states[:, : len(self.space.species_names)])

    def check_counts(self, names: Sequence[str]) -> None:
        """Refuse observables whose values are no counts.

        Raises
        ------
        ArgumentError
            Naming the observable.
        """
        for name in names:
            if name not in self.observables:
                continue
            column = self.species_names.index(name)
            for start, stop in chunks(self.n_states):
                values = self.counts(column, start, stop)
                if values.dtype.kind != "i" or (values.size and values.min() < 0):
                    message = (
                        f"the values of '{name}' are not counts, so it has no marginal distribution; ask for its "
                        "mean, its standard deviation, or the probability of a condition"
                    )
                    raise ArgumentError(message)


@dataclass(frozen=True)
class ObservedLaw:
    """The distribution of one observable, with what is proven about it; see `SpeciesLaw`.

    Parameters
    ----------
    counts : ndarray of float, shape (m,)
        The values, ascending.
    masses : ndarray of float, shape (m,)
        Their masses.
    errors : ndarray of float, shape (m,)
        How far each value may be off by rounding.
    below, above : float
        ``p(S) - below <= P(S) <= p(S) + above`` for every set S of values.
    range : Interval
        What the values lie in, at all states.
    proven : bool
        Whether ``below`` and ``above`` are proven.
    start : Fraction or None
        The constant of a linear observable; None for others.
    parts : sequence of (Fraction, SpeciesLaw)
        The slopes of a linear observable, with the laws of its species.
    """

    counts: NDArray[np.float64]
    masses: NDArray[np.float64]
    errors: NDArray[np.float64]
    below: float
    above: float
    range: Interval
    proven: bool
    start: Fraction | None = None
    parts: Sequence[tuple[Fraction, SpeciesLaw]] = ()

    @property
    def least(self) -> float:
        """A lower bound of all values."""
        return self.range.lower

    @property
    def largest(self) -> float:
        """An upper bound of all values."""
        return self.range.upper

    def _sum(self, values: NDArray[np.float64]) -> float:
        return chunk_sum(values[a:b] * self.masses[a:b] for a, b in chunks(len(values)))

    @cached_property
    def total(self) -> float:
        """The sum of the masses."""
        return self._sum(np.ones(len(self.counts)))

    def mean(self) -> float:
        """Return the mean of the normalised masses."""
        return self._sum(self.counts) / self.total

    def variance(self) -> float:
        """Return the variance of the normalised masses."""
        return self._sum(np.square(self.counts - self.mean())) / self.total

    def _inside(self, values: NDArray[np.float64], errors: NDArray[np.float64]) -> Interval:
        """Return an enclosure of ``sum value * mass``."""
        n = len(values)
        plus, minus = self._sum(np.maximum(values, 0.0)), self._sum(np.maximum(-values, 0.0))
        slack = up(self._sum(errors), n) if errors.any() else 0.0
        gain = Interval(down(plus, n), up(plus, n)) if plus else Interval(0.0, 0.0)
        loss = Interval(down(minus, n), up(minus, n)) if minus else Interval(0.0, 0.0)
        return gain - loss + Interval(-slack, slack)

    def power_bounds(self, order: int) -> Interval:
        """Return an enclosure of the mean of the value to a power."""
        bounds = self._linear(order)
        if not self.proven or not np.isfinite(self.errors).all():
            return bounds
        with np.errstate(over="ignore"):
            values = self.counts**order
            size = np.abs(self.counts) + self.errors
            errors = np.where(self.errors > 0, order * size ** (order - 1) * self.errors * (1 + 1e-9), 0.0)
        if not (np.isfinite(values).all() and np.isfinite(errors).all()):
            message = f"the moment of order {order} overflows"
            raise ArgumentError(message)
        inside = self._inside(values, errors)
        if self.above or self.below:
            far = _power(self.range, order)
            extra = Interval(min(0.0, far.lower), max(0.0, far.upper)) * self.above if self.above else 0.0
            largest = float(np.max(np.abs(values), initial=0.0))
            inside = inside + extra + Interval(-largest, largest) * self.below
        return combine(inside, bounds, f"moment {order}")

    def _linear(self, order: int) -> Interval:
        """Return what follows from the moments of the species that a linear observable reads."""
        if self.start is None or order > 2 or (order == 2 and len(self.parts) > 1):
            return _LINE
        start = _exact(self.start)
        first = start
        for slope, law in self.parts:
            first = first + _exact(slope) * law.power_bounds(1)
        if order == 1:
            return first
        if not self.parts:
            return start.square()
        ((slope, law),) = self.parts
        cross = _exact(2 * self.start * slope) * law.power_bounds(1)
        return start.square() + cross + _exact(slope * slope) * law.power_bounds(2)

    def variance_bounds(self) -> Interval:
        """Return an enclosure of the variance (see `SpeciesLaw.variance_bounds`)."""
        bounds = Interval(0.0, math.inf)
        if self.start is not None and len(self.parts) == 1:
            ((slope, law),) = self.parts
            bounds = _exact(slope * slope) * law.variance_bounds()
        if not self.proven or not np.isfinite(self.errors).all() or not len(self.counts):
            return bounds
        centre = self.mean()
        distance = np.abs(self.counts - centre)
        slack = self.errors + 2e-14 * (abs(centre) + np.abs(self.counts))  # of the values and the centre
        low = self._inside(np.square(np.maximum(distance - slack, 0.0)), np.zeros_like(slack))
        high = self._inside(np.square(distance + slack), np.zeros_like(slack))
        # A centre other than the mean makes the sum larger, by its distance to the mean squared.
        lower = 0.0 if self.below else (low - Interval(0.0, (2e-14 * abs(centre)) ** 2)).lower
        upper = (high + self._missing_square(centre)).upper
        lower = max(0.0, lower)
        return combine(bounds, Interval(lower, max(lower, upper)), "the variance")

    def _missing_square(self, centre: float) -> float:
        """Bound what the masses lack of the mean of ``(value - centre)**2``."""
        if not self.above:
            return 0.0
        if self.range.is_finite:
            return ((self.range - centre).square() * self.above).upper
        if self.start is None or self.below:
            return math.inf
        # The square of a sum of k + 1 terms is at most (k + 1) times the sum of their squares.
        total = (_exact(self.start) - centre).square() * self.above
        for slope, law in self.parts:
            total = total + _exact(slope * slope) * law.missing(2)
        return (total * float(len(self.parts) + 1)).upper


def _power(range_: Interval, order: int) -> Interval:
    """Return the range of a power."""
    if order == 1:
        return range_
    try:
        ends = [range_.lower**order, range_.upper**order]
    except OverflowError:
        return _LINE
    lower = 0.0 if order % 2 == 0 and range_.lower < 0 < range_.upper else min(ends)
    width = 1e-14 * max((abs(e) for e in ends if math.isfinite(e)), default=0.0)
    return Interval(lower - width, max(ends) + width)


def _exact(value: Fraction) -> Interval:
    from fsp.moments.exponential import outward

    return outward(value, value)


def observed_law(
    observable: Observable,
    measure: Measure,
    law: Callable[[str], SpeciesLaw],
    *,
    time: float | None,
    largest: Mapping[str, float],
    proven: bool,
) -> ObservedLaw:
    """Return the law of an observable.

    Parameters
    ----------
    observable : Observable
        The function.
    measure : Measure
        Masses of the species that it reads, or of one other species if it reads none.
    law : callable
        Returns the law of a species.
    time : float or None
        The time of the masses.
    largest : mapping from str to float
        Proven largest counts.
    proven : bool
        Whether the error bound of the masses is proven.
    """
    space = measure.space
    known = list(space.species_names)
    size = space.n_states
    columns = {name: space.counts(known.index(name), 0, size) for name in observable.species}
    values, errors = _evaluate(observable, columns, time, size)
    found, inverse = np.unique(values, return_inverse=True)
    sums = BinSums(len(found), measure.total)
    for start, stop, part in measure.parts():
        sums.add(inverse[start:stop], part)
    masses, lack = sums.lower()
    worst = np.zeros(len(found))
    np.maximum.at(worst, inverse, errors)
    above = measure.above if lack == 0.0 else (Interval(lack, lack) + measure.above).upper
    range_, line = _analyse(observable, time, largest)
    start_value, parts = (None, []) if line is None else (line[0], [(c, law(n)) for n, c in line[1].items()])
    return ObservedLaw(found, masses, worst, measure.below, above, range_, proven, start_value, parts)


def _analyse(
    observable: Observable, time: float | None, largest: Mapping[str, float]
) -> tuple[Interval, tuple[Fraction, dict[str, Fraction]] | None]:
    """Return the range of an observable over all states, and its coefficients if it is linear."""
    from fsp.moments.polynomial import affine, polynomial
    from fsp.moments.ranges import Box, value_range

    function = observable.function
    names = observable.species
    values = {name: Fraction(function.values[name]) for name in function.parameters}
    if time is not None:
        values["time"] = Fraction(time)
    ranges = {name: Interval(0.0, largest.get(name, math.inf)) for name in names}
    range_ = value_range(function.expression, Box(ranges, values))
    position = {name: k for k, name in enumerate(names)}
    line = affine(polynomial(function.expression, position, values))
    if line is None:
        return range_, None
    return range_, (line[0], {names[k]: slope for k, slope in line[1].items() if slope})


@dataclass(frozen=True)
class KnownMoments:
    """Enclosures of moments of observables, beside those of species.

    Parameters
    ----------
    species : MomentBounds or None
        What is known about the species.
    means, seconds : mapping from str to Interval
        What is known about the observables.
    """

    species: MomentBounds | None
    means: Mapping[str, Interval]
    seconds: Mapping[str, Interval]

    @property
    def how(self) -> Mapping[str, str]:
        """For each species the reason why the enclosure holds."""
        return {} if self.species is None else self.species.how

    def mean(self, species: str) -> Interval | None:
        """Return an enclosure of the mean, or None."""
        if species in self.means or self.species is None:
            return self.means.get(species)
        return self.species.mean(species)

    def second(self, species: str) -> Interval | None:
        """Return an enclosure of the mean square, or None."""
        if species in self.seconds or self.species is None:
            return self.seconds.get(species)
        return self.species.second(species)

    def cross(self, a: str, b: str) -> Interval | None:
        """Return an enclosure of the mean of a product, or None."""
        if self.species is None or a in self.means or b in self.means:
            return None
        return self.species.cross(a, b)

    def tail(self, species: str, mass: float, power: int = 1) -> float:
        """Return a bound of what a part of the law with at most this mass adds to a moment."""
        if mass == 0.0:
            return 0.0
        if self.species is None or species in self.means:
            return math.inf
        return self.species.tail(species, mass, power)
