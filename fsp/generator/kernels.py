"""Compiled products with the generator: one pass over each fibre, all its reactions fused.

The hot loops have unit stride and no branches. A fibre whose segments cover different parts is split: the part that
all of them cover is done in one fused pass, the rest segment by segment.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fsp.generator.pointers import peek, read, write

__all__ = [
    "add_scaled",
    "add_transpose",
    "boundary_flow",
    "boundary_rates",
    "exit_rates",
    "fuse_ranges",
    "largest_decrease",
    "max_exit_rate",
    "product",
    "segment_outflow",
]

_FAST = {"contract", "nsz", "arcp"}  # fused multiply-add, but no reordering of sums

# In the loops below y, x and t are arrays; o, and the numbers behind x and t, are positions of the first element.


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _row_2s2t(y, o, n, x, t, d, e, b, x1, c1, x2, c2, x3, t3, c3, x4, t4, c4):  # type: ignore[no-untyped-def]
    for i in range(n):
        value = (d - e * read(t, b + i)) * read(x, o + i)
        value += c1 * read(x, x1 + i) + c2 * read(x, x2 + i)
        value += c3 * read(t, t3 + i) * read(x, x3 + i) + c4 * read(t, t4 + i) * read(x, x4 + i)
        write(y, o + i, value)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _row_4s2t(y, o, n, x, t, d, e, b, x1, c1, x2, c2, x5, c5, x6, c6, x3, t3, c3, x4, t4, c4):  # type: ignore[no-untyped-def]
    for i in range(n):
        value = (d - e * read(t, b + i)) * read(x, o + i)
        value += c1 * read(x, x1 + i) + c2 * read(x, x2 + i)
        value += c5 * read(x, x5 + i) + c6 * read(x, x6 + i)
        value += c3 * read(t, t3 + i) * read(x, x3 + i) + c4 * read(t, t4 + i) * read(x, x4 + i)
        write(y, o + i, value)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _set_diagonal(y, o, n, x, t, d, e, b):  # type: ignore[no-untyped-def]
    for i in range(n):
        write(y, o + i, (d - e * read(t, b + i)) * read(x, o + i))


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def add_scaled(y, o, n, x, x1, c1):  # type: ignore[no-untyped-def]
    """``y += c1 x`` for ``n`` entries from ``o`` in ``y`` and from ``x1`` in ``x``."""
    for i in range(n):
        write(y, o + i, peek(y, o + i) + c1 * read(x, x1 + i))


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _add_table(y, o, n, x, x1, t, t1, c1):  # type: ignore[no-untyped-def]
    for i in range(n):
        write(y, o + i, peek(y, o + i) + c1 * read(t, t1 + i) * read(x, x1 + i))


@njit(cache=True, nogil=True)
def fuse_ranges(length, s_ptr, s_lo, s_hi, t_ptr, t_lo, t_hi):  # type: ignore[no-untyped-def]
    """Part of each fibre that all its segments cover, as ``lo, hi``; empty if fusing would not pay."""
    n = length.size
    lo = np.zeros(n, np.int64)
    hi = np.zeros(n, np.int64)
    for f in range(n):
        a = np.int64(0)
        b = length[f]
        for k in range(s_ptr[f], s_ptr[f + 1]):
            a = max(a, s_lo[k])
            b = min(b, s_hi[k])
        for k in range(t_ptr[f], t_ptr[f + 1]):
            a = max(a, t_lo[k])
            b = min(b, t_hi[k])
        if 2 * (b - a) >= length[f]:
            lo[f] = a
            hi[f] = b
    return lo, hi


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def product(  # type: ignore[no-untyped-def]
    f0, f1, x, y, alpha, beta, weight, total, first, offset, fibre_exit, diagonal_base, tables, fuse_lo, fuse_hi,
    s_ptr, s_lo, s_hi, s_source, s_c, t_ptr, t_lo, t_hi, t_source, t_c, t_table,
):  # fmt: skip
    """``y = alpha x + beta A x`` on the fibres ``f0`` to ``f1``; then ``total += weight y`` where ``weight > 0``."""
    for f in range(f0, f1):
        o = offset[f]
        n = offset[f + 1] - o
        d = alpha - beta * fibre_exit[f]
        base = diagonal_base + first[f]
        lo = fuse_lo[f]
        hi = fuse_hi[f]
        s = s_ptr[f]
        s_end = s_ptr[f + 1]
        t = t_ptr[f]
        t_end = t_ptr[f + 1]
        if hi > lo:
            m = hi - lo
            p = o + lo
            b = base + lo
            many = s_end - s > 2
            x1 = x2 = x3 = x4 = p  # terms that are not there read the state itself, times zero
            t3 = t4 = b
            c1 = c2 = c3 = c4 = 0.0
            if s < s_end:
                x1 = s_source[s] + lo
                c1 = beta * s_c[s]
                s += 1
            if s < s_end:
                x2 = s_source[s] + lo
                c2 = beta * s_c[s]
                s += 1
            if t < t_end:
                x3 = t_source[t] + lo
                t3 = t_table[t] + lo
                c3 = beta * t_c[t]
                t += 1
            if t < t_end:
                x4 = t_source[t] + lo
                t4 = t_table[t] + lo
                c4 = beta * t_c[t]
                t += 1
            if many:
                x5 = s_source[s] + lo
                c5 = beta * s_c[s]
                s += 1
                x6 = p
                c6 = 0.0
                if s < s_end:
                    x6 = s_source[s] + lo
                    c6 = beta * s_c[s]
                    s += 1
                _row_4s2t(
                    y, p, m, x, tables, d, beta, b, x1, c1, x2, c2, x5, c5, x6, c6, x3, t3, c3, x4, t4, c4
                )
            else:
                _row_2s2t(y, p, m, x, tables, d, beta, b, x1, c1, x2, c2, x3, t3, c3, x4, t4, c4)
            while s < s_end:
                add_scaled(y, p, m, x, s_source[s] + lo, beta * s_c[s])
                s += 1
            while t < t_end:
                _add_table(y, p, m, x, t_source[t] + lo, tables, t_table[t] + lo, beta * t_c[t])
                t += 1
        if hi - lo < n:
            for side in range(2):  # what the fused range left out, before it and after it
                a = 0 if side == 0 else hi
                z = lo if side == 0 else n
                if a >= z:
                    continue
                _set_diagonal(y, o + a, z - a, x, tables, d, beta, base + a)
                for k in range(s_ptr[f], s_end):
                    p = max(a, s_lo[k])
                    add_scaled(y, o + p, min(z, s_hi[k]) - p, x, s_source[k] + p, beta * s_c[k])
                for k in range(t_ptr[f], t_end):
                    p = max(a, t_lo[k])
                    q = min(z, t_hi[k])
                    _add_table(y, o + p, q - p, x, t_source[k] + p, tables, t_table[k] + p, beta * t_c[k])
        if weight > 0.0:
            add_scaled(total, o, n, y, o, weight)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def add_transpose(  # type: ignore[no-untyped-def]
    z, y, alpha, beta, first, offset, fibre_exit, diagonal_base, tables,
    s_ptr, s_lo, s_hi, s_source, s_c, t_ptr, t_lo, t_hi, t_source, t_c, t_table,
):  # fmt: skip
    """``y = alpha z + beta A' z``, by the same segments with source and target exchanged."""
    for f in range(first.size):
        o = offset[f]
        d = alpha - beta * fibre_exit[f]
        _set_diagonal(y, o, offset[f + 1] - o, z, tables, d, beta, diagonal_base + first[f])
    for f in range(first.size):
        o = offset[f]
        for k in range(s_ptr[f], s_ptr[f + 1]):
            p = s_lo[k]
            add_scaled(y, s_source[k] + p, s_hi[k] - p, z, o + p, beta * s_c[k])
        for k in range(t_ptr[f], t_ptr[f + 1]):
            p = t_lo[k]
            _add_table(y, t_source[k] + p, t_hi[k] - p, z, o + p, tables, t_table[k] + p, beta * t_c[k])


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def exit_rates(  # type: ignore[no-untyped-def]
    f0, f1, out, first, offset, fibre_exit, diagonal_base, tables, t_ptr, t_lo, t_hi, t_source, t_c, t_table
):
    """Exit rate of each state of the fibres ``f0`` to ``f1``; ``out`` starts at the first of them."""
    start = offset[f0]
    for f in range(f0, f1):
        o = offset[f] - start
        n = offset[f + 1] - offset[f]
        base = diagonal_base + first[f]
        for i in range(n):
            out[o + i] = fibre_exit[f] + tables[base + i]
        for k in range(t_ptr[f], t_ptr[f + 1]):
            if t_c[k] < 0.0:  # part of the diagonal
                for i in range(n):
                    out[o + i] -= t_c[k] * tables[t_table[k] + i]


