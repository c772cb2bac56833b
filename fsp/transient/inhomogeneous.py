"""Time-inhomogeneous uniformisation: a power series in time for ``p' = (A_0 + sum_i c_i(t) A_i) p`` over one step.

With polynomials ``c_i(t + s) = sum_j c_ij s^j + r_i(s)``, ``|r_i| <= radius_i`` (proven, see `fsp.timed.polynomials`) and a
uniformisation rate Lambda, ``p(s) = exp(-Lambda s) sum_k (Lambda s)^k / k! v_k`` where ``v_0 = p`` and

    v_(k+1) = v_k + (A_0 v_k + sum_i A_i y_ik) / Lambda,    y_ik = sum_j c_ij k (k-1) ... (k-j+1) / Lambda^j v_(k-j).

For constant rates these are the vectors of uniformisation (Jensen 1953; van Dijk 1992 for rates that depend on time). The
vectors may have negative entries, so the result is no lower bound; its error is bounded by what the partial sum and the
computed vectors fail to satisfy: the evolution of a sub-generator never increases the 1-norm, hence

    ||p(h) - exact(h)||_1 <= integral over the step of ||defect(s)||_1.

A vector that is wrong by e in the equation for ``v_(k+1)`` contributes ``||e||_1 P(N >= k + 1)`` with the Poisson number N
of mean ``Lambda h``. The proof and all contributions are in docs/theory.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fsp.generator.fibre_generator import FibreGenerator
from fsp.timed.rates import Window
from fsp.transient.poisson import PoissonSeries, poisson_series
from fsp.transient.protocol import Progress

__all__ = ["LEAST_JUMPS", "InhomogeneousUniformisation", "ModulatedOperator"]

FloatArray = NDArray[np.float64]

#: The uniformisation rate stays above the largest exit rate by at least this factor.
HEADROOM = 1.02

#: Part of the allowed outflow that slowed states may cost.
SHARE_SLOWED = 0.25

#: 1-norm of a vector of the series, over that of the first, from which the step is too long for its rates.
LARGEST_NORM = 8.0

#: Fewest expected jumps of a step with rates that change within it. The series extrapolates the polynomials to as many
#: jumps as it has terms: with few expected ones that is far beyond the step.
LEAST_JUMPS = 16.0

#: States in a block of the loops over vectors.
BLOCK = 1024

_FAST = {"contract", "nsz", "arcp", "reassoc"}


class _RefusedError(Exception):
    """The step cannot be made: it is too long, or its polynomials are too coarse."""


class ModulatedOperator(Protocol):
    """What this stepper sees of a generator; see `fsp.timed.modulated.ModulatedGenerator`."""

    parts: list[FibreGenerator | None]
    part_exits: FloatArray
    largest_exits: FloatArray

    @property
    def window(self) -> Window:
        """Polynomials of the functions of time over the step."""
        ...

    def exit_rates(self) -> FloatArray:
        """Return upper bounds of the exit rates within the step."""
        ...


# Blocks stay in the first-level cache; slices, because loops over them are vectorised.


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _combine(out, ring, slots, factors):  # type: ignore[no-untyped-def]
    """``out = sum_j factors[j] ring[slots[j]]``."""
    n = out.size
    for start in range(0, n, BLOCK):
        y = out[start : start + BLOCK]
        x = ring[slots[0], start : start + BLOCK]
        f = factors[0]
        for i in range(y.size):
            y[i] = f * x[i]
        for j in range(1, slots.size):
            x = ring[slots[j], start : start + BLOCK]
            f = factors[j]
            for i in range(y.size):
                y[i] += f * x[i]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _account(v, exits, first, total, weight, flows):  # type: ignore[no-untyped-def]
    """Add ``weight v`` to the total; put the flows ``exits[i] . |v|``, ``i >= first``, into ``flows``; return the norm."""
    n = v.size
    norm = 0.0
    flows[first:] = 0.0
    for start in range(0, n, BLOCK):
        x = v[start : start + BLOCK]
        part = 0.0
        for i in range(x.size):
            part += abs(x[i])
        norm += part
        if weight != 0.0:
            y = total[start : start + BLOCK]
            for i in range(x.size):
                y[i] += weight * x[i]
        for k in range(first, exits.shape[0]):
            e = exits[k, start : start + BLOCK]
            part = 0.0
            for i in range(x.size):
                part += e[i] * abs(x[i])
            flows[k] += part
    return norm


@njit(cache=True, nogil=True)
def _boundary_flow(x, positions, rates, here):  # type: ignore[no-untyped-def]
    """Flow out of the set, every entry taken as positive; the absolute entries at the boundary go into ``here``."""
    flow = 0.0
    if rates.size == x.size:
        for i in range(rates.size):
            here[i] = abs(x[i])
            flow += rates[i] * here[i]
        return flow
    for i in range(positions.size):
        here[i] = abs(x[positions[i]])
        flow += rates[i] * here[i]
    return flow


class InhomogeneousUniformisation:
    """The series for one step; implements the `Stepper` protocol on a `ModulatedOperator`.

    States that are added on the way may leave faster than the uniformisation rate, which would make the series unstable.
    They are slowed down to that rate, and what this changes is measured and booked: they carry little probability, or else
    the step is refused.

    Attributes
    ----------
    leaked, missing, rounding : float
        Outflow of the step, cut-off of the series, rounding: bounds on the 1-norm of the error.
    varied : float
        What the radii of the polynomials and slowed states contribute to the error.
    flows : ndarray
        Expected number of firings of each part in the step, over its function of time.
    coarse : bool
        Whether the step was refused because its polynomials are too coarse for the flows that it turned out to have;
        else it is too long for its series.
    residence : ndarray
        Expected time in the boundary states, of all parts behind one another (see `residences`).
    """

    lower_bound = False

    def __init__(self, headroom: float = HEADROOM) -> None:
        self.headroom = headroom
        self.products = 0
        self.pulse: Callable[[float, int], None] | None = None

    def begin(self, operator: Any, p: FloatArray, duration: Any, budget: float) -> None:
        """Start a step of ``duration`` from ``p``, which is kept; its series may leave out about ``budget``."""
        span = float(duration)
        self._window: Window = operator.window
        degrees = [polynomial.degree for polynomial in self._window.polynomials]
        self._degree = max(degrees, default=0)
        rate = operator.max_exit_rate() * max(self.headroom, HEADROOM)
        self.beta = 1.0 / max(rate, (LEAST_JUMPS if self._degree else 1e-3) / max(span, 1e-290))
        self.rate = 1.0 / self.beta
        self.series: PoissonSeries = poisson_series(
            np.longdouble(duration) / np.longdouble(self.beta), budget
        )
        n = self.series.n_products
        expected = span * self.rate
        self.stretch = max(1.0, n / expected) if expected > 0.0 else 1.0
        # c_ij k (k-1) ... (k-j+1) / Lambda^j
        falling = np.ones((n + 1, self._degree + 1))
        for j in range(1, self._degree + 1):
            falling[:, j] = falling[:, j - 1] * np.maximum(np.arange(n + 1) - (j - 1), 0) * self.beta
        self._factors = [
            falling[:, : polynomial.degree + 1] * np.array(polynomial.coefficients)
            for polynomial in self._window.polynomials
        ]
        self.leaked = self.missing = self.rounding = self.varied = self._slowed_flow = 0.0
        self.flows = np.zeros(len(operator.parts))
        self._ring = np.zeros((self._degree + 2, p.size))
        self._ring[0] = p
        self._total = np.zeros_like(p)
        self.coarse = False
        self._k = 0
        self._counted = -1
        self._norms: list[float] = []
        self._here: FloatArray = np.zeros(len(operator.parts))
        self._take(operator)

    def _take(self, operator: Any) -> None:
        """Work on an operator from here on."""
        self.operator: ModulatedOperator = operator
        n = self._ring.shape[1]
        self._y = np.zeros((len(operator.parts), n))
        self._scratch = np.zeros(n)
        self._exits = np.ascontiguousarray(operator.part_exits)
        exits = operator.exit_rates()
        self._slowed = np.flatnonzero(exits > self.rate)
        self._slowing = self.rate / exits[self._slowed]
        self._shares = self.beta * operator.largest_exits
        self._edge = [np.zeros(0 if part is None else part.boundary.rates.size) for part in operator.parts]
        #: Expected time in the boundary states of each part; times its function of time.
        self.residences = [edge.copy() for edge in self._edge]

    @property
    def residence(self) -> FloatArray:
        """The residences of all parts behind one another."""
        return np.concatenate(self.residences)

    def advance(self, allowance: float) -> Progress:
        """Make products until the series ends or the next one would let out more than ``allowance``, a rate."""
        try:
            return self._advance(allowance)
        except _RefusedError:
            return Progress.REFUSED

    def _advance(self, allowance: float) -> Progress:
        series, last = self.series, self.series.n_products
        while True:
            k = self._k
            v = self._ring[k % len(self._ring)]
            if self._counted < k:
                self._count(v, float(series.weights[k]))
            if k == last:
                break
            self._form(k, v)
            later = max(float(series.later[k + 1]), 1e-300)
            felt = later * self.beta
            flow = self._outflow(v)
            if flow * later > allowance:
                return Progress.OUTFLOW
            self._slowed_flow += self._slow_down(v, allowance / later) * felt
            self.leaked += flow * felt
            for residence, here in zip(self.residences, self._edge, strict=True):
                residence += felt * here
            self.flows += felt * self._here
            self.rounding += later * self._local_rounding(k)
            self._multiply(v, self._ring[(k + 1) % self._ring.shape[0]])
            self._k += 1
            self.products += 1
            if self.pulse is not None:
                self.pulse(self._k / last, 0)
        self._settle_accounts()
        return Progress.DONE

    def _count(self, v: FloatArray, weight: float) -> None:
        """Add a vector to the sum, with its norm and the flows of all parts."""
        norm = float(_account(v, self._exits, 1, self._total, weight, self._here)) * (1.0 + 1e-12)
        self._norms.append(norm)
        self._counted = self._k
        if not norm <= LARGEST_NORM * max(self._norms[0], 1e-290):
            raise _RefusedError  # the rates change too much within the step

    def _form(self, k: int, v: FloatArray) -> None:
        """Form the vectors ``y_ik`` that the parts act on."""
        size = self._ring.shape[0]
        for i, factors in enumerate(self._factors, start=1):
            if self.operator.parts[i] is None:
                continue
            used = min(factors.shape[1] - 1, k) + 1
            slots = (k - np.arange(used)) % size
            _combine(self._y[i], self._ring, slots, factors[k, :used])

    def _outflow(self, v: FloatArray) -> float:
        flow = 0.0
        for i, part in enumerate(self.operator.parts):
            if part is not None:
                x = self._y[i] if i else v
                flow += float(_boundary_flow(x, part.boundary.positions, part.boundary.rates, self._edge[i]))
        return flow * (1.0 + 1e-12)

    def _slow_down(self, v: FloatArray, allowance: float) -> float:
        """Return the 1-norm of what the slowed states change; refuse if it is more than a part of the allowance."""
        at = self._slowed
        if not at.size:
            return 0.0
        flows = self._exits[0, at] * np.abs(v[at]) + (self._exits[1:, at] * np.abs(self._y[1:, at])).sum(
            axis=0
        )
        change = 2.0 * float(((1.0 - self._slowing) * flows).sum()) * (1.0 + 1e-12)
        if change > SHARE_SLOWED * allowance:
            raise _RefusedError  # the state set outgrew the uniformisation rate
        return change

    def _multiply(self, v: FloatArray, out: FloatArray) -> None:
        parts, at = self.operator.parts, self._slowed
        if at.size:
            kept = v[at]
            v[at] *= self._slowing
            self._y[:, at] *= self._slowing
        if parts[0] is None:
            out[:] = v
        else:
            parts[0].product(v, out, 1.0, self.beta)
        for part, y in zip(parts[1:], self._y[1:], strict=True):
            if part is not None:
                part.product(y, self._scratch, 0.0, self.beta, 1.0, out)
        if at.size:
            out[at] += (1.0 - self._slowing) * kept
            v[at] = kept

    def _local_rounding(self, k: int) -> float:
        """Bound the rounding errors made in computing the next vector, 1-norm."""
        u = 2.0**-53
        norm = self._norms[k]
        size = norm
        total = 0.0
        for i, part in enumerate(self.operator.parts):
            if part is None:
                continue
            if i == 0:
                total += part.product_error * norm
                continue
            factors = self._factors[i - 1][k]
            reach = sum(abs(float(f)) * self._norms[k - j] for j, f in enumerate(factors) if j <= k)
            reach *= float(self._shares[i])
            total += (part.product_error + (4.0 * factors.size + 16.0) * u) * reach
            size += 2.0 * reach
        return total + (len(self.operator.parts) + 1) * u * size

    def _settle_accounts(self) -> None:
        """Add up what the series leaves out, and what the polynomials leave out of the rates."""
        later, last = float(self.series.later[self._k + 1]), self._k
        norms = self._norms
        largest = max(norms)
        self.missing = self.series.missing * largest + 2.0 * norms[last] * later
        coarse = below = 0.0
        for i, polynomial in enumerate(self._window.polynomials, start=1):
            share = 2.0 * float(self._shares[i])
            # Powers of time beyond the last product: k + j >= last.
            for j, coefficient in enumerate(polynomial.coefficients):
                for k in range(max(last - j, 0), last + 1) if j else ():
                    self.missing += share * abs(coefficient) * ((k + j) * self.beta) ** j * norms[k] * later
            flow = float(self.flows[i]) + 0.5 * share * norms[last] * later
            coarse += 2.0 * polynomial.radius * flow * (1.0 + 1e-9)
            below += 2.0 * polynomial.below * flow * (1.0 + 1e-9)
        if coarse > self._window.limit:
            self.coarse = True
            raise _RefusedError
        self.varied = coarse + below + self._slowed_flow * (1.0 + 1e-9)
        self.missing *= 1.0 + 1e-9
        self.rounding += 2.0 * (last + 8) * 2.0**-53 * largest

    @property
    def current(self) -> FloatArray:
        """For every state the largest of the entries whose outflow passed the allowance."""
        bound: FloatArray = np.abs(self._ring[self._k % self._ring.shape[0]])
        for i, polynomial in enumerate(self._window.polynomials, start=1):
            if polynomial.upper > 0.0 and self.operator.parts[i] is not None:
                np.maximum(bound, np.abs(self._y[i]) / polynomial.upper, out=bound)
        return bound

    def vectors(self) -> list[FloatArray]:
        """Return the vectors that move with the set, and forget them."""
        moving = [*self._ring, self._total]
        del self._ring, self._total, self._y, self._scratch
        return moving

    def replace(self, operator: Any, vectors: list[FloatArray]) -> bool:
        """Go on with the series on another set; always possible, since states that are too fast are slowed."""
        self._ring = np.stack(vectors[:-1])
        self._total = vectors[-1]
        self._take(operator)
        return True

    def finish(self) -> FloatArray:
        """Return the sum of the series; entries below 0 are wrong by more than their size, so 0 is nearer to the truth."""
        total: FloatArray = np.maximum(self._total, 0.0)
        del self._ring, self._total, self._y, self._scratch
        return total
