"""The segments by which probability flows within a state set, in the order in which a product goes through them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsp.generator import segments
from fsp.generator.blocks import RECORD_COLUMNS, fused_part, pack_segments, place_segments
from fsp.generator.entries import add_diagonal
from fsp.generator.heap import LARGE
from fsp.generator.survey import Survey
from fsp.statespace.fibres import FibreSet

__all__ = ["Inflow", "SegmentLists", "index_type"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Positions below this fit into four bytes, with room for those before the start of a fibre or a table.
_NARROW = 2**31 - 2**16


def index_type(*sizes: int) -> type[np.signedinteger[Any]]:
    """Return the type of positions in arrays of these sizes."""
    return np.int32 if max(sizes) < _NARROW else np.int64


@dataclass(frozen=True)
class SegmentLists:
    """Segments of inflow by target fibre, as `fsp.generator.segments.inflow_segments` makes them.

    Attributes
    ----------
    s, t : tuple of ndarray
        ``pointer, lo, hi, source, c`` of the segments without a table, and of those with one, then also ``table``. Parts of
        the exit rates that are not the same on all fibres are among the latter, with negative ``c``.
    s_reaction, t_reaction : ndarray
        Their reactions.
    """

    s: tuple[Any, ...]
    t: tuple[Any, ...]
    s_reaction: IntArray
    t_reaction: IntArray

    @classmethod
    def of(cls, space: FibreSet, survey: tuple[Any, ...], mixed: tuple[FloatArray, IntArray]) -> SegmentLists:
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
        return cls(tuple(s), tuple(t), s_reaction, t_reaction)

    @property
    def nbytes(self) -> int:
        """The memory of the lists."""
        return sum(a.nbytes for a in (*self.s, *self.t, self.s_reaction, self.t_reaction))


@dataclass
class Inflow:
    """What a product needs of the segments.

    Attributes
    ----------
    packed : tuple of ndarray
        For each fibre the part that all its segments cover; then all segments of a fibre behind one another, see
        `fsp.generator.blocks.pack_segments`. Positions take four bytes where that is enough.
    lists : SegmentLists or None
        What they were made from. Large sets do not keep it; it is made again where it is asked for.
    """

    packed: tuple[Any, ...]
    lists: SegmentLists | None

    @classmethod
    def of(cls, space: FibreSet, lists: SegmentLists, table_size: int) -> Inflow:
        """Pack the segments of a set, with tables of so many entries."""
        n, size = space.n_fibres, int(lists.s[0][-1] + lists.t[0][-1])
        kind = index_type(space.n_states, table_size, size)
        fuse_lo, fuse_hi, pointer, middle = (np.zeros(m, kind) for m in (n, n, n + 1, n))
        records = np.empty((size, RECORD_COLUMNS[pointer.itemsize]), kind)
        packed = (fuse_lo, fuse_hi, pointer, middle, records, records.view(np.float64))
        pack_segments(space.length, *lists.s, *lists.t, *packed)
        return cls(packed, lists if space.n_states < LARGE else None)

    @classmethod
    def by_reaction(cls, survey: Survey) -> Inflow:
        """Pack the segments of a large set reaction by reaction: lists of all of them would take twice as much memory."""
        space, n = survey.space, survey.space.n_fibres
        tabled = survey.along_base != segments.NO_TABLE
        plain, others = np.zeros(n, np.int64), np.zeros(n, np.int64)  # the number of segments of each fibre
        for r in range(tabled.size):
            number = others if tabled[r] else plain
            number += np.diff(_segments_of(survey, r)[0])
        size = int(plain.sum() + others.sum())
        kind = index_type(space.n_states, survey.tables.size, size)
        pointer = np.zeros(n + 1, kind)
        np.cumsum(plain + others, out=pointer[1:])
        middle = (pointer[:-1] + plain).astype(kind)
        del plain, others
        records = np.empty((size, RECORD_COLUMNS[pointer.itemsize]), kind)
        weights, at = records.view(np.float64), pointer[:-1].copy()
        for r in np.argsort(tabled, kind="stable").tolist():
            place_segments(tabled[r], *_segments_of(survey, r)[:-1], at, records, weights)
        fuse_lo, fuse_hi = np.zeros(n, kind), np.zeros(n, kind)
        fused_part(space.length, pointer, records, fuse_lo, fuse_hi)
        return cls((fuse_lo, fuse_hi, pointer, middle, records, weights), None)

    @property
    def nbytes(self) -> int:
        """The memory of the segments."""
        lists = 0 if self.lists is None else self.lists.nbytes
        return int(sum(a.nbytes for a in self.packed[:-1])) + lists


def _segments_of(survey: Survey, r: int) -> tuple[Any, ...]:
    """Return what `fsp.generator.segments.inflow_segments` returns for one reaction."""
    part, space = slice(r, r + 1), survey.space
    c, start, _ = survey.on_fibres(part)
    base = survey.along_base[part]
    fibres = (space.prefix, space.first, space.length, space.offset)
    found: tuple[Any, ...] = segments.inflow_segments(
        *fibres, survey.shifts[part], c, start, base, bool(base[0] != segments.NO_TABLE)
    )
    return found
