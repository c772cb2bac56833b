"""Runs of networks with events: one adaptive loop for each stretch of time between the moments at which triggers change.

At such a moment the loop is stopped exactly there, every state is taken to where the events lead from it, and what comes to
the same state is added up. The next piece starts from the law after the events, with the conservation laws that hold from
there on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.errors import SolverError
from fsp.initial import InitialLaw, choose_coordinates
from fsp.ledger import Ledger
from fsp.model.event_parameters import parameter_changes
from fsp.model.phases import Phase
from fsp.statespace.constraints import Bounds, Constraints
from fsp.statespace.coordinates import Coordinates
from fsp.statespace.fibres import FibreSet
from fsp.transient.audit import check_balance, check_tolerance
from fsp.transient.loop import AdaptiveLoop, Snapshot
from fsp.transient.saved import pack_coordinates, unpack_coordinates

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["Piece", "PiecewiseRun", "pack_piece", "push_forward", "unpack_piece"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: States that are mapped together.
CHUNK = 200_000


@dataclass(frozen=True, eq=False)
class Piece:
    """A stretch of time without events that time triggers.

    Attributes
    ----------
    start, stop : float
        Its first moment, and the one before which it ends.
    law : InitialLaw or None
        The law at the start; None if it is not known exactly.
    network : ReactionNetwork
        With the events that reactions can fire, and initial counts that obey its conservation laws.
    coordinates : Coordinates
    phase : Phase
        The phase of time that it is in.
    """

    start: float
    stop: float
    law: InitialLaw | None
    network: ReactionNetwork
    coordinates: Coordinates
    phase: Phase


def pack_piece(piece: Piece) -> dict[str, Any]:
    """Return a piece as plain data and arrays."""
    return {
        "start": piece.start,
        "stop": piece.stop,
        "law": _pack_law(piece.law),
        "phase": list(piece.phase),
        "parameters": dict(piece.network.parameters),
        "counts": piece.network.initial_state.tolist(),
        "coordinates": pack_coordinates(piece.coordinates),
    }


def unpack_piece(packed: Mapping[str, Any], network: ReactionNetwork) -> Piece:
    """Return the piece of a run of ``network`` that `pack_piece` took apart."""
    phase = Phase(*packed["phase"])
    then = network.with_parameters(**packed["parameters"]).in_phase(phase)
    counts = dict(zip(network.species_names, packed["counts"], strict=True))
    return Piece(
        packed["start"], packed["stop"], _unpack_law(packed["law"]), then.with_initial(**counts),
        unpack_coordinates(packed["coordinates"]), phase,
    )  # fmt: skip


def _pack_law(law: InitialLaw | None) -> dict[str, Any] | None:
    return None if law is None else {f.name: getattr(law, f.name) for f in fields(law)}


def _unpack_law(packed: Mapping[str, Any] | None) -> InitialLaw | None:
    return None if packed is None else InitialLaw(**packed)


def push_forward(p: FloatArray, position: IntArray, size: int) -> tuple[FloatArray, float]:
    """Add up probabilities that come to the same state.

    Parameters
    ----------
    p : ndarray, shape (n,) or (2, n)
        Probabilities in double precision or in double-double arithmetic.
    position : ndarray of int64, shape (n,)
        Where each of them goes.
    size : int
        The number of states there.

    Returns
    -------
    ndarray, float
        The probabilities there, and a bound on their relative rounding error.

    Examples
    --------
    >>> push_forward(np.array([0.5, 0.25, 0.25]), np.array([1, 0, 1]), 2)[0].tolist()
    [0.25, 0.75]
    """
    out = np.zeros((*p.shape[:-1], size))
    most = int(np.bincount(position, minlength=1).max()) if position.size else 0
    if most <= 1:
        out[..., position] = p
        return out, 0.0
    total = np.zeros(size, np.longdouble)
    parts = p.astype(np.longdouble)
    np.add.at(total, position, parts if p.ndim == 1 else parts.sum(axis=0))
    sums = (most + 2) * float(np.finfo(np.longdouble).eps)
    high = total.astype(np.float64)
    if p.ndim == 1:
        return high, sums + 2.0**-53
    out[0], out[1] = high, (total - high).astype(np.float64)
    return out, sums


@dataclass
class PiecewiseRun:
    """One run of the transient solver over a network with events; it stands in for an `AdaptiveLoop`.

    Parameters
    ----------
    network : ReactionNetwork
    law : InitialLaw
        The law just before time 0.
    bounds : optional
        The user's constraints.
    make : callable
        ``make(network, space, p, constraints, time=, end=, initial_mass=)`` returns an `AdaptiveLoop`.
    ledger : Ledger
    tolerance : float
    extended : bool
    between : callable, optional
        Called with this run before each step, when `state` returns all that it depends on.
    saved : dict, optional
        Such a state, to go on from instead of beginning anew.
    """

    network: ReactionNetwork
    law: InitialLaw
    bounds: Bounds | None
    make: Callable[..., AdaptiveLoop]
    ledger: Ledger
    tolerance: float
    extended: bool = False
    time: float = 0.0
    loop: AdaptiveLoop | None = None
    _between: bool = True
    _stops: list[float] = field(default_factory=list)
    _phase: Phase = field(default_factory=lambda: Phase(0.0, False))
    _done: dict[str, float | int] = field(default_factory=dict)
    #: The piece that each snapshot belongs to.
    pieces: list[Piece] = field(default_factory=list)
    between: Callable[[PiecewiseRun], None] | None = None
    saved: dict[str, Any] | None = None

    def run(self, times: NDArray[np.float64]) -> Iterator[Snapshot]:
        """Yield a snapshot at each time (ascending, >= 0); at the moment of an event, after the event.

        Raises
        ------
        SolverError
            As `AdaptiveLoop.run` does.
        ModelError, UnsupportedError
            If an event cannot be executed in one of the states.
        """
        self._outputs = [float(t) for t in times]
        self._end = self._outputs[-1]
        self._rules = self.network.event_rules
        self._constraints = Constraints(self.network, self.bounds)
        if self.saved is None:
            yield from self._begin()
        else:
            self._restore(self.saved)
        while self._stops:
            stop = self._stops[0]
            targets = [t for t in self._outputs if self.time < t < stop]
            if stop <= self._end:
                targets.append(stop)
            if targets:
                loop = self._piece(self._phase, stop)
                for snapshot in loop.run(np.array(targets)):
                    self.time = snapshot.time
                    if snapshot.time < stop:
                        self.pieces.append(self._current)
                        yield snapshot
                self._leave(loop)
            if stop <= self._end:
                self._map(_just_before(stop), Phase(stop, False))
                yield from self._output(stop)
                self._phase = Phase(stop, True)
                self._map(Phase(stop, False), self._phase)
            self._stops = self._stops[1:]

    def _begin(self) -> Iterator[Snapshot]:
        """Execute the events at time 0 and yield what is asked for there; then `_stops` are the moments to come."""
        self.states, self.p = self.law.states, self.law.probabilities
        self._exact: InitialLaw | None = self.law if self.law.missing == 0.0 else None
        self._mass = float(self.p.sum())
        self._stops = []
        self._map(None, Phase(0.0, False))
        yield from self._output(0.0)
        if self._end == 0.0:
            return
        self._phase = Phase(0.0, True)
        self._map(Phase(0.0, False), self._phase)
        moments = [c for c in self._rules.moments if 0.0 < c <= self._end and self._matters(c)]
        self._stops = [*moments, math.inf]

    def state(self) -> dict[str, Any]:
        """Return the state between two steps of a piece: the law that the piece started from, and that of its loop."""
        assert self.loop is not None
        return {
            "time": self.loop.time,
            "extended": self.extended,
            "foresee": self.loop.foresee,
            "loop": self.loop.state(),
            "start": self._current.start,
            "phase": list(self._phase),
            "stops": self._stops,
            "states": self.states,
            "p": self.p,
            "exact": _pack_law(self._exact),
            "mass": self._mass,
            "parameters": dict(self.network.parameters),
            "done": dict(self._done),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        """Take a state over; the loop of the piece takes its own over when the piece is begun."""
        self.network = self.network.with_parameters(**state["parameters"])
        self._rules = self.network.event_rules
        self.time, self._mass, self._stops = state["start"], state["mass"], list(state["stops"])
        self._phase, self._exact = Phase(*state["phase"]), _unpack_law(state["exact"])
        self.states, self.p, self._done = state["states"], state["p"], dict(state["done"])

    def _pass_on(self, _: AdaptiveLoop) -> None:
        if self.between is not None:
            self.between(self)

    def _matters(self, moment: float) -> bool:
        """Tell whether anything can happen at a moment: where triggers read no counts, only what turns true matters."""
        if self._rules.by_counts.any():
            return True
        state = self.network.initial_state[None, :]
        before = self._rules.triggers(state, _just_before(moment))
        at = self._rules.triggers(state, Phase(moment, False))
        after = self._rules.triggers(state, Phase(moment, True))
        return bool(((at & ~before) | (after & ~at)).any())

    # -- pieces --------------------------------------------------------------------------------------------

    def _piece(self, phase: Phase, stop: float) -> AdaptiveLoop:
        """Return a loop that starts from the present law."""
        start = InitialLaw(self.states, self.p)
        network, coordinates = choose_coordinates(self.network.in_phase(phase), start)
        constraints = Constraints(network, self.bounds)
        space = FibreSet.from_states(coordinates, self.states)
        p, error = push_forward(self.p, space.index(self.states), space.n_states)
        self.ledger.book("rounding", 2.0 * error)
        self._current = Piece(self.time, stop, self._exact, network, coordinates, phase)
        self._between = False
        self.loop = self.make(
            network, space, p, constraints, time=self.time, end=self._end, initial_mass=self._mass
        )
        self.loop.between = self._pass_on
        if self.saved is not None:
            self.loop.saved, self.saved = self.saved["loop"], None
        return self.loop

    def _leave(self, loop: AdaptiveLoop) -> None:
        """Take the law at the end of a piece over."""
        loop.between = None  # which holds this run
        keep = loop.p > 0.0 if loop.p.ndim == 1 else loop.p[0] > 0.0
        self.states, self.p = loop.space.states()[keep], np.ascontiguousarray(loop.p[..., keep])
        self._done = self.statistics
        self._exact, self._between = None, True

    # -- events --------------------------------------------------------------------------------------------

    def _targets(self, states: IntArray, old: Phase | None, new: Phase) -> IntArray:
        """Return where the events between two phases lead; before the first one triggers have their initial values."""
        targets = np.empty_like(states)
        for start in range(0, len(states), CHUNK):
            part = states[start : start + CHUNK]
            held = self._rules.initially(len(part)) if old is None else self._rules.triggers(part, old)
            targets[start : start + CHUNK] = self._rules.fire(part, held, new)
        return targets

    def _map(self, old: Phase | None, new: Phase) -> None:
        """Take all states to where the events between two phases lead."""
        targets = self._targets(self.states, old, new)
        changes = parameter_changes(self._rules, old, new)
        self._carry(targets, old, new)
        if changes:
            self.network = self.network.with_parameters(**changes)
            self._rules = self.network.event_rules

    def _carry(self, targets: IntArray, old: Phase | None, new: Phase) -> None:
        """Move the law to the states ``targets``."""
        if (targets == self.states).all():
            return
        space = FibreSet.from_states(Coordinates.of(self.network, eliminate=False), targets)
        p, error = push_forward(self.p, space.index(targets), space.n_states)
        self.ledger.book("rounding", 2.0 * error)
        self.states, self.p = space.states(), p
        if old is not None and self._leads_to_one_state(old, new):
            self._exact = InitialLaw(self.states, np.ones(1))
        elif self._exact is not None:
            moved = self._targets(self._exact.states, old, new)
            self._exact = InitialLaw(moved, self._exact.probabilities)
        self._drop_forbidden(new)
        check_tolerance(self.ledger, self.tolerance, new.time)

    def _leads_to_one_state(self, old: Phase, new: Phase) -> bool:
        """Tell whether the events lead to the same state from everywhere on the lattice, not only from the states kept."""
        rules = self._rules
        if rules.by_counts.any() or rules.changed:
            return False
        state = self.network.initial_state[None, :]
        fired = np.flatnonzero(rules.triggers(state, new)[0] & ~rules.triggers(state, old)[0])
        if fired.size != 1:
            return False
        event = rules.events[fired[0]]
        species = set(self.network.species_names)
        constant = not any(
            s.name in species for tree in event.assignments.values() for s in tree.free_symbols
        )
        return constant and set(event.assignments) == species

    def _drop_forbidden(self, phase: Phase) -> None:
        """Book as leaked what events have taken across the user's bounds."""
        names = [event.name for event in self._rules.events]
        for name, outside in self._constraints.violations(self.states):
            lost = float(self.p[..., outside].sum())
            if lost > 0.0:
                where = f"event ({', '.join(names)}) at {phase.time:g} across {name}"
                self.ledger.book("leaked", lost * (1.0 + 1e-9), where)
                self.p[..., outside] = 0.0
        keep = self._constraints.allowed(self.states)
        if not keep.all():
            self.states, self.p = self.states[keep], np.ascontiguousarray(self.p[..., keep])

    # -- what a loop offers --------------------------------------------------------------------------------

    @property
    def statistics(self) -> dict[str, float | int]:
        """The work of all pieces."""
        if self.loop is None or self._between:
            return dict(self._done)
        found = dict(self._done)
        for key, value in self.loop.statistics.items():
            before = found.get(key, 0)
            whole = max(before, value) if key == "states_peak" else before + value
            found[key] = value if key == "states_final" else whole
        return found

    def _output(self, time: float) -> Iterator[Snapshot]:
        """Yield the present law if it is asked for."""
        self.time = time
        if time not in self._outputs:
            return
        space = FibreSet.from_states(Coordinates.of(self.network, eliminate=False), self.states)
        p, error = push_forward(self.p, space.index(self.states), space.n_states)
        self.ledger.book("rounding", 2.0 * error + (2.0**-50 if time == 0.0 else 0.0))
        rounding = 0.5 * self.ledger.entries["rounding"] + 2.0**-52
        q = (p if p.ndim == 1 else p[0]) * max(0.0, 1.0 - rounding * (1.0 + 1e-9))
        check_balance(self._mass, q, self.ledger, time)
        check_tolerance(self.ledger, self.tolerance, time)
        law = InitialLaw(self.states, self.p) if self._exact is None else self._exact
        phase = Phase(time, True)
        here = choose_coordinates(self.network.in_phase(phase), law)
        self.pieces.append(Piece(time, time, self._exact, *here, phase))
        yield Snapshot(time, space, q, self.ledger.copy())

    def snapshot(self) -> Snapshot:
        """Return the distribution at the time that was reached.

        Raises
        ------
        SolverError
            In the middle of events.
        """
        if self.loop is None or self._between:
            message = f"there is no distribution at time {self.time:g}, because events are being executed"
            raise SolverError(message)
        snapshot = self.loop.snapshot()
        self.pieces.append(self._current)
        return snapshot

    def __getattr__(self, name: str) -> Any:
        if name in ("space", "generator", "fixed") and self.__dict__.get("loop") is not None:
            return getattr(self.loop, name)
        raise AttributeError(name)


def _just_before(moment: float) -> Phase:
    """Return the phase that ends at a moment."""
    return Phase(math.nextafter(moment, -math.inf), True)
