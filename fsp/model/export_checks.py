"""What every writer of model files does: refuse what the format cannot hold, and read back what was written."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from fsp.errors import FSPError, UnsupportedError

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = ["check_names", "check_round_trip", "element_name", "event_identifiers", "reaction_identifiers"]

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_names(network: ReactionNetwork, kind: str, words: Collection[str] = ()) -> None:
    """Refuse names that the format does not allow.

    Parameters
    ----------
    network : ReactionNetwork
    kind : str
        What error messages call the format.
    words : collection of str
        Names with a meaning of their own in the format.

    Raises
    ------
    UnsupportedError
        If a name is not made of ASCII letters, digits and ``_``, or is one of the words.
    """
    for what, name in _names(network):
        if not _IDENTIFIER.fullmatch(name):
            problem = f"{kind} allows only the letters a to z, digits and '_' in names"
        elif name in words:
            problem = f"it is a word of {kind}"
        else:
            continue
        message = f"the {what} '{name}' cannot be written as {kind}: {problem}; rename it"
        raise UnsupportedError(message)


def _names(network: ReactionNetwork) -> Iterator[tuple[str, str]]:
    yield from (("species", name) for name in network.species_names)
    yield from (("parameter", name) for name in network.parameters)
    yield from (("derived quantity", name) for name in network.observables)
    yield from (("reaction", reaction.name) for reaction in network.reactions)
    yield from (("event", event.name) for event in network.events)


def reaction_identifiers(network: ReactionNetwork) -> dict[str, str]:
    """Return an identifier for each reaction: its name, with ``_`` behind it where something else has that name.

    Species, parameters and reactions share one list of identifiers in model files, but not in a network. The name
    itself is written as the ``name`` of the reaction, from which `element_name` finds it again.

    Examples
    --------
    >>> import fsp
    >>> reaction_identifiers(fsp.ReactionNetwork({"A": 1}, ["decay: A -> 0 @ decay"], {"decay": 1.0}))
    {'decay': 'decay_'}
    """
    others = {*network.species_names, *network.parameters, *network.observables}
    return _identifiers([reaction.name for reaction in network.reactions], others)


def event_identifiers(network: ReactionNetwork) -> dict[str, str]:
    """Return an identifier for each event, as `reaction_identifiers` does, and different from those.

    Examples
    --------
    >>> import fsp
    >>> event_identifiers(fsp.ReactionNetwork({"E1": 1}, ["E1 -> 0 @ 1"], events=["at time > 2: E1 = 3"]))
    {'E1': 'E1_'}
    """
    others = {*network.species_names, *network.parameters, *network.observables}
    others.update(reaction_identifiers(network).values())
    return _identifiers([event.name for event in network.events], others)


def _identifiers(names: list[str], others: set[str]) -> dict[str, str]:
    result = {}
    for name in names:
        identifier = name
        while identifier in others or (identifier != name and identifier in names):
            identifier += "_"
        result[name] = identifier
        others.add(identifier)
    return result


def element_name(identifier: str, name: str) -> str:
    """Return what a reaction or an event of a model file is called: its identifier, unless that is the name and some ``_``.

    Examples
    --------
    >>> element_name("decay_", "decay"), element_name("R1", "decay of A")
    ('decay', 'R1')
    """
    own = bool(name) and identifier.startswith(name) and not identifier.removeprefix(name).strip("_")
    return name if own else identifier


def check_round_trip(network: ReactionNetwork, kind: str, read: Callable[[], ReactionNetwork]) -> None:
    """Refuse to hand out a text that does not give the same network when it is read.

    Raises
    ------
    UnsupportedError
        Naming the first difference.
    """
    try:
        again = read()
    except FSPError as error:
        message = (
            f"the network cannot be written as {kind}: {error}; change it, or write another kind of file"
        )
        raise UnsupportedError(message) from error
    if again != network:
        message = f"the network cannot be written as {kind}: {_difference(network, again)}"
        raise UnsupportedError(message)


def _difference(network: ReactionNetwork, again: ReactionNetwork) -> str:
    if network.species_names != again.species_names:
        return f"the species {network.species_names} would be read as {again.species_names}"
    pairs: list[tuple[str, Any, Any]] = [
        (f"the initial count of '{name}'", int(before), int(after))
        for name, before, after in zip(
            network.species_names, network.initial_state, again.initial_state, strict=True
        )
    ]
    for name in {*network.parameters, *again.parameters}:
        pairs.append((f"the parameter '{name}'", network.parameters.get(name), again.parameters.get(name)))
    for name in {*network.observables, *again.observables}:
        pairs.append(
            (f"the derived quantity '{name}'", network.observables.get(name), again.observables.get(name))
        )
    for reaction, other in zip(network.reactions, again.reactions, strict=False):
        pairs.append((f"the reaction '{reaction.name}'", reaction, other))
    for event, same in zip(network.events, again.events, strict=False):
        names = network.species_names
        if event.form(names) != same.form(names):
            return f"the event '{event.name}' would change from {event} to {same}"
    for what, before, after in pairs:
        if before != after:
            return f"{what} would change from {before} to {after}"
    return "a part of it would change"
