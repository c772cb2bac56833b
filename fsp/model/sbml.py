"""Reading SBML (level 2 version 1 to level 3 version 2) into a network of counts.

`sbml_document` turns the text into a libsbml model, `sbml_symbols` says what identifiers stand for, and
`sbml_reactions` makes laws into propensities. What the mathematics of a master equation on counts cannot hold is
refused by name, because a model that is read in part would give wrong answers without a word.
"""

from __future__ import annotations

from typing import Any

import libsbml

from fsp.errors import ModelError, UnsupportedError
from fsp.model.names import shorten
from fsp.model.network import ReactionNetwork
from fsp.model.observables import Observable
from fsp.model.propensity import Propensity
from fsp.model.sbml_document import elements, read_document
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
    _read_events(model, symbols)
    _note_constraints(model, symbols)
    reactions = ReactionReader(symbols).read()
    try:
        return ReactionNetwork(
            symbols.counts,
            reactions,
            symbols.parameters,
            name=shorten(model.getName() or model.getId(), 200),
            source=source,
            remarks=symbols.remarks,
            observables=_observables(symbols),
            compartments=symbols.sizes,
        )
    except ModelError as error:
        message = f"{named}: {error}"
        raise type(error)(message) from None


def _read_events(model: Any, symbols: Symbols) -> None:
    """Refuse events: this is the one place where they enter."""
    for event in elements(model.getListOfEvents()):
        symbols.refuse(
            f"event '{event.getId() or event.getMetaId()}'",
            "remove it, or solve up to and after it in two runs",
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
