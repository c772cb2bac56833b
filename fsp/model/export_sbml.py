"""Writing a network as SBML (level 3 version 2), checked by libsbml and by reading it back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from fsp.errors import UnsupportedError
from fsp.model.export_checks import check_names, check_round_trip, event_identifiers, reaction_identifiers
from fsp.model.mathml_writer import math_element

if TYPE_CHECKING:
    from fsp.model.events import Event
    from fsp.model.network import ReactionNetwork

__all__ = ["identifier", "network_to_sbml", "plain_text", "unused_name"]

_SBML = "http://www.sbml.org/sbml/level3/version2/core"
_XHTML = "http://www.w3.org/1999/xhtml"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")  # not allowed in XML


def network_to_sbml(network: ReactionNetwork) -> str:
    """Return the network as the text of an SBML file.

    Counts are amounts of species with ``hasOnlySubstanceUnits="true"`` in one compartment of size 1, propensities are
    kinetic laws in counts: mass action is written out, ``k*A*(A - 1)/2`` for ``2 A``.

    Raises
    ------
    UnsupportedError
        If the network has something that SBML cannot hold exactly; the message names it.
    """
    check_names(network, "SBML")
    text = _document(network)
    _check_consistency(text)
    from fsp.model.sbml import read_sbml

    check_round_trip(network, "SBML", lambda: read_sbml(text))
    return text


def unused_name(network: ReactionNetwork, wish: str) -> str:
    """Return a name that the network does not use: the wish, with as many ``_`` behind it as it takes."""
    taken = {
        *network.species_names,
        *network.parameters,
        *network.observables,
        *reaction_identifiers(network).values(),
        *event_identifiers(network).values(),
    }
    while wish in taken:
        wish += "_"
    return wish


def identifier(network: ReactionNetwork) -> str:
    """Return an identifier for the model, from its name.

    Examples
    --------
    >>> import fsp
    >>> identifier(fsp.ReactionNetwork({"A": 1}, ["A -> 0 @ 1"], name="2nd model"))
    'network_2nd_model'
    """
    plain = re.sub(r"\W+", "_", network.name, flags=re.ASCII).strip("_")
    return unused_name(network, plain if plain[:1].isalpha() else f"network_{plain}".strip("_"))


def _document(network: ReactionNetwork) -> str:
    root = Element("sbml", xmlns=_SBML, level="3", version="2")
    units = {"substanceUnits": "item", "extentUnits": "item"}
    model = SubElement(root, "model", {"id": identifier(network), **units})
    if network.name:
        model.set("name", plain_text(network.name))
    _add_notes(model, network)
    cell = unused_name(network, "cell")
    compartments = SubElement(model, "listOfCompartments")
    SubElement(compartments, "compartment", id=cell, spatialDimensions="3", size="1", constant="true")
    listed = SubElement(model, "listOfSpecies")
    for name, count in zip(network.species_names, network.initial_state, strict=True):
        _add_species(listed, name, cell, initialAmount=str(count))
    for observable in network.observables.values():
        if observable.listed:
            _add_species(listed, observable.name, cell, boundaryCondition="true")
    changed = {name for event in network.events for name in event.assignments}
    rest = [o.name for o in network.observables.values() if not o.listed]
    if network.parameters or rest:
        listed = SubElement(model, "listOfParameters")
        for name, value in network.parameters.items():
            constant = "false" if name in changed else "true"
            SubElement(listed, "parameter", id=name, value=repr(value), constant=constant)
        for name in rest:
            SubElement(listed, "parameter", id=name, constant="false")
    if network.observables:
        listed = SubElement(model, "listOfRules")
        for observable in network.observables.values():
            rule = SubElement(listed, "assignmentRule", variable=observable.name)
            rule.append(math_element(observable.function.expression, network.species_names))
    listed = SubElement(model, "listOfReactions")
    identifiers = reaction_identifiers(network)
    for reaction in network.reactions:
        _add_reaction(listed, reaction, identifiers[reaction.name], network.species_names)
    if network.events:
        listed = SubElement(model, "listOfEvents")
        identifiers = event_identifiers(network)
        for event in network.events:
            _add_event(listed, event, identifiers[event.name], network.species_names)
    indent(root)
    body = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _add_notes(model: Element, network: ReactionNetwork) -> None:
    lines = [line for line in (network.notes, network.source and f"Source: {network.source}") if line]
    if not lines:
        return
    body = SubElement(SubElement(model, "notes"), "body", xmlns=_XHTML)
    for line in lines:
        SubElement(body, "p").text = plain_text(line)


def _add_species(parent: Element, name: str, compartment: str, **attributes: str) -> None:
    fixed = {"hasOnlySubstanceUnits": "true", "boundaryCondition": "false", "constant": "false"}
    SubElement(parent, "species", {"id": name, "compartment": compartment, **fixed, **attributes})


def _add_reaction(parent: Element, reaction: Any, identifier: str, counts: tuple[str, ...]) -> None:
    element = SubElement(parent, "reaction", id=identifier, reversible="false")
    if identifier != reaction.name:
        element.set("name", reaction.name)
    _add_side(element, "listOfReactants", reaction.reactants)
    _add_side(element, "listOfProducts", reaction.products)
    law = reaction.propensity.expression
    read = {symbol.name for symbol in law.free_symbols}
    modifiers = [
        n for n in counts if n in read and n not in reaction.reactants and n not in reaction.products
    ]
    if modifiers:
        listed = SubElement(element, "listOfModifiers")
        for name in modifiers:
            SubElement(listed, "modifierSpeciesReference", species=name)
    SubElement(element, "kineticLaw").append(math_element(law, counts))


def _add_side(reaction: Element, tag: str, molecules: Mapping[str, int]) -> None:
    if not molecules:
        return
    listed = SubElement(reaction, tag)
    for name, n in molecules.items():
        SubElement(listed, "speciesReference", species=name, stoichiometry=str(n), constant="true")


def _add_event(parent: Element, event: Event, identifier: str, counts: tuple[str, ...]) -> None:
    values = _truth(event.use_trigger_values)
    element = SubElement(parent, "event", id=identifier, useValuesFromTriggerTime=values)
    if identifier != event.name:
        element.set("name", event.name)
    options = {"initialValue": _truth(event.initial_value), "persistent": _truth(event.persistent)}
    SubElement(element, "trigger", options).append(math_element(event.trigger, counts))
    if event.priority is not None:
        SubElement(element, "priority").append(math_element(event.priority, counts))
    listed = SubElement(element, "listOfEventAssignments")
    for name, value in event.assignments.items():
        SubElement(listed, "eventAssignment", variable=name).append(math_element(value, counts))


def _truth(value: bool) -> str:
    return "true" if value else "false"


def plain_text(text: str) -> str:
    """Return the text with a space in the place of each character that files cannot hold."""
    return _CONTROL.sub(" ", text)


def _check_consistency(text: str) -> None:
    """Let libsbml check the text by the rules of the specification; units are not its business here."""
    import libsbml

    document = libsbml.readSBMLFromString(text)
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_UNITS_CONSISTENCY, False)
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_MODELING_PRACTICE, False)
    document.checkConsistency()
    for i in range(document.getNumErrors()):
        error = document.getError(i)
        if error.isError() or error.isFatal():
            what = " ".join(error.getMessage().split())
            message = f"the network cannot be written as SBML: line {error.getLine()}: {what}"
            raise UnsupportedError(message)
