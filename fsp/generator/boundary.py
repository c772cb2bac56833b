"""The segments through which probability leaves a state set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsp.generator import kernels, segments
from fsp.generator.inflow import index_type
from fsp.generator.survey import check_propensities
from fsp.generator.tables import FactorTables
from fsp.statespace.fibres import FibreSet

__all__ = ["Boundary"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Boundary:
    """The segments through which probability leaves the state set.

    Attributes
    ----------
    local : ndarray
        Which of the reactions that the generator knows leaves, in as few bytes as that takes.
    reaction : ndarray of int64
        The same among the reactions of the network, and then ``further``.
    further : ndarray of int64
        The reactions of ways out that are no segments; see `fsp.generator.redirected`.
    start, stop : ndarray
        The states, by position.
    fibre, lo, hi : ndarray of int64
        The same states: counts ``lo <= v < hi`` along the fibre. These are worked out anew whenever they are asked for,
        because the segments of a large set of three species take as much memory as a vector.
    c, table : ndarray
        The outflow rate, or the factor of that and where in the tables the others are; -1 if it is the same for all states.
    positions : ndarray of int64
        All states with outflow, ascending; empty if ``rates`` is for all states.
    rates : ndarray of float64
        Their outflow rates, over all reactions; for every state of the set if many have outflow.

    The last two take memory in proportion to the states, and are made when they are first asked for.
    """

    def __init__(
        self, local: IntArray, fibre: IntArray, lo: IntArray, hi: IntArray, c: FloatArray, table: IntArray,
        space: FibreSet, reactions: IntArray, tables: FloatArray | None = None,
    ) -> None:  # fmt: skip
        kind = index_type(space.n_states, 0 if tables is None else tables.size, int(table.max(initial=0)))
        self.local: NDArray[Any] = local.astype(np.min_scalar_type(max(reactions.size, 1)))
        start = space.offset[fibre] + lo - space.first[fibre]
        self.start: NDArray[Any] = start.astype(kind)
        self.stop: NDArray[Any] = (start + (hi - lo)).astype(kind)
        self.c = c
        self.table: NDArray[Any] = np.where(table != segments.NO_TABLE, table + lo, -1).astype(kind)
        self.segments = (self.start, self.stop, c, self.table)
        self.further = np.empty(0, np.int64)
        self._space, self._reactions, self._tables = space, reactions, tables

    @classmethod
    def of(
        cls, tables: FactorTables, space: FibreSet, part: slice, c: FloatArray, start: IntArray
    ) -> Boundary:
        """Return the boundary of some reactions, whose survey found ``c`` and ``start``.

        Raises
        ------
        PropensityError
            If a reaction would make a count negative.
        """
        coordinates = space.coordinates
        found, rate, m, error = segments.boundary_segments(
            space.prefix, space.first, space.length, tables.shifts[part], c, start, tables.tables, coordinates.offset,
            coordinates.matrix,
        )  # fmt: skip
        error[1] += part.start
        check_propensities(error, tables, space)
        local, fibre, lo, hi, table = found[:, :m]
        local += part.start
        return cls(local, fibre, lo, hi, rate[:m].copy(), table, space, tables.reactions, tables.tables)

    @classmethod
    def joined(cls, parts: Sequence[Boundary]) -> Boundary:
        """Return the boundaries of some reactions each, of one set and with the same tables, as one."""
        first = parts[0]
        if len(parts) == 1:
            return first
        joined = cls.__new__(cls)
        names = ("local", "start", "stop", "c", "table")
        for name in names:
            setattr(joined, name, np.concatenate([getattr(part, name) for part in parts]))
        joined.segments = (joined.start, joined.stop, joined.c, joined.table)
        joined.further = first.further
        joined._space, joined._reactions, joined._tables = first._space, first._reactions, first._tables
        return joined

    @property
    def n_segments(self) -> int:
        """The number of segments."""
        return int(self.local.size)

    @property
    def reaction(self) -> IntArray:
        """The reaction of the network that leaves."""
        reaction = self._reactions[self.local]
        return np.concatenate([reaction, self.further]) if self.further.size else reaction

    @property
    def fibre(self) -> IntArray:
        """The fibre of each segment."""
        fibre: IntArray = np.searchsorted(self._space.offset, self.start, side="right") - 1
        return fibre

    @property
    def lo(self) -> IntArray:
        """The first count along the fibre."""
        fibre = self.fibre
        lo: IntArray = self.start - self._space.offset[fibre] + self._space.first[fibre]
        return lo

    @property
    def hi(self) -> IntArray:
        """The count behind the last one."""
        hi: IntArray = self.lo + (self.stop - self.start)
        return hi

    @cached_property
    def _by_state(self) -> tuple[IntArray, FloatArray]:
        assert self._tables is not None  # else the caller sets positions and rates
        positions, rates = kernels.boundary_rates(self._space.n_states, *self.segments, self._tables)
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
        return sum(a.nbytes for a in (self.local, *self.segments))

    @property
    def size(self) -> int:
        """About the number of states with outflow; those with several segments may count as often."""
        return int((self.stop - self.start).sum())
