"""Writing a network as Antimony, checked by reading it back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from fsp.model.export_checks import check_names, check_round_trip, event_identifiers, reaction_identifiers
from fsp.model.export_sbml import identifier, plain_text, unused_name
from fsp.model.infix_writer import formula

if TYPE_CHECKING:
    from fsp.model.events import Event
    from fsp.model.network import ReactionNetwork

__all__ = ["network_to_antimony"]

#: Words of the language. A name that means something else in formulas (``sin``, ``pi``) is found by reading the text.
_WORDS = frozenset(
    "model end module function event species compartment reaction formula const var ext gene DNA operator unit has is "
    "in at after priority persistent fromTrigger t0 import delete substanceOnly constraint algebraicRule identity "
    "hypoth tail time".split()
)


def network_to_antimony(network: ReactionNetwork) -> str:
    """Return the network as the text of an Antimony file.

    Propensities are rate laws in counts; mass action is written out.

    Raises
    ------
    UnsupportedError
        If the network has something that Antimony cannot hold exactly; the message names it.
    """
    check_names(network, "Antimony", _WORDS)
    text = _document(network)
    from fsp.model.antimony import read_antimony_text

    check_round_trip(network, "Antimony", lambda: read_antimony_text(text, trusted=True))
    return text


def _document(network: ReactionNetwork) -> str:
    notes = [network.name, network.notes, network.source and f"Source: {network.source}"]
    lines = [f"// {line}" for note in notes if note for line in plain_text(note).splitlines() if line.strip()]
    name = identifier(network)
    lines.append(f"model {unused_name(network, f'{name}_') if name in _WORDS else name}()")
    derived = network.observables.values()
    listed = [*network.species_names, *(o.name for o in derived if o.listed)]
    lines.append(f"  species {', '.join(listed)};")
    lines.extend(
        f"  {name} = {int(count)};"
        for name, count in zip(network.species_names, network.initial_state, strict=True)
    )
    lines.extend(f"  {name} = {value!r};" for name, value in network.parameters.items())
    lines.extend(f"  {o.name} := {formula(o.function.expression, network.species_names)};" for o in derived)
    identifiers = reaction_identifiers(network)
    for reaction in network.reactions:
        name = identifiers[reaction.name]
        law = formula(reaction.propensity.expression, network.species_names)
        lines.append(f"  {name}: {_side(reaction.reactants)}=> {_side(reaction.products).rstrip()}; {law};")
        if name != reaction.name:
            lines.append(f'  {name} is "{reaction.name}";')
    identifiers = event_identifiers(network)
    for event in network.events:
        name = identifiers[event.name]
        lines.append(f"  {name}: {_event(event, network.species_names)};")
        if name != event.name:
            lines.append(f'  {name} is "{event.name}";')
    lines.append("end")
    return "\n".join(lines) + "\n"


def _side(molecules: Mapping[str, int]) -> str:
    terms = (name if n == 1 else f"{n} {name}" for name, n in molecules.items())
    return f"{' + '.join(terms)} " if molecules else ""


def _event(event: Event, counts: Collection[str]) -> str:
    head = [
        f"at ({formula(event.trigger, counts)})"
    ]  # in parentheses: its end must not be taken for an option
    if event.priority is not None:
        head.append(f"priority = {formula(event.priority, counts)}")
    options = {
        "t0": event.initial_value, "persistent": event.persistent, "fromTrigger": event.use_trigger_values,
    }  # fmt: skip
    head.extend(f"{key} = {str(value).lower()}" for key, value in options.items())
    assignments = (f"{name} = {formula(value, counts)}" for name, value in event.assignments.items())
    return f"{', '.join(head)}: {', '.join(assignments)}"
