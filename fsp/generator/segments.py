"""Compiled construction of the generator on a fibre set: which interval of which fibre flows where.

A reaction shifts fibres onto fibres, and shifting keeps the lexicographic order, so the pairs are found by merging
two sorted lists: linear in the number of fibres, without a search and without touching a state.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fsp.statespace.kernels import compare_rows

__all__ = [
    "NO_TABLE",
    "boundary_segments",
    "coefficient",
    "grow_rays",
    "inflow_segments",
    "survey",
    "table_start",
]

#: Codes of what can be wrong with a propensity on a fibre.
UNDEFINED, MAKES_NEGATIVE = 1, 2

#: Marks a reaction that reads no table along the fibre. (Positions of tables may be negative: they are those of count
#: zero, where a table need not reach.)
NO_TABLE = -(2**62)


@njit(cache=True, nogil=True)
def coefficient(r, prefix, const, pointer, base, stride, tables):  # type: ignore[no-untyped-def]
    """Product of the factors of reaction ``r`` that do not read the fibre axis; infinite if one is undefined."""
    c = const[r]
    zero = False
    for k in range(pointer[r], pointer[r + 1]):
        j = base[k]
        for axis in range(prefix.size):
            j += stride[k, axis] * prefix[axis]
        value = tables[j]
        if value == np.inf:
            return np.inf
        zero = zero or value == 0.0
        c *= value
    return 0.0 if zero else c


@njit(cache=True, nogil=True)
def table_start(r, prefix, along_base, along_stride):  # type: ignore[no-untyped-def]
    """Position in the tables of the (possibly virtual) entry for count 0 along the fibre, or `NO_TABLE`."""
    j = along_base[r]
    if j == NO_TABLE:
        return j
    for axis in range(prefix.size):
        j += along_stride[r, axis] * prefix[axis]
    return j


@njit(cache=True, nogil=True)
def _bad(c, flagged, start, lo, hi, tables):  # type: ignore[no-untyped-def]
    """First count in ``[lo, hi)`` at which the propensity is undefined, or -1."""
    if c == np.inf:
        return lo
    if np.isnan(c):
        if start == NO_TABLE:
            return lo
        for v in range(lo, hi):
            if tables[start + v] != 0.0:
                return v
    elif flagged:
        for v in range(lo, hi):
            if tables[start + v] == np.inf or (c != 0.0 and np.isnan(tables[start + v])):
                return v
    return np.int64(-1)


@njit(cache=True, nogil=True)
def _set_error(error, code, reaction, fibre, v):  # type: ignore[no-untyped-def]
    error[0] = code
    error[1] = reaction
    error[2] = fibre
    error[3] = v


@njit(cache=True, nogil=True)
def _wider(table):  # type: ignore[no-untyped-def]
    """Copy a table to one with twice as many columns."""
    out = np.empty((table.shape[0], 2 * table.shape[1]), table.dtype)
    for row in range(table.shape[0]):
        for column in range(table.shape[1]):
            out[row, column] = table[row, column]
    return out


@njit(cache=True, nogil=True)
def survey(  # type: ignore[no-untyped-def]
    prefix, first, length, const, pointer, base, stride, along_base, along_stride, flagged, tables
):
    """Propensities on all fibres, as `coefficient` and `table_start` of each reaction and fibre.

    The third result is an error, ``(code, reaction, fibre, count)``, if a propensity is undefined at a state.
    """
    n = first.size
    c = np.empty((const.size, n), np.float64)
    start = np.empty((const.size, n), np.int64)
    error = np.zeros(4, np.int64)
    for r in range(const.size):
        for f in range(n):
            c[r, f] = const[r]
        for k in range(pointer[r], pointer[r + 1]):
            for f in range(n):
                j = base[k]
                for axis in range(prefix.shape[1]):
                    j += stride[k, axis] * prefix[f, axis]
                value = tables[j]
                if value == np.inf or c[r, f] == np.inf:
                    c[r, f] = np.inf
                elif value == 0.0 or c[r, f] == 0.0:
                    c[r, f] = 0.0
                else:
                    c[r, f] *= value
        along = along_base[r] != NO_TABLE
        for f in range(n):
            j = along_base[r]
            if along:
                for axis in range(prefix.shape[1]):
                    j += along_stride[r, axis] * prefix[f, axis]
            start[r, f] = j
        for f in range(n):
            if flagged[r] or not c[r, f] < np.inf:
                v = _bad(c[r, f], flagged[r], start[r, f], first[f], first[f] + length[f], tables)
                if v >= 0:
                    _set_error(error, UNDEFINED, r, f, v)
                    return c, start, error
    return c, start, error


@njit(cache=True, nogil=True)
def inflow_segments(  # type: ignore[no-untyped-def]
    prefix, first, length, offset, shifts, c, start, along_base, along
):
    """Segments of inflow, grouped by target fibre, for reactions that read the fibre axis (``along``) or do not.

    ``c`` and ``start`` are those of `survey`. Returns ``pointer, lo, hi, source, c, table, reaction``: target states ``lo
    <= i < hi`` of the fibre receive ``c * tables[table + i] * x[source + i]``.
    """
    n = first.size
    ptr = np.zeros(n + 1, np.int64)
    fill = np.zeros(n, np.int64)
    size = 0
    seg_lo = np.empty(0, np.int64)
    seg_hi = np.empty(0, np.int64)
    seg_source = np.empty(0, np.int64)
    seg_c = np.empty(0, np.float64)
    seg_table = np.empty(0, np.int64)
    seg_reaction = np.empty(0, np.int64)
    for sweep in range(2):
        if sweep == 1:
            for f in range(n):
                ptr[f + 1] = ptr[f] + fill[f]
                fill[f] = 0
            size = ptr[n]
            seg_lo = np.empty(size, np.int64)
            seg_hi = np.empty(size, np.int64)
            seg_source = np.empty(size, np.int64)
            seg_c = np.empty(size, np.float64)
            seg_table = np.empty(size, np.int64)
            seg_reaction = np.empty(size, np.int64)
        for r in range(shifts.shape[0]):
            if (along_base[r] != NO_TABLE) != along:
                continue
            shift = shifts[r]
            nu = shift[shift.size - 1]
            i = 0  # target
            j = 0  # source
            while i < n and j < n:
                order = compare_rows(prefix, j, prefix, i, shift)
                if order < 0:
                    j += 1
                    continue
                if order > 0:
                    i += 1
                    continue
                lo = max(first[i], first[j] + nu)
                end_i = first[i] + length[i]
                end_j = first[j] + length[j] + nu
                hi = min(end_i, end_j)
                if lo < hi and c[r, j] > 0.0:
                    if sweep == 0:
                        fill[i] += 1
                    else:
                        k = ptr[i] + fill[i]
                        fill[i] += 1
                        seg_lo[k] = lo - first[i]
                        seg_hi[k] = hi - first[i]
                        seg_source[k] = offset[j] + first[i] - nu - first[j]
                        seg_c[k] = c[r, j]
                        seg_table[k] = start[r, j] + first[i] - nu
                        seg_reaction[k] = r
                if end_i <= end_j:
                    i += 1
                else:
                    j += 1
    return ptr, seg_lo, seg_hi, seg_source, seg_c, seg_table, seg_reaction


@njit(cache=True, nogil=True)
def _gaps(prefix, first, length, shifts):  # type: ignore[no-untyped-def]
    """Intervals of states whose targets are not in the set, whatever the propensity: columns ``reaction, fibre, lo, hi``."""
    n = first.size
    axes = shifts.shape[1]
    room = 64 + 2 * n
    out = np.empty((4, room), np.int64)
    m = 0
    for r in range(shifts.shape[0]):
        nu = shifts[r, axes - 1]
        i = 0  # the first fibre that does not end before the targets
        for j in range(n):
            order = np.int64(-1)
            while i < n:
                order = np.int64(0)
                for axis in range(axes - 1):
                    order = prefix[j, axis] + shifts[r, axis] - prefix[i, axis]
                    if order != 0:
                        break
                if order < 0 or (order == 0 and first[i] + length[i] - nu > first[j]):
                    break
                i += 1
            at = first[j]
            end = at + length[j]
            k = i
            while at < end:
                same = order == 0 and k < n
                stop = min(first[k] - nu, end) if same else end
                if stop > at:
                    if m == room:
                        room *= 2
                        out = _wider(out)
                    out[0, m] = r
                    out[1, m] = j
                    out[2, m] = at
                    out[3, m] = stop
                    m += 1
                if not same:
                    break
                at = max(at, first[k] + length[k] - nu)
                k += 1
                if k < n:
                    for axis in range(axes - 1):
                        order |= prefix[k, axis] ^ prefix[k - 1, axis]
    return out, m


@njit(cache=True, nogil=True)
def boundary_segments(  # type: ignore[no-untyped-def]
    prefix, first, length, shifts, c, start, tables, lattice_offset, lattice_matrix
):
    """Segments of outflow: intervals of states from which a reaction leaves the set with positive propensity.

    ``c`` and ``start`` are those of `survey`. Returns rows ``reaction, fibre, lo, hi, table`` of one array and the
    coefficients, and an error as `survey` does; counts ``lo <= v < hi`` of the fibre lose probability at the rate
    ``c * tables[table + v]`` (or ``c``). Two passes: one loop for all of it is four times as slow.
    """
    gaps, size = _gaps(prefix, first, length, shifts)
    axes = shifts.shape[1]
    out = np.empty((5, size), np.int64)
    out_c = np.empty(size, np.float64)
    error = np.zeros(4, np.int64)
    m = 0
    for g in range(size):
        r = gaps[0, g]
        j = gaps[1, g]
        lo = gaps[2, g]
        hi = gaps[3, g]
        begin = start[r, j]
        if not c[r, j] > 0.0:
            continue
        if begin != NO_TABLE:
            while lo < hi and tables[begin + lo] == 0.0:
                lo += 1
            while hi > lo and tables[begin + hi - 1] == 0.0:
                hi -= 1
        if lo >= hi:
            continue
        for s in range(lattice_offset.size):
            slope = lattice_matrix[s, axes - 1]
            count = lattice_offset[s] + slope * (lo + shifts[r, axes - 1])
            for axis in range(axes - 1):
                count += lattice_matrix[s, axis] * (prefix[j, axis] + shifts[r, axis])
            if count < 0 or count + slope * (hi - 1 - lo) < 0:
                _set_error(error, MAKES_NEGATIVE, r, j, lo if count < 0 else hi - 1)
                return out, out_c, 0, error
        out[0, m] = r
        out[1, m] = j
        out[2, m] = lo
        out[3, m] = hi
        out[4, m] = begin
        out_c[m] = c[r, j]
        m += 1
    return out, out_c, m, error


@njit(cache=True, nogil=True)
def grow_rays(  # type: ignore[no-untyped-def]
    todo_reaction, todo_prefix, todo_lo, todo_hi, reach, shifts, const, pointer, base, stride, along_base, along_stride,
    tables, low, high, constraint, limit, max_intervals,
):  # fmt: skip
    """Follow reactions from intervals of states, as far as ``reach`` counts of the species that changes most.

    Intervals are clipped to the box of the tables ``[low, high)`` and to ``constraint @ y <= limit``; a ray ends where
    the propensity is zero. Returns an array whose columns are prefix, first and last (exclusive) count of an interval,
    their number, and whether a ray hit the box.
    """
    axes = shifts.shape[1]
    room = 256
    out = np.empty((axes + 1, room), np.int64)
    m = 0
    hit = False
    here = np.empty(axes - 1, np.int64)
    for t in range(todo_reaction.size):
        r = todo_reaction[t]
        nu = shifts[r, axes - 1]
        lo = todo_lo[t]
        hi = todo_hi[t]
        for axis in range(axes - 1):
            here[axis] = todo_prefix[t, axis]
        across = False
        far = 1
        for axis in range(axes):
            far = max(far, abs(shifts[r, axis]))
            across = across or (axis < axes - 1 and shifts[r, axis] != 0)
        mine = m  # the first interval of this ray
        for step in range(max(reach // far, 1)):
            if step > 0:  # the first firing is known to be possible
                c = coefficient(r, here, const, pointer, base, stride, tables)
                if c == 0.0 or np.isnan(c):
                    break
                start = table_start(r, here, along_base, along_stride)
                if start != NO_TABLE:
                    while lo < hi and not tables[start + lo] > 0.0:
                        lo += 1
                    while hi > lo and not tables[start + hi - 1] > 0.0:
                        hi -= 1
                if lo >= hi:
                    break
            inside = True
            for axis in range(axes - 1):
                here[axis] += shifts[r, axis]
                if here[axis] < low[axis] or here[axis] >= high[axis]:
                    inside = False
            lo += nu
            hi += nu
            if not inside or lo < low[axes - 1] or hi > high[axes - 1]:
                hit = True
                lo = max(lo, low[axes - 1])
                hi = min(hi, high[axes - 1])
                if not inside:
                    break
            for k in range(limit.size):
                rest = limit[k]
                for axis in range(axes - 1):
                    rest -= constraint[k, axis] * here[axis]
                slope = constraint[k, axes - 1]
                if slope == 0:
                    if rest < 0:
                        hi = lo
                elif slope > 0:
                    hi = min(hi, rest // slope + 1)
                else:
                    lo = max(lo, -(rest // -slope))
            if lo >= hi:
                break
            if not across and m > mine and lo <= out[axes, m - 1] and hi >= out[axes - 1, m - 1]:
                # along the fibre: the same interval, longer
                out[axes - 1, m - 1] = min(out[axes - 1, m - 1], lo)
                out[axes, m - 1] = max(out[axes, m - 1], hi)
                continue
            if m == room:
                if m >= max_intervals:
                    return out, m, hit
                room *= 2
                out = _wider(out)
            for axis in range(axes - 1):
                out[axis, m] = here[axis]
            out[axes - 1, m] = lo
            out[axes, m] = hi
            m += 1
    return out, m, hit
