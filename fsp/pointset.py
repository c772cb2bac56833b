"""A state set given by its list of states."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsp.errors import ArgumentError

__all__ = ["ListedStates", "PointSet", "as_states"]

#: Mixed-radix keys stay below this, well inside 64 bits.
_KEY_LIMIT = 2**62


def as_states(states: ArrayLike, n_species: int) -> NDArray[np.int64]:
    """Return ``states`` as an integer array of shape (m, n_species).

    Raises
    ------
    ArgumentError
        When the shape does not fit, or a count is not a whole number of at least 0.
    """
    array = np.asarray(states)
    if array.size == 0:
        array = array.reshape(0, n_species)
    if array.ndim == 1 and n_species == 1:
        array = array[:, np.newaxis]
    if array.ndim != 2 or array.shape[1] != n_species:
        message = f"states need the shape (n_states, {n_species}), one column per species, not {array.shape}"
        raise ArgumentError(message)
    if array.dtype.kind not in "iu" and array.size:
        if array.dtype.kind != "f" or not bool(np.all(array == np.floor(array))):
            message = f"states are whole numbers of molecules, not {array.ravel()[:4].tolist()}..."
            raise ArgumentError(message)
        if bool(np.any(np.abs(array) >= 2.0**53)):
            message = "counts given as floating-point numbers must be below 2**53; give integers"
            raise ArgumentError(message)
    result = array.astype(np.int64)
    if result.size and int(result.min()) < 0:
        row = int(np.argmax((result < 0).any(axis=1)))
        message = f"a count is negative in the state {tuple(result[row].tolist())}"
        raise ArgumentError(message)
    return result


class PointSet:
    """States in lexicographic order, each stored as one row.

    Parameters
    ----------
    states : array_like of int, shape (n_states, n_species)
        The states, in lexicographic order and without repetition; see ``from_states`` for any order.
    species_names : sequence of str
        One name per column.

    Examples
    --------
    >>> points, order = PointSet.from_states([[2, 0], [0, 1]], ["A", "B"])
    >>> points.states().tolist(), order.tolist()
    ([[0, 1], [2, 0]], [1, 0])
    >>> points.index(np.array([[2, 0], [1, 1]])).tolist()
    [1, -1]
    """

    def __init__(self, states: ArrayLike, species_names: Sequence[str]) -> None:
        self._names = tuple(species_names)
        if len(set(self._names)) != len(self._names) or not self._names:
            message = f"species need names, each different from the others, not {list(self._names)}"
            raise ArgumentError(message)
        self._states = as_states(states, len(self._names))
        self._states.setflags(write=False)

    @classmethod
    def from_states(
        cls, states: ArrayLike, species_names: Sequence[str]
    ) -> tuple[PointSet, NDArray[np.int64]]:
        """Return the set of the given states, and the order that sorts them.

        Raises
        ------
        ArgumentError
            When a state is given twice.
        """
        rows = as_states(states, len(tuple(species_names)))
        order = np.lexsort(rows.T[::-1]) if len(rows) else np.empty(0, dtype=np.int64)
        rows = rows[order]
        repeated = (rows[1:] == rows[:-1]).all(axis=1)
        if bool(repeated.any()):
            message = f"the state {tuple(rows[int(np.argmax(repeated))].tolist())} is given twice"
            raise ArgumentError(message)
        return cls(rows, species_names), order

    @property
    def species_names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self._names

    @property
    def n_states(self) -> int:
        """The number of states."""
        return len(self._states)

    def states(self, start: int = 0, stop: int | None = None) -> NDArray[np.int64]:
        """Return the states at the positions ``start`` to ``stop``, a read-only view."""
        return self._states[start:stop]

    def counts(self, species: int, start: int = 0, stop: int | None = None) -> NDArray[np.int64]:
        """Return one column of ``states(start, stop)``."""
        return self._states[start:stop, species]

    def index(self, states: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the position of each row, -1 where it is absent; O(m n_species log n_states)."""
        rows = np.asarray(states, dtype=np.int64)
        if not self.n_states or not len(rows):
            return np.full(len(rows), -1, dtype=np.int64)
        found = np.ones(len(rows), dtype=bool)
        keys = np.zeros(len(rows), dtype=np.int64)
        for column, (values, ranks) in enumerate(self._tables):
            if ranks is not None:
                keys, here = _rank(ranks, keys)
                found &= here
            digit, here = _rank(values, rows[:, column])
            found &= here
            keys = keys * len(values) + digit
        position, here = _rank(self._keys, keys)
        return np.where(found & here, position, -1)

    @cached_property
    def _tables(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64] | None]]:
        """For each column its values and, where keys would overflow, the keys that occur before it."""
        tables: list[tuple[NDArray[np.int64], NDArray[np.int64] | None]] = []
        keys = np.zeros(self.n_states, dtype=np.int64)
        size = 1
        for column in range(len(self._names)):
            values, digit = np.unique(self._states[:, column], return_inverse=True)
            ranks = None
            if size * len(values) >= _KEY_LIMIT:
                ranks, keys = np.unique(keys, return_inverse=True)
                size = len(ranks)
            keys = keys * len(values) + digit
            size *= len(values)
            tables.append((values, ranks))
        self._keys = keys
        return tables

    _keys: NDArray[np.int64]

    def __len__(self) -> int:
        return self.n_states

    def __repr__(self) -> str:
        return f"PointSet({self.n_states} states of {', '.join(self._names)})"


class ListedStates(PointSet):
    """States in the order in which they are given, which need not be lexicographic.

    Examples
    --------
    >>> listed = ListedStates([[2, 0], [0, 1]], ["A", "B"])
    >>> listed.states().tolist(), listed.index(np.array([[0, 1], [2, 0], [9, 9]])).tolist()
    ([[2, 0], [0, 1]], [1, 0, -1])
    """

    @cached_property
    def _sorted(self) -> tuple[PointSet, NDArray[np.int64]]:
        return PointSet.from_states(self._states, self._names)

    def index(self, states: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the position of each row, -1 where it is absent; the first call sorts the states."""
        points, order = self._sorted
        position = points.index(states)
        return np.where(position >= 0, order[np.maximum(position, 0)], -1) if len(order) else position


def _rank(
    sorted_values: NDArray[np.int64], values: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return where each value stands in ``sorted_values``, and whether it occurs there."""
    position = np.searchsorted(sorted_values, values)
    position = np.minimum(position, len(sorted_values) - 1)
    return position.astype(np.int64), sorted_values[position] == values
