"""What a run may use: states, memory, products; and when to give up before these are used up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fsp.errors import ExplosionError, StateSpaceLimitError, ToleranceError
from fsp.statespace.fibres import FibreSet

__all__ = ["Limits", "RoundingError", "Workload"]

#: Part of the tolerance that rounding may take before it is worth working in extended precision.
ROUNDING_LIMIT = 0.3


class RoundingError(ToleranceError):
    """The worst-case rounding of double precision is going to exceed the tolerance."""


@dataclass
class Limits:
    """What a run may use."""

    max_states: int | None = None
    memory: int = 2**62
    products: float = 2e9

    def check(self, space: FibreSet, overhead: int = 0) -> None:
        """Raise before memory is used up."""
        if self.max_states is not None and space.n_states > self.max_states:
            message = (
                f"the state set needs {space.n_states:,} states, more than max_states = {self.max_states:,}; "
                "raise max_states, loosen the tolerance, or limit species with bounds="
            )
            raise StateSpaceLimitError(message)
        need = 40 * space.n_states + space.nbytes + overhead
        if need > self.memory:
            message = (
                f"the state set needs {space.n_states:,} states and about {need / 2**30:.3g} GiB, more than "
                f"memory_limit = {self.memory / 2**30:.3g} GiB; loosen the tolerance or limit species with bounds="
            )
            raise StateSpaceLimitError(message)


@dataclass
class Workload:
    """What the rest of a run needs, by the exit rate of the present set.

    Attributes
    ----------
    rate, first_rate : float
        Largest exit rate now and at the start.
    time, left : float
        The time reached, and the time that is left.
    rounding : float
        What the ledger holds for rounding.
    product_error : float
        Rounding error of one product.
    """

    rate: float
    first_rate: float
    time: float
    left: float
    rounding: float
    product_error: float

    def check(
        self, limits: Limits, tolerance: float, space: FibreSet, *, foresee: bool, adaptive: bool
    ) -> None:
        """Raise if the run cannot be finished within the limits, or its rounding within the tolerance."""
        products = self.rate * self.left
        if foresee and self.rounding + 2.2 * products * self.product_error > ROUNDING_LIMIT * tolerance:
            message = f"rounding in double precision is going to add up to {2.2 * products * self.product_error:.2g}"
            raise RoundingError(message)
        floor = self.rounding + 2.0 * products * self.product_error
        if not foresee and floor > 3.0 * tolerance:  # also if the distribution stopped changing at once
            message = (
                f"the tolerance {tolerance:g} cannot be kept: exit rate {self.rate:.3g} times the remaining time "
                f"{self.left:g} makes a worst-case rounding of {floor:.2g}; loosen the tolerance, or shorten the time span"
            )
            raise ToleranceError(message)
        if products <= limits.products:
            return
        growth = self.rate / max(self.first_rate, 1e-300)
        if growth > 1e4 and adaptive:
            low, high = space.box()
            axis = int(np.argmax(high - low))
            species = space.species_names[space.coordinates.axes[axis]]
            message = (
                f"the network seems explosive: at time {self.time:g} the state set reaches {species} = {high[axis]:,} "
                f"and an exit rate of {self.rate:.3g}, {growth:.1g} times that at the start, and both keep growing; check "
                "the propensities that increase counts faster than linearly, or limit the species with bounds="
            )
            raise ExplosionError(message)
        message = (
            f"the problem is too stiff for uniformisation: exit rate {self.rate:.3g} times the remaining time "
            f"{self.left:g} needs {products:.2g} products (limit {limits.products:g}); shorten the time span"
        )
        raise ToleranceError(message)
