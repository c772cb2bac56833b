"""The next-reaction method (Gibson and Bruck 2000): a putative time for each reaction, in an indexed heap.

One random number is used for each reaction that fires. When a propensity changes from ``a`` to ``b``, the time that is left is
multiplied by ``a/b``; for one that becomes 0, the time that is left is kept in units of ``1/a`` (the internal time of Anderson
2007), and goes on when it becomes positive again.

The heap of a lane: ``rates`` holds the propensities, then the putative times, or, for reactions that cannot fire, infinity,
then the internal times that are left; ``links`` holds the reactions in heap order, then the place of each reaction.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fsp.ssa.layout import BAD, CLOCKS, DECK, PLACES, PLAN, REFILL, STOP, UNFIT, WATCH
from fsp.ssa.memory import get, put
from fsp.ssa.propensities import propensity

__all__ = ["prepare", "turns", "update"]


@njit(cache=True, nogil=True, error_model="numpy")
def _settle(times, first, heap, at, n, size, place):  # type: ignore[no-untyped-def]
    """Bring the reaction at a place of a heap of ``size`` of the ``n`` reactions to where its time belongs."""
    r = get(heap, at + place)
    time = get(times, first + r)
    while place > 0:
        parent = (place - 1) // 2
        other = get(heap, at + parent)
        if not time < get(times, first + other):
            break
        put(heap, at + place, other)
        put(heap, at + n + other, place)
        place = parent
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        other = get(heap, at + child)
        if child + 1 < size:
            right = get(heap, at + child + 1)
            if get(times, first + right) < get(times, first + other):
                child, other = child + 1, right
        if not get(times, first + other) < time:
            break
        put(heap, at + place, other)
        put(heap, at + n + other, place)
        place = child
    put(heap, at + place, r)
    put(heap, at + n + r, place)


@njit(cache=True, nogil=True, error_model="numpy")
def prepare(rates, root, heap, at, n, now, x, base, constant, record, tables, n_tables, code, numbers, stack, exponential):  # type: ignore[no-untyped-def]
    """Compute propensities and times from ``n`` exponential deviates; return whether all propensities are numbers."""
    for r in range(n):
        value = propensity(r, x, base, constant, record, tables, n_tables, code, numbers, stack)
        if not (value >= 0.0 and value < np.inf):
            return False
        put(rates, root + r, value)
        put(rates, root + n + r, now + exponential[r] / value if value > 0.0 else np.inf)
        put(rates, root + 2 * n + r, exponential[r])
        put(heap, at + r, r)
        put(heap, at + n + r, r)
        _settle(rates, root + n, heap, at, n, r + 1, r)
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def update(  # type: ignore[no-untyped-def]
    r, now, rates, root, heap, at, n, x, base, constant, record, tables, n_tables, plan, row, n_changes, code, numbers, stack,
):  # fmt: skip
    """Bring the times of the dependents of a reaction up to date; return whether all propensities are numbers."""
    step = r * row + PLAN + 3 * n_changes
    for d in range(step, step + get(plan, r * row)):
        j = get(plan, d)
        value = propensity(j, x, base, constant, record, tables, n_tables, code, numbers, stack)
        if not (value >= 0.0 and value < np.inf):
            return False
        before = get(rates, root + j)
        if value == before:
            continue
        time = root + n + j
        left = (get(rates, time) - now) * before if before > 0.0 else get(rates, root + 2 * n + j)
        put(rates, root + 2 * n + j, left)
        put(rates, time, now + left / value if value > 0.0 else np.inf)
        put(rates, root + j, value)
        _settle(rates, root + n, heap, at, n, n, get(heap, at + n + j))
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def turns(  # type: ignore[no-untyped-def]
    k, active, x, width, rates, n_rates, links, n_links, n, deck, clocks, places, constant, record, tables, n_tables, plan, row,
    n_changes, code, numbers, stack,
):  # fmt: skip
    """Let the lanes take turns from lane ``k`` on until one needs attention; return its number and the reason."""
    while True:
        place, clock, base, root, at = k * PLACES, k * CLOCKS, k * width, k * n_rates, k * n_links
        draw = get(places, place)
        if draw == get(places, place + 1):
            return k + REFILL
        r = get(links, at)
        now = get(rates, root + n + r)
        if not now < get(clocks, clock + 1):
            put(clocks, clock + 2, now)
            return k + STOP
        put(places, place, draw + 1)
        put(places, place + 2, r)
        put(places, place + 3, get(places, place + 3) + 1)
        put(clocks, clock, now)
        # The time of the reaction itself: as if the propensity stayed as it is.
        put(rates, root + n + r, now + get(deck, k * DECK + draw) / get(rates, root + r))
        _settle(rates, root + n, links, at, n, n, 0)
        step = r * row + PLAN
        outside = False
        for _ in range(n_changes):
            species = base + get(plan, step)
            count = get(x, species) + get(plan, step + 1)
            put(x, species, count)
            outside |= np.uint64(count) >= np.uint64(get(plan, step + 2))
            step += 3
        if outside:
            return k + UNFIT
        if not update(
            r, now, rates, root, links, at, n, x, base, constant, record, tables, n_tables, plan, row, n_changes, code,
            numbers, stack,
        ):  # fmt: skip
            return k + BAD
        if get(plan, r * row + 1) != 0:
            return k + WATCH
        k += 1
        if k == active:
            k = 0
