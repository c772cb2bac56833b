"""Exact moments of the initial law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fsp.errors import ArgumentError
from fsp.moments.comparison import Index, falling_moments

__all__ = ["InitialMoments"]

#: Most states of an initial law that is kept whole for moments of order three and more.
_MOST_POINTS = 2000


@dataclass(frozen=True)
class InitialMoments:
    """Mass, means and second moments of the initial law, as exact numbers.

    Attributes
    ----------
    mean : tuple of Fraction
        E[X_i], one for each species.
    second : tuple of tuple of Fraction
        E[X_i X_j].
    mass : Fraction
        Total mass; moments are those of the measure as it is given, not of its normalised form.
    points : tuple of (state, mass), or None
        The law itself when it is small, for moments of higher order.

    Examples
    --------
    >>> InitialMoments.from_state([3, 0]).second[0][0]
    Fraction(9, 1)
    """

    mean: tuple[Fraction, ...]
    second: tuple[tuple[Fraction, ...], ...]
    mass: Fraction = Fraction(1)
    points: tuple[tuple[tuple[int, ...], Fraction], ...] | None = None

    @classmethod
    def from_state(cls, state: Sequence[int] | Any) -> InitialMoments:
        """Return the moments of a single state."""
        return cls.from_probabilities([[int(x) for x in state]], [1.0])

    @classmethod
    def from_probabilities(cls, states: ArrayLike, probabilities: ArrayLike) -> InitialMoments:
        """Return the moments of masses at finitely many states, without rounding.

        Parameters
        ----------
        states : array_like of int, shape (n_states, n_species)
            The states.
        probabilities : array_like of float, shape (n_states,)
            Their masses, taken as exact.

        Raises
        ------
        ArgumentError
            When the shapes do not fit, or a mass is negative or not finite.
        """
        table = np.asarray(states)
        masses = np.asarray(probabilities, dtype=float)
        if (
            table.ndim != 2
            or masses.shape != table.shape[:1]
            or not np.all(np.isfinite(masses) & (masses >= 0.0))
        ):
            shapes = f"states of shape {table.shape} and masses of shape {masses.shape}"
            message = f"{shapes} given: expected (n_states, n_species) and as many finite masses >= 0"
            raise ArgumentError(message)
        # Integers in one common unit, so that sums are exact.
        mantissas, exponents = np.frexp(masses)
        least = int(exponents.min(initial=0)) - 53
        units = np.array(
            [int(m) << int(e) for m, e in zip(np.ldexp(mantissas, 53), exponents - 53 - least, strict=True)],
            dtype=object,
        )
        unit = Fraction(2) ** least
        counts = table.astype(object)
        weighted = counts * units[:, None]
        mean = tuple(Fraction(int(x)) * unit for x in weighted.sum(axis=0))
        second = tuple(tuple(Fraction(int(x)) * unit for x in row) for row in weighted.T.dot(counts))
        points = None
        if len(units) <= _MOST_POINTS:
            points = tuple(
                (tuple(int(x) for x in state), Fraction(int(u)) * unit)
                for state, u in zip(counts, units, strict=True)
                if u
            )
        return cls(mean, second, Fraction(int(units.sum())) * unit, points)

    @property
    def is_state(self) -> bool:
        """Whether the law is known to sit in one state."""
        return self.points is not None and len(self.points) == 1

    def fixed(self, species: int) -> Fraction | None:
        """Return the count of a species when every state of the law has the same one."""
        if self.mass and self.second[species][species] * self.mass == self.mean[species] ** 2:
            return self.mean[species] / self.mass
        return None

    def falling(self, members: Sequence[Sequence[int]], position: dict[Index, int]) -> list[Fraction] | None:
        """Return the falling-factorial moments of linear combinations of counts.

        Parameters
        ----------
        members : sequence of sequence of int
            Weights (n_species,) of each combination.
        position : dict
            The wanted moments, see `fsp.moments.comparison.comparison_system`.

        Returns
        -------
        list of Fraction, or None
            None when the order exceeds two and the law is not known as a whole.
        """
        if self.points is not None:
            total = [Fraction(0)] * len(position)
            for state, mass in self.points:
                reduced = [sum(w * x for w, x in zip(weights, state, strict=True)) for weights in members]
                for k, value in enumerate(falling_moments(reduced, position)):
                    total[k] += mass * value
            return total
        if any(sum(a) > 2 for a in position):
            return None
        means = [_dot(weights, self.mean) for weights in members]
        result = []
        for a in position:
            which = [k for k, power in enumerate(a) for _ in range(power)]
            if not which:
                result.append(self.mass)
            elif len(which) == 1:
                result.append(means[which[0]])
            else:
                inner = [_dot(members[which[1]], row) for row in self.second]
                lower = means[which[0]] if which[0] == which[1] else Fraction(0)
                result.append(_dot(members[which[0]], inner) - lower)
        return result


def _dot(weights: Sequence[int], values: Sequence[Fraction]) -> Fraction:
    return sum((w * v for w, v in zip(weights, values, strict=True) if w), Fraction(0))
