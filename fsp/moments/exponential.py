"""Enclosures of exp(A t) z for a rational matrix A, by fixed-point arithmetic with counted rounding.

Numbers are Python integers in units of ``2**-bits``, so the rounding of every operation is known exactly: a
shift loses less than one unit. Norms are maximum norms of the scaled vector ``z / weights``; the weights
are chosen such that the logarithmic norm of the scaled matrix is close to its spectral abscissa (Dahlquist
1958; Strom, SIAM J. Numer. Anal. 12:741-753, 1975), which keeps error bounds from growing faster than the
solution. When the bound at the end is too wide the run is repeated with twice the digits.

Two ways to reach a time, the cheaper one is taken: a table of exp(A h 2**j) by scaling and squaring, from
which every time is composed by its binary digits, or plain Taylor steps on the vector.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsp.interval import Interval

__all__ = ["enclose_flow", "outward"]

#: Nanoseconds of one multiplication of two integers of about 200 bits, for the choice of the method.
NANOSECONDS = 150.0
#: Largest size, in bits, of a norm that is worth following: doubles end at 2**1024.
LARGEST = 1200
#: Most components: beyond, choosing the weights alone takes too long.
_LARGEST_SYSTEM = 250

Integers = NDArray[Any]
Entries = Mapping[tuple[int, int], Fraction]


def outward(lower: Fraction, upper: Fraction) -> Interval:
    """Return the smallest interval with ends in double precision that holds ``[lower, upper]``.

    Examples
    --------
    >>> outward(Fraction(1, 4), Fraction(1, 4))
    Interval(lower=0.25, upper=0.25)
    >>> outward(Fraction(1, 10), Fraction(1, 10)).width > 0.0
    True
    """
    try:
        low = float(lower)
        low = low if Fraction(low) <= lower else math.nextafter(low, -math.inf)
    except OverflowError:
        low = math.nextafter(math.inf, 0.0) if lower > 0 else -math.inf
    try:
        high = float(upper)
        high = high if Fraction(high) >= upper else math.nextafter(high, math.inf)
    except OverflowError:
        high = math.inf if upper > 0 else -math.nextafter(math.inf, 0.0)
    return Interval(low, high)


def enclose_flow(
    entries: Entries,
    initial: Sequence[Fraction],
    times: Sequence[float],
    *,
    budget: float = 1.0,
) -> list[list[Interval] | None]:
    """Enclose the solution of ``z' = A z`` at the given times.

    Parameters
    ----------
    entries : mapping of (int, int) to Fraction
        The non-zero entries of A.
    initial : sequence of Fraction, length n
        The value at time 0, taken as exact.
    times : sequence of float
        Times >= 0, in any order.
    budget : float, optional
        Seconds that may be spent, by an estimate that does not depend on the machine's load.

    Returns
    -------
    list
        For each time one interval for each component, or None where the cost would exceed ``budget`` or the
        numbers leave the range of doubles.

    Notes
    -----
    Cost: about n^3 (30 + log2(norm(A) t)) multiplications for the table and n^2 log2(norm(A) t) for each
    time, or norm(A) t times 10 nnz(A) for plain steps.

    Examples
    --------
    Exponential decay, and the constant 1:

    >>> decay = {(1, 1): Fraction(-1)}
    >>> print(enclose_flow(decay, [Fraction(1), Fraction(1)], [1.0])[0][1])
    [0.36787944117144228, 0.36787944117144233]
    """
    horizon = max((Fraction(t) for t in times), default=Fraction(0))
    exact = [outward(x, x) for x in initial]
    if horizon == 0 or not entries:
        return [exact for _ in times]
    if len(initial) > _LARGEST_SYSTEM:
        return [exact if t == 0 else None for t in times]
    weights = _weights(entries, len(initial), horizon)
    bits, found = 192, None
    for _ in range(4):
        flow = _Flow.create(entries, initial, weights, bits, times)
        if flow.cost() > budget * 1e9 / NANOSECONDS:
            return found or [None for _ in times]
        found, sharp = flow.solve(times, exact)
        if sharp:
            break
        bits *= 2
    return found or [None for _ in times]


def _weights(entries: Entries, n: int, horizon: Fraction) -> list[Fraction]:
    """Return positive weights w with ``M w <= s w`` for the Metzler majorant M of A and a small s."""
    majorant = np.zeros((n, n))
    for (i, j), value in entries.items():
        majorant[i, j] = float(value) if i == j else abs(float(value))
    try:
        abscissa = float(np.max(np.linalg.eigvals(majorant).real))
        shift = max(abscissa, 0.0) + 1.0 / float(horizon)
        for _ in range(6):
            w = np.linalg.solve(shift * np.eye(n) - majorant, np.ones(n))
            if np.all(np.isfinite(w)) and np.all(w > 0.0):
                # A weight is only a choice: any positive number is correct.
                return [Fraction(float(x)) for x in np.maximum(w / w.max(), 1e-200)]
            shift = 2.0 * shift + 1.0 / float(horizon)
    except (np.linalg.LinAlgError, FloatingPointError):
        pass
    return [Fraction(1)] * n


def _norm(matrix: Integers) -> int:
    """Return the maximum norm of a vector or the row-sum norm of a matrix, in units."""
    size = abs(matrix)
    return int(size.max()) if size.ndim == 1 else int(size.sum(axis=1).max())


@dataclass(frozen=True)
class _Value:
    """A fixed-point matrix or vector with a bound on its error; both in units of ``2**-bits``."""

    value: Integers
    error: int


@dataclass
class _Flow:
    """One run at one precision."""

    n: int
    bits: int
    weights: list[Fraction]
    start: _Value
    rows: list[tuple[Integers, Integers]]  # columns and scaled entries of each row, times h = 2**-exponent
    exponent: int
    horizon: Fraction
    bound: Fraction  # of the norm of the scaled matrix
    growth: Fraction  # logarithmic norm of the scaled matrix
    width: int  # most entries in a row: the rounding of the scaled matrix in units
    n_times: int

    @classmethod
    def create(
        cls,
        entries: Entries,
        initial: Sequence[Fraction],
        weights: list[Fraction],
        bits: int,
        times: Sequence[float],
    ) -> _Flow:
        n, horizon = len(initial), max(Fraction(t) for t in times)
        rows: list[list[tuple[int, Fraction]]] = [[] for _ in range(n)]
        for (i, j), value in entries.items():
            if value:
                rows[i].append((j, value * weights[j] / weights[i]))
        bound = max(sum((abs(v) for _, v in row), Fraction(0)) for row in rows)
        growth = max(
            sum((v if j == i else abs(v) for j, v in row), Fraction(0)) for i, row in enumerate(rows)
        )
        exponent = 4 + max(0, math.ceil(bound)).bit_length()
        scaled = [
            (
                np.array([j for j, _ in row], dtype=np.int64),
                np.array([_floor(v, bits - exponent) for _, v in row], dtype=object),
            )
            for row in rows
        ]
        start = np.array([_floor(x / w, bits) for x, w in zip(initial, weights, strict=True)], dtype=object)
        # One unit for rounding, and one for constants that are not rational.
        width = 2 * max(len(row) for row in rows)
        return cls(
            n, bits, weights, _Value(start, 1), scaled, exponent, horizon, bound, growth, width, len(times)
        )

    def _table_cost(self) -> float:
        squarings = self.exponent + math.ceil(self.horizon).bit_length()
        entries = sum(len(columns) for columns, _ in self.rows) + 4 * self.n
        each = self.n**2 * squarings / 2 + entries * self.bits / 7
        return float(self.n**3 * (self.bits / 7 + squarings) + self.n_times * each)

    def _step_cost(self) -> float:
        # Steps with norm(A) h <= 16 keep the terms of the series below exp(16).
        steps = max(self.n_times, math.ceil(self.bound * self.horizon / 16))
        entries = sum(len(columns) for columns, _ in self.rows) + 4 * self.n
        return float(entries * steps * (45 + self.bits / 4))

    def cost(self) -> float:
        """Return the number of multiplications of 192 bits that the cheaper way takes."""
        return min(self._table_cost(), self._step_cost()) * math.pow(self.bits / 192, 1.3)

    def solve(
        self, times: Sequence[float], exact: list[Interval]
    ) -> tuple[list[list[Interval] | None], bool]:
        """Return the enclosures at ``times`` and whether they are as sharp as wanted."""
        vectors = self._by_table(times) if self._table_cost() <= self._step_cost() else self._by_steps(times)
        reached = [v for v in vectors if v is not None]
        # Components that have decayed by more than 2**-100 need no relative accuracy.
        floor = max((_norm(v.value) for v in reached), default=0) >> 100
        sharp = all(v.error << 60 <= max(floor, abs(int(x))) for v in reached for x in v.value)
        out: list[list[Interval] | None] = []
        for t, vector in zip(times, vectors, strict=True):
            if vector is None:
                out.append(None)
            else:
                out.append(exact if t == 0.0 else self._intervals(vector))
        return out, sharp

    def _intervals(self, vector: _Value) -> list[Interval]:
        unit = Fraction(1, 1 << self.bits)
        return [
            outward((int(x) - vector.error) * unit * w, (int(x) + vector.error) * unit * w)
            for x, w in zip(vector.value, self.weights, strict=True)
        ]

    # The two ways

    def _by_table(self, times: Sequence[float]) -> list[_Value | None]:
        table = [self._propagator()]
        out: list[_Value | None] = []
        for t in times:
            whole, rest = divmod(Fraction(t) * (1 << self.exponent), 1)
            vector: _Value | None = self._taylor(self.start, rest)
            for j in range(int(whole).bit_length()):
                while len(table) <= j and _norm(table[-1].value).bit_length() < self.bits + LARGEST:
                    table.append(self._multiply(table[-1], table[-1]))
                if len(table) <= j:
                    vector = None
                    break
                if (int(whole) >> j) & 1 and vector is not None:
                    vector = self._multiply(table[j], vector)
            out.append(vector)
        return out

    def _by_steps(self, times: Sequence[float]) -> list[_Value | None]:
        out: list[_Value | None] = [None] * len(times)
        vector, now = self.start, Fraction(0)
        for k in sorted(range(len(times)), key=lambda index: times[index]):
            span = Fraction(times[k]) - now
            pieces = max(1, math.ceil(self.bound * span / 16))
            for _ in range(pieces):
                vector = self._taylor(vector, span / pieces * (1 << self.exponent))
                if _norm(vector.value).bit_length() > self.bits + LARGEST:
                    return out
            now, out[k] = Fraction(times[k]), vector
        return out

    # Arithmetic with counted errors

    def _multiply(self, a: _Value, b: _Value) -> _Value:
        """Return the product: ``|ab - AB| <= |A| f + e |B| + e f`` and one unit of rounding in each entry."""
        value = a.value.dot(b.value) >> self.bits
        mixed = (_norm(a.value) * b.error + a.error * _norm(b.value) + a.error * b.error) >> self.bits
        return _Value(value, mixed + 1 + (self.n if value.ndim == 2 else 1))

    def _propagator(self) -> _Value:
        """Return exp(A h) for h = 2**-exponent, where the norm of A h is at most 1/16."""
        h = np.zeros((self.n, self.n), dtype=object)
        h[:] = 0
        for i, (columns, values) in enumerate(self.rows):
            h[i, columns] = values
        size, bits = _norm(h) + self.width, self.bits
        term = np.zeros((self.n, self.n), dtype=object)
        term[:] = 0
        term[np.arange(self.n), np.arange(self.n)] = 1 << bits
        total, error, lost, k, tail = term.copy(), 0, 0, 0, 1 << bits
        while tail > 8:
            k += 1
            grown = self.width * (_norm(term) + error) + size * error
            term = (h.dot(term) >> bits) // k
            error = (grown >> bits) // k + 2 + 2 * self.n
            total = total + term
            lost += error
            tail = (tail * size >> bits) // k + 2
        # `tail` bounds the last term; each later one is at most half of the one before it.
        return _Value(total, lost + 8)

    def _taylor(self, vector: _Value, factor: Fraction) -> _Value:
        """Return exp(A h factor) applied to ``vector``, for a factor >= 0."""
        if factor == 0:
            return vector
        bits = self.bits
        rho = _floor(factor, bits)
        rows = [(columns, values * rho >> bits) for columns, values in self.rows]
        # Entries of the matrix: one unit from their own rounding times the factor, and up to two from this
        # one.
        loose = self.width * (math.ceil(factor) + 2 + (math.ceil(self.bound) >> self.exponent))
        size = max((int(abs(values).sum()) for _, values in rows if len(values)), default=0) + loose
        term, error, total, k = vector.value, 0, vector.value.copy(), 0
        lost, tail = 0, _norm(term)
        turn = 2 * (size >> bits) + 2  # from here on the terms shrink by at least a half
        while tail > 8 or k < turn:
            k += 1
            grown = loose * (_norm(term) + error) + size * error
            product = np.array(
                [values.dot(term[columns]) if len(columns) else 0 for columns, values in rows], dtype=object
            )
            term = (product >> bits) // k
            error = (grown >> bits) // k + 4
            total = total + term
            lost += error
            tail = (tail * size >> bits) // k + 2
        # exp(mu s) bounds the norm of the propagator, so that it carries the error of the vector; mu s <= 16.
        exponent = float(self.growth * factor / (1 << self.exponent))
        amplification = _floor(Fraction(math.exp(exponent) * (1.0 + 1e-9)), 64) + 1
        carried = (vector.error * amplification >> 64) + 1
        return _Value(total, carried + lost + 8)


def _floor(x: Fraction, bits: int) -> int:
    """Return ``x * 2**bits`` rounded down."""
    if bits >= 0:
        return (x.numerator << bits) // x.denominator
    return x.numerator // (x.denominator << -bits)
