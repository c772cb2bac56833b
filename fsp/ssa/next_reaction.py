"""The next-reaction method (Gibson and Bruck 2000): a putative time for each reaction, in an indexed heap.

One random number is used for each reaction that fires. When a propensity changes from ``a`` to ``b``, the time that
is left is multiplied by ``a/b``; for one that becomes 0, the time that is left is kept in units of ``1/a`` (the
internal time of Anderson 2007), and goes on when it becomes positive again.

Times are absolute, so a reaction that is due within less than the rounding of the present time would be mistaken for one
that is due at the same moment. Propensities so large, a millionth of a unit of internal time at the rounding, are refused.

The heap of a lane: ``rates`` holds the propensities, then the putative times, or, for reactions that cannot fire,
infinity, then the internal times that were left at the last change; ``links`` holds the reactions in heap order, then
the place of each reaction.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fsp.ssa.layout import BAD, BUFFER, CLOCKS, DECK, PLACES, PLAN, REFILL, STOP, UNFIT, WATCH
from fsp.ssa.memory import get, put
from fsp.ssa.propensities import change, propensity
from fsp.ssa.streams import fill

__all__ = ["prepare", "turns", "update"]

#: The largest propensity times the present time: 2^-52 of it is the error of internal times.
_LARGEST = 2.0**32


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
def prepare(k, i, m):  # type: ignore[no-untyped-def]
    """Compute propensities and times of lane ``k``, trajectory ``i``; return whether all propensities are numbers."""
    n, root, at, base, deck = m.n_reactions, k * m.n_rates, k * m.n_links, k * m.width, k * DECK
    now = get(m.clocks, k * CLOCKS)
    for r in range(n):
        if r % BUFFER == 0:
            fill(m.deck, deck, BUFFER, m.key, get(m.stream, i), get(m.block, i) + np.uint64(r))
        value = propensity(r, base, m)
        if not (value >= 0.0 and value < np.inf and value * now <= _LARGEST):
            return False
        draw = get(m.deck, deck + r % BUFFER)
        put(m.rates, root + r, value)
        put(m.rates, root + n + r, now + draw / value if value > 0.0 else np.inf)
        put(m.rates, root + 2 * n + r, draw)
        put(m.links, at + r, r)
        put(m.links, at + n + r, r)
        _settle(m.rates, root + n, m.links, at, n, r + 1, r)
    put(m.block, i, get(m.block, i) + np.uint64(n))
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def update(k, r, m):  # type: ignore[no-untyped-def]
    """Bring the times of the dependents of a reaction up to date; return whether all propensities are numbers."""
    n, root, at, rates, now = m.n_reactions, k * m.n_rates, k * m.n_links, m.rates, get(m.clocks, k * CLOCKS)
    step = r * m.row + PLAN + 3 * m.n_changes
    for d in range(step, step + get(m.plan, r * m.row)):
        j = get(m.plan, d)
        value = propensity(j, k * m.width, m)
        if not (value >= 0.0 and value < np.inf and value * now <= _LARGEST):
            return False
        before = get(rates, root + j)
        if value == before:
            continue
        time = root + n + j
        left = get(rates, root + 2 * n + j)
        if (
            get(rates, time) < np.inf
        ):  # else none of it has passed, also if a denormal propensity made it overflow
            left = (get(rates, time) - now) * before
        put(rates, root + 2 * n + j, left)
        put(rates, time, now + left / value if value > 0.0 else np.inf)
        put(rates, root + j, value)
        _settle(rates, root + n, m.links, at, n, n, get(m.links, at + n + j))
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def turns(k, active, m):  # type: ignore[no-untyped-def]
    """Let the lanes take turns from lane ``k`` on until one needs attention; return its number and the reason."""
    n, rates, plan = m.n_reactions, m.rates, m.plan
    while True:
        place, clock, base, root, at = k * PLACES, k * CLOCKS, k * m.width, k * m.n_rates, k * m.n_links
        draw = get(m.places, place)
        if draw == get(m.places, place + 1):
            return k + REFILL
        r = get(m.links, at)
        now = get(rates, root + n + r)
        if not now < get(m.clocks, clock + 1):
            put(m.clocks, clock + 2, now)
            return k + STOP
        put(m.places, place, draw + 1)
        put(m.places, place + 2, r)
        put(m.places, place + 3, get(m.places, place + 3) + 1)
        put(m.clocks, clock, now)
        # The time of the reaction itself: as if the propensity stayed as it is.
        left = get(m.deck, k * DECK + draw)
        put(rates, root + 2 * n + r, left)
        put(rates, root + n + r, now + left / get(rates, root + r))
        _settle(rates, root + n, m.links, at, n, n, 0)
        if change(r, base, m):
            return k + UNFIT
        if not update(k, r, m):
            return k + BAD
        if get(plan, r * m.row + 1) != 0:
            return k + WATCH
        k += 1
        if k == active:
            k = 0
