"""Compiled steps of multilevel aggregation: pairs of states, flows between aggregates, Gauss-Seidel sweeps.

A level is a chain: ``flow[k]`` for ``k`` in ``indptr[i]:indptr[i + 1]`` is the flow from ``i`` to ``indices[k]``,
``diagonal`` all that leaves a state. Only these rows by source are stored: they serve ``-A`` (by columns) as well as its
transpose (by rows).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fsp.generator.pointers import read, write

__all__ = [
    "climb", "close_rows", "coarsen", "first_guess", "pair_states", "relax_columns", "relax_rows", "residual_columns",
    "residual_rows",
]  # fmt: skip


@njit(cache=True, nogil=True)
def pair_states(indptr, indices, flow, root, label):  # type: ignore[no-untyped-def]
    """Put each state together with the neighbour, among those not taken, that it sends most to; return how many pairs.

    A state whose neighbours are all taken joins the aggregate it sends most to, if that is a pair; then it is full. The
    root stays alone, with the number 0.
    """
    n = indptr.size - 1
    label[:] = -1
    size = np.zeros(n, np.int8)
    label[root] = 0
    size[0] = 3
    count = 1
    for i in range(n):
        if label[i] >= 0:
            continue
        best, best_taken = -1, -1
        most, most_taken = 0.0, 0.0
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            if j == i:
                continue
            if label[j] < 0:
                if flow[k] > most:
                    best, most = j, flow[k]
            elif size[label[j]] < 3 and flow[k] > most_taken:
                best_taken, most_taken = j, flow[k]
        if best >= 0:
            label[i] = label[best] = count
            size[count] = 2
            count += 1
        elif best_taken >= 0:
            label[i] = label[best_taken]
            size[label[i]] = 3
        else:
            label[i] = count
            size[count] = 1
            count += 1
    return count


@njit(cache=True, nogil=True)
def coarsen(indptr, indices, flow, weight, label, count, new_indptr, new_indices, new_flow):  # type: ignore[no-untyped-def]
    """Write the flows between aggregates; return how many there are. ``flow`` is multiplied by the weight of its source.

    The arrays for the result may be as long as those given: there are never more flows than before.
    """
    n = label.size
    start = np.zeros(count + 1, np.int64)
    for i in range(n):
        start[label[i] + 1] += 1
    for c in range(count):
        start[c + 1] += start[c]
    members = np.empty(n, np.int32)
    cursor = start[:-1].copy()
    for i in range(n):
        c = label[i]
        members[cursor[c]] = i
        cursor[c] += 1
    place = np.full(count, -1, np.int64)
    filled = 0
    new_indptr[0] = 0
    for c in range(count):
        first = filled
        for m in range(start[c], start[c + 1]):
            i = members[m]
            w = weight[i]
            for k in range(indptr[i], indptr[i + 1]):
                d = label[indices[k]]
                if d == c:
                    continue
                at = place[d]
                if at >= first:
                    new_flow[at] += w * flow[k]
                else:
                    place[d] = filled
                    new_indices[filled] = d
                    new_flow[filled] = w * flow[k]
                    filled += 1
        new_indptr[c + 1] = filled
    return filled


@njit(cache=True, nogil=True)
def relax_columns(indptr, indices, flow, diagonal, residual, x, backward):  # type: ignore[no-untyped-def]
    """One Gauss-Seidel sweep for ``-A x = b``; keeps ``residual = b + A x`` up to date."""
    n = x.size
    for step in range(n):
        i = n - 1 - step if backward else step
        change = read(residual, i) / read(diagonal, i)
        write(x, i, read(x, i) + change)
        write(residual, i, 0.0)
        for k in range(read(indptr, i), read(indptr, i + 1)):
            j = read(indices, k)
            write(residual, j, read(residual, j) + read(flow, k) * change)


@njit(cache=True, nogil=True)
def relax_rows(indptr, indices, flow, diagonal, b, x, backward):  # type: ignore[no-untyped-def]
    """One Gauss-Seidel sweep for ``-A' x = b``; without subtractions, so what is positive stays so."""
    n = x.size
    for step in range(n):
        i = n - 1 - step if backward else step
        total = read(b, i)
        for k in range(read(indptr, i), read(indptr, i + 1)):
            total += read(flow, k) * read(x, read(indices, k))
        write(x, i, total / read(diagonal, i))


