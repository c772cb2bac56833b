"""The segments through which probability leaves a state set."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fsp.generator import kernels, segments
from fsp.statespace.fibres import FibreSet

__all__ = ["Boundary"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Boundary:
    """The segments through which probability leaves the state set.

    Attributes
    ----------
    reaction : ndarray of int64
        The reaction of the network that leaves.
    fibre, lo, hi : ndarray of int64
        The states: counts ``lo <= v < hi`` along the fibre.
    start, stop : ndarray of int64
        The same states by position.
    positions : ndarray of int64
        All states with outflow, ascending; empty if ``rates`` is for all states.
    rates : ndarray of float64
        Their outflow rates, over all reactions; for every state of the set if many have outflow.

    Both take memory in proportion to the states, and are made when they are first asked for.
    """

    def __init__(
        self, local: IntArray, fibre: IntArray, lo: IntArray, hi: IntArray, c: FloatArray, table: IntArray,
        space: FibreSet, reactions: IntArray, tables: FloatArray | None = None,
    ) -> None:  # fmt: skip
        self.local = local
        self.reaction = reactions[local]
        self.fibre, self.lo, self.hi, self.c = fibre, lo, hi, c
        self.start = space.offset[fibre] + lo - space.first[fibre]
        self.stop = self.start + hi - lo
        self.table = np.where(table != segments.NO_TABLE, table + lo, -1)
        self.segments = (self.start, self.stop, c, self.table)
        self._n, self._tables = space.n_states, tables

    @property
    def n_segments(self) -> int:
        """The number of segments."""
        return int(self.local.size)

    @cached_property
    def _by_state(self) -> tuple[IntArray, FloatArray]:
        assert self._tables is not None  # else the caller sets positions and rates
        positions, rates = kernels.boundary_rates(self._n, *self.segments, self._tables)
        return positions, rates

    @cached_property
    def positions(self) -> IntArray:
        """The states with outflow."""
        return self._by_state[0]

    @cached_property
    def rates(self) -> FloatArray:
        """Their outflow rates."""
        return self._by_state[1]

    @property
    def nbytes(self) -> int:
        """The memory of the segments."""
        return 72 * self.n_segments

    @property
    def size(self) -> int:
        """About the number of states with outflow; those with several segments may count as often."""
        return int((self.stop - self.start).sum())
