"""What a distribution asks of a state set and of bounds on moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fsp.interval import Interval

__all__ = ["MomentBounds", "StateSpace"]


class StateSpace(Protocol):
    """A finite set of states, each with a position from 0 to ``n_states - 1``."""

    @property
    def species_names(self) -> tuple[str, ...]:
        """The names of the columns of a state."""
        ...

    @property
    def n_states(self) -> int:
        """The number of states."""
        ...

    def states(self, start: int = 0, stop: int | None = None) -> NDArray[np.int64]:
        """Return the states at the positions ``start`` to ``stop``, shape (m, n_species), rows unique."""
        ...

    def counts(self, species: int, start: int = 0, stop: int | None = None) -> NDArray[np.int64]:
        """Return one column of ``states(start, stop)``, shape (m,)."""
        ...

    def index(self, states: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the position of each row of ``states``, shape (m,), -1 where it is not in the set."""
        ...


class MomentBounds(Protocol):
    """Enclosures of moments of the full process, proven without the truncated state set."""

    @property
    def how(self) -> Mapping[str, str]:
        """For each species the reason why the enclosure holds."""
        ...

    def mean(self, species: str) -> Interval | None:
        """Return an enclosure of E[X], or None."""
        ...

    def second(self, species: str) -> Interval | None:
        """Return an enclosure of E[X^2], or None."""
        ...

    def cross(self, a: str, b: str) -> Interval | None:
        """Return an enclosure of E[X_a X_b], or None."""
        ...

    def largest(self, species: str) -> float:
        """Return a count that X never exceeds, infinite when none is known."""
        ...

    def powers(self, species: str, power: int) -> Sequence[float]:
        """Return upper bounds of E[X], E[X^2], ... that serve a tail of this power."""
        ...

    def tail(self, species: str, mass: float, power: int = 1) -> float:
        """Return a bound of what a part of the law with at most this mass adds to ``E[X**power]``."""
        ...