@njit(cache=True, nogil=True)
def max_exit_rate(  # type: ignore[no-untyped-def]
    first, offset, fibre_exit, diagonal_base, tables, t_ptr, t_lo, t_hi, t_source, t_c, t_table
):
    """Largest exit rate, without a vector over the states."""
    longest = 0
    for f in range(first.size):
        longest = max(longest, offset[f + 1] - offset[f])
    buffer = np.empty(longest, np.float64)
    largest = 0.0
    for f in range(first.size):
        n = offset[f + 1] - offset[f]
        exit_rates(
            f, f + 1, buffer, first, offset, fibre_exit, diagonal_base, tables,
            t_ptr, t_lo, t_hi, t_source, t_c, t_table,
        )  # fmt: skip
        for i in range(n):
            if not buffer[i] <= largest:
                largest = buffer[i]
    return largest


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def segment_outflow(x, start, stop, c, table, tables, out):  # type: ignore[no-untyped-def]
    """Flow out of the set through each boundary segment."""
    for k in range(start.size):
        flow = 0.0
        if table[k] >= 0:
            for i in range(start[k], stop[k]):
                flow += tables[table[k] + i - start[k]] * x[i]
        else:
            for i in range(start[k], stop[k]):
                flow += x[i]
        out[k] = c[k] * flow


