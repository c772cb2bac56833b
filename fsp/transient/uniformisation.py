"""Uniformisation: ``exp(hA) p = sum_k Poisson(k; Lambda h) (I + A/Lambda)^k p`` in non-negative arithmetic.

Jensen (1953), Skandinavisk Aktuarietidskrift 36:87-91; Grassmann (1977), Computers and Operations Research 4:47-53.
Every term is non-negative, and everything left out or lost makes the result smaller: it is a lower bound on the
distribution. Because the series is summed product by product, the state set may grow between two products (a moving
window in the sense of Henzinger, Mateescu, Wolf 2009, CAV, LNCS 5643:337-352): the outflow of the next product is
known before it is made, so no probability is lost that a larger set would have kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsp.transient.poisson import PoissonSeries, poisson_series
from fsp.transient.protocol import Operator, Progress
from fsp.transient.vectors import add_to, empty_like, has_room, lengthened

__all__ = ["Uniformisation"]

FloatArray = NDArray[np.float64]

#: The uniformisation rate stays above the largest exit rate by at least this factor, so that every coefficient of the
#: diagonal is positive. A caller whose state set grows asks for more.
HEADROOM = 1.04


class Uniformisation:
    """The series for one step; implements the `Stepper` protocol.

    Attributes
    ----------
    leaked : float
        Probability that flowed out of the set during the step.
    missing : float
        What the cut-off of the series left out.
    residence : ndarray
        Expected time spent in each boundary state of the present set, or what the operator tells instead.
    stretch : float
        What a step may leak at most, over its duration times the allowance.
    products : int
        Products made so far.
    pulse : callable or None
        Called after each product with the part of the step that is done, and the products not yet counted.
    """

    def __init__(self, headroom: float = HEADROOM) -> None:
        self.headroom = headroom
        self.products = 0
        self.pulse: Callable[[float, int], None] | None = None

    def begin(self, operator: Operator, p: FloatArray, duration: Any, budget: float) -> None:
        """Start a step of ``duration`` from ``p``, which is overwritten; its series may leave out ``budget``."""
        self.operator = operator
        # The product uses 1/Lambda rounded to a double; the series uses the Lambda that this is the inverse of.
        self.beta = 1.0 / max(operator.max_exit_rate() * max(self.headroom, HEADROOM), 1e-300)
        self.rate = 1.0 / self.beta
        self.series: PoissonSeries = poisson_series(
            np.longdouble(duration) / np.longdouble(self.beta), budget
        )
        self.missing = self.series.missing
        # Each product may leak the allowance for 1/Lambda, and a short step makes many more products than jumps.
        expected = float(duration) * self.rate
        self.stretch = max(1.0, self.series.n_products / expected) if expected > 0.0 else 1.0
        self.leaked = 0.0
        self.rounding = 0.0
        self.residence = operator.boundary_vector()
        self._k = 0
        self._v = p
        self._next = empty_like(p)
        self._total = np.multiply(p, self.series.weights[0], out=empty_like(p))
        self._error = 0.0

    def advance(self, allowance: float) -> Progress:
        """Make products until the series ends or the next one would let out more than ``allowance``, a rate."""
        operator, series, rate = self.operator, self.series, self.rate
        self._error = max(self._error, operator.product_error)
        before = self._k
        done = None
        run = getattr(operator, "run_series", None)  # the whole loop in one compiled call, where it pays
        if run is not None:
            done = run(
                self._v,
                self._next,
                self._total,
                self._k,
                series.weights,
                series.later,
                self.beta,
                allowance,
                self.residence,
            )
        if done is not None:
            self._k, leaked, swapped = done
            self.leaked += leaked
            if swapped:
                self._v, self._next = self._next, self._v
        else:
            while self._k < series.n_products:
                flow, here = operator.outflow(self._v)
                if flow * series.later[self._k + 1] > allowance:
                    break
                felt = series.later[self._k + 1] / rate
                self.leaked += flow * felt
                add_to(self.residence, felt, here)
                del here
                self._k += 1
                operator.product(self._v, self._next, 1.0, self.beta, series.fine[self._k], self._total)
                self._v, self._next = self._next, self._v
                if self.pulse is not None:
                    self.pulse(self._k / series.n_products, self._k - before)
        self.products += self._k - before
        self.rounding = self._k * self._error + 4.0 * operator.vector_error
        return Progress.DONE if self._k >= series.n_products else Progress.OUTFLOW

    @property
    def current(self) -> FloatArray:
        """The last power of the uniformised chain applied to the start."""
        return self._v

    def vectors(self) -> list[FloatArray]:
        """Return the vectors that move with the set, and forget them; the scratch vector is kept if it can grow."""
        moving = [self._v, self._total]
        if not has_room(self._next):
            self._next = np.empty(0)
        del self._v, self._total, self.operator
        return moving

    def replace(self, operator: Operator, vectors: list[FloatArray]) -> bool:
        """Go on with the series on another set; not if a state leaves faster than the uniformisation rate."""
        if operator.max_exit_rate() * (1.0 + 1e-6) > self.rate:
            return False
        self.operator = operator
        self._v, self._total = vectors
        longer = lengthened(self._next, self._v.size) if self._v.ndim == 1 else None
        self._next = np.empty(0)
        self._next = empty_like(self._v) if longer is None else longer
        self.residence = operator.boundary_vector()
        return True

    def finish(self) -> FloatArray:
        """Return the sum of the series."""
        total: FloatArray = self._total
        del self._v, self._next, self._total, self.operator
        return total
