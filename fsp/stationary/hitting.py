"""Proven upper bounds of the mean time to reach a reference state, from every state of the lattice.

A function ``W >= 0`` with ``QW <= -1`` at all states but the reference bounds this time, and shows that it is finite; with
``QW <= -f`` it bounds the mean of the integral of f until then (Foster 1953; Meyn and Tweedie, Adv. Appl. Prob.
25:518-548, 1993). Far out ``W = a V + b`` with a drift function V; on the finite set where V need not fall, W comes from
linear systems, and the inequality is verified state by state afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order

from fsp.generator.growth import reachable
from fsp.statespace.constraints import Constraints
from fsp.statespace.fibres import FibreSet
from fsp.stationary.chain import FiniteChain
from fsp.stationary.drift_function import Drift
from fsp.stationary.drift_region import NoDrift, rising_states
from fsp.stationary.lattice import UNIT, Lattice
from fsp.stationary.protocol import ChainSolver
from fsp.stationary.reward import Reward

__all__ = ["HittingBound", "finite_hitting_bound", "hitting_bound", "trapped_states", "verified_decrease"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
LongArray = NDArray[np.longdouble]
MakeSolver = Callable[[FiniteChain], ChainSolver]

#: How often the set of the linear systems may be widened, and the chance of not leaving it below which it is.
_MOST_WIDENINGS = 5
_LITTLE_ROOM = 0.02


@dataclass(frozen=True, eq=False)
class HittingBound:
    """A function W with ``QW <= -decrease * f`` at all states but the reference; ``W / decrease`` is the bound.

    Attributes
    ----------
    space : FibreSet
        Where W is given by its values.
    inside : ndarray of float, shape (n_states,)
        The values there; 0 at the reference.
    reference : ndarray of int64, shape (n_axes,)
    drift : Drift or None
        Elsewhere ``W = scale * drift + shift``; None when ``space`` holds the whole class.
    decrease : float
        Verified, positive.
    reward : Reward
        The function f; 1 for the mean time.
    """

    lattice: Lattice
    space: FibreSet
    inside: FloatArray
    reference: IntArray
    drift: Drift | None
    scale: float
    shift: float
    decrease: float
    reward: Reward

    def raw(self, states: IntArray) -> tuple[LongArray, LongArray]:
        """Return W at states, and bounds on its rounding; infinite where it is not defined."""
        where = self.lattice.positions(self.space, states)
        value = np.full(len(states), np.inf, np.longdouble)
        error = np.zeros(len(states), np.longdouble)
        found = where >= 0
        value[found] = self.inside[where[found]]
        if self.drift is not None and not found.all():
            v, rounding = self.drift.values(states[~found])
            value[~found] = self.scale * v + self.shift
            error[~found] = self.scale * rounding + value[~found] * (4 * UNIT)
        return value, error

    def values(self, states: IntArray) -> LongArray:
        """Return the bound of the mean time at states, rounded up."""
        value, error = self.raw(states)
        return (value + error) / np.longdouble(self.decrease) * np.longdouble(1.0 + 8 * UNIT)


def verified_decrease(bound: HittingBound) -> float:
    """Return a proven lower bound of ``-QW / f`` over the states of ``bound.space`` but the reference.

    Each state is checked in extended precision: ``sum_r a_r(x) (W(x) - W(x + v_r))`` less a bound on its rounding.
    """
    lattice, space = bound.lattice, bound.space
    states = space.reduced()
    rates = lattice.rates(states)
    here = bound.inside.astype(np.longdouble)
    fall, size = np.zeros(len(states), np.longdouble), np.zeros(len(states), np.longdouble)
    for r in lattice.reactions:
        moving = np.flatnonzero(rates[:, r])
        there, error = bound.raw(states[moving] + lattice.shifts[r])
        a = rates[moving, r]
        fall[moving] += a * (here[moving] - there)
        size[moving] += a * (here[moving] + there + error / UNIT)
    fall -= size * np.longdouble(lattice.rate_error + (len(lattice.reactions) + 6) * UNIT)
    fall = fall / (bound.reward.values(states) * (1.0 + 2 * UNIT))
    others = (states != bound.reference).any(axis=1)
    worst = float(fall[others].min()) if others.any() else np.inf
    return float(np.nextafter(worst, -np.inf)) if np.isfinite(worst) else worst


def _exits(
    lattice: Lattice, space: FibreSet, drift: Drift, steep: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return what leaves each state: rates, and sums of rate times V beyond; and where jumps come in.

    First from outside, then from outside or from a steep state, steep states themselves left out.
    """
    states = space.reduced()
    rates = lattice.rates(states)
    out, beyond = np.zeros(len(states)), np.zeros(len(states))
    entry, doors = np.zeros(len(states), np.bool_), np.zeros(len(states), np.bool_)
    for r in lattice.reactions:
        targets = states + lattice.shifts[r]
        leaving = np.flatnonzero((lattice.positions(space, targets) < 0) & (rates[:, r] > 0))
        rate = rates[leaving, r].astype(float)
        out[leaving] += rate
        beyond[leaving] += rate * drift.values(targets[leaving])[0].astype(float)
        sources = states - lattice.shifts[r]
        where = lattice.positions(space, sources)
        outside = (where < 0) & ~lattice.outside_lattice(sources)
        entry |= outside
        doors |= outside | ((where >= 0) & steep[where])
    return out, beyond, entry, doors & ~steep