@njit(cache=True, nogil=True)
def boundary_rates(n, start, stop, c, table, tables):  # type: ignore[no-untyped-def]
    """Outflow rate of each boundary state, with their positions, ascending.

    If a third of all states have outflow, ``positions`` is empty and there is a rate for every state.
    """
    rate = np.zeros(n, np.float64)
    for k in range(start.size):
        if table[k] >= 0:
            for i in range(start[k], stop[k]):
                rate[i] += c[k] * tables[table[k] + i - start[k]]
        else:
            for i in range(start[k], stop[k]):
                rate[i] += c[k]
    m = 0
    for i in range(n):
        if rate[i] > 0.0:
            m += 1
    if 3 * m >= n:
        return np.empty(0, np.int64), rate
    positions = np.empty(m, np.int64)
    rates = np.empty(m, np.float64)
    m = 0
    for i in range(n):
        if rate[i] > 0.0:
            positions[m] = i
            rates[m] = rate[i]
            m += 1
    return positions, rates


@njit(cache=True, nogil=True, fastmath=_FAST | {"reassoc"}, error_model="numpy")
def boundary_flow(x, positions, rates, here):  # type: ignore[no-untyped-def]
    """Flow out of the set; the probabilities of the boundary states are gathered into ``here``."""
    flow = 0.0
    if rates.size == x.size:
        for i in range(rates.size):
            flow += read(rates, i) * read(x, i)
        return flow
    for i in range(positions.size):
        value = read(x, read(positions, i))
        write(here, i, value)
        flow += read(rates, i) * value
    return flow


@njit(cache=True, nogil=True)
def largest_decrease(before, after):  # type: ignore[no-untyped-def]
    """Return the largest relative decrease of a positive entry from one vector to another; 0 if none decreases."""
    worst = 0.0
    for i in range(before.size):
        if before[i] > 0.0:
            worst = max(worst, (before[i] - after[i]) / before[i])
    return worst
