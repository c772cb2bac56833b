"""Events: sudden changes of counts when a condition becomes true, as in SBML.

``"reset: at time >= 25: X = 50, Y = Y + 1; priority 2"`` says all there is to an event: an optional name, the
trigger, the assignments, and options. What an event does when it meets others is in `fsp.model.cascade`.
"""

from __future__ import annotations

import numbers
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NoReturn

from fsp.errors import ModelError
from fsp.model.names import close_matches

__all__ = ["Event", "bind_events", "parse_event"]

_FORM = "write 'at time >= 25: X = 50, Y = Y + 1'"
_HEAD = re.compile(r"^\s*(?:(?P<name>[^\W\d]\w*)\s*:)?\s*at\s+(?P<rest>.*)$", re.DOTALL)
_TARGET = re.compile(r"^\s*(?P<name>[^\W\d]\w*)\s*=(?!=)(?P<value>.*)$", re.DOTALL)
_OPTIONS = "'priority 2', 'not persistent', 'initially false', 'values at execution'"


@dataclass(frozen=True, eq=False, repr=False)
class Event:
    """A change of counts at the moment when a condition becomes true.

    Parameters
    ----------
    trigger : str
        A condition on counts, parameters and ``time``. The event fires when it turns from false to true. Time may be
        compared with expressions of numbers and parameters only.
    assignments : mapping from str to str or number
        New counts by species. All expressions are evaluated before any count changes. A value that is negative or not
        a whole number is refused when the event fires. An event that only time fires may also change parameters, to
        values that do not read counts.
    priority : str or number, optional
        Of several events that fire at one moment, the one with the largest priority comes first. Without one, the
        order is undefined.
    persistent : bool
        Whether the event is executed although another one, executed before at the same moment, made its trigger
        false again.
    initial_value : bool
        What the trigger counts as just before time 0. With ``False``, an event whose trigger is true at time 0 fires
        then.
    use_trigger_values : bool
        Whether expressions are evaluated with the counts at the moment when the event was triggered (SBML's
        ``useValuesFromTriggerTime``) or with those that other events at the same moment have left.
    name : str, optional
        ``"E1"``, ``"E2"``, ... by position when none is given.

    Notes
    -----
    The semantics are those of SBML Level 3 Version 2, section 4.11, without delays. In a network, ``trigger``,
    ``assignments`` and ``priority`` are trees (SymPy, unevaluated).

    Examples
    --------
    >>> import fsp
    >>> dose = fsp.Event("time >= 2", {"X": "X + 10"}, name="dose")
    >>> network = fsp.ReactionNetwork({"X": 0}, ["X -> 0 @ 1"], events=[dose])
    >>> print(network.events[0])
    dose: at time >= 2: X = X + 10
    >>> round(fsp.solve_transient(network, [2.0])[0].mean("X"), 9)
    10.0
    """

    trigger: Any
    assignments: Mapping[str, Any]
    priority: Any = None
    persistent: bool = True
    initial_value: bool = True
    use_trigger_values: bool = True
    name: str = ""
    text: str = field(default="", init=False)  # as it was written; a changed copy has none

    def __post_init__(self) -> None:
        if not isinstance(self.assignments, Mapping) or not self.assignments:
            message = f'event {self.name!r}: assignments must be a mapping such as {{"X": 50}}'
            raise ModelError(message)
        object.__setattr__(self, "assignments", MappingProxyType(dict(self.assignments)))

    def printed_as(self, text: str) -> Event:
        """Return the event with the text that it prints as."""
        copy = replace(self)
        object.__setattr__(copy, "text", text)
        return copy

    def form(self, counts: Collection[str] = ()) -> tuple[Any, ...]:
        """Return what is equal for events that do the same: the canonical forms of their expressions, and options.

        Parameters
        ----------
        counts : collection of str
            The species of the network, see `fsp.model.canonical`.
        """
        from fsp.model.canonical import canonical_form

        def canonical(part: Any) -> Any:  # texts and numbers stay what they are until they are read
            return canonical_form(part, counts) if hasattr(part, "free_symbols") else part

        values = sorted((name, canonical(value)) for name, value in self.assignments.items())
        options = (self.persistent, self.initial_value, self.use_trigger_values, self.name)
        return (canonical(self.trigger), tuple(values), canonical(self.priority), *options)

    def __eq__(self, other: object) -> bool:
        return self.form() == other.form() if isinstance(other, Event) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.name, self.persistent, self.initial_value, frozenset(self.assignments)))

    @property
    def symbols(self) -> frozenset[str]:
        """Names of the species and parameters that a bound event reads, ``time`` included."""
        trees = [
            self.trigger,
            *self.assignments.values(),
            *([] if self.priority is None else [self.priority]),
        ]
        return frozenset(s.name for tree in trees for s in tree.free_symbols)

    def __repr__(self) -> str:
        return f"Event({str(self)!r})"

    def __str__(self) -> str:
        if self.text:
            return self.text
        return _describe(self, {name: str(value) for name, value in self.assignments.items()})


def _describe(event: Event, values: Mapping[str, str]) -> str:
    """Return the text of an event, in the form that `parse_event` reads if its parts are texts."""
    priority = "" if event.priority is None else f"priority {event.priority}"
    options = [
        priority,
        "" if event.persistent else "not persistent",
        "" if event.initial_value else "initially false",
        "" if event.use_trigger_values else "values at execution",
    ]
    what = ", ".join(f"{name} = {value}" for name, value in values.items())
    head = f"{event.name}: " if event.name else ""
    return "; ".join([f"{head}at {event.trigger}: {what}", *filter(None, options)])


