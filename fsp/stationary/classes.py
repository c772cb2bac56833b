"""Communicating classes of a finite chain, and the probabilities of ending in each closed one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from fsp.stationary.chain import FiniteChain
from fsp.stationary.protocol import ChainSolver

__all__ = ["Classes", "communicating_classes", "ending_probabilities"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Classes:
    """The communicating classes of a chain: states that can be reached from each other.

    Attributes
    ----------
    labels : ndarray of int64, shape (n_states,)
        The class of each state.
    closed : ndarray of int64
        Classes from which no transition leads elsewhere, neither to another class nor out of the set, in the order of
        their first states. A single state among them is absorbing.
    open_ended : ndarray of int64
        Classes that are left through the boundary of the set only: on a larger set they may be closed, or not.
    """

    labels: IntArray
    closed: IntArray
    open_ended: IntArray

    def members(self, label: int) -> IntArray:
        """Return the positions of the states of a class."""
        return np.flatnonzero(self.labels == label)

    @property
    def absorbing(self) -> IntArray:
        """Positions of the states without any transition."""
        sizes = np.bincount(self.labels)
        alone = self.closed[sizes[self.closed] == 1]
        return np.flatnonzero(np.isin(self.labels, alone))


def communicating_classes(chain: FiniteChain) -> Classes:
    """Return the classes of a chain; O(n_states + n_rates) (Tarjan's strongly connected components).

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> rates = sp.csr_array(np.array([[0.0, 0, 0], [1, 0, 3], [0, 2, 0]]))  # 0 -> 1 <-> 2; row: target
    >>> found = communicating_classes(FiniteChain(rates, np.zeros(3)))
    >>> found.closed.size, found.members(int(found.closed[0])).tolist(), found.absorbing.tolist()
    (1, [1, 2], [])
    """
    count, found = connected_components(chain.outgoing, directed=True, connection="strong")
    labels = found.astype(np.int64)
    edges = chain.outgoing.tocoo()
    source, target = labels[edges.coords[0]], labels[edges.coords[1]]
    left = np.zeros(count, bool)
    left[source[source != target]] = True
    leaks = np.zeros(count, bool)
    leaks[labels[chain.outflow > 0.0]] = True
    first = np.full(count, chain.n_states, np.int64)
    np.minimum.at(first, labels, np.arange(chain.n_states))

    def in_order(chosen: NDArray[np.bool_]) -> IntArray:
        where = np.flatnonzero(chosen)
        return where[np.argsort(first[where])]

    return Classes(labels, in_order(~left & ~leaks), in_order(~left & leaks))


def ending_probabilities(
    chain: FiniteChain, classes: Classes, solver: Callable[[FiniteChain], ChainSolver]
) -> tuple[FloatArray, IntArray]:
    """Return for each state the probability of ending in each final class (before the set is left).

    Parameters
    ----------
    chain : FiniteChain
    classes : Classes
    solver : callable
        Makes a solver for the chain on the states that belong to no final class.

    Returns
    -------
    probabilities : ndarray, shape (n_final, n_states)
        Approximations: the solver's.
    final : ndarray of int64, shape (n_final,)
        The classes: closed ones, then those that are left through the boundary only.
    """
    final = np.concatenate([classes.closed, classes.open_ended])
    passing = ~np.isin(classes.labels, final)
    probabilities = np.zeros((final.size, chain.n_states))
    inner = solver(chain.restricted(passing)) if passing.any() else None
    for k, label in enumerate(final):
        there = classes.labels == label
        probabilities[k, there] = 1.0
        if inner is not None:
            into = chain.outgoing[np.flatnonzero(passing)][:, np.flatnonzero(there)].sum(axis=1)
            probabilities[k, passing] = inner.expectation(into)
    return probabilities, final
