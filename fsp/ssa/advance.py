"""Taking the trajectories of a chunk forward: what all methods share around their innermost loops.

The call comes to rest when something has to be done that compiled code cannot do, such as making tables longer. The lanes keep
what they have, so that the random numbers of a trajectory do not depend on what the others needed.
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
    CROSSED,
    DONE,
    EXCEEDED,
    FULL,
    OUTSIDE,
    PAUSE,
    PENDING,
    REFILL,
    STOP,
    UNFIT,
)  # fmt: skip
from fsp.ssa.memory import pointer
from fsp.ssa.stack import run_program
from fsp.ssa.streams import exponentials, fill

__all__ = ["COMPOSITION_REJECTION", "DIRECT", "NEXT_REACTION", "THINNING", "advance"]

DIRECT, NEXT_REACTION, COMPOSITION_REJECTION, THINNING = range(4)

_FIRST = 16  # blocks that are made for a trajectory at first: it may be short
_SLICE = 20_000  # refills between two looks at whether the user has had enough

# What is left to do for the present lane when the work goes on.
_NOTHING, _LOAD, _UPDATE = 0, 1, 2


@njit(cache=True, nogil=True, error_model="numpy")
def _triggered(net, run, i, state, stack):  # type: ignore[no-untyped-def]
    """Note which triggers are true; return PENDING, or the reason why the trajectory has to be left."""
    x, code, numbers, work = pointer(state), pointer(net.code), pointer(net.numbers), pointer(stack)
    for e in range(net.triggers.size):
        value = run_program(net.triggers[e], x, 0, 0.0, code, numbers, work)
        if np.isnan(value):
            return BAD_TRIGGER
        if value == 1.0 and run.held[i, e] == 0:
            return CROSSED
    for e in range(net.triggers.size):
        run.held[i, e] = np.int64(run_program(net.triggers[e], x, 0, 0.0, code, numbers, work))
    return PENDING


@njit(cache=True, nogil=True, error_model="numpy")
def _log(run, i, time, reaction, state):  # type: ignore[no-untyped-def]
    """Note a reaction; return whether there is room for another one."""
    place = run.log_size[i]
    run.log_time[i, place] = time
    run.log_reaction[i, place] = reaction
    run.log_state[i, place] = state[: state.size - 2]
    run.log_size[i] = place + 1
    return place + 1 < run.log_time.shape[1]


@njit(cache=True, nogil=True, error_model="numpy")
def _prepare(method, net, run, work, k, i, stack):  # type: ignore[no-untyped-def]
    """Compute what a method keeps for lane ``k``; return whether all propensities are numbers."""
    n = net.n_reactions
    x, rates, links = pointer(work.state), pointer(work.rates), pointer(work.links)
    base, root, at = k * work.state.shape[1], k * work.rates.shape[1], k * work.links.shape[1]
    constant, record, tables = pointer(net.constant), pointer(net.record), pointer(net.tables)
    code, numbers, p_stack = pointer(net.code), pointer(net.numbers), pointer(stack)
    if method == DIRECT:
        leaves = direct.leaves_for(n)
        direct.prepare(rates, root, leaves, n, x, base, constant, record, tables, net.n_tables, code, numbers, p_stack)
        return True
    if method == THINNING:
        thinning.prepare(rates, root, n, x, base, constant, record, tables, net.n_tables, code, numbers, p_stack)
        return True
    if method == COMPOSITION_REJECTION:
        return composition_rejection.prepare(
            rates, root, links, at, n, x, base, constant, record, tables, net.n_tables, code, numbers, p_stack
        )
    draws = exponentials(n, run.key, run.stream[i], run.block[i])
    good = next_reaction.prepare(
        rates, root, links, at, n, work.clocks[k, 0], x, base, constant, record, tables, net.n_tables, code, numbers, p_stack,
        draws,
    )  # fmt: skip
    if good:
        run.block[i] += np.uint64(n)
    return good


@njit(cache=True, nogil=True, error_model="numpy")
def _update(method, net, run, work, k, i, stack):  # type: ignore[no-untyped-def]
    """Bring lane ``k`` up to date after its last reaction; return whether all propensities are numbers."""
    if method in (DIRECT, THINNING):
        return _prepare(method, net, run, work, k, i, stack)
    n, r = net.n_reactions, work.places[k, 2]
    x, rates, links = pointer(work.state), pointer(work.rates), pointer(work.links)
    base, root, at = k * work.state.shape[1], k * work.rates.shape[1], k * work.links.shape[1]
    constant, record, tables, plan = pointer(net.constant), pointer(net.record), pointer(net.tables), pointer(net.plan)
    code, numbers, p_stack = pointer(net.code), pointer(net.numbers), pointer(stack)
    if method == COMPOSITION_REJECTION:
        return composition_rejection.update(
            r, rates, root, links, at, n, x, base, constant, record, tables, net.n_tables, plan, net.row, net.n_changes, code,
            numbers, p_stack,
        )  # fmt: skip
    return next_reaction.update(
        r, work.clocks[k, 0], rates, root, links, at, n, x, base, constant, record, tables, net.n_tables, plan, net.row,
        net.n_changes, code, numbers, p_stack,
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _turns(method, net, work, k, active, stack):  # type: ignore[no-untyped-def]
    n, width = net.n_reactions, work.state.shape[1]
    n_rates, n_links = work.rates.shape[1], work.links.shape[1]
    x, rates, links = pointer(work.state), pointer(work.rates), pointer(work.links)
    deck, clocks, places = pointer(work.deck), pointer(work.clocks), pointer(work.places)
    constant, record, tables, plan = pointer(net.constant), pointer(net.record), pointer(net.tables), pointer(net.plan)
    code, numbers, p_stack = pointer(net.code), pointer(net.numbers), pointer(stack)
    if method == DIRECT:
        return direct.turns(
            k, active, x, width, rates, n_rates, direct.leaves_for(n), deck, clocks, places, constant, record, tables,
            net.n_tables, plan, net.row, net.n_changes, code, numbers, p_stack,
        )  # fmt: skip
    if method == NEXT_REACTION:
        return next_reaction.turns(
            k, active, x, width, rates, n_rates, links, n_links, n, deck, clocks, places, constant, record, tables,
            net.n_tables, plan, net.row, net.n_changes, code, numbers, p_stack,
        )  # fmt: skip
    if method == COMPOSITION_REJECTION:
        return composition_rejection.turns(
            k, active, x, width, rates, n_rates, links, n_links, n, deck, clocks, places, constant, record, tables,
            net.n_tables, plan, net.row, net.n_changes, code, numbers, p_stack,
        )  # fmt: skip
    return thinning.turns(
        k, active, x, width, rates, n_rates, n, deck, clocks, places, constant, record, tables, net.n_tables, plan, net.row,
        net.n_changes, code, numbers, p_stack, pointer(net.timed), pointer(net.upper),
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _load(net, run, work, k, todo, end, stack):  # type: ignore[no-untyped-def]
    """Put the next trajectory into lane ``k``; return whether there is one."""
    while work.cursor[1] < todo.size:
        i = todo[work.cursor[1]]
        work.cursor[1] += 1
        left = _triggered(net, run, i, run.state[i], stack) if net.triggers.size > 0 else PENDING
        if left == PENDING:
            j = run.next_output[i]
            work.who[k] = i
            work.state[k] = run.state[i]
            work.clocks[k, 0] = run.time[i]
            work.clocks[k, 1] = min(end, run.outputs[j]) if j < run.outputs.size else end
            work.places[k, 0], work.places[k, 1], work.places[k, 2], work.places[k, 3] = 0, 0, -1, run.steps[i]
            return True
        run.status[i] = left
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def _at_stop(run, work, k, i, end):  # type: ignore[no-untyped-def]
    """Note the state at the output times that lane ``k`` has passed; return PENDING, DONE or BAD_RATE."""
    ahead = work.clocks[k, 2]
    if np.isnan(ahead):
        return BAD_RATE
    n, j = run.counts.shape[2], run.next_output[i]
    while j < run.outputs.size and run.outputs[j] < end and not ahead < run.outputs[j]:
        run.counts[i, j] = work.state[k, :n]
        j += 1
    run.next_output[i] = j
    work.clocks[k, 1] = min(end, run.outputs[j]) if j < run.outputs.size else end
    if ahead < end:
        return PENDING
    work.clocks[k, 0] = end
    work.places[k, 0] += 1  # the draw that went beyond the end
    return DONE


@njit(cache=True, nogil=True, error_model="numpy")
def _more(run, work, k, i):  # type: ignore[no-untyped-def]
    """Make random numbers for lane ``k``; return PENDING or EXCEEDED."""
    more = min(max(_FIRST, min(2 * work.places[k, 1], BUFFER)), run.most - work.places[k, 3])
    if more <= 0:
        return EXCEEDED
    fill(work.deck[k, :BUFFER], work.deck[k, BUFFER:], 0, more, run.key, run.stream[i], run.block[i])
    run.block[i] += np.uint64(more)
    work.places[k, 0], work.places[k, 1] = 0, more
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
    stack = np.zeros(net.depth + 1)
    cursor = work.cursor
    lanes = work.who.size
    refills = 0
    k = cursor[2]
    free = False
    while True:
        left = PENDING
        i = work.who[k] if cursor[0] > 0 else -1
        if cursor[3] == _LOAD or cursor[3] == _UPDATE:  # after a rest
            good = _update(method, net, run, work, k, i, stack) if cursor[3] == _UPDATE else _prepare(
                method, net, run, work, k, i, stack
            )
            if not good:
                return BAD_RATE
            after = cursor[3] == _UPDATE
            cursor[3] = _NOTHING
            if after and net.triggers.size > 0:
                left = _triggered(net, run, i, work.state[k], stack)
        elif cursor[0] < lanes and cursor[1] < todo.size:
            k = cursor[0]
            cursor[0] += 1
            free = True
        elif cursor[0] == 0:
            return PENDING
        else:
            answer = _turns(method, net, work, k, cursor[0], stack)
            k = answer % 64
            reason = answer - k
            cursor[2] = k
            i = work.who[k]
            if reason == REFILL:
                left = _more(run, work, k, i)
                refills += 1
            elif reason == STOP:
                left = _at_stop(run, work, k, i, end)
                if left == BAD_RATE:
                    cursor[3] = _LOAD
                    return BAD_RATE
            elif reason == BAD:
                cursor[3] = _UPDATE
                if run.record and not _log(run, i, work.clocks[k, 0], work.places[k, 2], work.state[k]):
                    return FULL
                return BAD_RATE
            else:
                full = run.record and not _log(run, i, work.clocks[k, 0], work.places[k, 2], work.state[k])
                if reason == UNFIT:
                    cursor[3] = _UPDATE
                    return OUTSIDE
                if net.triggers.size > 0:
                    left = _triggered(net, run, i, work.state[k], stack)
                if full and left == PENDING:
                    return FULL
        if left != PENDING:
            run.block[i] -= np.uint64(work.places[k, 1] - work.places[k, 0])
            run.status[i], run.time[i], run.state[i] = left, work.clocks[k, 0], work.state[k]
            run.steps[i] = work.places[k, 3]
            free = True
        if free:
            free = False
            cursor[2] = k
            if _load(net, run, work, k, todo, end, stack):
                i = work.who[k]
                if not _prepare(method, net, run, work, k, i, stack):
                    cursor[3] = _LOAD
                    return BAD_RATE
            else:  # the last lane takes the place of this one
                cursor[0] -= 1
                last = cursor[0]
                if k < last:
                    work.who[k] = work.who[last]
                    work.state[k], work.rates[k], work.links[k] = work.state[last], work.rates[last], work.links[last]
                    work.deck[k], work.clocks[k], work.places[k] = work.deck[last], work.clocks[last], work.places[last]
                else:
                    k = 0
                cursor[2] = k
        if refills >= _SLICE:
            return PAUSE
