"""Composition and rejection (Slepoy, Thompson and Plimpton 2008): a step costs the same however many reactions there are.

Reactions whose propensities lie in ``(2^(e-1), 2^e]`` form a group, in which each counts as if its propensity were ``2^e``. A
reaction is drawn from these majorants, in time that passes at their rate, and accepted with probability ``a/2^e``, at least
a half; otherwise nothing happens but that time has passed. The majorants are small multiples of powers of two, so their sums have
next to no rounding error, and there is nothing that accumulates.

``rates`` of a lane holds the propensities; ``links`` holds the number of groups in use, then for each group its exponent and
its size, then for each exponent its group, then for each reaction its group and its place in it, then the members of each group.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from fsp.ssa.layout import BAD, BUFFER, CLOCKS, DECK, PLACES, PLAN, REFILL, STOP, UNFIT, WATCH
from fsp.ssa.memory import get, put
from fsp.ssa.propensities import propensity

__all__ = ["GROUPS", "links_for", "prepare", "turns", "update"]

#: Groups that may be in use at once; what is smaller than the smallest of them is rejected more often.
GROUPS = 48
_LOWEST, _EXPONENTS = -1100, 2200
_SIZES = 1 + GROUPS
_SLOTS = _SIZES + GROUPS
_OWNER = _SLOTS + _EXPONENTS


def links_for(n_reactions: int) -> int:
    """Return the length of the links of a lane."""
    return _OWNER + 2 * n_reactions + GROUPS * n_reactions


@njit(cache=True, nogil=True, error_model="numpy")
def _group_of(links, at, value):  # type: ignore[no-untyped-def]
    """Return the group of a positive propensity, a new one if need be; -1 if there is none."""
    mantissa, exponent = math.frexp(value)
    exponent -= 1 if mantissa == 0.5 else 0
    group = get(links, at + _SLOTS + exponent - _LOWEST)
    if group >= 0:
        return group
    used = get(links, at)
    if used == GROUPS:  # the next larger one, or an empty one
        best, empty = -1, -1
        for g in range(used):
            e = get(links, at + 1 + g)
            if e > exponent and (best < 0 or e < get(links, at + 1 + best)):
                best = g
            if get(links, at + _SIZES + g) == 0:
                empty = g
        if best >= 0 or empty < 0:
            return best
        put(links, at + _SLOTS + get(links, at + 1 + empty) - _LOWEST, -1)
        put(links, at + 1 + empty, exponent)
        put(links, at + _SLOTS + exponent - _LOWEST, empty)
        return empty
    put(links, at, used + 1)
    put(links, at + 1 + used, exponent)
    put(links, at + _SIZES + used, 0)
    put(links, at + _SLOTS + exponent - _LOWEST, used)
    return used


@njit(cache=True, nogil=True, error_model="numpy")
def _place(links, at, n, r, value):  # type: ignore[no-untyped-def]
    """Move a reaction to the group of its new propensity; return whether there is one."""
    group = _group_of(links, at, value) if value > 0.0 else -1
    if group < 0 and value > 0.0:
        return False
    owner = at + _OWNER + r
    before = get(links, owner)
    if before == group:
        return True
    members = at + _OWNER + 2 * n
    if before >= 0:
        size = get(links, at + _SIZES + before) - 1
        put(links, at + _SIZES + before, size)
        hole = get(links, owner + n)
        last = get(links, members + before * n + size)
        put(links, members + before * n + hole, last)
        put(links, at + _OWNER + n + last, hole)
    put(links, owner, group)
    if group >= 0:
        size = get(links, at + _SIZES + group)
        put(links, members + group * n + size, r)
        put(links, owner + n, size)
        put(links, at + _SIZES + group, size + 1)
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def prepare(rates, root, links, at, n, x, base, constant, record, tables, n_tables, code, numbers, stack):  # type: ignore[no-untyped-def]
    """Compute propensities and groups; return whether all propensities are numbers."""
    put(links, at, 0)
    for e in range(_EXPONENTS):
        put(links, at + _SLOTS + e, -1)
    for r in range(n):
        put(links, at + _OWNER + r, -1)
    for r in range(n):
        value = propensity(r, x, base, constant, record, tables, n_tables, code, numbers, stack)
        if not (value >= 0.0 and value < np.inf):
            return False
        put(rates, root + r, value)
        if not _place(links, at, n, r, value):
            return False
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def update(  # type: ignore[no-untyped-def]
    r, rates, root, links, at, n, x, base, constant, record, tables, n_tables, plan, row, n_changes, code, numbers, stack,
):  # fmt: skip
    """Bring the dependents of a reaction up to date; return whether all propensities are numbers."""
    step = r * row + PLAN + 3 * n_changes
    for d in range(step, step + get(plan, r * row)):
        j = get(plan, d)
        value = propensity(j, x, base, constant, record, tables, n_tables, code, numbers, stack)
        if not (value >= 0.0 and value < np.inf):
            return False
        if value != get(rates, root + j):
            put(rates, root + j, value)
            if not _place(links, at, n, j, value):
                return False
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
        card = k * DECK + draw
        used = get(links, at)
        total = 0.0
        for g in range(used):
            total += math.ldexp(np.float64(get(links, at + _SIZES + g)), get(links, at + 1 + g))
        now = get(clocks, clock) + get(deck, card) / total if total > 0.0 else np.inf
        if not (now < get(clocks, clock + 1) and total < np.inf):
            put(clocks, clock + 2, now if total < np.inf else np.nan)
            return k + STOP
        put(places, place, draw + 1)
        put(clocks, clock, now)
        target = get(deck, card + BUFFER) * total
        r = -1
        for g in range(used):
            exponent, size = get(links, at + 1 + g), get(links, at + _SIZES + g)
            mass = math.ldexp(np.float64(size), exponent)
            if target < mass:
                target = math.ldexp(target, -exponent)
                member = min(np.int64(target), size - 1)
                r = get(links, at + _OWNER + 2 * n + g * n + member)
                if not math.ldexp(target - np.float64(member), exponent) < get(rates, root + r):
                    r = -1
                break
            target -= mass
        if r >= 0:
            put(places, place + 2, r)
            put(places, place + 3, get(places, place + 3) + 1)
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
                r, rates, root, links, at, n, x, base, constant, record, tables, n_tables, plan, row, n_changes, code, numbers,
                stack,
            ):  # fmt: skip
                return k + BAD
            if get(plan, r * row + 1) != 0:
                return k + WATCH
        k += 1
        if k == active:
            k = 0
