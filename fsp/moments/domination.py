"""Upper bounds of moments of networks that are not linear: which comparison system serves for which species.

Tried in this order for a species: the comparison of `fsp.moments.comparison` on the species and those that
its births depend on; the pull of its own polynomial rates (`fsp.moments.drift`); and the comparison for one
weighted sum of all species, chosen such that every reaction whose rate grows faster than linearly lowers it
or leaves it as it is. The last one also shows that the network does not explode: the sum V satisfies ``L V
<= c (1 + V)`` (Meyn and Tweedie, Adv. Appl. Prob. 25:518-548, 1993, theorem 2.1).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fsp.interval import Interval
from fsp.moments.comparison import Index, Jump, comparison_system
from fsp.moments.drift import drift_system
from fsp.moments.exponential import enclose_flow
from fsp.moments.initial import InitialMoments
from fsp.moments.majorants import Bounded
from fsp.moments.polynomial import Polynomial

__all__ = ["Domination", "System"]

#: Orders of moments for systems of 1, 2, ... members: a few tens of components each.
_ORDERS = (12, 5, 3)
_MOST_MEMBERS = 12
_DRIFT_ORDER = 4


@dataclass(frozen=True, eq=False)
class System:
    """A comparison system for one species.

    Attributes
    ----------
    members : tuple of tuple of int
        Weights (n_species,) of the combinations of counts whose moments it bounds.
    scale : Fraction
        The count of the species is at most the first combination divided by this.
    jumps : tuple of Jump
        What each reaction does to the combinations; empty when the rates pull back.
    rates : tuple of (int, list of Fraction)
        Jumps and polynomial rates of a species that is pulled back.
    how : str
        The explanation for people.
    """

    members: tuple[tuple[int, ...], ...]
    scale: Fraction
    jumps: tuple[Jump, ...]
    rates: tuple[tuple[int, list[Fraction]], ...]
    how: str

    @property
    def largest_order(self) -> int:
        """The largest order of moments that is worth computing."""
        if self.rates:
            return _DRIFT_ORDER
        return _ORDERS[len(self.members) - 1] if len(self.members) <= len(_ORDERS) else 2


class Domination:
    """Comparison systems of a network, found once and solved when asked for.

    Parameters
    ----------
    stoichiometry : ndarray of int, shape (n_reactions, n_species)
        The jumps.
    names : sequence of str
        Names of the species.
    bounds : sequence of Bounded
        Affine bounds of the propensities.
    polynomials : sequence of Polynomial or None
        The propensities as polynomials where they are.
    largest : ndarray of float, shape (n_species,)
        Largest counts that conservation laws allow.
    horizon : float
        Largest time that is asked for.
    """

    def __init__(
        self,
        stoichiometry: NDArray[np.int64],
        names: Sequence[str],
        bounds: Sequence[Bounded],
        polynomials: Sequence[Polynomial | None],
        largest: NDArray[np.float64],
        horizon: float,
    ) -> None:
        self._jumps = stoichiometry
        self._names = tuple(names)
        self._position = {name: k for k, name in enumerate(names)}
        self._bounds = tuple(bounds)
        self._polynomials = tuple(polynomials)
        self._largest = largest
        self._horizon = horizon
        self._systems: dict[int, System | None] = {}

    # Which system

    def system(self, species: int) -> System | None:
        """Return the comparison system for a species, or None when none is known."""
        if species not in self._systems:
            found = (
                self._affine_system(species) or self._pulled_system(species) or self._summed_system(species)
            )
            self._systems[species] = found
        return self._systems[species]

    def _affine_system(self, species: int) -> System | None:
        members, queue = [species], [species]
        while queue:
            i = queue.pop()
            for r in np.flatnonzero(self._jumps[:, i] > 0):
                upper = self._bounds[r].upper
                if upper is None:
                    return None
                for name in upper[1]:
                    k = self._position[name]
                    if k not in members:
                        members.append(k)
                        queue.append(k)
        if len(members) > _MOST_MEMBERS:
            return None
        place = {k: n for n, k in enumerate(members)}
        jumps = []
        for row, bound in zip(self._jumps, self._bounds, strict=True):
            change = tuple(int(row[k]) for k in members)
            if not any(change):
                continue
            alpha, beta = Fraction(0), dict[int, Fraction]()
            if max(change) > 0 and bound.upper is not None:
                alpha, beta = bound.upper[0], {place[self._position[n]]: v for n, v in bound.upper[1].items()}
            decay = {
                place[k]: value
                for name, value in bound.lower.items()
                if (k := self._position[name]) in place and row[k] < 0
            }
            jumps.append(Jump(change, alpha, beta, decay))
        how = "domination: births at bounded rates"
        if any(jump.beta for jump in jumps):
            how = "domination: births at rates that are at most linear in the counts"
        return System(self._units(members), Fraction(1), tuple(jumps), (), how)

    def _units(self, members: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(int(k == i) for i in range(len(self._names))) for k in members)

    def _pulled_system(self, species: int) -> System | None:
        rates: list[tuple[int, list[Fraction]]] = []
        for r in np.flatnonzero(self._jumps[:, species]):
            terms = self._polynomials[r]
            if terms is None or any(k != species for monomial in terms for k, _ in monomial):
                return None
            degree = max((monomial[0][1] for monomial in terms if monomial), default=0)
            coefficients = [terms.get(((species, n),) if n else (), Fraction(0)) for n in range(degree + 1)]
            rates.append((int(self._jumps[r, species]), coefficients))
        if drift_system(rates, 2, self._horizon or 1.0) is None:
            return None
        how = "drift: its polynomial rates pull large counts back"
        return System(self._units([species]), Fraction(1), (), tuple(rates), how)

    def _summed_system(self, species: int) -> System | None:
        weights = self.weights
        if weights is None or weights[species] == 0:
            return None
        jumps = []
        decays = dict.fromkeys((k for k, w in enumerate(weights) if w), Fraction(0))
        for row, bound in zip(self._jumps, self._bounds, strict=True):
            change = sum(w * int(v) for w, v in zip(weights, row, strict=True))
            if change > 0:
                if bound.upper is None:
                    return None
                slopes = [v / weights[self._position[name]] for name, v in bound.upper[1].items()]
                beta = {0: max(slopes)} if slopes else {}
                jumps.append(Jump((change,), bound.upper[0], beta, {}))
            elif change < 0:
                for name, value in bound.lower.items():
                    k = self._position[name]
                    if weights[k]:
                        decays[k] += value / weights[k]
        pull = min(decays.values())
        if pull > 0:
            jumps.append(Jump((-1,), Fraction(0), {}, {0: pull}))
        terms = " + ".join(
            name if w == 1 else f"{w} {name}" for w, name in zip(weights, self._names, strict=True) if w
        )
        how = f"domination of {terms}, which only reactions with at most linear rates raise"
        return System((weights,), Fraction(weights[species]), tuple(jumps), (), how)

    # Explosion

    @functools.cached_property
    def weights(self) -> tuple[int, ...] | None:
        """Weights of a sum of counts that no reaction with a rate beyond linear raises, or None.

        They are positive for every species that no conservation law bounds.
        """
        is_steep = [bound.upper is None for bound in self._bounds]
        both = list(zip(self._jumps, is_steep, strict=True))
        steep = [row for row, beyond_linear in both if beyond_linear and not self._pulled_only(row)]
        free = ~np.isfinite(self._largest)
        if not steep:
            return tuple(int(x) for x in free)
        from scipy.optimize import linprog

        # Among all such sums, one that the other reactions raise as little as possible.
        tame = [row for row, beyond_linear in both if not beyond_linear]
        n, m = len(self._names), len(tame)
        table = np.zeros((len(steep) + m, n + m))
        table[:, :n] = np.array(steep + tame, dtype=float)
        table[len(steep) :, n:] = -np.eye(m)
        answer = linprog(
            np.concatenate([np.ones(n), np.full(m, 1000.0)]),
            A_ub=table,
            b_ub=np.zeros(len(table)),
            bounds=[(1.0 if x else 0.0, 1e6) for x in free] + [(0.0, None)] * m,
            method="highs",
        )
        if not answer.success:
            return None
        exact = [Fraction(float(x)).limit_denominator(1000) for x in answer.x[:n]]
        unit = math.lcm(*(x.denominator for x in exact))
        weights = tuple(int(x * unit) for x in exact)
        valid = all(sum(w * int(v) for w, v in zip(weights, row, strict=True)) <= 0 for row in steep)
        positive = all(w > 0 or not f for w, f in zip(weights, free, strict=True))
        return weights if valid and positive and min(weights) >= 0 else None

    def _pulled_only(self, row: NDArray[np.int64]) -> bool:
        """Return whether a steep reaction may be left out since its species is pulled back by its own rates.

        Reactions with such rates must then change this species alone: what they add to others is not bounded.
        """
        changed = np.flatnonzero(row)
        if len(changed) != 1 or self._pulled_system(int(changed[0])) is None:
            return False
        return all(
            bound.upper is not None or not other[changed[0]] or np.count_nonzero(other) == 1
            for other, bound in zip(self._jumps, self._bounds, strict=True)
        )

    @property
    def does_not_explode(self) -> bool:
        """Whether it is shown that the network makes finitely many jumps in finite time."""
        return self.weights is not None

    # Bounds

    def upper(
        self, system: System, order: int, initial: InitialMoments, times: Sequence[float], budget: float = 0.5
    ) -> list[dict[Index, Interval] | None]:
        """Return, for each time, upper ends of all falling-factorial moments up to an order."""
        if system.rates:
            position: dict[Index, int] = {(k,): k for k in range(order + 1)}
            matrix = drift_system(system.rates, order, max(times) or 1.0)
        else:
            matrix, position = comparison_system(system.jumps, len(system.members), order)
        start = initial.falling(system.members, position)
        if matrix is None or start is None:
            return [None for _ in times]
        solution = enclose_flow(matrix, start, times, budget=budget)
        return [
            None if values is None else {a: values[k] for a, k in position.items()} for values in solution
        ]
