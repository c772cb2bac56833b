"""Transitions that fire events: they are taken out of the propensities, and listed with their new targets.

A transition ``x -> x + v`` of a reaction that turns the trigger of an event true leads to ``g(x + v)``, the state after the
event, at once. So the propensity is split in two with the indicator of such *crossing* transitions: the part that does not
cross is a propensity like any other (the indicator is one more factor of it), and the crossing part is a list of
transitions, of which there are few, because they start at a surface of the state set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.errors import SolverError, UnsupportedError
from fsp.statespace.coordinates import Coordinates

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork
    from fsp.model.state_events import StateEvents
    from fsp.statespace.fibres import FibreSet

__all__ = ["Guard", "Redirects", "Transitions"]

IntArray = NDArray[np.int64]

#: States that are looked at together.
CHUNK = 200_000


class Guard:
    """The indicator that a reaction does not fire an event, in the form of a `Factor` of its propensity."""

    def __init__(self, events: StateEvents, e: int, change: Mapping[str, int]) -> None:
        self._events, self._e, self._change = events, e, change
        self.species = events.rules.reads[e]

    def evaluate(self, counts: Mapping[str, Any], *, dtype: Any = np.float64) -> Any:
        """Return 1 where the transition does not cross, 0 where it does, NaN where the trigger is undefined."""
        return np.asarray(1.0 - self._events.crosses(self._e, counts, self._change), dtype)


@dataclass(frozen=True)
class Transitions:
    """Transitions that fire events.

    Attributes
    ----------
    source : ndarray of int64
        Positions of the states that they start from.
    reaction : ndarray of int64
        The reaction of the network.
    fine : ndarray of longdouble
        Their rates in extended precision.
    target : ndarray of int64, shape (n, n_species)
        Counts after the events.
    """

    source: IntArray
    reaction: IntArray
    fine: NDArray[np.longdouble]
    target: IntArray

    @property
    def rate(self) -> NDArray[np.float64]:
        """The rates."""
        return self.fine.astype(np.float64)


class Redirects:
    """The transitions of a network that fire events.

    Attributes
    ----------
    cancellation : float
        Units in the last place by which the propensities that were evaluated so far are off in double precision.
    """

    def __init__(self, network: ReactionNetwork, coordinates: Coordinates) -> None:
        assert network.state_events is not None
        if network.depends_on_time:
            message = (
                "rates that depend on time are not supported together with events that reactions can fire "
                f"({', '.join(event.name for event in network.events)})"
            )
            raise UnsupportedError(message)
        self.network = network
        self.coordinates = coordinates
        self.events: StateEvents = network.state_events
        names = network.species_names
        self._changes = [
            {n: int(c) for n, c in zip(names, change, strict=True) if c} for change in network.stoichiometry
        ]
        self._guarded = [self.events.guarded(change) for change in self._changes]
        self.cancellation = 1.0

    def guards(self, reaction: int) -> tuple[Any, ...]:
        """Return the factors that make the propensity of a reaction zero where it fires an event."""
        change = self._changes[reaction]
        return tuple(Guard(self.events, e, change) for e in self._guarded[reaction])

    def find(self, space: FibreSet) -> Transitions:
        """Return all such transitions from the states of a set; those that lead back to where they start are left out.

        Raises
        ------
        PropensityError, ModelError, UnsupportedError
            For a propensity or an assignment that is refused.
        """
        parts: list[Transitions] = []
        for start in range(0, space.n_states, CHUNK):
            states = space.states(start, min(start + CHUNK, space.n_states))
            counts = {name: states[:, i] for i, name in enumerate(self.network.species_names)}
            for r, guarded in enumerate(self._guarded):
                if guarded:
                    parts.append(self._of_reaction(r, guarded, states, counts, start))
        if not parts:
            none = np.empty(0, np.int64)
            nowhere = np.empty((0, self.network.n_species), np.int64)
            return Transitions(none, none, np.empty(0, np.longdouble), nowhere)
        return Transitions(
            np.concatenate([p.source for p in parts]),
            np.concatenate([p.reaction for p in parts]),
            np.concatenate([p.fine for p in parts]),
            np.concatenate([p.target for p in parts]),
        )

    def _of_reaction(
        self, r: int, guarded: list[int], states: IntArray, counts: Mapping[str, Any], start: int
    ) -> Transitions:
        crossing = np.zeros(len(states), np.bool_)
        for e in guarded:
            # An undefined trigger is found by `targets`, if the reaction can fire at all.
            crossing |= self.events.crosses(e, counts, self._changes[r]) != 0.0
        rows = np.flatnonzero(crossing)
        propensity = self.network.propensities[r]
        here = {name: column[rows] for name, column in counts.items()}
        fine = propensity.evaluate(here, dtype=np.longdouble)
        rate = fine.astype(np.float64)
        arrivals = states[rows] + self.network.stoichiometry[r]
        bad = ~(np.isfinite(rate) & (rate >= 0.0)) | ((rate > 0.0) & (arrivals < 0).any(axis=1))
        if bad.any():
            self.network.evaluate_propensities(states[rows[bad]])  # raises with the reaction and the state
        self._note_cancellation(propensity.evaluate(here), fine)
        possible = rate > 0.0
        rows, fine, arrivals = rows[possible], fine[possible], arrivals[possible]
        target = self.events.targets(states[rows], arrivals)
        if not self.coordinates.consistent(target).all():
            message = "internal error: an event broke a conservation law that was thought to hold; please report this model"
            raise SolverError(message)
        moved = (target != states[rows]).any(axis=1)
        size = int(moved.sum())
        return Transitions(start + rows[moved], np.full(size, r, np.int64), fine[moved], target[moved])

    def _note_cancellation(self, coarse: NDArray[np.float64], fine: NDArray[np.longdouble]) -> None:
        good = np.isfinite(fine) & (fine != 0)
        if good.any():
            worst = float(np.max(np.abs(coarse[good] - fine[good]) / np.abs(fine[good])))
            self.cancellation = max(self.cancellation, min(worst, 1e300) * 2.0**53)
