"""`PassageSet`: a finite set of states outside of the regions, as a chain, with the ways out of it told apart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order

from fsp.analysis.exits import DividedBoundary, divide_boundary
from fsp.analysis.passage_problem import PassageProblem
from fsp.errors import SolverError
from fsp.generator.fibre_generator import FibreGenerator
from fsp.generator.select import make_generator
from fsp.generator.tables import FactorTables
from fsp.interval import Interval
from fsp.stationary.chain import FiniteChain
from fsp.stationary.enclosed_solves import Enclosed, LeavingChain
from fsp.stationary.selection import estimates

if TYPE_CHECKING:
    from fsp.statespace.fibres import FibreSet

__all__ = ["MOST_SECONDS", "PassageSet", "reach"]

#: Seconds that factorisations may take together, by their estimate.
MOST_SECONDS = 20.0

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class PassageSet:
    """A finite set outside of the regions, with the rates to all that lies around it.

    Attributes
    ----------
    target, avoid, leak : ndarray
        Rates from each state into the target, into what is to be avoided, and to states that are not held.
    visited : ndarray of bool
        The states that can be reached from the start without leaving the set.
    reached : ndarray of bool
        These, or all states if the set can be left to where they may be entered from.
    inner : ndarray of bool
        The states that can be reached from the start and from which there is a way out of the set.
    leaks : bool
        Whether a state can be reached from which a way leads to states that are not held.
    trapped : bool
        Whether a state can be reached from which there is none.
    whole, chain : FiniteChain
        The chain on all states, and on those of ``inner``.
    """

    def __init__(self, problem: PassageProblem, space: FibreSet) -> None:
        self.problem, self.space = problem, space
        tables = FactorTables(problem.network, space.coordinates)
        self.generator: FibreGenerator = make_generator(tables, space, threads=1)
        divide_boundary(self.generator, problem.regions, everywhere=True)
        boundary = self.generator.boundary
        assert isinstance(boundary, DividedBoundary)
        self.target, self.avoid, self.leak = boundary.target, boundary.avoid, boundary.rates
        rows, columns, values, _ = self.generator.triplets()
        n = space.n_states
        inflow = sp.coo_array((values, (rows, columns)), shape=(n, n)).tocsr()
        inflow.eliminate_zeros()
        self.p, _ = problem.space.transfer(problem.p, space)
        reached = self.visited = reach(inflow.T.tocsr(), self.p > 0.0)
        if (self.leak[reached] > 0.0).any():  # from outside, any state may be entered again
            reached = np.ones(n, np.bool_)
        self.leaks = bool((self.leak[reached] > 0.0).any())
        out = self.target + self.avoid + self.leak
        leaves = reach(inflow, (out > 0.0) & reached)
        self.reached: BoolArray = reached
        self.inner: BoolArray = reached & leaves
        self.trapped = bool((reached & ~leaves).any())
        error = tables.n_tables * (tables.evaluation_error + 2.0**-53)
        self.rate_error = error + (self.generator.n_terms + 4.0) * 2.0**-53
        self.whole = FiniteChain(inflow, out)
        self.chain: FiniteChain = self.whole.restricted(self.inner)
        self.leaving = LeavingChain(self.chain, self.rate_error) if self.inner.any() else None

    @property
    def seconds(self) -> float:
        """A rough estimate of what a factorisation takes."""
        if self.leaving is None:
            return 0.0
        return min(e.seconds for e in estimates(self.chain).values())

    def check_cost(self) -> None:
        """Refuse linear systems that would take far too long."""
        if self.seconds > MOST_SECONDS:
            message = (
                f"the linear systems of {self.space.n_states:,} states would take about {self.seconds:.0f} s or more; with "
                "max_states= or bounds= smaller sets are taken, whose bounds are wider"
            )
            raise SolverError(message)

    def enclose(self, lower: FloatArray, upper: FloatArray | None = None) -> Enclosed:
        """Return bounds of the expected rewards by initial state of ``inner``."""
        if self.leaving is None:
            return Enclosed(np.zeros(0), np.zeros(0))
        return self.leaving.enclose(lower, upper)

    def flow_into(self, rates: FloatArray) -> Enclosed:
        """Return bounds of the probability of leaving by a way that has these rates, by initial state of ``inner``."""
        here = rates[self.inner]
        return self.enclose(here) if here.any() else Enclosed(np.zeros(here.size), np.zeros(here.size))

    def mean_over_start(self, values: Enclosed, where: BoolArray | None = None) -> Interval:
        """Return the expectation over the part of the initial law that lies in ``inner``, or in other states."""
        p = self.p[self.inner if where is None else where]
        used = p > 0.0
        lower = math.fsum((p[used] * values.lower[used]).tolist())
        upper = math.fsum((p[used] * values.upper[used]).tolist())
        return Interval(lower * (1.0 - 2.0**-50), upper * (1.0 + 2.0**-50) + 5e-324)

    def occupation(self) -> FloatArray:
        """Return the expected time in each state, an approximation."""
        time = np.zeros(self.space.n_states)
        if self.leaving is not None:
            time[self.inner] = np.maximum(self.leaving.solver.occupation(self.p[self.inner]), 0.0)
        return time


def reach(arrows: sp.csr_array, seeds: BoolArray) -> BoolArray:
    """Return the states that can be reached along arrows (row: from, column: to) from the seeds."""
    n = seeds.size
    first = np.flatnonzero(seeds)
    found = np.zeros(n + 1, np.bool_)
    if first.size:
        start = sp.csr_array((np.ones(first.size), (np.zeros(first.size, np.int64), first)), shape=(1, n + 1))
        wider = sp.csr_array((arrows.data, arrows.indices, arrows.indptr), shape=(n, n + 1))
        order = breadth_first_order(sp.vstack([wider, start]).tocsr(), n, return_predecessors=False)
        found[order] = True
    return found[:n]
