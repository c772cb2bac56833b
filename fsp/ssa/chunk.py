"""One chunk of trajectories from beginning to end, in one thread."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from numpy.typing import NDArray

from fsp.errors import ExplosionError, PropensityError, SolverError
from fsp.model.phases import Phase
from fsp.model.rates import evaluate_propensities
from fsp.ssa.advance import THINNING, advance
from fsp.ssa.budget import Budget
from fsp.ssa.course import Stretch
from fsp.ssa.layout import (
    BAD_RATE,
    BAD_TRIGGER,
    CLOCKS,
    CROSSED,
    DECK,
    DONE,
    EXCEEDED,
    OUTSIDE,
    PENDING,
    PLACES,
    FloatArray,
    IntArray,
    Network,
    Trajectories,
    Workspace,
)  # fmt: skip
from fsp.ssa.methods import Method
from fsp.ssa.tables import LARGEST
from fsp.ssa.timed import TimedTables

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["Chunk", "ChunkResult", "StoppedError"]

#: Reactions of a trajectory that are noted before they are taken away.
_ROOM = 512


class StoppedError(Exception):
    """The user, or an error in another chunk, has stopped the work."""


@dataclass
class ChunkResult:
    """Counts of a chunk, reactions of each trajectory, and, if they are recorded, all reactions."""

    counts: IntArray
    steps: IntArray
    events: list[tuple[FloatArray, IntArray, IntArray]] = field(default_factory=list)


class Chunk:
    """Trajectories that are simulated together.

    Parameters
    ----------
    network : ReactionNetwork
        As given, at time 0.
    course : sequence of Stretch
    method : Method
    times : ndarray of float64
    streams : ndarray of uint64
    states : ndarray of int64, shape (m, n_species)
    seed, most : int
    record : Budget or None
        The memory for reactions, if they are to be recorded.
    stop : threading.Event
    """

    def __init__(
        self, network: ReactionNetwork, course: Sequence[Stretch], method: Method, times: FloatArray, streams:
        NDArray[np.uint64],
        states: IntArray, *, seed: int, most: int, record: Budget | None, stop: threading.Event,
    ) -> None:  # fmt: skip
        self.network, self.course, self.method, self.stop = network, course, method, stop
        self.species = network.species_names
        m, n = states.shape
        self.rules = network.event_rules if network.events else None
        n_triggers = 0 if self.rules is None else int(self.rules.by_counts.sum())
        self._budget = record
        room = 0 if record is None else _ROOM
        full = np.zeros((m, n + 2), np.int64)
        full[:, :n], full[:, n] = states, 1
        self.run = Trajectories(
            np.uint64(seed), streams.astype(np.uint64), np.zeros(m, np.uint64), full, np.zeros(m), np.zeros(m, np.int64),
            np.zeros(m, np.int64), np.zeros(m, np.int64), most, np.ascontiguousarray(times), np.zeros((m,
            times.size, n), np.int64),
            np.zeros((m, n_triggers), np.int64), record is not None, np.zeros(m, np.int64), room, np.zeros((m, room)),
            np.zeros((m, room), np.int64), np.zeros((m, room, n), np.int64),
        )  # fmt: skip
        self._logs: list[list[tuple[FloatArray, IntArray, IntArray]]] = [[] for _ in range(m)]
        self._rows: IntArray | None = None

    def simulate(self) -> ChunkResult:
        """Return the finished chunk.

        Raises
        ------
        StoppedError
            If the work was stopped.
        FSPError
            For a propensity that is no rate, a count that would become negative, an event that cannot be executed, or too
            many reactions.
        """
        run = self.run
        if self.rules is not None:
            self._fire(None, Phase(0.0, False), 0.0)
        self._output(0.0)
        if self.rules is not None:
            self._fire(Phase(0.0, False), Phase(0.0, True), 0.0)
        for stretch in self.course:
            if stretch.end > stretch.start:
                self._cross(stretch)
            if stretch.at_end is not None:
                self._fire(Phase(math.nextafter(stretch.end, -math.inf), True), stretch.at_end, stretch.end)
            self._output(stretch.end)
            if stretch.at_end is not None:
                self._fire(stretch.at_end, Phase(stretch.end, True), stretch.end)
        events = [_joined(log, len(self.species)) for log in self._logs] if run.record else []
        return ChunkResult(run.counts, run.steps, events)

    def _output(self, time: float) -> None:
        """Note all states if a time is an output time (kernels note those inside stretches)."""
        for j in np.flatnonzero(self.run.outputs == time):
            self.run.counts[:, j] = self.run.state[:, : len(self.species)]
            self.run.next_output[:] = j + 1

    # -- reactions -----------------------------------------------------------------------------------------

    def _cross(self, stretch: Stretch) -> None:
        """Take all trajectories through a stretch."""
        run, tables = self.run, stretch.tables
        n = len(self.species)
        if self.rules is not None:
            holds = self.rules.triggers(run.state[:, :n], stretch.phase)
            run.held[:] = holds[:, self.rules.by_counts]
        edges = tables.edges if isinstance(tables, TimedTables) else [stretch.start, stretch.end]
        self._rows = tables.rows if isinstance(tables, TimedTables) else None
        for w, end in enumerate(edges[1:]):
            run.status[:] = PENDING
            todo = np.arange(run.time.size)
            while todo.size:
                self._cover(stretch, run.state[todo, :n].max(axis=0))
                self._advance(stretch, w, todo, end)
                self._look(stretch, todo)
                todo = np.flatnonzero(run.status != DONE)

    def _kernel(self, stretch: Stretch, w: int) -> Network:
        return (
            stretch.tables.in_window(w) if isinstance(stretch.tables, TimedTables) else stretch.tables.kernel
        )

    def _cover(self, stretch: Stretch, counts: IntArray) -> None:
        if counts.max(initial=0) >= LARGEST:
            name = self.species[int(np.argmax(counts))]
            message = f"the count of {name} is larger than 2^53: the network seems to explode; simulate to earlier times"
            raise ExplosionError(message)
        with stretch.lock:
            if not stretch.tables.covers(counts):
                stretch.tables.cover(counts)

    def _advance(self, stretch: Stretch, w: int, todo: IntArray, end: float) -> None:
        """Let kernels work until all of `todo` have been left."""
        run = self.run
        number = THINNING if isinstance(stretch.tables, TimedTables) else self.method.number
        net = self._kernel(stretch, w)
        lanes = min(self.method.lanes, todo.size)
        rates, links = self.method.sizes(net.n_reactions)
        width = run.state.shape[1]
        work = Workspace(
            lanes, np.zeros(lanes * width, np.int64), np.zeros(lanes * rates), rates, np.zeros(lanes * links,
            np.int64), links,
            np.zeros(lanes * DECK), np.zeros(lanes * CLOCKS), np.zeros(lanes * PLACES, np.int64), np.zeros(lanes, np.int64),
            np.zeros(net.depth + 1), np.zeros(4, np.int64),
        )  # fmt: skip
        while True:
            reason = advance(number, net, run, work, todo, end)
            if run.record:
                self._drain()
            if self.stop.is_set():
                raise StoppedError
            if reason == PENDING:
                return
            k = int(work.cursor[2])
            state, time = work.x[k * width : (k + 1) * width - 2], float(work.clocks[k * CLOCKS])
            if reason == OUTSIDE:
                self._grow(stretch, state, int(work.places[k * PLACES + 2]), time)
                net = self._kernel(stretch, w)
            elif reason == BAD_RATE:
                self._mend(stretch, state, time)
                net = self._kernel(stretch, w)

    def _reaction(self, stretch: Stretch, r: int) -> int:
        return r if self._rows is None else int(self._rows[r])

    def _grow(self, stretch: Stretch, state: IntArray, r: int, time: float) -> None:
        """Make the tables longer, unless a count has become negative."""
        if state.min() < 0:
            reaction = self._reaction(stretch, r)
            before = state - stretch.network.stoichiometry[reaction]
            evaluate_propensities(stretch.network, before, time if stretch.network.depends_on_time else None)
            name = self.species[int(np.argmin(state))]
            message = (
                f"reaction '{stretch.network.reactions[reaction]}' has made the count of {name} negative at the state "
                f"{self._at(before)}: its propensity must be zero there"
            )
            raise PropensityError(message)
        self._cover(stretch, state)

    def _mend(self, stretch: Stretch, state: IntArray, time: float) -> None:
        """Say which propensity is no rate; or leave propensities to programs, whose factors may be negative."""
        evaluate_propensities(stretch.network, state, time if stretch.network.depends_on_time else None)
        with stretch.lock:
            if stretch.tables.use_programs(range(stretch.tables.network.n_reactions)):
                return
        message = (
            f"the propensities at the state {self._at(state)}, time {time:g}, are too large or too different for method "
            f"{self.method.name!r}; {'' if self.method.name == 'direct' else 'try method=' + repr('direct') + ', or '}"
            "use other units of time"
        )
        raise SolverError(message)

    def _at(self, state: IntArray) -> dict[str, int]:
        return dict(zip(self.species, state.tolist(), strict=True))

    def _look(self, stretch: Stretch, todo: IntArray) -> None:
        """Do what the trajectories were left for."""
        run, n = self.run, len(self.species)
        status = run.status[todo]
        if (status == EXCEEDED).any():
            self._exceeded(int(todo[np.argmax(status == EXCEEDED)]))
        bad = todo[status == BAD_TRIGGER]
        if bad.size and self.rules is not None:
            self.rules.triggers(run.state[bad, :n], stretch.phase)
        rows = todo[status == CROSSED]
        if rows.size and self.rules is not None:
            arrivals = run.state[rows, :n].copy()
            before = self.rules.triggers(arrivals, stretch.phase)
            before[:, self.rules.by_counts] = run.held[rows] != 0
            targets = self.rules.fire(arrivals, before, stretch.phase)
            self._move(rows, arrivals, targets)
            run.held[rows] = self.rules.triggers(targets, stretch.phase)[:, self.rules.by_counts]
            run.status[rows] = PENDING

    def _exceeded(self, i: int) -> NoReturn:
        run = self.run
        message = (
            f"trajectory {int(run.stream[i])} has made more than {run.most:,} reactions by time {run.time[i]:g} of "
            f"{run.outputs[-1]:g}, at the state {self._at(run.state[i, :-2])}: raise max_events, unless the network explodes"
        )
        raise ExplosionError(message)

    # -- events --------------------------------------------------------------------------------------------

    def _fire(self, old: Phase | None, new: Phase, time: float) -> None:
        """Execute the events between two phases of time."""
        assert self.rules is not None
        run, n = self.run, len(self.species)
        states = run.state[:, :n].copy()
        held = self.rules.initially(len(states)) if old is None else self.rules.triggers(states, old)
        targets = self.rules.fire(states, held, new)
        run.time[:] = time
        self._move(np.arange(len(states)), states, targets)

    def _move(self, rows: IntArray, states: IntArray, targets: IntArray) -> None:
        """Put trajectories into the states after events."""
        self.run.state[rows, : len(self.species)] = targets
        if self.run.record:
            for i, state, target in zip(rows.tolist(), states, targets, strict=True):
                if (state != target).any():
                    self._logs[i].append(
                        (self.run.time[i : i + 1].copy(), np.array([-1]), target[None, :].copy())
                    )

    def _drain(self) -> None:
        """Take the recorded reactions away."""
        run = self.run
        for i in np.flatnonzero(run.log_size).tolist():
            size = int(run.log_size[i])
            if self._budget is not None:  # twice, because the parts are joined in the end
                self._budget.take(2 * 8 * size * (2 + len(self.species)))
            reactions = run.log_reaction[i, :size].copy()
            if self._rows is not None:
                reactions = self._rows[reactions]
            self._logs[i].append((run.log_time[i, :size].copy(), reactions, run.log_state[i, :size].copy()))
            run.log_size[i] = 0


def _joined(
    log: list[tuple[FloatArray, IntArray, IntArray]], n: int
) -> tuple[FloatArray, IntArray, IntArray]:
    if not log:
        return np.zeros(0), np.zeros(0, np.int64), np.zeros((0, n), np.int64)
    times, reactions, states = zip(*log, strict=True)
    return np.concatenate(times), np.concatenate(reactions), np.concatenate(states)
