"""Cells that states are merged into, chosen from the exact law alone, so that no cell is rare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsp.validation.laws import Law

__all__ = ["Cells", "merge_cells"]

#: At most so many cells for one species, and bins for each of two.
_MOST, _BINS = 40, 6


@dataclass(frozen=True, eq=False)
class Cells:
    """A partition of the states of one or two species.

    Attributes
    ----------
    edges : tuple of ndarray
        For each species the last counts of its bins but the last.
    cell : ndarray of int
        The cell of each combination of bins.
    probabilities : ndarray, shape (n_cells,)
        The mass of each cell.
    """

    edges: tuple[NDArray[np.int64], ...]
    cell: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @property
    def n_cells(self) -> int:
        """The number of cells."""
        return len(self.probabilities)

    def of(self, states: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the cell of each state; counts beyond the last edges belong to the outer bins."""
        bins = tuple(np.searchsorted(edges, states[:, k]) for k, edges in enumerate(self.edges))
        return np.asarray(self.cell[bins])

    def count(self, states: NDArray[np.int64], weights: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many samples fell into each cell."""
        return np.bincount(self.of(states), weights, self.n_cells).astype(np.int64)


def merge_cells(law: Law, n: int, minimum: float) -> Cells:
    """Return cells of which each expects at least ``minimum`` of n samples, as far as the law allows.

    Counts of one species are merged with their neighbours, from the smallest up, into at most 40 cells. Two species
    are cut into six bins each; combinations that expect too little make one cell together.
    """
    if len(law.names) == 1:
        edges = _greedy(law.states[:, 0], law.masses, max(minimum / n, 1.0 / _MOST))
        shape: tuple[int, ...] = (len(edges) + 1,)
        bins = np.searchsorted(edges, law.states[:, 0])
        masses = _sums(bins, law.masses, shape[0])
        return Cells((edges,), np.arange(shape[0]), masses)
    all_edges = []
    for k in range(len(law.names)):
        counts, inverse = np.unique(law.states[:, k], return_inverse=True)
        all_edges.append(_greedy(counts, _sums(inverse, law.masses, len(counts)), 1.0 / _BINS))
    shape = tuple(len(edges) + 1 for edges in all_edges)
    places = tuple(np.searchsorted(edges, law.states[:, k]) for k, edges in enumerate(all_edges))
    table = _sums(np.ravel_multi_index(places, shape), law.masses, int(np.prod(shape)))
    order = np.argsort(-table, kind="stable")
    common = int(np.sum(table * n >= minimum))
    cell = np.full(len(table), common, dtype=np.int64)
    cell[order[:common]] = np.arange(common)
    rest = float(table[order[common:]].sum())
    masses = np.append(table[order[:common]], rest)
    if common and (rest * n < minimum or common == len(table)):  # too rare even together
        cell[order[common:]] = common - 1
        masses = masses[:common].copy()
        masses[-1] += rest
    return Cells(tuple(all_edges), cell.reshape(shape), masses)


def _sums(bins: NDArray[np.intp], masses: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    return np.asarray(np.bincount(bins, masses, n), dtype=np.float64)


def _greedy(counts: NDArray[np.int64], masses: NDArray[np.float64], least: float) -> NDArray[np.int64]:
    """Return the last counts of neighbouring bins with at least a certain mass each, but for that of the last bin."""
    edges: list[int] = []
    held = 0.0
    left = float(masses.sum())
    for count, mass in zip(counts.tolist(), masses.tolist(), strict=True):
        held += mass
        if held >= least:
            if left - held < least:  # the rest would be too little: it joins this bin
                break
            edges.append(count)
            left -= held
            held = 0.0
    return np.array(edges, dtype=np.int64)
