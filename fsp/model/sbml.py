"""Reading SBML (level 2 version 1 to level 3 version 2) into a network of counts.

`sbml_document` turns the text into a libsbml model, `sbml_symbols` says what identifiers stand for, and
`sbml_reactions` makes laws into propensities. What the mathematics of a master equation on counts cannot hold is
refused by name, because a model that is read in part would give wrong answers without a word.
"""

from __future__ import annotations

from typing import Any

import libsbml

from fsp.errors import ModelError, UnsupportedError
from fsp.model.events import Event
from fsp.model.names import shorten
from fsp.model.network import ReactionNetwork
from fsp.model.observables import Observable
from fsp.model.propensity import Propensity
from fsp.model.sbml_document import elements, read_document
from fsp.model.sbml_events import read_events
from fsp.model.sbml_reactions import ReactionReader
from fsp.model.sbml_symbols import Symbols

__all__ = ["read_sbml"]


def read_sbml(text: str, *, source: str = "") -> ReactionNetwork:
    """Read the text of an SBML file.

    Parameters
    ----------
    text : str
        SBML of level 2 or 3.
    source : str, optional
        Where the text comes from, for error messages and the network's ``source``.

    Returns
    -------
    ReactionNetwork
        Its ``remarks`` say what the reader decided, its ``observables`` are what assignment rules determine.

    Raises
    ------
    ModelError
        If the text is no well-formed model.
    UnsupportedError
        Naming the element that is not supported, and what to do.
    """
    named = source or "SBML"
    try:
        return _read(text, source, named)
    except RecursionError:  # rules that need rules that need rules: each by itself may be short
        message = f"{named}: the formulas need one another over too many steps; put some of them together"
        raise UnsupportedError(message) from None


def _read(text: str, source: str, named: str) -> ReactionNetwork:
    document = read_document(text, named)
    model = document.getModel()
    symbols = Symbols(model, named)
    events = _read_events(model, symbols)
    _count_parameters(events, symbols)
    _note_constraints(model, symbols)
    reactions = ReactionReader(symbols).read()
    try:
        return ReactionNetwork(
            symbols.counts,
            reactions,
            symbols.parameters,
            events=events,
            name=shorten(model.getName() or model.getId(), 200),
            source=source,
            remarks=symbols.remarks,
            observables=_observables(symbols),
            compartments=symbols.sizes,
        )
    except ModelError as error:
        message = f"{named}: {error}"
        raise type(error)(message) from None


def _read_events(model: Any, symbols: Symbols) -> list[Event]:
    def read(node: Any, where: str) -> Any:
        return symbols.math.read(node, symbols.names, f"{symbols.source}, {where}")

    def assign(variable: str, tree: Any, where: str) -> tuple[str, Any]:
        own = symbols.own_name(variable)
        species = model.getSpecies(variable)
        if own in symbols.counts and species is not None:
            return own, symbols.to_molecules(species, tree)
        if own in symbols.parameters and species is None:
            return own, tree
        advice = "events can only change parameters, and species whose amounts are whole numbers"
        symbols.refuse(f"the {where}", advice)

    return read_events(model, read=read, assign=assign, refuse=symbols.refuse)


def _count_parameters(events: list[Event], symbols: Symbols) -> None:
    """Make species of parameters, such as switches, that events change and that counts have a part in.

    What time alone changes stays a parameter; what a reaction can change, or what decides about other events, is part of
    the state, and can be if its values are whole numbers.
    """
    while True:
        changed = {name for event in events for name in event.assignments} - symbols.counts.keys()
        deciding = {
            s.name
            for event in events
            for tree in (event.trigger, event.priority)
            if tree is not None
            for s in tree.free_symbols
        }
        found = changed & deciding
        for event in events:
            fired = bool({s.name for s in event.trigger.free_symbols} & symbols.counts.keys())
            for name in changed & set(event.assignments):
                reads = {s.name for s in event.assignments[name].free_symbols} & symbols.counts.keys()
                if fired or reads:
                    found.add(name)
        found = {n for n in found if symbols.parameters[n] >= 0 and symbols.parameters[n].is_integer()}
        if not found:
            return
        for name in sorted(found):
            symbols.counts[name] = int(symbols.parameters.pop(name))
            symbols.remarks.append(
                f"the parameter '{name}' is counted like a species, because events change it and counts have a part in that"
            )


def _note_constraints(model: Any, symbols: Symbols) -> None:
    for constraint in elements(model.getListOfConstraints()):
        formula = libsbml.formulaToL3String(constraint.getMath()) if constraint.isSetMath() else ""
        symbols.remarks.append(
            f"the constraint '{shorten(formula)}' is not checked; it does not change the model"
        )


def _observables(symbols: Symbols) -> list[Observable]:
    """Return what assignment rules determine, as functions of counts and time."""
    found = []
    for identifier, value in symbols.derived.items():
        name = symbols.own_name(identifier)
        tree = value()
        propensity = Propensity(tree, tuple(symbols.counts), symbols.parameters)
        found.append(Observable(name, propensity, listed=symbols.kinds[identifier] == "species"))
    return found
