"""The arguments of `solve_stationary`, checked, and its progress line."""

from __future__ import annotations

import math
import sys
import time as clock
from dataclasses import dataclass
from typing import Any

import numpy as np

from fsp.errors import ArgumentError, UnsupportedError
from fsp.statespace.constraints import Bounds
from fsp.stationary.engine import solver_for
from fsp.stationary.hitting import MakeSolver

__all__ = ["Options", "ProgressLine", "check"]


@dataclass(frozen=True)
class Options:
    """What a run is told; see `fsp.solve_stationary`."""

    tolerance: float
    bounds: Bounds | None
    method: str
    max_states: int | None
    memory_limit: int | None

    def make_solver(self, accuracy: float = 1e-12) -> MakeSolver:
        """Return what makes a solver for a chain, of that relative accuracy."""
        memory = None if self.memory_limit is None else 0.7 * self.memory_limit
        return solver_for(self.method, accuracy, memory)


def check(network: Any, tolerance: Any, max_states: Any, memory_limit: Any) -> None:
    """Raise if an argument or the network cannot be used."""
    if not hasattr(network, "depends_on_time"):
        message = f"the network must be a ReactionNetwork, not {type(network).__name__}; fsp.load_model(path) reads a file"
        raise ArgumentError(message)
    for name, value, high in (("tolerance", tolerance, 1.0), ("memory_limit", memory_limit, math.inf)):
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not (value is None and name != "tolerance") and not (number and 0.0 < value < high):
            message = f"{name} must be a number between 0 and {high:g}, not {value!r}"
            raise ArgumentError(message)
    whole = isinstance(max_states, int | np.integer) and not isinstance(max_states, bool) and max_states >= 1
    if max_states is not None and not whole:
        message = f"max_states must be a whole number >= 1, not {max_states!r}"
        raise ArgumentError(message)
    if network.depends_on_time:
        message = (
            "rates that depend on time leave no stationary law: set the time in the propensities to a number"
        )
        raise UnsupportedError(message)
    if network.events:
        message = "stationary laws of networks with events are not supported: leave the events out"
        raise UnsupportedError(message)


class ProgressLine:
    """A line on the terminal that says how far a run has come."""

    def __init__(self, wanted: bool | None) -> None:
        self.active = sys.stderr.isatty() if wanted is None else bool(wanted)
        self.next = clock.monotonic() + (1.0 if wanted is None else 0.0)
        self.shown = False

    def show(self, states: int, bound: float) -> None:
        """Report the number of states and the present bound."""
        if not self.active or clock.monotonic() < self.next:
            return
        self.next = clock.monotonic() + 0.2
        self.shown = True
        found = "looking for the mass" if math.isnan(bound) else f"error bound {bound:.1e}"
        sys.stderr.write(f"\r{states:,} states, {found}".ljust(70))
        sys.stderr.flush()

    def close(self) -> None:
        """Take the line away."""
        if self.shown:
            sys.stderr.write("\r" + " " * 70 + "\r")
            sys.stderr.flush()
