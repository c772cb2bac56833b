"""Reduced coordinates: the independent species, in an order whose last axis is the fibre axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["Coordinates"]

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Coordinates:
    """The linear map between counts of all species and the coordinates in which states are enumerated.

    Species that a conservation law determines are not enumerated: ``counts = offset + matrix @ y`` for the reduced
    coordinates ``y``, which are counts of the independent species.

    Attributes
    ----------
    species_names : tuple of str
        All species, in the order of the network.
    axes : tuple of int
        The species that each axis counts; the last one is the fibre axis.
    offset, matrix : ndarray of int64
        Of shapes ``(n_species,)`` and ``(n_species, n_axes)``.
    shifts : ndarray of int64, shape (n_reactions, n_axes)
        What each reaction adds to the reduced coordinates.
    """

    species_names: tuple[str, ...]
    axes: tuple[int, ...]
    offset: IntArray
    matrix: IntArray
    shifts: IntArray

    @classmethod
    def of(
        cls, network: ReactionNetwork, fibre_axis: int | None = None, *, eliminate: bool = True
    ) -> Coordinates:
        """Return the coordinates of a network; ``fibre_axis`` is a species that is to be last.

        Without it, the species with the largest conserved bound is last, and one without a bound is preferred: its
        runs are the longest for all that is known before the first step. Without ``eliminate`` all species are
        enumerated, for initial laws that mix several conserved totals.
        """
        laws = network.conservation_laws()
        every = list(range(network.n_species))
        if eliminate and laws.independent:
            independent, matrix = list(laws.independent), laws.matrix
            offset, bounds = np.asarray(laws.offset, np.int64), laws.upper_bounds
        elif eliminate and len(laws):  # every species is fixed by a law: keep one axis of a single state
            independent, matrix = [0], np.eye(network.n_species, 1, dtype=np.int64)
            offset = np.asarray(network.initial_state, np.int64).copy()
            offset[0], bounds = 0, laws.upper_bounds
        else:
            independent, matrix = every, np.eye(network.n_species, dtype=np.int64)
            offset, bounds = np.zeros(network.n_species, np.int64), np.full(network.n_species, np.inf)
        if fibre_axis is None:
            fibre_axis = max(independent, key=lambda s: (bounds[s], network.initial_state[s], s))
        order = [s for s in independent if s != fibre_axis] + [fibre_axis]
        matrix = np.ascontiguousarray(matrix[:, [independent.index(s) for s in order]], dtype=np.int64)
        shifts = np.ascontiguousarray(network.stoichiometry[:, order], dtype=np.int64)
        return cls(network.species_names, tuple(order), offset, matrix, shifts)

    def with_fibre_axis(self, axis: int) -> Coordinates:
        """Return the same coordinates with another of the axes (its position in ``axes``) as the fibre axis."""
        order = [a for a in range(self.n_axes) if a != axis] + [axis]
        return Coordinates(
            self.species_names,
            tuple(self.axes[a] for a in order),
            self.offset,
            np.ascontiguousarray(self.matrix[:, order]),
            np.ascontiguousarray(self.shifts[:, order]),
        )

    @property
    def n_axes(self) -> int:
        """The number of enumerated species."""
        return len(self.axes)

    def to_counts(self, reduced: IntArray) -> IntArray:
        """Return the counts of all species, shape ``(m, n_species)``, for reduced states ``(m, n_axes)``."""
        reduced = np.asarray(reduced, dtype=np.int64)
        if self.matrix.shape[0] == self.matrix.shape[1]:
            out = np.empty((reduced.shape[0], self.matrix.shape[0]), np.int64)
            out[:, list(self.axes)] = reduced
            return out
        return self.offset + reduced @ self.matrix.T

    def to_reduced(self, counts: IntArray) -> IntArray:
        """Return the reduced coordinates of full states ``(m, n_species)``."""
        return np.ascontiguousarray(np.asarray(counts, dtype=np.int64)[:, list(self.axes)])

    def consistent(self, counts: IntArray) -> NDArray[np.bool_]:
        """Tell which full states obey the conservation laws that the map is built on."""
        counts = np.asarray(counts, dtype=np.int64)
        return np.asarray((self.to_counts(self.to_reduced(counts)) == counts).all(axis=1))

    def reads(self, species: tuple[str, ...]) -> tuple[int, ...]:
        """Return the axes that the counts of the named species depend on, ascending."""
        rows = [self.species_names.index(name) for name in species]
        return tuple(int(a) for a in np.flatnonzero((self.matrix[rows] != 0).any(axis=0)))
