"""The course of a simulation: stretches of time between the moments at which events can happen or outputs end."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from fsp.model.event_parameters import parameter_changes
from fsp.model.phases import Phase
from fsp.ssa.tables import KernelTables
from fsp.ssa.timed import TimedTables

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["Stretch", "plan_course"]


@dataclass(eq=False)
class Stretch:
    """A stretch of time in which nothing but reactions, and events that they trigger, happens.

    Attributes
    ----------
    start, end : float
    phase : Phase
        The phase of time that it is in.
    tables : KernelTables
        Shared by all threads; to be made longer under ``lock`` only.
    network : ReactionNetwork
        With the parameters that hold in it.
    at_end : Phase or None
        The moment of an event that follows; None if there is none.
    """

    start: float
    end: float
    phase: Phase
    tables: KernelTables
    network: ReactionNetwork
    at_end: Phase | None
    lock: threading.Lock = field(default_factory=threading.Lock)


def plan_course(network: ReactionNetwork, times: Sequence[float], *, record: bool) -> list[Stretch]:
    """Return the stretches up to the last of the output times; parameters that events change are put in."""
    end = float(times[-1])
    if not network.events:
        phase = Phase(0.0, True)
        return [Stretch(0.0, end, phase, _tables(network, 0.0, end, phase, record), network, None)]
    rules = network.event_rules
    moments = [c for c in rules.moments if 0.0 < c <= end]
    stretches: list[Stretch] = []
    network = _changed(network, None, Phase(0.0, False))
    phase = Phase(0.0, True)
    network = _changed(network, Phase(0.0, False), phase)
    edges = [0.0, *moments, *([] if moments and moments[-1] == end else [end])]
    for start, stop in pairwise(edges):
        at_end = Phase(stop, False) if stop in moments else None
        tables = _tables(network, start, stop, phase, record)
        stretches.append(Stretch(start, stop, phase, tables, network, at_end))
        if at_end is not None:
            network = _changed(network, Phase(math.nextafter(stop, -math.inf), True), at_end)
            phase = Phase(stop, True)
            network = _changed(network, at_end, phase)
    return stretches


def _changed(network: ReactionNetwork, old: Phase | None, new: Phase) -> ReactionNetwork:
    changes = parameter_changes(network.event_rules, old, new)
    return network.with_parameters(**changes) if changes else network


def _tables(network: ReactionNetwork, start: float, end: float, phase: Phase, record: bool) -> KernelTables:
    triggers = []
    if network.events:
        rules = network.event_rules
        for e, event in enumerate(rules.events):
            if rules.by_counts[e]:
                given = {clock.comparison: float(clock.holds(phase)) for clock in rules.clocks[e]}
                triggers.append((event.trigger, given))
    if network.depends_on_time:
        return TimedTables(network, start, end, triggers, watch_all=record)
    return KernelTables(network, triggers, watch_all=record)
