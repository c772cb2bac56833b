"""The whole lattice of a network: propensities in extended precision, jumps, bounds on counts, membership."""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fsp.generator.tables import FactorTables
from fsp.moments.polynomial import Polynomial, constant, multiply
from fsp.statespace import kernels
from fsp.statespace.coordinates import Coordinates
from fsp.statespace.fibres import FibreSet
from fsp.stationary.rate_rounding import roundings

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["UNIT", "Lattice"]

IntArray = NDArray[np.int64]
LongArray = NDArray[np.longdouble]

#: Unit roundoff of the arithmetic in which certificates are checked.
UNIT = float(np.finfo(np.longdouble).eps) / 2.0

#: Largest count at which a propensity that stops growth is looked for.
_LARGEST_STOP = 1000

#: At how many combinations of counts a factor is checked to be zero exactly.
_MOST_ZEROS = 3000


class Lattice:
    """What certificates need to know about a network, at any state and not only on a truncated set.

    Parameters
    ----------
    network : ReactionNetwork
        Without events and without rates that depend on time.
    coordinates : Coordinates
        The axes; a state here is a row of reduced coordinates.
    starts : ndarray of int64, shape (n_starts, n_axes), optional
        The states of the initial law, all in one coset; by default that of the network.
    """

    def __init__(
        self, network: ReactionNetwork, coordinates: Coordinates, starts: IntArray | None = None
    ) -> None:
        self.network = network
        self.coordinates = coordinates
        self.tables = FactorTables(network, coordinates, extended=True)
        self.start = coordinates.to_reduced(network.initial_state[None, :])[0]
        self.starts = self.start[None, :] if starts is None else starts
        #: What each reaction adds to the coordinates; only these reactions matter.
        self.reactions = self._possible([int(r) for r in self.tables.reactions])
        self.shifts = coordinates.shifts

    def _possible(self, reactions: list[int]) -> list[int]:
        """Leave out reactions that never fire, for want of a species that is not there and that none of the others makes."""
        network, none = self.network, np.zeros(1, np.int64)
        present = np.asarray((self.coordinates.to_counts(self.starts) > 0).any(axis=0), np.bool_)
        while True:
            missing = [
                n for n, there in zip(network.species_names, present.tolist(), strict=True) if not there
            ]
            found = [r for r in reactions if not any(self._zeros(r, name, none)[0] for name in missing)]
            made = (network.stoichiometry[found] > 0).any(axis=0) & ~present
            if not made.any():
                return found
            present |= made

    @property
    def n_axes(self) -> int:
        """The number of axes."""
        return self.coordinates.n_axes

    def species_on_axes(self, species: int) -> Polynomial:
        """Return the count of a species, by position, as a polynomial in the axes."""
        c = self.coordinates
        row: Polynomial = {((k, 1),): Fraction(int(v)) for k, v in enumerate(c.matrix[species]) if v}
        return {(): Fraction(int(c.offset[species])), **row}

    def on_axes(self, terms: Polynomial) -> Polynomial:
        """Return a polynomial in the species, by position, as one in the axes."""
        total: Polynomial = {}
        for monomial, value in terms.items():
            product: Polynomial = {(): value}
            for species, power in monomial:
                for _ in range(power):
                    product = multiply(product, self.species_on_axes(species))
            for key, v in product.items():
                total[key] = total.get(key, Fraction(0)) + v
        return total

    def rates(self, states: IntArray) -> LongArray:
        """Return the propensities, shape (n_states, n_reactions); NaN where one is negative, infinite where undefined."""
        if len(states):
            self.tables.cover(states.min(axis=0), states.max(axis=0))
        return self.tables.evaluate_extended(states)

    @property
    def rate_error(self) -> float:
        """Bound on the relative error of what `rates` returns."""
        table = self.tables.evaluation_error
        if UNIT < 2.0**-60:
            table -= 2.0**-53  # nothing was rounded to double precision
        return max((n * UNIT * 1.01 + m * table for n, m in self._roundings), default=UNIT)

    @functools.cached_property
    def _roundings(self) -> list[tuple[int, int]]:
        """For each reaction roundings that are counted, and factors for which only the bound of the tables is known."""
        counts = frozenset(self.network.species_names)
        positive = frozenset(name for name, value in self.network.parameters.items() if value > 0)
        found = []
        for r in self.reactions:
            factors = self.network.propensities[r].factors
            steps = [roundings(factor.expression, counts, positive) for factor in factors]
            # The products of factors and tables, and the constant.
            products = len(factors) + self.tables.n_tables + 3
            found.append((products + sum(n for n in steps if n is not None), steps.count(None)))
        return found

    def outside_lattice(self, states: IntArray) -> NDArray[np.bool_]:
        """Tell which states have a negative count, or one below what can be reached."""
        below = (states < self.smallest).any(axis=1)
        return np.asarray(below | (self.coordinates.to_counts(states) < 0).any(axis=1))

    @functools.cached_property
    def smallest(self) -> IntArray:
        """A count for each axis below which no reachable state is, because all that lowers it is zero there."""
        return np.array([self._floor(k) for k in range(self.n_axes)], np.int64)

    def _floor(self, axis: int) -> int:
        falls = {r: -int(self.shifts[r, axis]) for r in self.reactions if self.shifts[r, axis] < 0}
        highest = min(int(self.starts[:, axis].min()), _LARGEST_STOP)
        species = self.coordinates.species_names[self.coordinates.axes[axis]]
        counts = np.arange(highest + max(falls.values(), default=0))
        zeros = {r: self._zeros(r, species, counts) for r in falls}
        for floor in range(highest, 0, -1):
            if all(zeros[r][floor : floor + fall].all() for r, fall in falls.items()):
                return floor
        return 0

    @functools.cached_property
    def largest(self) -> NDArray[np.float64]:
        """Largest value of each axis over all reachable states, from conservation and from propensities that vanish."""
        bounds = np.asarray(self.network.conservation_laws().upper_bounds, float)[list(self.coordinates.axes)]
        return np.array([min(b, self._stop(k)) for k, b in enumerate(bounds)])

    def _stop(self, axis: int) -> float:
        """Return a count that the species of an axis cannot pass, because all that raises it by one is zero there."""
        raising = [r for r in self.reactions if self.shifts[r, axis] > 0]
        highest = self.starts[:, axis].max()
        if not raising:
            return float(highest)
        if any(self.shifts[r, axis] != 1 for r in raising):
            return math.inf
        species = self.coordinates.species_names[self.coordinates.axes[axis]]
        counts = np.arange(highest, highest + _LARGEST_STOP)
        stopped = np.ones(_LARGEST_STOP, np.bool_)
        for r in raising:
            stopped &= self._zeros(r, species, counts)
        return float(counts[np.argmax(stopped)]) if stopped.any() else math.inf

    def _zeros(self, reaction: int, species: str, counts: IntArray) -> NDArray[np.bool_]:
        """Tell at which counts of a species a factor of a propensity is zero, exactly and not by underflow."""
        found = np.zeros(counts.size, np.bool_)
        values = {name: Fraction(value) for name, value in self.network.parameters.items()}
        for factor in self.network.propensities[reaction].factors:
            if factor.species != (species,):
                continue
            with np.errstate(all="ignore"):
                near = np.broadcast_to(factor.evaluate({species: counts}) == 0.0, counts.shape)
            for i in np.flatnonzero(near)[:4]:
                exact = constant(factor.expression, {**values, species: Fraction(int(counts[i]))})
                found[i] |= exact == 0
        return found

    def zeros_are_exact(self, states: IntArray, rates: LongArray) -> bool:
        """Say whether every rate of zero is one exactly, and not by underflow or cancellation."""
        values = {name: Fraction(value) for name, value in self.network.parameters.items()}
        names = list(self.network.species_names)
        for r in self.reactions:
            counts = self.coordinates.to_counts(states[rates[:, r] == 0])
            for factor in self.network.propensities[r].factors:
                columns = [names.index(name) for name in factor.species]
                if not columns:  # a number, whatever the counts that it names: zero at all states or at none
                    if constant(factor.expression, dict.fromkeys(names, Fraction(1)) | values) == 0:
                        counts = counts[:0]
                        break
                    continue
                rows, which = np.unique(counts[:, columns], axis=0, return_inverse=True)
                if len(rows) > _MOST_ZEROS:
                    continue
                zero = np.zeros(len(rows), np.bool_)
                for k, row in enumerate(rows.tolist()):
                    # Substitution also decides the conditions of branches.
                    at = factor.expression.subs(dict(zip(factor.species, row, strict=True)))
                    zero[k] = constant(at, values) == 0
                counts = counts[~zero[which.ravel()]]
                if not len(counts):
                    break
            if len(counts):
                return False
        return True

    @functools.cached_property
    def basis(self) -> list[tuple[int, IntArray]]:
        """An echelon basis of the integer combinations of the jumps: pivots and rows."""
        rows = [self.shifts[r].astype(object) for r in self.reactions]
        basis: list[tuple[int, IntArray]] = []
        for axis in range(self.n_axes):
            active = [row for row in rows if row[axis] != 0]
            rest = [row for row in rows if row[axis] == 0]
            while len(active) > 1:
                active.sort(key=lambda row: abs(row[axis]))
                pivot = active[0]
                reduced = [row - (row[axis] // pivot[axis]) * pivot for row in active[1:]]
                rest += [row for row in reduced if row[axis] == 0 and any(row)]
                active = [pivot, *(row for row in reduced if row[axis] != 0)]
            if active:
                basis.append((axis, active[0].astype(np.int64)))
            rows = rest
        return basis

    def in_coset(self, states: IntArray) -> NDArray[np.bool_]:
        """Tell which states differ from the initial state by an integer combination of jumps; no other is reachable."""
        rest = states - self.start
        good = np.ones(len(states), np.bool_)
        for axis, row in self.basis:
            times, remainder = np.divmod(rest[:, axis], row[axis])
            good &= remainder == 0
            rest = rest - times[:, None] * row
        return np.asarray(good & (rest == 0).all(axis=1))

    def positions(self, space: FibreSet, states: IntArray) -> IntArray:
        """Return the position of each state in a set, -1 where it is not in it."""
        out = np.empty(len(states), np.int64)
        reduced = np.ascontiguousarray(states, dtype=np.int64)
        kernels.find_states(space.prefix, space.first, space.length, space.offset, reduced, out)
        return out
