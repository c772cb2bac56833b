"""Which propensities have to be computed anew after a reaction (the dependency graph of Gibson and Bruck 2000)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["dependents", "padded"]

#: Lists are padded to one length if the longest is not longer than this: a loop whose length changes costs a wrong guess.
SHORT = 8


def dependents(changes: NDArray[np.int64], reads: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return, for each reaction, the reactions whose propensities read a species that it changes.

    Parameters
    ----------
    changes : ndarray of int64, shape (n_reactions, n_species)
    reads : sequence of sequence of int
        The species that each propensity reads.

    Examples
    --------
    >>> dependents(np.array([[1, 0], [-1, 1]]), [[], [0]])
    [[1], [1]]
    """
    readers: dict[int, list[int]] = {}
    for r, species in enumerate(reads):
        for s in species:
            readers.setdefault(s, []).append(r)
    return [sorted({r for s in np.flatnonzero(row).tolist() for r in readers.get(s, ())}) for row in changes]


def padded(
    lists: Sequence[Sequence[int]], filler: Sequence[int]
) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """Return the lists behind one another, each in as much room as the longest needs.

    Returns
    -------
    int, ndarray, ndarray
        The room, the lengths, and the entries; short lists count as if they were all as long as the longest.
    """
    room = max(1, max((len(entries) for entries in lists), default=0))
    table = np.repeat(np.array(filler, np.int64)[:, None], room, axis=1)
    for row, entries in zip(table, lists, strict=True):
        row[: len(entries)] = entries
    lengths = np.array([len(entries) for entries in lists], np.int64)
    if room <= SHORT:
        lengths[:] = room
    return room, lengths, table.ravel()
