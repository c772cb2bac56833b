"""`FibreSet`: a set of states as sorted runs of the lattice along one axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsp.errors import ArgumentError
from fsp.statespace import kernels
from fsp.statespace.coordinates import Coordinates

__all__ = ["FibreSet", "sort_fibres"]

IntArray = NDArray[np.int64]


def _sort_keys(columns: Sequence[IntArray]) -> list[IntArray]:
    """Pack integer columns into as few ``int64`` keys as possible, most significant first."""
    keys: list[IntArray] = []
    room = 0
    for column in columns:
        low = column.min() if column.size else 0
        span = int(column.max() - low) + 1 if column.size else 1
        if keys and room * span < 2**62:
            keys[-1] = keys[-1] * span + (column - low)
            room *= span
        else:
            keys.append(column - low)
            room = span
    return keys


def sort_fibres(prefix: IntArray, first: IntArray, last: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Sort intervals ``[first, last)`` and merge them into maximal fibres.

    Returns ``prefix``, ``first`` and ``length`` of the fibres; O(m log m) for m intervals.
    """
    keys = _sort_keys([*(prefix[:, axis] for axis in range(prefix.shape[1])), first])
    order = np.argsort(keys[0], kind="stable") if len(keys) == 1 else np.lexsort(keys[::-1])
    prefix, first, last = np.ascontiguousarray(prefix[order]), first[order], last[order]
    n = kernels.merge_sorted(prefix, first, last)
    if 2 * n < first.size:  # do not keep the many intervals alive for the few fibres
        return prefix[:n].copy(), first[:n].copy(), last[:n] - first[:n]
    return prefix[:n], first[:n], last[:n] - first[:n]


