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

__all__ = ["PANEL", "ROWS", "add_product", "eliminate", "solve_columns", "solve_rows"]

#: States that are taken out at once; a multiple of eight.
PANEL = 16

#: Rows that are updated at once; a matrix has as many more rows than it needs.
ROWS = 4

#: Beyond these limits the products in ``G`` could overflow where the ``l`` do not: then rows are done one state at a time.
LARGEST, SMALLEST = 1e200, 1e-200


@njit(cache=True, nogil=True, fastmath={"contract"})
def add_product(c, origin, ldc, rows, width, left, right, ldr):  # type: ignore[no-untyped-def]
    """Add ``left @ right`` to ``rows`` rows (rounded up to a multiple of `ROWS`) of ``c`` from ``origin`` on.

    ``left`` has rows of `PANEL` entries, ``right`` has `PANEL` rows of ``ldr``. Four rows and four columns of ``left`` are
    kept in registers, so that each entry of ``right`` or ``c`` that is loaded is used four times.
    """
    for i in range(0, rows, ROWS):
        p = origin + i * ldc
        for k in range(0, PANEL, 4):
            q = i * PANEL + k
            a0, a1, a2, a3 = left[q], left[q + 1], left[q + 2], left[q + 3]
            q += PANEL
            b0, b1, b2, b3 = left[q], left[q + 1], left[q + 2], left[q + 3]
            q += PANEL
            c0, c1, c2, c3 = left[q], left[q + 1], left[q + 2], left[q + 3]
            q += PANEL
            d0, d1, d2, d3 = left[q], left[q + 1], left[q + 2], left[q + 3]
            u = k * ldr
            for j in range(width):
                x0, x1 = read(right, u + j), read(right, u + ldr + j)
                x2, x3 = read(right, u + 2 * ldr + j), read(right, u + 3 * ldr + j)
                y0 = read(c, p + j) + a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3
                y1 = read(c, p + ldc + j) + b0 * x0 + b1 * x1 + b2 * x2 + b3 * x3
                y2 = read(c, p + 2 * ldc + j) + c0 * x0 + c1 * x1 + c2 * x2 + c3 * x3
                y3 = read(c, p + 3 * ldc + j) + d0 * x0 + d1 * x1 + d2 * x2 + d3 * x3
                write(c, p + j, y0)
                write(c, p + ldc + j, y1)
                write(c, p + 2 * ldc + j, y2)
                write(c, p + 3 * ldc + j, y3)


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})
def _sum(a, start, stop):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(start, stop):
        total += read(a, j)
    return total


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
    for j in range(count):
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
            for k in range(PANEL):
                write(g, r * PANEL + k, read(g, r * PANEL + k) + value * read(right, m * PANEL + k))
    return safe


@njit(cache=True, nogil=True)
def eliminate(a, base, ld, n, below, right, first, out, pivots, count):  # type: ignore[no-untyped-def]
    """Take the first ``count`` of ``n`` states out; return ``count``, or the first state that goes nowhere.

    ``a`` holds the rates and must have room for `ROWS` rows more; afterwards ``l`` below the diagonal, and above it the
    rates from a state to those that were left when it was taken out. ``out`` is the outflow, ``pivots`` the ``s``.
    """
    widest, tallest = 1, 1
    for k in range(count):
        widest = max(widest, right[k] - k)
        tallest = max(tallest, below[k] - k)
    tallest += ROWS
    panel = np.zeros(tallest * PANEL)
    left = np.zeros(tallest * PANEL)
    ahead = np.zeros(PANEL * widest)
    inside = np.zeros(PANEL * PANEL)
    g = np.zeros(PANEL * PANEL)
    inverse = np.zeros(PANEL)
    gone = np.zeros(PANEL)
    for k0 in range(0, count, PANEL):
        k1 = min(count, k0 + PANEL)
        for i in range(k0, k1):
            row = base + i * ld
            for k in range(max(k0, first[i]), i):
                rate = a[row + k] * inverse[k - k0]
                a[row + k] = rate
                if rate > 0.0:
                    _axpy(rate, a, base + k * ld + k + 1, a, row + k + 1, right[k] - k - 1)
                    out[i] += rate * out[k]
            pivot = out[i] + _sum(a, row + i + 1, row + right[i])
            if not pivot > 0.0:
                return i
            pivots[i] = pivot
            inverse[i - k0] = 1.0 / pivot
        width = max(right[k1 - 1] - k1, 0)
        rows = below[k1 - 1] - k1
        if rows <= 0:
            continue
        # The rows of the panel, right of it and in it; zero beyond the band and beyond the last pivot.
        for j in range(PANEL * width):
            write(ahead, j, 0.0)
        inside[:] = 0.0
        gone[:] = 0.0
        for k in range(k0, k1):
            gone[k - k0] = out[k]
            last = right[k]
            _copy(a, base + k * ld + k1, ahead, (k - k0) * width, last - k1)
            _copy(a, base + k * ld + k + 1, inside, (k - k0) * (PANEL + 1) + 1, min(last, k1) - k - 1)
        safe = _gather(inverse, k1 - k0, inside, g)
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
            add_product(left, 0, PANEL, rows, PANEL, panel, g, PANEL)
        else:
            _one_by_one(panel, inside, inverse, k1 - k0, rows, left)
        for i in range(rows):
            start = max(k0, first[k1 + i])
            if k1 - start == PANEL:
                _copy(left, i * PANEL, a, base + (k1 + i) * ld + k0, PANEL)
            else:
                _copy(left, i * PANEL + start - k0, a, base + (k1 + i) * ld + start, k1 - start)
            out[k1 + i] += _dot(left, i * PANEL, gone, 0, PANEL)
        add_product(a, base + k1 * ld + k1, ld, rows, width, left, ahead, width)
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
