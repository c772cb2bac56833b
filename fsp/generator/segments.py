"""Compiled construction of the generator on a fibre set: which interval of which fibre flows where.

A reaction shifts fibres onto fibres, and shifting keeps the lexicographic order, so the pairs are found by merging
two sorted lists: linear in the number of fibres, without a search and without touching a state.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fsp.statespace.kernels import compare_rows

__all__ = ["NO_TABLE", "boundary_segments", "coefficient", "grow_rays", "inflow_segments", "table_start"]

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
def inflow_segments(  # type: ignore[no-untyped-def]
    prefix, first, length, offset, shifts, const, pointer, base, stride, along_base, along_stride, flagged, tables,
    along,
):  # fmt: skip
    """Segments of inflow, grouped by target fibre, for reactions that read the fibre axis (``along``) or do not.

    Returns ``pointer, lo, hi, source, c, table, reaction, error``: target states ``lo <= i < hi`` of the fibre
    receive ``c * tables[table + i] * x[source + i]``; ``error`` is (code, reaction, fibre, count).
    """
    n = first.size
    n_reactions = const.size
    ptr = np.zeros(n + 1, np.int64)
    error = np.zeros(4, np.int64)
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
        for r in range(n_reactions):
            if (along_base[r] != NO_TABLE) != along:
                continue
            shift = shifts[r]
            nu = shift[shift.size - 1]
            i = 0  # target
            j = 0  # source
            c_of = -1
            c = 0.0
            start = np.int64(0)
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
                if lo < hi:
                    if c_of != j:
                        c_of = j
                        c = coefficient(r, prefix[j], const, pointer, base, stride, tables)
                        start = table_start(r, prefix[j], along_base, along_stride)
                        if sweep == 0:
                            v = _bad(c, flagged[r], start, first[j], first[j] + length[j], tables)
                            if v >= 0:
                                _set_error(error, UNDEFINED, r, j, v)
                                return ptr, seg_lo, seg_hi, seg_source, seg_c, seg_table, seg_reaction, error
                    if c != 0.0 and not np.isnan(c):
                        if sweep == 0:
                            fill[i] += 1
                        else:
                            k = ptr[i] + fill[i]
                            fill[i] += 1
                            seg_lo[k] = lo - first[i]
                            seg_hi[k] = hi - first[i]
                            seg_source[k] = offset[j] + first[i] - nu - first[j]
                            seg_c[k] = c
                            seg_table[k] = start + first[i] - nu
                            seg_reaction[k] = r
                if end_i <= end_j:
                    i += 1
                else:
                    j += 1
    return ptr, seg_lo, seg_hi, seg_source, seg_c, seg_table, seg_reaction, error


@njit(cache=True, nogil=True)
def boundary_segments(  # type: ignore[no-untyped-def]
    prefix, first, length, offset, shifts, const, pointer, base, stride, along_base, along_stride, flagged, tables,
    lattice_offset, lattice_matrix,
):  # fmt: skip
    """Segments of outflow: intervals of states from which a reaction leaves the set with positive propensity.

    Returns rows ``reaction, fibre, lo, hi, table`` of one array and ``c`` in another, the number of segments in them, and an
    error as `inflow_segments` does; counts ``lo <= v < hi`` of the fibre lose probability at the
    rate ``c * tables[table + v]`` (or ``c``).
    """
    n = first.size
    room = 64 + 2 * n
    out = np.empty((5, room), np.int64)
    out_c = np.empty((1, room), np.float64)
    m = 0
    error = np.zeros(4, np.int64)
    axes = shifts.shape[1]
    for r in range(const.size):
        shift = shifts[r]
        nu = shift[axes - 1]
        i = 0
        for j in range(n):
            while i < n and compare_rows(prefix, j, prefix, i, shift) > 0:
                i += 1
            at = first[j]
            end = first[j] + length[j]
            c = 0.0
            start = np.int64(0)
            known = False
            k = i
            while at < end:
                same = k < n and compare_rows(prefix, j, prefix, k, shift) == 0
                gap_end = end
                next_at = end
                if same:
                    gap_end = min(end, max(at, first[k] - nu))
                    next_at = min(end, max(at, first[k] + length[k] - nu))
                    k += 1
                if gap_end > at:
                    if not known:
                        known = True
                        c = coefficient(r, prefix[j], const, pointer, base, stride, tables)
                        start = table_start(r, prefix[j], along_base, along_stride)
                    bad = _bad(c, flagged[r], start, at, gap_end, tables)
                    if bad >= 0:
                        _set_error(error, UNDEFINED, r, j, bad)
                        return out, out_c, 0, error
                    if c == 0.0:
                        at = next_at
                        continue
                    lo = at
                    hi = gap_end
                    if start != NO_TABLE:
                        while lo < hi and tables[start + lo] == 0.0:
                            lo += 1
                        while hi > lo and tables[start + hi - 1] == 0.0:
                            hi -= 1
                    if lo < hi and not np.isnan(c):
                        for s in range(lattice_offset.size):
                            for v in (lo, hi - 1):
                                count = lattice_offset[s] + lattice_matrix[s, axes - 1] * (v + nu)
                                for axis in range(axes - 1):
                                    count += lattice_matrix[s, axis] * (prefix[j, axis] + shift[axis])
                                if count < 0:
                                    _set_error(error, MAKES_NEGATIVE, r, j, v)
                                    return out, out_c, 0, error
                        if m == room:
                            room *= 2
                            out = _wider(out)
                            out_c = _wider(out_c)
                        out[0, m] = r
                        out[1, m] = j
                        out[2, m] = lo
                        out[3, m] = hi
                        out[4, m] = start
                        out_c[0, m] = c
                        m += 1
                at = next_at
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
