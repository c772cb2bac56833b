"""The segments by which probability flows within a state set, in the order in which a product goes through them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsp.generator import kernels, segments
from fsp.generator.blocks import pack_segments
from fsp.generator.entries import add_diagonal
from fsp.statespace.fibres import FibreSet

__all__ = ["Inflow"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Inflow:
    """Segments of inflow by target fibre, as `fsp.generator.segments.inflow_segments` makes them.

    Attributes
    ----------
    s, t : tuple of ndarray
        ``pointer, lo, hi, source, c`` of the segments without a table, and of those with one, then also ``table``. Parts of
        the exit rates that are not the same on all fibres are among the latter, with negative ``c``.
    s_reaction, t_reaction : ndarray
        Their reactions.
    fuse : tuple of ndarray
        The part of each fibre that all segments cover.
    packed : tuple of ndarray
        All segments of a fibre behind one another, see `fsp.generator.blocks.pack_segments`.
    """

    s: tuple[Any, ...]
    t: tuple[Any, ...]
    s_reaction: IntArray
    t_reaction: IntArray
    fuse: tuple[IntArray, IntArray]
    packed: tuple[Any, ...]

    @classmethod
    def of(cls, space: FibreSet, survey: tuple[Any, ...], mixed: tuple[FloatArray, IntArray]) -> Inflow:
        """Return the segments of a set.

        Parameters
        ----------
        space : FibreSet
        survey : tuple
            Shifts of the reactions, both arrays of `fsp.generator.segments.survey`, and ``along_base`` and
            ``pure`` of the tables.
        mixed : tuple
            The last two results of `fsp.generator.entries.diagonal_parts`.
        """
        shifts, coefficient, start, along_base, pure = survey
        fibres = (space.prefix, space.first, space.length, space.offset)
        common = (*fibres, shifts, coefficient, start, along_base)
        *s, _, s_reaction = segments.inflow_segments(*common, False)
        *t, t_reaction = segments.inflow_segments(*common, True)
        if mixed[0].size:
            *t, t_reaction = add_diagonal(
                space.length, space.offset, along_base, pure, *mixed, *t, t_reaction
            )
        n = space.n_fibres
        pointer, records = np.zeros(n + 1, np.int64), np.empty((int(s[0][-1] + t[0][-1]), 5), np.int64)
        packed = (pointer, np.empty(n, np.int64), records, records.view(np.float64))
        pack_segments(*s, *t, *packed)
        fuse = kernels.fuse_ranges(space.length, *s[:3], *t[:3])
        return cls(tuple(s), tuple(t), s_reaction, t_reaction, fuse, packed)

    @property
    def nbytes(self) -> int:
        """The memory of the segments."""
        arrays = (*self.s, *self.t, *self.fuse, *self.packed[:3], self.s_reaction, self.t_reaction)
        return sum(a.nbytes for a in arrays)
