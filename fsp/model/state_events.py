"""Events that reactions can fire: which transitions do, and where they lead instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsp.errors import UnsupportedError
from fsp.model.cascade import EventRules
from fsp.model.phases import Phase

__all__ = ["StateEvents"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class StateEvents:
    """Events whose triggers are functions of the counts, in one phase of time.

    Parameters
    ----------
    rules : EventRules
    phase : Phase or None
        Needed if a trigger reads time.

    Raises
    ------
    UnsupportedError
        If the phase is needed and not given.
    """

    def __init__(self, rules: EventRules, phase: Phase | None) -> None:
        if phase is None and any(rules.clocks):
            names = ", ".join(
                event.name for event, clocks in zip(rules.events, rules.clocks, strict=True) if clocks
            )
            message = (
                f"the trigger of {names} reads time, so that the network is not the same Markov chain at all times; "
                "network.in_phase(...) gives that of one phase"
            )
            raise UnsupportedError(message)
        self.rules = rules
        self.phase = phase

    def guarded(self, change: Mapping[str, int]) -> list[int]:
        """Return the events that a reaction with the given change may fire."""
        return [e for e, reads in enumerate(self.rules.reads) if any(change.get(name) for name in reads)]

    def crosses(self, e: int, counts: Mapping[str, Any], change: Mapping[str, int]) -> NDArray[Any]:
        """Return 1 where a change of counts turns the trigger of an event true, 0 elsewhere, NaN where undefined.

        Only the species that the trigger reads are looked at. Where a count of theirs would become negative, nothing
        crosses: that is an error of the reaction.
        """
        reads = self.rules.reads[e]
        after = {name: np.asarray(counts[name]) + change.get(name, 0) for name in reads}
        possible: Any = np.True_
        for value in after.values():
            possible = possible & (value >= 0)
        now = self.rules.trigger(e, counts, self.phase)
        then = self.rules.trigger(
            e, {name: np.maximum(value, 0) for name, value in after.items()}, self.phase
        )
        return np.asarray(np.where(possible, (1.0 - now) * then, 0.0))

    def targets(self, sources: IntArray, arrivals: IntArray) -> IntArray:
        """Return where transitions from ``sources`` to ``arrivals`` (n, n_species) lead, events included."""
        return self.rules.fire(arrivals, self.rules.triggers(sources, self.phase), self.phase)
