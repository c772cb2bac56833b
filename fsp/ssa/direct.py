"""The direct method (Gillespie 1976), with propensities at the leaves of a tree of partial sums.

The next reaction is found by walking down the tree, four children at a time, by counting comparisons instead of
branching on them: which reaction comes next is random, so no processor can predict it. For the same reason the
changes and dependents of all reactions are padded to one length where that is short. Sums are formed anew from the
children, never by adding differences, so that rounding does not accumulate.

A step is a chain of dependent instructions that leaves most of a processor idle, so several trajectories, the
*lanes*, take turns in one thread: while one waits for a load, another one goes on. Each has its own random stream,
so the numbers do not depend on the turns.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fsp.ssa.layout import BUFFER, CLOCKS, DECK, PLACES, PLAN, REFILL, STOP, UNFIT, WATCH
from fsp.ssa.memory import get, put
from fsp.ssa.propensities import change, propensity

__all__ = ["leaves_for", "prepare", "turns"]

#: Leaves up to which all sums are formed anew after each reaction.
DENSE = 16


@njit(cache=True, nogil=True)
def leaves_for(n_reactions):  # type: ignore[no-untyped-def]
    """Return the number of leaves of the tree: a power of four. Twice as many numbers hold the tree."""
    leaves = 4
    while leaves < n_reactions:
        leaves *= 4
    return leaves


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _sum(tree, child):  # type: ignore[no-untyped-def]
    return (get(tree, child) + get(tree, child + 1)) + (get(tree, child + 2) + get(tree, child + 3))


@njit(cache=True, nogil=True, error_model="numpy")
def prepare(k, m):  # type: ignore[no-untyped-def]
    """Compute all propensities and sums of lane ``k``."""
    root, leaves = k * m.n_rates, leaves_for(m.n_reactions)
    for r in range(leaves):
        put(m.rates, root + r, propensity(r, k * m.width, m) if r < m.n_reactions else 0.0)
    below, size = root, leaves
    while size > 4:
        above = below + size
        size //= 4
        for i in range(size):
            put(m.rates, above + i, _sum(m.rates, below + 4 * i))
        below = above


@njit(cache=True, nogil=True, error_model="numpy")
def _scan(tree, root, leaves, u):  # type: ignore[no-untyped-def]
    """Return a reaction by a plain scan, for draws that rounding took to one with the propensity 0."""
    total = 0.0
    for r in range(leaves):
        total += get(tree, root + r)
    target = u * total
    last = 0
    for r in range(leaves):
        value = get(tree, root + r)
        if value > 0.0:
            last = r
            if target < value:
                return r
            target -= value
    return last


@njit(cache=True, nogil=True, error_model="numpy")
def turns(k, active, m):  # type: ignore[no-untyped-def]
    """Let the lanes take turns from lane ``k`` on until one needs attention; return its number and the reason."""
    tree, nodes, leaves = m.rates, m.n_rates, leaves_for(m.n_reactions)
    width, deck, clocks, places, plan, row = m.width, m.deck, m.clocks, m.places, m.plan, m.row
    top = 0
    size = leaves
    while size > 4:
        top += size
        size //= 4
    dense = leaves <= DENSE
    while True:
        place, clock = k * PLACES, k * CLOCKS
        draw = get(places, place)
        if draw == get(places, place + 1):
            return k + REFILL
        base, root = k * width, k * nodes
        card = k * DECK + draw
        total = _sum(tree, root + top)
        now = get(clocks, clock) + get(deck, card) / total
        if not (now < get(clocks, clock + 1) and total < np.inf):
            fit = total < np.inf and total >= 0.0
            put(clocks, clock + 2, (now if total > 0.0 else np.inf) if fit else np.nan)
            return k + STOP
        # Which reaction.
        target = get(deck, card + BUFFER) * total
        level, size, r = root + top, 4, np.int64(0)
        while True:
            child = level + 4 * r
            one = get(tree, child)
            two = one + get(tree, child + 1)
            three = two + get(tree, child + 2)
            r = 4 * r + np.int64(target >= one) + np.int64(target >= two) + np.int64(target >= three)
            if size == leaves:
                break
            below = one if target >= one else 0.0
            below = two if target >= two else below
            target -= three if target >= three else below
            size *= 4
            level -= size
        if not get(tree, root + r) > 0.0:
            r = _scan(tree, root, leaves, get(deck, card + BUFFER))
        put(places, place, draw + 1)
        put(places, place + 2, r)
        put(places, place + 3, get(places, place + 3) + 1)
        put(clocks, clock, now)
        # Its changes.
        if change(r, base, m):
            return k + UNFIT
        # Propensities and sums.
        entry = r * row
        step = entry + PLAN + 3 * m.n_changes
        for d in range(step, step + get(plan, entry)):
            j = get(plan, d)
            value = propensity(j, base, m)
            put(tree, root + j, value)
            if not dense:
                below_at, size = root, leaves
                while size > 4:
                    above = below_at + size
                    size //= 4
                    j //= 4
                    put(tree, above + j, _sum(tree, below_at + 4 * j))
                    below_at = above
        if leaves == DENSE:
            put(tree, root + 16, _sum(tree, root))
            put(tree, root + 17, _sum(tree, root + 4))
            put(tree, root + 18, _sum(tree, root + 8))
            put(tree, root + 19, _sum(tree, root + 12))
        if get(plan, entry + 1) != 0:
            return k + WATCH
        k += 1
        if k == active:
            k = 0
