"""Warnings about a network that show without enumerating its states."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from fsp.errors import FSPError, PropensityError

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["find_warnings"]


def find_warnings(network: ReactionNetwork) -> list[str]:
    """Return what is unused, without effect, or likely to be refused later.

    The propensities are tried at the initial state and at states with too few reactants; such a state need
    not be reachable, so what is found there is a warning and no error.
    """
    from fsp.model.conventions import find_squares

    warnings: list[str] = []
    in_events = {name for event in network.events for name in (*event.symbols, *event.assignments)}
    functions = [*network.propensities, *(o.function for o in network.observables.values())]
    used = {name for function in functions for name in function.parameters} | in_events
    warnings.extend(f"parameter '{name}' is not used" for name in network.parameters if name not in used)
    read = {name for function in functions for name in function.species}
    for i, name in enumerate(network.species_names):
        if name not in read | in_events and not network.stoichiometry[:, i].any():
            warnings.append(f"species '{name}' takes part in no reaction")
    for reaction, change in zip(network.reactions, network.stoichiometry, strict=True):
        if not change.any():
            warnings.append(f"reaction '{reaction}' changes no count")
    warnings.extend(_event_warnings(network))
    warnings.extend(find_squares(network))
    if network.depends_on_time:
        return warnings
    try:
        network.evaluate_propensities(network.initial_state[np.newaxis])
    except PropensityError as error:
        warnings.append(f"at the initial state: {error}")
    warnings.extend(_shortages(network))
    return warnings


def _event_warnings(network: ReactionNetwork) -> list[str]:
    """Find events that never fire, and those that cannot be executed at the initial state."""
    if not network.events:
        return []
    from fsp.model.phases import Phase

    rules = network.event_rules
    state = network.initial_state[np.newaxis]
    phases = [Phase(t, after) for t in sorted({0.0, *rules.moments}) for after in (False, True)]
    found = []
    for e, event in enumerate(network.events):
        if rules.by_counts[e]:
            continue
        true = [event.initial_value, *(bool(rules.triggers(state, phase)[0, e]) for phase in phases)]
        if not any(now and not before for before, now in pairwise(true)):
            why = (
                "true from the beginning, so it does not turn true (say initial_value=False if it is to fire at time 0)"
                if true[1]
                else "never true"
            )
            found.append(f"event '{event.name}' never fires: its trigger is {why}")
    try:
        before = rules.initially(1)
        for phase in phases:  # as if no reaction had fired until then
            rules.fire(state, before, phase)
            before = rules.triggers(state, phase)
    except FSPError as error:
        found.append(f"at the initial state: {error}")
    return found


def _shortages(network: ReactionNetwork) -> list[str]:
    """Try each reaction where one of its reactants is missing."""
    found = []
    bounds = network.conservation_laws().upper_bounds
    for reaction, change in zip(network.reactions, network.stoichiometry, strict=True):
        for i in np.flatnonzero(change < 0):
            name = network.species_names[i]
            states = np.stack(
                [network.initial_state, np.minimum(network.initial_state + 1, bounds).astype(np.int64)]
            )
            states = np.repeat(states, min(-int(change[i]), 4), axis=0)
            states[:, i] = np.tile(np.arange(len(states) // 2), 2)
            counts = dict(zip(network.species_names, states.T, strict=True))
            values = reaction.propensity.evaluate(counts)
            bad = np.flatnonzero(values > 0)
            if len(bad):
                state = dict(zip(network.species_names, states[bad[0]].tolist(), strict=True))
                found.append(
                    f"reaction '{reaction}' has the propensity {values[bad[0]]:g} at the state {state}, "
                    f"where '{name}' does not suffice: if it is reachable, the model will be refused"
                )
                break
    return found
