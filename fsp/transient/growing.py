"""How far a state set grows in one go: growing again and again costs time, and so do states that nothing reaches."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fsp.generator.fibre_generator import FibreGenerator
from fsp.generator.growth import bridge_gaps, grow_outflow
from fsp.statespace.constraints import Constraints
from fsp.statespace.fibres import FibreSet

__all__ = ["GROWTH_COST", "enlarge"]

FloatArray = NDArray[np.float64]

#: The time that it takes to grow the set once, in updates of a state by a product.
GROWTH_COST = 400_000

#: Factor by which the flow out of the set falls with each layer of states that is added to it, as a guess.
DECAY = 2.0

#: Factor below the allowance that the flow out of a set should reach when it grows within a step that leaks too much, and
#: ahead of such a step, whose leak is foreseen less well.
SAFETY_WITHIN, SAFETY_AHEAD = 10.0, 100.0

#: Part of the allowance that need not be followed when the set grows: little where products cost little.
LEFT_IF_CHEAP, LEFT = 1e-3, 0.3


def enlarge(
    generator: FibreGenerator, x: FloatArray, constraints: Constraints, *, duration: float, allowance: float,
    excess: float, ahead: bool, most: float,
) -> FibreSet:  # fmt: skip
    """Return the set of a generator with more states where ``x`` flows out.

    Parameters
    ----------
    generator : FibreGenerator
    x : ndarray
        The probabilities in double precision.
    constraints : Constraints
    duration : float
        Of the step.
    allowance : float
        Outflow (1/time) that the step may have.
    excess : float
        What leaks over what is allowed, for a step that has to be begun anew where it leaks too much; else 0.
    ahead : bool
        Whether the excess is one that is foreseen.
    most : float
        Largest number of states, which may be infinite.
    """
    space = generator.space
    jumps = duration * generator.max_exit_rate()
    reach = _layers(space, excess, ahead) if excess > 0.0 else _worthwhile_reach(generator, jumps)
    cheap = jumps * space.n_states < 20 * GROWTH_COST
    left = (LEFT_IF_CHEAP if cheap else LEFT) * allowance / (max(excess, 1.0) if ahead else 1.0)
    while True:
        larger = grow_outflow(generator, x, constraints, left, reach)
        # More than twice the set costs more than to begin a step anew.
        too_many = larger.n_states > most or (reach > 4 and larger.n_states > 2 * space.n_states + 2000)
        if not too_many or reach == 1:
            return bridge_gaps(generator.factors, larger, constraints, most)
        reach //= 2


def _extent(space: FibreSet) -> int:
    low, high = space.box()
    return int((high - low).max())


def _layers(space: FibreSet, excess: float, ahead: bool) -> int:
    """Return how many layers of states the flow has to pass until it has decayed, about by `DECAY` in each."""
    safety = SAFETY_AHEAD if ahead else SAFETY_WITHIN
    layers = math.ceil(math.log(max(safety * excess, 1.0)) / math.log(DECAY))
    return max(4, min(layers, _extent(space) // 2))


def _worthwhile_reach(generator: FibreGenerator, jumps: float) -> int:
    """Return how far to reach so that the products on the new states cost as much as growing again."""
    boundary = generator.boundary
    states = boundary.size if generator.by_segment else boundary.rates.size
    visits = max(jumps * states, 1.0)
    return max(8, min(int(GROWTH_COST / visits), max(_extent(generator.space), 16) // 2))
