"""Where a drift function is not lowered: a finite set, proven on the infinite lattice.

With f = 1, or a power of counts, and a rate c, the states are wanted at which ``QV + c f > 0``. This function is bounded
above by a constant and a sum of functions of one count each, with exact cancellation of polynomial terms. Each of them is
tabulated up to a count beyond which its bound is proven to fall; so the states at which the sum is positive are
enumerated, and at these the function itself is evaluated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsp.interval import Interval
from fsp.moments.majorants import bounded_rate
from fsp.moments.polynomial import Polynomial, multiply, polynomial
from fsp.moments.ranges import Box, value_range
from fsp.stationary.drift_function import Drift, DriftFunction, SurveyedDrift
from fsp.stationary.lattice import UNIT, Lattice
from fsp.stationary.reward import Reward

__all__ = ["NoDrift", "SeparableBound", "enumerate_sums", "rising_states"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Affine = tuple[Fraction, dict[int, Fraction]]

#: Relative margin of the tables, far above their rounding.
_MARGIN = 1e-9
_LARGEST_COUNT = 2**22
_CHUNK = 400_000


class NoDrift(Exception):
    """A candidate was not shown to be lowered outside a finite set; the text says why. Never leaves the package.

    Attributes
    ----------
    trap : ndarray of int64 or None
        States from which the reference is never reached, if they are what is in the way.
    """

    def __init__(self, message: str, trap: IntArray | None = None) -> None:
        super().__init__(message)
        self.trap = trap


def _affine_polynomial(affine: Affine) -> Polynomial:
    return {(): affine[0], **{((k, 1),): v for k, v in affine[1].items()}}


@dataclass
class _OneCount:
    """The part of a bound that depends on one count: ``polynomial + sum (c + g x) h(x)``."""

    powers: dict[int, Fraction] = field(default_factory=dict)
    functions: list[tuple[int, Fraction, Fraction]] = field(default_factory=list)  # reaction, c, g


class SeparableBound:
    """An upper bound of ``QV + decrease * f``: a constant and a sum of functions of one count each.

    Raises
    ------
    NoDrift
        If a part of ``QV`` that raises V has no such bound.
    """

    def __init__(self, lattice: Lattice, drift: DriftFunction, decrease: float, reward: Reward) -> None:
        self.lattice = lattice
        self.names = list(lattice.coordinates.species_names)
        network = lattice.network
        self.values = {name: Fraction(value) for name, value in network.parameters.items()}
        self.largest = lattice.largest
        limits = network.conservation_laws().upper_bounds
        self.box = Box(
            {n: Interval(0.0, float(b)) for n, b in zip(self.names, limits, strict=True)}, self.values
        )
        for axis, species in enumerate(lattice.coordinates.axes):
            self.box = self.box.within(self.names[species], Interval(0.0, float(self.largest[axis])))
        self.parts = [_OneCount() for _ in range(lattice.n_axes)]
        self.total: Polynomial = multiply(reward.polynomial(), {(): Fraction(decrease)})
        for r in lattice.reactions:
            self._add(r, drift.exact_change(lattice.shifts[r]))
        self.constant = self._separate()

    # -- collecting the terms ------------------------------------------------------------------------------

    @staticmethod
    def _collect(total: Polynomial, terms: Polynomial) -> None:
        for key, value in terms.items():
            total[key] = total.get(key, Fraction(0)) + value

    def _add(self, reaction: int, change: Affine) -> None:
        if not change[0] and not change[1]:
            return
        propensity = self.lattice.network.propensities[reaction]
        tree = propensity.expression
        exact = polynomial(tree, {name: k for k, name in enumerate(self.names)}, self.values)
        if exact is not None:
            self._collect(self.total, multiply(self.lattice.on_axes(exact), _affine_polynomial(change)))
            return
        axes = self.lattice.coordinates.axes
        species = [self.names.index(name) for name in propensity.species]
        if len(species) == 1 and species[0] in axes:
            self._add_function(reaction, axes.index(species[0]), tree, change)
        else:
            self._add_majorant(tree, change)

    def _add_function(self, reaction: int, axis: int, tree: Any, change: Affine) -> None:
        """Add a function of one count times an affine function."""
        self.parts[axis].functions.append((reaction, change[0], change[1].get(axis, Fraction(0))))
        reach = value_range(tree, self.box)
        for k, g in change[1].items():
            if k == axis:
                continue
            end = reach.upper if g > 0 else max(reach.lower, 0.0)
            if not math.isfinite(end):
                message = f"a rate without bound multiplies a growing count: {tree}"
                raise NoDrift(message)
            self._collect(self.total, {((k, 1),): g * Fraction(end)})

    def _add_majorant(self, tree: Any, change: Affine) -> None:
        """Add an affine bound of a propensity of several counts times the rising part of an affine function."""
        bound = bounded_rate(tree, self.box, self.names)
        rising = _affine_polynomial(
            (max(change[0], Fraction(0)), {k: g for k, g in change[1].items() if g > 0})
        )
        if any(rising.values()):
            if bound.upper is None:
                message = f"no affine bound is known of the rate {tree}"
                raise NoDrift(message)
            upper: Polynomial = {(): bound.upper[0]}
            for name, slope in bound.upper[1].items():
                self._collect(
                    upper, multiply({(): slope}, self.lattice.species_on_axes(self.names.index(name)))
                )
            self._collect(self.total, multiply(upper, rising))
        elif change[0] < 0 and not change[1]:
            for name, slope in bound.lower.items():
                self._collect(
                    self.total,
                    multiply({(): slope * change[0]}, self.lattice.species_on_axes(self.names.index(name))),
                )

    # -- from monomials to one count each ------------------------------------------------------------------

    def _separate(self) -> Fraction:
        constant = Fraction(0)
        mixed: list[tuple[dict[int, int], Fraction]] = []
        for key, value in self.total.items():
            powers = dict(key)
            if len(powers) > 1 and value > 0:
                for k in list(powers):
                    if math.isfinite(self.largest[k]) and len(powers) > 1:
                        value *= Fraction(self.largest[k]) ** powers.pop(k)
            if not powers:
                constant += value
            elif len(powers) == 1:
                ((axis, power),) = powers.items()
                part = self.parts[axis].powers
                part[power] = part.get(power, Fraction(0)) + value
            elif value > 0:
                mixed.append((powers, value))
        for powers, value in mixed:
            self._young(powers, value)
        return constant

    def _young(self, powers: dict[int, int], value: Fraction) -> None:
        """Bound a product of counts by pure powers: the weighted inequality of arithmetic and geometric means.

        ``prod y_k^a_k <= sum (a_k / n) s_k y_k^n`` with ``prod s_k^a_k >= 1``; the weights follow the pull of each count.
        """
        n = sum(powers.values())
        pulls = {k: -float(self.parts[k].powers.get(n, Fraction(0))) for k in powers}
        if min(pulls.values()) <= 0.0:
            message = "a product of counts is not held by their own pull"
            raise NoDrift(message)
        mean = math.exp(sum(a * math.log(pulls[k]) for k, a in powers.items()) / n) * (1.0 - 1e-9)
        for k, a in powers.items():
            part = self.parts[k].powers
            part[n] = part[n] + value * Fraction(pulls[k] / mean) * Fraction(a, n)

    # -- one count -----------------------------------------------------------------------------------------

    def table(self, axis: int, last: int) -> FloatArray:
        """Return upper bounds of the function of one count at 0, ..., ``last``."""
        part = self.parts[axis]
        x = np.arange(last + 1, dtype=float)
        value, size = np.zeros_like(x), np.zeros_like(x)
        for power, c in part.powers.items():
            term = float(c) * x**power
            value, size = value + term, size + np.abs(term)
        if part.functions:
            states = np.repeat(self.lattice.start[None, :], last + 1, axis=0)
            states[:, axis] = np.arange(last + 1)
            rates = self.lattice.rates(states)
            for reaction, c, g in part.functions:
                h = rates[:, reaction].astype(float)
                if not np.isfinite(h).all():
                    message = "a rate is negative or undefined on the lattice"
                    raise NoDrift(message)
                value, size = (
                    value + h * (float(c) + float(g) * x),
                    size + h * (abs(float(c)) + abs(float(g)) * x),
                )
        result: FloatArray = value + _MARGIN * size
        return result

    def tail(self, axis: int, start: int) -> float:
        """Return a bound of the function at all counts from ``start`` on, infinite where it is not shown to fall."""
        part = self.parts[axis]
        powers = dict(part.powers)
        name = self.names[self.lattice.coordinates.axes[axis]]
        box = self.box.within(name, Interval(float(start), math.inf))
        for reaction, c, g in part.functions:
            reach = value_range(self.lattice.network.propensities[reaction].expression, box)
            for power, factor in ((0, c), (1, g)):
                if factor:
                    end = reach.upper if factor > 0 else max(reach.lower, 0.0)
                    if not math.isfinite(end):
                        return math.inf
                    powers[power] = powers.get(power, Fraction(0)) + factor * Fraction(end)
        shifted: dict[int, Fraction] = {}
        for power, c in powers.items():
            for j in range(power + 1):
                term = c * math.comb(power, j) * Fraction(start) ** (power - j)
                shifted[j] = shifted.get(j, Fraction(0)) + term
        slopes = [v for j, v in shifted.items() if j > 0]
        if any(v > 0 for v in slopes) or not any(v < 0 for v in slopes):
            return math.inf
        value = float(shifted.get(0, Fraction(0)))
        return value + abs(value) * _MARGIN

    def positive_states(self, most: int) -> IntArray:
        """Return all states at which the bound is positive.

        Raises
        ------
        NoDrift
            If they are not shown to be finitely many, or are more than ``most``.
        """
        base = float(self.constant)
        base += abs(base) * _MARGIN
        n = self.lattice.n_axes
        tables: list[FloatArray] = []
        highest: list[float] = []
        for axis in range(n):
            last, beyond = self._first_table(axis)
            tables.append(self.table(axis, last))
            highest.append(max(float(tables[axis].max()), beyond))
        for axis in range(n):
            if math.isfinite(self.largest[axis]):
                continue
            room = -(base + sum(h for k, h in enumerate(highest) if k != axis))
            last = len(tables[axis]) - 1
            while self.tail(axis, last + 1) > room:
                last = 2 * last + 1
                if last > _LARGEST_COUNT:
                    message = "the states that are not lowered reach too far out"
                    raise NoDrift(message)
            tables[axis] = self.table(axis, last)
        return enumerate_sums(tables, base, most)

    def _first_table(self, axis: int) -> tuple[int, float]:
        if math.isfinite(self.largest[axis]):
            if self.largest[axis] > _LARGEST_COUNT:
                message = "a bounded count is too large to be tabulated"
                raise NoDrift(message)
            return int(self.largest[axis]), -math.inf
        last = 15
        while not math.isfinite(beyond := self.tail(axis, last + 1)):
            last = 2 * last + 1
            if last > _LARGEST_COUNT:
                name = self.names[self.lattice.coordinates.axes[axis]]
                message = f"nothing shows that large counts of {name} are pulled back"
                raise NoDrift(message)
        return last, beyond


def enumerate_sums(tables: list[FloatArray], base: float, most: int) -> IntArray:
    """Return all states whose entries in the tables add up to more than ``-base``, in lexicographic order."""
    rest = np.cumsum([float(t.max()) for t in tables][::-1])[::-1]
    states = np.zeros((1, 0), np.int64)
    sums = np.array([base])
    for axis, table in enumerate(tables):
        later = float(rest[axis + 1]) if axis + 1 < len(tables) else 0.0
        rows, values = [], []
        for start in range(0, len(states), max(1, _CHUNK // len(table))):
            part = slice(start, start + max(1, _CHUNK // len(table)))
            total = sums[part, None] + table[None, :]
            i, j = np.nonzero(total + later + 1e-9 * np.abs(total) > 0.0)
            rows.append(np.column_stack([states[part][i], j]))
            values.append(total[i, j])
            if sum(len(v) for v in values) > most:
                message = f"more than {most:,} states would have to be looked at"
                raise NoDrift(message)
        states, sums = np.concatenate(rows), np.concatenate(values)
    return states


def rising_states(
    lattice: Lattice, drift: Drift, decrease: float, reward: Reward, most: int = 3_000_000
) -> IntArray:
    """Return all states of the initial state's coset at which ``QV > -decrease * f`` is not excluded.

    Raises
    ------
    NoDrift
        If they are not shown to be finitely many, or too many would have to be looked at.
    """
    if isinstance(drift, DriftFunction):
        candidates = SeparableBound(lattice, drift, decrease, reward).positive_states(most)
    else:
        assert isinstance(drift, SurveyedDrift)
        candidates = drift.candidates(lattice, decrease, reward, most)
    found = [np.zeros((0, lattice.n_axes), np.int64)]
    for start in range(0, len(candidates), _CHUNK):
        states = candidates[start : start + _CHUNK]
        states = states[lattice.in_coset(states)]
        states = states[~lattice.outside_lattice(states)]
        if not len(states):
            continue
        value, error = drift.drift(lattice, states)
        wanted = np.longdouble(decrease) * reward.values(states) * (1.0 + 4 * UNIT)
        with np.errstate(invalid="ignore"):
            found.append(states[~(value + error + wanted < 0.0)])  # a propensity that is NaN excludes nothing
    return np.concatenate(found)
