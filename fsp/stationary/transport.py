"""The error of a truncated law as a transport: what the residual costs where copies of the chain meet.

What leaves a set comes back nearby, as a rule at the state that it would have left, so that the residual is made of
short steps: a flow at a state outside, and the same flow missing at a neighbour inside. By `fsp.stationary.contraction`
each costs the length of a jump, and not the time to come back to some state, which in many dimensions is far longer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from fsp.generator.select import make_generator
from fsp.statespace.fibres import FibreSet
from fsp.stationary.certificate import WeightedResidual, weighted_sum
from fsp.stationary.chain import FiniteChain
from fsp.stationary.contraction import Contraction
from fsp.stationary.hitting import trapped_states
from fsp.stationary.lattice import Lattice
from fsp.stationary.law import TruncatedLaw
from fsp.stationary.returning import comes_back
from fsp.stationary.truncation import boundary_flows

__all__ = ["TransportCost", "cost_of_leaving", "jump_costs", "reflected", "transport_cost"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

_CHUNK = 200_000


@dataclass(frozen=True)
class TransportCost(WeightedResidual):
    """The cost of moving the positive part of a residual onto the negative one, rounded up."""

    @property
    def one_sided(self) -> float:
        """All of it: a bound of the total variation."""
        return self.total

    @property
    def residual(self) -> float:
        """What the residual inside adds to the part of the outflow."""
        return self.above + self.below


def reflected(
    lattice: Lattice, chain: FiniteChain, space: FibreSet, reference: int, contraction: Contraction,
    connected: bool,
) -> FiniteChain:  # fmt: skip
    """Return the chain whose jumps out of the set come back nearby.

    At states from which the reference would no longer be reached they come back at the reference. ``connected`` says that
    all states reach each other within the set, so that there are none.
    """
    generator = make_generator(lattice.tables, space, threads=1)
    segment, states, rate = boundary_flows(generator, np.ones(space.n_states))
    jumps = lattice.shifts[generator.boundary.reaction[segment]]
    source = lattice.positions(space, states)
    back = comes_back(lattice, space, source, states + jumps, jumps, reference, contraction.weights)
    moved = (back != source) & (rate > 0.0)
    inflow, nothing = chain.inflow, np.zeros(space.n_states)
    changed = FiniteChain(inflow, nothing, space)
    if moved.any():
        entries = (rate[moved], (back[moved], source[moved]))
        changed = FiniteChain(
            (inflow + sp.coo_array(entries, shape=inflow.shape).tocsr()).tocsr(), nothing, space
        )
    else:
        changed.__dict__["outgoing"] = chain.outgoing
    if not connected:
        trapped = trapped_states(changed, reference, nothing)
        changed.outflow = np.where(trapped, chain.outflow, 0.0)
    return changed


def jump_costs(lattice: Lattice, contraction: Contraction) -> FloatArray:
    """Return what a unit of flow along each reaction of the network costs."""
    return contraction.length(lattice.shifts).astype(float)


def cost_of_leaving(law: TruncatedLaw, costs: FloatArray) -> FloatArray:
    """Return the mean cost of a jump from each state of a law."""
    lattice, space = law.lattice, law.space
    mean = np.zeros(space.n_states)
    for start in range(0, space.n_states, _CHUNK):
        rates = lattice.rates(space.reduced(start, start + _CHUNK))[:, lattice.reactions].astype(float)
        total = rates.sum(axis=1)
        part = rates @ costs[lattice.reactions]
        mean[start : start + len(rates)] = np.divide(part, total, out=np.zeros_like(part), where=total > 0.0)
    return mean


def _states_at(law: TruncatedLaw, positions: IntArray) -> IntArray:
    """Return the states at some positions."""
    space = law.space
    fibre = np.searchsorted(space.offset, positions, side="right") - 1
    along = positions - space.offset[fibre] + space.first[fibre]
    return np.column_stack([space.prefix[fibre], along])


def transport_cost(law: TruncatedLaw, contraction: Contraction) -> TransportCost:
    """Return a bound of the total variation between a law and the stationary one.

    Each flow out of the set goes back to where it comes back, and what then is left inside goes to the reference.
    """
    lattice, r = law.lattice, law.residual
    defect, margin = law.defect()
    back = law.way_back()
    steps = np.zeros(len(r.flow), np.longdouble)
    for start in range(0, len(r.flow), _CHUNK):
        part = slice(start, start + _CHUNK)
        # What comes back at its source made one jump.
        steps[part] = contraction.length(lattice.shifts[r.reaction[part]])
        moved = np.flatnonzero(back[part] != r.source[part]) + start
        if moved.size:
            steps[moved] = contraction.length(r.states[moved] - _states_at(law, back[moved]))
    distance = np.zeros(law.space.n_states, np.longdouble)
    for start in range(0, law.space.n_states, _CHUNK):
        states = law.space.reduced(start, start + _CHUNK)
        distance[start : start + len(states)] = contraction.length(states - law.reference_state)
    return TransportCost(
        outside=weighted_sum(r.flow, steps),
        above=weighted_sum(defect, distance),
        below=weighted_sum(-defect, distance),
        rounding=weighted_sum(margin, distance),
    )
