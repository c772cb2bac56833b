"""Chebyshev series: ``exp(hA) p = sum_k c_k T_k(I + A/L) p``, with a defect that is known after the fact.

About ``sqrt(2 L h log(1/error))`` products do what uniformisation needs ``L h`` for (Tal-Ezer and Kosloff 1984,
J. Chem. Phys. 81:3967-3971). The generator is far from normal, so the polynomials may grow by many orders of
magnitude: nothing is assumed about them, their norms are measured. By the recurrences of the Bessel functions and of
the polynomials, the defect of the series ``p_K`` telescopes into its last two terms,

``p_K' - A p_K = (L/2) (c_{K+1} t_K - c_K t_{K+1} + sum_k c_k e_{k+1})``,

where ``t_k`` are the vectors as they were computed and ``e_k`` the rounding errors of the recurrence. A sub-generator's
exponential never increases the 1-norm, so the integral of the defect bounds the error (defect or residual control:
Botchev, Grimm, Hochbruck 2013, SIAM J. Sci. Comput. 35:A1376-A1397); in the maximum norm it grows by ``exp(rho h)`` at
most, with ``rho`` the largest row sum. The result is lowered by the bound, so that every entry is a lower bound again.
The proof is in docs/theory.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsp.transient.bessel import chebyshev_weights
from fsp.transient.protocol import Operator, Progress
from fsp.transient.vectors import add_to, empty_like

__all__ = ["Chebyshev"]

FloatArray = NDArray[np.float64]

_U = 2.0**-53

#: For a number of jumps this small nothing is computed.
_NOTHING = 1e-12

#: Growth of the polynomials for which weights are provided.
_GROWTH = 1e6


class Chebyshev:
    """The series for one step; implements the `Stepper` protocol.

    The whole step is made in one go. If more leaked than was allowed, or the bound exceeds the budget, the step has to
    be begun anew, on a larger set or with a shorter duration or another method.

    Attributes
    ----------
    leaked : float
        Probability that flowed out of the set during the step.
    missing : float
        The integral of the defect, twice (for the vector and for what leaked), and what the result was lowered by.
    residence : ndarray
        Expected time spent in each boundary state, at least.
    stretch : float
        1: a step may leak its duration times the allowance.
    floor : float
        About the part of ``missing`` that more products would not make smaller.
    products : int
        Products made so far.
    """

    def __init__(self, headroom: float = 1.0) -> None:
        self.headroom = headroom
        self.products = 0
        self.pulse: Callable[[float, int], None] | None = None
        self.stretch = 1.0

    def begin(self, operator: Operator, p: FloatArray, duration: Any, budget: float) -> None:
        """Start a step of ``duration`` from ``p``, which is overwritten."""
        self.operator = operator
        self.duration = float(duration)
        self.beta = 1.0 / max(operator.max_exit_rate() * (1.0 + 1e-9), 1e-300)
        self.jumps = self.duration / self.beta * (1.0 + 1e-15)
        self.budget = budget
        self.leaked = self.missing = self.rounding = self.floor = 0.0
        self.residence = operator.boundary_vector()
        self._v = p
        self._told = self._done = False

    def advance(self, allowance: float) -> Progress:
        """Make the step; the second call accepts what leaked."""
        if not self._done:
            self._run()
            self._done = True
        if not (self.missing <= self.budget and math.isfinite(self.missing)):
            self._v = np.empty(0)  # the vector is of no use any more
            return Progress.REFUSED
        if self.leaked > allowance * self.duration and not self._told:
            self._told = True
            return Progress.OUTFLOW
        return Progress.DONE

    @property
    def current(self) -> FloatArray:
        """The time spent in the boundary states over the duration: what leaked early is not seen at the end."""
        return self.operator.on_boundary(self.residence / max(self.duration, 1e-300), self._v)

    def vectors(self) -> list[FloatArray]:
        """Return nothing: a larger set needs a new step."""
        del self._v, self.operator
        return []

    def replace(self, operator: Operator, vectors: list[FloatArray]) -> bool:
        """Refuse to go on: the defect is known for the whole step only."""
        return False

    def finish(self) -> FloatArray:
        """Return the vector at the end of the step, a lower bound."""
        vector = self._v
        del self._v, self.operator
        return vector

    # -- the series ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        if self.jumps < _NOTHING:  # no more than this leaves the states, and enters them
            self._v *= 1.0 - 2.0 * self.jumps
            self.missing = 8.0 * self.jumps
            self.rounding = 4.0 * self.operator.vector_error
            return
        operator, p, beta = self.operator, self._v, self.beta
        ones, image = empty_like(p), empty_like(p)
        ones.fill(1.0)
        count, _, _ = operator.norms(ones)
        operator.product(ones, image, 0.0, 1.0)
        row_sum = max(operator.norms(image)[2], 0.0)
        # Rounding: of the sum of a row, whose magnitudes are at most the row sum and twice the exit rate, and of rates.
        row_sum += (operator.signed_terms + 4.0) * _U * (row_sum + 2.0 / beta) + operator.product_error / beta
        wanted = 0.5 * self.budget / (count + 2.0)
        self.weights = chebyshev_weights(self.jumps, min(max(wanted / _GROWTH, 1e-280), 1e-3))
        value, integral = self.weights.value, self.weights.integral
        lengths, magnitudes = np.zeros(value.size), np.zeros(value.size)
        lengths[0], magnitudes[0], _ = operator.norms(p)
        operator.product(p, image, 1.0, beta)
        lengths[1], magnitudes[1], _ = operator.norms(image)
        total = ones
        np.multiply(p, value[0], out=total)
        leaked = self._leak(p, beta * integral[0])
        add_to(total, value[1], image)
        # Each of ``terms`` numbers in a row is off by two roundings of its weight and one of its product, and summed.
        per_column = (2.0 * operator.signed_terms + 20.0) * _U
        k, more = self._terms(p, image, total, per_column, lengths, magnitudes, wanted)
        self.products += k + 1
        self._account(k, lengths, magnitudes, per_column, row_sum, count, total)
        self.leaked = max(leaked + more, 0.0)
        np.maximum(self.residence, 0.0, out=self.residence)

    def _terms(
        self, previous: FloatArray, v: FloatArray, total: FloatArray, per_column: float, lengths: FloatArray,
        magnitudes: FloatArray, wanted: float,
    ) -> tuple[int, float]:  # fmt: skip
        """Add up the terms from the second on; return the degree and what leaked."""
        operator, beta = self.operator, self.beta
        value, integral, _ = self.weights
        refuse = 0.5 * self.budget
        run = getattr(operator, "run_recurrence", None)  # the whole loop in one compiled call, where it pays
        if run is not None:
            found = run(previous, v, total, value, integral, beta, per_column, lengths, magnitudes, wanted, refuse,
                        self.residence)  # fmt: skip
            if found is not None:
                k, leaked = found
                return int(k), float(leaked)
        leaked = rounding = 0.0
        k = 1
        while True:
            leaked += self._leak(v, 2.0 * beta * integral[k])
            rounding += integral[k] * (per_column * lengths[k] + _U * lengths[k - 1])
            if (
                k + 2 >= value.size
                or not rounding <= refuse
                or _truncation(k, integral, lengths, 2.0) <= wanted
            ):
                return k, leaked
            k += 1
            lengths[k], magnitudes[k] = operator.recurrence(v, previous, beta, value[k], total)
            previous, v = v, previous
            if self.pulse is not None:
                self.pulse(k / value.size, k + 1)

    def _leak(self, x: FloatArray, felt: float) -> float:
        """Add what flows out of the set in a time ``felt`` to the residence, and return how much it is."""
        # Without a vector for the boundary, which may be large.
        add = getattr(self.operator, "add_outflow", None)
        if add is not None:
            return float(add(x, felt, self.residence)) * felt
        flow, here = self.operator.outflow(x)
        add_to(self.residence, felt, here)
        return flow * felt

    def _account(
        self, k: int, lengths: FloatArray, magnitudes: FloatArray, per_column: float, row_sum: float, count: float,
        total: FloatArray,
    ) -> None:  # fmt: skip
        """Bound the error of the series up to degree ``k``, and lower the result by the bound."""
        value, integral, relative = self.weights
        per_row = 4.0 + 2.0 * row_sum * self.beta  # magnitudes in a row of 2 B
        exponent = row_sum * self.duration
        growth = math.exp(exponent) if exponent < 700.0 else math.inf
        # How much a rounding error in the k-th product is felt: int a_k(L s) exp(rho (h - s)) L ds, by the integral, or by
        # the Laplace transform of a_k, r^k / sqrt(q (2 + q)) with q = rho/L, which falls fast with k.
        q = row_sum * self.beta
        root = math.sqrt(q * (2.0 + q))
        laplace = np.maximum((1.0 + q - root) ** np.arange(k + 1) / root, 1e-300)
        felt = np.minimum(integral[: k + 1], laplace)
        fresh = per_column * lengths[: k + 1]
        fresh[1:] += _U * lengths[:k]
        sideways = 0.5 * per_row * per_column * magnitudes[: k + 1]
        sideways[1:] += _U * magnitudes[:k]
        column, row = float(integral[: k + 1] @ fresh), growth * float(felt @ sideways)
        self.floor = 2.0 * column + count * min(column, row)
        column += _truncation(k, integral, lengths, 2.0)
        row += growth * _truncation(k, integral, magnitudes, per_row)
        summing = relative + (k + 4.0) * _U  # of adding the terms up
        eta = min(column, row) + summing * float(value[: k + 1] @ magnitudes[: k + 1])
        column += summing * float(value[: k + 1] @ lengths[: k + 1])
        slack = 1.0 + 1e-9 + 4.0 * count * _U  # sums over all states are rounded, too
        if not (count + 2.0) * 1e-3 * eta <= self.budget:  # hopeless: do not touch the vector
            self.missing = math.inf
            return
        lost = self.operator.clip(total, eta * slack + 1e-290)
        # Rounding of the residence and of the J_k: rates of outflow are at most 1/beta, a term is felt for 2 beta J_k.
        escaped = 4.0 * summing * float(integral[: k + 1] @ lengths[: k + 1])
        self.missing = (2.0 * column + escaped + lost) * slack + 1e-29
        # Propensities are relative errors of rates, as in uniformisation: one for each jump. More jumps than these
        # have a probability below 1e-30.
        jumps = self.jumps + 12.0 * math.sqrt(self.jumps) + 60.0
        self.rounding = jumps * self.operator.product_error + 4.0 * self.operator.vector_error
        self._v = total


def _truncation(k: int, integral: FloatArray, norms: FloatArray, growth: float) -> float:
    """Integral of the last two terms of the defect; ``t_{k+1}`` is bounded by ``growth |t_k| + |t_{k-1}|``."""
    return float(integral[k + 1] * norms[k] + integral[k] * (growth * norms[k] + norms[k - 1]))
