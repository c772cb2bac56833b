"""P-values as intervals over all laws that the solver's error bound allows, and corrections for many tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fsp.errors import ArgumentError

__all__ = ["MULTIPLICITIES", "ONE", "PValue", "adjust", "two_sided"]

#: How p-values of many tests are corrected, the default first.
MULTIPLICITIES = ("holm", "bh")


class PValue(NamedTuple):
    """The smallest and the largest p-value of a test over all laws within the enclosure.

    ``upper`` small: every such law is rejected. ``lower`` large: none is.
    """

    lower: float
    upper: float

    def doubled(self) -> PValue:
        """Return the p-value of the two-sided test from that of the side where the statistic lies."""
        return PValue(min(1.0, 2.0 * self.lower), min(1.0, 2.0 * self.upper))


ONE = PValue(1.0, 1.0)


def two_sided(tail: tuple[float, float]) -> PValue:
    """Return a p-value from the two tail probabilities of the statistic, both ends ordered.

    Examples
    --------
    >>> two_sided((0.1, 0.2))
    PValue(lower=0.2, upper=0.4)
    """
    low, high = sorted(tail)
    return PValue(low, high).doubled()


def adjust(p: Sequence[float] | NDArray[np.float64], method: str = "holm") -> NDArray[np.float64]:
    """Return p-values that are adjusted for their number: reject where they are at most the level.

    ``"holm"`` controls the probability of any false rejection, whatever the dependence between the tests (Holm
    1979, Scand. J. Statist. 6:65-70). ``"bh"`` controls the expected share of false ones among the rejections
    (Benjamini and Hochberg 1995, J. R. Statist. Soc. B 57:289-300), for independent or positively dependent tests;
    if all hypotheses are true this is the probability of any rejection.

    Raises
    ------
    ArgumentError
        For another method.

    Examples
    --------
    >>> adjust([0.01, 0.04, 0.03]).round(3).tolist(), adjust([0.01, 0.04, 0.03], "bh").round(3).tolist()
    ([0.03, 0.06, 0.06], [0.03, 0.04, 0.04])
    """
    values = np.asarray(p, dtype=np.float64)
    m = len(values)
    if method not in MULTIPLICITIES:
        message = f"the correction for many tests is one of {', '.join(MULTIPLICITIES)}, not {method!r}"
        raise ArgumentError(message)
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    if method == "holm":
        adjusted = np.maximum.accumulate(ranked * np.arange(m, 0, -1))
    else:
        adjusted = np.minimum.accumulate((ranked * m / np.arange(1, m + 1))[::-1])[::-1]
    result = np.empty(m)
    result[order] = np.minimum(adjusted, 1.0)
    return result


def gamma_tail(x: float, shape: float) -> float:
    """Return Chernoff's bound of P(G >= x) for a Gamma variable with unit rate: ``exp(-x) (e x/shape)^shape``.

    Examples
    --------
    >>> gamma_tail(1.0, 3.0), round(gamma_tail(20.0, 3.0), 7)
    (1.0, 1.23e-05)
    """
    if x <= shape or shape <= 0.0:
        return 1.0 if x <= shape or x == 0.0 else math.exp(-x)
    if math.isinf(x):
        return 0.0
    return math.exp(min(0.0, shape * (1.0 + math.log(x / shape)) - x))


def gamma_threshold(p: float, shape: float) -> float:
    """Return the x at which ``gamma_tail(x, shape)`` is p, by bisection.

    Examples
    --------
    >>> round(gamma_tail(gamma_threshold(1e-6, 4.0), 4.0) * 1e6, 6)
    1.0
    """
    low, high = shape, shape + 10.0
    while gamma_tail(high, shape) > p:
        high *= 2.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if gamma_tail(middle, shape) > p else (low, middle)
    return high
