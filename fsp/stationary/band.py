"""Orders of states in which rates stay near the diagonal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray
from scipy.sparse.csgraph import reverse_cuthill_mckee

if TYPE_CHECKING:
    from fsp.statespace.fibres import FibreSet

__all__ = ["Band", "axis_orders", "narrow_band"]

IntArray = NDArray[np.int64]


class Band(NamedTuple):
    """An order of the states, and how far the rates then reach below and above the diagonal."""

    order: IntArray
    lower: int
    upper: int

    @property
    def is_dense(self) -> bool:
        """Whether the matrix takes no more memory as a square."""
        return self.lower + self.upper + 1 >= self.order.size

    @property
    def position(self) -> IntArray:
        """Where each state stands in the order."""
        position = np.empty_like(self.order)
        position[self.order] = np.arange(self.order.size)
        return position

    @property
    def entries(self) -> int:
        """Numbers that are stored."""
        n = self.order.size
        return int(n * (n if self.is_dense else self.lower + self.upper + 1))

    @property
    def operations(self) -> float:
        """Multiplications and additions of the elimination."""
        n = self.order.size
        return (2.0 / 3.0 if self.is_dense else 2.0) * n * self.lower * self.upper + 30.0 * n


@njit(cache=True, nogil=True)
def _reach(indptr, indices, position):  # type: ignore[no-untyped-def]
    lower, upper = 0, 0
    for i in range(indptr.size - 1):
        for k in range(indptr[i], indptr[i + 1]):
            distance = position[indices[k]] - position[i]
            upper = max(upper, distance)
            lower = max(lower, -distance)
    return lower, upper


def narrow_band(rates: sp.csr_array, candidates: Iterable[IntArray] = ()) -> Band:
    """Return the order with the least work: that of the states, of Cuthill and McKee, reversed, or of the candidates.

    On a lattice of two species one of them has a band of about the shorter side. O(rates) time for each.
    """
    n = rates.shape[0]
    orders = [np.arange(n), *candidates]
    if n > 2:
        orders.append(reverse_cuthill_mckee(rates, symmetric_mode=False).astype(np.int64))
    bands = []
    for order in orders:
        band = Band(order, 0, 0)
        lower, upper = _reach(rates.indptr, rates.indices, band.position)
        bands.append(Band(order, int(lower), int(upper)))
    return min(bands, key=lambda band: band.operations)


def axis_orders(space: FibreSet) -> Iterator[IntArray]:
    """Yield for each axis but the first the order in which its coordinate changes most slowly."""
    reduced = space.reduced()
    for axis in range(1, reduced.shape[1]):
        yield np.argsort(reduced[:, axis], kind="stable")