class FibreSet:
    """A finite set of lattice states, stored as sorted runs (fibres) along the last axis.

    Memory and set operations are proportional to the number of fibres, not of states. States are numbered in
    lexicographic order of their reduced coordinates.

    Parameters
    ----------
    coordinates : Coordinates
        What the axes mean.
    prefix : ndarray of int64, shape (n_fibres, n_axes - 1)
    first, length : ndarray of int64, shape (n_fibres,)
        Fibres in lexicographic order, disjoint and maximal, as `sort_fibres` returns them.

    Examples
    --------
    >>> import fsp
    >>> from fsp.statespace import Coordinates, FibreSet
    >>> space = FibreSet.from_states(Coordinates.of(fsp.gallery.birth_death()), [[3], [4], [7]])
    >>> space.n_states, space.n_fibres
    (3, 2)
    >>> space.index([[4], [5]]).tolist()
    [1, -1]
    """

    def __init__(self, coordinates: Coordinates, prefix: IntArray, first: IntArray, length: IntArray) -> None:
        self.coordinates = coordinates
        self.prefix = prefix
        self.first = first
        self.length = length
        self._box: tuple[IntArray, IntArray] | None = None
        self.offset = np.zeros(first.size + 1, np.int64)
        np.cumsum(length, out=self.offset[1:])

    @classmethod
    def from_intervals(
        cls, coordinates: Coordinates, prefix: IntArray, first: IntArray, last: IntArray
    ) -> FibreSet:
        """Return the union of intervals ``[first, last)``, in any order and overlapping."""
        return cls(coordinates, *sort_fibres(prefix, first, last))

    @classmethod
    def from_reduced(cls, coordinates: Coordinates, reduced: ArrayLike) -> FibreSet:
        """Return the set of the given reduced states; duplicates are allowed."""
        rows = np.asarray(reduced, dtype=np.int64).reshape(-1, coordinates.n_axes)
        last = rows[:, -1] + 1
        return cls.from_intervals(coordinates, rows[:, :-1], rows[:, -1], last)

    @classmethod
    def from_states(cls, coordinates: Coordinates, states: ArrayLike) -> FibreSet:
        """Return the set of the given states (counts of all species).

        Raises
        ------
        ArgumentError
            If a state does not obey the conservation laws of the network.
        """
        counts = np.asarray(states, dtype=np.int64).reshape(-1, len(coordinates.species_names))
        good = coordinates.consistent(counts)
        if not good.all():
            bad = dict(zip(coordinates.species_names, counts[~good][0].tolist(), strict=True))
            message = (
                f"the state {bad} has other conserved totals than the initial state of the network; "
                "give the network that initial state, or solve each total on its own"
            )
            raise ArgumentError(message)
        return cls.from_reduced(coordinates, coordinates.to_reduced(counts))

    @property
    def species_names(self) -> tuple[str, ...]:
        """All species of the network, also those that are not enumerated."""
        return self.coordinates.species_names

    @property
    def n_fibres(self) -> int:
        """The number of fibres."""
        return int(self.first.size)

    @property
    def n_states(self) -> int:
        """The number of states."""
        return int(self.offset[-1])

    @property
    def nbytes(self) -> int:
        """The memory that the set takes."""
        return sum(a.nbytes for a in (self.prefix, self.first, self.length, self.offset))

    def box(self) -> tuple[IntArray, IntArray]:
        """Return the smallest and the largest reduced coordinate on each axis."""
        if self._box is None:
            low = np.empty(self.coordinates.n_axes, np.int64)
            high = np.empty_like(low)
            kernels.bounding_box(self.prefix, self.first, self.length, low, high)
            self._box = low, high
        return self._box[0].copy(), self._box[1].copy()

    def reduced(self, start: int = 0, stop: int | None = None) -> IntArray:
        """Return the reduced coordinates of the states at positions ``start`` to ``stop``."""
        stop = self.n_states if stop is None else min(stop, self.n_states)
        out = np.empty((max(stop - start, 0), self.coordinates.n_axes), np.int64)
        if out.shape[0]:
            fibre = int(np.searchsorted(self.offset, start, side="right")) - 1
            kernels.expand(self.prefix, self.first, self.offset, fibre, start, stop, out)
        return out

    def states(self, start: int = 0, stop: int | None = None) -> IntArray:
        """Return the counts of all species, shape ``(m, n_species)``, at positions ``start`` to ``stop``."""
        return self.coordinates.to_counts(self.reduced(start, stop))

    def counts(self, species: int, start: int = 0, stop: int | None = None) -> IntArray:
        """Return the counts of one species at positions ``start`` to ``stop``."""
        row = self.coordinates.matrix[species]
        return np.asarray(self.coordinates.offset[species] + self.reduced(start, stop) @ row)

    def index(self, states: ArrayLike) -> IntArray:
        """Return the position of each state, or -1 where it is not in the set; O(m log n_fibres)."""
        counts = np.asarray(states, dtype=np.int64).reshape(-1, len(self.species_names))
        out = np.empty(counts.shape[0], np.int64)
        reduced = self.coordinates.to_reduced(counts)
        kernels.find_states(self.prefix, self.first, self.length, self.offset, reduced, out)
        out[~self.coordinates.consistent(counts)] = -1
        return out

    def _same_axes(self, other: FibreSet) -> None:
        if self.coordinates.axes != other.coordinates.axes:
            message = "the two sets are enumerated along different axes; convert one with reordered()"
            raise ArgumentError(message)

    def union(self, other: FibreSet) -> FibreSet:
        """Return the states in either set."""
        self._same_axes(other)
        prefix = np.concatenate([self.prefix, other.prefix])
        first = np.concatenate([self.first, other.first])
        last = np.concatenate([self.first + self.length, other.first + other.length])
        return FibreSet.from_intervals(self.coordinates, prefix, first, last)

    def intersection(self, other: FibreSet) -> FibreSet:
        """Return the states in both sets."""
        self._same_axes(other)
        parts = kernels.intersect_sorted(
            self.prefix, self.first, self.length, other.prefix, other.first, other.length
        )
        return FibreSet(self.coordinates, *parts)

    def where(self, keep: NDArray[np.bool_]) -> FibreSet:
        """Return the states whose entry in ``keep`` (one per state) is true."""
        keep = np.asarray(keep, dtype=bool)
        edge = np.zeros(self.n_states + 1, np.bool_)  # a run starts or ends before this state
        edge[1:-1] = keep[1:] != keep[:-1]
        edge[self.offset] = True
        cuts = np.flatnonzero(edge)
        starts = cuts[:-1][keep[cuts[:-1]]] if cuts.size > 1 else cuts[:0]
        stops = cuts[1:][keep[cuts[:-1]]] if cuts.size > 1 else cuts[:0]
        fibre = np.searchsorted(self.offset, starts, side="right") - 1
        return FibreSet(
            self.coordinates,
            np.ascontiguousarray(self.prefix[fibre]),
            self.first[fibre] + starts - self.offset[fibre],
            stops - starts,
        )

    def bridged(self, gap: int) -> FibreSet:
        """Return the set with the states between fibres on one line that are at most ``gap`` states apart."""
        last = self.first + self.length
        apart = (self.prefix[1:] != self.prefix[:-1]).any(axis=1) | (self.first[1:] - last[:-1] > gap)
        begin = np.flatnonzero(np.append(True, apart)[: self.n_fibres])
        end = np.flatnonzero(np.append(apart, True)[: self.n_fibres])
        first = self.first[begin]
        return FibreSet(self.coordinates, np.ascontiguousarray(self.prefix[begin]), first, last[end] - first)

    def transfer(
        self, vector: NDArray[np.float64], target: FibreSet, out: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.float64], float]:
        """Return the vector on the ``target`` set, zero on new states, and the sum of what has no place there."""
        self._same_axes(target)
        if out is None:
            out = np.zeros(target.n_states)
        else:
            out.fill(0.0)
        lost = kernels.overlap_copy(
            self.prefix, self.first, self.length, self.offset, vector,
            target.prefix, target.first, target.length, target.offset, out,
        )  # fmt: skip
        return out, float(lost)

    def spread(self, vector: NDArray[np.float64], target: FibreSet) -> None:
        """Move a vector to a larger set within its own memory.

        Parameters
        ----------
        vector : ndarray, shape (target.n_states,)
            Begins with the entries of the states of this set, and is overwritten.
        target : FibreSet
            It must hold all states of this set.

        Raises
        ------
        ArgumentError
            If it does not; then nothing was moved.
        """
        self._same_axes(target)
        if not kernels.spread(
            self.prefix, self.first, self.length, self.offset,
            target.prefix, target.first, target.length, target.offset, vector,
        ):  # fmt: skip
            message = (
                "a vector can be spread over a set only if the set holds all states that the vector is on"
            )
            raise ArgumentError(message)

    def reordered(self, coordinates: Coordinates) -> tuple[FibreSet, IntArray]:
        """Return the same states in other coordinates, and the old position of each new state."""
        reduced = coordinates.to_reduced(self.states())
        space = FibreSet.from_reduced(coordinates, reduced)
        position = np.empty(self.n_states, np.int64)
        kernels.find_states(space.prefix, space.first, space.length, space.offset, reduced, position)
        old = np.empty_like(position)
        old[position] = np.arange(self.n_states)
        return space, old

    def __repr__(self) -> str:
        names = ", ".join(self.species_names[s] for s in self.coordinates.axes)
        return f"FibreSet({self.n_states:,} states in {self.n_fibres:,} fibres over ({names}))"
