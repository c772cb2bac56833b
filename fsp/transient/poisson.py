"""Poisson weights for uniformisation, with the mass that is cut off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["PoissonSeries", "poisson_series"]


@dataclass(frozen=True)
class PoissonSeries:
    """Truncated Poisson probabilities.

    Attributes
    ----------
    weights : ndarray of float64, shape (n + 1,)
        Probability of k jumps, for k = 0 ... n; zero where left out.
    fine : ndarray of long double, shape (n + 1,)
        The same with their full precision.
    later : ndarray of float64, shape (n + 2,)
        Probability of at least k jumps.
    missing : float
        Bound on the probability that the weights leave out.
    """

    weights: NDArray[np.float64]
    fine: NDArray[np.longdouble]
    later: NDArray[np.float64]
    missing: float

    @property
    def n_products(self) -> int:
        """How many products the series takes."""
        return self.weights.size - 1


def poisson_series(mean: float | np.longdouble, budget: float) -> PoissonSeries:
    """Return the Poisson probabilities of ``mean``, leaving out at most ``budget`` in total.

    The terms are computed by recursion from the mode in extended precision and normalised (Fox and Glynn 1988,
    Communications of the ACM 31:440-445), so they are accurate to a few units in the last place. O(sqrt(mean)) terms
    around the mode; the terms between 0 and these are zero.

    Examples
    --------
    >>> series = poisson_series(3.0, 1e-10)
    >>> bool(abs(series.weights.sum() - 1.0) <= 1e-10)
    True
    """
    mean = np.longdouble(mean)
    mode = int(mean)
    reach = int(14.0 * np.sqrt(float(mean) + 1.0)) + 60  # terms beyond are below 1e-40
    if 0.0 < budget < 1e-30:  # for probabilities far below one; Bennett's bound of what lies beyond
        depth = 10.0 - np.log(budget)
        reach = max(reach, int(depth / 3.0 + np.sqrt(depth**2 / 9.0 + 2.0 * depth * (float(mean) + 1.0))) + 1)
    up = np.arange(mode + 1, mode + reach + 1)
    right = np.cumprod(mean / up)
    down = np.arange(mode, max(mode - reach, 0), -1)
    left = np.cumprod(down / mean) if mean > 0 else np.zeros(0, np.longdouble)
    terms = np.concatenate([left[::-1], np.ones(1, np.longdouble), right])
    terms /= terms.sum()
    lowest = mode - left.size
    head = np.cumsum(terms)
    tail = np.cumsum(terms[::-1])[::-1]
    skip = int(np.searchsorted(head, budget / 4))  # terms before this one are left out
    keep = int(np.searchsorted(-tail, -budget / 2))  # and from this one on
    keep = max(keep, skip + 1)
    last = lowest + keep - 1
    fine = np.zeros(last + 1, np.longdouble)
    fine[lowest + skip :] = terms[skip:keep]
    later = np.ones(last + 2)
    later[lowest + 1 : last + 2] = np.append(tail, 0.0)[1 : keep + 1]
    missing = float((head[skip - 1] if skip else 0.0) + (tail[keep] if keep < tail.size else 0.0))
    missing += min(1e-30, 1e-4 * budget) if 0.0 < budget else 1e-30  # beyond the reach
    return PoissonSeries(fine.astype(np.float64), fine, later, missing)
