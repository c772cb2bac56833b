"""Taking the trajectories of a chunk forward: what all methods share around their innermost loops.

The call comes to rest when something has to be done that compiled code cannot do, such as making tables longer. The
lanes keep what they have, so that the random numbers of a trajectory do not depend on what the others needed.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fsp.ssa import composition_rejection, direct, next_reaction, thinning
from fsp.ssa.layout import (
    BAD,
    BAD_RATE,
    BAD_TRIGGER,
    BUFFER,
    CLOCKS,
    CROSSED,
    DECK,
    DONE,
    EXCEEDED,
    FULL,
    OUTSIDE,
    PAUSE,
    PENDING,
    PLACES,
    REFILL,
    STOP,
    UNFIT,
    Memory,
)  # fmt: skip
from fsp.ssa.memory import get, pointer, put
from fsp.ssa.stack import run_program
from fsp.ssa.streams import fill

__all__ = ["COMPOSITION_REJECTION", "DIRECT", "NEXT_REACTION", "THINNING", "advance"]

DIRECT, NEXT_REACTION, COMPOSITION_REJECTION, THINNING = range(4)

_FIRST = 16  # blocks that are made for a trajectory at first: it may be short
_SLICE = 20_000  # refills between two looks at whether the user has had enough

# What is left to do for the present lane when the work goes on.
_NOTHING, _LOAD, _UPDATE = 0, 1, 2


@njit(cache=True, nogil=True, error_model="numpy")
def _triggered(i, at, m):  # type: ignore[no-untyped-def]
    """Note which triggers are true at the counts ``x[at:]``; return PENDING, or why the trajectory has to be left."""
    first = i * m.n_triggers
    for e in range(m.n_triggers):
        value = run_program(get(m.triggers, e), m.x, at, 0.0, m.code, m.numbers, m.stack)
        if np.isnan(value):
            return BAD_TRIGGER
        if value == 1.0 and get(m.held, first + e) == 0:
            return CROSSED
    for e in range(m.n_triggers):
        value = run_program(get(m.triggers, e), m.x, at, 0.0, m.code, m.numbers, m.stack)
        put(m.held, first + e, np.int64(value))
    return PENDING


@njit(cache=True, nogil=True, error_model="numpy")
def _log(k, i, m):  # type: ignore[no-untyped-def]
    """Note the last reaction of lane ``k``; return whether there is room for another one."""
    place = get(m.log_size, i)
    entry = i * m.room + place
    put(m.log_time, entry, get(m.clocks, k * CLOCKS))
    put(m.log_reaction, entry, get(m.places, k * PLACES + 2))
    for s in range(m.n_species):
        put(m.log_state, entry * m.n_species + s, get(m.x, k * m.width + s))
    put(m.log_size, i, place + 1)
    return place + 1 < m.room


@njit(cache=True, nogil=True, error_model="numpy")
def _prepare(method, k, i, m):  # type: ignore[no-untyped-def]
    """Compute what a method keeps for lane ``k``; return whether all propensities are numbers."""
    if method == NEXT_REACTION:
        return next_reaction.prepare(k, i, m)
    if method == COMPOSITION_REJECTION:
        return composition_rejection.prepare(k, m)
    if method == DIRECT:
        direct.prepare(k, m)
    else:
        thinning.prepare(k, m)
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _turns(method, k, active, m):  # type: ignore[no-untyped-def]
    if method == DIRECT:
        return direct.turns(k, active, m)
    if method == NEXT_REACTION:
        return next_reaction.turns(k, active, m)
    if method == COMPOSITION_REJECTION:
        return composition_rejection.turns(k, active, m)
    return thinning.turns(k, active, m)


@njit(cache=True, nogil=True, error_model="numpy")
def _aim(k, i, end, m):  # type: ignore[no-untyped-def]
    """Set the time up to which lane ``k`` needs no attention."""
    j = get(m.next_output, i)
    put(m.clocks, k * CLOCKS + 1, min(end, get(m.outputs, j)) if j < m.n_outputs else end)


@njit(cache=True, nogil=True, error_model="numpy")
def _load(k, i, end, m):  # type: ignore[no-untyped-def]
    """Put trajectory ``i`` into lane ``k``; return PENDING, or why it cannot be."""
    for s in range(m.width):
        put(m.x, k * m.width + s, get(m.start, i * m.width + s))
    left = _triggered(i, k * m.width, m) if m.n_triggers > 0 else PENDING
    put(m.who, k, i)
    put(m.clocks, k * CLOCKS, get(m.time, i))
    _aim(k, i, end, m)
    place = k * PLACES
    put(m.places, place, 0)
    put(m.places, place + 1, 0)
    put(m.places, place + 2, -1)
    put(m.places, place + 3, get(m.steps, i))
    return left


@njit(cache=True, nogil=True, error_model="numpy")
def _leave(k, i, left, m):  # type: ignore[no-untyped-def]
    """Store what lane ``k`` holds as trajectory ``i``, which is left for the reason ``left``."""
    place = k * PLACES
    put(m.block, i, get(m.block, i) - np.uint64(get(m.places, place + 1) - get(m.places, place)))
    put(m.status, i, left)
    put(m.time, i, get(m.clocks, k * CLOCKS))
    put(m.steps, i, get(m.places, place + 3))
    for s in range(m.width):
        put(m.start, i * m.width + s, get(m.x, k * m.width + s))


@njit(cache=True, nogil=True, error_model="numpy")
def _copy(array, to, source, n):  # type: ignore[no-untyped-def]
    for e in range(n):
        put(array, to * n + e, get(array, source * n + e))


@njit(cache=True, nogil=True, error_model="numpy")
def _replace(k, last, m):  # type: ignore[no-untyped-def]
    """Let the last lane take the place of lane ``k``."""
    put(m.who, k, get(m.who, last))
    _copy(m.x, k, last, m.width)
    _copy(m.rates, k, last, m.n_rates)
    _copy(m.links, k, last, m.n_links)
    _copy(m.deck, k, last, DECK)
    _copy(m.clocks, k, last, CLOCKS)
    _copy(m.places, k, last, PLACES)


@njit(cache=True, nogil=True, error_model="numpy")
def _at_stop(k, i, end, m):  # type: ignore[no-untyped-def]
    """Note the state at the output times that lane ``k`` has passed; return PENDING, DONE or BAD_RATE."""
    ahead = get(m.clocks, k * CLOCKS + 2)
    if np.isnan(ahead):
        return BAD_RATE
    j = get(m.next_output, i)
    while j < m.n_outputs and get(m.outputs, j) < end and not ahead < get(m.outputs, j):
        for s in range(m.n_species):
            put(m.counts, (i * m.n_outputs + j) * m.n_species + s, get(m.x, k * m.width + s))
        j += 1
    put(m.next_output, i, j)
    _aim(k, i, end, m)
    if ahead < end:
        return PENDING
    put(m.clocks, k * CLOCKS, end)
    put(m.places, k * PLACES, get(m.places, k * PLACES) + 1)  # the draw that went beyond the end
    return DONE


@njit(cache=True, nogil=True, error_model="numpy")
def _more(k, i, m):  # type: ignore[no-untyped-def]
    """Make random numbers for lane ``k``; return PENDING or EXCEEDED."""
    place = k * PLACES
    allowed = m.most - get(m.places, place + 3) + 1  # one more, to see whether it comes before the end
    more = min(max(_FIRST, min(2 * get(m.places, place + 1), BUFFER)), allowed)
    if more <= 0:
        return EXCEEDED
    fill(m.deck, k * DECK, more, m.key, get(m.stream, i), get(m.block, i))
    put(m.block, i, get(m.block, i) + np.uint64(more))
    put(m.places, place, 0)
    put(m.places, place + 1, more)
    return PENDING


@njit(cache=True, nogil=True, error_model="numpy")
def advance(method, net, run, work, todo, end):  # type: ignore[no-untyped-def]
    """Take the trajectories ``todo`` to time ``end``, or until something has to be done about them.

    Parameters
    ----------
    method : int
    net : Network
    run : Trajectories
    work : Workspace
        With ``cursor = [0, 0, 0, 0]`` at first; as it was left when the work goes on after a rest.
    todo : ndarray of int64
    end : float

    Returns
    -------
    int
        PENDING if all trajectories have been left, with their reasons in ``run.status``; or why all are at rest.
    """
    m = Memory(
        net.n_species, net.n_reactions, net.n_tables, pointer(net.constant), pointer(net.record), pointer(net.tables),
        net.n_changes, net.row, pointer(net.plan), pointer(net.code), pointer(net.numbers), pointer(net.triggers),
        net.triggers.size, pointer(net.timed), pointer(net.upper), run.key, pointer(run.stream), pointer(run.block),
        pointer(run.state), pointer(run.time), pointer(run.status), pointer(run.next_output), pointer(run.steps), run.most,
        pointer(run.outputs), run.outputs.size, pointer(run.counts), pointer(run.held), run.record, pointer(run.log_size),
        run.room, pointer(run.log_time), pointer(run.log_reaction), pointer(run.log_state), net.n_species + 2,
        pointer(work.x), pointer(work.rates), work.n_rates, pointer(work.links), work.n_links, pointer(work.deck),
        pointer(work.clocks), pointer(work.places), pointer(work.who), pointer(work.stack),
    )  # fmt: skip
    return _work(method, work.lanes, m, pointer(work.cursor), pointer(todo), todo.size, end)


@njit(cache=True, nogil=True, error_model="numpy")
def _work(method, lanes, m, cursor, todo, n_todo, end):  # type: ignore[no-untyped-def]
    """Do the work of `advance`."""
    refills = 0
    k = get(cursor, 2)
    while refills < _SLICE:
        left, free = PENDING, False
        i = get(m.who, k)
        if get(cursor, 3) != _NOTHING:  # after a rest
            after = get(cursor, 3) == _UPDATE
            if after and method == NEXT_REACTION:
                good = next_reaction.update(k, get(m.places, k * PLACES + 2), m)
            elif after and method == COMPOSITION_REJECTION:
                good = composition_rejection.update(k, get(m.places, k * PLACES + 2), m)
            else:
                good = _prepare(method, k, i, m)
            if not good:
                return BAD_RATE
            put(cursor, 3, _NOTHING)
            if after and m.n_triggers > 0:
                left = _triggered(i, k * m.width, m)
        elif get(cursor, 0) < lanes and get(cursor, 1) < n_todo:
            k = get(cursor, 0)
            put(cursor, 0, k + 1)
            free = True
        elif get(cursor, 0) == 0:
            return PENDING
        else:
            answer = _turns(method, k, get(cursor, 0), m)
            k = answer % 64
            reason = answer - k
            put(cursor, 2, k)
            i = get(m.who, k)
            if reason == REFILL:
                left = _more(k, i, m)
                refills += 1
            elif reason == STOP:
                left = _at_stop(k, i, end, m)
                if left == BAD_RATE:
                    put(cursor, 3, _LOAD)
                    return BAD_RATE
            else:
                full = m.recorded and not _log(k, i, m)
                if reason in (UNFIT, BAD):
                    put(cursor, 3, _UPDATE)
                    return OUTSIDE if reason == UNFIT else BAD_RATE
                if m.n_triggers > 0:
                    left = _triggered(i, k * m.width, m)
                if full and left == PENDING:
                    return FULL
        if left != PENDING:
            _leave(k, i, left, m)
            free = True
        while free and get(cursor, 1) < n_todo:  # the next trajectory takes the lane
            i = get(todo, get(cursor, 1))
            put(cursor, 1, get(cursor, 1) + 1)
            put(cursor, 2, k)
            left = _load(k, i, end, m)
            if left == PENDING:
                free = False
                if not _prepare(method, k, i, m):
                    put(cursor, 3, _LOAD)
                    return BAD_RATE
            else:
                put(m.status, i, left)
        if free:  # or the last lane does
            last = get(cursor, 0) - 1
            put(cursor, 0, last)
            if k < last:
                _replace(k, last, m)
            else:
                k = 0
            put(cursor, 2, k)
    return PAUSE
