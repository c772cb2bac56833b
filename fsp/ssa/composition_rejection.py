"""Composition and rejection (Slepoy, Thompson and Plimpton 2008): the cost of a step does not grow with the network.

Reactions whose propensities lie in ``(2^(e-1), 2^e]`` form a group, in which each counts as if its propensity were
``2^e``. A reaction is drawn from these majorants, in time that passes at their rate, and accepted with probability
``a/2^e``, at least a half; otherwise nothing happens but that time has passed. The majorants are small multiples of
powers of two, so their sums have next to no rounding error, and there is nothing that accumulates.

``rates`` of a lane holds the propensities; ``links`` holds the number of groups in use, then for each group its
exponent and its size, then for each exponent its group, then for each reaction its group and its place in it, then
the members of each group.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from fsp.ssa.layout import BAD, BUFFER, CLOCKS, DECK, PLACES, PLAN, REFILL, STOP, UNFIT, WATCH
from fsp.ssa.memory import get, put
from fsp.ssa.propensities import change, propensity

__all__ = ["GROUPS", "links_for", "prepare", "turns", "update"]

#: Groups that may be in use at once. Without a group of its own a reaction goes to the next larger one, if that is at most
#: so many powers of two too large: it is rejected more often there.
GROUPS, _TOO_LARGE = 48, 8
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
    if used == GROUPS:  # an empty one, or the next larger one
        best, empty, nearest = -1, -1, exponent + _TOO_LARGE + 1
        for g in range(used):
            e = get(links, at + 1 + g)
            if exponent < e < nearest:
                best, nearest = g, e
            if get(links, at + _SIZES + g) == 0:
                empty = g
        if empty < 0:
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
def _renew(r, base, root, at, m):  # type: ignore[no-untyped-def]
    """Compute a propensity anew; return whether it is a number that has a group."""
    value = propensity(r, base, m)
    if not (value >= 0.0 and value < np.inf):
        return False
    put(m.rates, root + r, value)
    return _place(m.links, at, m.n_reactions, r, value)


@njit(cache=True, nogil=True, error_model="numpy")
def prepare(k, m):  # type: ignore[no-untyped-def]
    """Compute propensities and groups of lane ``k``; return whether all propensities are numbers."""
    root, at = k * m.n_rates, k * m.n_links
    put(m.links, at, 0)
    for e in range(_EXPONENTS):
        put(m.links, at + _SLOTS + e, -1)
    for r in range(m.n_reactions):
        put(m.links, at + _OWNER + r, -1)
    for r in range(m.n_reactions):
        if not _renew(r, k * m.width, root, at, m):
            return False
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def update(k, r, m):  # type: ignore[no-untyped-def]
    """Bring the dependents of a reaction up to date; return whether all propensities are numbers."""
    step = r * m.row + PLAN + 3 * m.n_changes
    for d in range(step, step + get(m.plan, r * m.row)):
        if not _renew(get(m.plan, d), k * m.width, k * m.n_rates, k * m.n_links, m):
            return False
    return True


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _majorant(links, at, g):  # type: ignore[no-untyped-def]
    return math.ldexp(np.float64(get(links, at + _SIZES + g)), get(links, at + 1 + g))


@njit(cache=True, nogil=True, error_model="numpy")
def _draw(target, root, at, m):  # type: ignore[no-untyped-def]
    """Return the reaction at a place among the majorants, or -1 if it is rejected."""
    links = m.links
    for g in range(get(links, at)):
        mass = _majorant(links, at, g)
        if target < mass:
            exponent = get(links, at + 1 + g)
            target = math.ldexp(target, -exponent)
            member = min(np.int64(target), get(links, at + _SIZES + g) - 1)
            r = get(links, at + _OWNER + (2 + g) * m.n_reactions + member)
            return r if math.ldexp(target - np.float64(member), exponent) < get(m.rates, root + r) else -1
        target -= mass
    return -1


@njit(cache=True, nogil=True, error_model="numpy")
def turns(k, active, m):  # type: ignore[no-untyped-def]
    """Let the lanes take turns from lane ``k`` on until one needs attention; return its number and the reason."""
    links, clocks, places = m.links, m.clocks, m.places
    while True:
        place, clock, at = k * PLACES, k * CLOCKS, k * m.n_links
        draw = get(places, place)
        if draw == get(places, place + 1):
            return k + REFILL
        card = k * DECK + draw
        total = 0.0
        for g in range(get(links, at)):
            total += _majorant(links, at, g)
        now = get(clocks, clock) + get(m.deck, card) / total if total > 0.0 else np.inf
        if not (now < get(clocks, clock + 1) and total < np.inf):
            put(clocks, clock + 2, now if total < np.inf else np.nan)
            return k + STOP
        put(places, place, draw + 1)
        put(clocks, clock, now)
        r = _draw(get(m.deck, card + BUFFER) * total, k * m.n_rates, at, m)
        if r >= 0:
            put(places, place + 2, r)
            put(places, place + 3, get(places, place + 3) + 1)
            if change(r, k * m.width, m):
                return k + UNFIT
            if not update(k, r, m):
                return k + BAD
            if get(m.plan, r * m.row + 1) != 0:
                return k + WATCH
        k += 1
        if k == active:
            k = 0
