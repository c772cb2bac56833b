"""Orders of states in which rates stay near the diagonal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray

from fsp.stationary import elimination

if TYPE_CHECKING:
    from fsp.statespace.fibres import FibreSet

__all__ = ["Band", "axis_orders", "narrow_band"]

IntArray = NDArray[np.int64]

#: Passes over the states, each from the last state of the one before; the first only finds an end.
SWEEPS = 3


@dataclass(frozen=True, eq=False)
class Band:
    """An order of the states, and how far rates then reach; see `fsp.stationary.elimination`."""

    order: IntArray
    position: IntArray  #: where each state stands in the order
    below: IntArray
    right: IntArray
    first: IntArray

    @classmethod
    def of(cls, rates: sp.csr_array, order: IntArray) -> Band:
        """Return the band of a matrix of rates (by source) in an order; O(rates) time."""
        position = np.empty_like(order)
        position[order] = np.arange(order.size)
        below, right, first = (np.empty(order.size, np.int64) for _ in range(3))
        elimination.envelope_of(rates.indptr, rates.indices, position, below, right, first)
        return cls(order, position, below, right, first)

    @cached_property
    def lower(self) -> int:
        """How far rates reach below the diagonal."""
        return int((self.below - np.arange(self.order.size)).max(initial=1)) - 1

    @cached_property
    def upper(self) -> int:
        """How far rates reach to the right of the diagonal."""
        return int((self.right - np.arange(self.order.size)).max(initial=1)) - 1

    @cached_property
    def is_dense(self) -> bool:
        """Whether the matrix takes no more memory as a square."""
        return self.lower + self.upper + 1 >= self.order.size

    @cached_property
    def entries(self) -> int:
        """Numbers that are stored."""
        n = self.order.size
        return int(n * (n if self.is_dense else self.lower + self.upper + 1))

    @cached_property
    def operations(self) -> float:
        """Multiplications and additions of the elimination."""
        k = np.arange(self.order.size, dtype=np.float64)
        return float(2.0 * (self.below - k) @ (self.right - k)) + 30.0 * k.size

    @cached_property
    def width(self) -> float:
        """The width of a band that takes as many operations and is as wide everywhere."""
        return max(float(np.sqrt(self.operations / (2.0 * max(self.order.size, 1)))), 1.0)

    @cached_property
    def seconds(self) -> float:
        """What elimination takes on a present-day core, roughly."""
        return self.operations / 3e10 + 3e-8 * self.order.size


@njit(cache=True, nogil=True)
def _breadth_first(indptr, indices, start, order):  # type: ignore[no-untyped-def]
    """Fill ``order`` with the states by their distance from ``start``; what is not reached follows in the same way."""
    n = order.size
    seen = np.zeros(n, np.uint8)
    seen[start] = 1
    order[0] = start
    tail = 1
    fresh = 0
    for head in range(n):
        if head == tail:
            while seen[fresh]:
                fresh += 1
            seen[fresh] = 1
            order[tail] = fresh
            tail += 1
        i = order[head]
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            if not seen[j]:
                seen[j] = 1
                order[tail] = j
                tail += 1


def narrow_band(rates: sp.csr_array, candidates: Iterable[IntArray] = ()) -> Band:
    """Return the order with the least work: that of the states, of their distance from a far end, or of the candidates.

    Distances are those of Cuthill and McKee, from a state that is the last one seen from another end. On a lattice of two
    species one of the orders has a band of about the shorter side, along the set, however it is bent. O(rates) time.
    """
    n = rates.shape[0]
    bands = (Band.of(rates, order) for order in chain([np.arange(n)], candidates, _distance_orders(rates)))
    return min(bands, key=lambda band: band.operations)


def _distance_orders(rates: sp.csr_array) -> Iterator[IntArray]:
    n = rates.shape[0]
    start = 0
    for sweep in range(SWEEPS if n > 2 else 0):
        order = np.empty(n, np.int64)
        _breadth_first(rates.indptr, rates.indices, start, order)
        start = int(order[-1])
        if sweep > 0:
            yield order


def axis_orders(space: FibreSet) -> Iterator[IntArray]:
    """Yield for each axis but the first the order in which its coordinate changes most slowly."""
    reduced = space.reduced()
    for axis in range(1, reduced.shape[1]):
        yield np.argsort(reduced[:, axis], kind="stable")
