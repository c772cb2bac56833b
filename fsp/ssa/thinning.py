"""The direct method for rates that depend on time, by thinning (Lewis and Shedler 1979).

Propensities are sums of terms, a function of time times a function of the state. Over a window of time each
function of time has a proven upper bound. Candidates come at the rates that the bounds give, and one at time ``t``
is accepted with the probability that the function at ``t`` is of its bound; otherwise nothing happens but that time
has passed.

``rates`` of a lane holds the bounds of all terms.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fsp.ssa.layout import BUFFER, CLOCKS, DECK, PLACES, PLAN, REFILL, STOP, UNFIT, WATCH
from fsp.ssa.memory import get, put
from fsp.ssa.propensities import change, propensity
from fsp.ssa.stack import run_program

__all__ = ["prepare", "turns"]

#: By how much, relative to its bound, a function of time may exceed it by rounding.
_SLACK = 1e-9


@njit(cache=True, nogil=True, error_model="numpy")
def prepare(k, m):  # type: ignore[no-untyped-def]
    """Compute the bounds of all terms."""
    for r in range(m.n_reactions):
        put(m.rates, k * m.n_rates + r, propensity(r, k * m.width, m))


@njit(cache=True, nogil=True, error_model="numpy")
def turns(k, active, m):  # type: ignore[no-untyped-def]
    """Let the lanes take turns from lane ``k`` on until one needs attention; return its number and the reason."""
    rates, clocks, places = m.rates, m.clocks, m.places
    while True:
        place, clock, base, root = k * PLACES, k * CLOCKS, k * m.width, k * m.n_rates
        draw = get(places, place)
        if draw == get(places, place + 1):
            return k + REFILL
        card = k * DECK + draw
        total = 0.0
        for r in range(m.n_reactions):
            total += get(rates, root + r)
        now = get(clocks, clock) + get(m.deck, card) / total if total != 0.0 else np.inf
        if not (now < get(clocks, clock + 1) and total < np.inf):
            put(clocks, clock + 2, now if total < np.inf and total >= 0.0 else np.nan)
            return k + STOP
        target = get(m.deck, card + BUFFER) * total
        chosen = 0
        for r in range(m.n_reactions):
            value = get(rates, root + r)
            if value > 0.0:
                chosen = r
                if target < value:
                    break
                target -= value
        accepted = True
        if get(m.timed, chosen) >= 0:
            value = run_program(get(m.timed, chosen), m.x, base, now, m.code, m.numbers, m.stack)
            bound = get(m.upper, chosen)
            if not value <= bound * (1.0 + _SLACK):
                put(clocks, clock + 2, np.nan)
                return k + STOP
            # What is left of the draw is uniform between 0 and the bound.
            accepted = target * bound < value * get(rates, root + chosen)
        put(places, place, draw + 1)
        put(clocks, clock, now)
        if accepted:
            put(places, place + 2, chosen)
            put(places, place + 3, get(places, place + 3) + 1)
            if change(chosen, base, m):
                return k + UNFIT
            step = chosen * m.row + PLAN + 3 * m.n_changes
            for d in range(step, step + get(m.plan, chosen * m.row)):
                j = get(m.plan, d)
                put(rates, root + j, propensity(j, base, m))
            if get(m.plan, chosen * m.row + 1) != 0:
                return k + WATCH
        k += 1
        if k == active:
            k = 0
