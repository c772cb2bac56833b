"""`ExtendedGenerator`: products in double-double arithmetic, for tolerances below the rounding of double precision.

A number is an unevaluated sum of two doubles, about 106 bits (Dekker 1971, Numerische Mathematik 18:224-242). Rounding
then comes from the propensities, which are evaluated with the 64-bit significand of ``long double``. Some twenty times
slower than the other generators, and meant for sets of thousands of states.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from fsp.generator import kernels
from fsp.generator.fibre_generator import FibreGenerator
from fsp.generator.tables import FactorTables
from fsp.statespace.fibres import FibreSet

__all__ = ["EVALUATION_ERROR", "ExtendedGenerator", "extended_available", "split_double"]

FloatArray = NDArray[np.float64]

#: Relative error allowed for one propensity factor in ``long double``: a few units in its last place (2**-64).
EVALUATION_ERROR = 2.0**-60


def extended_available() -> bool:
    """Tell whether ``long double`` has a longer significand than ``double`` on this machine."""
    return bool(np.finfo(np.longdouble).nmant >= 63)


@intrinsic
def _fma(typing_context, a, b, c):  # type: ignore[no-untyped-def]
    """Compute ``a * b + c`` with a single rounding, whatever the processor."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.fma(*args)

    return types.float64(types.float64, types.float64, types.float64), codegen


# No fast-math here: the error terms below are exact only if nothing is reordered.


@njit(cache=True, nogil=True)
def _product(x, y, alpha, beta, weight, weight_lo, total, exit_hi, exit_lo, pointer, source, w_hi, w_lo):  # type: ignore[no-untyped-def]
    """``y = alpha x + beta A x`` and ``total += weight y``; rows 0 and 1 of vectors are the two parts."""
    for i in range(exit_hi.size):
        # the coefficient of the diagonal: alpha - beta * exit rate
        p = beta * exit_hi[i]
        e = _fma(beta, exit_hi[i], -p) + beta * exit_lo[i]
        s = alpha - p
        d_lo = ((alpha - s) - p) - e
        d_hi = s + d_lo
        d_lo = d_lo - (d_hi - s)
        xh = x[0, i]
        hi = d_hi * xh
        lo = _fma(d_hi, xh, -hi) + (d_hi * x[1, i] + d_lo * xh)
        for k in range(pointer[i], pointer[i + 1]):
            j = source[k]
            bw = beta * w_hi[k]
            bw_lo = _fma(beta, w_hi[k], -bw) + beta * w_lo[k]
            p = bw * x[0, j]
            e = _fma(bw, x[0, j], -p) + (bw * x[1, j] + bw_lo * x[0, j])
            s = hi + p
            b = s - hi
            lo += ((hi - (s - b)) + (p - b)) + e
            hi = s
        s = hi + lo
        y[1, i] = lo - (s - hi)
        y[0, i] = s
        if weight > 0.0:
            p = weight * s
            e = _fma(weight, s, -p) + (weight * y[1, i] + weight_lo * s)
            t = total[0, i] + p
            b = t - total[0, i]
            e += (total[0, i] - (t - b)) + (p - b) + total[1, i]
            total[0, i] = t + e
            total[1, i] = e - (total[0, i] - t)


@njit(cache=True, nogil=True)
def _largest_decrease(before, after):  # type: ignore[no-untyped-def]
    worst = 0.0
    for i in range(before.shape[1]):
        if before[0, i] > 0.0:
            change = (before[0, i] - after[0, i]) + (before[1, i] - after[1, i])
            worst = max(worst, change / before[0, i])
    return worst


def split_double(values: NDArray[np.longdouble]) -> tuple[FloatArray, FloatArray]:
    """Return numbers as unevaluated sums of two doubles."""
    high = values.astype(np.float64)
    return high, (values - high).astype(np.float64)


class ExtendedGenerator(FibreGenerator):
    """The generator in double-double arithmetic. Vectors are arrays of shape ``(2, n_states)``."""

    kind = "double-double"
    vector_error = 2.0**-56  # from the series' weights, which are long doubles

    def __init__(self, tables: FactorTables, space: FibreSet, *, threads: int | None = None) -> None:
        super().__init__(tables, space, threads=1)
        n = space.n_states
        rows, columns, _, reactions = self.triplets()
        order = np.lexsort((columns, rows))
        rows, columns, reactions = rows[order], columns[order], reactions[order]
        states = space.reduced()
        rates = tables.evaluate_extended(states)
        self._pointer = np.searchsorted(rows, np.arange(n + 1)).astype(np.int64)
        self._source_of_row = columns
        self._weights = split_double(rates[columns, reactions])
        self._exit = split_double(rates.sum(axis=1))

    @property
    def product_error(self) -> float:
        """Bound on the relative rounding error of one uniformised product."""
        return (
            2.0 * self.factors.n_tables * max(EVALUATION_ERROR, self.factors.cancellation * 2.0**-62) * 1.25
            + (3.0 * self.n_terms + 8.0) * 2.0**-98
        )

    def new_vector(self, p: FloatArray) -> FloatArray:
        """Return probabilities as a vector of this generator."""
        return np.stack([p, np.zeros_like(p)])

    def leading(self, x: FloatArray) -> FloatArray:
        """Return the vector rounded to double precision."""
        high: FloatArray = x[0]
        return high

    def apply(self, x: Any, out: FloatArray | None = None) -> FloatArray:
        """Return ``A x`` for probabilities in double precision."""
        x = self.new_vector(self._vector(x))
        image = np.empty_like(x)
        self.product(x, image, 0.0, 1.0)
        if out is None:
            return self.leading(image)
        out[:] = image[0]
        return out

    def product(
        self, x: FloatArray, out: FloatArray, alpha: float, beta: float,
        weight: Any = 0.0, total: FloatArray | None = None,
    ) -> None:  # fmt: skip
        """Set ``out = alpha x + beta A x``, then add ``weight * out`` to ``total``; the weight may be a long double."""
        target = out if total is None else total
        high = float(weight)
        _product(
            x,
            out,
            alpha,
            beta,
            high,
            float(weight - high),
            target,
            *self._exit,
            self._pointer,
            self._source_of_row,
            *self._weights,
        )

    def largest_decrease(self, before: FloatArray, after: FloatArray) -> float:
        """Return the largest relative decrease of a positive entry from one vector to another; 0 if none decreases."""
        return float(_largest_decrease(before, after)) * (1.0 + 2.0**-50)

    def outflow(self, x: FloatArray) -> tuple[float, FloatArray]:
        """Return the flow of probability out of the set (1/time), and the probabilities of the boundary states."""
        b = self.boundary
        here = x[0] if b.rates.size == self.n_states else np.empty(b.rates.size)
        return float(kernels.boundary_flow(x[0], b.positions, b.rates, here)), here

    def run_series(self, *arguments: Any) -> None:
        """Leave the loop to the caller."""

    def max_exit_rate(self) -> float:
        """Return the largest exit rate on the set."""
        return float(self._exit[0].max())
