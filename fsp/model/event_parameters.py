"""Events that change parameters: at moments of time only, so that every state sees the same values.

A parameter then is a step function of time, and the network between two moments an ordinary one with other constants. That
holds as long as neither the new value nor the moment depends on counts, and nothing that decides which events fire, or in
which order, reads such a parameter. An expression that is evaluated at the moment of a change sees the old value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fsp.errors import ModelError, UnsupportedError
from fsp.model.events import Event
from fsp.model.phases import Phase

if TYPE_CHECKING:
    from fsp.model.cascade import EventRules
    from fsp.model.network import ReactionNetwork

__all__ = ["check_parameters", "parameter_changes", "parameters_at"]


def check_parameters(
    events: Sequence[Event],
    by_counts: NDArray[np.bool_],
    species: Sequence[str],
    parameters: Mapping[str, float],
) -> frozenset[str]:
    """Return the parameters that events change.

    Raises
    ------
    UnsupportedError
        If the effect would depend on the state or on the order of events.
    """
    changed = frozenset(name for event in events for name in event.assignments if name in parameters)
    for event, counts in zip(events, by_counts, strict=True):
        here = changed & set(event.assignments)
        values = {s.name for name in here for s in event.assignments[name].free_symbols}
        deciding = [tree for tree in (event.trigger, event.priority) if tree is not None]
        decided = changed & {s.name for tree in deciding for s in tree.free_symbols}
        what = ""
        if here and counts:
            what = f"changes the parameter '{min(here)}' and can be fired by a reaction"
        elif values & set(species):
            what = f"makes the parameter '{min(here)}' depend on counts"
        elif decided:
            what = f"reads the parameter '{min(decided)}', which events change, in its trigger or priority"
        elif event.symbols & changed and (counts or not event.use_trigger_values):
            what = f"reads the parameter '{min(event.symbols & changed)}', which events change"
        if what:
            message = (
                f"event '{event.name}' {what}: this is not supported; parameters can be changed at moments of time only; "
                "make it a species if its values are whole numbers"
            )
            raise UnsupportedError(message)
    return changed


def parameter_changes(rules: EventRules, old: Phase | None, new: Phase) -> dict[str, float]:
    """Return the parameters that change between two phases (before the first one, triggers have initial values).

    Raises
    ------
    ModelError, UnsupportedError
        If a value is not finite, or two events give different ones.
    """
    found: dict[str, float] = {}
    anywhere = np.zeros((1, len(rules.species)), np.int64)
    for e, event in enumerate(rules.events):
        names = rules.changed & set(event.assignments)
        if not names:
            continue
        before = event.initial_value if old is None else rules.trigger(e, {}, old) == 1
        if before or rules.trigger(e, {}, new) != 1:
            continue
        for name in sorted(names):
            value = float(rules.value(event.assignments[name], anywhere, new)[0])
            if not np.isfinite(value):
                message = (
                    f"event '{event.name}' sets the parameter '{name}' to {value:g}, which is not finite"
                )
                raise ModelError(message)
            if found.setdefault(name, value) != value:
                message = (
                    f"at time {new.time:g} several events set the parameter '{name}' to different values, for example "
                    f"'{event.name}': this is not supported"
                )
                raise UnsupportedError(message)
    return found


def parameters_at(network: ReactionNetwork, times: Sequence[float]) -> list[dict[str, float]]:
    """Return the values, at each time, of the parameters that events change; at the moment of an event, after it.

    Examples
    --------
    >>> from fsp.model.network import ReactionNetwork
    >>> network = ReactionNetwork({"X": 0}, ["0 -> X @ k"], {"k": 1.0}, events=["at time >= 2: k = 3*k"])
    >>> parameters_at(network, [0.0, 1.9, 2.0, 5.0])
    [{'k': 1.0}, {'k': 1.0}, {'k': 3.0}, {'k': 3.0}]
    """
    changed = sorted(network.event_rules.changed) if network.events else []
    then: list[tuple[Phase, dict[str, float]]] = [
        (Phase(-math.inf, False), {name: network.parameters[name] for name in changed})
    ]
    old: Phase | None = None
    last = max(times, default=0.0)
    for moment in sorted({0.0, *network.event_rules.moments}) if changed else []:
        for phase in (Phase(moment, False), Phase(moment, True)):
            # What comes after the last time is not looked at, as in a run.
            changes = parameter_changes(network.event_rules, old, phase) if phase <= (last, False) else {}
            if changes:
                network = network.with_parameters(**changes)
                then.append((phase, {name: network.parameters[name] for name in changed}))
            old = phase
    return [next(values for phase, values in reversed(then) if phase <= (time, False)) for time in times]
