"""Sums over very many states whose rounding error is known, so that an enclosure stays one.

Sums are taken over chunks of at most ``CHUNK`` terms. NumPy adds a contiguous chunk pairwise, in blocks of
128, which costs at most 30 roundings on the way of any term; the sums of the chunks are added exactly
(``math.fsum``). A sum of non-negative terms is therefore off by at most ``RELATIVE`` of itself, with room for
about 30 roundings in each term (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. 2002,
section 4.2).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["CHUNK", "RELATIVE", "UNIT", "BinSums", "chunk_sum", "chunks", "down", "up"]

#: States that are looked at together: large enough for vectorised work, small against a state set.
CHUNK = 1 << 18
#: Unit roundoff of double precision.
UNIT = 2.0**-53
#: Bound on the relative error of ``chunk_sum`` of non-negative terms that carry up to 30 roundings each.
RELATIVE = 64 * UNIT
#: Smallest positive number: what a term that underflows can lose.
TINY = 5e-324


def chunks(n: int, size: int = CHUNK) -> Iterator[tuple[int, int]]:
    """Yield ``(start, stop)`` pairs that cover ``range(n)``.

    Examples
    --------
    >>> list(chunks(5, 2))
    [(0, 2), (2, 4), (4, 5)]
    """
    for start in range(0, n, size):
        yield start, min(start + size, n)


def chunk_sum(parts: Iterable[NDArray[np.float64]]) -> float:
    """Return the sum of all terms of ``parts``, arrays of at most ``CHUNK`` terms each."""
    return math.fsum(float(np.sum(part)) for part in parts)


def down(total: float, n_terms: int = 1) -> float:
    """Return a lower bound of a sum of ``n_terms`` non-negative terms from its computed value."""
    return max(0.0, math.nextafter(total * (1.0 - RELATIVE), -math.inf) - n_terms * TINY)


def up(total: float, n_terms: int = 1) -> float:
    """Return an upper bound of a sum of ``n_terms`` non-negative terms from its computed value."""
    return math.nextafter(total * (1.0 + RELATIVE), math.inf) + n_terms * TINY


class BinSums:
    """Sums of non-negative weights by bin, with a bound on the rounding error of every bin.

    Plain accumulation over n weights may lose n roundings, 1e-9 for 1e7 states. Here each weight is split
    at a fixed binary digit into a high part, whose sums are exact, and a low part of at most ``UNIT * scale``
    (Demmel and Nguyen, Fast reproducible floating-point summation, ARITH 2013), so that n weights lose
    about ``(n * UNIT)**2``.

    Parameters
    ----------
    n_bins : int
        Number of bins.
    total : float
        An upper bound of the sum of all weights.

    Examples
    --------
    >>> sums = BinSums(2, 1.0)
    >>> sums.add(np.array([0, 1, 1]), np.array([0.5, 0.25, 0.125]))
    >>> sums.lower()[0].round(6).tolist()
    [0.5, 0.375]
    """

    def __init__(self, n_bins: int, total: float) -> None:
        self.n_bins = n_bins
        self._scale = 2.0 ** math.ceil(math.log2(max(total, 1e-280))) * 2.0
        self._high = np.zeros(n_bins)
        self._low = np.zeros(n_bins)
        self._size = np.zeros(n_bins)
        self.n_terms = np.zeros(n_bins, dtype=np.int64)

    def add(self, bins: NDArray[np.int64], weights: NDArray[np.float64]) -> None:
        """Add one weight to each of the given bins."""
        high = (weights + self._scale) - self._scale
        low = weights - high
        self._high += np.bincount(bins, high, self.n_bins)
        self._low += np.bincount(bins, low, self.n_bins)
        self._size += np.bincount(bins, np.abs(low), self.n_bins)
        self.n_terms += np.bincount(bins, minlength=self.n_bins)

    def lower(self) -> tuple[NDArray[np.float64], float]:
        """Return lower bounds of the exact sums, and a bound on what all of them together lack."""
        n = self.n_terms.astype(float)
        # A bin of one weight is exact: its high and low parts add up to that weight again.
        error = np.where(self.n_terms > 1, (n + 8.0) * (1.0 + 1e-3) * UNIT * self._size, 0.0)
        best = self._high + self._low
        error += np.where(self.n_terms > 1, 2.0 * UNIT * best, 0.0)
        lower = np.maximum(best - error, 0.0)
        # The subtraction rounds once more, by less than the factor two that is taken here.
        lack = up(chunk_sum(2.0 * error[a:b] for a, b in chunks(self.n_bins)), self.n_bins)
        return lower, lack if np.any(error) else 0.0
