"""First passage from every initial state at once, by the adjoint: backward uniformisation with two-sided bounds.

``u(x, t)``, the probability of hitting the target by time t from x before the set is left, obeys ``u' = A'u + r`` with
the rates ``r`` into the target. With ``U = I + A/Lambda`` and a state that stands for the target, it is a series of
products with non-negative entries, like the forward one. The same series for the ways out of the set bounds what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from fsp.analysis.exits import DividedBoundary, divide_boundary
from fsp.analysis.passage_problem import PassageProblem
from fsp.analysis.passage_set import reach
from fsp.analysis.regions import AVOID, TARGET, Regions
from fsp.errors import ArgumentError, SolverError
from fsp.generator.select import make_generator
from fsp.generator.tables import FactorTables
from fsp.interval import Interval
from fsp.transient.poisson import poisson_series

if TYPE_CHECKING:
    from fsp.statespace.fibres import FibreSet

__all__ = ["ByState", "hit_from_all_states"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Jumps of the uniformised chain in a step, and how far its rate lies above the largest exit rate.
MOST_JUMPS, HEADROOM = 4096.0, 1.04

#: Part of the tolerance that the series may leave out, and what is on its way at the end.
SHARE_SERIES = 0.05

#: Products times rates (and what a product costs besides), at most: a minute or two.
MOST_WORK = 1e10


@dataclass(frozen=True, eq=False)
class ByState:
    """Probabilities of having hit the target by initial state.

    Attributes
    ----------
    regions : Regions
    times : ndarray, shape (n_times,)
    states : ndarray of int64, shape (n_states, n_species)
        The initial states that are held; they lie outside of the target and of what is to be avoided.
    lower, upper : ndarray, shape (n_times, n_states)
    """

    regions: Regions
    times: FloatArray
    states: IntArray
    lower: FloatArray
    upper: FloatArray

    def interval(self, state: Any) -> list[Interval]:
        """Return the bounds at each time from one initial state: counts by species, or in their order.

        Raises
        ------
        ArgumentError
            If it is no state of the lattice, or one that is not held.
        """
        names = self.regions.network.species_names
        row = _counts(state, names)
        kind = int(self.regions.kinds(row[None, :])[0])
        if kind in (TARGET, AVOID):
            value = 1.0 if kind == TARGET else 0.0
            return [Interval(value, value) for _ in self.times]
        found = np.flatnonzero((self.states == row).all(axis=1))
        if not found.size:
            message = (
                f"the state {dict(zip(names, row.tolist(), strict=True))} is not among the {len(self.states):,} that were "
                "held; give bounds= that include it"
            )
            raise ArgumentError(message)
        i = int(found[0])
        return [
            Interval(a, b) for a, b in zip(self.lower[:, i].tolist(), self.upper[:, i].tolist(), strict=True)
        ]


def _counts(state: Any, names: tuple[str, ...]) -> IntArray:
    """Return the counts of a state that is given by species, or in their order."""
    if isinstance(state, Mapping):
        known = all(name in names for name in state)
        values: Any = [state.get(name, 0) for name in names] if known else None
    else:
        values = state
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        found = np.empty(0)
    if (
        found.shape != (len(names),)
        or not (found == np.floor(found)).all()
        or not (np.abs(found) < 2.0**53).all()
    ):
        message = f"state: give a count for each of {', '.join(names)}, not {state!r}"
        raise ArgumentError(message)
    return found.astype(np.int64)


def hit_from_all_states(
    problem: PassageProblem, space: FibreSet, times: ArrayLike, tolerance: float
) -> ByState:
    """Return the probability of having hit the target by each time, from every state of a set.

    O(n_states * n_reactions) for each of the largest exit rate times time products, and as much memory for the matrix.
    No product is made any more once hardly a path can be on its way in the set.

    Raises
    ------
    SolverError
        If it would take far too many products.
    """
    when = np.asarray(times, np.float64)
    tables = FactorTables(problem.network, space.coordinates)
    generator = make_generator(tables, space, threads=1)
    divide_boundary(generator, problem.regions, everywhere=True)
    boundary = generator.boundary
    assert isinstance(boundary, DividedBoundary)
    n = space.n_states
    beta = 1.0 / max(generator.max_exit_rate() * HEADROOM, 1e-300)
    rows, columns, values, _ = generator.triplets()
    moves = sp.coo_array((beta * values, (columns, rows)), shape=(n, n)).tocsr()  # row: from
    stays = (1.0 - beta * generator.exit_rates())[:, None]
    ends = beta * np.column_stack([boundary.target, boundary.rates])
    u = np.zeros((n, 3))  # hits the target; leaves the set unseen; is on its way to a way out
    out = boundary.target + boundary.rates + boundary.avoid
    u[:, 2] = reach(moves.T.tocsr(), out > 0.0)
    ends = np.column_stack([ends, np.zeros(n)])
    lower, upper = np.zeros((when.size, n)), np.zeros((when.size, n))
    steps = np.maximum(np.ceil(np.diff(when, prepend=0.0) / beta / MOST_JUMPS), 1.0)
    budget = SHARE_SERIES * tolerance / float(steps.sum())
    missing, products = 0.0, 0
    before = 0.0
    for k, time in enumerate(when.tolist()):
        duration = (np.longdouble(time) - np.longdouble(before)) / np.longdouble(steps[k])
        series = poisson_series(duration / np.longdouble(beta), budget)
        left = float(steps[k]) if duration > 0 else 0.0
        while left > 0.0 and u[:, 2].max() > SHARE_SERIES * tolerance:
            left -= 1.0
            total, v = series.weights[0] * u, u
            for weight in series.weights[1:].tolist():
                v = moves @ v + stays * v + ends
                total += weight * v
            u = total
            products += series.n_products
            missing += series.missing
            if products * (moves.nnz + 1_000.0) > MOST_WORK:
                message = (
                    f"direction='adjoint': time {time:g} takes more than {products:,} products with the generator; ask for "
                    "earlier times, or for the whole of time by hit_probability"
                )
                raise SolverError(message)
        stopped = u[:, 2] if left > 0.0 else 0.0  # what is on its way may hit the target, too
        before = time
        rounding = 2.0 * (products * generator.product_error + 2.0**-50)
        lower[k] = u[:, 0] * max(0.0, 1.0 - rounding)
        most = (u[:, 0] + u[:, 1] + stopped) * (1.0 + rounding)
        upper[k] = np.minimum(most + missing * (1.0 + 1e-9), 1.0)
        if time == 0.0:
            upper[k] = lower[k]
    return ByState(problem.regions, when, space.states(), lower, np.maximum(upper, lower))
