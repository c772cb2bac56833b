"""What events do to states: which fire at a moment, in which order, and what is left in the end.

All states are treated at once, as arrays. An event that fires may make others fire, and so on: a cascade, which takes
no time. Its rules are those of SBML Level 3 Version 2, section 4.11.6, without delays:

1. every event whose trigger has turned from false to true waits to be executed;
2. of those that wait, the one with the largest priority is executed;
3. then triggers and priorities are evaluated anew: events whose trigger turned true join those that wait, and events
   that are not persistent and whose trigger is false are dropped;
4. this is repeated until none waits.

Where priorities do not decide, all orders are followed, and the state is refused if they lead to different ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.errors import ModelError, UnsupportedError
from fsp.model.evaluation import evaluate_tree
from fsp.model.event_parameters import check_parameters
from fsp.model.events import Event
from fsp.model.phases import Clock, Phase, read_clocks

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EventRules"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

#: Events that may follow one another at one moment, and orders that are followed at once.
MOST_EVENTS, MOST_ORDERS = 1000, 200_000

#: By how much, relative to its size, a value may miss a whole number: rounding of the expression.
ROUNDING = 1e-12


@dataclass
class _Waiting:
    """States in the middle of their cascades; one row for each state and order of events."""

    origin: IntArray  # which of the given states
    states: IntArray
    true: BoolArray  # which triggers are true
    waits: BoolArray  # which events wait
    values: NDArray[np.float64]  # (rows, events, species): what those that wait will assign

    def take(self, rows: Any) -> _Waiting:
        return _Waiting(
            self.origin[rows], self.states[rows], self.true[rows], self.waits[rows], self.values[rows]
        )


class EventRules:
    """The events of a network, ready to be applied to states.

    Parameters
    ----------
    events : sequence of Event
        Bound to the network (their expressions are trees).
    species : sequence of str
        The species in order.
    parameters : mapping from str to float

    Attributes
    ----------
    moments : tuple of float
        The times >= 0 at which triggers may change, ascending.
    by_counts : ndarray of bool
        Which triggers read counts, so that a reaction may fire the event.
    changed : frozenset of str
        Parameters that events change, see `fsp.model.event_parameters`.

    Raises
    ------
    UnsupportedError
        If a trigger uses time in another way than in comparisons with constants, or an event that a reaction may fire
        reads time in what it assigns.
    """

    def __init__(
        self, events: Sequence[Event], species: Sequence[str], parameters: Mapping[str, float]
    ) -> None:
        self.events = tuple(events)
        self.species = tuple(species)
        self.parameters = dict(parameters)
        self.clocks: list[list[Clock]] = [
            read_clocks(event.trigger, self.parameters, f"trigger of event '{event.name}'")
            for event in events
        ]
        reads = [{s.name for s in event.trigger.free_symbols} & set(species) for event in events]
        self.by_counts: BoolArray = np.array([bool(r) for r in reads], np.bool_)
        self.changed = check_parameters(self.events, self.by_counts, self.species, self.parameters)
        place = {name: s for s, name in enumerate(self.species)}
        self._counts = [
            [(place[name], name, tree) for name, tree in event.assignments.items() if name in place]
            for event in events
        ]
        self.reads = [tuple(name for name in species if name in r) for r in reads]
        found = {clock.moment for clocks in self.clocks for clock in clocks}
        self.moments = tuple(sorted(moment for moment in found if moment >= 0.0))
        for event, counts in zip(self.events, self.by_counts, strict=True):
            timed = [*event.assignments.values(), *([] if event.priority is None else [event.priority])]
            if counts and any("time" in {s.name for s in tree.free_symbols} for tree in timed):
                message = (
                    f"event '{event.name}' can be fired by a reaction, at any time, and reads time in its assignments "
                    "or its priority: this is supported only where the trigger reads no counts"
                )
                raise UnsupportedError(message)

    def restricted(self, which: BoolArray) -> EventRules:
        """Return the rules of some of the events."""
        return EventRules(
            [e for e, chosen in zip(self.events, which, strict=True) if chosen], self.species, self.parameters
        )

    # -- triggers ------------------------------------------------------------------------------------------

    def trigger(self, e: int, counts: Mapping[str, Any], phase: Phase | None) -> Any:
        """Return where the trigger of one event holds: 1, 0, or NaN where it is undefined."""
        clocks = self.clocks[e]
        values: dict[str, Any] = {**self.parameters, **{name: counts[name] for name in self.reads[e]}}
        given = {}
        if clocks:
            if phase is None:
                message = f"internal error: the trigger of '{self.events[e].name}' depends on time, and no time is given"
                raise AssertionError(message)
            given = {clock.comparison: float(clock.holds(phase)) for clock in clocks}
            values["time"] = np.nan  # every comparison that reads it is given
        return evaluate_tree(self.events[e].trigger, values, given=given)

    def triggers(self, states: IntArray, phase: Phase | None) -> BoolArray:
        """Return which triggers hold, shape (n_states, n_events).

        Raises
        ------
        ModelError
            If a trigger is undefined at one of the states.
        """
        counts = {name: states[:, i] for i, name in enumerate(self.species)}
        out = np.zeros((len(states), len(self.events)), np.bool_)
        for e, event in enumerate(self.events):
            values = np.broadcast_to(self.trigger(e, counts, phase), (len(states),))
            bad = np.isnan(values)
            if bad.any():
                message = (
                    f"the trigger of event '{event.name}' is undefined at the state {self._at(states, bad)}"
                )
                raise ModelError(message)
            out[:, e] = values == 1
        return out

    def initially(self, n_states: int) -> BoolArray:
        """Return what the triggers count as just before time 0."""
        return np.tile(np.array([event.initial_value for event in self.events], np.bool_), (n_states, 1))

    # -- cascades ------------------------------------------------------------------------------------------

    def fire(self, states: IntArray, before: BoolArray, phase: Phase | None) -> IntArray:
        """Return the states after all events whose trigger was false before and is true now.

        Parameters
        ----------
        states : ndarray of int64, shape (n_states, n_species)
        before : ndarray of bool, shape (n_states, n_events)
            Which triggers held before.
        phase : Phase, optional
            The time; needed if triggers read it.

        Raises
        ------
        ModelError
            If a count would become negative or not whole, or the events do not come to an end.
        UnsupportedError
            If the result depends on the order of events whose priorities do not decide, or an event is triggered
            again while it waits.
        """
        if not self.events or not len(states):
            return states
        true = self.triggers(states, phase)
        waits = true & ~before
        rows = np.flatnonzero(waits.any(axis=1))
        if not rows.size:
            return states
        shape = (rows.size, len(self.events), len(self.species))
        work = _Waiting(rows, states[rows], true[rows], waits[rows], np.zeros(shape))
        self._note_values(work, work.waits, phase)
        result = states.copy()
        seen = np.zeros(len(states), np.bool_)
        for _ in range(MOST_EVENTS):
            work, chosen = self._branch(work, phase)
            work = self._execute(work, chosen, phase)
            done = ~work.waits.any(axis=1)
            self._finish(work.take(done), states, before, result, seen, phase)
            work = work.take(~done)
            if not work.origin.size:
                return result
        state = dict(zip(self.species, states[work.origin[0]].tolist(), strict=True))
        message = (
            f"the events do not come to an end: from the state {state}, more than {MOST_EVENTS} of them fire one after "
            f"the other at one moment ({self._names(work.waits[0])} is next)"
        )
        raise ModelError(message)

    def _note_values(self, work: _Waiting, which: BoolArray, phase: Phase | None) -> None:
        """Evaluate what the chosen events assign."""
        for e, targets in enumerate(self._counts):
            rows = np.flatnonzero(which[:, e])
            if rows.size:
                for s, _, tree in targets:
                    work.values[rows, e, s] = self.value(tree, work.states[rows], phase)

    def value(self, tree: Any, states: IntArray, phase: Phase | None) -> NDArray[np.float64]:
        """Return an expression of an event at each state, evaluated in extended precision and rounded."""
        values: dict[str, Any] = dict(self.parameters)
        values.update((name, states[:, i]) for i, name in enumerate(self.species))
        if phase is not None:
            values["time"] = phase.time
        needed = {s.name: values[s.name] for s in tree.free_symbols}
        found = evaluate_tree(tree, needed, dtype=np.longdouble)
        with np.errstate(over="ignore"):
            rounded = np.asarray(found, np.float64)
        return np.broadcast_to(rounded, (len(states),))

    def _branch(self, work: _Waiting, phase: Phase | None) -> tuple[_Waiting, IntArray]:
        """Return a row for each event that may come next, and the event."""
        n_events = len(self.events)
        priority = np.full((work.origin.size, n_events), np.nan)
        for e, event in enumerate(self.events):
            rows = np.flatnonzero(work.waits[:, e])
            if event.priority is not None and rows.size:
                priority[rows, e] = self.value(event.priority, work.states[rows], phase)
                if not np.isfinite(priority[rows, e]).all():
                    bad = ~np.isfinite(priority[rows, e])
                    state = self._at(work.states[rows], bad)
                    message = (
                        f"the priority of event '{event.name}' is not a finite number at the state {state}"
                    )
                    raise ModelError(message)
        with_one = np.where(np.isnan(priority), -np.inf, priority)
        top = with_one.max(axis=1, keepdims=True)
        free = work.waits & np.isnan(priority)
        candidates = free | (work.waits & (with_one == top) & np.isfinite(top))
        rows, chosen = np.nonzero(candidates)
        work = work.take(rows)
        if work.origin.size > MOST_ORDERS + candidates.shape[0]:
            message = f"too many orders of events without priorities ({self._names(work.waits[0])}): give them priorities"
            raise UnsupportedError(message)
        return work, chosen

    def _execute(self, work: _Waiting, chosen: IntArray, phase: Phase | None) -> _Waiting:
        """Execute the chosen event of each row, and find which ones wait then."""
        for e, event in enumerate(self.events):
            rows = np.flatnonzero(chosen == e)
            if not rows.size:
                continue
            if not event.use_trigger_values:
                only = np.zeros_like(work.waits)
                only[rows, e] = True
                self._note_values(work, only, phase)
            before = work.states[rows]  # a copy
            for s, name, _ in self._counts[e]:
                work.states[rows, s] = self._whole(work.values[rows, e, s], event, name, before)
        work.waits[np.arange(chosen.size), chosen] = False
        true = self.triggers(work.states, phase)
        fresh = true & ~work.true
        again = fresh & work.waits
        twice = np.asarray(again.any(axis=1), np.bool_)
        if twice.any():
            row = int(np.argmax(twice))
            message = (
                f"event {self._names(again[row])} is triggered again while it waits to be executed, at the state "
                f"{self._at(work.states, twice)}: this is not supported; change the priorities"
            )
            raise UnsupportedError(message)
        persistent = np.array([event.persistent for event in self.events], np.bool_)
        work.waits &= persistent | true
        work.true = true
        work.waits |= fresh
        self._note_values(work, fresh, phase)
        return _distinct(work)

    def _whole(self, values: NDArray[np.float64], event: Event, name: str, states: IntArray) -> IntArray:
        """Return values as counts, or refuse them."""
        with np.errstate(invalid="ignore"):
            whole = np.rint(values)
            good: BoolArray = np.abs(values - whole) <= ROUNDING * np.maximum(1.0, np.abs(values))
            good = good & (whole >= 0.0) & (whole < 2.0**53)
        if not good.all():
            at = self._at(states, ~good)
            value = float(values[int(np.argmin(good))])
            message = (
                f"event '{event.name}' sets '{name}' to {value:g} at the state {at}: counts must be whole numbers >= 0 "
                "(write floor(...) or max(0, ...) if that is meant)"
            )
            raise ModelError(message)
        return whole.astype(np.int64)

    def _finish(
        self, done: _Waiting, states: IntArray, before: BoolArray, result: IntArray, seen: BoolArray,
        phase: Phase | None,
    ) -> None:  # fmt: skip
        """Store ends of cascades, and refuse those that differ by order."""
        order = np.argsort(done.origin, kind="stable")
        origin, ends = done.origin[order], done.states[order]
        first = np.ones(origin.size, np.bool_)
        first[1:] = origin[1:] != origin[:-1]
        fresh = first & ~seen[origin]
        result[origin[fresh]] = ends[fresh]
        seen[origin] = True
        wrong = (result[origin] != ends).any(axis=1)
        if wrong.any():
            at = int(np.argmax(wrong))
            start = states[origin[at]][None, :]
            fired = self.triggers(start, phase)[0] & ~before[origin[at]]
            ends_text = " or ".join(
                str(dict(zip(self.species, end.tolist(), strict=True)))
                for end in (result[origin[at]], ends[at])
            )
            message = (
                f"at the state {self._at(start, np.ones(1, np.bool_))} {self._names(fired)} fire at the same moment, and "
                f"the result depends on the order, which is undefined ({ends_text}): give the events different priorities"
            )
            raise UnsupportedError(message)

    def _names(self, which: BoolArray) -> str:
        return " and ".join(f"'{self.events[e].name}'" for e in np.flatnonzero(which))

    def _at(self, states: IntArray, which: BoolArray) -> dict[str, int]:
        return dict(zip(self.species, states[int(np.argmax(which))].tolist(), strict=True))


def _distinct(work: _Waiting) -> _Waiting:
    """Merge rows of one origin that have come to the same point by different orders."""
    if np.unique(work.origin).size == work.origin.size:
        return work
    values = np.where(work.waits[:, :, None], work.values, 0.0).reshape(work.origin.size, -1)
    rows = np.column_stack([work.origin, work.states, work.true, work.waits, values])
    _, index = np.unique(rows, axis=0, return_index=True)
    return work.take(np.sort(index))
