"""User constraints on the state set: largest counts, and conditions such as ``"U*V <= 5000"``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fsp.errors import ArgumentError
from fsp.statespace.coordinates import Coordinates
from fsp.statespace.fibres import FibreSet

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork
    from fsp.model.propensity import Predicate

__all__ = ["Bounds", "Constraints"]

Bounds = Mapping[str, int] | str | Sequence[Mapping[str, int] | str]

_FREE = np.iinfo(np.int64).max // 4


class Constraints:
    """What a state set is limited to.

    Parameters
    ----------
    network : ReactionNetwork
    bounds : dict, str, or a sequence of these, optional
        Largest count per species, ``{"U": 300}``; conditions on counts, ``"U*V <= 5000"``; or several of both.

    Raises
    ------
    ArgumentError
        For an unknown species or a bound below the initial count.
    ExpressionError
        For a condition that cannot be read.
    """

    def __init__(self, network: ReactionNetwork, bounds: Bounds | None = None) -> None:
        self.network = network
        self.largest: dict[str, int] = {}
        self.conditions: list[Predicate] = []
        if not (bounds is None or isinstance(bounds, Mapping | str | Sequence)):
            message = f'bounds: give {{"U": 300}}, a condition such as "U*V <= 5000", or a list of these, not {bounds!r}'
            raise ArgumentError(message)
        parts = [] if bounds is None else [bounds] if isinstance(bounds, Mapping | str) else list(bounds)
        for part in parts:
            if not isinstance(part, Mapping | str):
                message = (
                    f'bounds: a part must be {{"U": 300}} or a condition such as "U*V <= 5000", not {part!r}'
                )
                raise ArgumentError(message)
            if isinstance(part, str):
                from fsp.model.propensity import Predicate

                self.conditions.append(Predicate(part, network.species_names, what="bound"))
                continue
            for name, value in part.items():
                self._add(name, value)
        self._linear: tuple[Coordinates, NDArray[np.int64], NDArray[np.int64]] | None = None
        self._laws = network.conservation_laws().upper_bounds

    def _add(self, name: str, value: int) -> None:
        if name not in self.network.species_names:
            near = get_close_matches(name, self.network.species_names, 3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            message = (
                f"bounds: there is no species {name!r} (known: {', '.join(self.network.species_names)}){hint}"
            )
            raise ArgumentError(message)
        number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        if not number or not float(value).is_integer() or value < 0:
            message = f"bounds: the largest count of {name} must be an integer >= 0, not {value!r}"
            raise ArgumentError(message)
        self.largest[name] = min(int(value), self.largest.get(name, _FREE))

    def __bool__(self) -> bool:
        return bool(self.largest or self.conditions)

    def is_box(self) -> bool:
        """Tell whether bounds and conservation laws together bound every species, so that the set is finite."""
        names = self.network.species_names
        return bool(self) and all(
            name in self.largest or np.isfinite(bound) for name, bound in zip(names, self._laws, strict=True)
        )

    def volume(self) -> float:
        """Return how many states the largest counts and the conservation laws leave, as a product over species."""
        names = self.network.species_names
        sizes = [min(self.largest.get(n, np.inf), b) + 1.0 for n, b in zip(names, self._laws, strict=True)]
        laws = len(self.network.conservation_laws())  # each one fixes a species: leave out the smallest
        return float(np.prod(sorted(sizes)[laws:]))

    def linear(self, coordinates: Coordinates) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return ``matrix, limit`` of the constraints ``matrix @ y <= limit`` on reduced coordinates.

        They are the largest counts that the user gave and, for every species, counts that are not negative.
        """
        if self._linear is not None and self._linear[0] is coordinates:
            return self._linear[1:]
        rows, limits = [], []
        for name, value in self.largest.items():
            s = coordinates.species_names.index(name)
            rows.append(coordinates.matrix[s])
            limits.append(value - coordinates.offset[s])
        for s in range(len(coordinates.species_names)):
            rows.append(-coordinates.matrix[s])
            limits.append(coordinates.offset[s])
        matrix = np.array(rows, np.int64).reshape(-1, coordinates.n_axes)
        self._linear = coordinates, matrix, np.array(limits, np.int64)
        return self._linear[1:]

    def allowed(self, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which states, of shape ``(m, n_species)``, obey all constraints."""
        keep = np.ones(counts.shape[0], np.bool_)
        for _, outside in self.violations(counts):
            keep &= ~outside
        return keep

    def restrict(self, space: FibreSet, chunk: int = 1_000_000) -> FibreSet:
        """Return the states of a set that obey the conditions; largest counts are the business of `linear`."""
        if not self.conditions:
            return space
        names = self.network.species_names
        keep = np.ones(space.n_states, np.bool_)
        for start in range(0, space.n_states, chunk):
            stop = min(start + chunk, space.n_states)
            states = space.states(start, stop)
            counts = {n: states[:, i] for i, n in enumerate(names)}
            for condition in self.conditions:
                keep[start:stop] &= condition.evaluate(counts)
        return space if keep.all() else space.where(keep)

    def violations(self, counts: NDArray[np.int64]) -> list[tuple[str, NDArray[np.bool_]]]:
        """Return the name of each constraint, and which states of ``counts`` (m, n_species) violate it."""
        names = self.network.species_names
        found = [
            (f"{name} <= {value}", counts[:, names.index(name)] > value)
            for name, value in self.largest.items()
        ]
        columns = {n: counts[:, i] for i, n in enumerate(names)}
        return found + [(condition.text, ~condition.evaluate(columns)) for condition in self.conditions]

    def crossed(self, counts: NDArray[np.int64]) -> str:
        """Name the first constraint that a state (one row of counts) violates; empty if it obeys all."""
        return next((name for name, outside in self.violations(counts[None, :]) if outside[0]), "")
