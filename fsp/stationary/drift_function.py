"""Drift functions, which the generator lowers far out (Foster 1953; Meyn and Tweedie 1993): polynomials of degree two."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fsp.stationary.lattice import UNIT, Lattice
from fsp.stationary.reward import Reward

__all__ = ["Drift", "DriftFunction", "SurveyedDrift"]

IntArray = NDArray[np.int64]
LongArray = NDArray[np.longdouble]


class Drift(ABC):
    """A function V >= 0 of the states of the lattice, with finite sublevel sets.

    Attributes
    ----------
    kind : str
        For people: ``"linear"``, ``"squared"``, ``"quadratic"``, ``"modular"``.
    """

    kind: str

    @abstractmethod
    def values(self, states: IntArray) -> tuple[LongArray, LongArray]:
        """Return the values at states, and bounds on their rounding."""

    @abstractmethod
    def change(self, states: IntArray, jump: IntArray) -> tuple[LongArray, LongArray]:
        """Return ``V(y + jump) - V(y)`` at states, and the sum of the magnitudes of its terms."""

    @abstractmethod
    def describe(self, names: list[str]) -> str:
        """Return the function as a text."""

    def drift(self, lattice: Lattice, states: IntArray) -> tuple[LongArray, LongArray]:
        """Return ``QV`` at states, and bounds on the rounding; NaN where a propensity has no valid value."""
        rates = lattice.rates(states)
        total = np.zeros(len(states), np.longdouble)
        error = np.zeros(len(states), np.longdouble)
        n = lattice.n_axes
        margin = np.longdouble(lattice.rate_error + (len(lattice.reactions) + n * n + 3 * n + 8) * UNIT)
        with np.errstate(invalid="ignore"):
            for r in lattice.reactions:
                change, magnitude = self.change(states, lattice.shifts[r])
                total += rates[:, r] * change
                error += rates[:, r] * magnitude * margin
        return total, error


class SurveyedDrift(Drift):
    """A drift function that knows itself at which states it may rise."""

    @abstractmethod
    def candidates(self, lattice: Lattice, decrease: float, reward: Reward, most: int) -> IntArray:
        """Return all states at which ``QV > -decrease * f`` is not excluded."""


@dataclass(frozen=True, eq=False)
class DriftFunction(Drift):
    """``V(y) = slope . d + d' curvature d`` with ``d = y - centre``: non-negative, with finite sublevel sets.

    A linear function, the square of one plus another one (centre 0), or a quadratic form around a centre.

    Attributes
    ----------
    slope : ndarray, shape (n_axes,)
        Non-negative; with a slope the centre is the origin.
    curvature : ndarray, shape (n_axes, n_axes)
        Symmetric and positive semidefinite.
    centre : ndarray of int64, shape (n_axes,)
    kind : str
        For people: ``"linear"``, ``"squared"``, ``"quadratic"``.
    """

    slope: NDArray[np.float64]
    curvature: NDArray[np.float64]
    centre: IntArray
    kind: str

    @classmethod
    def linear(cls, slope: NDArray[np.float64]) -> DriftFunction:
        """Return ``slope . y``."""
        n = len(slope)
        return cls(np.asarray(slope, float), np.zeros((n, n)), np.zeros(n, np.int64), "linear")

    @classmethod
    def quadratic(cls, curvature: NDArray[np.float64], centre: IntArray) -> DriftFunction:
        """Return ``(y - centre)' curvature (y - centre)``."""
        return cls(
            np.zeros(len(centre)), np.asarray(curvature, float), np.asarray(centre, np.int64), "quadratic"
        )

    def values(self, states: IntArray) -> tuple[LongArray, LongArray]:
        """Return the values at states, and bounds on their rounding."""
        d = (states - self.centre).astype(np.longdouble)
        size = np.abs(d)
        value = d @ self.slope.astype(np.longdouble) + np.einsum(
            "ij,jk,ik->i", d, self.curvature.astype(np.longdouble), d
        )
        total = size @ np.abs(self.slope).astype(np.longdouble)
        total = total + np.einsum("ij,jk,ik->i", size, np.abs(self.curvature).astype(np.longdouble), size)
        n = len(self.slope)
        return np.maximum(value, 0.0), total * np.longdouble((n * n + 2 * n + 4) * UNIT)

    def change(self, states: IntArray, jump: IntArray) -> tuple[LongArray, LongArray]:
        """Return ``V(y + jump) - V(y)`` at states, and the sum of the magnitudes of its terms."""
        d = (states - self.centre).astype(np.longdouble)
        gradient = 2.0 * (self.curvature.astype(np.longdouble) @ jump.astype(np.longdouble))
        constant = self.slope.astype(np.longdouble) @ jump + gradient @ jump / 2.0
        size = np.abs(self.slope).astype(np.longdouble) @ np.abs(jump)
        steep = np.abs(self.curvature).astype(np.longdouble) @ np.abs(jump).astype(np.longdouble)
        magnitude = np.abs(d) @ (2.0 * steep) + size + steep @ np.abs(jump)
        return np.asarray(d @ gradient + constant, np.longdouble), np.asarray(magnitude, np.longdouble)

    def exact_change(self, jump: IntArray) -> tuple[Fraction, dict[int, Fraction]]:
        """Return ``V(y + jump) - V(y)`` as an affine function of y: its constant and its coefficients."""
        n = len(self.slope)
        p = [[Fraction(float(x)) for x in row] for row in self.curvature]
        gradient = [2 * sum((p[i][k] * int(jump[k]) for k in range(n)), Fraction(0)) for i in range(n)]
        constant = sum((Fraction(float(self.slope[k])) * int(jump[k]) for k in range(n)), Fraction(0))
        constant += sum((gradient[k] * int(jump[k]) / 2 for k in range(n)), Fraction(0))
        constant -= sum((gradient[k] * int(self.centre[k]) for k in range(n)), Fraction(0))
        return constant, {k: g for k, g in enumerate(gradient) if g}

    def describe(self, names: list[str]) -> str:
        """Return the function as a text."""
        if self.kind == "quadratic":
            centre = ", ".join(f"{name} - {c}" for name, c in zip(names, self.centre, strict=True))
            return f"a quadratic form of ({centre})"
        terms = [f"{s:.4g} {name}" for s, name in zip(self.slope, names, strict=True) if s]
        if self.kind == "squared":
            roots = np.sqrt(np.diag(self.curvature))
            terms.insert(
                0, "(" + " + ".join(f"{s:.4g} {n}" for s, n in zip(roots, names, strict=True) if s) + ")^2"
            )
        return " + ".join(terms)
