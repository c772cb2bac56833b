"""Detailed balance of a finite chain: the test of Kolmogorov, the law it gives, or a cycle that breaks it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order, connected_components

from fsp.errors import ArgumentError
from fsp.stationary.chain import FiniteChain

__all__ = ["Balance", "check_balance", "log_symmetriser"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Balance:
    """Whether a chain has detailed balance: the products of rates along every cycle, one way and the other, agree.

    Attributes
    ----------
    holds : bool
        No cycle was found whose products differ by more than rounding explains.
    mismatch : float
        The largest ``|ln(forward/backward)|`` over the fundamental cycles of a spanning tree; infinite if a transition
        has no reverse.
    margin : float
        What rounding of the rates and of the sums of their logarithms can amount to.
    cycle : ndarray of int64
        States of a short cycle that is out of balance, its first state repeated at the end; empty if balance holds. The
        product of rates in this direction is the larger one.
    affinity : float
        ``ln(forward/backward)`` along this cycle; 0 if balance holds, infinite if a transition has no reverse.
    log_law : ndarray, shape (n_states,)
        Logarithm of the stationary law that balance implies, 0 at its largest entry; meaningless without balance.
    """

    holds: bool
    mismatch: float
    margin: float
    cycle: IntArray
    affinity: float
    log_law: FloatArray


def check_balance(chain: FiniteChain) -> Balance:
    """Test a chain for detailed balance on the rates inside its set (outflow is left out); O(n_rates log n_states).

    A spanning tree fixes the only law that can be in balance; each transition outside of the tree closes a cycle
    (Kolmogorov 1936). Its cycles are short, because the tree is made breadth first.

    Raises
    ------
    ArgumentError
        If the states are not connected.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> ring = np.array([[0.0, 1, 3], [3, 0, 1], [1, 3, 0]])  # three states in a ring; row: target
    >>> found = check_balance(FiniteChain(sp.csr_array(ring), np.zeros(3)))
    >>> found.holds, found.cycle.tolist(), round(float(found.affinity / np.log(3)), 12)
    (False, [0, 1, 2, 0], 3.0)
    """
    out, back = chain.outgoing.sorted_indices(), chain.inflow.sorted_indices()
    source = np.repeat(np.arange(chain.n_states), np.diff(out.indptr))
    symmetric = np.array_equal(out.indptr, back.indptr) and np.array_equal(out.indices, back.indices)
    if not symmetric:
        return _one_way(chain)
    order, parent = breadth_first_order(out, 0, directed=True)
    if order.size < chain.n_states:
        message = (
            "the states fall apart into several sets without transitions between them: take them one by one"
        )
        raise ArgumentError(message)
    gain = np.log(out.data) - np.log(back.data)
    target = out.indices.astype(np.int64)
    parent[order[0]] = order[0]
    on_tree = parent[target] == source
    step = np.zeros(chain.n_states)
    step[target[on_tree]] = gain[on_tree]
    log_law, depths = _along_paths(step, parent.astype(np.int64))
    depth = int(depths.max(initial=0))
    misfit = log_law[source] + gain - log_law[target]
    mismatch = float(misfit.max(initial=0.0))
    # A rate is off by a few units in the last place, its logarithm by that and by rounding; a cycle has 2 depth + 1.
    margin = 2.0**-49 * (2 * depth + 2) * (1.0 + float(np.abs(gain).max(initial=0.0)))
    margin += 2.0**-51 * float(np.abs(log_law).max(initial=0.0)) * (depth.bit_length() + 2)
    log_law = log_law - log_law.max(initial=-np.inf)
    if mismatch <= margin:
        return Balance(True, mismatch, margin, np.empty(0, np.int64), 0.0, log_law)
    broken = np.flatnonzero(misfit > max(margin, 1e-3 * mismatch))
    short = broken[int(np.argmin(depths[source[broken]] + depths[target[broken]]))]
    cycle = _tree_cycle(parent, int(source[short]), int(target[short]))
    return Balance(False, mismatch, margin, cycle, float(misfit[short]), log_law)


def log_symmetriser(chain: FiniteChain) -> FloatArray | None:
    """Return the logarithm of a law that balances every pair of states, or None if there is none.

    For choosing and making a solver; states that fall apart are taken one set by one.
    """
    count, labels = connected_components(chain.outgoing, directed=False)
    if count == 1:
        found = check_balance(chain)
        return found.log_law if found.holds else None
    log_law = np.zeros(chain.n_states)
    for label in range(count):
        here = labels == label
        part = check_balance(chain.restricted(here))
        if not part.holds:
            return None
        log_law[here] = part.log_law
    return log_law


def _along_paths(step: FloatArray, parent: IntArray) -> tuple[FloatArray, IntArray]:
    """Return the sums of ``step`` from each state to the root, and the depths of the states, by pointer doubling."""
    total, jump = step.copy(), parent.copy()
    depths = (parent != np.arange(step.size)).astype(np.int64)
    while True:
        total = total + total[jump]
        depths = depths + depths[jump]
        if (jump == jump[jump]).all():
            return total, depths
        jump = jump[jump]


def _tree_cycle(parent: IntArray, source: int, target: int) -> IntArray:
    """Return the cycle that the transition from ``source`` to ``target`` closes: up and down the tree, and across."""
    paths = []
    for end in (source, target):
        path = [end]
        while parent[path[-1]] != path[-1]:
            path.append(int(parent[path[-1]]))
        paths.append(path)
    up, down = paths
    while len(up) > 1 and len(down) > 1 and up[-2] == down[-2]:
        up.pop()
        down.pop()
    return np.array([*up[::-1], *down], np.int64)


def _one_way(chain: FiniteChain) -> Balance:
    """Name a transition without a reverse and, if there is one, a way back."""
    forward = chain.outgoing.tocoo()
    there = forward.coords[0].astype(np.int64) * chain.n_states + forward.coords[1]
    reverse = forward.coords[1].astype(np.int64) * chain.n_states + forward.coords[0]
    alone = int(np.flatnonzero(~np.isin(there, reverse))[0])
    x, y = int(forward.coords[0][alone]), int(forward.coords[1][alone])
    _, parent = breadth_first_order(chain.outgoing, y, directed=True)
    path = [x]
    while path[-1] != y and parent[path[-1]] >= 0:
        path.append(int(parent[path[-1]]))
    cycle = [x, *path[::-1]] if path[-1] == y else [x, y]
    nothing = np.full(chain.n_states, np.nan)
    return Balance(False, np.inf, 0.0, np.array(cycle, np.int64), np.inf, nothing)
