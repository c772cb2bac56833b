"""What a distribution stores: probabilities of states, a bound on their error, its marginals."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsp.enclosures import SpeciesLaw
from fsp.errors import ArgumentError
from fsp.ledger import Ledger
from fsp.measure import Measure
from fsp.observed import KnownMoments, ObservedLaw, ObservedSpace, observed_law
from fsp.pointset import PointSet
from fsp.protocols import MomentBounds, StateSpace
from fsp.query import unknown_species

if TYPE_CHECKING:
    from fsp.model.observables import Observable

__all__ = ["StoredDistribution"]


class StoredDistribution:
    """The part of ``Distribution`` that holds the data; see there for the parameters."""

    def __init__(
        self,
        space: StateSpace,
        probabilities: ArrayLike,
        *,
        error_bound: float = 0.0,
        certified: bool = True,
        time: float | None = None,
        moments: MomentBounds | None = None,
        support_bounds: Mapping[str, float] | None = None,
        lower_bound: bool = True,
        ledger: Ledger | None = None,
        observables: Mapping[str, Observable] | None = None,
    ) -> None:
        p = np.asarray(probabilities, dtype=np.float64).view()
        if p.shape != (space.n_states,):
            message = f"{space.n_states} states need as many probabilities, not an array of shape {p.shape}"
            raise ArgumentError(message)
        # The extremes carry any NaN along, so that two passes are enough for all three checks.
        if p.size and not (float(p.min()) >= 0.0 and float(p.max()) < math.inf):
            bad = int(np.argmax(~((p >= 0.0) & (p < math.inf))))
            state = tuple(space.states(bad, bad + 1)[0].tolist())
            message = f"the probability {p[bad]!r} of the state {state} is not a number of at least 0"
            raise ArgumentError(message)
        if not 0.0 <= error_bound < math.inf:
            message = f"an error bound is a finite number of at least 0, not {error_bound!r}"
            raise ArgumentError(message)
        p.setflags(write=False)
        self.space = space
        self.probabilities: NDArray[np.float64] = p
        self.error_bound = float(error_bound)
        self.certified = bool(certified)
        self.time = None if time is None else float(time)
        self.moments = moments
        self.support_bounds = dict(support_bounds or {})
        self.lower_bound = bool(lower_bound)
        self.ledger = ledger
        self.observables = dict(observables or {})
        self._measure = Measure(space, p, 0.0 if lower_bound else self.error_bound, self.error_bound)
        #: The same masses, with a column for each observable.
        self._observed = self._measure
        if self.observables:
            wide = ObservedSpace(space, self.observables, self.time)
            self._observed = Measure(wide, p, self._measure.below, self._measure.above)
        self._laws: dict[str, SpeciesLaw | ObservedLaw] = {}

    # -- construction ------------------------------------------------------------------------------------

    @classmethod
    def from_states(
        cls, states: ArrayLike, probabilities: ArrayLike, species_names: Sequence[str], **options: Any
    ) -> Self:
        """Return the distribution with the given states, in any order.

        Parameters
        ----------
        states : array_like of int, shape (n_states, n_species)
            The states, each once.
        probabilities : array_like of float, shape (n_states,)
            Their probabilities. Together with ``error_bound`` they must reach 1 (to 1e-9).
        species_names : sequence of str
            One name per column.
        **options
            The keyword arguments of ``Distribution``.

        Raises
        ------
        ArgumentError
            When a state is given twice or the probabilities do not add up to 1.

        Examples
        --------
        >>> StoredDistribution.from_states([[0, 1], [1, 0]], [0.25, 0.75], ["A", "B"]).n_states
        2
        """
        space, order = PointSet.from_states(states, species_names)
        p = np.asarray(probabilities, dtype=np.float64)
        if p.shape != (space.n_states,):
            message = f"{space.n_states} states need as many probabilities, not an array of shape {p.shape}"
            raise ArgumentError(message)
        distribution = cls(space, p[order], **options)
        total = distribution.total
        if not abs(total - 1.0) <= distribution.error_bound + 1e-9:
            message = (
                f"the probabilities add up to {total!r}, which differs from 1 by more than the error bound "
                f"{distribution.error_bound!r}: normalise them, or give the error_bound that they have"
            )
            raise ArgumentError(message)
        return distribution

    @classmethod
    def from_dict(
        cls, probabilities: Mapping[Any, float], species_names: Sequence[str], **options: Any
    ) -> Self:
        """Return the distribution ``{state: probability}``; a state is a tuple of counts, or one count.

        Examples
        --------
        >>> StoredDistribution.from_dict({(0, 2): 0.5, (1, 1): 0.5}, ["A", "B"]).n_states
        2
        """
        states = [state if isinstance(state, tuple) else (state,) for state in probabilities]
        if any(len(state) != len(tuple(species_names)) for state in states):
            message = f"each state needs one count for each of {', '.join(species_names)}"
            raise ArgumentError(message)
        return cls.from_states(states, list(probabilities.values()), species_names, **options)

    @classmethod
    def point(cls, state: Mapping[str, int], **options: Any) -> Self:
        """Return the distribution that is sure of one state.

        Examples
        --------
        >>> StoredDistribution.point({"A": 3, "B": 0}).states.tolist()
        [[3, 0]]
        """
        return cls.from_states([list(state.values())], [1.0], list(state), **options)

    # -- what is stored ------------------------------------------------------------------------------------

    @property
    def species_names(self) -> tuple[str, ...]:
        """The names of the species, in the order of the columns of ``states``."""
        return tuple(self.space.species_names)

    @property
    def n_states(self) -> int:
        """The number of states."""
        return self.space.n_states

    @property
    def states(self) -> NDArray[np.int64]:
        """The states, shape (n_states, n_species); they are listed on each access."""
        return self.space.states()

    @property
    def total(self) -> float:
        """The sum of the probabilities; what it lacks of 1 is part of the error."""
        return self._measure.total

    @property
    def names(self) -> tuple[str, ...]:
        """All that can be asked for: species, then observables."""
        return (*self.species_names, *self.observables)

    def _column(self, name: str) -> int:
        if name not in self.names:
            raise ArgumentError(unknown_species(name, self.names))
        return self.names.index(name)

    def marginal(self, names: str | Sequence[str]) -> Self:
        """Return the distribution of one or several species, in the order in which they are named.

        Observables whose values are counts can be named as well.

        Its error bound is the same, up to the rounding of the sums, which is added. O(n_states).

        Raises
        ------
        ArgumentError
            When a species is not known or named twice.

        Examples
        --------
        >>> joint = StoredDistribution.from_dict({(0, 2): 0.5, (1, 1): 0.25, (1, 3): 0.25}, ["A", "B"])
        >>> joint.marginal("A").states.ravel().tolist(), joint.marginal("A").probabilities.round(9).tolist()
        ([0, 1], [0.5, 0.5])
        """
        wanted = (names,) if isinstance(names, str) else tuple(names)
        columns = [self._column(name) for name in wanted]
        if len(set(columns)) != len(columns) or not columns:
            message = f"a marginal needs at least one species, each named once, not {list(wanted)}"
            raise ArgumentError(message)
        if wanted == self.species_names:
            return self
        if isinstance(self._observed.space, ObservedSpace):
            self._observed.space.check_counts(wanted)
        measure = self._observed.marginal(columns)
        asked = [name for name in wanted if name in self.observables]
        moments = self.moments
        if asked:
            laws = {name: self.law(name) for name in asked}
            means = {name: law.power_bounds(1) for name, law in laws.items()}
            seconds = {name: law.power_bounds(2) for name, law in laws.items()}
            moments = KnownMoments(self.moments, means, seconds)
        bounds = {**self.support_bounds, **{name: self.law(name).largest for name in asked}}
        return type(self)(
            measure.space,
            measure.masses,
            error_bound=measure.above,
            certified=self.certified,
            time=self.time,
            moments=moments,
            support_bounds={name: bounds[name] for name in wanted if name in bounds},
            lower_bound=self.lower_bound,
            ledger=self.ledger,
            observables={
                name: o
                for name, o in self.observables.items()
                if name not in wanted and set(o.species) <= set(wanted)
            },
        )

    def law(self, name: str) -> SpeciesLaw | ObservedLaw:
        """Return the distribution of a species or observable with all that is proven (computed once).

        Raises
        ------
        ArgumentError
            When there is no such name, or no probability is left.
        """
        if name not in self._laws:
            self._column(name)
            if not self.total > 0.0:
                message = "the distribution holds no probability, so it has no best values"
                raise ArgumentError(message)
            if name not in self.observables:
                return self.species_law(name)
            observable = self.observables[name]
            columns = [self._column(s) for s in observable.species or self.species_names[:1]]
            self._laws[name] = observed_law(
                observable,
                self._measure.marginal(columns),
                self.species_law,
                time=self.time,
                largest=self.support_bounds,
                proven=self.certified,
            )
        return self._laws[name]

    def species_law(self, name: str) -> SpeciesLaw:
        """Return the distribution of a species; see `law`."""
        law = self._laws.get(name)
        if not isinstance(law, SpeciesLaw):
            measure = self._measure.marginal([self.species_names.index(name)])
            law = SpeciesLaw(
                measure.space.counts(0),
                measure.masses,
                measure.below,
                measure.above,
                largest=float(self.support_bounds.get(name, math.inf)),
                proven=self.certified,
                exact_mean=None if self.moments is None else self.moments.mean(name),
                exact_second=None if self.moments is None else self.moments.second(name),
                tail=None if self.moments is None else functools.partial(self.moments.tail, name),
            )
            self._laws[name] = law
        return law
