"""Compiled loops over fibres: sorted merges of intervals, lookups and the expansion into states.

A fibre is ``(prefix, first, length)``: the states ``prefix + (v,)`` with ``first <= v < first + length``. All arrays are
``int64``; fibres are in lexicographic order of ``(prefix, first)``, disjoint, and maximal.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = [
    "bounding_box",
    "compare_rows",
    "expand",
    "find_states",
    "intersect_sorted",
    "merge_sorted",
    "overlap_copy",
    "spread",
]


@njit(cache=True, nogil=True)
def compare_rows(a, i, b, j, shift):  # type: ignore[no-untyped-def]
    """Sign of the lexicographic comparison of ``a[i] + shift`` with ``b[j]``."""
    for axis in range(a.shape[1]):
        left = a[i, axis] + shift[axis]
        right = b[j, axis]
        if left < right:
            return -1
        if left > right:
            return 1
    return 0


@njit(cache=True, nogil=True)
def merge_sorted(prefix, first, last):  # type: ignore[no-untyped-def]
    """Merge sorted, possibly overlapping or touching intervals ``[first, last)`` into maximal fibres, in place.

    Returns the number of fibres; the leading entries of the three arrays hold them.
    """
    n = first.size
    zero = np.zeros(prefix.shape[1], np.int64)
    k = -1
    for i in range(n):
        if last[i] <= first[i]:
            continue
        if k >= 0 and first[i] <= last[k] and compare_rows(prefix, i, prefix, k, zero) == 0:
            if last[i] > last[k]:
                last[k] = last[i]
        else:
            k += 1
            if k != i:
                for axis in range(prefix.shape[1]):
                    prefix[k, axis] = prefix[i, axis]
                first[k] = first[i]
                last[k] = last[i]
    return k + 1


@njit(cache=True, nogil=True)
def intersect_sorted(pa, fa, la, pb, fb, lb):  # type: ignore[no-untyped-def]
    """Intersection of two fibre sets given by prefix, first count and length."""
    size = fa.size + fb.size
    axes = pa.shape[1]
    prefix = np.empty((size, axes), np.int64)
    first = np.empty(size, np.int64)
    length = np.empty(size, np.int64)
    zero = np.zeros(axes, np.int64)
    i = 0
    j = 0
    k = 0
    while i < fa.size and j < fb.size:
        order = compare_rows(pa, i, pb, j, zero)
        if order < 0:
            i += 1
        elif order > 0:
            j += 1
        else:
            lo = max(fa[i], fb[j])
            end_a = fa[i] + la[i]
            end_b = fb[j] + lb[j]
            hi = min(end_a, end_b)
            if lo < hi:
                for axis in range(axes):
                    prefix[k, axis] = pa[i, axis]
                first[k] = lo
                length[k] = hi - lo
                k += 1
            if end_a <= end_b:
                i += 1
            else:
                j += 1
    return prefix[:k].copy(), first[:k].copy(), length[:k].copy()


@njit(cache=True, nogil=True)
def overlap_copy(pa, fa, la, oa, source, pb, fb, lb, ob, target):  # type: ignore[no-untyped-def]
    """Copy a vector on fibre set ``a`` to one on ``b`` where the sets overlap.

    ``target`` must be zero on entry. Returns the sum of the entries that have no place in ``b``.
    """
    zero = np.zeros(pa.shape[1], np.int64)
    lost = 0.0
    i = 0
    j = 0
    at = np.int64(0)  # first count of fibre i that is not yet dealt with
    if fa.size > 0:
        at = fa[0]
    while i < fa.size:
        end_a = fa[i] + la[i]
        order = -1
        if j < fb.size:
            order = compare_rows(pa, i, pb, j, zero)
        if order < 0 or (order == 0 and end_a <= fb[j]):
            for v in range(at, end_a):
                lost += source[oa[i] + v - fa[i]]
            i += 1
            if i < fa.size:
                at = fa[i]
        elif order > 0 or fb[j] + lb[j] <= at:
            j += 1
        else:
            for v in range(at, fb[j]):
                lost += source[oa[i] + v - fa[i]]
            lo = max(at, fb[j])
            hi = min(end_a, fb[j] + lb[j])
            s = oa[i] + lo - fa[i]
            t = ob[j] + lo - fb[j]
            for v in range(hi - lo):
                target[t + v] = source[s + v]
            at = hi
            if at >= end_a:
                i += 1
                if i < fa.size:
                    at = fa[i]
            else:
                j += 1
    return lost


@njit(cache=True, nogil=True)
def _holds(pa, fa, la, pb, fb, lb):  # type: ignore[no-untyped-def]
    """Tell whether fibre set ``b`` holds all states of ``a``; fibres are maximal, so each lies within one of ``b``."""
    zero = np.zeros(pa.shape[1], np.int64)
    j = 0
    for i in range(fa.size):
        while j < fb.size:
            order = compare_rows(pa, i, pb, j, zero)
            if order < 0 or (order == 0 and fa[i] < fb[j] + lb[j]):
                break
            j += 1
        if j == fb.size or compare_rows(pa, i, pb, j, zero) != 0:
            return False
        if fa[i] < fb[j] or fa[i] + la[i] > fb[j] + lb[j]:
            return False
    return True


@njit(cache=True, nogil=True)
def spread(pa, fa, la, oa, pb, fb, lb, ob, x):  # type: ignore[no-untyped-def]
    """Move a vector on fibre set ``a``, at the beginning of ``x``, to the larger set ``b``, with zeros on its new states.

    Goes from the end to the beginning: no entry lies behind its new place. Returns whether ``b`` holds all states of
    ``a``; if not, nothing is moved.
    """
    if not _holds(pa, fa, la, pb, fb, lb):
        return False
    zero = np.zeros(pa.shape[1], np.int64)
    i = fa.size - 1
    for j in range(fb.size - 1, -1, -1):
        end = ob[j + 1]  # the entries of fibre j that are not yet written end here
        while i >= 0 and fa[i] >= fb[j] and compare_rows(pa, i, pb, j, zero) == 0:
            start = ob[j] + fa[i] - fb[j]
            shift = start - oa[i]
            for k in range(start + la[i], end):
                x[k] = 0.0
            if shift > 0:
                for k in range(start + la[i] - 1, start - 1, -1):
                    x[k] = x[k - shift]
            end = start
            i -= 1
        for k in range(ob[j], end):
            x[k] = 0.0
    return True


@njit(cache=True, nogil=True)
def expand(prefix, first, offset, fibre, start, stop, out):  # type: ignore[no-untyped-def]
    """Write the states with positions ``start`` to ``stop`` to the rows of ``out``; ``fibre`` holds ``start``."""
    axes = prefix.shape[1]
    f = fibre
    for i in range(start, stop):
        while i >= offset[f + 1]:
            f += 1
        for axis in range(axes):
            out[i - start, axis] = prefix[f, axis]
        out[i - start, axes] = first[f] + i - offset[f]


@njit(cache=True, nogil=True)
def find_states(prefix, first, length, offset, states, out):  # type: ignore[no-untyped-def]
    """Position of each row of ``states``, or -1; one binary search over fibres for each."""
    axes = prefix.shape[1]
    n = first.size
    for i in range(states.shape[0]):
        lo = 0
        hi = n  # the last fibre that is not after the state is at hi - 1
        while lo < hi:
            mid = (lo + hi) // 2
            order = 0
            for axis in range(axes):
                if prefix[mid, axis] < states[i, axis]:
                    order = -1
                    break
                if prefix[mid, axis] > states[i, axis]:
                    order = 1
                    break
            if order == 0 and first[mid] > states[i, axes]:
                order = 1
            if order <= 0:
                lo = mid + 1
            else:
                hi = mid
        out[i] = -1
        f = lo - 1
        if f >= 0:
            same = True
            for axis in range(axes):
                if prefix[f, axis] != states[i, axis]:
                    same = False
            v = states[i, axes] - first[f]
            if same and 0 <= v < length[f]:
                out[i] = offset[f] + v


@njit(cache=True, nogil=True)
def bounding_box(prefix, first, length, low, high):  # type: ignore[no-untyped-def]
    """Write the smallest and the largest coordinate on each axis."""
    axes = prefix.shape[1]
    for axis in range(axes + 1):
        low[axis] = 2**62
        high[axis] = -(2**62)
    for f in range(first.size):
        for axis in range(axes):
            low[axis] = min(low[axis], prefix[f, axis])
            high[axis] = max(high[axis], prefix[f, axis])
        low[axes] = min(low[axes], first[f])
        high[axes] = max(high[axes], first[f] + length[f] - 1)
