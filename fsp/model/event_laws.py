"""Which conservation laws of the reactions the events keep.

A law ``c . x = total`` is kept if, for every event, one of these holds:

- the event assigns to no species of the law;
- with the assigned expressions put in, ``c . x'`` is an affine function of the counts that equals the total wherever the
  law holds, and what it is evaluated at obeys the law: either all species of the law are assigned together, or no other
  event touches them, or the expressions are evaluated when the event is executed.

Changes of counts that break other laws are added to the stoichiometry, so that these laws are not found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fsp.model.conservation import ConservationLaws, find_conservation_laws
from fsp.model.phases import affine

if TYPE_CHECKING:
    from fsp.model.events import Event

__all__ = ["laws_with_events"]

Affine = tuple[dict[str, Fraction], Fraction]


def laws_with_events(
    stoichiometry: ArrayLike,
    initial: ArrayLike,
    species_names: Sequence[str],
    readers: Sequence[int],
    events: Sequence[Event],
    parameters: Mapping[str, float],
) -> ConservationLaws:
    """Return the laws that hold for the reactions and for all events.

    Parameters
    ----------
    stoichiometry, initial, species_names, readers
        See `fsp.model.conservation.find_conservation_laws`.
    events : sequence of Event
        Bound to the network.
    parameters : mapping from str to float

    Examples
    --------
    >>> import fsp
    >>> reactions = ["A -> B @ 1", "C -> D @ 1"]
    >>> network = fsp.ReactionNetwork(
    ...     {"A": 9, "B": 1, "C": 4, "D": 0}, reactions, events=["at B > 5: A = 10, B = 0", "at time >= 1: C = 7"]
    ... )
    >>> print(network.conservation_laws())
    A + B = 10
    """
    changes = np.atleast_2d(np.asarray(stoichiometry, dtype=np.int64))
    assigned = [
        {name: affine(tree, parameters) for name, tree in event.assignments.items()} for event in events
    ]
    while True:
        laws = find_conservation_laws(changes, initial, species_names, readers=readers)
        broken = [
            names
            for coefficients, total in zip(laws.coefficients.tolist(), laws.totals.tolist(), strict=True)
            for event, forms in zip(events, assigned, strict=True)
            if (
                names := _broken(
                    dict(zip(species_names, coefficients, strict=True)), total, event, forms, events
                )
            )
        ]
        if not broken:
            return laws
        lost = set().union(*broken)
        rows = [[int(name == other) for other in species_names] for name in sorted(lost)]
        changes = np.concatenate([changes, np.array(rows, np.int64)])


def _broken(
    law: Mapping[str, int],
    total: int,
    event: Event,
    forms: Mapping[str, Affine | None],
    events: Sequence[Event],
) -> set[str]:
    """Return the species of a law that an event changes so that the law is not shown to hold; empty if it is kept."""
    support = {name for name, c in law.items() if c}
    touched = support & set(forms)
    if not touched:
        return set()
    others = any(other is not event and support & set(other.assignments) for other in events)
    if others and event.use_trigger_values and touched != support:
        return touched
    slopes: dict[str, Fraction] = {}
    constant = Fraction(0)
    for name in support:
        form = forms[name] if name in touched else ({name: Fraction(1)}, Fraction(0))
        if form is None or "time" in form[0]:
            return touched
        for other, c in form[0].items():
            slopes[other] = slopes.get(other, Fraction(0)) + law[name] * c
        constant += law[name] * form[1]
    slopes = {name: c for name, c in slopes.items() if c}
    # c . x' = scale * (c . x) + constant?
    scale = Fraction(0)
    if slopes:
        first = min(slopes)
        scale = slopes[first] / law[first] if law.get(first) else Fraction(0)
    if slopes != {name: scale * c for name, c in law.items() if c and scale}:
        return touched
    return set() if scale * total + constant == total else touched
