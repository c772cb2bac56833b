"""Product-form laws on finitely many states: lower bounds of the probabilities, and the mass of all other states."""

from __future__ import annotations

import math
from dataclasses import dataclass

import mpmath
import numpy as np
from numpy.typing import NDArray

from fsp.interval import Interval
from fsp.statespace.coordinates import Coordinates
from fsp.statespace.fibres import FibreSet
from fsp.stationary.drift_region import NoDrift, enumerate_sums
from fsp.stationary.lattice import UNIT
from fsp.stationary.product_form import ProductForm

__all__ = ["ClosedLaw", "closed_law", "poisson_moments"]


@dataclass(frozen=True, eq=False)
class ClosedLaw:
    """A law on its probable states.

    Attributes
    ----------
    space : FibreSet
    p : ndarray of float, shape (n_states,)
        Lower bounds of the probabilities.
    missing : float
        Bound on the mass of all other states.
    rounding : float
        Bound on what the entries lack together.
    """

    space: FibreSet
    p: NDArray[np.float64]
    missing: float
    rounding: float


def closed_law(
    form: ProductForm, coordinates: Coordinates, tolerance: float, most: int = 2_000_000
) -> ClosedLaw | None:
    """Return a product of Poisson laws on the states above a probability, or None if these would be too many.

    The whole mass is one, so that what is missing follows from the sum of what is kept, rounding counted.
    """
    axes = [form.means[species] for species in coordinates.axes]
    # Poisson laws of large means fall off like normal laws; beyond, like exponential ones.
    spread = math.sqrt(-2.0 * math.log(tolerance)) + 4.0
    highs = [int(float(c) + spread * math.sqrt(float(c)) + 4.0 * spread**2) for c in axes]
    if max(highs) > most:
        return None
    tables = [form.table(species, high) for species, high in zip(coordinates.axes, highs, strict=True)]
    with np.errstate(divide="ignore"):
        logs = [np.maximum(np.log(t).astype(float), -700.0) for t in tables]
    for share in (1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8):
        try:
            states = enumerate_sums(logs, -math.log(tolerance * share / 10.0), most)
        except NoDrift:
            return None
        weights = np.ones(len(states), np.longdouble)
        for axis, table in enumerate(tables):
            weights *= table[states[:, axis]]
        relative = np.longdouble(form.relative_error(highs) + 8.0 * len(axes) * UNIT)
        kept = float(weights.sum() * (1 - relative - np.longdouble(2 * len(states) * UNIT)))
        missing = math.nextafter(max(0.0, 1.0 - math.nextafter(kept, 0.0)), 1.0)
        if missing <= 0.9 * tolerance:
            lower = weights * (1 - relative)
            p = np.nextafter(lower.astype(np.float64), 0.0)
            space = FibreSet.from_reduced(coordinates, states)  # states are in order
            rounding = float(relative) * 2.0 + 2.0**-51
            return ClosedLaw(space, p, missing, rounding)
    return None


def poisson_moments(form: ProductForm) -> dict[tuple[int, ...], Interval]:
    """Return the means and second moments of all species and pairs, by their positions."""
    found: dict[tuple[int, ...], Interval] = {}
    with mpmath.workdps(50):
        for i, a in enumerate(form.means):
            found[(i,)] = _around(a)
            found[(i, i)] = _around(a * a + a)
            for j in range(i):
                found[(j, i)] = _around(a * form.means[j])
    return found


def _around(value: mpmath.mpf) -> Interval:
    near = float(value)
    return Interval(math.nextafter(near, -math.inf), math.nextafter(near, math.inf))
