"""The stationary law on a large box, from rates written out by hand: a reference that certified laws are held against.

The matrix is assembled here, with one diagonal for each reaction, so that state sets, propensities and assembly of ``fsp``
take no part in it, nor does any certificate. It is solved by SciPy's SuperLU, or where factors would not fit into memory
by multilevel aggregation; certified runs eliminate without subtractions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

import fsp
from fsp.stationary.chain import FiniteChain
from fsp.stationary.multilevel import Multilevel

__all__ = ["BoxReference", "Reaction"]

FloatArray = NDArray[np.float64]

#: What a reaction adds to the counts, and its rate as a function of the arrays of counts.
Reaction = tuple[tuple[int, ...], Callable[..., Any]]


@dataclass(frozen=True, eq=False)
class BoxReference:
    """A chain on all states with counts below ``sides``.

    Attributes
    ----------
    sides : tuple of int
    inflow : csr_array
        Rates from state (column) to state (row), in the order of `numpy.ravel`.
    outflow : ndarray
        Rate out of the box from each state.
    """

    sides: tuple[int, ...]
    inflow: sp.csr_array
    outflow: FloatArray

    @classmethod
    def of(cls, sides: tuple[int, ...], reactions: Sequence[Reaction]) -> BoxReference:
        """Return the chain of reactions, no two of which change the counts in the same way."""
        counts = np.ogrid[tuple(slice(0, side) for side in sides)]
        n = math.prod(sides)
        strides = [math.prod(sides[k + 1 :]) for k in range(len(sides))]
        within, outflow, offsets = np.empty((len(reactions), n)), np.zeros(n), []
        for row, (shift, rate) in zip(within, reactions, strict=True):
            rates = np.broadcast_to(np.asarray(rate(*counts), float), sides)
            stays = np.ones(sides, np.bool_)
            for x, side, step in zip(counts, sides, shift, strict=True):
                stays &= (x + step >= 0) & (x + step < side)
            row[:] = np.where(stays, rates, 0.0).ravel()
            outflow += np.where(stays, 0.0, rates).ravel()
            offsets.append(-sum(s * d for s, d in zip(strides, shift, strict=True)))
        return cls(sides, sp.dia_array((within, offsets), shape=(n, n)).tocsr(), outflow)

    @property
    def n_states(self) -> int:
        """The number of states."""
        return int(self.outflow.size)

    @cached_property
    def exit(self) -> FloatArray:
        """Total rate out of each state."""
        total: FloatArray = self.inflow.sum(axis=0) + self.outflow
        return total

    def index(self, states: Any) -> NDArray[np.int64]:
        """Return the positions of states, rows of counts; a ValueError for one that is not in the box."""
        return np.asarray(np.ravel_multi_index(tuple(np.asarray(states).T), self.sides))

    def law(self, back: tuple[int, ...], solver: str = "superlu") -> FloatArray:
        """Return the stationary law if all that leaves the box comes back at the state ``back``."""
        reference = int(self.index([back])[0])
        if solver == "multilevel":
            return Multilevel(FiniteChain(self.inflow, self.outflow), 1e-13).stationary(reference)
        others = np.arange(self.n_states) != reference
        matrix = (sp.diags_array(self.exit) - self.inflow).tocsc()[:, others][others]
        # An M-matrix needs no pivoting.
        factors = splu(
            matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
        p = np.ones(self.n_states)
        p[others] = factors.solve(self.inflow[:, [reference]].toarray().ravel()[others])
        return np.asarray(p / p.sum())

    def residual(self, p: FloatArray) -> float:
        """Return the 1-norm of ``p Q`` on the whole lattice, outflow included, relative to the flow through the states."""
        flow = self.exit * p
        return float((np.abs(self.inflow @ p - flow).sum() + self.outflow @ p) / flow.sum())

    def difference(self, law: fsp.Distribution, p: FloatArray) -> float:
        """Return the 1-norm of the difference between a law, all of whose states must be in the box, and ``p``."""
        rest = p.copy()
        rest[self.index(law.states)] -= law.probabilities
        return float(np.abs(rest).sum())
