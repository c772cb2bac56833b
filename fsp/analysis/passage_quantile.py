"""Quantiles of hitting times: between which times the proven bounds of the probability pass a level."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fsp.errors import ToleranceError

__all__ = ["FindCdf", "bracket", "refined"]

FloatArray = NDArray[np.float64]

#: Bounds of the probability of having hit the target by each of some times, shape (2, n_times), to a tolerance.
FindCdf = Callable[[FloatArray, float], FloatArray]

#: Times that divide an interval in one run, which takes about as long as a run to its end, and the most runs.
DIVISIONS, MOST_RUNS = 16, 40

#: By what the tolerance is lowered where it is in the way, and how far.
LOWERED, LEAST_TOLERANCE = 0.01, 1e-14


def bracket(times: FloatArray, bounds: FloatArray, q: float) -> tuple[float, float]:
    """Return two times, the second may be infinite, between which the probability reaches ``q``.

    Parameters
    ----------
    times : ndarray, shape (n_times,)
    bounds : ndarray, shape (2, n_times)
        Lower and upper ends of the probability by then.
    q : float
    """
    lower, upper = bounds
    before, after = times[upper < q], times[lower >= q]
    first = float(before[-1]) if before.size else 0.0
    return first, max(first, float(after[0])) if after.size else math.inf


def refined(
    find_cdf: FindCdf, ends: tuple[float, float], q: float, width: float, tolerance: float
) -> tuple[float, float]:
    """Return two times at most ``width`` apart between which the probability reaches ``q``.

    Each run divides the interval by the times for which its bounds are computed. Where they lie so near to each other that
    their bounds overlap, the tolerance is lowered.

    Raises
    ------
    ToleranceError
        If bounds cannot be had that are narrow enough.
    """
    first, last = ends
    for _ in range(MOST_RUNS):
        if last - first <= width:
            return first, last
        times = np.unique(np.linspace(first, last, DIVISIONS + 1))
        try:
            inner = bracket(times, find_cdf(times, tolerance), q)
        except ToleranceError:  # rounding, where times lie very near to each other
            break
        gained = min(last, inner[1]) - max(first, inner[0]) <= 0.5 * (last - first)
        first, last = max(first, inner[0]), min(last, inner[1])
        if not gained:
            tolerance *= LOWERED
            if tolerance < LEAST_TOLERANCE:
                break
    message = (
        f"the {q!r}-quantile is known to lie between {first!r} and {last!r} only; where the probability hardly changes "
        "with time, or within the rounding of times, no narrower interval can be proven: ask for a larger width="
    )
    raise ToleranceError(message)
