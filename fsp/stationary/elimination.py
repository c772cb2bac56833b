"""Compiled elimination of states without subtractions (Grassmann, Taksar and Heyman 1985), in blocks.

A state ``k`` is taken out of the chain: whoever goes to ``k`` is led on to where ``k`` goes. With the rates ``a_ij`` from
``i`` to ``j`` and the outflow ``o_i``, among the states that are left,

    s_k = o_k + sum_j a_kj,    l_ik = a_ik / s_k,    a_ij += l_ik a_kj,    o_i += l_ik o_k.

``s_k`` is a sum, never the difference that Gaussian elimination makes of it, so every entry keeps its relative accuracy
(O'Cinneide 1993, Numerische Mathematik 65, 109-120), whatever the rates.

The matrix stands row by row in a flat array: the entry of row ``i`` and column ``j`` at ``base + i * ld + j``, with ``ld``
the width of the band less one, or ``n`` for a dense matrix. Inside the band an `Envelope` tells how far rates reach: those
from ``k`` to columns before ``right[k]``, those to ``k`` from rows before ``below[k]``, and where row ``i`` begins,
``first[i]``. ``right`` and ``below`` never fall, so elimination stays within them.
Sixteen states are taken out at once: what they do to the other rows is then a product of two small matrices, sixteen
wide, which is where the time goes. The ``l`` of a row are its rates to the sixteen states times a matrix ``G`` without
negative entries.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fsp.generator.pointers import read, write
from fsp.stationary.tiles import (
    LANES,
    PANEL,
    add_4_by_8,
    add_4_by_16,
    add_row_to_4_by_8,
    add_row_to_4_by_16,
)

__all__ = [
    "add_product",
    "eliminate",
    "envelope_of",
    "matrix_size",
    "solve_columns",
    "solve_rows",
    "workspace",
]

#: Rows that are updated at once; a matrix has as many more rows than it needs.
ROWS = 4

#: Beyond these limits the products in ``G`` could overflow where the ``l`` do not: then rows are done one state at a time.
LARGEST, SMALLEST = 1e200, 1e-200


@njit(cache=True)
def matrix_size(n, base, ld):  # type: ignore[no-untyped-def]
    """Return how many numbers a matrix of ``n`` rows takes, with what is read and written (unchanged) beyond its end."""
    return base + (n + ROWS) * (ld + 1) + LANES


@njit(cache=True, nogil=True)
def add_product(c, origin, ldc, rows, width, left, right, start, ldr):  # type: ignore[no-untyped-def]
    """Add ``left @ right`` to ``rows`` rows (rounded up to a multiple of `ROWS`) of ``c`` from ``origin`` on.

    ``left`` has rows of `PANEL` entries, ``right`` from ``start`` on `PANEL` rows, ``ldr`` apart; ``width`` is a
    multiple of `LANES`. Columns in which ``right`` has zeros may stand in the next row of ``c``: they stay what they are.
    """
    for i in range(0, rows, ROWS):
        p = origin + i * ldc
        j = 0
        while j + 2 * LANES <= width:
            add_4_by_16(c, p + j, ldc, left, i * PANEL, right, start + j, ldr)
            j += 2 * LANES
        if j < width:
            add_4_by_8(c, p + j, ldc, left, i * PANEL, right, start + j, ldr)


@njit(cache=True, nogil=True)
def _sum(a, start, stop):  # type: ignore[no-untyped-def]
    """Return the sum of a stretch whose length is a multiple of eight, as eight sums that need not wait for each other."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    for j in range(start, stop, 8):
        s0 += read(a, j)
        s1 += read(a, j + 1)
        s2 += read(a, j + 2)
        s3 += read(a, j + 3)
        s4 += read(a, j + 4)
        s5 += read(a, j + 5)
        s6 += read(a, j + 6)
        s7 += read(a, j + 7)
    return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})
def _dot(a, start, x, first, count):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(count):
        total += read(a, start + j) * read(x, first + j)
    return total


@njit(cache=True, nogil=True, fastmath={"contract"})
def _axpy(factor, a, start, x, first, count):  # type: ignore[no-untyped-def]
    """Add ``factor`` times a stretch of ``a`` to one of ``x``; the two do not overlap."""
    for j in range(count):
        write(x, first + j, read(x, first + j) + factor * read(a, start + j))