def parse_event(text: str) -> Event:
    """Read ``"[name:] at trigger: species = expression, ...; option; ..."``.

    The options are ``priority EXPRESSION``, ``not persistent``, ``initially false`` and ``values at execution``.
    Expressions are read when the event becomes part of a network.

    Raises
    ------
    ModelError
        Saying what is wrong with the text.

    Examples
    --------
    >>> event = parse_event("feed: at time >= 2: X = max(X, 3), Y = 0; priority 2; not persistent")
    >>> event.name, event.trigger, dict(event.assignments), event.priority, event.persistent
    ('feed', 'time >= 2', {'X': 'max(X, 3)', 'Y': '0'}, '2', False)
    """
    if not isinstance(text, str):
        message = f"an event must be a text or an Event, not {type(text).__name__}: {_FORM}"
        raise ModelError(message)

    def fail(problem: str) -> NoReturn:
        message = f"event '{' '.join(text.split())[:120]}': {problem}"
        raise ModelError(message)

    head = _HEAD.match(text)
    if head is None:
        fail(f"it does not begin with 'at' or 'name: at' ({_FORM})")
    trigger, colon, rest = head["rest"].partition(":")
    if not colon or not trigger.strip():
        fail(f"there is no trigger followed by a colon ({_FORM})")
    body, *options = rest.split(";")
    assignments: dict[str, str] = {}
    for part in _split(body):
        match = _TARGET.match(part)
        if match is None or not match["value"].strip():
            fail(f"'{part.strip()}' is not an assignment such as 'X = 50'")
        if match["name"] in assignments:
            fail(f"'{match['name']}' is assigned twice")
        assignments[match["name"]] = match["value"].strip()
    found: dict[str, Any] = {}
    for option in options:
        words = option.split()
        if words[:1] == ["priority"] and len(words) > 1:
            key, value = "priority", option.strip().removeprefix("priority").strip()
        elif words in (["not", "persistent"], ["initially", "false"], ["values", "at", "execution"]):
            key = {"not": "persistent", "initially": "initial_value", "values": "use_trigger_values"}[
                words[0]
            ]
            value = False
        else:
            fail(f"unknown option '{option.strip()}' (known: {_OPTIONS})")
        if key in found:
            fail(f"the option '{option.strip()}' is given twice")
        found[key] = value
    return Event(trigger.strip(), assignments, name=head["name"] or "", **found)


def _split(text: str) -> list[str]:
    """Split at commas that stand outside of parentheses."""
    parts, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]


def bind_events(
    events: Sequence[str | Event], species: Collection[str], parameters: Mapping[str, float]
) -> tuple[Event, ...]:
    """Return events with their expressions read, and their names checked against a network's.

    Raises
    ------
    ModelError
        `fsp.errors.ExpressionError` for an expression.
    """
    if isinstance(events, str | Event) or not isinstance(events, Sequence):
        message = 'events must be a list of texts or Event objects, such as ["at time >= 25: X = 50"]'
        raise ModelError(message)
    bound: list[Event] = []
    for i, item in enumerate(events):
        event = item if isinstance(item, Event) else parse_event(item)
        event = _bind(event if event.name else replace(event, name=f"E{i + 1}"), species, parameters)
        if any(event.name == other.name for other in bound):
            message = f"two events are called '{event.name}': give each a name of its own"
            raise ModelError(message)
        bound.append(event)
    return tuple(bound)


def _bind(event: Event, species: Collection[str], parameters: Mapping[str, float]) -> Event:
    if not isinstance(event.name, str) or not event.name.isidentifier():
        message = f"event {event.name!r}: its name must consist of letters, digits and '_'"
        raise ModelError(message)
    for key in ("persistent", "initial_value", "use_trigger_values"):
        if not isinstance(getattr(event, key), bool):
            message = f"event '{event.name}': {key} must be True or False, not {getattr(event, key)!r}"
            raise ModelError(message)
    names = frozenset((*species, *parameters, "time"))
    for name in event.assignments:
        if name not in species and name not in parameters:
            advice = close_matches(str(name), [*species, *parameters])
            message = (
                f"event '{event.name}' assigns to '{name}', which is no species and no parameter{advice}"
            )
            raise ModelError(message)
    values = {
        name: _read(value, names, f"assignment of '{name}' in event '{event.name}'")
        for name, value in event.assignments.items()
    }
    trigger = _read(event.trigger, names, f"trigger of event '{event.name}'", condition=True)
    priority = event.priority
    if priority is not None:
        priority = _read(priority, names, f"priority of event '{event.name}'")
    parts = (event.trigger, event.priority or "", *event.assignments.values())
    plain = all(isinstance(part, str | int | float) for part in parts)
    text = event.text
    if plain:  # as it was written
        text = _describe(event, {name: str(value) for name, value in event.assignments.items()})
    return replace(event, trigger=trigger, assignments=values, priority=priority).printed_as(text)


def _read(value: Any, names: frozenset[str], what: str, *, condition: bool = False) -> Any:
    """Return the tree of a text, a number or a tree."""
    from fsp.model import trees
    from fsp.model.expressions import parse_condition, parse_expression

    if isinstance(value, str):
        return (parse_condition if condition else parse_expression)(value, names, what=what)
    if isinstance(value, numbers.Real) and not isinstance(value, bool) and not condition:
        return trees.number(value if isinstance(value, int) else float(value))
    if not hasattr(value, "free_symbols") or trees.is_condition(value) != condition:
        wanted = "a condition such as 'X > 5'" if condition else "an expression or a number"
        message = f"the {what} must be {wanted}, not {value!r}"
        raise ModelError(message)
    unknown = {s.name for s in value.free_symbols} - names
    if unknown:
        message = f"unknown name '{min(unknown)}' in the {what}{close_matches(min(unknown), names)}"
        raise ModelError(message)
    return value
