"""The segments through which probability leaves a state set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fsp.generator import segments
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
    """

    positions: IntArray
    rates: FloatArray

    def __init__(self, local: IntArray, fibre: IntArray, lo: IntArray, hi: IntArray, c: FloatArray,
                 table: IntArray, space: FibreSet, reactions: IntArray) -> None:  # fmt: skip
        self.local = local
        self.reaction = reactions[local]
        self.fibre, self.lo, self.hi, self.c = fibre, lo, hi, c
        self.start = space.offset[fibre] + lo - space.first[fibre]
        self.stop = self.start + hi - lo
        self.table = np.where(table != segments.NO_TABLE, table + lo, -1)
        self.segments = (self.start, self.stop, c, self.table)

    @property
    def n_segments(self) -> int:
        """The number of segments."""
        return int(self.local.size)
