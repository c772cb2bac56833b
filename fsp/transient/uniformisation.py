"""Uniformisation: ``exp(hA) p = sum_k Poisson(k; Lambda h) (I + A/Lambda)^k p`` in non-negative arithmetic.

Jensen (1953), Skandinavisk Aktuarietidskrift 36:87-91; Grassmann (1977), Computers and Operations Research 4:47-53.
Every term is non-negative, and everything left out or lost makes the result smaller: it is a lower bound on the
distribution. Because the series is summed product by product, the state set may grow between two products (a moving
window in the sense of Henzinger, Mateescu, Wolf 2009, CAV, LNCS 5643:337-352): the outflow of the next product is
known before it is made, so no probability is lost that a larger set would have kept.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fsp.transient.poisson import PoissonSeries, poisson_series
from fsp.transient.protocol import Operator, Progress

__all__ = ["Uniformisation"]

FloatArray = NDArray[np.float64]

#: The uniformisation rate stays above the largest exit rate by at least this factor, so that every coefficient of the
#: diagonal is positive. A caller whose state set grows asks for more.
HEADROOM = 1.02


class Uniformisation:
    """The series for one step; implements the `Stepper` protocol.

    Attributes
    ----------
    leaked : float
        Probability that flowed out of the set during the step.
    missing : float
        What the cut-off of the series left out.
    products : int
        Products made so far.
    """

    def __init__(self, headroom: float = HEADROOM) -> None:
        self.headroom = headroom
        self.products = 0

    def begin(self, operator: Operator, p: FloatArray, duration: float, budget: float) -> None:
        """Start a step of ``duration`` from ``p``, whose series may leave out ``budget``."""
        self.operator = operator
        self.rate = max(operator.max_exit_rate() * max(self.headroom, HEADROOM), 1e-300)
        self.series: PoissonSeries = poisson_series(self.rate * duration, budget)
        self.missing = self.series.missing
        self.leaked = 0.0
        self.rounding = 0.0
        self.segment_loss = np.zeros(0)
        self._k = 0
        self._v = p.copy()
        self._next = np.empty_like(p)
        self._total = self._v * self.series.weights[0]
        self._error = 0.0

    def advance(self, allowance: float) -> Progress:
        """Make products until the series ends or the next one would let out more than ``allowance``, a rate."""
        operator, series, rate = self.operator, self.series, self.rate
        run = getattr(operator, "run_series", None)
        self._error = max(self._error, operator.product_error)
        before = self._k
        if run is not None:
            self._k, leaked, swapped, loss = run(
                self._v, self._next, self._total, self._k, series.weights, series.later, rate, allowance
            )
            if swapped:
                self._v, self._next = self._next, self._v
            self.leaked += leaked
            self.segment_loss = self._add(loss)
        else:
            while self._k < series.n_products:
                flow, by_segment = operator.outflow(self._v)
                felt = series.later[self._k + 1] / rate
                if flow * series.later[self._k + 1] > allowance:
                    break
                self.leaked += flow * felt
                self.segment_loss = self._add(by_segment * felt)
                self._k += 1
                operator.product(self._v, self._next, 1.0, 1.0 / rate, series.weights[self._k], self._total)
                self._v, self._next = self._next, self._v
        self.products += self._k - before
        self.rounding = self._k * (self._error + 2.0**-52) + 2.0**-50
        return Progress.DONE if self._k >= series.n_products else Progress.OUTFLOW

    def _add(self, loss: FloatArray) -> FloatArray:
        return loss.copy() if self.segment_loss.size != loss.size else self.segment_loss + loss

    @property
    def current(self) -> FloatArray:
        """The last power of the uniformised chain applied to the start."""
        return self._v

    def vectors(self) -> list[FloatArray]:
        """Return the vectors that move with the set, and forget them; the scratch vector is dropped."""
        moving = [self._v, self._total]
        del self._v, self._total, self._next
        return moving

    def replace(self, operator: Operator, vectors: list[FloatArray]) -> bool:
        """Go on with the series on another set; not if a state leaves faster than the uniformisation rate."""
        if operator.max_exit_rate() * (1.0 + 1e-6) > self.rate:
            return False
        self.operator = operator
        self._v, self._total = vectors
        self._next = np.empty_like(self._v)
        self.segment_loss = np.zeros(0)
        return True

    def finish(self) -> FloatArray:
        """Return the sum of the series."""
        total = self._total
        del self._v, self._next, self._total
        return total
