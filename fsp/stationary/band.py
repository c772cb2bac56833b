"""Orders of states in which rates stay near the diagonal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import reverse_cuthill_mckee

from fsp.stationary import elimination

if TYPE_CHECKING:
    from fsp.statespace.fibres import FibreSet

__all__ = ["Band", "axis_orders", "narrow_band"]

IntArray = NDArray[np.int64]


class Band(NamedTuple):
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

    @property
    def lower(self) -> int:
        """How far rates reach below the diagonal."""
        return int((self.below - np.arange(self.order.size)).max(initial=1)) - 1

    @property
    def upper(self) -> int:
        """How far rates reach to the right of the diagonal."""
        return int((self.right - np.arange(self.order.size)).max(initial=1)) - 1

    @property
    def is_dense(self) -> bool:
        """Whether the matrix takes no more memory as a square."""
        return self.lower + self.upper + 1 >= self.order.size

    @property
    def entries(self) -> int:
        """Numbers that are stored."""
        n = self.order.size
        return int(n * (n if self.is_dense else self.lower + self.upper + 1))

    @property
    def operations(self) -> float:
        """Multiplications and additions of the elimination."""
        k = np.arange(self.order.size, dtype=np.float64)
        return float(2.0 * (self.below - k) @ (self.right - k)) + 30.0 * k.size


def narrow_band(rates: sp.csr_array, candidates: Iterable[IntArray] = ()) -> Band:
    """Return the order with the least work: that of the states, of Cuthill and McKee, reversed, or of the candidates.

    On a lattice of two species one of them has a band of about the shorter side. O(rates) time for each.
    """
    n = rates.shape[0]
    orders = [np.arange(n), *candidates]
    if n > 2:
        orders.append(reverse_cuthill_mckee(rates, symmetric_mode=True).astype(np.int64))
    bands = [Band.of(rates, order) for order in orders]
    return min(bands, key=lambda band: band.operations)


def axis_orders(space: FibreSet) -> Iterator[IntArray]:
    """Yield for each axis but the first the order in which its coordinate changes most slowly."""
    reduced = space.reduced()
    for axis in range(1, reduced.shape[1]):
        yield np.argsort(reduced[:, axis], kind="stable")
