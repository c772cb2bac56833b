"""Elimination without subtractions along a dissection: one small dense matrix, a *front*, for each node.

The front of a node holds the rates among its own states and its boundary: those of the chain from and to its own states, and
what the eliminations in the two parts of the set that it separates have added (Duff and Reid 1983). Its own states are
taken out by `fsp.stationary.elimination`; what that adds among the states of the boundary waits on a stack. All of this is
sums and products of non-negative numbers, so every entry keeps its relative accuracy, as in a band.

Kept are, for each node, the rows of its own states, then the ``l`` of its boundary to them.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fsp.generator.pointers import read, write
from fsp.stationary.elimination import eliminate, matrix_size, workspace

__all__ = ["eliminate_fronts", "solve_columns", "solve_rows"]


@njit(cache=True, nogil=True)
def _assemble(front, width, p0, p1, order, position, local, out_rates, in_rates, until):  # type: ignore[no-untyped-def]
    """Add the rates of the chain from and to the states at positions ``p0`` to ``p1``; none from that at ``until``."""
    indptr, indices, values = out_rates
    for p in range(p0, p1):
        i = order[p]
        if p != until:
            row = (p - p0) * width
            for t in range(indptr[i], indptr[i + 1]):
                q = position[indices[t]]
                if q >= p0:
                    front[row + local[q]] += values[t]
    indptr, indices, values = in_rates
    for p in range(p0, p1):
        i = order[p]
        for t in range(indptr[i], indptr[i + 1]):
            q = position[indices[t]]
            if q >= p1 and q != until:
                front[local[q] * width + p - p0] += values[t]


@njit(cache=True, nogil=True)
def _extend(front, width, places, count, stack, top):  # type: ignore[no-untyped-def]
    """Add a square matrix from a stack to the rows and columns ``places`` of a front."""
    for a in range(count):
        row = places[a] * width
        for b in range(count):
            p = row + read(places, b)
            write(front, p, read(front, p) + read(stack, top + b))
        top += count


@njit(cache=True, nogil=True)
def _sizes(start, halves, pointer):  # type: ignore[no-untyped-def]
    """Return the widest front, and what the stack holds at most."""
    widest = depth = most = 0
    waiting = [0 for _ in range(0)]
    for k in range(halves.size):
        own, ahead = start[k + 1] - start[k], pointer[k + 1] - pointer[k]
        widest = max(widest, own + ahead)
        if halves[k]:
            depth -= waiting.pop() + waiting.pop()
        waiting.append(ahead * ahead)
        depth += ahead * ahead
        most = max(most, depth)
    return widest, most


@njit(cache=True, nogil=True)
def eliminate_fronts(  # type: ignore[no-untyped-def]
    order, position, start, halves, pointer, boundary, out_rates, in_rates, out, until, kept
):
    """Take all states out, and fill ``kept``; return how many were, and the totals ``s``.

    ``out_rates`` and ``in_rates`` are the rates by source and by target (pointers, indices, values), ``out`` the outflow by
    position, ``until`` a position whose rates are left out, or -1. If a state goes nowhere its position is returned.
    """
    n = order.size
    widest, deepest = _sizes(start, halves, pointer)
    front = np.zeros(matrix_size(widest, 0, widest))
    stack = np.empty(deepest)
    pivots = np.empty(n)
    local = np.zeros(n, np.int64)
    places = np.empty(widest, np.int64)
    first = np.zeros(widest, np.int64)
    last = np.empty(widest, np.int64)
    outflow = np.empty(widest)
    totals = np.empty(widest)
    work = workspace(widest, widest)
    waiting = [0 for _ in range(0)]
    top = end = 0
    for k in range(halves.size):
        p0, p1 = start[k], start[k + 1]
        own = p1 - p0
        ahead = boundary[pointer[k] : pointer[k + 1]]
        width = own + ahead.size
        front[: width * width] = 0.0
        last[:width] = width
        for p in range(p0, p1):
            local[p] = p - p0
            outflow[p - p0] = out[p]
        for t in range(ahead.size):
            local[ahead[t]] = own + t
            outflow[own + t] = out[ahead[t]]
        _assemble(front, width, p0, p1, order, position, local, out_rates, in_rates, until)
        if halves[k]:
            for _ in range(2):
                part = waiting.pop()
                count = pointer[part + 1] - pointer[part]
                for t in range(count):
                    places[t] = local[boundary[pointer[part] + t]]
                top -= count * count
                _extend(front, width, places, count, stack, top)
        done = eliminate(front, 0, width, width, last, last, first, outflow, totals, own, work)
        if done < own:
            return p0 + done, pivots
        pivots[p0:p1] = totals[:own]
        for t in range(ahead.size):
            out[ahead[t]] = outflow[own + t]
        kept[end : end + own * width] = front[: own * width]
        end += own * width
        for i in range(own, width):
            row = i * width
            kept[end : end + own] = front[row : row + own]
            end += own
            stack[top : top + ahead.size] = front[row + own : row + width]
            top += ahead.size
        waiting.append(k)
    return n, pivots


@njit(cache=True, nogil=True)
def solve_columns(start, pointer, boundary, pivots, kept, x):  # type: ignore[no-untyped-def]
    """Replace ``x``, an initial law by position, by the expected times in the states."""
    nodes = start.size - 1
    at = np.empty(nodes + 1, np.int64)  # where the numbers of a node begin
    at[0] = 0
    for k in range(nodes):
        p0, p1 = start[k], start[k + 1]
        own = p1 - p0
        ahead = boundary[pointer[k] : pointer[k + 1]]
        width = own + ahead.size
        at[k + 1] = at[k] + own * (width + ahead.size)
        for p in range(p0, p1):
            if x[p] != 0.0:
                share = x[p] / pivots[p]
                row = at[k] + (p - p0) * width
                for j in range(p - p0 + 1, own):
                    x[p0 + j] += share * kept[row + j]
                for t in range(ahead.size):
                    x[ahead[t]] += share * kept[row + own + t]
    for p in range(x.size):
        x[p] /= pivots[p]
    for k in range(nodes - 1, -1, -1):
        p0, p1 = start[k], start[k + 1]
        own = p1 - p0
        ahead = boundary[pointer[k] : pointer[k + 1]]
        width = own + ahead.size
        row = at[k] + own * width
        for t in range(ahead.size):
            times = x[ahead[t]]
            for j in range(own):
                write(x, p0 + j, read(x, p0 + j) + times * read(kept, row + j))
            row += own
        for i in range(own - 1, 0, -1):
            row = at[k] + i * width
            for j in range(i):
                x[p0 + j] += x[p0 + i] * kept[row + j]


@njit(cache=True, nogil=True)
def solve_rows(start, pointer, boundary, pivots, kept, x):  # type: ignore[no-untyped-def]
    """Replace ``x``, a reward per time by position, by the expected reward from each state."""
    nodes = start.size - 1
    at = 0
    for k in range(nodes):
        p0, p1 = start[k], start[k + 1]
        own = p1 - p0
        ahead = boundary[pointer[k] : pointer[k + 1]]
        width = own + ahead.size
        for i in range(1, own):
            total = x[p0 + i]
            for j in range(i):
                total += kept[at + i * width + j] * x[p0 + j]
            x[p0 + i] = total
        row = at + own * width
        for t in range(ahead.size):
            total = x[ahead[t]]
            for j in range(own):
                total += kept[row + j] * x[p0 + j]
            x[ahead[t]] = total
            row += own
        at = row
    for k in range(nodes - 1, -1, -1):
        p0, p1 = start[k], start[k + 1]
        own = p1 - p0
        ahead = boundary[pointer[k] : pointer[k + 1]]
        width = own + ahead.size
        at -= own * (width + ahead.size)
        for i in range(own - 1, -1, -1):
            row = at + i * width
            total = x[p0 + i]
            for j in range(i + 1, own):
                total += kept[row + j] * x[p0 + j]
            for t in range(ahead.size):
                total += kept[row + own + t] * x[ahead[t]]
            x[p0 + i] = total / pivots[p0 + i]
