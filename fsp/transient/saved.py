"""The state of a run between two steps as plain data, and a run that goes on from it to the same bits.

A step is a function of what is kept here and of the arguments of the run. That includes what looks like an accident of
history: the box that the tables cover (rays of new states end at its edge, and rounding is booked by the worst entry in
it), the order of the axes, and all that the planner has learned. Tables and generators are made anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsp.errors import UnsupportedError
from fsp.ledger import Ledger
from fsp.statespace.coordinates import Coordinates
from fsp.statespace.fibres import FibreSet

if TYPE_CHECKING:
    from fsp.generator.fibre_generator import FibreGenerator
    from fsp.generator.tables import FactorTables
    from fsp.transient.loop import AdaptiveLoop

__all__ = [
    "loop_state",
    "pack_coordinates",
    "pack_ledger",
    "pack_space",
    "restore_loop",
    "unpack_coordinates",
    "unpack_ledger",
    "unpack_space",
]

#: What the planner is given; all its other fields are what it has learned.
_PLANNER_ARGUMENTS = {"safe", "signed", "tolerance", "end", "exact_tails", "loop"}


#: What a loop is given by the call, what is made anew, and what is kept besides `AdaptiveLoop.OWN`.
_GIVEN = {
    "network", "constraints", "stepper", "signed", "tolerance", "limits", "fixed", "extended", "foresee", "threads",
    "report", "between", "saved", "end", "initial_mass",
}  # fmt: skip
_MADE = {"_planner", "tables", "_held"}
_KEPT = {"space", "p", "ledger", "statistics", "time"}


def pack_coordinates(c: Coordinates) -> dict[str, Any]:
    """Return coordinates as names, numbers and arrays."""
    return {
        "species": list(c.species_names),
        "axes": list(c.axes),
        "offset": c.offset,
        "matrix": c.matrix,
        "shifts": c.shifts,
    }


def unpack_coordinates(packed: Mapping[str, Any]) -> Coordinates:
    """Return the coordinates that `pack_coordinates` took apart."""
    axes = tuple(int(axis) for axis in packed["axes"])
    return Coordinates(tuple(packed["species"]), axes, packed["offset"], packed["matrix"], packed["shifts"])


def pack_space(space: FibreSet) -> dict[str, Any]:
    """Return a set of states as names, numbers and arrays.

    Examples
    --------
    >>> import fsp
    >>> space = FibreSet.from_states(Coordinates.of(fsp.gallery.birth_death()), [[3], [4], [7]])
    >>> unpack_space(pack_space(space)).states().ravel().tolist()
    [3, 4, 7]
    """
    return {
        "coordinates": pack_coordinates(space.coordinates),
        "prefix": space.prefix,
        "first": space.first,
        "length": space.length,
    }


def unpack_space(packed: Mapping[str, Any]) -> FibreSet:
    """Return the set that `pack_space` took apart."""
    coordinates = unpack_coordinates(packed["coordinates"])
    return FibreSet(coordinates, packed["prefix"], packed["first"], packed["length"])


def pack_ledger(ledger: Ledger) -> dict[str, dict[str, float]]:
    """Return the entries of a ledger in their order, on which the rounding of their sum depends."""
    return {"entries": dict(ledger.entries), "leaks": dict(ledger.leaks)}


def unpack_ledger(packed: Mapping[str, Any]) -> Ledger:
    """Return the ledger that `pack_ledger` took apart."""
    return Ledger(dict(packed["entries"]), dict(packed["leaks"]))


def loop_state(loop: AdaptiveLoop) -> dict[str, Any]:
    """Return the state of a loop between two steps; it does not change when the loop goes on.

    Arrays are shared with the loop, which replaces them and does not write into them; only on a fixed set is the
    vector of a step overwritten, and copied here.

    Raises
    ------
    UnsupportedError
        If the loop has attributes of which nothing is known here: a kind of run that cannot be restarted yet.
    """
    unknown = vars(loop).keys() - _GIVEN - _MADE - _KEPT - set(loop.OWN) - set(loop.MADE)
    if unknown:
        message = (
            f"checkpoint= is not supported for such a network yet ({type(loop).__name__} has {min(unknown)})"
        )
        raise UnsupportedError(message)
    planner = loop._planner
    return {
        "time": loop.time,
        "extended": loop.extended,
        "foresee": loop.foresee,
        "ledger": pack_ledger(loop.ledger),
        "statistics": dict(loop.statistics),
        "own": {name: getattr(loop, name) for name in loop.OWN},
        "planner": {f.name: getattr(planner, f.name) for f in fields(planner) if f.name not in _PLANNER_ARGUMENTS},
        "space": pack_space(loop.space),
        "p": loop.p.copy() if loop.fixed else loop.p,
        "tables": [_pack_tables(tables, generator) for tables, generator in loop._table_parts()],
    }  # fmt: skip


def _pack_tables(tables: FactorTables, generator: FibreGenerator | None) -> dict[str, Any]:
    # A generator keeps the tables that it was made from, and these may have been extended since.
    now = [tables.low, tables.high]
    made = now if generator is None else list(generator.table_box)
    return {"made": made, "now": now, "cancellation": tables.cancellation}


def _place(tables: FactorTables, low: NDArray[np.int64], high: NDArray[np.int64]) -> None:
    if high.any() and not (np.array_equal(low, tables.low) and np.array_equal(high, tables.high)):
        tables.place(low, high)


def restore_loop(loop: AdaptiveLoop, state: Mapping[str, Any]) -> None:
    """Put a fresh loop, made with the same arguments, into a state that `loop_state` returned."""
    loop.time = state["time"]
    loop.ledger.entries.clear()
    loop.ledger.entries.update(state["ledger"]["entries"])
    loop.ledger.leaks.clear()
    loop.ledger.leaks.update(state["ledger"]["leaks"])
    for name in loop.OWN:
        setattr(loop, name, state["own"][name])
    loop._planner = loop._make_planner()
    for name, value in state["planner"].items():
        setattr(loop._planner, name, value)
    loop.space, loop.p = unpack_space(state["space"]), state["p"]
    loop.tables = loop._make_tables(loop.space.coordinates)
    parts = [tables for tables, _ in loop._table_parts()]
    for tables, kept in zip(parts, state["tables"], strict=True):
        _place(tables, *kept["made"])
    loop.statistics["states_peak"] = 0
    loop.generator = loop._generator(loop.space)
    for tables, kept in zip(parts, state["tables"], strict=True):
        _place(tables, *kept["now"])
        tables.cancellation = kept["cancellation"]
    loop.statistics.clear()
    loop.statistics.update(state["statistics"])
