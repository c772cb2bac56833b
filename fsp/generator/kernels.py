"""Compiled products with the generator: one pass over each fibre, all its reactions fused.

A fibre is done in blocks of eight states. Where all its segments cover a block no masks are needed, and if that part is
long, all terms are fused into one loop without branches.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fsp.generator.blocks import LANES, block, fused_2s2t, fused_4s2t, open_block
from fsp.generator.pointers import read, write

__all__ = [
    "add_scaled",
    "add_segment_outflow",
    "add_transpose",
    "boundary_flow",
    "boundary_rates",
    "exit_rates",
    "largest_decrease",
    "max_exit_rate",
    "product",
    "segment_outflow",
    "spread_flows",
]

_FAST = {"contract", "nsz", "arcp"}  # fused multiply-add, but no reordering of sums

#: States after which a finished part of the product is added to the total, and length of the common part of all
#: segments of a fibre from which it pays to set up the fused loop.
_FLUSH, _LONG = 1024, 24

#: Fibres from the first length to below the second one are done in strips (a multiple of the blocks), of so many fibres.
#: Longer ones stream from memory, which long runs help.
_WIDE, _WIDEST, _STRIP, _ROWS = 384, 4096, 512, 8

# In the loops below y, x and t are arrays; o, and the numbers behind x and t, are positions of the first element.


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _set_diagonal(y, o, n, x, t, d, e, b):  # type: ignore[no-untyped-def]
    for i in range(n):
        write(y, o + i, (d - e * read(t, b + i)) * read(x, o + i))


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def add_scaled(y, o, n, x, x1, c1):  # type: ignore[no-untyped-def]
    """``y += c1 x`` for ``n`` entries from ``o`` in ``y`` and from ``x1`` in ``x``."""
    for i in range(n):
        write(y, o + i, read(y, o + i) + c1 * read(x, x1 + i))


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _add_table(y, o, n, x, x1, t, t1, c1):  # type: ignore[no-untyped-def]
    for i in range(n):
        write(y, o + i, read(y, o + i) + c1 * read(t, t1 + i) * read(x, x1 + i))


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def product(  # type: ignore[no-untyped-def]
    f0, f1, x, y, alpha, beta, weight, total, first, offset, fibre_exit, diagonal_base, tables, fuse_lo, fuse_hi,
    pointer, middle, records, weights,
):  # fmt: skip
    """``y = alpha x + beta A x`` on the fibres ``f0`` to ``f1``; then ``total += weight y`` where ``weight > 0``.

    The last arguments are those that `fsp.generator.blocks.pack_segments` sets.
    """
    column = weights.shape[1] - 1
    done = offset[f0]  # up to where the total is complete
    first_fibre = f0
    while first_fibre < f1:
        # Several long fibres are done strip by strip, so that tables and neighbours stay in the first-level cache.
        last_fibre = first_fibre + 1
        longest = offset[first_fibre + 1] - offset[first_fibre]
        strip = longest
        in_strips = _WIDE <= longest < _WIDEST
        if in_strips:
            strip = _STRIP
            last_fibre = min(first_fibre + _ROWS, f1)
            if weight > 0.0:
                add_scaled(total, done, offset[first_fibre] - done, y, done, weight)
                done = offset[last_fibre]
            for f in range(first_fibre, last_fibre):
                longest = max(longest, offset[f + 1] - offset[f])
        for start in range(0, longest, strip):
            for f in range(first_fibre, last_fibre):
                o = offset[f]
                n = offset[f + 1] - o
                stop = min(n, start + strip)
                if start >= n:
                    continue
                d = alpha - beta * fibre_exit[f]
                base = diagonal_base + first[f]
                k = np.int64(pointer[f])
                k_middle = np.int64(middle[f])
                k_end = np.int64(pointer[f + 1])
                lo = np.int64(fuse_lo[f])
                hi = np.int64(fuse_hi[f])
                p = start
                fused = hi - lo >= _LONG and k_middle - k <= 4 and k_end - k_middle <= 2
                while p < stop:
                    if fused and p >= lo:
                        break
                    if p >= lo and p + LANES <= hi:
                        open_block(y, x, tables, o, n, p, d, beta, base, k, k_middle, k_end, records, weights)
                    else:
                        block(y, x, tables, o, n, p, d, beta, base, k, k_middle, k_end, records, weights)
                    p += LANES
                if fused:
                    # Terms that are not there read the state itself, times zero.
                    x1 = x2 = x3 = x4 = x5 = x6 = o
                    t3 = t4 = base
                    c1 = c2 = c3 = c4 = c5 = c6 = 0.0
                    if k < k_middle:
                        x1, c1 = np.int64(records[k, 2]), beta * weights[k, column]
                    if k + 1 < k_middle:
                        x2, c2 = np.int64(records[k + 1, 2]), beta * weights[k + 1, column]
                    if k + 2 < k_middle:
                        x5, c5 = np.int64(records[k + 2, 2]), beta * weights[k + 2, column]
                    if k + 3 < k_middle:
                        x6, c6 = np.int64(records[k + 3, 2]), beta * weights[k + 3, column]
                    t = k_middle
                    if t < k_end:
                        x3, c3, t3 = (
                            np.int64(records[t, 2]),
                            beta * weights[t, column],
                            np.int64(records[t, 3]),
                        )
                    if t + 1 < k_end:
                        t += 1
                        x4, c4, t4 = (
                            np.int64(records[t, 2]),
                            beta * weights[t, column],
                            np.int64(records[t, 3]),
                        )
                    common = min(hi, stop)
                    if k_middle - k <= 2:
                        while p + LANES <= common:
                            fused_2s2t(
                                y, x, tables, o + p, d, beta, base + p, x1 + p, c1, x2 + p, c2, x3 + p, c3, t3 + p, x4 + p,
                                c4, t4 + p,
                            )  # fmt: skip
                            p += LANES
                    else:
                        while p + LANES <= common:
                            fused_4s2t(
                                y, x, tables, o + p, d, beta, base + p, x1 + p, c1, x2 + p, c2, x5 + p, c5, x6 + p, c6,
                                x3 + p, c3, t3 + p, x4 + p, c4, t4 + p,
                            )  # fmt: skip
                            p += LANES
                    while p < stop:
                        block(y, x, tables, o, n, p, d, beta, base, k, k_middle, k_end, records, weights)
                        p += LANES
                if weight > 0.0:  # while y is in the first-level cache
                    if in_strips:
                        add_scaled(total, o + start, stop - start, y, o + start, weight)
                    elif o + n - done >= _FLUSH or f == f1 - 1:
                        add_scaled(total, done, o + n - done, y, done, weight)
                        done = o + n
        first_fibre = last_fibre


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
def exit_rates(f0, f1, out, first, offset, fibre_exit, diagonal_base, tables, mixed_c, mixed_table):  # type: ignore[no-untyped-def]
    """Exit rate of each state of the fibres ``f0`` to ``f1``; ``out`` starts at the first of them.

    ``mixed_c`` and ``mixed_table`` are the parts of it that `fsp.generator.entries.diagonal_parts` lists.
    """
    start = offset[f0]
    for f in range(f0, f1):
        o = offset[f] - start
        n = offset[f + 1] - offset[f]
        base = diagonal_base + first[f]
        for i in range(n):
            write(out, o + i, fibre_exit[f] + read(tables, base + i))
        for k in range(mixed_c.shape[0]):
            c = mixed_c[k, f]
            if c > 0.0:
                base = mixed_table[k, f]
                for i in range(n):
                    write(out, o + i, read(out, o + i) + c * read(tables, base + i))


@njit(cache=True, nogil=True)
def max_exit_rate(first, offset, fibre_exit, diagonal_base, tables, mixed_c, mixed_table):  # type: ignore[no-untyped-def]
    """Largest exit rate, without a vector over the states."""
    longest = 0
    for f in range(first.size):
        longest = max(longest, offset[f + 1] - offset[f])
    buffer = np.empty(longest, np.float64)
    largest = 0.0
    for f in range(first.size):
        n = offset[f + 1] - offset[f]
        exit_rates(f, f + 1, buffer, first, offset, fibre_exit, diagonal_base, tables, mixed_c, mixed_table)
        for i in range(n):
            if not buffer[i] <= largest:
                largest = buffer[i]
    return largest


@njit(cache=True, nogil=True, fastmath=_FAST | {"reassoc"}, error_model="numpy")
def add_segment_outflow(x, start, stop, c, table, tables, factor, out):  # type: ignore[no-untyped-def]
    """Add ``factor`` times the flow through each boundary segment to ``out``; return the flow through all of them."""
    total = 0.0
    for k in range(start.size):
        flow = 0.0
        if table[k] >= 0:
            for i in range(stop[k] - start[k]):
                flow += read(tables, table[k] + i) * read(x, start[k] + i)
        else:
            for i in range(stop[k] - start[k]):
                flow += read(x, start[k] + i)
        flow *= c[k]
        out[k] += factor * flow
        total += flow
    return total


@njit(cache=True, nogil=True, fastmath=_FAST | {"reassoc"}, error_model="numpy")
def segment_outflow(x, start, stop, c, table, tables, out):  # type: ignore[no-untyped-def]
    """Flow out of the set through each boundary segment."""
    out[:] = 0.0
    add_segment_outflow(x, start, stop, c, table, tables, 1.0, out)


@njit(cache=True, nogil=True)
def spread_flows(flows, shape, start, stop, c, table, tables, out):  # type: ignore[no-untyped-def]
    """Set ``out``, zero on entry, to probabilities that have these flows, in proportion to ``shape`` along each segment.

    Where segments overlap, the largest one counts.
    """
    for k in range(start.size):
        if flows[k] <= 0.0:
            continue
        now = 0.0
        most = 0.0
        for i in range(start[k], stop[k]):
            rate = c[k] * (tables[table[k] + i - start[k]] if table[k] >= 0 else 1.0)
            now += rate * max(shape[i], 0.0)
            most += rate
        for i in range(start[k], stop[k]):
            if now > 0.0:
                out[i] = max(out[i], max(shape[i], 0.0) * (flows[k] / now))
            elif most > 0.0:
                out[i] = max(out[i], flows[k] / most)


@njit(cache=True, nogil=True)
def boundary_rates(n, start, stop, c, table, tables):  # type: ignore[no-untyped-def]
    """Outflow rate of each boundary state, with their positions, ascending.

    If there is outflow for a third of all states, ``positions`` is empty and there is a rate for every state.
    """
    entries = 0
    for k in range(start.size):
        entries += stop[k] - start[k]
    if 3 * entries >= n:
        rate = np.zeros(n, np.float64)
        for k in range(start.size):
            for i in range(start[k], stop[k]):
                rate[i] += c[k] * (tables[table[k] + i - start[k]] if table[k] >= 0 else 1.0)
        return np.empty(0, np.int64), rate
    found = np.empty(entries, np.int64)
    value = np.empty(entries, np.float64)
    m = 0
    for k in range(start.size):
        for i in range(start[k], stop[k]):
            found[m] = i
            value[m] = c[k] * (tables[table[k] + i - start[k]] if table[k] >= 0 else 1.0)
            m += 1
    order = np.argsort(found)
    positions = np.empty(entries, np.int64)
    rates = np.empty(entries, np.float64)
    m = -1
    for j in range(entries):
        if m < 0 or positions[m] != found[order[j]]:
            m += 1
            positions[m] = found[order[j]]
            rates[m] = 0.0
        rates[m] += value[order[j]]
    return positions[: m + 1].copy(), rates[: m + 1].copy()


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