def trapped_states(chain: FiniteChain, reference: int, out: FloatArray) -> NDArray[np.bool_]:
    """Tell from which states of a chain neither the reference nor the outside can be reached."""
    n = chain.n_states
    doors = np.flatnonzero(out > 0)
    rows = np.concatenate([np.full(doors.size, n), [n]])
    columns = np.concatenate([doors, [reference]])
    back = sp.coo_array((np.ones(rows.size), (rows, columns)), shape=(n + 1, n + 1)).tocsr()
    inner = chain.inflow.tocoo()
    graph = (
        back + sp.coo_array((inner.data, (inner.coords[0], inner.coords[1])), shape=(n + 1, n + 1)).tocsr()
    )
    # ``inflow`` has rows for targets: its edges lead from a target to its sources, which is the way back.
    reached = breadth_first_order(sp.csr_matrix(graph), n, return_predecessors=False)
    trapped = np.ones(n + 1, np.bool_)
    trapped[reached] = False
    return trapped[:-1]


def _without_traps(lattice: Lattice, space: FibreSet, reference: IntArray, drift: Drift) -> FibreSet:
    """Return the set without states from which the reference is never reached, if these are shown to be unreachable."""
    chain = FiniteChain.of(lattice.network, space, lattice.tables)
    out = chain.outflow
    position = int(lattice.positions(space, reference[None, :])[0])
    trapped = trapped_states(chain, position, out)
    if not trapped.any():
        return space
    island = space.where(trapped)
    states = island.reduced()
    start = bool((lattice.positions(island, lattice.starts) >= 0).any())
    entered = False
    for r in lattice.reactions:
        sources = states - lattice.shifts[r]
        sources = sources[~lattice.outside_lattice(sources) & (lattice.positions(island, sources) < 0)]
        entered |= bool(len(sources) and (lattice.rates(sources)[:, r] != 0).any())
    if start or entered:
        message = "there are reachable states from which the reference state is never reached again"
        raise NoDrift(message, states)
    return space.where(~trapped)


