"""Solutions that are checked before they are handed out: no negative entries, small residuals, balanced flows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fsp.stationary.chain import FiniteChain

__all__ = ["defect_of_expectation", "defect_of_law", "defect_of_occupation"]

FloatArray = NDArray[np.float64]


#: How far rounding of the residual itself is allowed for, relative to its terms, and at most relative to the source.
ROUNDING, MOST_ROUNDING = 1e-14, 1e-6


def _without_rounding(defect: float, terms: float) -> float:
    """Return a relative defect less what rounding makes of terms of that size, but never much less."""
    return max(defect - min(ROUNDING * terms, MOST_ROUNDING), 0.0)


def _bad(solution: FloatArray) -> bool:
    return not bool(np.isfinite(solution).all())


def _negative_part(vector: FloatArray, solution: FloatArray) -> float:
    """Return the negative part of a solution relative to it, where the right-hand side has none."""
    if vector.min(initial=0.0) < 0.0:
        return 0.0
    return float(-np.minimum(solution, 0.0).sum() / max(np.abs(solution).sum(), np.finfo(float).tiny))


def defect_of_occupation(chain: FiniteChain, source: FloatArray, times: FloatArray, accurate: bool) -> float:
    """Return a relative measure of how far ``-A times = source`` fails; infinite if there are entries that are not finite.

    For a solver that is accurate in every entry it is the largest residual of an equation relative to its terms, and
    the difference of what goes into the set and out. Otherwise it is the 1-norm of the residual relative to that of the
    source, which also bounds the error of what leaves the set, less a little that rounding makes of long exit times.
    """
    if _bad(times):
        return np.inf
    total = float(np.abs(source).sum())
    if total == 0.0:
        return float(np.abs(times).max(initial=0.0) > 0.0)
    flow = chain.exit * times
    arriving = chain.inflow @ times + source
    residual = np.abs(flow - arriving)
    worst = _negative_part(source, times)
    if accurate:
        scale = np.abs(flow) + chain.inflow @ np.abs(times) + np.abs(source)
        worst = max(worst, float((residual / np.maximum(scale, np.finfo(float).tiny)).max()))
        return max(worst, abs(float(chain.outflow @ times - source.sum())) / total)
    return max(worst, _without_rounding(float(residual.sum()) / total, float(np.abs(flow).sum()) / total))


def defect_of_expectation(
    chain: FiniteChain, reward: FloatArray, values: FloatArray, accurate: bool
) -> float:
    """Return a relative measure of how far ``-A' values = reward`` fails; see `defect_of_occupation`."""
    if _bad(values):
        return np.inf
    largest = float(np.abs(reward).max(initial=0.0))
    if largest == 0.0:
        return float(np.abs(values).max(initial=0.0) > 0.0)
    ahead = chain.outgoing @ values + reward
    residual = np.abs(chain.exit * values - ahead)
    worst = _negative_part(reward, values)
    if accurate:
        scale = np.abs(chain.exit * values) + chain.outgoing @ np.abs(values) + np.abs(reward)
        return max(worst, float((residual / np.maximum(scale, np.finfo(float).tiny)).max()))
    terms = float((chain.exit * np.abs(values)).max()) / largest
    return max(worst, _without_rounding(float(residual.max()) / largest, terms))


def defect_of_law(chain: FiniteChain, reference: int, law: FloatArray) -> float:
    """Return the 1-norm of the residual of a stationary law relative to the flow through the states.

    All outflow comes back at the reference state. An entry below zero, or a sum that is not one, counts as well.
    """
    if _bad(law):
        return np.inf
    residual = chain.inflow @ law - chain.exit * law
    residual[reference] += float(chain.outflow @ law)
    flow = max(float(chain.exit @ np.abs(law)), np.finfo(float).tiny)
    return max(
        float(np.abs(residual).sum()) / flow, float(-np.minimum(law, 0.0).sum()), abs(float(law.sum()) - 1.0)
    )
