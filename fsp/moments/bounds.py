"""Enclosures of the moments of a network at given times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsp.interval import Interval
from fsp.moments.closure import autonomous_species, components, moment_equations
from fsp.moments.comparison import Index, power_moment
from fsp.moments.domination import Domination, System
from fsp.moments.exponential import enclose_flow, outward
from fsp.moments.initial import InitialMoments
from fsp.moments.majorants import bounded_rate
from fsp.moments.polynomial import Affine, affine, polynomial
from fsp.moments.proven import MomentBounds
from fsp.moments.ranges import Box

if TYPE_CHECKING:
    from fsp.model import ReactionNetwork

__all__ = ["excludes_explosion", "moment_bounds"]

#: Largest number of species of one linear part whose second moments are computed.
_MOST_PAIRED = 12
_CLOSED = "closed moment equations of a linear network"
_CLOSED_PART = "closed moment equations of a linear part of the network"
_ONE_SIDED = "; lower ends left out because the rest was not shown not to explode"


def moment_bounds(
    network: ReactionNetwork,
    times: Sequence[float],
    initial: InitialMoments | None,
    *,
    upper_bounds: ArrayLike | None = None,
    budget: float = 1.0,
) -> list[MomentBounds]:
    """Enclose means, second and mixed moments of the counts at given times.

    Linear parts of the network are solved exactly through their closed moment equations, conserved species
    are bounded by their totals, and other species from above by comparison with a linear system.
    Propensities are taken to be non-negative, and zero where a reaction would make a count negative, at
    every reachable state.

    Parameters
    ----------
    network : ReactionNetwork
        The network.
    times : sequence of float
        Times >= 0 since the initial law.
    initial : InitialMoments or None
        The initial law; None when its moments are not known exactly, which leaves conservation only.
    upper_bounds : array_like of float, shape (n_species,), optional
        Largest counts that are reachable from every state of the initial law; by default those of the
        network's conservation laws when ``initial`` is its initial state, and infinite otherwise.
    budget : float, optional
        Seconds that may be spent on the moment equations, by an estimate; what would take longer is left out.

    Returns
    -------
    list of MomentBounds
        One for each time.

    Notes
    -----
    Cost for n species in one linear part: of the order of (n^2 / 2)^3 operations for second moments and n^3
    for means.
    """
    analysis = _Analysis.of(network, times, initial, upper_bounds)
    found = [
        MomentBounds(
            float(t),
            _names=analysis.names,
            _largest=analysis.largest_by_name,
            _analysis=None if network.events else analysis,
        )
        for t in times
    ]
    analysis.conserve(found)
    if initial is not None and times and not network.events:
        analysis.close(found, budget)
        analysis.dominate(found, budget)
    return found


def excludes_explosion(network: ReactionNetwork, horizon: float) -> bool:
    """Return whether it is shown that the reactions fire finitely often until a time, from whatever state.

    Examples
    --------
    >>> from fsp.model import ReactionNetwork
    >>> excludes_explosion(ReactionNetwork({"X": 1}, ["X -> 2 X @ 1"]), 5.0)
    True
    >>> excludes_explosion(ReactionNetwork({"X": 2}, ["2 X -> 3 X @ 1"]), 5.0)
    False
    """
    if not network.stoichiometry.any():
        return True
    initial = InitialMoments.from_state(network.initial_state)
    free = np.full(network.n_species, np.inf)
    return _Analysis.of(network, [horizon], initial, free).domination.does_not_explode


@dataclass
class _Analysis:
    """What is known about a network on its way to bounds."""

    network: ReactionNetwork
    names: tuple[str, ...]
    times: tuple[float, ...]
    initial: InitialMoments | None
    largest: NDArray[np.float64]
    rates: list[Affine | None]
    values: dict[str, Fraction]
    closed: set[int] = field(default_factory=set)
    _domination: Domination | None = None
    _powers: dict[str, dict[float, list[float]]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        network: ReactionNetwork,
        times: Sequence[float],
        initial: InitialMoments | None,
        upper_bounds: ArrayLike | None,
    ) -> _Analysis:
        names = tuple(network.species_names)
        values = {name: Fraction(value) for name, value in network.parameters.items()}
        if initial is not None:
            for k in np.flatnonzero(~np.any(network.stoichiometry, axis=0)):
                count = initial.fixed(int(k))
                if count is not None:
                    values[names[k]] = count
        if upper_bounds is not None:
            largest = np.asarray(upper_bounds, dtype=float)
        elif (
            initial is not None and initial.is_state and list(initial.mean) == network.initial_state.tolist()
        ):
            largest = np.asarray(network.conservation_laws().upper_bounds, dtype=float)
        else:
            largest = np.full(len(names), np.inf)
        position = {name: k for k, name in enumerate(names)}
        rates = [affine(polynomial(p.expression, position, values)) for p in network.propensities]
        return cls(network, names, tuple(float(t) for t in times), initial, largest, rates, values)

    @property
    def largest_by_name(self) -> dict[str, float]:
        """The largest counts by name."""
        return {name: float(x) for name, x in zip(self.names, self.largest, strict=True)}

    @property
    def domination(self) -> Domination:
        """The comparison systems, found when first needed."""
        if self._domination is None:
            horizon = max(self.times)
            ranges = {n: Interval(0.0, x) for n, x in self.largest_by_name.items()}
            box = Box({**ranges, "time": Interval(0.0, horizon)}, self.values)
            changing = [n for n in self.names if n not in self.values]
            position = {name: k for k, name in enumerate(self.names)}
            trees = [p.expression for p in self.network.propensities]
            self._domination = Domination(
                self.network.stoichiometry,
                self.names,
                [bounded_rate(tree, box, changing) for tree in trees],
                [polynomial(tree, position, self.values) for tree in trees],
                self.largest,
                horizon,
            )
        return self._domination

    def conserve(self, found: list[MomentBounds]) -> None:
        """Add what follows from largest counts."""
        mass = Fraction(1) if self.initial is None else self.initial.mass
        capped = [(n, x) for n, x in self.largest_by_name.items() if math.isfinite(x)]
        for bounds in found:
            for name, x in capped:
                bounds.how[name] = "conservation law"
                bounds._set((name,), Interval(0.0, _over(Fraction(x) * mass)))
                for other, y in capped:
                    bounds._set((name, other), Interval(0.0, _over(Fraction(x) * Fraction(y) * mass)))

    # Linear parts

    def close(self, found: list[MomentBounds], budget: float) -> None:
        """Solve the closed moment equations of every linear part."""
        jumps = self.network.stoichiometry
        species = autonomous_species(jumps, self.rates)
        if not species:
            return
        whole = all(rate is not None for rate in self.rates)
        sharp = whole or self.domination.does_not_explode
        how = (_CLOSED if len(species) == len(self.names) else _CLOSED_PART) + ("" if sharp else _ONE_SIDED)
        parts = components(jumps, self.rates, species)
        for part in parts:
            share = budget / len(parts)
            solved = len(part) <= _MOST_PAIRED and self._solve(part, found, share, how, sharp, second=True)
            if solved or self._solve(part, found, share, how, sharp, second=False):
                self.closed.update(part)
        if self.initial is not None and self.initial.is_state:
            self._independent_parts(parts, found)

    def _solve(
        self,
        part: list[int],
        found: list[MomentBounds],
        budget: float,
        how: str,
        sharp: bool,
        *,
        second: bool,
    ) -> bool:
        assert self.initial is not None
        entries, position = moment_equations(self.network.stoichiometry, self.rates, part, second=second)
        start = [
            self.initial.mass
            if not key
            else self.initial.mean[key[0]]
            if len(key) == 1
            else self.initial.second[key[0]][key[1]]
            for key in position
        ]
        solution = enclose_flow(entries, start, self.times, budget=budget)
        for bounds, values in zip(found, solution, strict=True):
            if values is None:
                continue
            for key, k in position.items():
                if key:
                    value = values[k] if sharp else Interval(min(0.0, values[k].upper), values[k].upper)
                    bounds._set(tuple(self.names[i] for i in key), value)
            bounds.how.update((self.names[i], how) for i in part)
        return any(values is not None for values in solution)

    def _independent_parts(self, parts: list[list[int]], found: list[MomentBounds]) -> None:
        """Multiply the means of species in different parts, which are independent from a single state."""
        where = {i: n for n, part in enumerate(parts) for i in part if i in self.closed}
        if len(where) > 4 * _MOST_PAIRED:
            return
        for bounds in found:
            for i, n in where.items():
                for j, m in where.items():
                    a, b = bounds.mean(self.names[i]), bounds.mean(self.names[j])
                    if i < j and n != m and a is not None and b is not None:
                        bounds._set((self.names[i], self.names[j]), a * b)

    # Other species

    def dominate(self, found: list[MomentBounds], budget: float) -> None:
        """Bound the moments of species that are neither linear nor conserved from above."""
        free = [
            k for k in range(len(self.names)) if k not in self.closed and not np.isfinite(self.largest[k])
        ]
        systems = [(k, system) for k in free if (system := self.domination.system(k)) is not None]
        systems.sort(key=lambda item: -len(item[1].members))
        done: set[int] = set()
        for k, system in systems:
            if k in done:
                continue
            covered = [weights.index(1) for weights in system.members] if len(system.members) > 1 else [k]
            for order in (2, 1):
                solution = self._upper(system, order, self.times, budget / len(systems))
                if any(values is not None for values in solution):
                    break
            for bounds, values in zip(found, solution, strict=True):
                if values is not None:
                    self._keep(bounds, system, covered, values, set(free))
            done.update(covered)

    def _upper(
        self, system: System, order: int, times: Sequence[float], budget: float
    ) -> list[dict[Index, Interval] | None]:
        assert self.initial is not None
        return self.domination.upper(system, order, self.initial, times, budget)

    def _keep(
        self,
        bounds: MomentBounds,
        system: System,
        covered: list[int],
        values: dict[Index, Interval],
        wanted: set[int],
    ) -> None:
        """Store the upper ends of the moments of the members of a comparison system."""
        n, scale = len(covered), system.scale
        for a, i in enumerate(covered):
            if i not in wanted:
                continue
            first = values[tuple(int(k == a) for k in range(n))]
            bounds._set((self.names[i],), Interval(0.0, _scaled(first, scale)))
            bounds.how.setdefault(self.names[i], system.how)
            for b in range(a, n):
                both = values.get(tuple(int(k == a) + int(k == b) for k in range(n)))
                if both is not None and covered[b] in wanted:
                    total = both + first if a == b else both
                    key = (self.names[i], self.names[covered[b]])
                    bounds._set(key, Interval(0.0, _scaled(total, scale * scale)))

    def is_closed(self, species: str) -> bool:
        """Return whether the moments of a species are known from closed equations."""
        return self.names.index(species) in self.closed

    def powers(self, species: str, time: float) -> list[float]:
        """Return upper bounds of E[X], E[X^2], ... from a comparison system, as far as they can be had."""
        if species not in self._powers:
            # All times at once: they share the work.
            self._powers[species] = dict(zip(self.times, self._all_powers(species), strict=True))
        return self._powers[species][time]

    def _all_powers(self, species: str) -> list[list[float]]:
        nothing: list[list[float]] = [[] for _ in self.times]
        k = self.names.index(species)
        if self.initial is None or np.isfinite(self.largest[k]):
            return nothing
        system = self.domination.system(k)
        if system is None:
            return nothing
        order = 2 if self.initial.points is None else system.largest_order
        solution = self._upper(system, order, self.times, 0.5)
        return [[] if values is None else _raw_moments(system, order, values) for values in solution]


def _raw_moments(system: System, order: int, values: dict[Index, Interval]) -> list[float]:
    """Return upper bounds of E[X], ..., E[X**order] from those of falling factorials."""
    rest = (0,) * (len(system.members) - 1)
    falling = [values[(n, *rest)].upper for n in range(order + 1)]
    powers = []
    for n in range(1, order + 1):
        finite = all(math.isfinite(x) for x in falling[: n + 1])
        moment = power_moment([Fraction(max(x, 0.0)) for x in falling[: n + 1]]) if finite else None
        powers.append(math.inf if moment is None else _over(moment / system.scale**n))
    return powers


def _over(x: Fraction) -> float:
    """Return a double that is at least ``x``."""
    return outward(x, x).upper


def _scaled(x: Interval, scale: Fraction) -> float:
    """Return an upper bound of ``x / scale``, at least 0."""
    upper = max(x.upper, 0.0)
    return upper if scale == 1 or math.isinf(upper) else _over(Fraction(upper) / scale)