def hitting_bound(
    lattice: Lattice, drift: Drift, decrease: float, reward: Reward, reference: IntArray,
    make_solver: MakeSolver, wider: FibreSet | None = None, most: int = 400_000, steeper: float = 1.0,
) -> HittingBound:  # fmt: skip
    """Return a verified bound of the mean time to the reference, from every state of the class.

    Parameters
    ----------
    lattice : Lattice
    drift : Drift
        V; outside of a finite set ``QV <= -decrease * f``, which is proven here.
    decrease : float
    reward : Reward
        The function f.
    reference : ndarray of int64, shape (n_axes,)
    make_solver : callable
        Makes a `ChainSolver` for a chain; its accuracy decides only how sharp the bound is.
    wider : FibreSet, optional
        States to take into the linear systems although V falls there, if that makes the bound sharper.
    most : int
        Largest number of states of the linear systems, those of ``wider`` aside.
    steeper : float
        How many times steeper than need be W rises outside. In many dimensions states at the edge are sure to leave the
        set before they reach the reference: if V falls there by more than need be, their W still fits under ``a V + b``.

    Raises
    ------
    NoDrift
        If a step of the proof fails; the text says which.

    Notes
    -----
    With ``a = steeper / decrease`` W solves ``-QW = f`` inside, ``W = m + a v + b q``, where m is the mean of the integral
    of f until the set is left or the reference reached, v the mean of V where it is left, and q the probability of
    leaving first. At a state y that can be entered from outside ``W(y) <= a V(y) + b`` must hold, so that the jumps back
    only help: ``b = max (m + a v - a V) / (1 - q)``.
    """
    states = rising_states(lattice, drift, decrease, reward)
    if len(states) > most:
        message = f"the drift function is not lowered at {len(states):,} states"
        raise NoDrift(message)
    space = FibreSet.from_reduced(lattice.coordinates, np.concatenate([states, reference[None, :]]))
    space = space if wider is None else space.union(wider)
    space = _without_traps(lattice, space, reference, drift)
    a = steeper / decrease
    glued = _glued(lattice, space, drift, a, reward, reference, make_solver)
    for attempt in range(_MOST_WIDENINGS if steeper == 1.0 else 0):
        larger = _around(lattice, space, glued.hopeless, 4 << attempt)
        if larger is None or larger.n_states > most:
            break
        better = _glued(lattice, larger, drift, a, reward, reference, make_solver)
        if math.isfinite(glued.shift) and not better.shift < 0.5 * glued.shift:
            break  # leaving is not what makes returns slow
        space, glued = larger, better
    if not math.isfinite(glued.shift):
        message = "returns to the reference take too long for the linear systems in double precision"
        raise NoDrift(message)
    bound = HittingBound(lattice, space, glued.inside, reference, drift, a, glued.shift, 1.0, reward)
    _check_glue(bound, glued.entry)
    # Outside -QW >= a * decrease * f, and a * decrease is at least 1 up to two roundings.
    return replace(bound, decrease=_positive(min(verified_decrease(bound), 1.0 - 2.0**-51)))


@dataclass(frozen=True, eq=False)
class _Glued:
    """Values inside, the shift b, where jumps come in from outside, and states there that the chain is sure to leave."""

    inside: FloatArray
    shift: float
    entry: NDArray[np.bool_]
    hopeless: IntArray


