"""Which deviations n samples can show, and how many samples show a given deviation.

A deviation is *detected* when the tests reject at the level that is left to each of them, ``p* = alpha/m`` for m tests,
with the stated power (0.9 by default). For a mean the proven p-value is close to ``2 exp(-z^2/2)`` at z standard errors, so
that ``sqrt(n) d >= sqrt(2 log(2/p*)) + z_power`` for a shift by d standard deviations; for a standard deviation the same
holds with ``2 r/sqrt(kappa - 1)`` for a relative deviation r. A total variation distance v between the laws over the merged
cells makes half of the likelihood ratio at least ``2 n v^2`` (Pinsker's inequality), up to the spread of the samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from scipy import special

from fsp.errors import ArgumentError
from fsp.validation.moment_checks import Moments
from fsp.validation.pvalues import gamma_threshold

__all__ = ["Detectable", "Power"]


@dataclass(frozen=True)
class Detectable:
    """The smallest deviations of one species that the samples would show.

    Attributes
    ----------
    species : str
    time : float
        Where they are smallest.
    mean, deviation : float
        Relative deviations of the mean and of the standard deviation; infinite where these are zero.
    """

    species: str
    time: float
    mean: float
    deviation: float


class Power:
    """What n samples can show.

    Parameters
    ----------
    n : int
        The number of samples.
    n_tests : int
        How many tests share the level.
    alpha, power : float
        The level of all tests together, and the probability of detection.
    moments : mapping from (time, species) to Moments
    n_cells : int
        The largest number of cells of one test.

    Attributes
    ----------
    shift : float
        The smallest shift of a mean that is detected, in standard deviations.
    total_variation : float
        The smallest total variation distance over the cells.
    """

    def __init__(
        self,
        n: int,
        n_tests: int,
        alpha: float,
        power: float,
        moments: dict[tuple[float, str], Moments],
        n_cells: int,
    ) -> None:
        self.n, self.alpha, self.power = n, alpha, power
        self._moments = moments
        level = alpha / max(1, n_tests)
        extra = float(special.ndtri(power))
        self._distance = math.sqrt(2.0 * math.log(2.0 / level)) + extra
        cells = math.sqrt(gamma_threshold(level, max(1.0, n_cells - 1.0)) / 2.0) if n_cells > 1 else math.inf
        ks = math.sqrt(math.log(2.0 / level) / 2.0)
        self._tv = min(cells, ks if n_cells <= 2 else math.inf) + 0.5 * extra
        self.shift = self._distance / math.sqrt(n)
        self.total_variation = min(1.0, self._tv / math.sqrt(n))

    def enough(self, resolution: float) -> bool:
        """Say whether a shift of a mean by ``resolution`` standard deviations would be detected."""
        return self.shift <= resolution

    def needed(self, resolution: float) -> int:
        """Return how many samples detect a shift of a mean by ``resolution`` standard deviations."""
        return math.ceil((self._distance / resolution) ** 2)

    def detectable(self) -> list[Detectable]:
        """Return the smallest relative deviations of each species, at the time where that of the mean is smallest."""
        best: dict[str, Detectable] = {}
        for (time, name), m in self._moments.items():
            if not m.deviation > 0.0:
                continue
            found = Detectable(name, time, *self._relative(m, self.n))
            if name not in best or found.mean < best[name].mean:
                best[name] = found
        return list(best.values())

    def _relative(self, m: Moments, n: int) -> tuple[float, float]:
        kurtosis = max(1.0, m.fourth_bounds.lower / m.deviation**4)
        root = self._distance / math.sqrt(n)
        mean = root * m.deviation / m.mean if m.mean > 0.0 else math.inf
        return mean, 0.5 * root * math.sqrt(kurtosis - 1.0 + 2.0 / max(1, n - 1))

    def samples_needed(self, species: str, *, mean: float | None = None, sd: float | None = None) -> int:
        """Return how many samples show a relative deviation of the mean or the standard deviation of a species.

        Raises
        ------
        ArgumentError
            When the species is not among those tested, or not exactly one positive deviation is given.
        """
        given = [(k, x) for k, x in enumerate((mean, sd)) if x is not None]
        if len(given) != 1 or not given[0][1] > 0.0:
            message = "samples_needed takes one deviation > 0: mean=0.01 or sd=0.05"
            raise ArgumentError(message)
        at = [m for (_, name), m in self._moments.items() if name == species and m.deviation > 0.0]
        if not at:
            message = f"'{species}' is not among the species that were tested and vary"
            raise ArgumentError(message)
        which, wanted = given[0]
        # Deviations shrink like 1/sqrt(n).
        smallest = min(self._relative(m, self.n)[which] for m in at)
        return max(2, math.ceil(self.n * (smallest / wanted) ** 2))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "n": self.n,
            "power": self.power,
            "shift_of_mean_in_sd": self.shift,
            "total_variation": self.total_variation,
            "species": [vars(d) for d in self.detectable()],
        }


def largest_cells(checks: Iterable[Any]) -> int:
    """Return the largest number of cells among planned tests; 1 if there are none."""
    return max((c.check.cells.n_cells for c in checks if hasattr(c.check, "cells")), default=1)