@njit(cache=True, nogil=True)
def _copy(source, start, target, first, count):  # type: ignore[no-untyped-def]
    done = 0
    while done + 8 <= count:  # compilers leave short stretches to a loop over single numbers
        p, q = start + done, first + done
        v0, v1, v2, v3 = read(source, p), read(source, p + 1), read(source, p + 2), read(source, p + 3)
        v4, v5, v6, v7 = read(source, p + 4), read(source, p + 5), read(source, p + 6), read(source, p + 7)
        write(target, q, v0)
        write(target, q + 1, v1)
        write(target, q + 2, v2)
        write(target, q + 3, v3)
        write(target, q + 4, v4)
        write(target, q + 5, v5)
        write(target, q + 6, v6)
        write(target, q + 7, v7)
        done += 8
    for j in range(done, count):
        write(target, first + j, read(source, start + j))


@njit(cache=True, nogil=True)
def _one_by_one(panel, inside, inverse, count, rows, left):  # type: ignore[no-untyped-def]
    """Set ``left`` to the ``l`` of the rows below a panel without the products of `_gather`."""
    for i in range(rows):
        for k in range(count):
            rate = panel[i * PANEL + k] * inverse[k]
            left[i * PANEL + k] = rate
            if rate > 0.0:
                for j in range(k + 1, count):
                    panel[i * PANEL + j] += rate * inside[k * PANEL + j]


@njit(cache=True, nogil=True, fastmath={"contract"})
def _gather(w, count, right, g):  # type: ignore[no-untyped-def]
    """Fill ``g`` such that the rates of a row to the panel times ``g`` are its ``l``; return whether that is safe."""
    safe = True
    g[:] = 0.0
    for r in range(count):
        g[r * PANEL + r] = 1.0
    for m in range(count):
        for r in range(m + 1):
            # What comes to state m from r, by way of the states between them; right has zeros up to its diagonal.
            value = g[r * PANEL + m] * w[m]
            if value > LARGEST or (value < SMALLEST and g[r * PANEL + m] > 0.0):
                safe = False
            g[r * PANEL + m] = value
        for r in range(0, m + 1, ROWS):
            add_row_to_4_by_16(g, r * PANEL, PANEL, g, r * PANEL + m, right, m * PANEL, PANEL)
    return safe