def _glued(
    lattice: Lattice, space: FibreSet, drift: Drift, a: float, reward: Reward, reference: IntArray,
    make_solver: MakeSolver,
) -> _Glued:  # fmt: skip
    """Solve for W inside, with the smallest b that fits; infinite if there is none."""
    position = int(lattice.positions(space, reference[None, :])[0])
    states = space.reduced()
    fall, rounding = drift.drift(lattice, states)
    with np.errstate(invalid="ignore"):
        steep = (-a * (fall + rounding) >= reward.values(states) * (1.0 + 1e-9)).astype(np.bool_)
    steep[position] = False
    out, beyond, entry, door = _exits(lattice, space, drift, steep)
    keep = np.ones(space.n_states, np.bool_)
    keep[position] = False
    entry[position] = door[position] = False
    inside = np.zeros(space.n_states)
    nothing = np.zeros((0, lattice.n_axes), np.int64)
    if not keep.any():
        return _Glued(inside, 0.0, entry, nothing)
    chain = FiniteChain.of(lattice.network, space, lattice.tables).restricted(keep)
    solver = make_solver(chain)
    value = drift.values(states)[0].astype(float)
    gained = reward.values(states).astype(float)
    m, v, q = (solver.expectation(right[keep]) for right in (gained, beyond, out))
    level = m + a * v
    if not (np.isfinite(level).all() and np.isfinite(q).all()):
        return _Glued(inside, math.inf, entry, nothing)
    doors = door[keep]
    lack, room = (level - a * value[keep])[doors], (1.0 - q)[doors]
    rising = lack > 0.0
    hopeless = states[keep][doors][rising & (room < _LITTLE_ROOM)]
    if (rising & (room <= 1e-13)).any():
        return _Glued(inside, math.inf, entry, hopeless)
    shift = float(np.max(lack[rising] / room[rising], initial=0.0))
    inside[keep] = np.maximum(level + shift * q, 0.0)
    shift = max(shift, float(np.max(inside[door] - a * value[door], initial=0.0))) * (1.0 + 1e-12) + 1e-300
    inside[steep] = np.minimum(inside[steep], (a * value[steep] + shift) * (1.0 - 1e-15))
    return _Glued(inside, shift, entry, hopeless)


def _around(lattice: Lattice, space: FibreSet, states: IntArray, reach: int) -> FibreSet | None:
    """Return a larger set, by the states that lead away from some of its states, or None if there are none."""
    if not len(states):
        return None
    island = FibreSet.from_reduced(lattice.coordinates, states)
    larger = space.union(reachable(lattice.tables, island, Constraints(lattice.network), 2, reach=reach))
    return larger if larger.n_states > space.n_states else None


def _check_glue(bound: HittingBound, entry: NDArray[np.bool_]) -> None:
    """Verify ``W(y) <= a V(y) + b`` at the states that can be entered from outside."""
    assert bound.drift is not None
    states = bound.space.reduced()[entry]
    v, rounding = bound.drift.values(states)
    above = bound.scale * (v - rounding) + bound.shift
    if not (bound.inside[entry] <= above * (1.0 - 8 * UNIT)).all():
        message = "the pieces of the bound of the mean return time do not fit together"
        raise NoDrift(message)


def _positive(decrease: float) -> float:
    if not (decrease > 0.0 and np.isfinite(decrease)):
        message = "the bound of the mean return time fails its verification"
        raise NoDrift(message)
    return decrease


def finite_hitting_bound(
    lattice: Lattice, space: FibreSet, reward: Reward, reference: IntArray, make_solver: MakeSolver
) -> HittingBound:
    """Return a verified bound to the reference on a finite class, which ``space`` holds whole.

    Raises
    ------
    NoDrift
        If the reference is not reached from everywhere, or the solution is too inaccurate.
    """
    chain = FiniteChain.of(lattice.network, space, lattice.tables)
    position = int(lattice.positions(space, reference[None, :])[0])
    if chain.outflow.any() or trapped_states(chain, position, chain.outflow).any():
        message = "the reference state is not reached from all states of the set"
        raise NoDrift(message)
    states = space.reduced()
    if not lattice.zeros_are_exact(states, lattice.rates(states)):
        message = "a propensity vanishes by rounding, so that nothing shows the set to be closed"
        raise NoDrift(message)
    keep = np.ones(space.n_states, np.bool_)
    keep[position] = False
    inside = np.zeros(space.n_states)
    if keep.any():
        solver = make_solver(chain.restricted(keep))
        inside[keep] = np.maximum(solver.expectation(reward.values(space.reduced()[keep]).astype(float)), 0.0)
    if not np.isfinite(inside).all():
        message = "the linear system for the mean return time has no accurate solution"
        raise NoDrift(message)
    bound = HittingBound(lattice, space, inside, reference, None, 0.0, 0.0, 1.0, reward)
    return replace(bound, decrease=_positive(min(verified_decrease(bound), 1e300)))
