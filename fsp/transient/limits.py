"""What a run may use: states, memory, products; and when to give up before these are used up."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fsp.errors import ExplosionError, StateSpaceLimitError, ToleranceError
from fsp.statespace.fibres import FibreSet

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork

__all__ = [
    "FIXED_BYTES",
    "LISTED_BYTES",
    "MOVING_BYTES",
    "TIMED_BYTES",
    "Limits",
    "RoundingError",
    "Workload",
    "default_memory",
]

#: Memory for each state, to foresee whether a run fits: three vectors on a fixed set, and four on one that moves, with
#: what is needed beside them for a short time. Runs in extended precision and with events keep a few vectors more, and so
#: does the method for rates that depend on time.
FIXED_BYTES, MOVING_BYTES, LISTED_BYTES, TIMED_BYTES = 40, 48, 110, 200

#: Part of the tolerance that rounding may take before it is worth working in extended precision.
ROUNDING_LIMIT = 0.3

#: States times products from which a run is given up whose rates keep growing and whose steps keep shrinking.
EXPLOSIVE_WORK = 1e11


class RoundingError(ToleranceError):
    """The worst-case rounding of double precision is going to exceed the tolerance."""


def default_memory() -> int:
    """Return three quarters of the machine's memory, where it can be told."""
    try:
        return int(0.75 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return 2**62


@dataclass
class Limits:
    """What a run may use."""

    max_states: int | None = None
    memory: int = 2**62
    products: float = 2e9
    bytes_per_state: int = MOVING_BYTES

    def check(self, space: FibreSet, overhead: int = 0) -> None:
        """Raise before memory is used up."""
        if self.max_states is not None and space.n_states > self.max_states:
            message = (
                f"the state set needs {space.n_states:,} states, more than max_states = {self.max_states:,}; "
                "raise max_states, loosen the tolerance, or limit species with bounds="
            )
            raise StateSpaceLimitError(message)
        need = self.bytes_per_state * space.n_states + space.nbytes + overhead
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
    shrinking : float
        The longest step so far over the present one.
    """

    rate: float
    first_rate: float
    time: float
    left: float
    rounding: float
    product_error: float
    shrinking: float = 1.0

    def check(
        self, network: ReactionNetwork, limits: Limits, tolerance: float, space: FibreSet, *, foresee: bool,
        adaptive: bool,
    ) -> None:  # fmt: skip
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
        growth = self.rate / max(self.first_rate, 1e-300)
        too_many = products > limits.products
        bursting = products * space.n_states > EXPLOSIVE_WORK and self.shrinking > 8.0
        if not (too_many or (adaptive and growth > 1e3 and bursting and _superlinear(network))):
            return
        if growth > 1e3 and adaptive:
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


def _superlinear(network: ReactionNetwork) -> bool:
    """Tell whether a reaction that makes molecules has a propensity that grows faster than the counts.

    Without one the mean of the total count grows at most exponentially, and the network cannot explode.
    """
    few = {name: np.array([1000, 2000]) for name in network.species_names}
    for reaction, change in zip(network.reactions, network.stoichiometry, strict=True):
        if change.sum() > 0:
            with np.errstate(all="ignore"):
                small, large = np.broadcast_to(reaction.propensity.evaluate(few, time=0.0), 2)
            if large > 3.0 * small:
                return True
    return False
