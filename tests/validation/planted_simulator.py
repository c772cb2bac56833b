"""A small simulator of mass-action networks with events of time, into which mistakes can be planted.

It shares nothing with the package: direct method, one trajectory after the other.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["simulate"]


@njit(cache=False)
def _rate(r, x, reactants, constants, square):
    rate = constants[r]
    for s in range(reactants.shape[1]):
        order = reactants[r, s]
        if order == 1:
            rate *= x[s]
        elif order == 2:
            if x[s] < 2:
                return 0.0
            rate *= 0.5 * x[s] * (x[s] if square[r] else x[s] - 1)
    return rate


@njit(cache=False)
def _run(rng, start, reactants, change, constants, square, update, net, times, n, event):
    """``net``: two reactions that are taken as one; ``event``: (time, species, new count), or none if time < 0."""
    m, k = change.shape
    found = np.empty((n, len(times), k), dtype=np.int64)
    for i in range(n):
        x = start.copy()
        t, at, pending = 0.0, 0, event[0] >= 0.0
        rates = np.empty(m)
        for r in range(m):
            rates[r] = _rate(r, x, reactants, constants, square)
        while at < len(times):
            used = rates.copy()
            if net[0] >= 0:
                difference = rates[net[0]] - rates[net[1]]
                used[net[0]] = max(difference, 0.0)
                used[net[1]] = max(-difference, 0.0)
            total = used.sum()
            step = np.inf if total <= 0.0 else -np.log(1.0 - rng.random()) / total
            stop = event[0] if pending else np.inf
            after = min(t + step, stop)
            while at < len(times) and times[at] < after:
                found[i, at] = x
                at += 1
            t = after
            if t == stop:
                x[int(event[1])] = int(event[2])
                pending = False
                for r in range(m):
                    rates[r] = _rate(r, x, reactants, constants, square)
                continue
            if at >= len(times):
                break
            u = rng.random() * total
            r = 0
            while r < m - 1 and u >= used[r]:
                u -= used[r]
                r += 1
            possible = True
            for s in range(k):
                possible = possible and x[s] + change[r, s] >= 0
            if possible:
                x += change[r]
            for q in range(m):
                if update[r, q]:
                    rates[q] = _rate(q, x, reactants, constants, square)
    return found


def simulate(
    network,
    constants,
    times,
    n,
    seed,
    *,
    factors=None,
    square=(),
    net=(-1, -1),
    missed=None,
    start=None,
    event=None,
):
    """Return counts (n, n_times, n_species); by default without a mistake."""
    m = network.n_reactions
    reads = network.reactants > 0
    update = (network.stoichiometry != 0).astype(int) @ reads.astype(int).T > 0
    if missed is not None:
        assert update[missed]
        update[missed] = False
    flags = np.zeros(m, dtype=np.bool_)
    flags[list(square)] = True
    begin = network.initial_state if start is None else np.array(start)
    used = np.asarray(constants, dtype=float) * (1.0 if factors is None else np.asarray(factors, dtype=float))
    moment = (-1.0, 0, 0) if event is None else event
    tables = (network.reactants.astype(np.int64), network.stoichiometry.astype(np.int64))
    rng = np.random.default_rng(seed)
    grid, pair, fired = np.asarray(times, dtype=float), np.array(net), np.array(moment, dtype=float)
    return _run(rng, begin.astype(np.int64), *tables, used, flags, update, pair, grid, n, fired)