@njit(cache=True, nogil=True)
def _within(rows, width, count, out, k0, lower, upper, inverse, gone, pivots):  # type: ignore[no-untyped-def]
    """Take the states of a panel out of its own rows; return how many, fewer than ``count`` if one goes nowhere.

    ``rows`` are the rates among them, and then those to later states, ``width`` in all. What is left in them are the rates
    when each state is taken out; those among the states of the panel go to ``upper``, too, and their ``l`` to ``lower``.
    """
    for j in range(PANEL * PANEL):
        write(lower, j, 0.0)
        write(upper, j, 0.0)
    for m in range(count):
        row = m * width
        write(rows, row + m, 0.0)  # what comes back at once
        for j in range(PANEL):
            write(upper, m * PANEL + j, read(rows, row + j))
        gone[m] = out[k0 + m]
        pivot = gone[m] + _sum(rows, row, row + width)
        if not pivot > 0.0:
            return m
        pivots[k0 + m] = pivot
        inverse[m] = 1.0 / pivot
        for r in range(m + 1, count):
            rate = read(rows, r * width + m) * inverse[m]
            write(rows, r * width + m, 0.0)
            write(lower, r * PANEL + m, rate)
            out[k0 + r] += rate * gone[m]
        for r in range((m + 1) // ROWS * ROWS, count, ROWS):
            for j in range(m // LANES * LANES, width, LANES):
                add_row_to_4_by_8(rows, r * width + j, width, lower, r * PANEL + m, rows, row + j, width)
    return count


@njit(cache=True, nogil=True)
def workspace(tallest, widest):  # type: ignore[no-untyped-def]
    """Return what `eliminate` works in, for so many rows below a state and columns right of it."""
    square = PANEL * PANEL
    high = (tallest + ROWS) * PANEL
    return (
        np.zeros(high),
        np.zeros(high),
        np.zeros(PANEL * (widest + PANEL + LANES)),
        np.zeros(square),
        np.zeros(square),
        np.zeros(square),
        np.zeros(PANEL),
        np.zeros(PANEL),
    )


@njit(cache=True, nogil=True)
def eliminate(a, base, ld, n, below, right, first, out, pivots, count, work):  # type: ignore[no-untyped-def]
    """Take the first ``count`` of ``n`` states out; return ``count``, or the first state that goes nowhere.

    ``a`` holds the rates and has the `matrix_size`; afterwards ``l`` below the diagonal, and above it the
    rates from a state to those that were left when it was taken out. ``out`` is the outflow, ``pivots`` the ``s``,
    and ``work`` a `workspace`.
    """
    panel, left, ahead, lower, upper, g, inverse, gone = work
    for k0 in range(0, count, PANEL):
        k1 = min(count, k0 + PANEL)
        reach = max(right[k1 - 1] - k1, 0)
        width = PANEL + (reach + LANES - 1) // LANES * LANES
        # The rows of the panel: in it, and right of it; zero beyond the band and beyond the last pivot.
        for j in range(PANEL * width):
            write(ahead, j, 0.0)
        for k in range(k0, k1):
            start, last, row = max(k0, first[k]), right[k], (k - k0) * width
            _copy(a, base + k * ld + start, ahead, row + start - k0, min(last, k1) - start)
            _copy(a, base + k * ld + k1, ahead, row + PANEL, last - k1)
        done = _within(ahead, width, k1 - k0, out, k0, lower, upper, inverse, gone, pivots)
        if done < k1 - k0:
            return k0 + done
        for k in range(k0, k1):
            start, last, row = max(k0, first[k]), right[k], (k - k0) * PANEL
            _copy(lower, row + start - k0, a, base + k * ld + start, k - start)
            _copy(upper, row + k + 1 - k0, a, base + k * ld + k + 1, min(last, k1) - k - 1)
            _copy(ahead, (k - k0) * width + PANEL, a, base + k * ld + k1, last - k1)
        rows = below[k1 - 1] - k1
        if rows <= 0:
            continue
        safe = _gather(inverse, k1 - k0, upper, g)
        for j in range((rows + ROWS) * PANEL):
            write(panel, j, 0.0)
            write(left, j, 0.0)
        for i in range(rows):
            start = max(k0, first[k1 + i])
            if k1 - start == PANEL:
                _copy(a, base + (k1 + i) * ld + k0, panel, i * PANEL, PANEL)
            else:
                _copy(a, base + (k1 + i) * ld + start, panel, i * PANEL + start - k0, k1 - start)
        if safe:
            add_product(left, 0, PANEL, rows, PANEL, panel, g, 0, PANEL)
        else:
            _one_by_one(panel, upper, inverse, k1 - k0, rows, left)
        for i in range(rows):
            start = max(k0, first[k1 + i])
            if k1 - start == PANEL:
                _copy(left, i * PANEL, a, base + (k1 + i) * ld + k0, PANEL)
            else:
                _copy(left, i * PANEL + start - k0, a, base + (k1 + i) * ld + start, k1 - start)
            out[k1 + i] += _dot(left, i * PANEL, gone, 0, PANEL)
        add_product(a, base + k1 * ld + k1, ld, rows, width - PANEL, left, ahead, PANEL, width)
    return count


@njit(cache=True, nogil=True)
def solve_columns(a, base, ld, n, right, first, pivots, x):  # type: ignore[no-untyped-def]
    """Replace ``x``, an initial law, by the expected times in the states, from a complete elimination."""
    for k in range(n):
        if x[k] != 0.0:
            _axpy(x[k] / pivots[k], a, base + k * ld + k + 1, x, k + 1, right[k] - k - 1)
    for k in range(n):
        x[k] /= pivots[k]
    for i in range(n - 1, -1, -1):
        if x[i] != 0.0:
            _axpy(x[i], a, base + i * ld + first[i], x, first[i], i - first[i])


@njit(cache=True, nogil=True)
def solve_rows(a, base, ld, n, right, first, pivots, x):  # type: ignore[no-untyped-def]
    """Replace ``x``, a reward per time, by the expected reward from each state, from a complete elimination."""
    for i in range(n):
        x[i] += _dot(a, base + i * ld + first[i], x, first[i], i - first[i])
    for k in range(n - 1, -1, -1):
        count = right[k] - k - 1
        x[k] = (x[k] + _dot(a, base + k * ld + k + 1, x, k + 1, count)) / pivots[k]


@njit(cache=True, nogil=True)
def envelope_of(indptr, indices, position, below, right, first):  # type: ignore[no-untyped-def]
    """Fill the envelope of a matrix of rates from rows to columns, in the order of ``position``."""
    n = below.size
    for k in range(n):
        below[k] = right[k] = k + 1
    for row in range(n):
        i = position[row]
        for k in range(indptr[row], indptr[row + 1]):
            j = position[indices[k]]
            if j > i:
                right[i] = max(right[i], j + 1)
            elif j < i:
                below[j] = max(below[j], i + 1)
    start = 0
    for k in range(n):
        if k > 0:
            below[k] = max(below[k], below[k - 1])
            right[k] = max(right[k], right[k - 1])
        while start < below[k]:
            first[start] = min(k, start)
            start += 1
