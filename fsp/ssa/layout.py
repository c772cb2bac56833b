"""What kernels get, as plain arrays in named tuples: a network, the trajectories of a chunk, a place to work."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BAD", "BAD_RATE", "BAD_TRIGGER", "BUFFER", "CLOCKS", "CROSSED", "DECK", "DONE", "EXCEEDED", "FULL", "OUTSIDE", "PAUSE",
    "PENDING", "PLACES", "PLAN", "RECORD", "REFILL", "STOP", "UNFIT", "WATCH", "Memory", "Network",
    "Trajectories", "Workspace",
]  # fmt: skip

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Numbers in `Network.record` for each reaction: two linear factors (species, offset), two tables (base, species).
RECORD = 8
#: Numbers at the head of a row of `Network.plan`.
PLAN = 2
#: Blocks of random numbers that a lane holds: as many exponential deviates, then as many uniform ones.
BUFFER = 128
DECK = 2 * BUFFER
#: What a lane holds: time, next stop, candidate for the next time; next draw, draws made, last reaction, reactions.
CLOCKS, PLACES = 4, 4

# Why a trajectory was left, or all of them are at rest for a while.
PENDING = 0  # not yet begun, or on its way
DONE = 1  # it has reached the end of the stretch
CROSSED = 2  # an event has been triggered; the reaction is done, the event is not
EXCEEDED = 3  # as many reactions as are allowed
BAD_TRIGGER = 4  # a trigger is undefined at the present state
OUTSIDE = 5  # rest: a count has left the range of the tables; the reaction is done, the propensities are not
BAD_RATE = 6  # rest: a propensity at the present state is negative or not finite
FULL = 7  # rest: no room for another recorded reaction
PAUSE = 8  # rest: time to look whether the user has had enough

# Why a method returns from the turns of its lanes, in units of 64 above the lane.
REFILL, STOP, UNFIT, WATCH, BAD = 0, 64, 128, 192, 256


class Network(NamedTuple):
    """A network for kernels: ``n`` species, ``R`` reactions.

    States have ``n + 2`` entries: the one after the species is always 1, for factors that are not there; the last one is
    for changes that are not there. The propensity of reaction ``r`` is ``constant[r] (x[s1] + o1) (x[s2] + o2)
    tables[b1 + x[t1]] tables[b2 + x[t2]]``, the constant last, with ``s1, o1, s2, o2, b1, t1, b2, t2`` in its record; or, if
    ``s1 = -1 - p``, ``constant[r]`` times the value of the program at ``p``.

    The plan of a reaction says what it does: the number of its dependents, whether it is to be watched; then triples
    (species, change, limit: counts from there on are outside the tables); then the reactions whose propensities change.
    """

    n_species: int
    n_reactions: int
    n_tables: int  # most tables of a reaction: 0, 1 or 2
    constant: FloatArray  # (R,)
    record: IntArray  # (R * RECORD,)
    tables: FloatArray
    n_changes: int  # triples in each plan
    row: int  # length of a plan
    plan: IntArray  # (R * row,)
    code: IntArray  # instructions and arguments, see fsp.ssa.programs
    numbers: FloatArray
    depth: int  # of the stack that programs need
    triggers: IntArray  # where the programs of triggers begin
    timed: IntArray  # (R,): where the program of the function of time begins, or -1
    upper: FloatArray  # (R,): bound of the function of time, which is part of `constant`


class Trajectories(NamedTuple):
    """The trajectories of a chunk, one entry for each."""

    key: np.uint64
    stream: NDArray[np.uint64]  # which random stream
    block: NDArray[np.uint64]  # the next block of it
    state: IntArray  # (m, n + 2)
    time: FloatArray
    status: IntArray
    next_output: IntArray
    steps: IntArray  # reactions so far
    most: int  # reactions that are allowed
    outputs: FloatArray  # times
    counts: IntArray  # (m, n_times, n)
    held: IntArray  # (m, n_triggers): which triggers are true
    record: bool
    log_size: IntArray
    room: int
    log_time: FloatArray  # (m, room)
    log_reaction: IntArray  # (m, room)
    log_state: IntArray  # (m, room, n)


class Workspace(NamedTuple):
    """Where the lanes of one call work, one lane behind the other; it is kept while they are at rest."""

    lanes: int
    x: IntArray  # states
    rates: FloatArray
    n_rates: int  # what a method needs for each lane
    links: IntArray
    n_links: int
    deck: FloatArray
    clocks: FloatArray
    places: IntArray
    who: IntArray  # trajectories
    stack: FloatArray
    cursor: IntArray  # lanes in use, next of `todo`, present lane, what is left to do for it


class Memory(NamedTuple):
    """All of this as pointers and numbers: what compiled functions hand to one another, without counting references."""

    # the network
    n_species: int
    n_reactions: int
    n_tables: int
    constant: Any
    record: Any
    tables: Any
    n_changes: int
    row: int
    plan: Any
    code: Any
    numbers: Any
    triggers: Any
    n_triggers: int
    timed: Any
    upper: Any
    # the trajectories
    key: Any
    stream: Any
    block: Any
    start: Any  # `Trajectories.state`
    time: Any
    status: Any
    next_output: Any
    steps: Any
    most: int
    outputs: Any
    n_outputs: int
    counts: Any
    held: Any
    recorded: bool
    log_size: Any
    room: int
    log_time: Any
    log_reaction: Any
    log_state: Any
    # the lanes
    width: int
    x: Any
    rates: Any
    n_rates: int
    links: Any
    n_links: int
    deck: Any
    clocks: Any
    places: Any
    who: Any
    stack: Any
