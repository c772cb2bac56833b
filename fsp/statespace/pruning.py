"""Pruning: which states to drop so that what is lost stays within a budget."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fsp.statespace.fibres import FibreSet

__all__ = ["prune"]


@njit(cache=True, nogil=True)
def _threshold(p, rate, duration, budget):  # type: ignore[no-untyped-def]
    """Largest score, by quarter powers of two, under which all scores add up to at most ``budget``; and how many."""
    bins = np.zeros(8800, np.float64)
    size = np.zeros(8800, np.int64)
    for i in range(p.size):
        score = p[i] * (1.0 + rate[i] * duration)
        where = 0
        if score > 0.0:
            mantissa, exponent = math.frexp(score)
            where = min(max(4 * (exponent + 1100) + int((mantissa - 0.5) * 8.0), 0), bins.size - 1)
        bins[where] += score
        size[where] += 1
    below = 0.0
    count = 0
    cut = 0
    while cut < bins.size and below + bins[cut] <= budget:
        below += bins[cut]
        count += size[cut]
        cut += 1
    exponent = cut // 4 - 1100
    if cut == 0 or exponent < -1070:
        return 0.0, 0
    return (0.5 + 0.125 * (cut % 4)) * 2.0 ** min(exponent, 1023), count


@njit(cache=True, nogil=True)
def _keep(p, rate, duration, threshold, keep):  # type: ignore[no-untyped-def]
    lost = 0.0
    for i in range(p.size):
        keep[i] = p[i] * (1.0 + rate[i] * duration) >= threshold
        if not keep[i]:
            lost += p[i]
    return lost


def prune(
    space: FibreSet, p: NDArray[np.float64], rate: NDArray[np.float64], duration: float, budget: float,
    worthwhile: float = 0.1,
) -> FibreSet | None:  # fmt: skip
    """Return a smaller set, or ``None`` if dropping states within the budget would not make it much smaller.

    A state counts by its probability and by what flows through it in the time ``duration``: a state of low probability
    and large flux is kept, because dropping it would cut off whatever lies behind it.

    Parameters
    ----------
    space : FibreSet
    p, rate : ndarray
        Probability and exit rate of each state.
    duration : float
        Time over which flux counts.
    budget : float
        Bound on the sum of probability and flux of the states that are dropped.
    worthwhile : float
        Fraction of states that must go for the smaller set to be worth building.
    """
    threshold, count = _threshold(p, rate, duration, budget)
    if count < worthwhile * space.n_states or count >= space.n_states:
        return None
    keep = np.empty(space.n_states, np.bool_)
    _keep(p, rate, duration, threshold, keep)
    return space.where(keep)
