"""`FiniteChain`: a chain on finitely many states, as non-negative rates between them and out of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from fsp.generator.select import make_generator
from fsp.generator.tables import FactorTables
from fsp.stationary.band import Band, axis_orders, narrow_band
from fsp.stationary.dissection import Dissection

if TYPE_CHECKING:
    from fsp.model.network import ReactionNetwork
    from fsp.statespace.fibres import FibreSet

__all__ = ["FiniteChain"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: A narrower band is not worth a dissection: its fronts are small, and what they cost is mostly not arithmetic.
NARROW = 64.0


class FiniteChain:
    """Rates between finitely many states, and out of them; nothing is stored that is a difference.

    With ``B`` the off-diagonal rates (row: target, column: source) and ``e`` the exit rates, which are the column sums
    of ``B`` plus the outflow rates, the generator is ``A = B - diag(e)``. Algorithms that use ``B``, the outflow and
    sums of them only (no subtraction) are accurate in every entry; see O'Cinneide (1993), Numerische Mathematik 65.

    Parameters
    ----------
    inflow : csr_array, shape (n_states, n_states)
        The matrix ``B``: non-negative, with an empty diagonal.
    outflow : ndarray, shape (n_states,)
        Rate out of the set from each state.
    space : FibreSet, optional
        The states, if they are all those of a set.

    Examples
    --------
    >>> import fsp
    >>> from fsp.statespace import Coordinates, FibreSet
    >>> network = fsp.gallery.birth_death()
    >>> space = FibreSet.from_states(Coordinates.of(network), [[0], [1], [2]])
    >>> chain = FiniteChain.of(network, space)
    >>> chain.n_states, int(np.count_nonzero(chain.outflow))
    (3, 1)
    """

    def __init__(self, inflow: sp.csr_array, outflow: FloatArray, space: FibreSet | None = None) -> None:
        self.inflow = inflow
        self.outflow = outflow
        self.space = space

    @classmethod
    def of(cls, network: ReactionNetwork, space: FibreSet, tables: FactorTables | None = None) -> FiniteChain:
        """Return the chain of a network on a state set; O(n_states * n_reactions) time and memory.

        Raises
        ------
        PropensityError
            If a propensity is negative, not finite, or would make a count negative at a state of the set.
        """
        if tables is None:
            tables = FactorTables(network, space.coordinates)
        generator = make_generator(tables, space, threads=1)
        rows, columns, values, _ = generator.triplets()
        index = np.int32 if space.n_states < 2**31 else np.int64
        entries = (values, (rows.astype(index), columns.astype(index)))
        inflow = sp.coo_array(entries, shape=(space.n_states, space.n_states)).tocsr()  # adds up duplicates
        inflow.eliminate_zeros()
        return cls(inflow, generator.outflow_rates(), space)

    @property
    def n_states(self) -> int:
        """The number of states."""
        return int(self.outflow.size)

    @cached_property
    def outgoing(self) -> sp.csr_array:
        """The rates by source: row ``x`` holds the rates from ``x`` to the other states of the set."""
        return self.inflow.T.tocsr()

    @cached_property
    def exit(self) -> FloatArray:
        """Total rate out of each state, to the other states and out of the set."""
        total: FloatArray = self.outgoing.sum(axis=1) + self.outflow
        return total

    @cached_property
    def band(self) -> Band:
        """An order of the states in which rates stay near the diagonal."""
        if self.space is None or not 2 <= self.space.coordinates.n_axes <= 3:
            return narrow_band(self.outgoing)
        return narrow_band(self.outgoing, axis_orders(self.space))

    @cached_property
    def elimination_order(self) -> Band | Dissection:
        """The order of the states in which elimination takes the least time: a band or a dissection."""
        band = self.band
        if self.space is None or band.width <= NARROW:
            return band
        dissection = Dissection.of(self.outgoing, self.inflow, self.space.reduced())
        return dissection if dissection.seconds < band.seconds else band

    def generator(self) -> sp.csr_array:
        """Return ``A`` (columns and outflow sum to zero)."""
        return (self.inflow - sp.diags_array(self.exit, format="csr")).tocsr()

    def restricted(self, keep: NDArray[np.bool_]) -> FiniteChain:
        """Return the chain on some of the states; transitions to the others leave the set."""
        inside = np.flatnonzero(keep)
        rows = self.outgoing[inside]
        lost = rows[:, np.flatnonzero(~keep)].sum(axis=1)
        space = None if self.space is None else self.space.where(np.asarray(keep, bool))
        return FiniteChain(rows[:, inside].T.tocsr(), self.outflow[inside] + lost, space)

    def until(self, target: int) -> FiniteChain:
        """Return the chain that ends when it reaches the state ``target``: its only way is then out of the set."""
        rates = self.outgoing.copy()
        rates.data[rates.indptr[target] : rates.indptr[target + 1]] = 0.0
        inflow = self.inflow.copy()
        inflow.data[inflow.indices == target] = 0.0
        outflow = self.outflow.copy()
        outflow[target] = max(float(self.exit[target]), np.finfo(float).tiny)
        chain = FiniteChain(inflow, outflow, self.space)
        chain.__dict__["outgoing"] = rates  # known already
        return chain

    def closed(self, target: int) -> FiniteChain:
        """Return the chain in which all that leaves the set comes back at the state ``target``; its own is dropped."""
        from_states = np.flatnonzero(self.outflow)
        from_states = from_states[from_states != target]
        rows = np.full(from_states.size, target)
        entries = (self.outflow[from_states], (rows, from_states))
        back = sp.coo_array(entries, shape=self.inflow.shape).tocsr()
        return FiniteChain((self.inflow + back).tocsr(), np.zeros(self.n_states), self.space)

    def __repr__(self) -> str:
        leaving = int(np.count_nonzero(self.outflow))
        return f"FiniteChain({self.n_states:,} states, {self.inflow.nnz:,} rates, {leaving:,} states with outflow)"