@njit(cache=True, nogil=True)
def residual_columns(indptr, indices, flow, diagonal, b, x, out):  # type: ignore[no-untyped-def]
    """Set ``out = b + A x``."""
    n = x.size
    for i in range(n):
        out[i] = b[i] - diagonal[i] * x[i]
    for i in range(n):
        value = read(x, i)
        for k in range(read(indptr, i), read(indptr, i + 1)):
            j = read(indices, k)
            write(out, j, read(out, j) + read(flow, k) * value)


@njit(cache=True, nogil=True)
def residual_rows(indptr, indices, flow, diagonal, b, x, out):  # type: ignore[no-untyped-def]
    """Set ``out = b + A' x``."""
    for i in range(x.size):
        total = 0.0
        for k in range(read(indptr, i), read(indptr, i + 1)):
            total += read(flow, k) * read(x, read(indices, k))
        out[i] = read(b, i) + (total - read(diagonal, i) * read(x, i))


@njit(cache=True, nogil=True)
def climb(indptr, indices, rate, start):  # type: ignore[no-untyped-def]
    """Return the state that is reached from ``start`` by steps of which the rate exceeds that of the step back the most."""
    met = np.zeros(indptr.size - 1, np.uint8)
    i = start
    while True:
        met[i] = 1
        best, most = -1, 1.0
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            back = 0.0
            for m in range(indptr[j], indptr[j + 1]):
                if indices[m] == i:
                    back += rate[m]
            if back > 0.0 and rate[k] > most * back and met[j] == 0:
                best, most = j, rate[k] / back
        if best < 0:
            return i
        i = best


@njit(cache=True, nogil=True)
def first_guess(indptr, indices, rate, diagonal, start, x):  # type: ignore[no-untyped-def]
    """Guess the shape of the stationary law outwards from a state; return how many states were reached.

    States are met in the order of their distance. What flows to a state from those met before, divided by the rate back to
    them, is exact for a chain with detailed balance without loops, and close to it for many others.
    """
    n = x.size
    state = np.zeros(n, np.uint8)  # 1: waiting, 2: met
    order = np.empty(n, np.int32)
    x[:] = 0.0  # first what flows in, then the guess
    order[0] = start
    state[start] = 1
    tail = 1
    for head in range(n):
        if head == tail:
            break
        i = order[head]
        back = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            if state[indices[k]] == 2:
                back += rate[k]
        rate_back = back if back > 0.0 else diagonal[i]
        x[i] = (min(x[i] / rate_back, 1e100) if rate_back > 0.0 else 1e100) if i != start else 1.0
        state[i] = 2
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            if rate[k] > 0.0 and state[j] != 2:
                x[j] += x[i] * rate[k]
                if state[j] == 0:
                    state[j] = 1
                    order[tail] = j
                    tail += 1
    return tail


@njit(cache=True, nogil=True)
def close_rows(indptr, indices, rate, outflow, root, source, new_indptr, new_indices, new_rate):  # type: ignore[no-untyped-def]
    """Write the rates of the chain in which all outflow goes to the root; return how many there are.

    If the root is one more state than there were, it goes on to the states where ``source`` is positive.
    """
    n = outflow.size
    filled = 0
    new_indptr[0] = 0
    for i in range(n):
        for k in range(indptr[i], indptr[i + 1]):
            new_indices[filled] = indices[k]
            new_rate[filled] = rate[k]
            filled += 1
        if outflow[i] > 0.0 and i != root:
            new_indices[filled] = root
            new_rate[filled] = outflow[i]
            filled += 1
        new_indptr[i + 1] = filled
    if root == n:
        for i in range(n):
            if source[i] > 0.0:
                new_indices[filled] = i
                new_rate[filled] = source[i]
                filled += 1
        new_indptr[n + 1] = filled
    return filled
