"""Events of SBML models (level 2 version 1 to level 3 version 2).

The reader says through three functions what formulas mean, what an assignment to an identifier does to the counts, and how
to refuse an element; all that is special to events is here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from fsp.model import trees
from fsp.model.events import Event
from fsp.model.export_checks import element_name

__all__ = ["Refuse", "read_events"]


class Refuse(Protocol):
    """Raises the error for an element that is not supported."""

    def __call__(self, what: str, advice: str) -> NoReturn:
        """Name the element, and say what to do."""
        ...


def read_events(
    model: Any,
    *,
    read: Callable[[Any, str], Any],
    assign: Callable[[str, Any, str], tuple[str, Any]],
    refuse: Refuse,
) -> list[Event]:
    """Return the events of a model.

    Parameters
    ----------
    model : libsbml.Model
    read : callable
        ``read(math, where)`` returns the tree of a formula.
    assign : callable
        ``assign(identifier, tree, where)`` returns the species whose count changes, and its new count as a tree; or it
        refuses to change what the identifier stands for.
    refuse : callable

    Raises
    ------
    UnsupportedError
        For delays, and what `read` and `assign` refuse.
    """
    events = model.getListOfEvents()
    found = [
        _read_event(events.get(i), i, model.getLevel(), read, assign, refuse) for i in range(events.size())
    ]
    return [event for event in found if event is not None]


def _read_event(
    event: Any,
    index: int,
    level: int,
    read: Callable[[Any, str], Any],
    assign: Callable[[str, Any, str], tuple[str, Any]],
    refuse: Refuse,
) -> Event | None:
    """Return one event; None if it assigns nothing."""
    name = element_name(event.getId(), event.getName())
    if name != event.getId() and event.getModel().getEvent(name) is not None:
        name = event.getId()  # another event has that identifier
    if not name.isidentifier():
        name = f"E{index + 1}"
    what = f"event '{name}'"
    if event.isSetDelay() and event.getDelay().isSetMath():
        delay = trees.numeric(read(event.getDelay().getMath(), f"delay of {what}"))
        if delay != 0:
            advice = "if the trigger compares time only, let it become true later; otherwise write the wait as a reaction"
            refuse(f"the delay {delay} of {what}", advice)
    trigger = event.getTrigger()
    if trigger is None or not trigger.isSetMath():
        refuse(f"{what} without a trigger", "give it a condition, or remove it")
    condition = read(trigger.getMath(), f"trigger of {what}")
    if not trees.is_condition(condition):  # a number counts as true where it is not zero
        condition = trees.compare("!=", condition, trees.ZERO)
    assignments: dict[str, Any] = {}
    for i in range(event.getNumEventAssignments()):
        assignment = event.getEventAssignment(i)
        variable = assignment.getVariable()
        where = f"assignment of '{variable}' in {what}"
        if not assignment.isSetMath():
            refuse(f"the empty {where}", "give it a formula, or remove it")
        target, value = assign(variable, trees.numeric(read(assignment.getMath(), where)), where)
        if target in assignments:
            refuse(f"the second {where}", "remove one")
        assignments[target] = value
    if not assignments:
        return None
    priority = event.getPriority() if level > 2 and event.isSetPriority() else None
    return Event(
        condition,
        assignments,
        priority=trees.numeric(read(priority.getMath(), f"priority of {what}"))
        if priority is not None and priority.isSetMath()
        else None,
        # Level 2 has neither: a trigger that is true at the start does not fire, and no event is dropped.
        persistent=bool(trigger.getPersistent()) if level > 2 and trigger.isSetPersistent() else True,
        initial_value=bool(trigger.getInitialValue()) if level > 2 and trigger.isSetInitialValue() else True,
        use_trigger_values=bool(event.getUseValuesFromTriggerTime()),
        name=name,
    )
