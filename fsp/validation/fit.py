"""How well a law explains samples: the deviance over cells that are cut from the samples themselves.

For each time the species one by one, and in pairs, are cut into cells at quantiles of the samples. The deviance is
``2 sum w log(w/(n q))`` with w samples in a cell of probability q: minus twice a log-likelihood (of the parts, as if they
were independent), shifted so that it is 0 for a perfect fit. It ranks hypotheses; verdicts come from tests.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from fsp.distribution import Distribution
from fsp.validation.laws import Law
from fsp.validation.samples import MomentRow, Samples

__all__ = ["Fit"]

_CELLS, _BINS, _PAIRS = 20, 6, 6


@dataclass(frozen=True, eq=False)
class _Part:
    time: float
    names: tuple[str, ...]
    edges: tuple[NDArray[np.int64], ...]
    seen: NDArray[np.float64]

    def count(
        self, states: NDArray[np.int64], weights: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Return the weight in each cell, a flat table."""
        shape = tuple(len(edges) + 1 for edges in self.edges)
        bins = tuple(np.searchsorted(edges, states[:, k]) for k, edges in enumerate(self.edges))
        cells = np.ravel_multi_index(bins, shape)
        return np.bincount(cells, weights, int(np.prod(shape))).astype(np.float64)


class Fit:
    """The samples, cut into cells."""

    def __init__(self, samples: Samples) -> None:
        self._parts: list[_Part] = []
        self._rows = samples.moments
        for table in samples.tables:
            singles = [(name,) for name in table.names]
            pairs = itertools.islice(itertools.combinations(table.names, 2), _PAIRS)
            for names in [*singles, *pairs]:
                part = table.project(names)
                bins = _CELLS if len(names) == 1 else _BINS
                edges = tuple(_cuts(part.states[:, k], part.weights, bins) for k in range(len(names)))
                empty = _Part(table.time, names, edges, np.empty(0))
                seen = empty.count(part.states, part.weights.astype(np.float64))
                self._parts.append(_Part(table.time, names, edges, seen))

    @property
    def freedom(self) -> int:
        """About what the deviance is when the law is right."""
        return sum(int(np.sum(p.seen > 0)) - 1 for p in self._parts) + 2 * len(self._rows)

    def is_good(self, deviance: float) -> bool:
        """Say whether a deviance is no larger than that of a right law would be; parts depend on one another."""
        free = max(1, self.freedom)
        return deviance <= free + 6.0 * math.sqrt(2.0 * free)

    def deviance(self, laws: Mapping[float, Distribution]) -> float:
        """Return the deviance of the samples under exact laws."""
        total = 0.0
        for part in self._parts:
            law = Law.of(laws[part.time], part.names)
            exact = part.count(law.states, law.masses)
            n = part.seen.sum()
            q = np.maximum(exact / exact.sum(), 1e-3 / n)
            total += _two_log(part.seen, n * q)
        for row in self._rows:
            total += _row_deviance(laws[row.time], row)
        return total

    def deviance_from(self, simulated: Mapping[float, tuple[tuple[str, ...], NDArray[np.int64]]]) -> float:
        """Return the likelihood-ratio statistic of two samples: these and simulated states at each time."""
        return sum(g for g, _ in self._two_samples(simulated))

    def same_as(
        self, simulated: Mapping[float, tuple[tuple[str, ...], NDArray[np.int64]]], level: float
    ) -> bool:
        """Say whether no part differs from simulated states at a level (asymptotic, Bonferroni)."""
        parts = self._two_samples(simulated)
        return all(special.chdtrc(max(1, free), g) * len(parts) > level for g, free in parts)

    def _two_samples(
        self, simulated: Mapping[float, tuple[tuple[str, ...], NDArray[np.int64]]]
    ) -> list[tuple[float, int]]:
        found = []
        for part in self._parts:
            names, states = simulated[part.time]
            other = part.count(states[:, [names.index(name) for name in part.names]])
            n, m = part.seen.sum(), other.sum()
            pooled = (part.seen + other) / (n + m)
            free = int(np.sum(pooled > 0)) - 1
            found.append((_two_log(part.seen, n * pooled) + _two_log(other, m * pooled), free))
        return found


def _cuts(counts: NDArray[np.int64], weights: NDArray[np.int64], bins: int) -> NDArray[np.int64]:
    """Return the last counts of cells with about equal numbers of samples, and an empty cell below them."""
    order = np.argsort(counts, kind="stable")
    cumulated = np.cumsum(weights[order])
    levels = cumulated[-1] * np.arange(1, bins) / bins
    cuts = counts[order][np.searchsorted(cumulated, levels)]
    return np.unique(np.append(cuts, [counts.min() - 1, counts.max()]))


def _two_log(seen: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    some = seen > 0
    return 2.0 * float(np.sum(seen[some] * np.log(seen[some] / expected[some])))


def _row_deviance(distribution: Distribution, row: MomentRow) -> float:
    """Return the squares of the standardised mean and variance, as if they were normal."""
    law = Law.of(distribution, (row.name,))
    counts = law.states[:, 0].astype(np.float64)
    mean = float(counts @ law.masses) / float(law.masses.sum())
    variance = float(np.square(counts - mean) @ law.masses) / float(law.masses.sum())
    fourth = float((counts - mean) ** 4 @ law.masses) / float(law.masses.sum())
    if variance < 1e-12:
        return 0.0 if abs(row.mean - mean) < 1e-9 * max(1.0, mean) else 1e6
    total = row.n * (row.mean - mean) ** 2 / variance
    if row.deviation is not None:
        spread = max(1e-3, fourth / variance**2 - 1.0 + 2.0 / (row.n - 1))
        total += row.n * (row.deviation**2 / variance - 1.0) ** 2 / spread
    return min(1e6, total)
