"""Nested dissection of a set of states by their coordinates (George 1973): an order in which elimination fills less.

The set is cut in half across its longest side; the states of the lower half that exchange rates with the upper half, the
*separator*, are taken out last; and so on for what is left of either half. Each separator, and each piece that is no longer
cut, is a *node*. When it is eliminated, rates appear only among the later states that its part of the set touches, its
*boundary*. On a square of ``n`` states this takes ``O(n^1.5)`` operations and ``O(n log n)`` numbers; a band takes
``O(n^2)`` and ``O(n^1.5)``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray

__all__ = ["Dissection"]

IntArray = NDArray[np.int64]

#: Sets of no more states are not cut: there would be more to do around the fronts than in them.
PIECE = 32


class Dissection(NamedTuple):
    """Nodes in the order of elimination: halves come before the separator between them."""

    order: IntArray
    position: IntArray  #: where each state stands in the order
    start: IntArray  #: node ``k`` holds the positions from ``start[k]`` to ``start[k + 1]``
    halves: NDArray[
        np.bool_
    ]  #: whether the node is a separator, so that two parts of the set end just before it
    pointer: IntArray  #: the boundary of node ``k`` is ``boundary[pointer[k]:pointer[k + 1]]``
    boundary: IntArray  #: positions, in no order

    @classmethod
    def of(
        cls, outgoing: sp.csr_array, inflow: sp.csr_array, coordinates: IntArray, piece: int = PIECE
    ) -> Dissection:
        """Return the dissection of the states with these coordinates, shape (n_states, n_axes).

        ``outgoing`` holds the rates by source, ``inflow`` the same ones by target; sets of up to ``piece`` states are not
        cut. Any coordinates are right, but good are those among which rates do not reach far. O(n_states log n_states)
        time.
        """
        graph = outgoing.indptr, outgoing.indices, inflow.indptr, inflow.indices
        order, position, start, halves = _cut(np.ascontiguousarray(coordinates.T), piece, *graph)
        pointer, boundary = _boundaries(order, position, start, halves, *graph)
        return cls(order, position, start, halves, pointer, boundary)

    @property
    def _sizes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.diff(self.start).astype(np.float64), np.diff(self.pointer).astype(np.float64)

    @property
    def kept(self) -> int:
        """Numbers that are kept for solving: rates from and to the states of each node when they are taken out."""
        own, ahead = self._sizes
        return int((own * (own + 2.0 * ahead)).sum())

    @property
    def entries(self) -> int:
        """Numbers that are stored at once: those that are kept, and roughly those that are worked on."""
        own, ahead = self._sizes
        return self.kept + int(3.0 * ((own + ahead) ** 2).max(initial=0.0))

    @property
    def operations(self) -> float:
        """Multiplications and additions of the elimination."""
        own, ahead = self._sizes
        everything = own + ahead
        return float(2.0 / 3.0 * (everything**3 - ahead**3).sum()) + 30.0 * self.order.size

    @property
    def seconds(self) -> float:
        """What elimination takes on a present-day core, roughly."""
        return self.operations / 4e10 + 4e-7 * self.order.size


@njit(cache=True, nogil=True)
def _longest(coordinates, states, lowest, highest):  # type: ignore[no-untyped-def]
    """Return the axis along which some states reach farthest."""
    best, extent = 0, -1
    for axis in range(coordinates.shape[0]):
        x = coordinates[axis]
        low, high = x[states[0]], x[states[0]]
        for i in states:
            low, high = min(low, x[i]), max(high, x[i])
        lowest[axis], highest[axis] = low, high
        if high - low > extent:
            best, extent = axis, high - low
    return best


@njit(cache=True, nogil=True)
def _middle(x, states, low, high):  # type: ignore[no-untyped-def]
    """Return the coordinate above ``low`` that leaves about half of the states below it."""
    counts = np.zeros(high - low + 1, np.int64)
    for i in states:
        counts[x[i] - low] += 1
    below = counts[0]
    cut = 1
    while cut < high - low and below + counts[cut] // 2 < states.size // 2:
        below += counts[cut]
        cut += 1
    return low + cut


@njit(cache=True, nogil=True)
def _touches(i, indptr, indices, side, wanted):  # type: ignore[no-untyped-def]
    for k in range(indptr[i], indptr[i + 1]):
        if side[indices[k]] == wanted:
            return True
    return False


@njit(cache=True, nogil=True)
def _cut(coordinates, piece, out_indptr, out_indices, in_indptr, in_indices):  # type: ignore[no-untyped-def]
    n = coordinates.shape[1]
    order = np.arange(n)
    scratch = np.empty(n, np.int64)
    side = np.zeros(n, np.int64)  # the last upper half that a state was in
    lowest = np.empty(coordinates.shape[0], np.int64)
    highest = np.empty(coordinates.shape[0], np.int64)
    todo = [(0, n)]
    nodes = [(0, False) for _ in range(0)]
    halved = 0
    while len(todo) > 0:
        first, last = todo.pop()
        states = order[first:last]
        axis = 0
        if states.size > piece:
            axis = _longest(coordinates, states, lowest, highest)
        if states.size <= piece or highest[axis] == lowest[axis]:
            nodes.append((first, False))
            continue
        x = coordinates[axis]
        cut = _middle(x, states, lowest[axis], highest[axis])
        halved += 1
        for i in states:
            if x[i] >= cut:
                side[i] = halved
        lower = upper = between = 0
        for i in states:
            if x[i] >= cut:
                scratch[upper] = i
                upper += 1
            elif _touches(i, out_indptr, out_indices, side, halved) or _touches(
                i, in_indptr, in_indices, side, halved
            ):
                between += 1
                scratch[n - between] = i
            else:
                states[lower] = i
                lower += 1
        states[lower : lower + upper] = scratch[:upper]
        states[lower + upper :] = scratch[n - between :]
        nodes.append((last - between, True))
        todo.append((first, first + lower))
        todo.append((first + lower, last - between))
    # A node was found before its upper half, and that before its lower half.
    start = np.empty(len(nodes) + 1, np.int64)
    halves = np.empty(len(nodes), np.bool_)
    for k in range(len(nodes)):
        start[k], halves[k] = nodes[len(nodes) - 1 - k]
    start[-1] = n
    position = np.empty(n, np.int64)
    for k in range(n):
        position[order[k]] = k
    return order, position, start, halves


@njit(cache=True, nogil=True)
def _longer(values, needed):  # type: ignore[no-untyped-def]
    longer = np.empty(2 * needed, np.int64)
    longer[: values.size] = values
    return longer


@njit(cache=True, nogil=True)
def _boundaries(order, position, start, halves, out_indptr, out_indices, in_indptr, in_indices):  # type: ignore[no-untyped-def]
    n = order.size
    nodes = halves.size
    pointer = np.zeros(nodes + 1, np.int64)
    boundary = np.empty(16 * n + 16, np.int64)
    seen = np.full(n, -1, np.int64)
    open_parts = [0 for _ in range(0)]  # nodes whose boundary has not yet been handed on
    size = 0
    for k in range(nodes):
        stop = start[k + 1]
        needed = size
        for p in range(start[k], stop):
            i = order[p]
            needed += out_indptr[i + 1] - out_indptr[i] + in_indptr[i + 1] - in_indptr[i]
        if halves[k]:
            for part in open_parts[-2:]:
                needed += pointer[part + 1] - pointer[part]
        if needed > boundary.size:
            boundary = _longer(boundary, needed)
        if halves[k]:
            for _ in range(2):
                part = open_parts.pop()
                for t in range(pointer[part], pointer[part + 1]):
                    q = boundary[t]
                    if q >= stop and seen[q] != k:
                        seen[q] = k
                        boundary[size] = q
                        size += 1
        for p in range(start[k], stop):
            i = order[p]
            for t in range(out_indptr[i], out_indptr[i + 1]):
                q = position[out_indices[t]]
                if q >= stop and seen[q] != k:
                    seen[q] = k
                    boundary[size] = q
                    size += 1
            for t in range(in_indptr[i], in_indptr[i + 1]):
                q = position[in_indices[t]]
                if q >= stop and seen[q] != k:
                    seen[q] = k
                    boundary[size] = q
                    size += 1
        open_parts.append(k)
        pointer[k + 1] = size
    return pointer, boundary[:size].copy()
