"""Where a chain ends: proven bounds of the probabilities of entering each of several classes.

With u the expected times in the transient states of a finite set, from the initial law until the set is left or a class
entered, a class is entered with probability ``sum u(x) rate(x -> class)``, the set left with ``sum u(x) rate(x -> out)``.
All terms are non-negative. Rates have extended precision here, and those that are zero are checked to be so exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order

from fsp.errors import PropensityError
from fsp.statespace.fibres import FibreSet
from fsp.stationary.chain import FiniteChain
from fsp.stationary.classes import Classes, communicating_classes
from fsp.stationary.enclosed_solves import LeavingChain
from fsp.stationary.lattice import UNIT, Lattice

__all__ = ["Ending", "ExactChain"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
LongArray = NDArray[np.longdouble]


@dataclass(frozen=True, eq=False)
class Ending:
    """Bounds of where the mass of an initial law goes.

    Attributes
    ----------
    lower, upper : ndarray, shape (n_classes,)
        Of the mass that enters each class before it leaves the set.
    leak : float
        Upper bound of the mass that leaves the set before it enters a class.
    flow : ndarray, shape (n_states,)
        Times in the transient states, zero elsewhere: where the mass leaves.
    """

    lower: FloatArray
    upper: FloatArray
    leak: float
    flow: FloatArray


class ExactChain:
    """The chain on a set of states, with rates in extended precision, and its classes.

    Parameters
    ----------
    lattice : Lattice
    space : FibreSet

    Raises
    ------
    PropensityError
        If a propensity is negative or not finite at a state.
    """

    def __init__(self, lattice: Lattice, space: FibreSet) -> None:
        self.lattice = lattice
        self.space = space
        self.rough = FiniteChain.of(lattice.network, space, lattice.tables)
        states = space.reduced()
        n = len(states)
        rates = lattice.rates(states)
        if not np.isfinite(rates.astype(float)).all():
            message = "a propensity is negative or not finite at a state that was looked at"
            raise PropensityError(message)
        self._zeros = states, rates
        self.outflow = np.zeros(n, np.longdouble)
        rows, columns, values = [], [], []
        for r in lattice.reactions:
            moving = np.flatnonzero(rates[:, r])
            where = lattice.positions(space, states[moving] + lattice.shifts[r])
            stays = where >= 0
            self.outflow[moving[~stays]] += rates[moving[~stays], r]
            rows.append(moving[stays])
            columns.append(where[stays])
            values.append(rates[moving[stays], r])
        nothing = [np.zeros(0, np.int64)]
        entries = np.concatenate([*values, np.zeros(0, np.longdouble)])
        places = (np.concatenate(rows + nothing), np.concatenate(columns + nothing))
        self.rates = sp.coo_array((entries, places), shape=(n, n)).tocsr()
        #: Relative error of the rates, and of sums of them.
        self.rate_error = lattice.rate_error + (len(lattice.reactions) + 2) * UNIT

    @cached_property
    def exact(self) -> bool:
        """Whether transitions that are absent are so exactly."""
        return self.lattice.zeros_are_exact(*self._zeros)

    @cached_property
    def _ways(self) -> sp.csr_array:
        """Where a transition leads, in a format that graph algorithms read."""
        ways = self.rates
        return sp.csr_array((np.ones(ways.nnz), ways.indices, ways.indptr), shape=ways.shape)

    @cached_property
    def classes(self) -> Classes:
        """The communicating classes."""
        return communicating_classes(FiniteChain(self._ways.T.tocsr(), (self.outflow > 0).astype(float)))

    def reachable(self, positions: IntArray) -> NDArray[np.bool_]:
        """Tell which states can be reached from some of them within the set, these included."""
        n = self.space.n_states
        found = np.zeros(n, np.bool_)
        if not positions.size:
            return found
        # One more state, from which each of the given ones is reached.
        first = sp.coo_array(
            (np.ones(positions.size), (np.full(positions.size, n), positions)), shape=(n + 1, n + 1)
        )
        inner = self._ways.tocoo()
        graph = sp.coo_array((inner.data, (inner.coords[0], inner.coords[1])), shape=(n + 1, n + 1)) + first
        order = breadth_first_order(sp.csr_matrix(graph), n, return_predecessors=False)
        found[order[order < n]] = True
        return found

    def ending(self, weights: LongArray, labels: IntArray, count: int) -> Ending:
        """Return where the mass of an initial law goes.

        Parameters
        ----------
        weights : ndarray of longdouble, shape (n_states,)
            The initial law, of any mass.
        labels : ndarray of int64, shape (n_states,)
            The class of each state, from 0 to ``count`` - 1; -1 for the others. From each of the others that is reached
            there has to be a way into a class or out of the set.
        count : int
        """
        n = self.space.n_states
        lower, upper = np.zeros(count, np.longdouble), np.zeros(count, np.longdouble)
        there = labels >= 0
        np.add.at(lower, labels[there], weights[there])
        upper += lower
        flow = np.zeros(n)
        leak = np.longdouble(0)
        passing = self.reachable(np.flatnonzero((weights > 0) & ~there)) & ~there
        if passing.any():
            inner = np.flatnonzero(passing)
            rows = self.rates[inner]
            members = sp.csr_array((np.ones(there.sum()), (np.flatnonzero(there), labels[there])), (n, count))
            into = rows @ members.astype(np.longdouble)
            gone = self.outflow[inner]
            # What a state that is passed leads to is passed, too, or in a class, or outside of the set.
            chain = LeavingChain(
                self.rough.restricted(passing), self.rate_error, rates=rows[:, inner],
                outflow=gone + np.asarray(into.sum(axis=1)).ravel(),
            )  # fmt: skip
            times = chain.enclose_times(weights[inner])
            low, high = times.lower.astype(np.longdouble), times.upper.astype(np.longdouble)
            flow[inner] = times.lower if not np.isfinite(times.upper).all() else times.upper
            slack = 2.0 * self.rate_error + (inner.size + 8.0) * UNIT
            lower = lower + (into.T @ low) * (1.0 - slack)
            with np.errstate(invalid="ignore"):  # an infinite time without a way in
                upper = upper + np.nan_to_num(into.T @ high, nan=np.inf) * (1.0 + slack)
                leak = (
                    np.longdouble(np.nan_to_num(gone @ high, nan=np.inf) * (1.0 + slack))
                    if gone.any()
                    else leak
                )
        return _tightened(lower, upper, leak, weights, flow)


def _tightened(
    lower: LongArray, upper: LongArray, leak: np.longdouble, weights: LongArray, flow: FloatArray
) -> Ending:
    """Return the bounds, also from what the others leave of the mass, rounded outwards."""
    margin = (weights.size + lower.size + 8.0) * UNIT
    mass = weights.sum() * (1.0 + margin)
    rest = np.maximum(mass - lower.sum() * (1.0 - margin), 0.0)
    upper = np.minimum(upper, lower + rest)
    below = np.maximum(np.nextafter(lower.astype(float), -np.inf), 0.0)
    above = np.nextafter(upper.astype(float), np.inf)
    return Ending(below, above, float(min(leak, rest) * (1.0 + margin)), flow)
